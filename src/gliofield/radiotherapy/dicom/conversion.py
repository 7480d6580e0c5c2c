"""Voxels of a DICOM series, through dcm2niix, and checked against the headers.

dcm2niix knows the scanners' dialects and all compressions. It sees copies of one series' files, so nothing of the
folder around them is mixed in, and its grid must be the one that the headers give.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from gliofield.errors import DicomError, GridMismatchError
from gliofield.grid import reoriented_to_ras
from gliofield.leftovers import scratch_folder
from gliofield.nifti import read_volume
from gliofield.radiotherapy.dicom.series import DicomSeries, require_dicom
from gliofield.volume import Volume

_LINES_SHOWN = 3


def convert_series(series: DicomSeries) -> Volume:
    """Voxels of a series, float32, RAS+, with the scaling of the files applied (HU for CT, the unit of uptake for PET).

    Raises
    ------
    DicomError
        If the slices make no grid, or dcm2niix fails or finds another grid.
    """
    require_dicom()
    import dcm2niix

    grid = reoriented_to_ras(series.grid)[0]
    with scratch_folder("dicom") as folder:
        inputs, outputs = folder / "in", folder / "out"
        inputs.mkdir()
        outputs.mkdir()
        for number, path in enumerate(series.files):
            os.symlink(path.resolve(), inputs / f"{number:05d}.dcm")
        command = [str(dcm2niix.bin), "-b", "n", "-z", "n", "-w", "1", "-f", "image", "-o", str(outputs), str(inputs)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        made = sorted(outputs.glob("*.nii"))
        if done.returncode != 0 or len(made) != 1:
            said = " ".join((done.stdout + done.stderr).strip().splitlines()[-_LINES_SHOWN:])
            said = said.replace(str(folder), "").replace(str(Path(dcm2niix.bin).parent), "")
            raise DicomError(
                f"series {series.label}: dcm2niix made {len(made)} images of it, expected one ({said}). Check that the "
                "series is complete and holds one scan."
            )
        image = read_volume(made[0])
    try:
        image.grid.require_same_as(grid, self_name="dcm2niix", other_name="DICOM headers")
    except GridMismatchError as error:
        raise DicomError(f"series {series.label}: {error}") from error
    return Volume(image.data, grid)
