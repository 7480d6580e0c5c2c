"""Figures as files: the format by the suffix, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gliofield.errors import ParameterError
from gliofield.output import atomic_file, require_absent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE_SUFFIXES = (".png", ".pdf", ".svg")
# Without the time of writing equal figures are equal files; but for SVG, whose elements have random names.
_METADATA: dict[str, dict[str, None]] = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}


def require_figure_name(path: str | os.PathLike[str]) -> None:
    """Raise `ParameterError` unless the name ends in one of `FIGURE_SUFFIXES`; to be asked before any work."""
    if _suffix(path) not in FIGURE_SUFFIXES:
        raise ParameterError(
            f"figure {os.fspath(path)} must end in {', '.join(FIGURE_SUFFIXES[:-1])} or {FIGURE_SUFFIXES[-1]}."
        )


def write_figure(figure: Figure, path: str | os.PathLike[str], *, replace: bool = False) -> Path:
    """Write a figure as PNG, PDF or SVG and return its path; it appears by one rename.

    Parameters
    ----------
    figure : Figure
        What to write.
    path : path
        Target, its suffix one of `FIGURE_SUFFIXES`.
    replace : bool
        Replace an existing file.

    Raises
    ------
    ParameterError
        If the suffix is another one.
    OutputError
        If the file exists and `replace` is false, or it cannot be written (nothing is left then).
    """
    require_figure_name(path)
    require_absent(path, replace=replace)
    with atomic_file(path, replace=replace or None) as partial:
        figure.savefig(partial, facecolor=figure.get_facecolor(), metadata=_METADATA[_suffix(path)])
    return Path(path)


def _suffix(path: str | os.PathLike[str]) -> str:
    return Path(path).suffix.lower()
