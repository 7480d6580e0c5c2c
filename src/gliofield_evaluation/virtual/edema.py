"""False edema: white matter that FLAIR shows bright though no tumor is there, as water does around real ones.

==============  ===================================================================================================
condition       FLAIR also shows white matter
==============  ===================================================================================================
``none``        nowhere else
``one-sided``   within 12 mm of the whole tumor, on one side of it
``severe``      within 20 mm, all around
``tracts``      along two or three paths from the whole tumor that end far away; on test patients only
==============  ===================================================================================================

Distances run through white matter: gray matter and CSF stop the water. Truth and recurrences know nothing of it. Two of
these conditions were invented with the first methods in sight, so the third is kept from all choices.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.anatomy.tissue_maps import TissueMaps
from gliofield.box import box_of, slices_of, widened
from gliofield.errors import ParameterError, unknown_name
from gliofield.grid import Grid
from gliofield.resample import resample
from gliofield.virtual.images import TumorSigns
from gliofield.volume import Volume
from gliofield_evaluation.virtual.outlines import drawn_direction

FALSE_EDEMA = ("none", "one-sided", "severe", "tracts")
# *Chosen*, so that the whole tumor grows by a factor of about 1.3 and 2.2.
_ONE_SIDED_MM, _SEVERE_MM = 12.0, 20.0
# How far tracts go through white matter, how far their ends are apart, and their radius [mm]. *Chosen*.
_TRACT_MM, _TRACT_APART_MM, _TRACT_RADIUS_MM = (35.0, 60.0), 25.0, (4.0, 7.0)
_WHITE = 0.5


def false_edema(
    condition: str, signs: TumorSigns, maps: TissueMaps, path_maps: TissueMaps, *, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Voxels of white matter outside the whole tumor that FLAIR shows besides, bool (X, Y, Z).

    Parameters
    ----------
    condition : str
        One of `FALSE_EDEMA`.
    signs : TumorSigns
        What is seen of the tumor itself.
    maps : TissueMaps
        Tissue on the same grid.
    path_maps : TissueMaps
        The same tissue on a grid that tracts are sought on, coarser.
    rng : Generator
        Draws the side, or the tracts.

    Raises
    ------
    ParameterError
        If there is no such condition.
    """
    if condition not in FALSE_EDEMA:
        raise ParameterError(unknown_name("condition", condition, FALSE_EDEMA))
    whole, grid = signs.whole_tumor, maps.grid
    if condition == "none" or not whole.any():
        return np.zeros_like(whole)
    if condition == "tracts":
        wet = _tracts(whole, grid, path_maps, rng)
    else:
        reach_mm = _SEVERE_MM if condition == "severe" else _ONE_SIDED_MM
        wet = _within(whole, maps.white_matter > _WHITE, reach_mm, grid)
        if condition == "one-sided":
            direction = drawn_direction(rng)
            center_mm = grid.world_of(np.argwhere(whole)).mean(axis=0)
            heights = [
                (grid.spacing_mm[axis] * np.arange(n) + grid.world_from_voxel[axis, 3] - center_mm[axis])
                * direction[axis]
                for axis, n in enumerate(grid.shape)
            ]
            wet &= sum(np.ix_(*heights)) > 0.0
    white = maps.brain & (maps.white_matter > _WHITE) & ~whole
    return np.asarray(wet & white if signs.cavity is None else wet & white & ~signs.cavity)


def _within(start: NDArray[np.bool_], passable: NDArray[np.bool_], reach_mm: float, grid: Grid) -> NDArray[np.bool_]:
    """Voxels that can be reached from some others within a distance [mm] through passable ones."""
    reached = np.zeros_like(start)
    num_steps = round(reach_mm / min(grid.spacing_mm))
    box = slices_of(widened(box_of(start), num_steps + 1, start.shape))
    reached[box] = _arrivals(start[box], passable[box], num_steps) <= num_steps
    return reached


def _arrivals(start: NDArray[np.bool_], passable: NDArray[np.bool_], num_steps: int) -> NDArray[np.int16]:
    """Steps through passable voxels from some others, up to a number; more than that elsewhere.

    Steps through faces and through faces and edges take turns, which makes a ball of nearly equal radii.
    """
    arrivals = np.where(start, 0, num_steps + 1).astype(np.int16)
    reached, allowed = start.copy(), passable | start
    for step in range(1, num_steps + 1):
        structure = ndimage.generate_binary_structure(3, 1 + step % 2)
        grown = ndimage.binary_dilation(reached, structure) & allowed
        arrivals[grown & ~reached] = step
        reached = grown
    return arrivals


def _tracts(whole: NDArray[np.bool_], grid: Grid, path_maps: TissueMaps, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Tubes around two or three paths from the whole tumor through white matter."""
    coarse = path_maps.grid
    start = np.asarray(resample(Volume(whole.astype(np.float32), grid), coarse).data > 0.5)
    if not start.any():
        return np.zeros_like(whole)
    spacing_mm = float(np.mean(coarse.spacing_mm))
    least, most = (round(length / spacing_mm) for length in _TRACT_MM)
    arrivals = _arrivals(start, path_maps.white_matter > _WHITE, most)
    in_depth = ndimage.minimum_filter(path_maps.white_matter, 3) > _WHITE
    ends = np.argwhere(in_depth & (arrivals >= least) & (arrivals <= most))
    distance_mm = np.full(coarse.shape, np.inf, dtype=np.float32)
    for _ in range(int(rng.integers(2, 4))):
        if len(ends) == 0:
            break
        end = ends[rng.integers(len(ends))]
        along = np.ones(coarse.shape, dtype=bool)
        along[tuple(np.array(_path_back(arrivals, end)).T)] = False
        to_path_mm = ndimage.distance_transform_edt(along, sampling=coarse.spacing_mm) - rng.uniform(*_TRACT_RADIUS_MM)
        distance_mm = np.minimum(distance_mm, to_path_mm.astype(np.float32))
        ends = ends[np.linalg.norm((ends - end) * spacing_mm, axis=1) > _TRACT_APART_MM]
    near = np.where(np.isfinite(distance_mm), distance_mm, 100.0).astype(np.float32)
    # Beyond the coarse grid resampling gives 0, which is not below 0.
    return np.asarray(resample(Volume(near, coarse), grid).data < 0.0)


def _path_back(arrivals: NDArray[np.int16], end: NDArray[np.integer]) -> list[tuple[int, int, int]]:
    """Voxels from an end back to where the arrivals are 0, always to the earliest neighbor."""
    path = [(int(end[0]), int(end[1]), int(end[2]))]
    steps = [step for step in itertools.product((-1, 0, 1), repeat=3) if any(step)]
    # Straight steps first: the earliest of equals.
    steps.sort(key=lambda step: sum(map(abs, step)))
    while arrivals[path[-1]] > 0:
        x, y, z = path[-1]
        neighbors = [(x + a, y + b, z + c) for a, b, c in steps]
        inside = [n for n in neighbors if all(0 <= i < m for i, m in zip(n, arrivals.shape, strict=True))]
        path.append(min(inside, key=lambda voxel: int(arrivals[voxel])))
    return path
