"""What an evaluation has finished: one JSON file per piece of work, read again by the next run.

A piece is known by its name and its identity: the inputs' hashes, the settings, the version and a digest of the source
that computed it. A file of another identity, or one that cannot be read, counts as absent and is replaced; so nothing
is computed twice, and nothing stale is ever shown.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import gliofield
from gliofield.output import atomic_file
from gliofield.report.json_files import plain_json


@dataclass(frozen=True, kw_only=True)
class FinishedWork:
    """Files of finished pieces of work.

    Parameters
    ----------
    folder : Path
        Where they lie; made when the first is written.
    """

    folder: Path

    def read(self, name: str, identity: Mapping[str, Any]) -> dict[str, Any] | None:
        """What was found, if this very piece is finished; undefined numbers are None."""
        try:
            content = json.loads(self._path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(content, dict) or content.get("identity") != _as_stored(identity):
            return None
        found: dict[str, Any] | None = content.get("found")
        return found

    def write(self, name: str, identity: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        """Keep what was found; it appears whole or not at all.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(plain_json({"identity": identity, "found": found}), indent=1, allow_nan=False)
        with atomic_file(path, replace=True) as partial:
            partial.write_text(text + "\n", encoding="utf-8")

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def _as_stored(identity: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(plain_json(identity)))


@functools.cache
def source_digest(*parts: str, package: ModuleType = gliofield) -> str:
    """Version of gliofield and a digest of some of the source of a package: folders, files, ``""`` for its own modules.

    Parameters
    ----------
    parts : str
        Relative to the folder of the package.
    package : module
        An import package that lies in a folder.
    """
    (root,) = map(Path, package.__path__)
    digest = hashlib.sha256()
    for part in parts:
        place = root / part
        found = [place] if place.suffix == ".py" else place.rglob("*.py") if part else place.glob("*.py")
        for path in sorted(found):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return f"{gliofield.__version__} {digest.hexdigest()[:16]}"
