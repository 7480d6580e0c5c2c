"""Where tumor cells do not pass: outer brain, ventricles, falx and tentorium, with the bridges across them.

A brain is cut into compartments: left and right cerebrum, and what lies below the tentorium. Falx and tentorium are the
walls between these (`geodesic`): surfaces without thickness, so they have no holes on any grid. Bridges belong to no
compartment: across the midline the corpus callosum and whatever lies between it and the brainstem (fornix,
commissures, thalami), through the tentorium the brainstem with its peduncles. Ventricles are no wall but a region that
is left out; sulci stay in.

Atlases come without these surfaces, so they are found in the tissue maps, once for each atlas: a wall is the cheapest
cut (minimum s-t cut) between two parts of the brain, where a face costs little in CSF, more in gray and most in white
matter. For the tentorium the parts are the white matter of cerebrum and cerebellum; for the falx, what lies more than
10 mm to either side of the midsagittal plane, which is that of the best mirror symmetry. The falx is drawn down to the
corpus callosum: below its free edge two layers of pia face each other, which cells do not cross either.

There is no ground truth of them here. Look at the picture (`report.barriers_figure`).

References
----------
.. [1] Boykov, Kolmogorov (2003), Computing geodesics and minimal surfaces via graph cuts, ICCV, 26-33.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.anatomy import Atlas, TissueMaps
from gliofield.cache import cache_folder, make_once
from gliofield.errors import GliofieldError, ImageError, OutputError, ParameterError
from gliofield.grid import Grid
from gliofield.nifti import read_volume, write_volume
from gliofield.pipeline import PatientSpace
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.resample import resample
from gliofield.volume import Volume

#: Compartments: walls lie between the last three, a bridge is open to all.
BRIDGE, LEFT, RIGHT, BELOW_TENTORIUM = range(4)

# Raised when the derivation changes, so that kept ones are made anew.
_VERSION = 3
_SPACING_MM = 1.5
# Cost of a face: everywhere, in gray and in white matter; CSF above this fraction is free of the second.
_COST, _GRAY_COST, _WHITE_COST, _CSF_ENOUGH = 1.0, 12.0, 60.0, 0.4
# The falx lies within this of the midsagittal plane; bridge and fissure reach this far from the wall [mm].
_MIDLINE_MM, _BRIDGE_MM, _FISSURE_MM = 10.0, 3.0, 6.0
# Parts of the brain's bounding box (right, front, up from its lower corner) by which seeds are known: certainly
# cerebrum above the first height, cerebellum below the second and behind the depth. *Chosen* on two atlases.
_CEREBRUM_HEIGHT, _CEREBELLUM_HEIGHT, _CEREBELLUM_DEPTH = 0.5, 0.27, 0.38
# The brainstem is narrower than this to each side, and this much white matter where it passes the tentorium.
_BRAINSTEM_MM, _BRAINSTEM_WHITE = 22.0, 0.3
# Ventricles: deeper in the brain than this, and in one piece that comes as near to the midplane [mm].
_VENTRICLE_DEPTH_MM, _VENTRICLE_SEED_MM = 15.0, 10.0
_SMALLEST_VENTRICLE_ML = 0.1
# The cisterns around the brainstem: as far from it, and as much CSF.
_CISTERN_MM, _CISTERN_CSF = 8.0, 0.25


@dataclass(frozen=True, kw_only=True, eq=False)
class Barriers:
    """What a margin may not pass, on one grid.

    Parameters
    ----------
    compartments : (X, Y, Z) uint8 array
        `LEFT`, `RIGHT`, `BELOW_TENTORIUM`, or `BRIDGE`; defined everywhere, also outside the brain.
    ventricles : (X, Y, Z) bool array
        Ventricles and the cisterns around the midbrain.
    brain : (X, Y, Z) bool array
        What lies inside the outer brain surface.
    grid : Grid
        Of all three.

    Raises
    ------
    ImageError
        If a shape differs from the grid's.
    """

    compartments: NDArray[np.uint8]
    ventricles: NDArray[np.bool_]
    brain: NDArray[np.bool_]
    grid: Grid

    def __post_init__(self) -> None:
        for name in ("compartments", "ventricles", "brain"):
            if getattr(self, name).shape != self.grid.shape:
                raise ImageError(
                    f"Barriers: {name} must have the grid's shape {self.grid.shape}, got {getattr(self, name).shape}."
                )

    @property
    def region(self) -> NDArray[np.bool_]:
        """Where cells may live, (X, Y, Z): the brain without ventricles, sulci included."""
        return self.brain & ~self.ventricles

    def behind(self, wall: str, place: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Voxels that ``"falx"`` or ``"tentorium"`` parts from all of a place, (X, Y, Z)."""
        there = {int(number) for number in np.unique(self.compartments[place])}
        if wall == "falx":
            parted = [own for own, other in ((LEFT, RIGHT), (RIGHT, LEFT)) if other in there and own not in there]
        else:
            above = bool(there & {LEFT, RIGHT})
            below = BELOW_TENTORIUM in there
            parted = ([BELOW_TENTORIUM] if above and not below else []) + ([LEFT, RIGHT] if below and not above else [])
        return np.isin(self.compartments, parted)


def open_barriers(brain: NDArray[np.bool_], grid: Grid) -> Barriers:
    """Barriers of which only the outer brain is one, as of a plain margin."""
    return Barriers(
        compartments=np.zeros(grid.shape, dtype=np.uint8),
        ventricles=np.zeros(grid.shape, dtype=np.bool_),
        brain=brain,
        grid=grid,
    )


def find_barriers(tissue: TissueMaps) -> Barriers:
    """Barriers of a brain whose tissue is known, upright in its world as atlases are.

    Parameters
    ----------
    tissue : TissueMaps
        Fractions; axes of the grid within some degrees of R, A, S in any order.

    Raises
    ------
    ImageError
        If no cerebrum or cerebellum is found where an upright brain has them.
    """
    brain = tissue.brain
    corners = tissue.grid.world_of(np.argwhere(brain))
    low_mm, high_mm = corners.min(axis=0), corners.max(axis=0)
    spacing_mm = max(_SPACING_MM, *tissue.grid.spacing_mm)
    size = np.ceil((high_mm - low_mm) / spacing_mm).astype(int) + 5
    grid = Grid.axis_aligned(size, spacing_mm, low_mm - 2 * spacing_mm)
    maps = tissue.resampled(grid).within_brain()
    places = [grid.world_of(np.indices(grid.shape).reshape(3, -1).T)[:, axis].reshape(grid.shape) for axis in range(3)]
    parts = [(place - low) / (high - low) for place, low, high in zip(places, low_mm, high_mm, strict=True)]
    from_mid_mm = places[0] - _midplane_mm(maps)
    below = _below_tentorium(maps, parts)
    is_right = _cheapest_cut(maps, from_mid_mm >= _MIDLINE_MM, from_mid_mm <= -_MIDLINE_MM)
    compartments = np.where(below, BELOW_TENTORIUM, np.where(is_right, RIGHT, LEFT)).astype(np.uint8)
    brainstem = _brainstem(maps, below, from_mid_mm)
    deep = _between_callosum_and_brainstem(maps, is_right, below, brainstem)
    halves = ~is_right & maps.brain, is_right & maps.brain
    at_midline = _within(*halves, grid, _BRIDGE_MM)
    # Outside the brain a compartment is that of the nearest voxel of the brain.
    bridges = brainstem | (at_midline & deep & ~below)
    middle = ((deep & ~below) | below) & (np.abs(from_mid_mm) < _VENTRICLE_SEED_MM)
    fissure = (_within(*halves, grid, _FISSURE_MM) | (np.abs(from_mid_mm) < _FISSURE_MM)) & ~deep & ~below
    ventricles = _ventricles(maps, middle, fissure) | _cisterns_around(brainstem, maps)
    compartments[bridges] = BRIDGE
    compartments = _nearest(compartments, maps.brain)
    return Barriers(
        compartments=_labels_on(compartments, grid, tissue.grid),
        ventricles=(resample(Volume(ventricles.astype(np.float32), grid), tissue.grid).data > 0.5) & brain,
        brain=brain,
        grid=tissue.grid,
    )


def atlas_barriers(atlas: Atlas, *, report: Reporter = ignore_progress) -> Barriers:
    """Barriers of an atlas, found when they are first asked for and kept in the cache folder where that can be written.

    Raises
    ------
    ImageError
        As `find_barriers`.
    """
    path = cache_folder("barriers", f"{atlas.content_hash[:16]}-v{_VERSION}.nii.gz")
    kept = _read(path, atlas)
    if kept is not None:
        return kept
    try:
        with make_once(path, report=report):
            kept = _read(path, atlas)  # another process may have made it
            return _found(atlas, path, report) if kept is None else kept
    except OutputError:  # a cache that is read-only, as in a container: they are found each time
        return _found(atlas, None, report)


def _found(atlas: Atlas, path: Path | None, report: Reporter) -> Barriers:
    """Barriers found now, and kept if there is a place."""
    task = f"find barriers of {atlas.name}"
    report(ProgressEvent(task=task, completed=0, total=1))
    found = find_barriers(atlas.tissue_maps)
    if path is not None:
        code = found.compartments + np.uint8(4) * found.ventricles
        write_volume(path, Volume(code, found.grid), description="compartment + 4 in ventricles; research use only")
    report(ProgressEvent(task=task, completed=1, total=1))
    return found


def patient_barriers(scan: PatientSpace, *, report: Reporter = ignore_progress) -> Barriers:
    """An atlas's barriers as they lie in a patient, whose own brain mask is the outer one.

    Compartments move by the nearest voxel; ventricles linearly, > 0.5. What is seen as tumor, or as a cavity, is no
    ventricle, and lies in the compartment of most of its piece where the walls are those of a registration that knows
    them to some millimeters only.

    Parameters
    ----------
    scan : PatientSpace
        The patient's brain on the grid of the scan.
    report : Reporter
        Told when the atlas's have to be found first.
    """
    found = atlas_barriers(scan.atlas, report=report)

    def moved(data: NDArray[np.generic], rule: str) -> NDArray[np.float32]:
        volume = Volume(np.asarray(data, dtype=np.float32), found.grid)
        return np.asarray(scan.transform.to_patient(volume, scan.grid, rule).data)  # type: ignore[arg-type]

    # One more, so that 0 is what lies outside the atlas's field of view.
    codes = moved(found.compartments + 1, "nearest")
    compartments = np.rint(codes - 1.0).clip(0, 3).astype(np.uint8)
    if np.any(scan.case.brain & (codes < 0.5)):
        compartments = _nearest(compartments, codes > 0.5)
    segmentation = scan.case.segmentation
    seen = segmentation.whole_tumor if segmentation.cavity is None else segmentation.whole_tumor | segmentation.cavity
    return Barriers(
        compartments=compartments,
        ventricles=(moved(found.ventricles, "linear") > 0.5) & scan.case.brain & ~seen,
        brain=scan.case.brain,
        grid=scan.grid,
    )


def _read(path: Path, atlas: Atlas) -> Barriers | None:
    """Kept barriers of an atlas; None if there are none, or they are damaged."""
    try:
        stored = read_volume(path, dtype=np.uint8)
        code = stored.reordered_as(atlas.grid).data
    except GliofieldError:
        return None
    return Barriers(compartments=code % 4, ventricles=code >= 4, brain=atlas.tissue_maps.brain, grid=atlas.grid)


def _midplane_mm(maps: TissueMaps) -> float:
    """Place of the plane x = const about which white matter and brain are most like their mirror image [mm]."""
    profile = np.stack([maps.white_matter, maps.brain.astype(np.float32)]).sum(axis=3)
    length = profile.shape[1]
    centers = np.arange(0.4 * length, 0.6 * length, 0.5)

    def asymmetry(center: float) -> float:
        mirrored = np.rint(2 * center - np.arange(length)).astype(int)
        inside = (mirrored >= 0) & (mirrored < length)
        return float(np.abs(profile[:, inside] - profile[:, mirrored[inside]]).mean())

    best = min(centers, key=asymmetry)
    return float(maps.grid.world_of([best, 0, 0])[0])


def _below_tentorium(maps: TissueMaps, parts: list[NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Cerebellum and brainstem, (X, Y, Z): what the cheapest cut leaves on the side of the cerebellum."""
    _, depth, height = parts
    white = maps.white_matter > 0.6
    cerebrum = (white & (height > _CEREBRUM_HEIGHT)) | (maps.brain & (height > _CEREBRUM_HEIGHT + 0.1))
    cerebellum = white & (height < _CEREBELLUM_HEIGHT) & (depth < _CEREBELLUM_DEPTH)
    if not cerebrum.any() or not cerebellum.any():
        raise ImageError(
            "the tentorium cannot be found: expected white matter of cerebrum and cerebellum where an upright brain "
            "has them. Check the orientation of the tissue maps."
        )
    return _cheapest_cut(maps, cerebellum, cerebrum) & maps.brain


def _cheapest_cut(maps: TissueMaps, one: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The side of `one` of the cheapest surface between two sets of voxels, (X, Y, Z); see the module docstring."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    gray_like = (1.0 - np.clip(maps.csf / _CSF_ENOUGH, 0.0, 1.0)) * (1.0 - maps.white_matter)
    cost = _COST + _GRAY_COST * gray_like + _WHITE_COST * maps.white_matter
    # Between the sets only; what is in them is one node each.
    nodes = np.where(one, 0, np.where(other, 1, -1))
    free = maps.brain & (nodes < 0)
    nodes[free] = 2 + np.arange(np.count_nonzero(free))
    nodes[~maps.brain] = -1
    rows, columns, capacities = [], [], []
    for axis in range(3):
        first, last = np.moveaxis(nodes, axis, 0)[:-1].ravel(), np.moveaxis(nodes, axis, 0)[1:].ravel()
        face = np.minimum(np.moveaxis(cost, axis, 0)[:-1], np.moveaxis(cost, axis, 0)[1:]).ravel()
        used = (first >= 0) & (last >= 0) & (first != last)
        rows += [first[used], last[used]]
        columns += [last[used], first[used]]
        capacities += [np.rint(face[used])] * 2
    number = int(nodes.max()) + 1
    graph = csr_matrix(
        (np.concatenate(capacities).astype(np.int32), (np.concatenate(rows), np.concatenate(columns))),
        shape=(number, number),
    )
    residual = graph - maximum_flow(graph, 0, 1).flow
    residual.data[residual.data < 0] = 0
    residual.eliminate_zeros()
    reached = np.zeros(number + 1, dtype=np.bool_)  # the last stands for what is no node
    reached[breadth_first_order(residual, 0, return_predecessors=False)] = True
    return np.asarray(_nearest(reached[nodes].astype(np.uint8), maps.brain) > 0)


def _brainstem(maps: TissueMaps, below: NDArray[np.bool_], from_mid_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The brainstem where it passes the tentorium, (X, Y, Z)."""
    wall = _within(below, maps.brain & ~below, maps.grid, _BRIDGE_MM)
    white = wall & (maps.white_matter > _BRAINSTEM_WHITE) & (np.abs(from_mid_mm) < _BRAINSTEM_MM)
    pieces, number = ndimage.label(white)
    if not number:
        return white
    sizes = ndimage.sum_labels(white, pieces, np.arange(1, number + 1))
    stem = pieces == 1 + int(np.argmax(sizes))
    return np.asarray(ndimage.binary_dilation(stem, iterations=1) & wall & (maps.csf < _CISTERN_CSF))


def _cisterns_around(brainstem: NDArray[np.bool_], maps: TissueMaps) -> NDArray[np.bool_]:
    """CSF around the brainstem, (X, Y, Z): the temporal lobes touch it in a blurred map, and not in the head."""
    if not brainstem.any():
        return brainstem
    near_mm = ndimage.distance_transform_edt(~brainstem, sampling=maps.grid.spacing_mm)
    return np.asarray((near_mm <= _CISTERN_MM) & (maps.csf >= _CISTERN_CSF) & maps.brain)


def _between_callosum_and_brainstem(
    maps: TissueMaps, is_right: NDArray[np.bool_], below: NDArray[np.bool_], brainstem: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Where no falx is, the same for all x, (X, Y, Z): the convex hull of callosum and brainstem in the midplane."""
    from scipy.spatial import Delaunay

    white = (maps.white_matter > 0.5) & ~below
    crossing = (white[1:] & white[:-1] & (is_right[1:] != is_right[:-1])).any(axis=0)
    pieces, number = ndimage.label(crossing)
    if number:
        sizes = ndimage.sum_labels(crossing, pieces, np.arange(1, number + 1))
        crossing = pieces == 1 + int(np.argmax(sizes))
    points = np.argwhere(crossing | brainstem.any(axis=0))
    inside = np.zeros(crossing.shape, dtype=np.bool_)
    if len(points) > 2 and np.all(np.ptp(points, axis=0) > 0):
        every = np.argwhere(np.ones(crossing.shape, dtype=np.bool_))
        inside = (Delaunay(points).find_simplex(every) >= 0).reshape(crossing.shape)
    return np.broadcast_to(inside, maps.brain.shape)


def _ventricles(maps: TissueMaps, middle: NDArray[np.bool_], fissure: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pieces of CSF deep in the brain that reach its middle, without the fissure between the hemispheres, (X, Y, Z)."""
    depth_mm = ndimage.distance_transform_edt(maps.brain, sampling=maps.grid.spacing_mm)
    csf = (maps.csf > 0.5) & (depth_mm > _VENTRICLE_DEPTH_MM) & ~fissure
    pieces, _ = ndimage.label(csf)
    names, sizes = np.unique(pieces[csf], return_counts=True)
    large = names[sizes * maps.grid.voxel_volume_ml >= _SMALLEST_VENTRICLE_ML]
    return np.isin(pieces, np.intersect1d(large, pieces[csf & middle]))


def _within(one: NDArray[np.bool_], other: NDArray[np.bool_], grid: Grid, distance_mm: float) -> NDArray[np.bool_]:
    """Voxels of either mask within a distance of the other one, or a voxel where that is more, (X, Y, Z)."""
    reach_mm = max(distance_mm, *grid.spacing_mm)
    near = [ndimage.distance_transform_edt(~mask, sampling=grid.spacing_mm) <= reach_mm for mask in (one, other)]
    return np.asarray((one & near[1]) | (other & near[0]))


def _nearest(labels: NDArray[np.uint8], known: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Labels, where they are not known those of the nearest voxel where they are, (X, Y, Z)."""
    if not known.any():
        raise ParameterError("no voxel of the brain lies in the atlas: expected them to overlap. Check the transform.")
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(labels[tuple(nearest)])


def _labels_on(labels: NDArray[np.uint8], grid: Grid, onto: Grid) -> NDArray[np.uint8]:
    """Labels on another grid: the one with the largest part of a voxel; the nearest outside."""
    parts = []
    for label in range(4):
        smooth = resample(Volume((labels == label).astype(np.float32), grid), onto).data
        parts.append(smooth)
    stacked = np.stack(parts)
    return _nearest(np.argmax(stacked, axis=0).astype(np.uint8), stacked.sum(axis=0) > 0.5)
