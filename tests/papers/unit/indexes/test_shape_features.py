"""Shape features: equal to recorded values of pyradiomics; closed forms are in tests/analytic."""

import importlib.util

import numpy as np
import pytest

from gliofield.errors import ParameterError
from gliofield_papers.indexes.shape_features import center_of_mass, shape_features


def _ellipsoid():
    x, y, z = np.indices((24, 22, 20))
    return ((x - 11.3) / 9) ** 2 + ((y - 10.1) / 6.5) ** 2 + ((z - 9.4) / 5) ** 2 <= 1


def _rugged():
    x, y, z = np.indices((9, 10, 11))
    return (3 * x + 5 * y + 7 * z + x * y * z) % 5 < 3


def _bent():
    mask = np.zeros((12, 12, 12), dtype=bool)
    mask[2:10, 2:4, 2:4] = mask[2:4, 2:11, 2:4] = True
    return mask


def _plate():
    mask = np.zeros((12, 12, 12), dtype=bool)
    mask[2:10, 2:8, 5] = True
    return mask


# pyradiomics 3.0.1 with SimpleITK 2.5.7: the mask, transposed to (z, y, x), as image and as mask with the spacing,
#   RadiomicsFeatureExtractor(minimumROIDimensions=1), all features disabled but those of class "shape", .execute().
# In the order of the fields: VoxelVolume, MeshVolume, SurfaceArea, Sphericity, Maximum3DDiameter, MajorAxisLength,
# MinorAxisLength, LeastAxisLength, Elongation, Flatness.
RECORDED = {
    "ellipsoid": (
        _ellipsoid(),
        (1.0, 1.2, 2.5),
        (
            3708.0,
            3664.8749999999986,
            1315.9355381582204,
            0.8735523837975872,
            25.989228537992428,
            22.431486912303527,
            16.06491499463419,
            14.052815371241037,
            0.7161769996541196,
            0.6264772115277457,
        ),
    ),
    # Full of places where marching cubes is ambiguous.
    "rugged": (
        _rugged(),
        (1.3, 1.0, 0.7),
        (
            515.06,
            474.86833333333374,
            1227.853080601544,
            0.23972860599855836,
            16.049299050114307,
            13.196480256832626,
            11.559073856484694,
            8.819527733136809,
            0.8759209752539776,
            0.6683242471848052,
        ),
    ),
    "bent": (
        _bent(),
        (1.0, 1.5, 2.0),
        (
            180.0,
            154.25,
            215.93843299604387,
            0.6441261944215928,
            15.337861650177967,
            16.89609598897145,
            7.104126054493239,
            4.000000000000003,
            0.420459617365473,
            0.23674107927718413,
        ),
    ),
    "plate": (
        _plate(),
        (1.0, 1.5, 2.0),
        (
            144.0,
            123.5,
            177.44614450045015,
            0.6758684835703923,
            11.40175425099138,
            10.2469507659596,
            9.16515138991168,
            0.0,
            0.8944271909999159,
            0.0,
        ),
    ),
}
NAMES = (
    "voxel_volume_mm3",
    "mesh_volume_mm3",
    "surface_area_mm2",
    "sphericity",
    "maximum_diameter_mm",
    "major_axis_length_mm",
    "minor_axis_length_mm",
    "least_axis_length_mm",
    "elongation",
    "flatness",
)


@pytest.mark.parametrize("shape", RECORDED)
def test_features_equal_those_of_pyradiomics(shape):
    """All ten, to rounding, holes of its meshes included."""
    mask, spacing_mm, expected = RECORDED[shape]
    features = shape_features(mask, spacing_mm)
    np.testing.assert_allclose([getattr(features, name) for name in NAMES], expected, rtol=1e-12, atol=1e-12)


def test_where_a_mask_lies_does_not_matter():
    """Zeros around a mask, or none, leave every feature as it is to the last bit."""
    mask = _rugged()
    features = shape_features(mask, (1.0, 1.1, 1.2))
    assert shape_features(np.pad(mask, ((3, 0), (1, 7), (0, 2))), (1.0, 1.1, 1.2)) == features


def test_a_single_voxel_has_features():
    """A point: no axes, but a diameter between the midpoints to its neighbors; elongation and flatness 1."""
    mask = np.zeros((3, 3, 3), dtype=bool)
    mask[1, 2, 0] = True
    features = shape_features(mask, (1.0, 2.0, 3.0))
    assert (features.voxel_volume_mm3, features.maximum_diameter_mm) == (6.0, 3.0)
    assert (features.major_axis_length_mm, features.elongation, features.flatness) == (0.0, 1.0, 1.0)


def test_the_center_of_mass_is_the_mean_voxel():
    """Of all voxels, each counted once, wherever they lie."""
    mask = np.pad(_bent(), ((5, 0), (0, 1), (2, 0)))
    np.testing.assert_allclose(center_of_mass(mask), np.argwhere(mask).mean(axis=0), rtol=1e-14)


@pytest.mark.parametrize(
    ("mask", "spacing_mm", "message"),
    [
        (np.zeros((3, 3, 3), dtype=bool), (1.0, 1.0, 1.0), "mask is empty"),
        (np.ones((3, 3, 3), dtype=np.uint8), (1.0, 1.0, 1.0), "mask must be a bool array"),
        (np.ones((3, 3), dtype=bool), (1.0, 1.0, 1.0), "mask must be a bool array"),
        (np.ones((3, 3, 3), dtype=bool), (1.0, 0.0, 1.0), "spacing_mm must be three positive lengths"),
        (np.ones((3, 3, 3), dtype=bool), (1.0, float("nan"), 1.0), "spacing_mm must be three positive lengths"),
    ],
)
def test_what_has_no_shape_is_refused(mask, spacing_mm, message):
    """The message names what is wrong."""
    with pytest.raises(ParameterError, match=message):
        shape_features(mask, spacing_mm)


def test_missing_scikit_image_is_named(monkeypatch):
    """With the command that installs it."""
    from gliofield_papers.indexes import shape_features as module

    module._triangles_of_cubes.cache_clear()
    module._tables.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ParameterError, match=r"pip install \"gliofield\[search\]\""):
        shape_features(np.ones((2, 2, 2), dtype=bool), (1.0, 1.0, 1.0))
