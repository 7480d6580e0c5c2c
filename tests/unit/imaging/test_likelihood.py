from dataclasses import replace

import numpy as np
import pytest

from gliofield.errors import GridMismatchError, ImageError, NumericalError, ParameterError
from gliofield.grid import Grid
from gliofield.imaging import (
    ImagingLikelihood,
    ImagingParameters,
    LikelihoodOptions,
    Observation,
    blurred_density,
    mask_log_likelihood,
    pet_log_likelihood,
)
from gliofield.volume import Volume

GRID = Grid.axis_aligned((6, 5, 4), 2.0, (0.0, 0.0, 0.0))
PARAMETERS = ImagingParameters(
    t1gd_threshold=0.65, flair_threshold=0.25, visibility_width=0.06, pet_scale=0.8, pet_noise_std=0.1
)
DENSITY = np.random.default_rng(5).random(GRID.shape).astype(np.float32)
EVERYWHERE = np.ones(GRID.shape, dtype=bool)


def observation(**change):
    images = {
        "tumor_core": DENSITY > 0.6,
        "whole_tumor": DENSITY > 0.2,
        "pet": Volume((0.8 * DENSITY).astype(np.float32), GRID),
        "grid": GRID,
    }
    return Observation(**(images | change))


def pet(values):
    return Volume(np.full(GRID.shape, values, dtype=np.float32), GRID)


def test_every_modality_is_compared_with_its_own_parameters():
    """T1Gd with its threshold, FLAIR with its own, PET with scale and noise; the total is their sum."""
    seen = observation()
    terms = ImagingLikelihood(observation=seen, domain=EVERYWHERE).log_likelihood(DENSITY, PARAMETERS)

    assert terms.t1gd == pytest.approx(
        mask_log_likelihood(seen.tumor_core, DENSITY, threshold=0.65, visibility_width=0.06)
    )
    assert terms.flair == pytest.approx(
        mask_log_likelihood(seen.whole_tumor, DENSITY, threshold=0.25, visibility_width=0.06)
    )
    assert terms.pet == pytest.approx(pet_log_likelihood(seen.pet.data, DENSITY, pet_scale=0.8, pet_noise_std=0.1))
    assert terms.total == terms.t1gd + terms.flair + terms.pet


@pytest.mark.parametrize("term", ["t1gd", "flair", "pet"])
def test_a_modality_that_is_not_compared_is_left_out(term):
    """Its term is None, the others are as before."""
    full = ImagingLikelihood(observation=observation(), domain=EVERYWHERE).log_likelihood(DENSITY, PARAMETERS)
    others = LikelihoodOptions(modalities=tuple(name for name in ("t1gd", "flair", "pet") if name != term))
    part = ImagingLikelihood(observation=observation(), domain=EVERYWHERE, options=others).log_likelihood(
        DENSITY, PARAMETERS
    )

    assert getattr(part, term) is None
    assert part.total == pytest.approx(full.total - getattr(full, term))


def test_pet_that_was_not_taken_is_left_out():
    """Its term is None, the others are as with it."""
    full = ImagingLikelihood(observation=observation(), domain=EVERYWHERE).log_likelihood(DENSITY, PARAMETERS)
    part = ImagingLikelihood(observation=observation(pet=None), domain=EVERYWHERE).log_likelihood(DENSITY, PARAMETERS)

    assert part.pet is None
    assert (part.t1gd, part.flair) == (full.t1gd, full.flair)


def test_an_empty_core_is_an_observation():
    """A tumor that does not enhance says that no voxel passes the threshold."""
    likelihood = ImagingLikelihood(observation=observation(tumor_core=~EVERYWHERE), domain=EVERYWHERE)

    low = likelihood.log_likelihood(np.full(GRID.shape, 0.3), PARAMETERS)
    high = likelihood.log_likelihood(np.full(GRID.shape, 0.9), PARAMETERS)

    assert low.t1gd > high.t1gd


def test_pet_of_exactly_0_was_not_measured():
    """Such voxels are not compared in PET, those of masks stay; where all are, there is nothing to compare."""
    values = (0.3 + 0.6 * DENSITY).astype(np.float32)
    values[0] = 0.0
    likelihood = ImagingLikelihood(observation=observation(pet=Volume(values, GRID)), domain=EVERYWHERE)
    parameters = replace(PARAMETERS, pet_scale=0.6, pet_background=0.3)
    expected = pet_log_likelihood(values[1:], DENSITY[1:], pet_scale=0.6, pet_background=0.3, pet_noise_std=0.1)

    assert likelihood.num_mask_voxels == values.size
    assert likelihood.log_likelihood(DENSITY, parameters).pet == pytest.approx(expected)
    with pytest.raises(ImageError, match="PET of 0 is taken for not measured"):
        ImagingLikelihood(observation=observation(pet=Volume(np.zeros_like(values), GRID)), domain=EVERYWHERE)


def test_pet_is_compared_with_the_density_at_its_resolution():
    """Blurred for PET, sharp for masks; a stride or region takes its values from the whole."""
    options = LikelihoodOptions(pet_fwhm_mm=6.0, pet_stride=2)
    terms = ImagingLikelihood(observation=observation(), domain=EVERYWHERE, options=options).log_likelihood(
        DENSITY, PARAMETERS
    )
    sharp = ImagingLikelihood(observation=observation(), domain=EVERYWHERE).log_likelihood(DENSITY, PARAMETERS)
    every = (slice(None, None, 2),) * 3
    seen, blurred = observation().pet.data[every], blurred_density(DENSITY, GRID.spacing_mm, 6.0)[every]

    assert (terms.t1gd, terms.flair) == (sharp.t1gd, sharp.flair)
    assert terms.pet == pytest.approx(pet_log_likelihood(seen, blurred, pet_scale=0.8, pet_noise_std=0.1))


def test_only_voxels_of_domain_region_and_stride_are_compared():
    """Densities elsewhere change nothing, and the counts say how many voxels are left."""
    domain, region = EVERYWHERE.copy(), EVERYWHERE.copy()
    domain[0], region[:, 0] = False, False
    likelihood = ImagingLikelihood(
        observation=observation(),
        domain=domain,
        region=region,
        options=LikelihoodOptions(mask_stride=2, pet_stride=3),
    )
    used = ~EVERYWHERE
    used[2::2, 2::2, ::2] = used[3::3, 3::3, ::3] = True
    elsewhere = np.where(used, DENSITY, np.float32(0.5))

    assert likelihood.num_mask_voxels == 8
    assert likelihood.log_likelihood(elsewhere, PARAMETERS) == likelihood.log_likelihood(DENSITY, PARAMETERS)


def test_weights_multiply_their_kind_of_image():
    """Masks by one, PET by the other."""
    plain = ImagingLikelihood(observation=observation(), domain=EVERYWHERE).log_likelihood(DENSITY, PARAMETERS)
    weighted = ImagingLikelihood(
        observation=observation(), domain=EVERYWHERE, options=LikelihoodOptions(mask_weight=0.5, pet_weight=0.1)
    ).log_likelihood(DENSITY, PARAMETERS)

    assert weighted.t1gd == pytest.approx(0.5 * plain.t1gd)
    assert weighted.flair == pytest.approx(0.5 * plain.flair)
    assert weighted.pet == pytest.approx(0.1 * plain.pet)


def test_the_formula_reaches_masks_and_pet():
    """The published code's variant differs in every term."""
    likelihoods = [
        ImagingLikelihood(observation=observation(), domain=EVERYWHERE, options=LikelihoodOptions(formula=formula))
        for formula in ("paper", "published-code")
    ]
    paper, code = (likelihood.log_likelihood(DENSITY, PARAMETERS) for likelihood in likelihoods)

    assert (paper.t1gd, paper.flair, paper.pet) != (code.t1gd, code.flair, code.pet)
    assert paper.t1gd != code.t1gd
    assert paper.pet != code.pet


def test_the_share_of_a_mask_that_is_not_compared_is_told():
    """What lies outside caps what any tumor can explain."""
    mask, domain = ~EVERYWHERE, EVERYWHERE.copy()
    mask[:4, 0, 0], domain[0] = True, False

    likelihood = ImagingLikelihood(
        observation=Observation(tumor_core=~EVERYWHERE, whole_tumor=mask, grid=GRID), domain=domain
    )

    assert likelihood.mask_share_outside == {"whole_tumor": 0.25}


def test_a_mask_outside_the_domain_is_impossible():
    """No tumor of the model reaches it."""
    mask, domain = ~EVERYWHERE, EVERYWHERE.copy()
    mask[0], domain[0] = True, False
    with pytest.raises(ImageError, match="whole_tumor lies entirely outside"):
        ImagingLikelihood(observation=Observation(tumor_core=~EVERYWHERE, whole_tumor=mask, grid=GRID), domain=domain)


def test_a_comparison_without_voxels_is_refused():
    """A stride or region that leaves none would make every tumor equally good."""
    domain = ~EVERYWHERE
    domain[1, 1, 1] = True
    seen = Observation(tumor_core=~EVERYWHERE, whole_tumor=EVERYWHERE, grid=GRID)
    with pytest.raises(ImageError, match="no voxel is left to compare.*mask_stride 2"):
        ImagingLikelihood(observation=seen, domain=domain, options=LikelihoodOptions(mask_stride=2))


@pytest.mark.parametrize(
    ("change", "error", "complaint"),
    [
        ({"pet": pet(-0.1)}, ImageError, "PET must be ≥ 0"),
        ({"pet": pet(1.5)}, ImageError, "normalized_pet"),
        ({"pet": pet(np.nan)}, ImageError, "PET must be finite"),
        ({"whole_tumor": ~EVERYWHERE}, ImageError, "whole_tumor is empty"),
        ({"tumor_core": np.zeros((3, 3, 3), dtype=bool)}, GridMismatchError, "tumor_core must lie on"),
        ({"tumor_core": np.zeros(GRID.shape)}, ImageError, "must be a bool array"),
        ({"tumor_core": EVERYWHERE}, ImageError, "whole_tumor must include tumor_core. Were the two masks swapped"),
    ],
)
def test_impossible_observations_are_refused(change, error, complaint):
    """Values, shapes and kinds, each by name."""
    with pytest.raises(error, match=complaint):
        observation(**change)


def test_pet_on_another_grid_is_refused():
    """The same shape elsewhere in the world is another grid."""
    other = Grid.axis_aligned(GRID.shape, 2.0, (10.0, 0.0, 0.0))
    with pytest.raises(GridMismatchError, match="pet and Observation lie on different grids"):
        observation(pet=Volume(np.zeros(GRID.shape, dtype=np.float32), other))


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 255.0])
def test_a_density_that_is_none_is_a_numerical_error(value):
    """A failed simulation is named, not summed."""
    density = DENSITY.copy()
    density[2, 2, 2] = value
    with pytest.raises(NumericalError, match="cell_density must be finite and lie in"):
        ImagingLikelihood(observation=observation(), domain=EVERYWHERE).log_likelihood(density, PARAMETERS)


def test_a_density_of_another_shape_is_refused():
    """Voxels must correspond."""
    with pytest.raises(GridMismatchError, match="cell_density must lie on the observation's grid"):
        ImagingLikelihood(observation=observation(), domain=EVERYWHERE).log_likelihood(DENSITY[1:], PARAMETERS)


def test_pet_needs_its_parameters():
    """Scale and noise come together, and with PET they must come."""
    without = ImagingParameters(t1gd_threshold=0.6, flair_threshold=0.2, visibility_width=0.05)
    with pytest.raises(ParameterError, match="PET was observed"):
        ImagingLikelihood(observation=observation(), domain=EVERYWHERE).log_likelihood(DENSITY, without)
    with pytest.raises(ParameterError, match="belong together"):
        ImagingParameters(t1gd_threshold=0.6, flair_threshold=0.2, visibility_width=0.05, pet_scale=0.8)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"mask_stride": 0}, "mask_stride must be at least 1"),
        ({"pet_weight": 0.0}, r"pet_weight must lie in \(0, 1\]"),
        ({"pet_fwhm_mm": -1.0}, "pet_fwhm_mm must be finite and ≥ 0"),
        ({"mask_weight": 1.1}, "mask_weight must lie in"),
        ({"formula": "code"}, "formula 'code' is unknown"),
    ],
)
def test_options_outside_their_range_are_refused(change, complaint):
    """Strides from 1, weights up to 1."""
    with pytest.raises(ParameterError, match=complaint):
        LikelihoodOptions(**change)
