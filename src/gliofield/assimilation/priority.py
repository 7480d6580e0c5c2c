"""Which voxel to treat first: growth from both outlines, with a pull to the core; ranks, not densities.

    u0 = 0.8 in the core, 0.1 in the rest of the whole tumor, 0 else, smoothed; grown for ρ t = 2
    ψ  = logit u − β d_C          d_C [mm] the distance to the core

FLAIR shows edema that may be no tumor. So it weighs little at the start, and the pull keeps voxels near the core ahead:
a margin that knows tissue, hedged against false edema. Outside the domain ψ is that of the nearest voxel of it less 0.3
per mm. The map holds ranks: strictly positive at every voxel of the grid, without ties; the brain comes before all
else. Without a core its place is taken by the whole tumor.

*Chosen*: 0.8, ρ t, D_w/D_g = 5, the smoothing, 0.3 per mm. *Tuned* on the virtual cohort's tune patients, for all three
conditions at once: 0.1, λ = 5 mm, β = 0.02. A wide front forgets the outline of edema, so a mild pull is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import logit

from gliofield.anatomy import Anatomy
from gliofield.errors import ParameterError
from gliofield.growth.diffusivity import face_coefficients
from gliofield.growth.evolution import evolve
from gliofield.growth.reaction_diffusion import make_stepper

_LOWEST = 1e-9
# Below this there is a float32 for each voxel of the largest scan, and above the smallest normal one.
_FIRST_RANK_BITS = 0x00800000


@dataclass(frozen=True, kw_only=True)
class PrioritySettings:
    """How outlines become priorities; see the module docstring.

    Parameters
    ----------
    core_density, edema_density : float
        u0 in the core and in the rest of the whole tumor, in (0, 1).
    blur_mm : float
        Standard deviation of the smoothing of u0 [mm], ≥ 0.
    front_width_mm : float
        λ = √(D_w / ρ) [mm], > 0.
    diffusivity_ratio : float
        D_w / D_g.
    growth : float
        ρ t, > 0.
    pull_per_mm : float
        β [1/mm], ≥ 0.
    outside_per_mm : float
        What ψ loses per mm outside the domain [1/mm], ≥ 0.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    core_density: float = 0.8
    edema_density: float = 0.1
    blur_mm: float = 1.5
    front_width_mm: float = 5.0
    diffusivity_ratio: float = 5.0
    growth: float = 2.0
    pull_per_mm: float = 0.02
    outside_per_mm: float = 0.3

    def __post_init__(self) -> None:
        for name in ("core_density", "edema_density"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ParameterError(f"{name} must lie in (0, 1), got {getattr(self, name)}.")
        for name in ("front_width_mm", "growth"):
            if not getattr(self, name) > 0.0:
                raise ParameterError(f"{name} must be > 0, got {getattr(self, name)}.")
        for name in ("blur_mm", "pull_per_mm", "outside_per_mm"):
            if not getattr(self, name) >= 0.0:
                raise ParameterError(f"{name} must be ≥ 0, got {getattr(self, name)}.")


def grow_from_outlines(
    tumor_core: NDArray[np.bool_],
    whole_tumor: NDArray[np.bool_],
    anatomy: Anatomy,
    settings: PrioritySettings | None = None,
) -> NDArray[np.float32]:
    """logit of the density grown from two outlines (X, Y, Z), continued outside the domain; without the pull.

    Parameters
    ----------
    tumor_core, whole_tumor : (X, Y, Z) bool arrays
        Outlines on the grid of the anatomy; the whole tumor is not empty.
    anatomy : Anatomy
        Where cells may live (`open_domain`).
    settings : PrioritySettings, optional
        Densities, front width, growth.
    """
    chosen = PrioritySettings() if settings is None else settings
    density = grow_density(tumor_core, whole_tumor, anatomy, chosen)
    phase = logit(np.clip(density.astype(np.float64), _LOWEST, 1.0 - _LOWEST))
    distance_mm, nearest = ndimage.distance_transform_edt(
        ~anatomy.domain, sampling=anatomy.grid.spacing_mm, return_indices=True
    )
    continued = phase[tuple(nearest)] - chosen.outside_per_mm * distance_mm
    return np.asarray(np.where(anatomy.domain, phase, continued), dtype=np.float32)


def grow_density(
    tumor_core: NDArray[np.bool_], whole_tumor: NDArray[np.bool_], anatomy: Anatomy, settings: PrioritySettings
) -> NDArray[np.float32]:
    """Density (X, Y, Z) grown from two outlines, 0 outside the domain; arguments as `grow_from_outlines`."""
    core = tumor_core if tumor_core.any() else whole_tumor
    start = np.where(core, settings.core_density, np.where(whole_tumor, settings.edema_density, 0.0))
    spacing_mm = anatomy.spacing_mm
    start = ndimage.gaussian_filter(start, settings.blur_mm / spacing_mm) * anatomy.domain
    faces = face_coefficients(anatomy, settings.diffusivity_ratio)
    stepper = make_stepper("numba", faces, start.astype(np.float32))
    evolution = evolve(
        stepper,
        faces,
        spacing_mm=spacing_mm,
        white_matter_diffusivity_mm2_per_day=settings.front_width_mm**2,
        proliferation_rate_per_day=1.0,
        initial_variance_mm2=max(settings.blur_mm, spacing_mm) ** 2,
        times_days=[settings.growth],
    )
    return evolution.cell_density[0]


def rank_voxels(
    phase: NDArray[np.float32], core_distance_mm: NDArray[np.float32], brain: NDArray[np.bool_], pull_per_mm: float
) -> NDArray[np.float32]:
    """Ranks of all voxels (X, Y, Z): highest first treated, strictly positive, no two alike.

    Voxels of the brain are ranked by ψ = phase − β d_C, equal ones by the smaller d_C, then by their place in the
    array, and get (rank + ½) / N of the N of them; all others lie below, in the order of the array.

    Parameters
    ----------
    phase : (X, Y, Z) float32 array
        Of `grow_from_outlines`, on the grid of the scan.
    core_distance_mm : (X, Y, Z) float32 array
        d_C [mm].
    brain : (X, Y, Z) bool array
        What can be treated.
    pull_per_mm : float
        β [1/mm].
    """
    inside = np.flatnonzero(brain)
    distance = core_distance_mm.reshape(-1)[inside]
    score = phase.reshape(-1)[inside].astype(np.float64) - pull_per_mm * distance
    order = np.lexsort((-np.arange(len(inside)), -distance, score))
    ranks = np.empty(len(inside), dtype=np.int64)
    ranks[order] = np.arange(len(inside))
    # Neighboring floats, from the smallest normal one on: positive, distinct, below every rank of the brain.
    priority = (_FIRST_RANK_BITS + np.arange(brain.size, dtype=np.uint32)).view(np.float32)
    priority[inside] = ((ranks + 0.5) / len(inside)).astype(np.float32)
    return priority.reshape(brain.shape)


def distance_mm(mask: NDArray[np.bool_], spacing_mm: Sequence[float]) -> NDArray[np.float32]:
    """Euclidean distance of every voxel (X, Y, Z) to a mask that is not empty, between voxel centers [mm]."""
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing_mm), dtype=np.float32)
