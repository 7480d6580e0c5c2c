"""Fits find tumors that the model made, with one seed, with a tensor, and with several foci."""

from dataclasses import replace

import numpy as np
import pytest
from growth_phantoms import anatomy_of, uniform_anatomy

from gliofield.anatomy import Anatomy
from gliofield.assimilation import FitSettings, TumorFit, add_foci, dice_sum, fit_tumor, open_domain
from gliofield.assimilation.fit import GROWTH_TIME_DAYS, deepest_point
from gliofield.errors import NumericalError, ParameterError
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters
from gliofield.imaging import Observation, make_virtual_pet, normalized_pet
from gliofield.volume import Volume

ANATOMY = uniform_anatomy((36, 36, 36), 2.5)
CENTER_MM = np.array([42.0, 46.0, 40.0])
QUICK = FitSettings(num_starts=2, num_evaluations=20, num_refinements=30, num_stretched=60, t1gd_weight=1.0)


def grown(seed_mm=CENTER_MM, *, mu1=8.0, mu2=3.2, stretch=(1.0, 1.0, 1.0), days=GROWTH_TIME_DAYS, anatomy=ANATOMY):
    parameters = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=mu1**2 / GROWTH_TIME_DAYS,
        proliferation_rate_per_day=mu2**2 / GROWTH_TIME_DAYS,
        seed_mm=tuple(float(x) for x in seed_mm),
        diffusivity_ratio=QUICK.diffusivity_ratio,
        axis_stretch=stretch,
    )
    return parameters, FisherKolmogorov().simulate(anatomy, parameters, days).cell_density[0]


def seen_of(density, anatomy=ANATOMY):
    return Observation(tumor_core=density > 0.6, whole_tumor=density > 0.2, grid=anatomy.grid)


def test_a_tumor_of_the_model_is_found_from_its_outlines_alone():
    """Without a database or a hint: both outlines to a few voxels, the seed to 2 mm, the front width to a fifth."""
    truth, density = grown()
    fit = fit_tumor(seen_of(density), ANATOMY, settings=QUICK)

    assert fit.dice_sum > 1.9
    assert np.linalg.norm(np.subtract(fit.parameters.seed_mm, truth.seed_mm)) < 2.0
    assert fit.parameters.infiltration_length_mm == pytest.approx(truth.infiltration_length_mm, rel=0.2)


def test_a_stretched_tumor_needs_the_tensor():
    """The tensor finds the long axis and explains what the isotropic fit cannot."""
    stretch = (0.5, 2.0, 1.0)
    _, density = grown(stretch=stretch)
    isotropic = fit_tumor(
        seen_of(density),
        ANATOMY,
        settings=FitSettings(num_evaluations=20, num_refinements=30, num_stretched=0, t1gd_weight=1.0),
    )
    free = fit_tumor(seen_of(density), ANATOMY, settings=QUICK)

    assert isotropic.parameters.is_isotropic
    assert free.dice_sum > isotropic.dice_sum + 0.1
    found = free.parameters.axis_stretch
    assert found[0] < found[2] < found[1]


def pet_of(density, *, unit=1.0, background=0.3, anatomy=ANATOMY):
    """FET-PET of a density as a scanner shows it, in any unit, divided by its maximum."""
    brain = np.ones(anatomy.grid.shape, dtype=bool)
    rng = np.random.default_rng(3)
    image = make_virtual_pet(Volume(density, anatomy.grid), brain, rng=rng, background=background, unit=unit)
    return normalized_pet(image)


def test_pet_finds_the_tumor_in_edema_that_holds_none():
    """No core, and FLAIR 12 mm too far on one side: with PET density and seed are half as far from the truth."""
    truth, density = grown()
    seen = seen_of(density)
    swollen = seen.whole_tumor | np.roll(seen.whole_tumor, 5, axis=0)
    without = replace(seen, whole_tumor=swollen, tumor_core=np.zeros_like(swollen))
    fits = [fit_tumor(each, ANATOMY, settings=QUICK) for each in (without, replace(without, pet=pet_of(density)))]

    errors = [float(np.abs(fit.cell_density - density).mean()) for fit in fits]
    seeds = [np.linalg.norm(np.subtract(fit.parameters.seed_mm, truth.seed_mm)) for fit in fits]
    assert errors[1] < 0.5 * errors[0]
    assert seeds[1] < 0.6 * seeds[0]
    assert fits[0].pet_explained is None
    assert 0.5 < fits[1].pet_explained < 1.0


def test_unit_and_weight_of_pet():
    """SUV or ratio, the fit is the same; PET that weighs nothing changes nothing, but is told."""
    _, density = grown()
    seen = seen_of(density)
    first, other = (
        fit_tumor(replace(seen, pet=pet_of(density, unit=unit)), ANATOMY, settings=QUICK) for unit in (1.0, 6.4)
    )
    weightless = fit_tumor(replace(seen, pet=pet_of(density)), ANATOMY, settings=replace(QUICK, pet_weight=0.0))

    np.testing.assert_allclose(first.cell_density, other.cell_density, atol=1e-3)
    assert weightless.parameters == fit_tumor(seen, ANATOMY, settings=QUICK).parameters
    assert weightless.pet_explained > 0.5


def test_pet_that_is_hidden_or_not_measured_is_not_looked_at():
    """Values changed where nothing is compared, and where they are 0, give the same fit."""
    _, density = grown()
    where = np.ones(ANATOMY.grid.shape, bool)
    where[:14] = False
    pet = pet_of(density).data
    pet[20:, :8] = 0.0
    changed = np.where(where, pet, np.float32(0.9))
    fits = [
        fit_tumor(replace(seen_of(density), pet=Volume(each, ANATOMY.grid)), ANATOMY, settings=QUICK, where=where)
        for each in (pet, changed)
    ]

    assert fits[0].parameters == fits[1].parameters


def test_threads_do_not_change_the_fit():
    """Each start is followed on its own."""
    _, density = grown()
    one = fit_tumor(seen_of(density), ANATOMY, settings=QUICK, num_threads=1)
    two = fit_tumor(seen_of(density), ANATOMY, settings=QUICK, num_threads=2)

    assert one.parameters == two.parameters
    np.testing.assert_array_equal(one.cell_density, two.cell_density)


def test_what_is_hidden_is_not_looked_at():
    """Masks changed where nothing is compared give the same fit."""
    _, density = grown()
    seen = seen_of(density)
    where = np.ones(ANATOMY.grid.shape, bool)
    where[:14] = False
    changed = Observation(tumor_core=seen.tumor_core & where, whole_tumor=seen.whole_tumor & where, grid=ANATOMY.grid)
    first = fit_tumor(seen, ANATOMY, settings=QUICK, where=where)
    second = fit_tumor(changed, ANATOMY, settings=QUICK, where=where)

    assert first.parameters == second.parameters


def test_a_second_focus_gets_a_seed_of_its_own():
    """Far from the first, younger, and only where the scan needs it."""
    parameters, first = grown((30.0, 44.0, 40.0), mu1=6.0, mu2=3.2)
    _, second = grown((66.0, 44.0, 46.0), mu1=6.0, mu2=3.2, days=0.6 * GROWTH_TIME_DAYS)
    seen = seen_of((1.0 - (1.0 - first) * (1.0 - second)).astype(np.float32))
    fit = TumorFit(parameters=parameters, cell_density=first, dice_sum=dice_sum(first, seen), num_simulations=1)
    both = add_foci(fit, seen, ANATOMY)
    alone = add_foci(
        TumorFit(parameters=parameters, cell_density=first, dice_sum=2.0, num_simulations=1), seen_of(first), ANATOMY
    )

    (focus,) = both.foci
    assert np.linalg.norm(np.subtract(focus.seed_mm, (66.0, 44.0, 46.0))) < 4.0
    assert focus.age == pytest.approx(0.6, abs=0.1)
    assert focus.gain == pytest.approx(both.dice_sum - fit.dice_sum)
    assert both.dice_sum > 1.9
    assert alone.foci == ()


def test_a_tumor_that_is_seen_has_room():
    """Voxels of the whole tumor join the domain, half white; a cavity leaves it."""
    domain = np.ones((8, 8, 8), bool)
    domain[3] = False
    anatomy = anatomy_of(np.ones(domain.shape), domain)
    whole, cavity = np.zeros_like(domain), np.zeros_like(domain)
    whole[2:5, 3, 3], cavity[4, 3, 3] = True, True
    opened = open_domain(anatomy, whole, cavity)

    assert isinstance(opened, Anatomy)
    assert opened.domain[3, 3, 3]
    assert (opened.white_matter[3, 3, 3], opened.gray_matter[3, 3, 3]) == (0.5, 0.5)
    assert not opened.domain[3, 0, 0]
    assert not opened.domain[4, 3, 3]


def test_no_tissue_no_tumor():
    """A tumor in the middle of nothing is refused with what to check."""
    domain = np.zeros((20, 20, 20), bool)
    domain[:3] = True
    anatomy = anatomy_of(np.ones(domain.shape), domain, 3.0)
    mask = np.zeros_like(domain)
    mask[14:18, 8:12, 8:12] = True
    with pytest.raises(NumericalError, match="no tumor could be grown where the scan shows one"):
        fit_tumor(Observation(tumor_core=mask, whole_tumor=mask, grid=anatomy.grid), anatomy, settings=QUICK)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_starts": 0}, "num_starts must be at least 1"),
        ({"num_evaluations": 0}, "num_evaluations must be at least 1"),
        ({"num_stretched": -1}, "num_stretched must be at least 0"),
        ({"stretch_penalty": -1.0}, "stretch_penalty must be ≥ 0"),
        ({"t1gd_weight": float("nan")}, "t1gd_weight must be ≥ 0"),
        ({"pet_weight": -1.0}, "pet_weight must be ≥ 0"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    """By name."""
    with pytest.raises(ParameterError, match=message):
        FitSettings(**changes)


def test_the_deepest_point_is_farthest_from_the_outside():
    """In millimeters, the border of the array being outside; an empty mask has none."""
    mask = np.zeros((9, 9, 9), bool)
    mask[1:8, 2:7, 0:3] = True

    assert deepest_point(mask, (1.0, 1.0, 1.0))[2] == 1
    assert deepest_point(np.zeros_like(mask), (1.0, 1.0, 1.0)) is None
