"""Symptom: tumors whose front is thinner than the grid resolves grow up to a third too large, and neither the database
that holds them nor a posterior made of them said so.

Cause: the warning was that of a single simulation.
Guard: databases count them, results note them, and both offer a finer grid.
"""

import dataclasses
import json

import numpy as np
import pytest
from growing_ball import build_balls
from phantom_brain import phantom_atlas
from typer.testing import CliRunner

from gliofield.bayes import PosteriorSamples
from gliofield.cli import app
from gliofield.concern import verdict_of
from gliofield.database import TumorDraw, build_database, summarize
from gliofield.growth.thin_fronts import are_thin_fronts, infiltration_lengths_mm
from gliofield.pipeline.query_method import QueryMethod
from gliofield.pipeline.thin_front_concerns import (
    FINER_PATIENT,
    thin_front_concerns,
    thin_front_share,
    thin_front_share_concerns,
)
from gliofield.progress import ignore_progress
from gliofield.testing import PHANTOM_GRID, PhantomDesign, phantom_observation

SPACING_MM = (1.875, 1.875, 1.875)
RATES = {"white_matter_diffusivity_mm2_per_day": 0.05, "proliferation_rate_per_day": 0.05}


class HalfThin(PhantomDesign):
    """Every other tumor has an infiltration length of 2 mm on a grid of 4 mm, the others of 4 mm."""

    def draw(self, rng, anatomy):
        tumor = super().draw(rng, anatomy)
        length_mm = 2.0 if rng.integers(2) else 4.0
        parameters = dataclasses.replace(
            tumor.parameters,
            white_matter_diffusivity_mm2_per_day=length_mm * 0.1,
            proliferation_rate_per_day=0.1 / length_mm,
        )
        return TumorDraw(parameters=parameters, times_days=(200.0,))


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """Twelve tumors, some of them thin."""
    path = tmp_path_factory.mktemp("store") / "db"
    return build_database(path, 12, atlas=phantom_atlas(), design=HalfThin(), grid=PHANTOM_GRID)


def test_a_database_counts_them_and_offers_a_finer_grid(database):
    """As JSON and in words; a grid of 1 mm would resolve all."""
    lengths_mm = infiltration_lengths_mm(database.parameters, database.parameter_names)
    number = int(np.count_nonzero(lengths_mm < 3.0))
    assert 0 < number < 12
    summary = summarize(database)
    assert (summary.num_thin_fronts, summary.num_thin_fronts_at_1_mm) == (number, 0)

    shown = CliRunner().invoke(app, ["database", "info", str(database.path)])
    assert f"thin fronts: {number} tumors ({number / 12:.0%}) have √(D_w/ρ) below 3.2 mm" in shown.stdout
    assert "With --spacing-mm 1, 64.0 times the voxels, it would be 0%." in shown.stdout
    asked = CliRunner().invoke(app, ["database", "info", str(database.path), "--json"])
    assert json.loads(asked.stdout)["num_thin_fronts"] == number


def test_a_database_without_them_says_nothing(tmp_path):
    """Front and voxels fit."""
    database = build_balls(tmp_path / "db", num_tumors=3)
    thick = np.array(database.parameters)
    thick[:, 0] = 100.0
    wide = dataclasses.replace(database, table=dataclasses.replace(database.table, parameters=thick))
    assert summarize(wide).num_thin_fronts == 0


def test_the_limit_is_that_of_the_documentation():
    """1.5 mm at 1.875 mm; without proliferation there is no front."""
    assert are_thin_fronts(np.array([1.49, 1.5, np.inf]), SPACING_MM).tolist() == [True, False, False]
    rows = np.array([[0.1, 0.1], [0.2, 0.0]])
    lengths = infiltration_lengths_mm(rows, ("white_matter_diffusivity_mm2_per_day", "proliferation_rate_per_day"))
    assert lengths.tolist() == [1.0, np.inf]


def test_an_answer_whose_front_is_thin_has_a_note():
    """With its length and what to do; it is no reason to doubt the map."""
    (concern,) = thin_front_concerns(RATES, SPACING_MM, advice=FINER_PATIENT)
    assert concern.value == pytest.approx(1.0)
    assert "√(D_w/ρ) is 1.00 mm, resolved are 1.5 mm and more" in concern.text
    assert "--spacing-mm 1" in concern.text
    assert verdict_of([concern]) == "no-concern"
    assert thin_front_concerns(RATES, (1.25,) * 3, advice=FINER_PATIENT) == ()


@pytest.mark.parametrize("names", [tuple(RATES), ("diffusion_length_mm", "proliferation_number")])
def test_a_posterior_counts_them_by_weight(names):
    """Of samples of D_w and ρ, and of what a scan determines; below a fifth nothing is said."""
    rows = np.array([[0.05, 0.05], [0.4, 0.1]] if names == tuple(RATES) else [[2.0, 2.0], [4.0, 2.0]])
    for thin_weight, expected in ((0.75, True), (0.1, False)):
        samples = PosteriorSamples(
            names=names,
            units=("", ""),
            parameters=rows,
            log_weights=np.log([thin_weight, 1.0 - thin_weight]),
            log_prior=np.zeros(2),
            log_likelihood=np.zeros(2),
        )
        share = thin_front_share(samples, SPACING_MM)
        assert share == pytest.approx(thin_weight)
        concerns = thin_front_share_concerns(share, SPACING_MM, advice=FINER_PATIENT)
        assert [concern.name for concern in concerns] == (["thin-fronts"] if expected else [])


def test_a_query_says_so(database):
    """Where its best match is one of them."""
    estimate = QueryMethod(database=database).estimate(phantom_observation(), report=ignore_progress)
    length_mm = float(
        infiltration_lengths_mm(np.array([list(estimate.parameters.values())]), tuple(estimate.parameters))[0]
    )
    is_told = "thin-fronts" in [concern.name for concern in estimate.concerns]
    assert is_told == (length_mm < 3.2)
