"""A complete simulation database, open for reading.

`SimulationDatabase.open` checks that every file of the manifest is there (Zarr itself reads a missing shard as zeros)
and that all but the shards hold the bytes that were written, keeps the tumor table in memory and reads densities one
tumor at a time, from any number of threads; every tumor that is read is checked (`damage`). Nothing is written: a
database on a read-only disk works.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.database import layout
from gliofield.database.damage import ShardChecks, find_damage
from gliofield.database.manifest import MANIFEST_NAME, Manifest
from gliofield.database.quantization import dequantize
from gliofield.database.schema import DatabaseHeader
from gliofield.database.sharding import ShardIndex, decode_levels
from gliofield.database.tumor_table import TABLE_NAMES, TumorTable, levels_checksum
from gliofield.errors import DatabaseError, ParameterError, require_type
from gliofield.file_hash import file_sha256
from gliofield.growth import FisherKolmogorovParameters, growth_parameters_of
from gliofield.growth.parameters import DEFAULT_DIFFUSIVITY_RATIO

BUILDING_NAME = "building"


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulationDatabase:
    """Simulated tumors in atlas space; made by `open`.

    Attributes
    ----------
    path : Path
        The folder.
    header : DatabaseHeader
        What the tumors depend on, `header.grid` among it.
    parameter_names : tuple of str
        Columns of `table.parameters`.
    table : TumorTable
        Parameters, volumes, bounding boxes, checksums and attempts of all tumors; read-only arrays.
    checks : ShardChecks or None
        What is known of its files; None: each tumor that is read is compared with its own checksum.
    """

    path: Path
    header: DatabaseHeader
    parameter_names: tuple[str, ...]
    table: TumorTable
    checks: ShardChecks | None = field(default=None, repr=False)
    _shard_indexes: dict[int, ShardIndex] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> SimulationDatabase:
        """Open a database folder for reading.

        Raises
        ------
        ParameterError
            If the path is none.
        DatabaseError
            If the folder is missing, no database, an unfinished build, of another format version, or if a file of
            its manifest is missing or damaged (shards: of another size).
        """
        require_type("path", path, (str, os.PathLike), hint="Name the folder of a database.")
        folder = Path(path)
        header = read_header(folder)
        manifest = _intact_manifest(folder, layout.tumors_per_shard(header.snapshots_per_run))
        return load(folder, header, manifest.num_tumors, checks=ShardChecks(folder, manifest.by_path))

    def __repr__(self) -> str:
        header = self.header
        return (
            f"{type(self).__name__}({str(self.path)!r}, {self.num_tumors} tumors"
            f"\n  model {header.model['name']}, design {header.design['name']}, atlas {header.atlas_name}, "
            f"domain {header.domain_rule}\n  {header.grid.describe()})"
        )

    def __len__(self) -> int:
        return self.num_tumors

    @property
    def num_tumors(self) -> int:
        """Number of tumors N."""
        return len(self.table)

    @property
    def parameters(self) -> NDArray[np.float64]:
        """Parameters of all tumors, (N, P); columns as in `parameter_names`."""
        return self.table.parameters

    @property
    def volume_ml(self) -> NDArray[np.float32]:
        """Visible volumes in FLAIR and T1Gd at the header's thresholds, (N, 2) [ml]."""
        return self.table.volume_ml

    @property
    def bounding_box(self) -> NDArray[np.int16]:
        """Bounds of the voxels above level 0, (N, 6): x_start, x_stop, y_start, …; stop exclusive."""
        return self.table.bounding_box

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the manifest, which holds that of every file; empty where there is no manifest."""
        try:
            return file_sha256(self.path / MANIFEST_NAME)
        except OSError:
            return ""

    @property
    def tumors_per_shard(self) -> int:
        """Number of tumors in one file."""
        return layout.tumors_per_shard(self.header.snapshots_per_run)

    def parameters_of(self, index: int) -> dict[str, float]:
        """Parameters of one tumor by name, units in the names."""
        row = self.table.parameters[self._checked(index)]
        return {name: float(value) for name, value in zip(self.parameter_names, row, strict=True)}

    @property
    def diffusivity_ratio(self) -> float:
        """D_w / D_g of all tumors; the default where their design records none."""
        return float(self.header.design["settings"].get("diffusivity_ratio", DEFAULT_DIFFUSIVITY_RATIO))

    def growth_of(self, index: int) -> tuple[FisherKolmogorovParameters, float]:
        """Growth parameters of one tumor and its growth time [days], as they were simulated."""
        values = self.parameters_of(index) | {"diffusivity_ratio": self.diffusivity_ratio}
        return growth_parameters_of(values), values["growth_time_days"]

    def density_levels(self, index: int, *, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Stored levels of one tumor, (X, Y, Z); u > m/255 where level > m.

        Parameters
        ----------
        index : int
            Tumor, 0 … N − 1.
        out : (X, Y, Z) uint8 array, optional
            C-contiguous array to fill and return, to read many tumors without allocating.

        Raises
        ------
        ParameterError
            If there is no such tumor, or `out` does not fit.
        DatabaseError
            If its chunk cannot be read, or the levels are not those that were simulated.
        """
        shard = self._checked(index) // self.tumors_per_shard
        levels = np.empty(self.header.grid.shape, dtype=np.uint8) if out is None else out
        if levels.shape != self.header.grid.shape or levels.dtype != np.uint8 or not levels.flags.c_contiguous:
            raise ParameterError(
                f"out must be a C-contiguous uint8 array of shape {self.header.grid.shape}, got {levels.dtype} of "
                f"shape {levels.shape}."
            )
        signature = None if self.checks is None else self.checks.signature(shard)
        try:
            decode_levels(self.encoded_levels(index), levels)
        except DatabaseError as error:
            raise DatabaseError(f"tumor {index} of {self.path} is damaged: {error}") from error
        is_sound = self.checks is not None and self.checks.is_sound(shard, signature)
        if not is_sound and levels_checksum(levels) != int(self.table.checksum[index]):
            raise DatabaseError(
                f"tumor {index} of {self.path} is damaged: its densities do not match their checksum. Run `gliofield "
                "database verify` to see which tumors are affected, and restore the files from a copy or build again."
            )
        return levels

    def cell_density(self, index: int) -> NDArray[np.float32]:
        """Cell density of one tumor, (X, Y, Z), decoded to the middle of each level; errors as `density_levels`."""
        return dequantize(self.density_levels(index))

    def encoded_levels(self, index: int) -> bytes:
        """Compressed chunk of one tumor as it lies in the file; errors as `density_levels`."""
        shard, slot = divmod(self._checked(index), self.tumors_per_shard)
        if shard not in self._shard_indexes:
            path = self.path / layout.shard_name(shard)
            self._shard_indexes[shard] = ShardIndex.read(path, self.tumors_per_shard)
        return self._shard_indexes[shard].read_chunk(slot)

    def _checked(self, index: int) -> int:
        if not 0 <= index < self.num_tumors:
            raise ParameterError(
                f"tumor {index} does not exist: {self.path} holds {self.num_tumors} tumors, 0 to {self.num_tumors - 1}."
            )
        return int(index)


def read_header(folder: Path) -> DatabaseHeader:
    """Header of a database folder, from the group's attributes.

    Raises
    ------
    DatabaseError
        If the folder is missing, no database, or of another format version.
    """
    path = folder / layout.METADATA_NAME
    if not folder.is_dir():
        raise DatabaseError(f"{folder} does not exist. Check the path, or build it with `gliofield database build`.")
    if not path.is_file():
        if (folder / BUILDING_NAME).is_dir():
            raise DatabaseError(f"{folder} holds an unfinished build. Run the same build again to finish it.")
        raise DatabaseError(f"{folder} is not a gliofield simulation database: it has no {path.name}. Check the path.")
    try:
        attributes = json.loads(path.read_bytes())["attributes"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatabaseError(f"{path} cannot be read ({error}). {_VERIFY}") from error
    return DatabaseHeader.from_attributes(attributes, source=str(folder))


def load(
    folder: Path, header: DatabaseHeader, num_tumors: int, *, checks: ShardChecks | None = None
) -> SimulationDatabase:
    """Database with its table in memory, without looking at any other file.

    Raises
    ------
    DatabaseError
        If an array of the table is missing or does not have `num_tumors` rows.
    """
    import zarr

    try:
        group: Any = zarr.open_group(folder, mode="r", zarr_format=3)
        names = tuple(str(name) for name in group["parameters"].attrs["names"])
        arrays: dict[str, Any] = {name: np.ascontiguousarray(group[name][:num_tumors]) for name in TABLE_NAMES}
    except Exception as error:  # zarr and its codecs raise many types for damaged files; the cause is chained
        raise DatabaseError(f"{folder}: the tumor table cannot be read ({error}). {_VERIFY}") from error
    for name, values in arrays.items():
        if len(values) != num_tumors:
            raise DatabaseError(f"{folder}: {name} has {len(values)} rows: expected {num_tumors}. {_VERIFY}")
        values.setflags(write=False)
    table = TumorTable(**arrays)
    return SimulationDatabase(path=folder, header=header, parameter_names=names, table=table, checks=checks)


def _read_manifest(folder: Path) -> Manifest:
    if not (folder / MANIFEST_NAME).is_file():
        if (folder / BUILDING_NAME).is_dir():
            raise DatabaseError(f"{folder} holds an unfinished build. Run the same build again to finish it.")
        raise DatabaseError(
            f"{folder} has no {MANIFEST_NAME}, so nobody knows whether it is complete. Was it copied in full?"
        )
    return Manifest.read(folder / MANIFEST_NAME)


def _intact_manifest(folder: Path, tumors_per_shard: int) -> Manifest:
    """Manifest of a folder whose files are those it lists.

    While a grown database is being put in place, its files may already be those of the next manifest, which waits in
    the build folder. They hold the same tumors and more, so readers may go on.

    Raises
    ------
    DatabaseError
        If a file is missing or damaged.
    """
    manifest, pending_path = _read_manifest(folder), folder / BUILDING_NAME / MANIFEST_NAME
    pending = {}
    if pending_path.is_file():
        try:
            pending = Manifest.read(pending_path).by_path
        except DatabaseError:
            if pending_path.exists():  # else it has just become the manifest
                raise
    damage = find_damage(folder, manifest.files, pending)
    if not damage:
        return manifest
    if _read_manifest(folder) != manifest:  # it was grown between our first look and our last
        return _intact_manifest(folder, tumors_per_shard)
    problems = [
        f"  {describe_file(name, manifest.num_tumors, tumors_per_shard)} {description}"
        for name, description in damage.items()
    ]
    shown = problems[:10] + ([f"  and {len(problems) - 10} more"] if len(problems) > 10 else [])
    raise DatabaseError(
        f"{folder} is damaged:\n" + "\n".join(shown) + "\nRestore the files from a copy, or build it again."
    )


def tumors_of_file(name: str, num_tumors: int, tumors_per_shard: int) -> range:
    """Tumors whose density lies in a file; empty for files other than shards."""
    shard = layout.shard_of_name(name)
    if shard is None:
        return range(0)
    return range(shard * tumors_per_shard, min((shard + 1) * tumors_per_shard, num_tumors))


def describe_file(name: str, num_tumors: int, tumors_per_shard: int) -> str:
    """A file's path and, for a shard, its tumors."""
    tumors = tumors_of_file(name, num_tumors, tumors_per_shard)
    return f"{name} (tumors {tumors.start} to {tumors.stop - 1})" if tumors else name


_VERIFY = "Run `gliofield database verify` on it."
