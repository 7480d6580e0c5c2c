"""Doses of files, and what has none."""

import numpy as np
import pytest
from dicom_patient import write_phantom_dose
from dicom_series import write_dose

from gliofield.errors import DicomError, ParameterError
from gliofield.grid import Grid
from gliofield.radiotherapy.dicom import dose_of_cells, dose_of_mask, read_dose
from gliofield.radiotherapy.dicom.dose import require_frame, tabulated
from gliofield.volume import Volume

GRID = Grid.axis_aligned((6, 7, 8), (2.0, 3.0, 4.0), (-5.0, 1.0, 2.0))


def ramp():
    x, y, z = np.moveaxis(GRID.world_of(np.moveaxis(np.indices(GRID.shape), 0, -1)), -1, 0)
    return Volume(30.0 + x + 2.0 * y + 0.5 * z, GRID)


def test_a_dose_is_read_where_it_lies(tmp_path):
    """Linear between the centers, nothing known beyond them."""
    dose = read_dose(write_dose(tmp_path / "dose.dcm", ramp(), frame_uid="1.2.3"))
    found = dose.at(np.array([[0.3, 5.2, 7.7], [-7.0, 5.0, 5.0]]))

    assert dose.frame_uid == "1.2.3"
    assert found[0] == pytest.approx(30 + 0.3 + 10.4 + 3.85, abs=1e-3)
    assert np.isnan(found[1])


def test_offsets_that_run_down_are_followed(tmp_path):
    """Planes from head to feet."""
    image = ramp()
    offsets = [f"{-4.0 * k:g}" for k in range(8)]
    start = [5.0, -1.0, 2.0 + 4.0 * 7]
    flipped = Volume(image.data[:, :, ::-1], GRID)
    path = write_dose(
        tmp_path / "d.dcm", flipped, frame_uid="1", GridFrameOffsetVector=offsets, ImagePositionPatient=start
    )

    assert read_dose(path).at(np.array([[0.3, 5.2, 7.7]]))[0] == pytest.approx(30 + 0.3 + 10.4 + 3.85, abs=1e-3)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"Modality": "MR"}, "is no RTDOSE but MR"),
        ({"DoseUnits": "RELATIVE"}, "expected a dose in GY, got RELATIVE"),
        ({"GridFrameOffsetVector": [0, 4, 8, 12, 16, 20, 24, 30]}, "unequally spaced"),
        ({"GridFrameOffsetVector": [0, 4, 8]}, "two planes or more"),
        ({"DoseGridScaling": None}, "cannot be read as a dose"),
    ],
)
def test_what_is_no_dose_is_refused(tmp_path, tags, message):
    """Each with the reason."""
    path = write_dose(tmp_path / "dose.dcm", ramp(), frame_uid="1.2.3", **tags)

    with pytest.raises(DicomError, match=message):
        read_dose(path)


def test_a_dose_smaller_than_the_target_has_no_figures(tmp_path):
    """What lies outside has no dose: nothing is made up, of masks and of cells."""
    dose = read_dose(write_phantom_dose(tmp_path / "dose.dcm", "1.2.3", shape=(8, 8, 8)))
    grid = Grid.axis_aligned((20, 20, 20), 2.0, (8.0, -10.0, -8.0))
    ball = Volume(np.ones(grid.shape), grid)

    with pytest.raises(DicomError, match=r"smaller than CTV: \d+\.\d% of it \(\d+\.\d\d ml\) lie outside"):
        dose_of_mask(dose, ball, name="CTV")
    with pytest.raises(DicomError, match="smaller than cells"):
        dose_of_cells(dose, ball, name="cells")


def test_nothing_and_a_prescription_of_nothing_are_refused(tmp_path):
    """An empty mask, an empty map, 0 Gy; and another frame."""
    dose = read_dose(write_phantom_dose(tmp_path / "dose.dcm", "1.2.3"))
    nothing = Volume(np.zeros(GRID.shape), GRID)
    with pytest.raises(DicomError, match="CTV is empty"):
        dose_of_mask(dose, nothing, name="CTV")
    with pytest.raises(DicomError, match="cells holds nothing"):
        dose_of_cells(dose, nothing, name="cells")
    with pytest.raises(ParameterError, match="prescription_gy must be positive"):
        dose_of_mask(dose, Volume(np.ones(GRID.shape), GRID), name="CTV", prescription_gy=0.0)
    with pytest.raises(DicomError, match="different frames of reference"):
        require_frame(dose, "9.9", name="the structures")


def test_a_table_has_a_line_for_each(tmp_path):
    """With a dash where there is no prescription."""
    dose = read_dose(write_phantom_dose(tmp_path / "dose.dcm", "1.2.3"))
    figures = dose_of_mask(dose, Volume(np.ones(GRID.shape), GRID), name="CTV")
    lines = tabulated([figures]).splitlines()

    assert len(lines) == 2
    assert lines[1].startswith("CTV")
    assert lines[1].endswith("-")
