"""Small anatomies and initial states on which growth can be checked by hand."""

from __future__ import annotations

import numpy as np

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.grid import Grid
from gliofield.growth.diffusivity import face_coefficients
from gliofield.growth.evolution import Evolution, evolve
from gliofield.growth.parameters import FisherKolmogorovParameters
from gliofield.growth.reaction_diffusion import make_stepper


def anatomy_of(white_matter, domain, spacing_mm=2.0, origin_mm=(0.0, 0.0, 0.0)) -> Anatomy:
    """Anatomy from a white-matter fraction and a domain; the rest of the domain is gray matter."""
    white = np.where(domain, white_matter, 0.0).astype(np.float32)
    gray = np.where(domain, np.float32(1.0) - white, 0.0).astype(np.float32)
    grid = Grid.axis_aligned(domain.shape, spacing_mm, origin_mm)
    return Anatomy(white_matter=white, gray_matter=gray, domain=domain, grid=grid, domain_rule="test")


def uniform_anatomy(shape, spacing_mm=2.0, origin_mm=(0.0, 0.0, 0.0)) -> Anatomy:
    """A box of white matter that fills the grid."""
    return anatomy_of(np.ones(shape), np.ones(shape, bool), spacing_mm, origin_mm)


def mixed_anatomy(shape=(24, 28, 26), spacing_mm=2.0) -> Anatomy:
    """An ellipsoid of smoothly mixed white and gray matter with a hole; no two axes are alike."""
    x, y, z = np.meshgrid(*[(np.arange(n) + 0.5) / n - 0.5 for n in shape], indexing="ij")
    white = 0.5 + 0.5 * np.sin(9 * x + 1) * np.cos(7 * y - 11 * z)
    head = (x / 0.46) ** 2 + (y / 0.47) ** 2 + (z / 0.44) ** 2 < 1
    hole = (x / 0.1) ** 2 + ((y - 0.15) / 0.2) ** 2 + ((z + 0.1) / 0.1) ** 2 < 1
    return anatomy_of(white, head & ~hole, spacing_mm)


def center_of(anatomy: Anatomy) -> tuple[float, float, float]:
    """World position of a voxel of the mixed anatomy near its middle and inside its domain."""
    x, y, z = anatomy.grid.world_of(np.array(anatomy.grid.shape) // 2 + (3, -3, 1))
    return float(x), float(y), float(z)


def tumor_parameters(anatomy: Anatomy, d=0.3, rho=0.05, **changes) -> FisherKolmogorovParameters:
    """Parameters of a tumor seeded near the middle of the mixed anatomy."""
    values = {
        "white_matter_diffusivity_mm2_per_day": d,
        "proliferation_rate_per_day": rho,
        "seed_mm": center_of(anatomy),
        **changes,
    }
    return FisherKolmogorovParameters(**values)


def evolve_from(
    initial, anatomy: Anatomy, *, d, rho, times_days, variance_mm2, scale=1.0, backend="numba", ratio=10.0
) -> Evolution:
    """`evolve` from an initial density of one's own."""
    faces = face_coefficients(anatomy, ratio)
    return evolve(
        make_stepper(backend, faces, initial.astype(np.float32)),
        faces,
        spacing_mm=anatomy.spacing_mm,
        white_matter_diffusivity_mm2_per_day=d,
        proliferation_rate_per_day=rho,
        initial_variance_mm2=variance_mm2,
        times_days=times_days,
        time_step_scale=scale,
    )


def dice_of(a, b, threshold) -> float:
    """Dice of two non-empty super-level sets."""
    x, y = a > threshold, b > threshold
    assert x.any(), "the tumor is empty"
    return 2.0 * np.count_nonzero(x & y) / (np.count_nonzero(x) + np.count_nonzero(y))
