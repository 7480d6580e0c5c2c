"""Tables and folders of figures, refused before any work."""

from __future__ import annotations

from pathlib import Path

from gliofield.cli.console import Console
from gliofield.cli.outputs import require_output_file


def require_tables_and_figures(
    console: Console, tables: Path | None, figures: Path | None, *, marker: str, replace: bool
) -> None:
    """Raise an error if tables (.md) or a folder of figures cannot be written, or one lies in the other."""
    from gliofield.errors import ParameterError
    from gliofield.output import require_absent

    if tables is None and figures is None:
        console.refuse("force", because="without --out or --figures")
    if figures is not None:
        require_absent(figures, replace=replace, marker=marker)
        if tables is not None and tables.resolve().is_relative_to(figures.resolve()):
            raise ParameterError(
                f"--out {tables} lies in the folder of --figures, which is written as a whole: expected another."
            )
    require_output_file(tables, ending=".md", replace=replace)
