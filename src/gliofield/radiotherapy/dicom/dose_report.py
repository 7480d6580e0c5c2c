"""The dose of everything a result and a plan hold: targets, expected cells, organs; what cannot be told is named."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gliofield.errors import DicomError
from gliofield.radiotherapy.dicom.dose import Dose, DoseFigures, dose_of_cells, dose_of_mask, dose_of_roi, require_frame
from gliofield.radiotherapy.dicom.export import MAPS, read_map
from gliofield.radiotherapy.dicom.structures import read_structures
from gliofield.radiotherapy.targets import Target
from gliofield.registration import Transform

_CELLS = {"density": "expected cells", "probability": "P(tumor in FLAIR)"}


@dataclass(frozen=True, kw_only=True)
class DosesTold:
    """Figures, and what has none.

    Parameters
    ----------
    figures : tuple of DoseFigures
        Targets, cells, organs.
    left_out : tuple of str
        Organs and cells without figures, with the reason.
    """

    figures: tuple[DoseFigures, ...]
    left_out: tuple[str, ...]


def tell_doses(
    dose: Dose,
    result: str | os.PathLike[str],
    targets: Sequence[Target],
    *,
    structures: str | os.PathLike[str] | None,
    prescription_gy: float | None,
    to_dose: Transform,
) -> DosesTold:
    """Figures of targets and cells of a result, and of the structures of an RTSTRUCT.

    Parameters
    ----------
    dose : Dose
        The dose.
    result : path
        Result folder.
    targets : sequence of Target
        Its targets.
    structures : path, optional
        RTSTRUCT in the frame of the dose. What is not wholly inside the dose, or has no volume, is left out, and so are
        the cells.
    prescription_gy : float, optional
        Prescribed dose [Gy], for V95.
    to_dose : Transform
        From the frame of the dose (its ``patient``) to that of the case (its ``atlas``).

    Raises
    ------
    DicomError
        If a target is not inside the dose, or the structures lie in another frame.
    """
    figures = [
        dose_of_mask(dose, each.mask, name=each.name, prescription_gy=prescription_gy, to_dose=to_dose)
        for each in targets
    ]
    left_out = []
    for name, label in _CELLS.items():
        if name != "density" and not (Path(result) / MAPS[name][0]).is_file():
            continue
        weights = read_map(result, name)[0]  # type: ignore[arg-type]
        try:
            figures.append(dose_of_cells(dose, weights, name=label, prescription_gy=prescription_gy, to_dose=to_dose))
        except DicomError as error:
            left_out.append(f"{label} were left out: {error}")
    if structures is not None:
        given = read_structures(structures)
        require_frame(dose, given.frame_uid, name="the structures")
        left_out += [f"{name} has no contours and was left out" for name in given.empty]
        for roi in given.rois:
            try:
                figures.append(dose_of_roi(dose, roi, prescription_gy=prescription_gy))
            except DicomError as error:
                left_out.append(f"{roi.name} was left out: {error}")
    return DosesTold(figures=tuple(figures), left_out=tuple(left_out))
