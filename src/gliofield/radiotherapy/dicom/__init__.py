"""DICOM in and out, on the clinic's own series: cases of series, structures and maps for planning, doses read."""

from gliofield.radiotherapy.dicom.alignment import Alignment, Residual, align, residual_of
from gliofield.radiotherapy.dicom.case_import import ImportedCase, Outlines, import_case
from gliofield.radiotherapy.dicom.contours import filled, solid_of, trace
from gliofield.radiotherapy.dicom.contrasts import assign_series, guess_contrast
from gliofield.radiotherapy.dicom.conversion import convert_series
from gliofield.radiotherapy.dicom.dose import (
    Dose,
    DoseFigures,
    dose_of_cells,
    dose_of_mask,
    dose_of_roi,
    read_dose,
)
from gliofield.radiotherapy.dicom.export import Written, export_map, export_structures, read_targets
from gliofield.radiotherapy.dicom.planning import ImportedRecord, find_alignment, read_record
from gliofield.radiotherapy.dicom.segments import read_segments, write_map, write_segments
from gliofield.radiotherapy.dicom.series import DicomFolder, DicomSeries, read_dicom_folder, read_planning_series
from gliofield.radiotherapy.dicom.structures import Roi, Structure, StructureSet, read_structures, write_structures

__all__ = [
    "Alignment",
    "DicomFolder",
    "DicomSeries",
    "Dose",
    "DoseFigures",
    "ImportedCase",
    "ImportedRecord",
    "Outlines",
    "Residual",
    "Roi",
    "Structure",
    "StructureSet",
    "Written",
    "align",
    "assign_series",
    "convert_series",
    "dose_of_cells",
    "dose_of_mask",
    "dose_of_roi",
    "export_map",
    "export_structures",
    "filled",
    "find_alignment",
    "guess_contrast",
    "import_case",
    "read_dicom_folder",
    "read_dose",
    "read_planning_series",
    "read_record",
    "read_segments",
    "read_structures",
    "read_targets",
    "residual_of",
    "solid_of",
    "trace",
    "write_map",
    "write_segments",
    "write_structures",
]
