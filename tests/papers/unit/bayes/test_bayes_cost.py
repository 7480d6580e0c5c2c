"""Ways to a posterior on one case: what their seconds are, and what becomes of one that fails."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from growth_likelihoods import BallModel, use_small_batches
from growth_phantoms import mixed_anatomy

from gliofield.anatomy import AtlasSpace
from gliofield.bayes import ImportanceSettings
from gliofield.errors import NumericalError
from gliofield.imaging import Observation
from gliofield.pipeline.sample_method import SampleMethod, SampleSettings
from gliofield.progress import ProgressEvent
from gliofield_papers.bayes.cases import VirtualCohort
from gliofield_papers.bayes.cost import REFERENCE_WAY, CostSettings, compare_costs
from gliofield_papers.bayes.measuring import MachineConditions, timed_sampling

ANATOMY = mixed_anatomy(spacing_mm=3.0)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    use_small_batches(monkeypatch)


@pytest.fixture(scope="module")
def observation():
    """Masks of a virtual case."""
    seen = VirtualCohort(anatomy=ANATOMY, model=BallModel(), min_core_ml=0.2).case(0).observation
    whole = seen.whole_tumor | seen.tumor_core
    return Observation(
        tumor_core=seen.tumor_core, whole_tumor=whole, grid=ANATOMY.grid, space=AtlasSpace(anatomy=ANATOMY)
    )


def test_seconds_end_where_maps_begin(observation):
    """A method that says when it has its samples is timed until then, another one as a whole."""

    def estimate(seen, *, report):
        report(ProgressEvent(task="sample", completed=1, total=1))
        report(ProgressEvent(task="densities of the posterior", completed=0, total=1))
        time.sleep(0.05)
        report(ProgressEvent(task="densities of the posterior", completed=1, total=1))

    def estimate_silently(seen, *, report):
        time.sleep(0.05)

    assert timed_sampling(SimpleNamespace(estimate=estimate), observation)[0] < 0.05
    assert timed_sampling(SimpleNamespace(estimate=estimate_silently), observation)[0] >= 0.05


def test_the_sampling_method_says_when_it_has_its_samples(observation):
    """By the task that seconds end with, after all of its stages."""
    tasks = []
    method = SampleMethod(
        model=BallModel(),
        settings=SampleSettings(
            sampler=ImportanceSettings(num_effective=10, max_simulations=512), correlation_length_mm=20.0,
            num_densities=2,
        ),
    )  # fmt: skip
    method.estimate(observation, report=lambda event: tasks.append(event.task))

    of_posterior = [f"{part}posterior" for part in ("start of the ", "modes of the ", "", "densities of the ")]
    assert list(dict.fromkeys(tasks)) == of_posterior


def test_a_way_that_fails_is_refused_with_its_reason(monkeypatch):
    """Others are compared all the same, and the conditions of their seconds kept."""

    def refuse(self, observation, *, report):
        raise NumericalError("samples collapse.")

    case = SimpleNamespace(core_ml=5.0, whole_ml=20.0)
    monkeypatch.setattr(SampleMethod, "estimate", refuse)
    monkeypatch.setattr("gliofield_papers.bayes.cost._case", lambda cohort: ({}, np.zeros(3, np.float32), case))
    begin = MachineConditions(architecture="abacus", num_cores=1, load_average_before=9.0, load_average_after=9.0)
    found = compare_costs(ANATOMY, settings=CostSettings(num_tmcmc_samples=8, num_paper_samples=8), conditions=begin)

    assert found.ways[0].way == REFERENCE_WAY
    assert {way.refusal for way in found.ways} == {"samples collapse."}
    assert all(np.isnan(way.seconds) for way in found.ways)
    assert found.conditions.architecture == "abacus"
