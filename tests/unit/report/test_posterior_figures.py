import importlib.util
import json
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from gliofield.bayes import BatchInfo, CredibleInterval, PosteriorSamples
from gliofield.grid import Grid
from gliofield.pipeline.density_posterior import DensityPosterior
from gliofield.report.posterior_figures import corner_figure, stage_figure
from gliofield.report.posterior_folder import write_posterior
from gliofield.volume import Volume
from gliofield_papers.tmcmc import StageInfo

GRID = Grid.axis_aligned((4, 4, 4), 2.0, (0.0, 0.0, 0.0))
BACKGROUND = Volume(np.ones(GRID.shape, np.float32), GRID)


def samples(number=40, **changes):
    parameters = np.random.default_rng(0).normal(size=(number, 3))
    values = {
        "names": ("growth_time_days", "seed_x_mm", "t1gd_threshold"),
        "units": ("day", "mm", "1"),
        "parameters": parameters,
        "log_weights": np.zeros(number),
        "log_prior": np.zeros(number),
        "log_likelihood": -np.arange(number, dtype=float),
    }
    return PosteriorSamples(**{**values, **changes})


def stages():
    common = {
        "log_mean_weight": -1.0,
        "weight_cv": 1.0,
        "effective_sample_size": 20.0,
        "num_distinct_leaders": 20,
        "num_distinct": 38,
        "acceptance_rate": 0.3,
        "proposal_scale": 0.2,
        "num_evaluations": 80,
    }
    return tuple(StageInfo(stage=n, tempering_exponent=p, **common) for n, p in ((1, 0.01), (2, 0.2), (3, 1.0)))


def labels(figure):
    shown = {axes.get_xlabel() for axes in figure.axes} | {axes.get_ylabel() for axes in figure.axes}
    return {" ".join(text.split()) for text in shown}


@pytest.mark.parametrize("log_weights", [np.zeros(40), np.linspace(-5.0, 0.0, 40)], ids=["equal", "weighted"])
@pytest.mark.parametrize("has_corner", [True, False])
def test_all_pairs_are_drawn_with_names_and_units(monkeypatch, log_weights, has_corner):
    """By the library or without it, weighted or not."""
    if has_corner:
        pytest.importorskip("corner")
    else:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    figure = corner_figure(samples(log_weights=log_weights), truth={"seed_x_mm": 0.3})

    assert {"growth time [day]", "seed x [mm]", "t1gd threshold"} <= labels(figure)
    assert len(figure.axes) == 9


@pytest.mark.parametrize("has_corner", [True, False])
def test_the_prior_stands_on_the_scale_of_the_posterior(monkeypatch, has_corner):
    """A prior that the samples were drawn from follows their histogram; one ten times as wide lies low."""
    if has_corner:
        pytest.importorskip("corner")
    else:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    drawn = samples(400)
    prior = np.random.default_rng(1).normal(size=(50_000, 3)) * (1.0, 10.0, 1.0)

    figure = corner_figure(drawn, prior=prior)
    without = corner_figure(drawn)
    added = [len(one.patches) - len(other.patches) for one, other in zip(figure.axes, without.axes, strict=True)]
    areas = [figure.axes[4 * column].patches[-1].get_data().values.sum() for column in range(3)]

    assert added == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert areas[0] == pytest.approx(400, rel=0.02)
    assert areas[1] < 150
    assert all(axes.get_ylim()[1] > axes.patches[-1].get_data().values.max() for axes in figure.axes[::4])


def test_parameters_without_spread_are_left_out():
    """One that never moves has no picture; without any there is a remark."""
    still = samples().parameters.copy()
    still[:, 1] = 4.0

    assert len(corner_figure(samples(parameters=still)).axes) == 4
    assert "all samples are equal" in corner_figure(samples(parameters=np.ones((40, 3)))).texts[0].get_text()


def test_few_samples_are_drawn():
    """Fewer samples than the library takes."""
    assert len(corner_figure(samples(3)).axes) == 9


def test_the_trace_shows_every_stage():
    """Exponents, what draws or steps are worth, and simulations; a line between adapting and sampling."""
    batches = tuple(
        BatchInfo(
            kind=kind, num_draws=128, num_simulations=120, tempering_exponent=p, num_components=1, effective_share=0.4
        )
        for kind, p in (("adapting", 0.1), ("adapting", 1.0), ("sampling", 1.0))
    )  # fmt: skip
    of_chain, of_batches = stage_figure(stages()), stage_figure(batches)

    assert len(of_chain.axes) == len(of_batches.axes) == 3
    np.testing.assert_array_equal(of_chain.axes[0].lines[0].get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(of_batches.axes[2].lines[0].get_ydata(), [120] * 3)
    assert {"steps accepted", "stage"} <= labels(of_chain)
    assert {"effective draws", "batch"} <= labels(of_batches)
    assert [len(each.axes[0].lines) for each in (of_chain, of_batches)] == [1, 2]
    assert of_batches.axes[0].lines[1].get_xdata()[0] == 2.5


@dataclass
class FakeResult:
    """What of a result the folder of its posterior needs."""

    estimate: object
    posterior_patient: dict
    case: object = None
    posterior_atlas: dict = field(default_factory=dict)
    method_name: str = "sample"


@dataclass
class FakeEstimate:
    posterior: DensityPosterior | None


@dataclass
class FakeCase:
    stored_grid: Grid


def posterior(**changes):
    volume = Volume(np.full(GRID.shape, 0.25, np.float32), GRID)
    return DensityPosterior(
        mean=volume,
        std=volume,
        exceedance={"t1gd": volume, "flair": volume},
        samples=samples(**changes),
        intervals={"seed_x_mm": CredibleInterval(low=0.0, high=1.0, level=0.95)},
        stages=stages(),
    )


def test_samples_are_readable_by_arviz(tmp_path):
    """The JSON of `arviz.from_json`: one chain per parameter; of weighted samples as many as they are worth."""
    for name, weights in (("equal", np.zeros(40)), ("weighted", np.linspace(-5.0, 0.0, 40))):
        found = posterior(log_weights=weights)
        result = FakeResult(FakeEstimate(found), {}, FakeCase(GRID), found.maps)
        write_posterior(tmp_path / name, result, BACKGROUND)

    content = json.loads((tmp_path / "equal" / "samples.json").read_text())
    assert np.array(content["posterior"]["seed_x_mm"]).shape == (1, 40)
    np.testing.assert_allclose(content["sample_stats"]["lp"][0], -np.arange(40))
    drawn = json.loads((tmp_path / "weighted" / "samples.json").read_text())["posterior"]["seed_x_mm"][0]
    weights = np.exp(np.linspace(-5.0, 0.0, 40))
    assert len(drawn) == np.ceil(weights.sum() ** 2 / (weights**2).sum())
    with np.load(tmp_path / "weighted" / "samples.npz") as stored:
        np.testing.assert_array_equal(stored["log_weights"], np.linspace(-5.0, 0.0, 40))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_arviz_reads_the_file(tmp_path):
    """Its own mean of a parameter is ours."""
    with np.errstate(all="ignore"):
        arviz = pytest.importorskip("arviz")
        found = posterior()
        result = FakeResult(FakeEstimate(found), {}, FakeCase(GRID), found.maps)
        write_posterior(tmp_path / "posterior", result, BACKGROUND)

        data = arviz.from_json(str(tmp_path / "posterior" / "samples.json"))

        assert float(data.posterior["seed_x_mm"].mean()) == pytest.approx(found.samples.mean["seed_x_mm"])


def test_no_posterior_is_no_folder(tmp_path):
    """Most methods have none."""
    write_posterior(tmp_path / "posterior", FakeResult(FakeEstimate(None), {}), BACKGROUND)

    assert not (tmp_path / "posterior").exists()


def test_maps_are_named_by_what_they_are():
    """Mean, standard deviation, and one probability per threshold."""
    found = replace(posterior(), stages=())

    assert set(found.maps) == {"mean", "std", "probability_t1gd", "probability_flair"}
