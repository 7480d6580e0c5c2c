"""White matter, gray matter and CSF fractions of a brain on one grid.

`TissueMaps` keeps the three maps and the brain mask together, so they cannot be swapped or separated. Maps are
probabilities or volume fractions in [0, 1]; published probability maps rarely sum to 1 and
`normalized_tissue_maps` says how that is mended. Where tumor cells may live is decided in `growth_domain`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ImageError
from gliofield.grid import Grid
from gliofield.resample import resample, resample_mask
from gliofield.volume import Volume

_ROUNDING = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class TissueMaps:
    """Tissue fractions of one brain.

    Parameters
    ----------
    white_matter, gray_matter, csf : (X, Y, Z) float32 arrays
        Fractions in [0, 1]; their sum is at most 1 (up to rounding).
    brain : (X, Y, Z) bool array
        Voxels that belong to the brain (CSF spaces included).
    grid : Grid
        The one grid of all four.

    Raises
    ------
    ImageError
        If a shape differs from the grid's, a value is not finite or outside [0, 1], the sum exceeds 1, or the
        brain is empty.
    """

    white_matter: NDArray[np.float32]
    gray_matter: NDArray[np.float32]
    csf: NDArray[np.float32]
    brain: NDArray[np.bool_]
    grid: Grid

    def __post_init__(self) -> None:
        for name in ("white_matter", "gray_matter", "csf"):
            _check_fraction(name, getattr(self, name), self.grid)
        if self.brain.shape != self.grid.shape or not self.brain.any():
            raise ImageError(
                f"TissueMaps: brain must be a non-empty mask of shape {self.grid.shape}, got shape "
                f"{self.brain.shape} with {int(np.count_nonzero(self.brain))} voxels set."
            )
        total = float((self.white_matter + self.gray_matter + self.csf).max())
        if total > 1.0 + 3 * _ROUNDING:
            raise ImageError(
                f"TissueMaps: white_matter + gray_matter + csf must be at most 1, got a maximum of {total:.3f}. "
                "Normalize the maps first, e.g. with normalized_tissue_maps(...)."
            )

    def __repr__(self) -> str:
        volumes_ml = {
            name: float(getattr(self, name).sum(dtype=np.float64)) * self.grid.voxel_volume_ml
            for name in ("white_matter", "gray_matter", "csf", "brain")
        }
        listed = ", ".join(f"{name} {volume_ml:.0f} ml" for name, volume_ml in volumes_ml.items())
        return f"TissueMaps({listed}\n  {self.grid.describe()})"

    def within_brain(self) -> TissueMaps:
        """The maps with no tissue beyond the brain mask, where resampling leaves traces of it."""
        kept = {name: getattr(self, name) * self.brain for name in ("white_matter", "gray_matter", "csf")}
        return TissueMaps(**kept, brain=self.brain, grid=self.grid)

    def resampled(self, onto: Grid) -> TissueMaps:
        """The maps on another grid of the same world: linear, the mask by the > 0.5 rule."""
        maps = {
            name: np.clip(resample(Volume(getattr(self, name), self.grid), onto).data, 0.0, 1.0)
            for name in ("white_matter", "gray_matter", "csf")
        }
        brain = resample_mask(Volume(self.brain, self.grid), onto).data
        return TissueMaps(**maps, brain=brain, grid=onto)


def normalized_tissue_maps(
    white_matter: Volume, gray_matter: Volume, csf: Volume, brain: NDArray[np.bool_]
) -> TissueMaps:
    """Tissue maps from published probability maps, made to sum to 1 in the brain and 0 outside it.

    Voxels of the brain whose three probabilities sum to less than 0.05 say nothing about the tissue (SRI24: its
    rim and parts of the ventricles); they count as CSF, so no cells are grown where the atlas shows no tissue.
    All other brain voxels are divided by their sum.

    Parameters
    ----------
    white_matter, gray_matter, csf : Volume
        Probabilities on one grid, each in [0, 1].
    brain : (X, Y, Z) bool array
        Brain mask on the same grid.

    Raises
    ------
    GridMismatchError
        If the maps lie on different grids.
    ImageError
        As `TissueMaps`.
    """
    for name, volume in (("gray_matter", gray_matter), ("csf", csf)):
        white_matter.grid.require_same_as(volume.grid, self_name="white_matter", other_name=name)
    total = white_matter.data + gray_matter.data + csf.data
    known = brain & (total >= 0.05)
    scale = np.where(known, 1.0 / np.maximum(total, 0.05), 0.0).astype(np.float32)
    csf_fraction = csf.data * scale
    csf_fraction[brain & ~known] = 1.0
    return TissueMaps(
        white_matter=(white_matter.data * scale).astype(np.float32),
        gray_matter=(gray_matter.data * scale).astype(np.float32),
        csf=csf_fraction.astype(np.float32),
        brain=brain,
        grid=white_matter.grid,
    )


def fractions_of(
    amounts: NDArray[np.float32], volume: NDArray[np.float32], brain: NDArray[np.bool_], grid: Grid
) -> TissueMaps:
    """Tissue maps of moved tissue: its amounts over the volume it had at rest.

    Parameters
    ----------
    amounts : (3, X, Y, Z) float32 array
        White matter, gray matter and CSF, ≥ 0, moved along from fractions at rest.
    volume : (X, Y, Z) float32 array
        Volume at rest of what is now in each voxel, in voxels; moved along from 1 in the brain.
    brain : (X, Y, Z) bool array
        Brain mask; its voxels that nothing is left in count as CSF.
    grid : Grid
        Grid of all.
    """
    # Transport with limiters keeps the tissues' sum at the volume but for a percent.
    total = np.maximum(volume, amounts.sum(axis=0))
    white_matter, gray_matter, csf = amounts / np.where(total > 0.0, total, np.float32(1.0))
    csf = np.where(brain & (total <= 0.0), np.float32(1.0), csf)
    return TissueMaps(white_matter=white_matter, gray_matter=gray_matter, csf=csf, brain=brain, grid=grid)


def _check_fraction(name: str, values: NDArray[np.float32], grid: Grid) -> None:
    if values.shape != grid.shape:
        raise ImageError(f"TissueMaps: {name} must have the grid's shape {grid.shape}, got {values.shape}.")
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError(f"TissueMaps: {name} must be finite, got values from {low} to {high}.")
    if low < -_ROUNDING or high > 1.0 + _ROUNDING:
        raise ImageError(
            f"TissueMaps: {name} must lie in [0, 1], got values from {low:.4g} to {high:.4g}. "
            "Maps stored as 0-100 or 0-255 have to be divided by 100 or 255."
        )
