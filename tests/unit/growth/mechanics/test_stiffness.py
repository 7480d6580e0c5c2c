"""Lamé coefficients of materials and of mixed tissue."""

import math

import numpy as np
import pytest

from gliofield.errors import ParameterError
from gliofield.growth import Elasticity, TissueElasticity

TISSUES = ("white_matter", "gray_matter", "csf", "tumor")


def coefficients(white=0.0, gray=0.0, csf=0.0, tumor=0.0, elasticity=None):
    """λ and μ of one cell."""
    tissue = np.array([white, gray, csf], np.float32).reshape(3, 1, 1, 1)
    density = np.full((1, 1, 1), tumor, np.float32)
    lame, shear = (elasticity or TissueElasticity()).lame_coefficients(tissue, density)
    return float(lame[0, 0, 0]), float(shear[0, 0, 0])


@pytest.mark.parametrize(("modulus", "poisson"), [(2100.0, 0.4), (100.0, 0.1), (8000.0, 0.45), (1.0, 0.0), (5.0, -0.5)])
def test_lame_coefficients_give_back_modulus_and_poisson_ratio(modulus, poisson):
    """E = μ (3λ + 2μ) / (λ + μ), ν = λ / (2 (λ + μ))."""
    material = Elasticity(youngs_modulus_pa=modulus, poisson_ratio=poisson)
    lame, shear = material.lame_pa, material.shear_modulus_pa

    assert shear * (3 * lame + 2 * shear) / (lame + shear) == pytest.approx(modulus, rel=1e-12)
    assert lame / (2 * (lame + shear)) == pytest.approx(poisson, abs=1e-12)


def test_compression_at_constant_shape_meets_the_bulk_modulus():
    """K = λ + 2μ/3 = E / (3 (1 − 2ν))."""
    material = Elasticity(youngs_modulus_pa=2100.0, poisson_ratio=0.4)

    assert material.lame_pa + 2 * material.shear_modulus_pa / 3 == pytest.approx(2100.0 / (3 * 0.2))


@pytest.mark.parametrize("name", TISSUES)
def test_pure_tissue_has_the_coefficients_of_its_material(name):
    """Each of the four alone."""
    amounts = {"white": "white_matter", "gray": "gray_matter", "csf": "csf", "tumor": "tumor"}
    share = {key: 1.0 for key, value in amounts.items() if value == name}
    material = getattr(TissueElasticity(), name)

    assert coefficients(**share) == pytest.approx((material.lame_pa, material.shear_modulus_pa), rel=1e-6)


def test_shares_sum_to_one():
    """Equal materials give that material in every mixture, tumor included."""
    same = Elasticity(youngs_modulus_pa=1000.0, poisson_ratio=0.3)
    elasticity = TissueElasticity(white_matter=same, gray_matter=same, csf=same, tumor=same)

    mixed = coefficients(white=0.3, gray=0.5, csf=0.2, tumor=0.6, elasticity=elasticity)

    assert mixed == pytest.approx((same.lame_pa, same.shear_modulus_pa), rel=1e-6)


def test_tumor_takes_the_place_of_tissue():
    """λ = (1 − c) Σ p λ + c λ_tumor, μ likewise."""
    e = TissueElasticity()

    lame, shear = coefficients(white=0.5, csf=0.5, tumor=0.25)

    assert lame == pytest.approx(0.375 * (e.white_matter.lame_pa + e.csf.lame_pa) + 0.25 * e.tumor.lame_pa, rel=1e-6)
    expected = 0.375 * (e.white_matter.shear_modulus_pa + e.csf.shear_modulus_pa) + 0.25 * e.tumor.shear_modulus_pa
    assert shear == pytest.approx(expected, rel=1e-6)


def test_only_proportions_of_tissue_count():
    """Pressed and expanded tissue is as stiff as at rest."""
    at_rest = coefficients(white=0.5, gray=0.2, csf=0.3, tumor=0.1)

    assert coefficients(white=0.75, gray=0.3, csf=0.45, tumor=0.1) == pytest.approx(at_rest, rel=1e-6)


def test_cells_without_tissue_count_as_csf():
    """Nothing is left in them but fluid, and tumor."""
    assert coefficients() == coefficients(csf=1.0)
    assert coefficients(tumor=0.5) == coefficients(csf=1.0, tumor=0.5)


@pytest.mark.parametrize("modulus", [0.0, -1.0, math.inf, math.nan])
def test_a_modulus_that_is_not_finite_and_positive_is_refused(modulus):
    """E > 0."""
    with pytest.raises(ParameterError, match="youngs_modulus_pa must be finite and > 0"):
        Elasticity(youngs_modulus_pa=modulus, poisson_ratio=0.3)


@pytest.mark.parametrize("poisson", [0.5, 0.7, -1.0, math.nan])
def test_a_poisson_ratio_out_of_range_is_refused(poisson):
    """−1 < ν < 0.5; 0.5 is incompressible, λ infinite."""
    with pytest.raises(ParameterError, match=r"poisson_ratio must lie above -1 and below 0\.5"):
        Elasticity(youngs_modulus_pa=1.0, poisson_ratio=poisson)


@pytest.mark.parametrize("name", TISSUES)
def test_tissue_without_elasticity_is_refused(name):
    """A bare modulus is no material."""
    with pytest.raises(ParameterError, match=f"{name} must be an Elasticity"):
        TissueElasticity(**{name: 2100.0})
