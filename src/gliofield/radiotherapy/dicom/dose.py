"""What a planned dose does to targets and organs: D98, D95, D2, V95, and the dose of the tumor's expected cells.

    Dx    the dose that the x % of the volume with the highest dose get at least [Gy]
    V95   the share of the volume with at least 95 % of the prescription

Volume rule. A structure is cut into small cubes of equal volume, three or more a voxel and at most 0.7 mm wide; a cube
counts where its center lies inside. Inside means: of a mask, where its linear interpolation is above ½; of contours,
where the solid of `contours` is (shape interpolated between planes, half a plane distance beyond the last). The dose at
a center is interpolated linearly. Of cells: each voxel counts by its density, or by the probability that it is tumor.

Doses are read, never made: nothing here suggests one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.box import box_of, slices_of, widened
from gliofield.errors import DicomError, ParameterError
from gliofield.grid import Grid
from gliofield.radiotherapy.dicom.series import RAS_FROM_LPS, read_header
from gliofield.radiotherapy.dicom.structures import Roi
from gliofield.registration import Transform
from gliofield.volume import Volume

_COARSEST_CUBE_MM = 0.7
_FEWEST_CUBES = 3
# More would not change a figure: large organs are cut more coarsely [cubes].
_MOST_CUBES = 8_000_000
_V95_SHARE = 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class Dose:
    """A planned dose.

    Parameters
    ----------
    volume : Volume
        Dose [Gy] on its grid, RAS+ world.
    frame_uid : str
        Frame of Reference UID.
    """

    volume: Volume
    frame_uid: str

    def at(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Dose [Gy] at positions (n, 3) [mm, RAS+]; NaN beyond the outermost voxel centers."""
        voxels = self.volume.grid.voxel_of(points_mm)
        inside = ((voxels >= -1e-6) & (voxels <= np.array(self.volume.grid.shape) - 1 + 1e-6)).all(axis=1)
        values = np.full(len(points_mm), np.nan)
        values[inside] = ndimage.map_coordinates(self.volume.data, voxels[inside].T, order=1, mode="nearest")
        return values


@dataclass(frozen=True, kw_only=True)
class DoseFigures:
    """Dose of a structure.

    Parameters
    ----------
    name : str
        The structure.
    volume_ml : float
        Its volume by the volume rule [ml]; of cells the volume of all voxels with any.
    d98_gy, d95_gy, d2_gy, mean_gy : float
        Doses [Gy].
    v95 : float or None
        Share with at least 95 % of the prescription, in [0, 1]; None without a prescription.
    """

    name: str
    volume_ml: float
    d98_gy: float
    d95_gy: float
    d2_gy: float
    mean_gy: float
    v95: float | None


def read_dose(path: str | os.PathLike[str]) -> Dose:
    """The dose of an RTDOSE file.

    Raises
    ------
    DicomError
        If the file is missing, damaged, no RTDOSE, not in gray, not three-dimensional, or of unequal planes.
    """
    dataset = read_header(Path(path), with_pixels=True)
    if str(dataset.get("Modality", "")) != "RTDOSE":
        raise DicomError(f"{path} is no RTDOSE but {dataset.get('Modality', 'of no modality')}. Give another file.")
    if str(dataset.get("DoseUnits", "")) != "GY":
        raise DicomError(
            f"{path}: expected a dose in GY, got {dataset.get('DoseUnits', 'no unit')}. Export it in gray."
        )
    try:
        offsets = np.array(dataset.GridFrameOffsetVector, dtype=np.float64)
        stored = np.atleast_3d(dataset.pixel_array) * float(dataset.DoseGridScaling)
        directions = np.array(dataset.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
        start = np.array(dataset.ImagePositionPatient, dtype=np.float64)
        row_step, column_step = (float(value) for value in dataset.PixelSpacing)
    except Exception as error:  # pydicom raises many types for what is missing or damaged; the cause is chained
        raise DicomError(f"{path} cannot be read as a dose ({str(error).partition(chr(10))[0]}).") from error
    if stored.ndim != 3 or len(offsets) != stored.shape[0] or len(offsets) < 2:
        raise DicomError(f"{path}: expected a dose of two planes or more, got the shape {stored.shape}.")
    steps = np.diff(offsets)
    if np.abs(steps - steps[0]).max() > 0.01 * abs(steps[0]) or steps[0] == 0:
        raise DicomError(f"{path}: planes of the dose are unequally spaced. Export it on an even grid.")
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = directions[0] * column_step, directions[1] * row_step
    affine[:3, 2] = np.cross(*directions) * steps[0]
    # Offsets of some writers are places, not distances from the first plane.
    affine[:3, 3] = start + np.cross(*directions) * (offsets[0] if abs(offsets[0]) < 1e-3 else 0.0)
    affine[:3] *= RAS_FROM_LPS[:, None]
    data = np.ascontiguousarray(np.transpose(stored, (2, 1, 0)), dtype=np.float64)
    return Dose(volume=Volume(data, Grid(data.shape, affine)), frame_uid=str(dataset.get("FrameOfReferenceUID", "")))


def dose_of_mask(
    dose: Dose, mask: Volume, *, name: str, prescription_gy: float | None = None, to_dose: Transform | None = None
) -> DoseFigures:
    """Dose of a mask.

    Parameters
    ----------
    dose : Dose
        The dose.
    mask : Volume
        Non-zero = set, on any grid.
    name : str
        What it is.
    prescription_gy : float, optional
        Prescribed dose [Gy], for V95.
    to_dose : Transform, optional
        From the frame of the dose (its ``patient``) to that of the mask (its ``atlas``); default: they are one.

    Raises
    ------
    ParameterError
        If the prescription is not positive.
    DicomError
        If the mask is empty, or not wholly inside the grid of the dose.
    """
    if not np.any(mask.data):
        raise DicomError(f"{name} is empty: expected a drawn structure.")
    points, cube_ml = _cubes_of(Volume((mask.data != 0).astype(np.float32) - 0.5, mask.grid))
    return _figures(dose, _moved(points, to_dose), None, cube_ml, name, prescription_gy)


def dose_of_roi(
    dose: Dose, roi: Roi, *, prescription_gy: float | None = None, thickness_mm: float | None = None
) -> DoseFigures:
    """Dose of a structure of an RTSTRUCT in the frame of the dose; parameters and errors as `dose_of_mask`."""
    points, cube_ml = _cubes_of(roi.solid(thickness_mm=thickness_mm))
    return _figures(dose, points, None, cube_ml, roi.name, prescription_gy)


def dose_of_cells(
    dose: Dose, weights: Volume, *, name: str, prescription_gy: float | None = None, to_dose: Transform | None = None
) -> DoseFigures:
    """Dose of expected cells: shares are of the sum of the weights, not of the volume.

    Parameters
    ----------
    dose, name, prescription_gy, to_dose
        As `dose_of_mask`.
    weights : Volume
        Density, or probability of tumor, ≥ 0, on any grid.

    Raises
    ------
    ParameterError
        If the prescription is not positive.
    DicomError
        If all weights are 0, or more than a thousandth of them lies beyond the grid of the dose.
    """
    is_set = weights.data > 0
    if not is_set.any():
        raise DicomError(f"{name} holds nothing: expected a map with values above 0.")
    points = _moved(weights.grid.world_of(np.argwhere(is_set)), to_dose)
    values = weights.data[is_set].astype(np.float64)
    return _figures(dose, points, values, weights.grid.voxel_volume_ml, name, prescription_gy)


def _cubes_of(depth: Volume) -> tuple[NDArray[np.float64], float]:
    """Centers [mm, RAS+] of the cubes at which a field is above 0, and the volume of one [ml]."""
    inner = widened(box_of(depth.data > 0), 1, depth.grid.shape)
    data = np.pad(depth.data[slices_of(inner)], 1, mode="edge")
    data[[0, -1]] = np.minimum(data[[0, -1]], -0.5)
    data[:, [0, -1]] = np.minimum(data[:, [0, -1]], -0.5)
    data[:, :, [0, -1]] = np.minimum(data[:, :, [0, -1]], -0.5)
    first = np.array([low for low, _ in inner]) - 1
    counts = _cuts(depth.grid, data.shape)
    found = []
    axes = [(np.arange(n * (size - 1)) + 0.5) / n for n, size in zip(counts, data.shape, strict=True)]
    for number in range(len(axes[2])):
        low = int(axes[2][number])
        part = axes[2][number] - low
        plane = data[:, :, low] * (1.0 - part) + data[:, :, low + 1] * part
        if not (plane > 0).any():
            continue
        values = ndimage.map_coordinates(plane, np.meshgrid(axes[0], axes[1], indexing="ij"), order=1)
        i, j = np.nonzero(values > 0)
        found.append(np.stack([axes[0][i], axes[1][j], np.full(len(i), axes[2][number])], axis=1))
    points = depth.grid.world_of(np.concatenate(found) + first)
    return points, depth.grid.voxel_volume_ml / float(np.prod(counts))


def _cuts(grid: Grid, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Cubes a voxel along each axis: cubes of 0.7 mm or less, and where the structure is large fewer."""
    edge = _COARSEST_CUBE_MM
    while True:
        x, y, z = (max(1, int(np.ceil(h / edge))) for h in grid.spacing_mm)
        if edge == _COARSEST_CUBE_MM and min(grid.spacing_mm) > _COARSEST_CUBE_MM:
            x, y, z = (max(_FEWEST_CUBES, n) for n in (x, y, z))
        if x * y * z * float(np.prod(shape)) <= _MOST_CUBES or max(x, y, z) == 1:
            return x, y, z
        edge *= 1.25


def _moved(points: NDArray[np.float64], to_dose: Transform | None) -> NDArray[np.float64]:
    return points if to_dose is None else to_dose.patient_points_of(points)


def _figures(
    dose: Dose,
    points: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    point_ml: float,
    name: str,
    prescription_gy: float | None,
) -> DoseFigures:
    if prescription_gy is not None and not prescription_gy > 0:
        raise ParameterError(f"prescription_gy must be positive [Gy], got {prescription_gy:g}.")
    values = dose.at(points)
    shares = np.ones(len(points)) if weights is None else weights
    is_known = np.isfinite(values)
    unknown = 1.0 - float(shares[is_known].sum() / shares.sum())
    if unknown > (0.0 if weights is None else 1e-3):
        beyond_ml = float(np.count_nonzero(~is_known)) * point_ml
        raise DicomError(
            f"the grid of the dose is smaller than {name}: {unknown:.1%} of it ({beyond_ml:.2f} ml) lie outside, where "
            "no dose is known. Calculate the dose on a larger grid."
        )
    values, shares = values[is_known], shares[is_known]
    order = np.argsort(values, kind="stable")
    rising, below = values[order], np.cumsum(shares[order])
    # The middle of each share, so that the curve has no bias of half a share.
    middle = (below - shares[order] / 2.0) / below[-1]
    d98, d95, d2 = (float(each) for each in np.interp([0.02, 0.05, 0.98], middle, rising))
    return DoseFigures(
        name=name,
        volume_ml=len(points) * point_ml,
        d98_gy=d98,
        d95_gy=d95,
        d2_gy=d2,
        mean_gy=float(np.average(values, weights=shares)),
        v95=None
        if prescription_gy is None
        else float(shares[values >= _V95_SHARE * prescription_gy].sum() / shares.sum()),
    )


def require_frame(dose: Dose, frame_uid: str, *, name: str) -> None:
    """Refuse what lies in another frame than the dose.

    Raises
    ------
    DicomError
        With both UIDs.
    """
    if not dose.frame_uid or dose.frame_uid != frame_uid:
        raise DicomError(
            f"the dose and {name} lie in different frames of reference ({dose.frame_uid or 'none'} and "
            f"{frame_uid or 'none'}): expected one. Give what was exported with this plan."
        )


def tabulated(figures: Sequence[DoseFigures]) -> str:
    """Figures as lines of text."""
    lines = [f"{'structure':<18}{'ml':>9}{'D98':>8}{'D95':>8}{'D2':>8}{'mean':>8}{'V95':>8}"]
    for each in figures:
        share = "-" if each.v95 is None else f"{each.v95:.1%}"
        lines.append(
            f"{each.name[:17]:<18}{each.volume_ml:>9.2f}{each.d98_gy:>8.2f}{each.d95_gy:>8.2f}{each.d2_gy:>8.2f}"
            f"{each.mean_gy:>8.2f}{share:>8}"
        )
    return "\n".join(lines)
