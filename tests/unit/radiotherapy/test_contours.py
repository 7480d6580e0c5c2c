"""Contours of masks and solids of contours."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gliofield.errors import DicomError
from gliofield.radiotherapy.dicom import filled, solid_of, trace


def back(field, level=0.5, keyholes=False):
    """What whoever fills the contours gets."""
    result = np.zeros(field.shape, dtype=bool)
    for piece in trace(field, level):
        loops = [piece.with_keyholes()] if keyholes else [piece.outer, *piece.holes]
        result[:, :, piece.slice_index] ^= filled(loops, field.shape[:2])
    return result


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_filling_gives_the_mask_back_voxel_for_voxel(seed, keyholes):
    """Of any mask, with whatever holes and pieces, by nested contours and by keyholes."""
    mask = np.random.default_rng(seed).random((9, 7, 2)) < 0.6

    assert (back(mask.astype(float), keyholes=keyholes) == mask).all()


def test_a_field_is_traced_at_its_level():
    """Strictly above is inside, and the contour lies where the field crosses, not at a voxel's border."""
    field = np.zeros((9, 9, 1))
    field[3:6, 3:6] = 0.8
    field[4, 4] = 0.2

    assert (back(field, level=0.2)[:, :, 0] == (field[:, :, 0] > 0.2)).all()
    (piece,) = trace(field, level=0.2)
    assert len(piece.holes) == 1
    assert np.abs(piece.outer - 4).max() == pytest.approx(1.75)


def test_contours_are_short():
    """Points on a straight line are left out: a square has its four cut corners."""
    mask = np.zeros((30, 30, 1))
    mask[5:25, 5:25] = 1

    assert len(trace(mask)[0].outer) == 8


def square(z, half=5.0, center=(0.0, 0.0)):
    x, y = center
    corners = [(-half, -half), (half, -half), (half, half), (-half, half)]
    return np.array([(x + a, y + b, z) for a, b in corners])


def inside(depth, point):
    voxel = np.rint(depth.grid.voxel_of(point)).astype(int)
    return bool(depth.data[tuple(voxel)] > 0)


def test_a_solid_goes_half_a_plane_beyond_its_last():
    """Four squares 3 mm apart are a box of 12 mm; a missing plane parts it."""
    depth = solid_of([square(z) for z in (0.0, 3.0, 6.0, 12.0)], name="box")
    volume = float(np.count_nonzero(depth.data > 0)) * depth.grid.voxel_volume_ml

    assert volume == pytest.approx(4 * 3 * 0.1, rel=0.03)
    assert inside(depth, (0, 0, 6))
    assert not inside(depth, (0, 0, 9))


def test_a_contour_in_a_contour_is_a_hole():
    """The even-odd rule."""
    depth = solid_of([each for z in (0, 2, 4) for each in (square(z, 8.0), square(z, 3.0))], name="shell")

    assert not inside(depth, (0, 0, 2))
    assert inside(depth, (5.5, 0, 2))


def test_contours_that_are_not_parallel_or_not_planar_are_refused():
    """And a single plane without a thickness."""
    bent = square(0.0)
    bent[0, 2] = 1.0
    with pytest.raises(DicomError, match="not planar and parallel"):
        solid_of([square(0.0, 9.0), square(3.0), bent], name="bent")
    with pytest.raises(DicomError, match="single plane"):
        solid_of([square(0.0)], name="flat")
    assert solid_of([square(0.0)], name="flat", thickness_mm=2.0).grid.spacing_mm[2] == 2.0
