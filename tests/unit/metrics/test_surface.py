"""Surfaces compared with a tolerance, on boxes whose answers can be counted."""

import math

import numpy as np

from gliofield.metrics import surface_agreement


def box(start, stop, shape=(16, 16, 16)):
    """A box of voxels."""
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    return mask


def test_equal_masks_agree_and_far_ones_do_not():
    """1 and 0 mm; 0 where every voxel is farther away than the tolerance."""
    a = box((4, 4, 4), (8, 8, 8))

    same = surface_agreement(a, a, (1.0, 1.0, 1.0), tolerance_mm=2.0)
    apart = surface_agreement(a, box((12, 12, 12), (15, 15, 15)), (1.0, 1.0, 1.0), tolerance_mm=2.0)

    assert (same.surface_dice, same.distance_95_mm) == (1.0, 0.0)
    assert apart.surface_dice == 0.0


def test_millimeters_count_not_voxels():
    """A shift of one voxel of 3 mm is beyond 2 mm where surfaces face it, within where they run along."""
    a, b = box((4, 4, 4), (9, 9, 9)), box((5, 4, 4), (10, 9, 9))

    fine = surface_agreement(a, b, (1.0, 1.0, 1.0), tolerance_mm=2.0)
    thick = surface_agreement(a, b, (3.0, 1.0, 1.0), tolerance_mm=2.0)

    assert fine.surface_dice == 1.0
    assert 0.4 < thick.surface_dice < 0.8


def test_an_empty_mask_has_no_surface():
    """NaN, not 0."""
    found = surface_agreement(box((4, 4, 4), (8, 8, 8)), np.zeros((16, 16, 16), bool), (1.0,) * 3, tolerance_mm=2.0)

    assert math.isnan(found.surface_dice)
    assert math.isnan(found.distance_95_mm)
