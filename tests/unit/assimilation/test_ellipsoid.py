"""Ellipsoids are found from masks, also from parts of them, in any position of the grid."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gliofield.assimilation import distance_mm, fit_ellipsoid
from gliofield.errors import ParameterError
from gliofield.metrics import dice, highest_voxels

SHAPE, SPACING_MM = (60, 52, 48), (2.0, 2.0, 2.5)
CENTER_MM, RADII_MM = np.array([58.0, 50.0, 62.0]), np.array([30.0, 21.0, 16.0])
AXES = Rotation.from_euler("xyz", [15.0, -20.0, 35.0], degrees=True).as_matrix()
PLACES_MM = np.moveaxis(np.indices(SHAPE), 0, -1) * SPACING_MM


def mask_of(center_mm=CENTER_MM, axes=AXES, radii_mm=RADII_MM):
    return np.linalg.norm((PLACES_MM - center_mm) @ axes / radii_mm, axis=-1) < 1.0


def overlap(found, mask):
    return dice(found.level(PLACES_MM) < 1.0, mask, if_both_empty=0.0)


def test_a_turned_ellipsoid_is_found():
    """Center to 1 mm, radii to a seventh (they are held alike), and the long axis to a few degrees."""
    mask = mask_of()
    found = fit_ellipsoid(mask, SPACING_MM)
    order = np.argsort(-found.radii_mm)

    assert overlap(found, mask) > 0.94
    np.testing.assert_allclose(found.center_mm, CENTER_MM, atol=1.0)
    np.testing.assert_allclose(found.radii_mm[order], RADII_MM, rtol=0.15)
    assert abs(found.axes[:, order[0]] @ AXES[:, 0]) > np.cos(np.radians(5.0))


def test_what_is_hidden_is_completed():
    """From two thirds of a tumor it finds more of the rest than a margin of the same volume."""
    mask = mask_of(radii_mm=np.array([26.0, 22.0, 20.0]))
    along = PLACES_MM @ np.array([0.6, 0.0, 0.8])
    where = along < np.quantile(along[mask], 2.0 / 3.0)
    level = fit_ellipsoid(mask, SPACING_MM, where=where).level(PLACES_MM)
    from_visible_mm = distance_mm(mask & where, SPACING_MM)
    hidden = np.count_nonzero(mask & ~where)
    by_ellipsoid, by_margin = (
        np.mean(mask[highest_voxels(score, hidden, within=~where, distance_mm=from_visible_mm)])
        for score in (-level, -from_visible_mm)
    )

    assert by_ellipsoid > by_margin + 0.1
    assert by_ellipsoid > 0.75


def test_of_two_pieces_the_larger_one_is_followed():
    """A second focus does not draw the ellipsoid into the gap between them."""
    large, small = mask_of(radii_mm=np.array([16.0, 14.0, 12.0])), mask_of(np.array([100.0, 50.0, 62.0]), radii_mm=6.0)
    found = fit_ellipsoid(large | small, SPACING_MM)

    assert overlap(found, large) > 0.93


def test_a_single_voxel_has_an_ellipsoid():
    """Small, and around it."""
    mask = np.zeros(SHAPE, bool)
    mask[20, 21, 22] = True
    found = fit_ellipsoid(mask, SPACING_MM)

    assert np.linalg.norm(found.center_mm - PLACES_MM[20, 21, 22]) < 3.0


def test_an_empty_mask_is_refused():
    """With what was expected."""
    with pytest.raises(ParameterError, match="expected a mask with voxels, got an empty one"):
        fit_ellipsoid(np.zeros(SHAPE, bool), SPACING_MM)
