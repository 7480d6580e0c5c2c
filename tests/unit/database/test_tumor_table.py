"""Rows of the tumor table from levels and parameters."""

import hashlib
from types import SimpleNamespace

import numpy as np

from gliofield.database.tumor_table import (
    REJECTION_NAMES,
    Rejections,
    bounding_box,
    joined,
    levels_checksum,
    measured,
    parameter_names,
    parameter_row,
)
from gliofield.grid import Grid
from gliofield.growth import TUMOR_NAMES


def _parameters(**more):
    return SimpleNamespace(
        white_matter_diffusivity_mm2_per_day=0.1, proliferation_rate_per_day=0.02, seed_mm=(1.0, 2.0, 3.0), **more
    )


def test_columns_follow_the_contract():
    """Names and order are part of the format; a push comes last, with mass effect only."""
    assert TUMOR_NAMES == (
        "white_matter_diffusivity_mm2_per_day",
        "proliferation_rate_per_day",
        "growth_time_days",
        "seed_x_mm",
        "seed_y_mm",
        "seed_z_mm",
    )
    assert parameter_names(_parameters()) == TUMOR_NAMES
    np.testing.assert_array_equal(parameter_row(_parameters(), 100.0), [0.1, 0.02, 100.0, 1.0, 2.0, 3.0])
    assert parameter_names(_parameters(push_pa=5.0)) == (*TUMOR_NAMES, "push_pa")
    np.testing.assert_array_equal(parameter_row(_parameters(push_pa=5.0), 100.0)[-2:], [3.0, 5.0])


def test_volumes_count_strictly_above_the_level():
    """Four voxels, one at the FLAIR level, two above it, one above both; 8 ml each."""
    levels = np.array([51, 52, 153, 154], dtype=np.uint8).reshape(4, 1, 1)
    grid = Grid.axis_aligned((4, 1, 1), 20.0, (0, 0, 0))
    row = measured(
        levels, grid, {"flair": 51, "t1gd": 153}, parameters=np.zeros(6), rejections=Rejections((1, 0, 1, 0))
    )
    np.testing.assert_array_equal(row.volume_ml, [[24.0, 8.0]])
    np.testing.assert_array_equal(row.attempt, [2])
    np.testing.assert_array_equal(row.rejections, [[1, 0, 1, 0]])
    assert {name: str(values.dtype) for name, values in row.arrays().items()} == {
        "parameters": "float64",
        "volume_ml": "float32",
        "bounding_box": "int16",
        "checksum": "uint64",
        "attempt": "int32",
        "rejections": "int32",
    }


def test_bounding_boxes_hold_every_occupied_voxel(rng):
    """Against the definition by argwhere, for scattered voxels and for none."""
    for share in (0.0, 0.002, 0.05):
        levels = (rng.random((7, 8, 9)) < share).astype(np.uint8)
        occupied = np.argwhere(levels)
        expected = np.zeros((3, 2), dtype=int)
        if len(occupied):
            expected = np.stack([occupied.min(axis=0), occupied.max(axis=0) + 1], axis=1)
        np.testing.assert_array_equal(bounding_box(levels), expected.ravel())


def test_the_checksum_is_a_standard_digest(rng):
    """BLAKE2b with 8 bytes over the levels in C order, whatever their memory order."""
    levels = rng.integers(0, 256, (3, 4, 5), dtype=np.uint8)
    expected = int.from_bytes(hashlib.blake2b(levels.tobytes(), digest_size=8).digest(), "little")
    assert levels_checksum(levels) == expected
    assert levels_checksum(np.asfortranarray(levels)) == expected


def test_rows_and_joining_are_inverse(rng):
    """Cutting a table and joining the pieces gives the table."""
    grid = Grid.axis_aligned((3, 3, 3), 1.0, (0, 0, 0))
    rows = [
        measured(rng.integers(0, 256, (3, 3, 3), dtype=np.uint8), grid, {"flair": 1, "t1gd": 2},
                 parameters=rng.random(6), rejections=Rejections((i, 0, 0, 0)))
        for i in range(5)
    ]  # fmt: skip
    table = joined(rows)
    again = joined([table.rows(0, 2), table.rows(2, 5)])
    assert len(again) == 5
    for name, values in table.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], values)


def test_rejections_add_up_and_read_well():
    """Counts by reason, their sum, and a text that leaves out what did not happen."""
    once = Rejections().with_one_more("too_large")
    twice = once + Rejections((2, 0, 0, 1))
    assert twice.as_dict() == {"screened_out": 2, "too_large": 1, "outside_filter": 0, "not_solvable": 1}
    assert tuple(twice.as_dict()) == REJECTION_NAMES
    assert twice.total == 4
    assert str(twice) == "4 draws rejected (2 screened out, 1 too large, 1 not solvable)"
    assert str(Rejections()) == "0 draws rejected"
