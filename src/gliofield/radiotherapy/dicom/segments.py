"""DICOM SEG and parametric maps on the slices of a series, and SEG read back, by highdicom.

Segments are binary, one a structure; nested isolines of the density overlap, as they may. A parametric map carries the
numbers themselves, as floats, with what they mean.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield import __version__
from gliofield.errors import DicomError
from gliofield.grid import Grid
from gliofield.output import atomic_file
from gliofield.radiotherapy.dicom.series import RAS_FROM_LPS, DicomSeries, read_header
from gliofield.radiotherapy.dicom.structures import RESEARCH_ONLY, Structure
from gliofield.volume import Volume

_MANUFACTURER = "gliofield"
_SEGMENTS_NUMBER, _MAP_NUMBER = 9002, 9003


def write_segments(
    path: str | os.PathLike[str], structures: Sequence[Structure], series: DicomSeries, *, replace: bool = False
) -> tuple[str, ...]:
    """Write a binary DICOM SEG; the names of structures that were left out because they are empty.

    Parameters
    ----------
    path : path
        Target file.
    structures : sequence of Structure
        On the grid of the series, one segment each.
    series : DicomSeries
        The planning series.
    replace : bool
        Replace a file that exists.

    Raises
    ------
    DicomError
        If all structures are empty.
    OutputError
        If the file cannot be written.
    """
    import highdicom as hd
    from pydicom.sr.codedict import codes

    filled = [each for each in structures if each.mask.any()]
    if not filled:
        raise DicomError("all structures are empty on this series, so there is nothing to write. Check their place.")
    algorithm = hd.AlgorithmIdentificationSequence(
        name="gliofield", family=codes.DCM.ArtificialIntelligence, version=__version__
    )
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=each.name,
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Neoplasm,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=hd.UID(),
            tracking_id=each.name,
        )
        for number, each in enumerate(filled, start=1)
    ]
    made = hd.seg.Segmentation(
        source_images=list(series.slices),
        pixel_array=np.stack([_frames(each.mask.astype(np.uint8)) for each in filled], axis=-1),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        content_label="GLIOFIELD",
        content_description=RESEARCH_ONLY,
        series_description="gliofield targets, research use only",
        **_identity(_SEGMENTS_NUMBER),
    )
    _save(path, made, replace=replace)
    return tuple(each.name for each in structures if each not in filled)


def write_map(
    path: str | os.PathLike[str],
    values: NDArray[np.floating],
    series: DicomSeries,
    *,
    meaning: str,
    replace: bool = False,
) -> None:
    """Write values in [0, 1] as a parametric map of 32-bit floats.

    Parameters
    ----------
    path : path
        Target file.
    values : (columns, rows, slices) array
        On the grid of the series, without unit.
    series : DicomSeries
        The planning series.
    meaning : str
        What they are, such as ``tumor-cell density``.
    replace : bool
        Replace a file that exists.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    import highdicom as hd
    from pydicom.sr.codedict import codes

    mapping = hd.pm.RealWorldValueMapping(
        lut_label="1",
        lut_explanation=meaning[:64],
        unit=codes.UCUM.NoUnits,
        value_range=(0.0, 1.0),
        slope=1.0,
        intercept=0.0,
    )
    made = hd.pm.ParametricMap(
        source_images=list(series.slices),
        pixel_array=_frames(values.astype(np.float32)),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[hd.VOILUTTransformation(window_center=0.5, window_width=1.0)],
        content_label="GLIOFIELD",
        content_description=RESEARCH_ONLY,
        series_description=f"{meaning}, research use only"[:64],
        **_identity(_MAP_NUMBER),
    )
    made.BodyPartExamined = "BRAIN"  # without it a validator asks for a side
    _save(path, made, replace=replace)


def read_segments(path: str | os.PathLike[str]) -> tuple[str, tuple[str, ...], dict[str, Volume]]:
    """Frame of Reference UID, UIDs of the series it was drawn on, and masks (bool) by segment label of a DICOM SEG.

    Raises
    ------
    DicomError
        If the file is missing, damaged, no SEG, or two segments have one label.
    """
    import highdicom as hd

    dataset = read_header(Path(path), with_pixels=True)
    if str(dataset.get("Modality", "")) != "SEG":
        raise DicomError(f"{path} is no DICOM SEG but {dataset.get('Modality', 'of no modality')}. Give another file.")
    try:
        stored = hd.seg.Segmentation.from_dataset(dataset)
        volume = stored.get_volume(rescale_fractional=True)
        labels = [str(stored.get_segment_description(number).segment_label) for number in stored.segment_numbers]
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise DicomError(f"{path}: the segments make no volume ({str(error).partition(chr(10))[0]}).") from error
    if len(set(labels)) < len(labels):
        raise DicomError(f"{path}: two segments have one label ({', '.join(labels)}), so none can be named.")
    affine = np.array(volume.affine, dtype=np.float64)
    affine[:3] *= RAS_FROM_LPS[:, None]
    # A border of nothing: files end where the segments do, and rounding must not cut their outermost voxels.
    array = np.pad(np.asarray(volume.array).reshape(*volume.spatial_shape, -1), ((1, 1), (1, 1), (1, 1), (0, 0)))
    affine[:3, 3] -= affine[:3, :3].sum(axis=1)
    grid = Grid(array.shape[:3], affine)
    masks = {label: Volume(array[..., number] > 0.5, grid) for number, label in enumerate(labels)}
    series_uids = tuple(str(each.SeriesInstanceUID) for each in dataset.get("ReferencedSeriesSequence", []))
    return str(dataset.get("FrameOfReferenceUID", "")), series_uids, masks


def _frames(values: NDArray[Any]) -> NDArray[Any]:
    """(columns, rows, slices) as DICOM stores frames: (slices, rows, columns)."""
    return np.ascontiguousarray(np.transpose(values, (2, 1, 0)))


def _identity(series_number: int) -> dict[str, Any]:
    from pydicom.uid import generate_uid

    return {
        "series_instance_uid": generate_uid(),
        "series_number": series_number,
        "sop_instance_uid": generate_uid(),
        "instance_number": 1,
        "manufacturer": _MANUFACTURER,
        "manufacturer_model_name": _MANUFACTURER,
        "software_versions": __version__,
        "device_serial_number": "none",
    }


def _save(path: str | os.PathLike[str], dataset: Any, *, replace: bool) -> None:
    with atomic_file(path, replace=replace) as partial:
        dataset.save_as(partial, enforce_file_format=True)
