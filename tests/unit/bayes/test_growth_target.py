import numpy as np
import pytest
from growth_likelihoods import ANATOMY, NAMES, TRUTH, BallModel, imaging_likelihood, rows_around_truth, truth_row
from growth_phantoms import mixed_anatomy

from gliofield.bayes.growth_target import GrowthLikelihood
from gliofield.bayes.row_simulation import imaging_parameters_of
from gliofield.errors import GridMismatchError, NumericalError, ParameterError
from gliofield.growth import (
    FisherKolmogorov,
    FisherKolmogorovParameters,
    MassEffectParameters,
    VolumeLimit,
    growth_parameters_of,
)


@pytest.fixture(scope="module")
def imaging():
    return imaging_likelihood()


def likelihood_of(imaging, **changes):
    settings = {"model": FisherKolmogorov(), "anatomy": ANATOMY, "likelihood": imaging, "names": NAMES, **changes}
    return GrowthLikelihood(**settings)


def test_a_row_is_simulated_and_compared_as_by_hand(imaging):
    """The value is that of calling the model and the likelihood with the row's numbers."""
    tumor = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=0.08,
        proliferation_rate_per_day=0.03,
        seed_mm=(TRUTH["seed_x_mm"], TRUTH["seed_y_mm"], TRUTH["seed_z_mm"]),
    )
    density = FisherKolmogorov().simulate(ANATOMY, tumor, (220.0,)).cell_density[-1]
    by_hand = imaging.log_likelihood(density, imaging_parameters_of(TRUTH)).total

    assert likelihood_of(imaging)(truth_row()).tolist() == [by_hand]


def test_a_row_does_not_depend_on_the_others(imaging):
    """Values of rows together are those of each alone, and the truth is likelier than any of them."""
    rows = rows_around_truth(3)
    log_likelihood = likelihood_of(imaging)

    together = log_likelihood(rows)

    assert together.tolist() == [float(log_likelihood(row[None])[0]) for row in rows]
    assert together.max() < log_likelihood(truth_row())[0]


def test_processes_change_nothing(imaging):
    """Rows shared out among two processes have the same bits, and their failures are counted."""
    rows = rows_around_truth(5)

    with likelihood_of(imaging, num_workers=2) as shared:
        np.testing.assert_array_equal(shared(rows), likelihood_of(imaging)(rows))
        assert shared.counts.num_simulations == 5
        assert shared(truth_row(seed_x_mm=-50.0)).tolist() == [-np.inf]
        assert shared.counts.num_failed == 1


@pytest.mark.parametrize("failure", ["raises", "nan"])
def test_a_failed_simulation_is_impossible_and_counted(imaging, failure):
    """NumericalError and NaN densities have likelihood 0; the reason of the first is kept."""
    log_likelihood = likelihood_of(imaging, model=BallModel(failure))
    rows = np.concatenate([truth_row(proliferation_rate_per_day=rate) for rate in (0.02, 0.04, 0.01)])

    values = log_likelihood(rows)

    assert np.isneginf(values).tolist() == [True, False, True]
    assert (log_likelihood.counts.num_simulations, log_likelihood.counts.num_failed) == (3, 2)
    assert ("gave up" if failure == "raises" else "not finite") in log_likelihood.counts.first_failure


def test_a_seed_off_the_tissue_is_impossible(imaging):
    """The model refuses it, which is a failure of the row, not of the run."""
    log_likelihood = likelihood_of(imaging)

    assert log_likelihood(truth_row(seed_x_mm=-50.0)).tolist() == [-np.inf]
    assert "off the grid" in log_likelihood.counts.first_failure


def test_tumors_beyond_the_volume_limit_are_impossible(imaging):
    """They are counted apart from failures."""
    limit = VolumeLimit(threshold=0.2, max_volume_ml=1.0)
    log_likelihood = likelihood_of(imaging, volume_limit=limit)

    assert log_likelihood(truth_row()).tolist() == [-np.inf]
    assert (log_likelihood.counts.num_too_large, log_likelihood.counts.num_failed) == (1, 0)


def test_densities_are_those_of_the_model(imaging):
    """Every voxel, in the order of the rows; failures are errors."""
    log_likelihood = likelihood_of(imaging)
    rows = rows_around_truth(2)

    for row, density in zip(rows, log_likelihood.densities(rows), strict=True):
        values = dict(zip(NAMES, row, strict=True))
        expected = FisherKolmogorov().simulate(ANATOMY, growth_parameters_of(values), (values["growth_time_days"],))
        np.testing.assert_array_equal(density, expected.cell_density[-1])
    with pytest.raises(NumericalError, match="cannot be simulated"):
        list(log_likelihood.densities(truth_row(seed_x_mm=-50.0)))


def test_fixed_values_stand_in_for_columns(imaging):
    """Parameters that are not sampled are given once."""
    fixed = {"visibility_width": TRUTH["visibility_width"], "diffusivity_ratio": 10.0}
    names = tuple(name for name in NAMES if name != "visibility_width")
    rows = np.delete(truth_row(), NAMES.index("visibility_width"), axis=1)

    assert likelihood_of(imaging, names=names, fixed=fixed)(rows) == likelihood_of(imaging)(truth_row())


def test_a_background_that_is_not_given_is_none(imaging):
    """Rows of the paper's eleven parameters are those with a background of 0; without PET it has no place."""
    names = tuple(name for name in NAMES if name != "pet_background")
    rows = np.delete(truth_row(), NAMES.index("pet_background"), axis=1)

    assert likelihood_of(imaging, names=names)(rows) == likelihood_of(imaging)(truth_row(pet_background=0.0))
    assert likelihood_of(imaging)(truth_row()) > likelihood_of(imaging)(truth_row(pet_background=0.0))
    of_masks = tuple(name for name in names if not name.startswith("pet"))
    with pytest.raises(ParameterError, match="has no use for pet_background"):
        likelihood_of(imaging_likelihood(has_pet=False), names=(*of_masks, "pet_background"))


def test_a_push_asks_for_mass_effect():
    """The parameters are those of the model with mass effect."""
    assert isinstance(growth_parameters_of({**TRUTH, "push_pa": 100.0}), MassEffectParameters)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": NAMES[:-1]}, "misses pet_noise_std"),
        ({"fixed": {"pet_scale": 1.0}}, "has twice pet_scale"),
        ({"fixed": {"push": 1.0}}, "has no use for push"),
        ({"num_workers": 0}, "num_workers must be at least 1"),
    ],
)
def test_wrong_settings_are_refused(imaging, changes, message):
    """Before anything is simulated, by name."""
    with pytest.raises(ParameterError, match=message):
        likelihood_of(imaging, **changes)


def test_another_grid_is_refused(imaging):
    """Anatomy and observation must share a grid."""
    with pytest.raises(GridMismatchError, match="observation"):
        likelihood_of(imaging, anatomy=mixed_anatomy(spacing_mm=2.0))


def test_what_cannot_be_sent_to_processes_is_refused(imaging):
    """A function that is not importable, before any process starts."""
    with pytest.raises(ParameterError, match="cannot be sent to worker processes"):
        likelihood_of(imaging, num_workers=2, growth_parameters=lambda values: growth_parameters_of(values))


def test_rows_of_one_tumor_share_its_density():
    """Rows that differ in imaging parameters alone are simulated once, and come back in order."""
    one, other = rows_around_truth(2)
    same = one.copy()
    same[NAMES.index("flair_threshold")] += 0.05
    likelihood = GrowthLikelihood(
        model=FisherKolmogorov(), anatomy=ANATOMY, likelihood=imaging_likelihood(), names=NAMES
    )

    first, again, another = likelihood.densities_once(np.array([one, same, other]))

    assert again is first
    for found, row in ((first, one), (another, other)):
        np.testing.assert_array_equal(found, next(likelihood.densities(row[None])))
