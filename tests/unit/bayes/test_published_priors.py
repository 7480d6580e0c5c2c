import numpy as np
import pytest
from phantom_brain import GRID, LESION_CENTER_MM, phantom_tissue_maps, radius_in

from gliofield.anatomy import growth_domain
from gliofield.bayes import PosteriorTarget, patient_specific_prior, surrogate_paper_prior
from gliofield.errors import GridMismatchError, ImageError, ParameterError

ANATOMY = growth_domain(phantom_tissue_maps())
DISTANCE_MM = radius_in(GRID, LESION_CENTER_MM, 1.0)
CORE, WHOLE = DISTANCE_MM <= 12.0, DISTANCE_MM <= 22.0
NAMES = (
    "white_matter_diffusivity_mm2_per_day",
    "proliferation_rate_per_day",
    "growth_time_days",
    "seed_x_mm",
    "seed_y_mm",
    "seed_z_mm",
    "t1gd_threshold",
    "flair_threshold",
    "visibility_width",
    "pet_scale",
    "pet_background",
    "pet_noise_std",
)
PAPER_NAMES = tuple(name for name in NAMES if name != "pet_background")
MAKERS = {
    "paper": lambda **changes: surrogate_paper_prior(ANATOMY, **changes),
    "patient": lambda **changes: patient_specific_prior(ANATOMY, tumor_core=CORE, whole_tumor=WHOLE, **changes),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_there_are_twelve_parameters_eleven_in_the_paper_and_nine_without_pet(make):
    """In the same order in both priors, each with a unit."""
    assert make().names == NAMES
    assert make(pet_model="paper").names == PAPER_NAMES
    assert make(has_pet=False).names == make(has_pet=False, pet_model="paper").names == NAMES[:9]
    assert make().units[:4] == ("mm²/day", "1/day", "day", "mm")


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_the_background_is_uniform_up_to_a_ratio_of_tumor_to_brain_of_less_than_two(make):
    """0 to 0.6 of the highest uptake, and the scale what is left above it: no ratio from 1.7 to 5 is excluded."""
    prior = make()
    ranges = {each.name: each for each in getattr(prior, "box", prior).ranges}
    background, scale = ranges["pet_background"], ranges["pet_scale"]

    assert (background.low, background.high, background.scale) == (0.0, 0.6, "uniform")
    for ratio in (1.7, 2.0, 3.0, 5.0):
        assert background.low <= 1.0 / ratio <= background.high
        assert scale.low <= 1.0 - 1.0 / ratio <= scale.high


def test_an_unknown_model_of_pet_is_refused():
    """With the names of those there are."""
    with pytest.raises(ParameterError, match="pet_model 'none' is unknown.*background"):
        surrogate_paper_prior(ANATOMY, pet_model="none")


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_samples_have_density_and_seeds_in_tissue(make, rng):
    """2,000 draws, before and after the way through the sampler's coordinates."""
    prior = make()
    drawn = prior.sample(2000, rng)
    target = PosteriorTarget(prior=prior, log_likelihood_of=lambda rows: np.zeros(len(rows)))
    voxels = np.rint(GRID.voxel_of(drawn[:, 3:6])).astype(int)

    assert ANATOMY.domain[tuple(voxels.T)].all()
    assert np.isfinite(prior.log_density(drawn)).all()
    assert np.isfinite(target.log_prior(target.from_unit_cube(rng.random((2000, 12))))).all()


def test_the_ranges_of_table_1_are_those_printed():
    """The caption, in our units; the paper knows no background."""
    bounds = dict(zip(PAPER_NAMES, surrogate_paper_prior(ANATOMY, pet_model="paper").bounds.tolist(), strict=True))

    assert bounds["white_matter_diffusivity_mm2_per_day"] == [0.001, 0.09]
    assert bounds["proliferation_rate_per_day"] == [0.001, 0.03]
    assert bounds["growth_time_days"] == [30, 1000]
    assert bounds["pet_noise_std"] == [0.01, 0.25]
    assert bounds["pet_scale"] == [0.6, 1.02]
    assert bounds["t1gd_threshold"] == [0.6, 0.8]
    assert bounds["flair_threshold"] == [0.05, 0.6]
    assert bounds["visibility_width"] == [0.05, 0.08]


def test_the_patient_specific_box_follows_the_masks():
    """The seed within 1.25 core radii; the growth time from 1.25 radii of the whole tumor at the fastest front."""
    prior = patient_specific_prior(ANATOMY, tumor_core=CORE, whole_tumor=WHOLE)
    bounds = dict(zip(prior.names, prior.bounds, strict=True))
    # The radii of the voxelized balls are 12 and 22 mm to half a millimeter.
    assert bounds["seed_x_mm"] == pytest.approx([28 - 15, 28 + 15], abs=0.7)
    shortest, longest = max(30.0, 27.5 / (2 * np.sqrt(1.3 * 0.19))), 1800.0
    product = prior.box.bounds[2]
    assert product == pytest.approx([shortest**2 * 0.19, longest**2 * 0.0027], rel=0.05)


def test_the_ranges_of_the_patient_specific_prior_are_those_of_the_published_code():
    """GenericPrior.txt of GliomaSolver, log-uniform: D_w 2e-4 to 0.013 cm²/day, ρ, PET and thresholds as printed there.

    100 times its diffusivity is ours in mm²/day; it samples σ_α², we sample σ_α.
    """
    prior = patient_specific_prior(ANATOMY, tumor_core=CORE, whole_tumor=WHOLE, pet_model="paper")
    published = {
        "white_matter_diffusivity_mm2_per_day": (100 * 2e-4, 100 * 0.013),
        "proliferation_rate_per_day": (0.0027, 0.19),
        "t1gd_threshold": (0.6, 0.8),
        "flair_threshold": (0.05, 0.6),
        "visibility_width": (0.05**0.5, 0.08**0.5),
        "pet_scale": (0.6, 1.02),
        "pet_noise_std": (0.018, 0.25),
    }

    found = {each.name: each for each in prior.box.ranges}

    for name, low_high in published.items():
        assert (found[name].low, found[name].high) == pytest.approx(low_high, rel=1e-12), name
        assert found[name].scale == "log-uniform", name


def test_no_tumor_is_younger_than_the_fastest_front_allows():
    """T_min = R/v_max with R 1.25 radii of the FLAIR mask, v_max the largest 2 √(D_w ρ) (Glioma_UQ_DataPreprocessing).

    With the published 0.013 cm²/day and 0.19 1/day, v_max is 0.994 mm/day; a whole tumor of 40 mm takes 50 days, so
    ρ T² begins at T_min² ρ_max.
    """
    whole = DISTANCE_MM <= 40.0
    reach_mm = 1.25 * (0.75 / np.pi * np.count_nonzero(whole) * 4.0**3) ** (1 / 3)

    prior = patient_specific_prior(ANATOMY, tumor_core=CORE, whole_tumor=whole)

    fastest_mm_per_day = 10 * 2 * np.sqrt(0.013 * 0.19)
    assert reach_mm / fastest_mm_per_day == pytest.approx(50.0, abs=0.5)
    assert prior.box.bounds[2][0] == pytest.approx((reach_mm / fastest_mm_per_day) ** 2 * 0.19, rel=1e-6)


def test_an_empty_core_leaves_the_center_to_the_whole_tumor():
    """A tumor that does not enhance still has a place."""
    prior = patient_specific_prior(ANATOMY, tumor_core=np.zeros_like(CORE), whole_tumor=WHOLE)

    assert prior.bounds[3] == pytest.approx([28 - 27.5, 28 + 27.5], abs=0.8)


def test_a_tumor_too_large_for_its_growth_times_has_no_prior():
    """ρ T² from the fastest front through a huge tumor exceeds that of the oldest, slowest one."""
    from gliofield.bayes import published_priors

    with pytest.raises(ParameterError, match="patient-specific prior has no mass"):
        published_priors._product_range(10_000.0)


def test_masks_must_exist_on_the_grid():
    """An empty whole tumor or another grid is refused."""
    with pytest.raises(ImageError, match="mask is empty"):
        patient_specific_prior(ANATOMY, tumor_core=CORE, whole_tumor=np.zeros_like(WHOLE))
    with pytest.raises(GridMismatchError, match="mask must have the grid's shape"):
        patient_specific_prior(ANATOMY, tumor_core=CORE, whole_tumor=WHOLE[1:])
