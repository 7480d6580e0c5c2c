"""What a result gives to a planning system: its targets and isolines as RTSTRUCT or SEG, its maps as parametric maps.

Targets come from ``targets.json`` of the result (``gliofield target``); isolines are where the density is above a
level. Everything is carried into the frame of the planning series (`planning`) and drawn on its slices.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gliofield.errors import DicomError, ParameterError
from gliofield.nifti import read_volume
from gliofield.radiotherapy.dicom.alignment import Alignment
from gliofield.radiotherapy.dicom.planning import carried
from gliofield.radiotherapy.dicom.segments import write_map, write_segments
from gliofield.radiotherapy.dicom.series import DicomSeries
from gliofield.radiotherapy.dicom.structures import Holes, Structure, write_structures
from gliofield.radiotherapy.targets import MAX_NAME, Target
from gliofield.volume import Volume

TARGETS_FILE = "targets.json"
DENSITY_FILE = "density_patient.nii.gz"
#: Maps by name, with the file of the result and what it means.
MAPS = {
    "density": (DENSITY_FILE, "tumor-cell density"),
    "probability": ("posterior/probability_flair_patient.nii.gz", "probability of tumor visible in FLAIR"),
    "probability-t1gd": ("posterior/probability_t1gd_patient.nii.gz", "probability of tumor visible in T1Gd"),
}
MapName = Literal["density", "probability", "probability-t1gd"]


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written.

    Parameters
    ----------
    path : Path
        The file.
    names : tuple of str
        Structures in it.
    empty : tuple of str
        Structures that were left out because nothing of them is left on the series.
    volumes_ml : dict of str to (float, float)
        Volume in the case, and in the voxels of the series [ml].
    """

    path: Path
    names: tuple[str, ...]
    empty: tuple[str, ...]
    volumes_ml: dict[str, tuple[float, float]]


def read_targets(result: str | os.PathLike[str]) -> tuple[Target, ...]:
    """Targets of a result folder.

    Raises
    ------
    DicomError
        If there are none yet, or the list or a file of it is damaged.
    """
    place = Path(result)
    if not (place / TARGETS_FILE).is_file():
        raise DicomError(f"{result} holds no {TARGETS_FILE}: make the targets first (gliofield target {place.name}).")
    try:
        listed: list[dict[str, Any]] = json.loads((place / TARGETS_FILE).read_text(encoding="utf-8"))["targets"]
        targets = []
        for entry in listed:
            mask = read_volume(place / entry["file"])
            set_voxels = Volume(mask.data != 0, mask.grid)
            words = str(entry.get("description", ""))
            targets.append(Target(name=entry["name"], kind=entry["kind"], mask=set_voxels, description=words))
    except (ValueError, KeyError, TypeError) as error:
        raise DicomError(f"{place / TARGETS_FILE} cannot be used ({error}). Make the targets again.") from error
    if not targets:
        raise DicomError(f"{place / TARGETS_FILE} lists no target. Make the targets again.")
    return tuple(targets)


def read_map(result: str | os.PathLike[str], name: MapName = "density") -> tuple[Volume, str]:
    """A map of a result on the grid of the case, and what it means.

    Raises
    ------
    DicomError
        If the result does not hold it.
    """
    file, meaning = MAPS[name]
    path = Path(result) / file
    if not path.is_file():
        hint = "a probability takes a method with a posterior" if name != "density" else "expected a result folder"
        raise DicomError(f"{result} holds no {file}: {hint}.")
    return read_volume(path), meaning


def lesion_of(case: Path) -> Volume | None:
    """Tumor and cavity of a case (non-zero = set), which a deformation does not look at; None without outlines."""
    labels = case / "case_seg.nii.gz"
    return read_volume(labels) if labels.is_file() else None


def isolines(density: Volume, levels: Sequence[float], alignment: Alignment, series: DicomSeries) -> list[Structure]:
    """Where the density is above levels, as structures on a series; the density is carried, not the mask.

    Raises
    ------
    ParameterError
        If a level is not in (0, 1), or two would have one name.
    DicomError
        If the lowest one is not inside the series.
    """
    if not levels:
        return []
    names = [f"DENSITY_{100.0 * level:g}PC" for level in levels]
    if any(not 0.0 < level < 1.0 for level in levels) or len(set(names)) < len(names):
        raise ParameterError(f"levels of isolines must be different numbers in (0, 1), got {list(levels)}.")
    above = Volume((density.data > min(levels)).astype(np.float32), density.grid)
    carried(above, alignment, series, name=f"density above {min(levels):g}")
    field = carried(density, alignment, series, name="density").data
    return [
        Structure(
            name=name[:MAX_NAME],
            kind="CONTROL",
            field=field,
            level=float(level),
            description=f"tumor-cell density above {level:g} of its maximum",
        )
        for name, level in zip(names, levels, strict=True)
    ]


def target_structures(targets: Sequence[Target], alignment: Alignment, series: DicomSeries) -> list[Structure]:
    """Targets as structures on a series.

    Raises
    ------
    DicomError
        If one of them is not inside the series.
    """
    return [
        Structure(
            name=each.name,
            kind=each.kind,
            field=carried(each.mask, alignment, series, name=each.name).data,
            description=f"{each.description}; {each.volume_ml:.1f} ml".removeprefix("; "),
        )
        for each in targets
    ]


def export_structures(
    path: str | os.PathLike[str],
    result: str | os.PathLike[str],
    series: DicomSeries,
    alignment: Alignment,
    *,
    kind: Literal["rtstruct", "seg"],
    levels: Sequence[float] = (),
    holes: Holes = "nested",
    replace: bool = False,
) -> Written:
    """Write the targets of a result, and isolines of its density, on a planning series.

    Parameters
    ----------
    path : path
        Target file.
    result : path
        Result folder with targets.
    series : DicomSeries
        The planning series.
    alignment : Alignment
        The way to it (`find_alignment`).
    kind : {"rtstruct", "seg"}
        RTSTRUCT or binary DICOM SEG.
    levels : sequence of float
        Densities whose isolines are added, in (0, 1).
    holes : {"nested", "keyhole"}
        How an RTSTRUCT says that a contour has a hole.
    replace : bool
        Replace a file that exists.

    Raises
    ------
    DicomError
        If the result has no targets, the series does not cover one, or all are empty on it.
    ParameterError
        If a level is out of range.
    OutputError
        If the file cannot be written.
    """
    targets = read_targets(result)
    structures = target_structures(targets, alignment, series)
    if levels:
        structures += isolines(read_map(result)[0], levels, alignment, series)
    if kind == "rtstruct":
        empty = write_structures(path, structures, series, holes=holes, replace=replace)
    else:
        empty = write_segments(path, structures, series, replace=replace)
    voxel_ml = series.grid.voxel_volume_ml
    there = {each.name: float(np.count_nonzero(each.mask)) * voxel_ml for each in structures}
    return Written(
        path=Path(path),
        names=tuple(each.name for each in structures if each.name not in empty),
        empty=empty,
        volumes_ml={each.name: (each.volume_ml, there[each.name]) for each in targets},
    )


def export_map(
    path: str | os.PathLike[str],
    result: str | os.PathLike[str],
    series: DicomSeries,
    alignment: Alignment,
    *,
    name: MapName = "density",
    replace: bool = False,
) -> None:
    """Write a map of a result as a parametric map on a planning series; parameters as `export_structures`.

    Raises
    ------
    DicomError
        If the result does not hold the map.
    OutputError
        If the file cannot be written.
    """
    values, meaning = read_map(result, name)
    write_map(path, carried(values, alignment, series, name=meaning).data, series, meaning=meaning, replace=replace)
