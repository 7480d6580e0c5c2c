"""Shape features by counting kinds of cubes and pruned pairs equal those by meshes and all pairs."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from skimage.measure import marching_cubes, mesh_surface_area

from gliofield_papers.indexes.shape_features import shape_features

SPACING_MM = (1.0, 1.3, 0.8)


@st.composite
def _masks(draw):
    shape = draw(st.tuples(*[st.integers(1, 7)] * 3))
    seed, share = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([0.05, 0.3, 0.6, 1.0]))
    mask = np.random.default_rng(seed).random(shape) < share
    mask[tuple(draw(st.integers(0, length - 1)) for length in shape)] = True
    return mask


@settings(max_examples=60, deadline=None)
@given(mask=_masks())
def test_the_diameter_is_that_of_all_vertices(mask):
    """Largest distance of any two vertices of the whole mesh."""
    vertices, _, _, _ = marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5, method="lorensen")
    expected = pdist(vertices.astype(np.float64) * SPACING_MM).max()
    np.testing.assert_allclose(shape_features(mask, SPACING_MM).maximum_diameter_mm, expected, rtol=1e-12)


def test_the_area_is_that_of_the_mesh():
    """Of a smooth mask, in which no cube is ambiguous."""
    offsets = np.moveaxis(np.indices((25, 23, 21)), 0, -1) - (12.2, 11.1, 10.3)
    mask = np.linalg.norm(offsets / (10, 9, 7), axis=-1) <= 1
    vertices, faces, _, _ = marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5, method="lorensen")
    expected = mesh_surface_area(vertices.astype(np.float64) * SPACING_MM, faces)
    np.testing.assert_allclose(shape_features(mask, SPACING_MM).surface_area_mm2, expected, rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(mask=_masks())
def test_axes_are_those_of_the_covariance(mask):
    """4 √λ of the covariance matrix of all voxel centers."""
    centers_mm = np.argwhere(mask) * SPACING_MM
    covariance = np.cov(centers_mm.T, bias=True) if len(centers_mm) > 1 else np.zeros((3, 3))
    expected = 4 * np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 0))
    features = shape_features(mask, SPACING_MM)
    axes_mm = (features.least_axis_length_mm, features.minor_axis_length_mm, features.major_axis_length_mm)
    # Variances cancel to about 1e-14 mm²; the root of that is 1e-7 mm.
    np.testing.assert_allclose(axes_mm, expected, rtol=1e-9, atol=1e-6)
