"""The store is plain Zarr v3: any reader sees what `SimulationDatabase` sees, and Zarr would write the same shards."""

import numpy as np
import zarr
from growing_ball import BallDesign, ball_anatomy, build_balls

from gliofield.database import SimulationDatabase
from gliofield.database.schema import ARRAY_NAMES


def test_a_plain_reader_sees_the_same_arrays(tmp_path):
    """Every array, its type and its columns, over more than one shard."""
    database = build_balls(tmp_path / "db", num_tumors=131, anatomy=ball_anatomy(num_voxels=6))
    group = zarr.open_group(tmp_path / "db", mode="r")
    assert all(isinstance(group[name], zarr.Array) for name in ARRAY_NAMES)
    density = group["density"][...]
    assert density.dtype == np.uint8
    np.testing.assert_array_equal(density, [database.density_levels(index) for index in range(131)])
    for name, values in database.table.arrays().items():
        np.testing.assert_array_equal(group[name][...], values)
        assert group[name].dtype == values.dtype
    assert tuple(group["parameters"].attrs["names"]) == database.parameter_names
    assert group["volume_ml"].attrs["names"] == ["flair", "t1gd"]
    assert group.attrs["format_version"] == 2
    assert group.attrs["root_seed"] == 7
    assert group["density"].chunks == (1, 6, 6, 6)
    assert group["density"].shards == (128, 6, 6, 6)


def test_zarr_writes_the_same_shards(tmp_path):
    """The densities written again through Zarr, with the array's own metadata, give the same files byte for byte."""
    build_balls(tmp_path / "db", num_tumors=131, anatomy=ball_anatomy(num_voxels=6))
    source = zarr.open_array(tmp_path / "db" / "density", mode="r")
    again = zarr.create_array(
        tmp_path / "again",
        shape=source.shape,
        chunks=source.chunks,
        shards=source.shards,
        dtype=source.dtype,
        compressors=source.compressors,
        fill_value=0,
        dimension_names=source.metadata.dimension_names,
    )
    again[...] = source[...]
    for name in ("c/0/0/0/0", "c/1/0/0/0", "zarr.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "db" / "density" / name).read_bytes(), name


def test_snapshots_keep_whole_runs_in_a_shard(tmp_path):
    """With 5 tumors per run a shard holds a multiple of 5."""
    build_balls(tmp_path / "db", num_tumors=5, design=BallDesign(snapshots_per_run=5))
    assert zarr.open_array(tmp_path / "db" / "density", mode="r").shards[0] % 5 == 0
    assert SimulationDatabase.open(tmp_path / "db").tumors_per_shard % 5 == 0
