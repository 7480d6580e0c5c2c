"""Registrations of an evaluation, each made once and kept beside its output.

Later runs, other methods and other workers read them. What is used is always what was read back, so that the first run
and the next see the same bits.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gliofield.anatomy import Atlas
from gliofield.errors import RegistrationError
from gliofield.output import FolderMarker, atomic_folder
from gliofield.pipeline import Case, PersonalizationSettings, register_case
from gliofield.registration import RegistrationResult, read_transform, registration_preset, write_transform
from gliofield.registration.transform_files import TRANSFORM_MARKER
from gliofield.report.json_files import plain_json
from gliofield.scoring.finished import source_digest

_FILE, _TRANSFORM = "registration.json", "transform"
_MARKER = FolderMarker(_FILE, files=[f"{_TRANSFORM}/{name}" for name in (TRANSFORM_MARKER, *TRANSFORM_MARKER.files)])


@dataclass(frozen=True, kw_only=True)
class Registrations:
    """Registrations to one atlas, by one recipe.

    Parameters
    ----------
    folder : Path
        Where they are kept.
    settings : PersonalizationSettings
        Preset, seed, threads.
    """

    folder: Path
    settings: PersonalizationSettings

    def of(self, name: str, case: Case, atlas: Atlas) -> RegistrationResult:
        """The registration of a case of some name, made if it is not there yet.

        Raises
        ------
        RegistrationError
            If patient and atlas cannot be registered.
        OutputError
            If it cannot be kept.
        """
        place = self.folder / f"{name}-{self._key(case, atlas)}"
        found = self._read(place)
        if found is not None:
            return found
        self._write(place, register_case(case, atlas, self.settings))
        made = self._read(place)
        if made is None:
            raise RegistrationError(f"{place} cannot be read back. Remove that folder, and run the same again.")
        return made

    def identity(self, atlas: Atlas) -> dict[str, Any]:
        """What registrations depend on, beside the case."""
        return {
            "atlas": atlas.content_hash,
            "preset": self.settings.registration,
            "seed": self.settings.seed,
            "deterministic": self.settings.deterministic,
            "source": source_digest("registration"),
        }

    def _key(self, case: Case, atlas: Atlas) -> str:
        content = {"files": dict(case.file_hashes), **self.identity(atlas)}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @staticmethod
    def _write(place: Path, made: RegistrationResult) -> None:
        stored = {**made.settings, "preset": made.preset.name, "seconds": made.seconds, "versions": made.versions}
        with atomic_folder(place, replace=True, marker=_MARKER) as partial:
            write_transform(partial / _TRANSFORM, made.transform)
            (partial / _FILE).write_text(json.dumps(plain_json(stored), indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def _read(place: Path) -> RegistrationResult | None:
        """What is kept; None if nothing is, or it is damaged."""
        try:
            stored = json.loads((place / _FILE).read_text(encoding="utf-8"))
            stored["preset"] = registration_preset(stored["preset"])
            return RegistrationResult(transform=read_transform(place / _TRANSFORM), **stored)
        except (OSError, ValueError, RegistrationError):
            return None
