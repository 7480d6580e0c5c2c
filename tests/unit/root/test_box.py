import numpy as np
import pytest

from gliofield.box import box_of, enclosing_box, make_box, slices_of, widened

SHAPE = (6, 7, 8)


@pytest.mark.parametrize("kind", [bool, np.uint8])
def test_the_box_of_a_mask_holds_all_of_it_and_no_smaller_one_does(rng, kind):
    """Along each axis the first and the last plane of the box are occupied, and nothing lies outside."""
    for _ in range(20):
        mask = (rng.random(SHAPE) < 0.02).astype(kind)
        mask[3, 4, 5] = 1
        inside = mask[slices_of(box_of(mask))]

        assert np.count_nonzero(inside) == np.count_nonzero(mask)
        for axis in range(3):
            planes = np.moveaxis(inside, axis, 0)
            assert planes[0].any()
            assert planes[-1].any()


def test_a_full_and_an_empty_mask_have_boxes():
    """The whole grid, and no voxel."""
    assert box_of(np.ones(SHAPE, dtype=bool)) == ((0, 6), (0, 7), (0, 8))
    assert box_of(np.zeros(SHAPE, dtype=bool)) == ((0, 0), (0, 0), (0, 0))


def test_a_box_of_boxes_holds_each():
    """In the order in which databases store bounds."""
    bounds = np.array([[1, 3, 2, 5, 0, 4], [2, 6, 1, 2, 3, 5]], dtype=np.int16)

    assert enclosing_box(bounds) == ((1, 6), (1, 5), (0, 5))


def test_a_margin_ends_with_the_grid():
    """On either side of every axis."""
    assert widened(((0, 2), (3, 4), (5, 8)), 2, SHAPE) == ((0, 4), (1, 6), (3, 8))


def test_a_box_comes_back_from_json():
    """As integers in tuples, whatever held them."""
    assert make_box([[0, 1], [2, 3], [4, 5]]) == make_box(np.arange(6).reshape(3, 2)) == ((0, 1), (2, 3), (4, 5))
