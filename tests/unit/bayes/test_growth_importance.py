"""The posterior of growth with imaging parameters beside it: from starts to samples, killed and gone on with."""

from dataclasses import replace

import numpy as np
import pytest
from growth_likelihoods import (
    ANATOMY,
    NAMES,
    SEED_MM,
    TRUTH,
    BallModel,
    imaging_likelihood,
    narrow_prior,
    use_small_batches,
)
from killed_runs import KilledError, die_after_answer

from gliofield.bayes import (
    BoxPrior,
    GrowthLikelihood,
    ImagingPrior,
    ImportanceSettings,
    LikelihoodJournal,
    sample_growth,
)
from gliofield.errors import NumericalError, ParameterError
from gliofield.growth import VolumeLimit

PRIOR = narrow_prior()
SETTINGS = ImportanceSettings(seed=4, num_effective=30, max_simulations=512)
TUMOR = (
    TRUTH["white_matter_diffusivity_mm2_per_day"] * TRUTH["growth_time_days"],
    TRUTH["proliferation_rate_per_day"] * TRUTH["growth_time_days"],
    *SEED_MM,
)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    use_small_batches(monkeypatch)


@pytest.fixture(scope="module")
def imaging():
    return imaging_likelihood(has_pet=False, weight=0.02)


def likelihood_of(imaging, **changes):
    given = {"model": BallModel(), "names": PRIOR.names, **changes}
    return GrowthLikelihood(anatomy=ANATOMY, likelihood=imaging, **given)


def sampled(imaging, *, prior=PRIOR, settings=SETTINGS, tumors=(TUMOR,), journal=None, **changes):
    with likelihood_of(imaging, names=prior.names, **changes) as whole:
        return sample_growth(whole, prior, settings, tumors=tumors, journal=journal)


def same_bits(one, other):
    """Whether two posteriors are one."""
    return all(
        np.array_equal(getattr(one.samples, name), getattr(other.samples, name))
        for name in ("parameters", "log_weights", "log_prior", "log_likelihood")
    ) and (one.run.log_evidence, one.run.stages) == (other.run.log_evidence, other.run.stages)


@pytest.fixture(scope="module")
def whole(imaging):
    """A run that was never stopped."""
    with pytest.MonkeyPatch.context() as patch:
        use_small_batches(patch)
        return sampled(imaging)


def test_samples_hold_all_parameters_in_the_order_of_the_prior(imaging, whole):
    """Likelihoods are those of growth and imaging together, priors those of all parameters, weights those of growth."""
    samples, likelihood = whole.samples, likelihood_of(imaging)

    assert tuple(samples.names) == PRIOR.names
    assert (samples.parameters >= PRIOR.bounds[:, 0]).all()
    assert (samples.parameters <= PRIOR.bounds[:, 1]).all()
    np.testing.assert_allclose(samples.log_likelihood, likelihood(samples.parameters), rtol=1e-9)
    np.testing.assert_array_equal(samples.log_prior, PRIOR.log_density(samples.parameters))
    assert np.isfinite(samples.log_prior).all()
    np.testing.assert_array_equal(samples.log_weights, whole.run.log_weights)
    assert whole.counts.num_simulations > whole.run.num_simulations


def test_columns_go_by_name(imaging):
    """A prior in another order, imaging parameters among those of growth."""
    order = np.random.default_rng(0).permutation(len(PRIOR.ranges))
    shuffled = BoxPrior(ranges=[PRIOR.ranges[place] for place in order], seed_anatomy=ANATOMY)

    found = sampled(imaging, prior=shuffled).samples

    assert tuple(found.names) == shuffled.names
    likelihood = likelihood_of(imaging, names=shuffled.names)
    np.testing.assert_allclose(found.log_likelihood, likelihood(found.parameters), rtol=1e-9)


def test_imaging_parameters_belong_to_their_tumor(imaging, whole):
    """Given to other samples, the mean likelihood of all parameters is lower: they are drawn given a density."""
    samples, columns = whole.samples, [PRIOR.names.index(name) for name in ImagingPrior.of(PRIOR).names]
    moved = samples.parameters.copy()
    moved[:, columns] = np.roll(moved[:, columns], 1, axis=0)

    assert likelihood_of(imaging)(moved).mean() < samples.log_likelihood.mean()


@pytest.fixture(scope="module")
def num_answers(imaging, tmp_path_factory):
    """Calls of the likelihood that a whole run makes: of the search, of adaptation, of sampling."""
    path = tmp_path_factory.mktemp("whole") / "run.npz"
    with pytest.MonkeyPatch.context() as patch:
        use_small_batches(patch)
        sampled(imaging, journal=LikelihoodJournal(path, "f"))
    with np.load(path) as stored:
        widths = stored["shapes"][:, 1].tolist()
    # One value a row in the search; imaging parameters and two values in batches: at least one adapting, one sampling.
    assert widths.index(5) > 3
    assert widths[-2:] == [5, 5]
    return len(widths)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, "first batch", "last but one", "last"])
def test_a_run_that_was_killed_ends_with_the_same_bits(imaging, whole, num_answers, tmp_path, place):
    """Wherever it was: in the search, in its second derivatives, in adaptation, in sampling, at its end."""
    num_batches = len(whole.run.stages)
    named = {"first batch": num_answers - num_batches + 1, "last but one": num_answers - 1, "last": num_answers}
    number = named.get(place) or 1 + int(place * (num_answers - num_batches))
    path = tmp_path / "run.npz"
    with pytest.MonkeyPatch.context() as patch:
        die_after_answer(patch, number)
        with pytest.raises(KilledError):
            sampled(imaging, journal=LikelihoodJournal(path, "f"))

    resumed = sampled(imaging, journal=LikelihoodJournal(path, "f"))

    assert same_bits(resumed, whole)
    assert resumed.counts.num_simulations < whole.counts.num_simulations


def test_a_journal_of_another_seed_is_refused(imaging, tmp_path):
    """Its draws are others."""
    sampled(imaging, journal=LikelihoodJournal(tmp_path / "run.npz", "f"))
    with pytest.raises(ParameterError, match="asked for other tumors"):
        sampled(imaging, settings=replace(SETTINGS, seed=5), journal=LikelihoodJournal(tmp_path / "run.npz", "f"))


def test_processes_change_nothing(imaging, whole):
    """Two give the bits of one."""
    assert same_bits(sampled(imaging, num_workers=2), whole)


def test_without_a_tumor_the_best_draws_of_the_prior_are_where_it_begins(imaging, whole):
    """The evidence is the same within its errors."""
    alone = sampled(imaging, tumors=())

    error = np.hypot(alone.run.log_evidence_error, whole.run.log_evidence_error)
    assert abs(alone.run.log_evidence - whole.run.log_evidence) < 4.5 * error


def test_modes_that_are_one_come_once(imaging):
    """Two starts a little apart find the same."""
    moved = (1.1 * TUMOR[0], 0.95 * TUMOR[1], TUMOR[2] + 1.0, *TUMOR[3:])
    assert sampled(imaging, tumors=(TUMOR, moved)).num_modes == 1


def test_a_tumor_beyond_all_ranges_is_moved_inside(imaging, whole):
    """A fit knows no prior: ten times the diffusion and a hundredth of the growth still find the posterior."""
    found = sampled(imaging, tumors=((10.0 * TUMOR[0], 0.3 * TUMOR[1], *SEED_MM),))

    error = np.hypot(found.run.log_evidence_error, whole.run.log_evidence_error)
    assert abs(found.run.log_evidence - whole.run.log_evidence) < 4.5 * error


def test_what_fails_or_outgrows_the_limit_has_no_weight(imaging):
    """They are counted, their imaging parameters are undefined, and no sample is."""
    limit = VolumeLimit(threshold=0.05, max_volume_ml=30.0)
    found = sampled(imaging, model=BallModel("raises"), volume_limit=limit)

    assert found.counts.num_failed > 0
    assert found.counts.num_too_large > 0
    assert np.isfinite(found.samples.parameters).all()
    assert (found.samples.parameters[:, NAMES.index("proliferation_rate_per_day")] >= 0.03).all()


def test_a_model_that_always_fails_says_why(imaging):
    """With a start and without."""
    for tumors in ((TUMOR,), ()):
        with pytest.raises(NumericalError, match="every simulation failed, the first: the solver gave up"):
            sampled(imaging, model=BallModel("always"), tumors=tumors)


def test_impossible_data_are_an_error(imaging):
    """No draw of the prior fits into the limit; the search says so, and the wrong reason is not given."""
    limit = VolumeLimit(threshold=0.05, max_volume_ml=1e-6)
    with pytest.raises(NumericalError, match="impossible .* for all 64 draws of the prior"):
        sampled(imaging, volume_limit=limit, tumors=())
    with pytest.raises(NumericalError, match="wherever a mode was searched"):
        sampled(imaging, volume_limit=limit)


def test_fixed_imaging_parameters_are_refused(imaging):
    """They cannot be integrated."""
    prior = PRIOR.without("visibility_width")
    with pytest.raises(ParameterError, match="needs .*visibility_width"):
        sampled(imaging, prior=prior, fixed={"visibility_width": 0.06})
