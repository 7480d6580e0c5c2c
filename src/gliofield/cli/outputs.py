"""Files that commands write: refused before any work, and whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def require_output_file(path: Path | None, *, ending: str, replace: bool, inputs: Iterable[Path] = ()) -> None:
    """Raise an error if a file cannot be written, or is one of the inputs; None: nothing is to be written.

    Raises
    ------
    ParameterError
        If its name has another ending.
    OutputError
        If it exists and may not be replaced, its folder is not there, or it cannot be written.
    """
    from gliofield.errors import OutputError, ParameterError
    from gliofield.output import require_absent

    if path is None:
        return
    if not path.name.lower().endswith(ending):
        raise ParameterError(f"the name of {path} must end in {ending}.")
    require_absent(path, replace=replace, inputs=inputs)
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {folder}. Make it first, or choose another.")


def write_tables(path: Path | None, text: str, *, replace: bool) -> None:
    """Write a text, if there is somewhere to write it; a file that has appeared meanwhile stays without leave."""
    from gliofield.output import atomic_file

    if path is not None:
        with atomic_file(path, replace=replace) as partial:
            partial.write_text(text + "\n", encoding="utf-8")
