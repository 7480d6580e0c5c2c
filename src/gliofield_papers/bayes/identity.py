"""What an evaluation of posteriors was made of, so that it goes on with the same inputs alone.

Settings, atlas, registration, and the contents of database, surrogate and patients' files (by digests, for files of one
name change) are written beside the results. A folder of other inputs is refused.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gliofield.database import SimulationDatabase
from gliofield.database.manifest import MANIFEST_NAME
from gliofield.errors import DatabaseError, OutputError, ParameterError
from gliofield.output import FolderMarker, atomic_file
from gliofield.pipeline import PersonalizationSettings
from gliofield.records import to_record

if TYPE_CHECKING:
    from gliofield_papers.surrogate import SurrogateHeader

SETTINGS_FILE = FolderMarker(
    "evaluation-settings.json",
    files=(
        "tables.md",
        "evaluation.json",
        "cost.json",
        "cases/case-[0-9]*.json",
        "patients/*.json",
        "patients/*.npz",
        *(f"{name}.png" for name in ("ranks_*", "coverage", "map")),
    ),
)
_FORMAT = "gliofield-evaluate-bayes-3"
# Inputs of one part alone, and its files.
_PART_INPUTS = {"database": "cost.json", "surrogate": "patients/*.json", "registration": "patients/*.json"}


def database_identity(database: SimulationDatabase) -> dict[str, Any]:
    """Number of tumors, and a digest of the manifest, which holds those of header, table and densities.

    Raises
    ------
    DatabaseError
        If the database has no manifest.
    """
    try:
        manifest = (database.path / MANIFEST_NAME).read_bytes()
    except OSError as error:
        raise DatabaseError(f"{database.path} has no readable manifest: {error.strerror}. Build it again.") from error
    return {"num_tumors": database.num_tumors, "manifest_sha256": hashlib.sha256(manifest).hexdigest()}


def surrogate_identity(checkpoint: str | os.PathLike[str], header: SurrogateHeader) -> dict[str, Any]:
    """Digest of the weights of a surrogate, as its provenance has it, and what its header says of their use.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be read.
    """
    from gliofield.learning import read_checkpoint
    from gliofield_papers.surrogate.checkpoint import CHECKPOINT_KIND

    return {
        "checkpoint_digest": read_checkpoint(checkpoint, kind=CHECKPOINT_KIND).digest,
        "settings": to_record(header.settings),
        "spacing_mm": header.spacing_mm,
    }


def registration_identity(settings: PersonalizationSettings) -> dict[str, Any]:
    """All settings but the number of threads, which a deterministic registration does not depend on."""
    return {name: value for name, value in dataclasses.asdict(settings).items() if name != "num_threads"}


def continued_identity(folder: Path, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Identity of an evaluation once it has gone on with these inputs; nothing is written.

    What only one part depends on (database, surrogate, registration) may change until that part is written, and be left
    out afterwards: then it stays what it was.

    Raises
    ------
    ParameterError
        If the folder holds something else, or an evaluation of other inputs.
    """
    path = folder / SETTINGS_FILE
    content: dict[str, Any] = json.loads(json.dumps({"format": _FORMAT, **identity}))
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        for name, pattern in _PART_INPUTS.items():
            if not any(folder.glob(pattern)):
                stored[name] = content.get(name)
            elif content.get(name) is None:
                content[name] = stored.get(name)
        differing = differing_keys(stored, content)
        if differing:
            raise ParameterError(
                f"{folder} holds an evaluation of other settings ({', '.join(differing)}): repeat those to go on with "
                "it, choose another folder, or pass --force to start anew."
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise ParameterError(f"{folder} is not empty and holds no evaluation ({SETTINGS_FILE}). Choose another folder.")
    return content


def open_folder(folder: Path, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Make the folder of an evaluation, or go on in one of the same inputs; its `continued_identity`.

    Raises
    ------
    ParameterError
        If it holds something else, or an evaluation of other inputs.
    OutputError
        If it cannot be made.
    """
    content = continued_identity(folder, identity)
    with _as_output_error(folder):
        for name in ("cases", "patients"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    with atomic_file(folder / SETTINGS_FILE) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return content


def differing_keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Keys whose values are not equal, a missing one taken for None."""
    return sorted(key for key in {*one, *other} if one.get(key) != other.get(key))


@contextmanager
def _as_output_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}. Choose another place.") from error
