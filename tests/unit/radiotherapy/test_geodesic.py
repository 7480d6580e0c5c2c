"""Distances through tissue: what is refused, and what is left out."""

import numpy as np
import pytest

from gliofield.errors import ParameterError
from gliofield.radiotherapy import geodesic_distance_mm

SPACING = (1.0, 1.0, 1.0)


def line(length=9):
    """A source at one end of a row of voxels, all open."""
    region = np.ones((length, 1, 1), bool)
    source = np.zeros_like(region)
    source[0] = True
    return source, region


def test_ways_end_where_the_region_ends():
    """A closed voxel in a row: what lies behind has no way."""
    source, region = line()
    region[4] = False

    found = geodesic_distance_mm(source, region, SPACING)[:, 0, 0]

    assert found[:4].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert np.all(np.isinf(found[4:]))


def test_distances_above_the_largest_are_infinite():
    """Up to 3.5 mm: 3 voxels."""
    source, region = line()

    found = geodesic_distance_mm(source, region, SPACING, largest_mm=3.5)[:, 0, 0]

    assert found[:4].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert np.all(np.isinf(found[4:]))


def test_a_source_outside_the_region_counts():
    """Ways start in it all the same."""
    source, region = line()
    region[0] = False

    assert geodesic_distance_mm(source, region, SPACING)[2, 0, 0] == 2.0


def test_shapes_have_to_agree():
    """Of source, region and compartments."""
    source, region = line()
    with pytest.raises(ParameterError, match="must be \\(X, Y, Z\\) arrays of one shape"):
        geodesic_distance_mm(source, region[:3], SPACING)


def test_an_empty_source_is_refused():
    """There is nothing to measure from."""
    source, region = line()
    with pytest.raises(ParameterError, match="source is empty"):
        geodesic_distance_mm(np.zeros_like(source), region, SPACING)


def test_spacings_have_to_be_positive():
    """In mm."""
    source, region = line()
    with pytest.raises(ParameterError, match="spacing_mm must be three lengths > 0"):
        geodesic_distance_mm(source, region, (1.0, 0.0, 1.0))
