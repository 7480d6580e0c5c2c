"""Doses of a sphere in a dose that falls linearly have a closed form.

Of a ball of radius R the share below the plane at t R from its center is (2 + 3 t − t³) / 4, t in [−1, 1].
"""

import numpy as np
import pytest
from dicom_series import orientations, scanner_grid, write_dose
from scipy.optimize import brentq

from gliofield.grid import Grid
from gliofield.radiotherapy.dicom import Roi, dose_of_cells, dose_of_mask, dose_of_roi, read_dose
from gliofield.registration import Transform
from gliofield.testing.phantom_brain import radius_in
from gliofield.volume import Volume

CENTER_MM, RADIUS_MM, SLOPE = np.array([3.3, -7.1, 11.2]), 20.0, 0.4
MIDDLE_GY = 40.0
VOLUME_ML = 4.0 / 3.0 * np.pi * RADIUS_MM**3 / 1000.0
SPACINGS = [(1.0, 1.0, 1.0), (1.0, 1.0, 3.0), (1.0, 1.0, 5.0)]


def exact(share):
    """Dose below which a share of the ball lies [Gy]."""
    place = brentq(lambda t: (2.0 + 3.0 * t - t**3) / 4.0 - share, -1.0, 1.0)
    return MIDDLE_GY + SLOPE * RADIUS_MM * place


@pytest.fixture(scope="module")
def dose(tmp_path_factory):
    """Rising along x, on a grid of 2.5 mm."""
    grid = Grid.axis_aligned((40, 40, 40), 2.5, CENTER_MM - 48.0)
    x = grid.world_of(np.moveaxis(np.indices(grid.shape), 0, -1))[..., 0]
    values = MIDDLE_GY + SLOPE * (x - CENTER_MM[0])
    path = tmp_path_factory.mktemp("dose") / "dose.dcm"
    return read_dose(write_dose(path, Volume(values, grid), frame_uid="1.2.3"))


def slices(spacing_mm, turn="axial"):
    shape = tuple(int(54 / h) for h in spacing_mm)
    return scanner_grid(orientations()[turn], shape=shape, spacing_mm=spacing_mm, center_mm=CENTER_MM + (0.2, 0.1, 0.4))


def require_close(figures, tolerance):
    assert figures.volume_ml == pytest.approx(VOLUME_ML, rel=0.02)
    assert figures.d98_gy == pytest.approx(exact(0.02), rel=tolerance)
    assert figures.d95_gy == pytest.approx(exact(0.05), rel=tolerance)
    assert figures.d2_gy == pytest.approx(exact(0.98), rel=tolerance)
    assert figures.mean_gy == pytest.approx(MIDDLE_GY, rel=tolerance)
    # The share of at least 95 % of the dose at the center.
    place = (0.95 * MIDDLE_GY - MIDDLE_GY) / (SLOPE * RADIUS_MM)
    assert figures.v95 == pytest.approx(1.0 - (2.0 + 3.0 * place - place**3) / 4.0, abs=0.01)


@pytest.mark.parametrize("turn", ["axial", "sagittal", "oblique"])
@pytest.mark.parametrize("spacing_mm", SPACINGS)
def test_of_contours(dose, spacing_mm, turn):
    """Within 0.5 %, on slices of 1, 3 and 5 mm in three orientations."""
    grid = slices(spacing_mm, turn)
    axes = grid.world_from_voxel[:3, :3] / grid.spacing_mm
    normal, loops = axes[:, 2], []
    for number in range(grid.shape[2]):
        height = float((grid.world_of((0, 0, number)) - CENTER_MM) @ normal)
        if abs(height) < RADIUS_MM:
            angles, radius = np.linspace(0, 2 * np.pi, 121)[:-1, None], np.sqrt(RADIUS_MM**2 - height**2)
            circle = np.cos(angles) * axes[:, 0] + np.sin(angles) * axes[:, 1]
            loops.append(CENTER_MM + height * normal + radius * circle)

    require_close(dose_of_roi(dose, Roi(name="ball", kind="", loops_mm=tuple(loops)), prescription_gy=MIDDLE_GY), 0.005)


@pytest.mark.parametrize("spacing_mm", SPACINGS)
def test_of_a_mask(dose, spacing_mm):
    """Within 0.5 %."""
    grid = slices(spacing_mm)
    ball = Volume(radius_in(grid, CENTER_MM, RADIUS_MM) < 1.0, grid)

    require_close(dose_of_mask(dose, ball, name="ball", prescription_gy=MIDDLE_GY), 0.005)


def test_of_cells(dose):
    """Equal weights in a ball are the ball; weights in one point are the dose there; a shift of the frame is one."""
    grid = slices((1.0, 1.0, 1.0))
    ball = Volume((radius_in(grid, CENTER_MM, RADIUS_MM) < 1.0) * 0.3, grid)
    require_close(dose_of_cells(dose, ball, name="cells", prescription_gy=MIDDLE_GY), 0.01)
    point = np.zeros(grid.shape)
    point[25, 26, 27] = 2.0
    x = grid.world_of((25, 26, 27))[0]
    shift = np.eye(4)
    shift[0, 3] = -5.0
    figures = dose_of_cells(dose, Volume(point, grid), name="point", to_dose=Transform.affine(shift))

    assert figures.d98_gy == pytest.approx(MIDDLE_GY + SLOPE * (x + 5.0 - CENTER_MM[0]), abs=0.01)
    assert figures.v95 is None
