"""Symptom: after surgery the answer put tumor cells into the resection cavity, and did not mention that there is one.

Cause: the cavity's label was dropped when labels were read, so brain and domain held it like healthy tissue.
Guard: the cavity is kept; no method's map has cells there, and a concern names its volume.
"""

import numpy as np
import pytest
from phantom_brain import PHANTOM_GRID, phantom_atlas, phantom_labels, write_phantom_patient

import gliofield
from gliofield.anatomy import label_scheme
from gliofield.pipeline import PersonalizationSettings, find_case_files, read_case
from gliofield.volume import Volume


@pytest.mark.parametrize("method", ["margin", "distance"])
def test_a_cavity_has_no_cells_and_is_told(tmp_path, method):
    """A core with its middle taken out."""
    data = phantom_labels().data
    data[phantom_labels(core_radius_mm=0.0, whole_radius_mm=8.0).data > 0] = 4
    folder = write_phantom_patient(tmp_path / "patient", labels=Volume(data, PHANTOM_GRID))
    case = read_case(find_case_files(folder), scheme=label_scheme("brats2024-post"))
    result = gliofield.personalize(
        case, method=method, atlas=phantom_atlas(), settings=PersonalizationSettings(registration="none")
    )
    cavity = next(concern for concern in result.concerns if concern.name == "cavity")

    assert case.segmentation.cavity.any()
    assert result.density_patient.data[case.segmentation.cavity].max() == 0.0
    assert result.density_patient.data.max() > 0.0
    assert cavity.value == pytest.approx(np.count_nonzero(data == 4) * PHANTOM_GRID.voxel_volume_ml)
    assert result.verdict != "no-concern"
