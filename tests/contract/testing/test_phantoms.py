"""The phantoms are what their docstrings say, and nothing of a test framework comes with them."""

import subprocess
import sys

import numpy as np
import pytest

from gliofield.growth import FisherKolmogorov
from gliofield.pipeline import find_case_files, read_case
from gliofield.testing import (
    LESION_CENTER_MM,
    build_phantom_database,
    phantom_anatomy,
    phantom_observation,
    phantom_tumor,
    write_phantom_patient,
)


def test_no_test_framework_is_loaded():
    """Outsiders may have none."""
    script = "import sys, gliofield.testing as t; t.check_index, t.check_growth_model, t.check_inverse_method; "
    done = subprocess.run(
        [sys.executable, "-c", script + "print('pytest' in sys.modules)"], capture_output=True, text=True
    )

    assert done.stdout.strip() == "False", done.stderr


def test_the_patient_is_the_observation(tmp_path):
    """The same masks, from files and in memory."""
    case = read_case(find_case_files(write_phantom_patient(tmp_path / "patient")))
    seen = phantom_observation()

    assert np.array_equal(case.segmentation.tumor_core, seen.tumor_core)
    assert np.array_equal(case.segmentation.whole_tumor, seen.whole_tumor)
    assert 0.0 < seen.core_ml < seen.whole_ml


def test_the_tumor_grows_from_the_lesion_with_a_resolved_front():
    """In tissue; both thresholds are passed in time."""
    solution = FisherKolmogorov().simulate(phantom_anatomy(), phantom_tumor(), [180.0])
    voxel = tuple(np.rint(phantom_anatomy().grid.voxel_of(LESION_CENTER_MM)).astype(int))

    assert solution.is_front_resolved
    assert solution.cell_density[0][voxel] > 0.6


@pytest.mark.parametrize("num_tumors", [9, 12])
def test_the_database_shows_cores_and_some_tumors_twice(tmp_path, num_tumors):
    """Of eight different ones, a ninth is one of them."""
    database = build_phantom_database(tmp_path / "tumors", num_tumors)

    assert len(database) == num_tumors
    assert (database.volume_ml > 0.0).all()
    assert len(np.unique(database.parameters, axis=0)) < num_tumors
