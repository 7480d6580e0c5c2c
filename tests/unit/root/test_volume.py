import itertools

import numpy as np
import pytest

from gliofield.errors import GridMismatchError, ImageError
from gliofield.grid import Grid
from gliofield.volume import Volume

SHAPE = (2, 3, 4)
VALUES = np.arange(24, dtype=np.float32).reshape(SHAPE)


def stored_grid(order: tuple[int, int, int], signs: tuple[float, float, float]) -> Grid:
    """Grid with spacings 1, 2, 3 mm whose array axis a runs along world axis order[a] with the given sign."""
    affine = np.eye(4)
    affine[:3, :3] = 0.0
    for axis in range(3):
        affine[order[axis], axis] = signs[axis] * (1.0, 2.0, 3.0)[axis]
    affine[:3, 3] = (5.0, -6.0, 7.0)
    return Grid(SHAPE, affine)


ORIENTATIONS = list(itertools.product(itertools.permutations(range(3)), itertools.product((1.0, -1.0), repeat=3)))


def values_by_position(volume: Volume) -> dict[tuple[float, ...], float]:
    positions = volume.grid.world_of(np.moveaxis(np.indices(volume.grid.shape), 0, -1)).reshape(-1, 3)
    return {tuple(np.round(p, 6)): float(v) for p, v in zip(positions, volume.data.ravel(), strict=True)}


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_ras_order_and_back_loses_nothing(order, signs):
    """For all 48 orientations: `to_ras` keeps each value at its world position and `reordered_as` undoes it."""
    stored = Volume(VALUES, stored_grid(order, signs))

    ras = stored.to_ras()
    back = ras.reordered_as(stored.grid)

    assert ras.grid.orientation == "RAS"
    assert values_by_position(ras) == values_by_position(stored)
    assert np.array_equal(back.data, VALUES)
    assert back.grid == stored.grid


def test_a_volume_in_ras_order_stays_as_it_is():
    """`to_ras` of an RAS volume has the same array and the same grid."""
    plain = Volume(VALUES, Grid.axis_aligned(SHAPE, 1.0, (0, 0, 0)))

    assert np.array_equal(plain.to_ras().data, VALUES)
    assert plain.to_ras().grid.is_same_as(plain.grid)


def test_reordered_arrays_are_contiguous():
    """Kernels may rely on C order after reorientation."""
    flipped = Volume(VALUES, stored_grid((2, 0, 1), (-1.0, 1.0, -1.0)))

    assert flipped.to_ras().data.flags.c_contiguous
    assert flipped.to_ras().reordered_as(flipped.grid).data.flags.c_contiguous


def test_other_voxels_cannot_be_reordered_as():
    """A grid one millimeter away holds other voxel centers: that is resampling, not reordering."""
    plain = Volume(VALUES, Grid.axis_aligned(SHAPE, 1.0, (0, 0, 0)))
    with pytest.raises(GridMismatchError, match="volume and target grid"):
        plain.reordered_as(Grid.axis_aligned(SHAPE, 1.0, (1, 0, 0)))


def test_an_array_must_have_its_grids_shape():
    """A transposed array is found out at once."""
    with pytest.raises(ImageError, match=r"shape of its grid \(2, 3, 4\), got \(4, 3, 2\)"):
        Volume(VALUES.T, Grid.axis_aligned(SHAPE, 1.0, (0, 0, 0)))
