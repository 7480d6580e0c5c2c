"""Shape features of boxes and balls, where they are known in closed form."""

import math

import numpy as np
import pytest

from gliofield_papers.indexes.shape_features import shape_features

SPACING_MM = (1.0, 1.5, 2.0)


def test_features_of_a_box():
    """Volume, axes 4 h √((n² − 1)/12), surface and diameter of a box with cut edges, exactly."""
    counts = np.array([9, 5, 3])
    features = shape_features(np.ones(counts, dtype=bool), SPACING_MM)
    lengths_mm = counts * SPACING_MM
    axes_mm = np.sort(4 * np.array(SPACING_MM) * np.sqrt((counts**2 - 1) / 12))
    assert features.voxel_volume_mm3 == pytest.approx(lengths_mm.prod(), rel=1e-14)
    assert features.least_axis_length_mm == pytest.approx(axes_mm[0], rel=1e-12)
    assert features.minor_axis_length_mm == pytest.approx(axes_mm[1], rel=1e-12)
    assert features.major_axis_length_mm == pytest.approx(axes_mm[2], rel=1e-12)
    assert features.elongation == pytest.approx(axes_mm[1] / axes_mm[2], rel=1e-12)
    assert features.flatness == pytest.approx(axes_mm[0] / axes_mm[2], rel=1e-12)
    # Faces reach to half a voxel beyond the outermost centers; edges and corners between them are cut.
    inner_mm, (h_x, h_y, h_z) = lengths_mm - SPACING_MM, SPACING_MM
    faces = 2 * (inner_mm[0] * inner_mm[1] + inner_mm[1] * inner_mm[2] + inner_mm[0] * inner_mm[2])
    edges = 2 * (
        inner_mm[0] * math.hypot(h_y, h_z) + inner_mm[1] * math.hypot(h_x, h_z) + inner_mm[2] * math.hypot(h_x, h_y)
    )
    corners = np.linalg.norm([h_x * h_y, h_y * h_z, h_x * h_z])
    assert features.surface_area_mm2 == pytest.approx(faces + edges + corners, rel=1e-12)
    volume_mm3 = (
        inner_mm.prod()
        + inner_mm[0] * inner_mm[1] * h_z
        + inner_mm[1] * inner_mm[2] * h_x
        + inner_mm[0] * inner_mm[2] * h_y
        + (inner_mm[0] * h_y * h_z + inner_mm[1] * h_x * h_z + inner_mm[2] * h_x * h_y) / 2
        + h_x * h_y * h_z / 6
    )
    assert features.mesh_volume_mm3 == pytest.approx(volume_mm3, rel=1e-12)
    ends = [inner_mm + h * np.eye(3)[axis] for axis, h in enumerate(SPACING_MM)]
    skew = [inner_mm + np.array(SPACING_MM) / 2 * (1 - np.eye(3)[axis]) for axis in range(3)]
    assert features.maximum_diameter_mm == pytest.approx(max(np.linalg.norm(v) for v in ends + skew), rel=1e-12)


def test_features_of_a_ball():
    """Of radius r = 30 voxels: volume to 0.2 %, axes 4 r/√5 to 0.1 %, diameter to a voxel, elongation, flatness 1."""
    radius = 30.0
    offsets = np.indices((65, 65, 65)) - 32.0
    features = shape_features(np.linalg.norm(offsets, axis=0) <= radius, (1.0, 1.0, 1.0))
    volume_mm3 = 4 / 3 * math.pi * radius**3
    assert features.voxel_volume_mm3 == pytest.approx(volume_mm3, rel=2e-3)
    assert features.mesh_volume_mm3 == pytest.approx(volume_mm3, rel=2e-3)
    assert features.major_axis_length_mm == pytest.approx(4 * radius / math.sqrt(5), rel=1e-3)
    assert features.maximum_diameter_mm == pytest.approx(2 * radius, abs=1.0)
    assert features.elongation == pytest.approx(1.0, rel=1e-12)
    assert features.flatness == pytest.approx(1.0, rel=1e-12)
    # A surface through midpoints of voxel edges is stepped at any resolution: 8 to 9 % more area than the ball's.
    assert features.surface_area_mm2 == pytest.approx(1.085 * 4 * math.pi * radius**2, rel=0.01)


def test_axes_of_an_ellipsoid():
    """Axis lengths of a large ellipsoid are 2/√5 of its diameters to 0.5 %."""
    semi_axes = np.array([28.0, 20.0, 12.0])
    offsets = (np.indices((61, 45, 29)) - np.array([30, 22, 14]).reshape(3, 1, 1, 1)) / semi_axes.reshape(3, 1, 1, 1)
    features = shape_features(np.linalg.norm(offsets, axis=0) <= 1.0, (1.0, 1.0, 1.0))
    axes_mm = (features.major_axis_length_mm, features.minor_axis_length_mm, features.least_axis_length_mm)
    np.testing.assert_allclose(axes_mm, 4 * semi_axes / math.sqrt(5), rtol=5e-3)
