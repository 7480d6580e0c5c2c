import re
from dataclasses import replace

import numpy as np
import pytest
from growth_likelihoods import ANATOMY, NAMES, TRUTH, BallModel, observation, use_small_batches
from killed_runs import KilledError, die_after_answer

from gliofield.anatomy import AtlasSpace
from gliofield.bayes import BoxPrior, ImportanceSettings, PosteriorSamples, surrogate_paper_prior
from gliofield.errors import ImageError, NumericalError, ParameterError
from gliofield.pipeline import sample_method
from gliofield.pipeline.sample_concerns import (
    identifiable_intervals,
    importance_concerns,
    pet_concerns,
    prior_edge_concerns,
)
from gliofield.pipeline.sample_method import SampleMethod, SampleSettings
from gliofield.progress import ignore_progress
from gliofield.volume import Volume
from gliofield_papers.tmcmc import TmcmcSettings, paper_settings


def near(anatomy, **settings):
    """The paper's ranges of PET, and for all others narrow ones."""
    from growth_likelihoods import narrow_prior

    published = surrogate_paper_prior(anatomy, **settings)
    pet = [each for each in published.ranges if each.name.startswith("pet")]
    return BoxPrior(ranges=[*narrow_prior().ranges, *pet], seed_anatomy=anatomy)


@pytest.fixture(autouse=True)
def _prior_near_the_truth(monkeypatch):
    """Ranges a few times narrower than the papers', and small batches."""
    monkeypatch.setattr(sample_method, "surrogate_paper_prior", near)
    use_small_batches(monkeypatch)


@pytest.fixture(scope="module")
def seen():
    return replace(observation(), pet=None, space=AtlasSpace(anatomy=ANATOMY))


def method(*, seed=0, **changes):
    sampler = ImportanceSettings(seed=seed, num_effective=60, max_simulations=900)
    usual = {"correlation_length_mm": 6.0, "num_densities": 4}
    settings = SampleSettings(**{"sampler": sampler, **usual, **changes})
    return SampleMethod(settings=settings)


@pytest.fixture(scope="module")
def estimate(seen):
    # The module's prior is patched per test, so this one patches it for itself.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample_method, "surrogate_paper_prior", near)
        use_small_batches(patch)
        return method().estimate(seen, report=ignore_progress)


def test_the_density_is_that_of_the_best_sample(estimate):
    """MAP parameters, simulated by hand, give the density; every growth parameter is named."""
    from gliofield.growth import FisherKolmogorov, growth_parameters_of

    best = estimate.posterior.samples.map_parameters
    density = FisherKolmogorov().simulate(ANATOMY, growth_parameters_of(best), (best["growth_time_days"],))

    np.testing.assert_array_equal(estimate.cell_density.data, density.cell_density[-1])
    assert estimate.parameters == {name: best[name] for name in estimate.parameters}
    assert set(estimate.parameters) == set(NAMES[:6])


def test_the_prior_stands_beside_the_samples(estimate):
    """Draws of it, with their columns; samples lie inside its range, and those of the seed are narrower."""
    samples, prior = estimate.posterior.samples, estimate.posterior.prior
    seeds = [samples.names.index(name) for name in ("seed_x_mm", "seed_y_mm", "seed_z_mm")]

    assert prior.shape[1] == len(samples.names)
    assert (samples.parameters >= prior.min(axis=0) - 0.05 * np.ptp(prior, axis=0)).all()
    assert (samples.parameters <= prior.max(axis=0) + 0.05 * np.ptp(prior, axis=0)).all()
    assert (np.ptp(samples.parameters, axis=0)[seeds] < np.ptp(prior, axis=0)[seeds]).all()


def test_the_posterior_explains_the_masks(estimate):
    """What a scan determines lies near the truth, maps are probabilities, and drawn masks look like the seen ones."""
    posterior = estimate.posterior
    truth = {
        "diffusion_length_mm": np.sqrt(0.08 * 220.0),
        "proliferation_number": np.sqrt(0.03 * 220.0),
        "seed_x_mm": TRUTH["seed_x_mm"],
    }

    for name, value in truth.items():
        interval = posterior.intervals[name]
        width = interval.high - interval.low
        assert interval.low - width < value < interval.high + width, name
    for volume in posterior.maps.values():
        assert 0.0 <= volume.data.min() <= volume.data.max() <= 1.0
    inside = posterior.exceedance["flair"].data[observation().whole_tumor].mean()
    assert inside > 0.5
    assert posterior.mask_checks["flair"].dice_with_observed > 0.6
    assert posterior.stages[-1].tempering_exponent == 1.0
    counts = posterior.details["simulations_since_last_start"]
    assert counts["num_failed"] == 0
    assert counts["num_simulations"] > posterior.details["num_likelihoods"] > posterior.details["effective_samples"]
    assert posterior.details["effective_samples"] >= 60.0
    assert posterior.details["pareto_shape"] < 0.7


def test_few_samples_are_a_concern(estimate):
    """Sixty effective ones: the result says that ends of intervals need more."""
    assert any("effective samples only" in concern.text for concern in estimate.concerns)


def test_weights_that_cannot_be_believed_are_a_concern():
    """k̂ above 0.7 comes first, for then numbers of effective samples say nothing; else few samples; else none."""
    assert [len(importance_concerns(*case)) for case in ((0.8, 1e4), (0.8, 10.0), (0.6, 10.0), (0.6, 1e4))] == [
        1, 1, 1, 0
    ]  # fmt: skip
    assert "k̂ = 0.80" in importance_concerns(0.8, 10.0)[0].text
    assert "k̂ = inf" in importance_concerns(np.inf, 10.0)[0].text
    assert "10 effective samples only" in importance_concerns(0.6, 10.0)[0].text


def test_few_steps_of_the_papers_algorithm_are_a_concern(seen):
    """Samples may collapse; and TMCMC samples imaging parameters beside those of growth."""
    sampler = TmcmcSettings.thorough(num_samples=12, num_steps=1)

    answer = method(sampler=sampler).estimate(seen, report=ignore_progress)

    assert any("may collapse" in concern.text for concern in answer.concerns)
    assert len(answer.posterior.samples.parameters) == 12
    assert np.ptp(answer.posterior.samples.log_weights) == 0.0
    assert answer.details["sampler"]["name"] == "tmcmc"


def test_the_seed_reproduces_a_run(seen):
    """The same seed gives the same samples and maps, another one others."""
    runs = [method(sampler=ImportanceSettings(seed=seed, num_effective=10, max_simulations=512)) for seed in (3, 3, 4)]

    first, again, other = (run.estimate(seen, report=ignore_progress).posterior for run in runs)

    np.testing.assert_array_equal(first.samples.parameters, again.samples.parameters)
    np.testing.assert_array_equal(first.mean.data, again.mean.data)
    assert first.mask_checks == again.mask_checks
    assert not np.array_equal(first.samples.parameters, other.samples.parameters)


@pytest.mark.parametrize(
    "sampler",
    [
        ImportanceSettings(seed=1, num_effective=10, max_simulations=512),
        TmcmcSettings.thorough(seed=1, num_samples=12, num_steps=1),
    ],
    ids=["importance", "tmcmc"],
)
def test_a_killed_run_goes_on_from_its_stage_file(seen, tmp_path, sampler):
    """Same samples as a run that was never stopped; a run of other data, prior or seed is refused."""
    whole = method(sampler=sampler).estimate(seen, report=ignore_progress)
    resumable = method(sampler=sampler, stage_file=tmp_path / "run.npz")

    with pytest.MonkeyPatch.context() as patch:
        die_after_answer(patch, 3)
        with pytest.raises(KilledError):
            resumable.estimate(seen, report=ignore_progress)
    resumed = resumable.estimate(seen, report=ignore_progress)

    np.testing.assert_array_equal(resumed.posterior.samples.parameters, whole.posterior.samples.parameters)
    for name in ("log_evidence", "num_likelihoods"):
        assert resumed.posterior.details[name] == whole.posterior.details[name]
    now, then = (each.posterior.details["simulations_since_last_start"] for each in (resumed, whole))
    assert now["num_simulations"] < then["num_simulations"]
    other = replace(seen, tumor_core=seen.whole_tumor)
    changes = {"sampler": replace(sampler, seed=2), "correlation_length_mm": 7.0, "stage_file": tmp_path / "run.npz"}
    for run, data in ((resumable, other), (method(**changes), seen), (replace(resumable, fixed={"x": 1.0}), seen)):
        with pytest.raises(ParameterError, match="belongs to another run|has no use for x"):
            run.estimate(data, report=ignore_progress)


def test_more_samples_of_a_run_begin_with_those_it_has(seen, tmp_path):
    """The stage file of a run that is done is the beginning of a longer one of the same seed."""
    few, more = (
        method(sampler=ImportanceSettings(seed=1, num_effective=number), stage_file=tmp_path / "run.npz")
        for number in (10, 60)
    )
    first = few.estimate(seen, report=ignore_progress).posterior
    second = more.estimate(seen, report=ignore_progress).posterior

    number = len(first.samples.parameters)
    assert len(second.samples.parameters) > number
    np.testing.assert_array_equal(second.samples.parameters[:number], first.samples.parameters)


def test_pet_adds_its_parameters(seen):
    """Scale, background and noise of a virtual image are found; its blur takes a twentieth from the scale."""
    with_pet = replace(seen, pet=observation().pet)

    answer = method().estimate(with_pet, report=ignore_progress)

    samples = answer.posterior.samples
    assert len(samples.names) == 12
    for name, tolerance in (("pet_scale", 0.12), ("pet_background", 0.02), ("pet_noise_std", 0.02)):
        assert samples.mean[name] == pytest.approx(TRUTH[name], abs=tolerance), name
    assert answer.details["pet_model"] == "background"
    assert not [concern for concern in answer.concerns if "FET-PET" in concern.text]


@pytest.mark.parametrize(
    "sampler",
    [ImportanceSettings(num_effective=60, max_simulations=900), TmcmcSettings.thorough(num_samples=40, num_steps=6)],
    ids=["importance", "tmcmc"],
)
def test_the_papers_model_of_pet_has_eleven_parameters(seen, sampler):
    """No background, and every third voxel; it does not explain an image with one, and the result says so."""
    with_pet = replace(seen, pet=observation().pet)

    answer = method(sampler=sampler, pet_model="paper").estimate(with_pet, report=ignore_progress)

    assert "pet_background" not in answer.posterior.samples.names
    assert len(answer.posterior.samples.names) == 11
    assert answer.details["pet_model"] == "paper"
    assert "pet-unexplained" in {concern.name for concern in answer.concerns}


def test_the_papers_settings_have_the_papers_model_of_pet():
    """One switch with the rest of the paper."""
    assert paper_settings().pet_model == "paper"
    assert SampleSettings().pet_model == "background"


def test_an_unknown_model_of_pet_is_refused():
    """With the names of those there are."""
    with pytest.raises(ParameterError, match="pet_model 'none' is unknown"):
        SampleSettings(pet_model="none")


@pytest.mark.parametrize(
    ("name", "value", "concern", "said"),
    [
        ("pet_scale", 0.21, "prior-edge", "at the lower end.*hardly more uptake"),
        ("pet_scale", 1.01, "prior-edge", "at the upper end.*hardly any uptake around"),
        ("pet_background", 0.01, "prior-edge", "at the lower end.*had been subtracted"),
        ("pet_background", 0.59, "prior-edge", "at the upper end.*nearly as much"),
        ("pet_noise_std", 0.011, "prior-edge", "at the lower end.*closer than a scanner"),
        ("pet_noise_std", 0.249, "pet-unexplained", "at the upper end.*does not explain it"),
    ],
)
def test_parameters_of_pet_at_an_end_of_their_range_are_a_concern(name, value, concern, said):
    """Where most of the posterior lies there; not where a part of it does, or it lies further inside."""
    prior, weights = surrogate_paper_prior(ANATOMY), np.full(10, 0.1)
    inside = 0.5 * sum(prior.bounds[prior.names.index(name)])

    def remarks(number_at_end):
        return pet_concerns(prior, {name: np.where(np.arange(10) < number_at_end, value, inside)}, weights)

    (remark,) = remarks(6)
    assert (remark.name, remark.value) == (concern, pytest.approx(0.6))
    assert re.search(said, remark.text)
    assert remarks(4) == ()


def test_negative_pet_is_refused(seen):
    """Before anything is simulated."""
    pet = Volume(np.full(ANATOMY.grid.shape, -1.0, np.float32), ANATOMY.grid)
    with pytest.raises(ImageError, match="PET must be ≥ 0"):
        method().estimate(replace(seen, pet=pet), report=ignore_progress)


@pytest.mark.parametrize("sampler", [ImportanceSettings(), TmcmcSettings()], ids=["importance", "tmcmc"])
def test_a_model_that_always_fails_says_why(seen, sampler):
    """The reason of the first failure, not only that the data are impossible."""
    failing = replace(method(sampler=replace(sampler)), model=BallModel("always"))
    with pytest.raises(NumericalError, match="every simulation failed, the first: the solver gave up"):
        failing.estimate(seen, report=ignore_progress)


def test_intervals_of_what_a_scan_determines(estimate):
    """They are those of the combinations of each sample."""
    samples = estimate.posterior.samples
    diffusivity, rate, time = samples.parameters[:, :3].T

    found = identifiable_intervals(samples, level=0.5)

    assert np.sqrt(diffusivity / rate).min() <= found["infiltration_length_mm"].low
    inside = (np.sqrt(rate * time) >= found["proliferation_number"].low) & (
        np.sqrt(rate * time) <= found["proliferation_number"].high
    )
    assert samples.weights @ inside == pytest.approx(0.5, abs=0.1)


def test_a_prior_that_cuts_the_posterior_off_is_a_concern():
    """Samples at the upper end of D_w's range, and none where they fill the ranges."""
    from growth_likelihoods import narrow_prior

    prior = narrow_prior()
    rows = prior.sample(200, np.random.default_rng(0))
    cut = rows.copy()
    cut[:, 0] = np.linspace(0.186, 0.199, 200)

    def samples(parameters):
        zeros = np.zeros(len(parameters))
        return PosteriorSamples(
            names=prior.names,
            units=prior.units,
            parameters=parameters,
            log_weights=zeros,
            log_prior=zeros,
            log_likelihood=zeros,
        )

    assert prior_edge_concerns(prior, samples(rows)) == ()
    (concern,) = prior_edge_concerns(prior, samples(cut))
    assert "white_matter_diffusivity_mm2_per_day lie in the upper tenth" in concern.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prior": "flat"}, "prior 'flat' is unknown"),
        ({"num_densities": 1}, "num_densities must be at least 2"),
        ({"num_workers": 0}, "num_workers must be at least 1"),
        ({"pet_fwhm_mm": float("nan")}, "pet_fwhm_mm must be finite"),
        ({"correlation_length_mm": -1.0}, "correlation_length_mm must be finite"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    """By name."""
    with pytest.raises(ParameterError, match=message):
        SampleSettings(**changes)


def test_the_settings_of_the_paper():
    """2,048 samples, one short step, independent voxels, no limit of the volume."""
    paper = paper_settings(seed=2)

    assert (paper.sampler, paper.correlation_length_mm, paper.max_volume_ml) == (TmcmcSettings(seed=2), 0.0, None)
    assert (paper.sampler_name, SampleSettings().sampler_name) == ("tmcmc", "importance")
