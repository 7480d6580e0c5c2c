"""Small databases, results and files of every format that gliofield reads, for the measures of this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gliofield.anatomy import write_atlas_folder
from gliofield.anatomy.atlas import read_atlas_folder
from gliofield.bayes import LikelihoodJournal
from gliofield.database import SimulationDatabase, build_database, merge_databases
from gliofield.database.store import SimulationDatabase as Store
from gliofield.grid import Grid
from gliofield.nifti import read_volume, write_volume
from gliofield.output import FolderMarker, atomic_folder
from gliofield.registration import Transform, read_transform, write_transform
from gliofield.retrieval.block_index import BlockIndex
from gliofield.retrieval.index_file import read_index_file, write_index_file
from gliofield.testing import PhantomDesign, phantom_atlas
from gliofield.volume import Volume

#: Coarse enough for a tumor to take milliseconds.
GRID = Grid.axis_aligned((22, 25, 20), 8.0, (-84.0, -96.0, -76.0))
_RESULT = FolderMarker("provenance.json", files=("density.nii.gz",))
_ROWS = [np.arange(8.0).reshape(4, 2), np.ones((3, 2))]


def build(path: Path, number: int, *, first_tumor: int = 0) -> SimulationDatabase:
    """A database, or a part of one."""
    return build_database(
        path, number, atlas=phantom_atlas(), design=PhantomDesign(), grid=GRID, first_tumor=first_tumor
    )


def write_result(folder: Path) -> None:
    """Replace a result folder, whose content is always the same."""
    with atomic_folder(folder, replace=True, marker=_RESULT) as partial:
        write_volume(partial / "density.nii.gz", Volume(np.ones((4, 4, 4), np.float32), Grid((4, 4, 4), np.eye(4))))
        (partial / "provenance.json").write_text("{}\n")


def write_weights(path: Path) -> None:
    """A checkpoint."""
    import torch

    from gliofield_training import write_checkpoint

    weights = {"a": torch.arange(64.0), "b": torch.ones(3, 5)}
    write_checkpoint(path, kind="network", header={"size": 5}, tensors=weights)


def read_weights(path: Path) -> Any:
    """Its content."""
    from gliofield.learning import read_checkpoint

    found = read_checkpoint(path, kind="network")
    return found.header, {name: tensor.tolist() for name, tensor in found.tensors.items()}


def write_stage(path: Path) -> None:
    """A journal of two calls."""
    journal = LikelihoodJournal(path, "f")
    for rows in _ROWS:
        journal.answer(rows, lambda asked: -asked)


def read_stage(path: Path) -> Any:
    """Its content."""
    journal = LikelihoodJournal(path, "f")
    return [journal.answer(rows, lambda asked: asked).tolist() for rows in _ROWS]


def read_database(folder: Path) -> Any:
    """Everything of a database: header, table, densities."""
    database = Store.open(folder)
    levels = [database.density_levels(tumor).tobytes() for tumor in range(database.num_tumors)]
    table = {name: values.tobytes() for name, values in database.table.arrays().items()}
    return database.header.to_attributes(), database.parameter_names, table, levels


def open_index(folder: Path) -> None:
    """The index of a database in the cache."""
    index = BlockIndex.open(SimulationDatabase.open(folder))
    assert not index.notices, index.notices


def merge(folder: Path, parts: list[Path]) -> None:
    """Merge parts, unless it was done."""
    if not folder.exists():
        merge_databases(folder, parts)


@dataclass(frozen=True)
class Format:
    """A kind of file: how it is made and read, and whether a checksum covers all of it.

    Parameters
    ----------
    name : str
        For the table.
    write : callable
        Makes it in a folder and returns what is to be damaged.
    read : callable
        Content, from that folder.
    is_covered : bool
        Whether damage must be noticed or change nothing.
    """

    name: str
    write: Callable[[Path], list[Path]]
    read: Callable[[Path], Any]
    is_covered: bool


def formats() -> list[Format]:
    """All formats that gliofield reads."""
    return [
        Format("NIfTI (.nii)", lambda f: [_image(f / "a.nii")], lambda f: _volume(f / "a.nii"), False),
        Format("NIfTI (.nii.gz)", lambda f: [_image(f / "a.nii.gz")], lambda f: _volume(f / "a.nii.gz"), False),
        Format("atlas folder", _atlas, lambda f: read_atlas_folder(f / "atlas").content_hash, False),
        Format("transform folder", _transform, lambda f: read_transform(f / "t").atlas_from_patient.tolist(), False),
        Format("stage file", lambda f: [_made(write_stage, f / "s.npz")], lambda f: read_stage(f / "s.npz"), True),
        Format("checkpoint", lambda f: [_made(write_weights, f / "c.safetensors")], _checkpoint, True),
        Format("index file", lambda f: [_made(_index_file, f / "0.index")], _read_index, True),
        Format("database", _database, lambda f: read_database(f / "db"), True),
    ]


def database_files(folder: Path) -> Mapping[str, list[Path]]:
    """Shards, files of the table, and manifest of a database."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    shards = [path for path in files if "density/c" in path.as_posix()]
    manifest = [folder / "manifest.json"]
    return {
        "shards": shards,
        "tables": [path for path in files if path not in (*shards, *manifest)],
        "manifest": manifest,
    }


def _made(write: Callable[[Path], None], path: Path) -> Path:
    write(path)
    return path


def _image(path: Path) -> Path:
    values = np.random.default_rng(0).random((9, 8, 7)).astype(np.float32)
    write_volume(path, Volume(values, Grid((9, 8, 7), np.eye(4))))
    return path


def _volume(path: Path) -> Any:
    volume = read_volume(path)
    assert np.isfinite(volume.data).all()
    return volume.data.tobytes(), volume.grid


def _atlas(folder: Path) -> list[Path]:
    write_atlas_folder(phantom_atlas(), folder / "atlas")
    return sorted((folder / "atlas").iterdir())


def _transform(folder: Path) -> list[Path]:
    write_transform(folder / "t", Transform.identity())
    return sorted((folder / "t").iterdir())


def _checkpoint(folder: Path) -> Any:
    return read_weights(folder / "c.safetensors")


def _index_file(path: Path) -> None:
    write_index_file(path, {"n": 5}, {"a": np.arange(300), "b": np.ones((3, 4), np.float32)})


def _read_index(folder: Path) -> Any:
    settings, arrays = read_index_file(folder / "0.index")
    return settings, {name: values.tolist() for name, values in arrays.items()}


def _database(folder: Path) -> list[Path]:
    build(folder / "db", 6)
    return [path for files in database_files(folder / "db").values() for path in files]
