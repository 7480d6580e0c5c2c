"""Where everything lies inside the database folder: a Zarr v3 group that any Zarr reader opens.

    zarr.json                    the header, as attributes
    density/c/k/0/0/0            levels, uint8 (N, X, Y, Z); chunk = one tumor, shard k = `tumors_per_shard` tumors
    parameters/ volume_ml/ bounding_box/ checksum/ attempt/ rejections/  the tumor table, N rows each
    manifest.json                every file with size and SHA-256 (`manifest`)
    building/  building.lock     an unfinished build (`staging`); gone when it is done

Files depend on the header and the tumors alone. No array's chunking depends on N, so a database that was grown has
the files of one built at once.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gliofield.database.schema import ARRAY_NAMES, BOUNDING_BOX_NAMES, VOLUME_NAMES, DatabaseHeader
from gliofield.database.sharding import COMPRESSION_LEVEL, COMPRESSOR_NAME
from gliofield.database.tumor_table import REJECTION_NAMES, TABLE_NAMES, TumorTable

# 50,000 tumors make 391 shards; at 128³ a shard is 1-10 MB.
_TARGET_TUMORS_PER_SHARD = 128
# What one worker loses at most when it is killed.
_TARGET_TUMORS_PER_BATCH = 8
_ROWS_PER_CHUNK = 4096

METADATA_NAME = "zarr.json"
_NUMBER = r"(0|[1-9][0-9]*)"
_OWN_NAME = re.compile(
    rf"(({'|'.join(ARRAY_NAMES)})/)?zarr\.json|density/c/{_NUMBER}/0/0/0|({'|'.join(TABLE_NAMES)})/c(/{_NUMBER}){{1,2}}"
)


def tumors_per_batch(snapshots_per_run: int) -> int:
    """Tumors of one unit of work: about 8, always whole runs."""
    return snapshots_per_run * max(1, _TARGET_TUMORS_PER_BATCH // snapshots_per_run)


def tumors_per_shard(snapshots_per_run: int) -> int:
    """Tumors of one shard: about 128, always whole batches."""
    batch = tumors_per_batch(snapshots_per_run)
    return batch * max(1, _TARGET_TUMORS_PER_SHARD // batch)


def shard_name(shard: int) -> str:
    """Path of a shard inside the folder."""
    return f"density/c/{shard}/0/0/0"


def shard_of_name(name: str) -> int | None:
    """Shard of a path inside the folder, None where it is no shard."""
    parts = name.split("/")
    return int(parts[2]) if len(parts) == 6 and name.startswith("density/c/") else None


def is_own_name(name: str) -> bool:
    """Whether a path inside the folder is that of a file the manifest lists.

    Examples
    --------
    >>> is_own_name("density/c/3/0/0/0"), is_own_name("../zarr.json"), is_own_name("/zarr.json")
    (True, False, False)
    """
    return _OWN_NAME.fullmatch(name) is not None


def write_tables(folder: Path, header: DatabaseHeader, names: tuple[str, ...], table: TumorTable) -> None:
    """Write all files of the group but the shards and the manifest into an empty folder.

    Parameters
    ----------
    folder : Path
        Where to; must not exist or be empty.
    header : DatabaseHeader
        Becomes the attributes of the group.
    names : tuple of str
        Columns of `table.parameters`.
    table : TumorTable
        All N tumors.
    """
    import zarr
    from zarr.codecs import BloscCodec, ZstdCodec

    num_tumors, shape = len(table), header.grid.shape
    group = zarr.create_group(folder, attributes=header.to_attributes(), zarr_format=3)
    num_voxels = header.grid.num_voxels
    group.create_array(
        "density",
        shape=(num_tumors, *shape),
        chunks=(1, *shape),
        shards=(tumors_per_shard(header.snapshots_per_run), *shape),
        dtype="uint8",
        compressors=BloscCodec(
            typesize=1, cname=COMPRESSOR_NAME, clevel=COMPRESSION_LEVEL, shuffle="noshuffle", blocksize=num_voxels
        ),
        fill_value=0,
        dimension_names=("tumor", "x", "y", "z"),
    )
    attributes: dict[str, dict[str, Any]] = {
        "parameters": {"names": list(names)},
        "volume_ml": {"names": list(VOLUME_NAMES), "threshold_levels": header.threshold_levels},
        "bounding_box": {"names": list(BOUNDING_BOX_NAMES), "rule": "voxels above level 0, stop exclusive"},
        "checksum": {"algorithm": "BLAKE2b, 8 bytes, little-endian, over the uint8 levels in C order"},
        "attempt": {"meaning": "draws rejected before the one that became this tumor"},
        "rejections": {"names": list(REJECTION_NAMES), "meaning": "the same by reason"},
    }
    for name, values in table.arrays().items():
        array = group.create_array(
            name,
            shape=values.shape,
            chunks=(_ROWS_PER_CHUNK, *values.shape[1:]),
            dtype=values.dtype,
            compressors=ZstdCodec(level=3),
            fill_value=0,
            attributes=attributes[name],
        )
        array[...] = values
