"""Pictures of a folder of results: one that cannot be drawn holds nothing up, its note says which and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gliofield.report.figure_files import write_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_pictures(folder: Path, pictures: Mapping[str, Callable[[], Figure | None]]) -> tuple[str, ...]:
    """Draw pictures by name into a folder (.png); notes about those that could not be drawn."""
    notes = []
    for name, draw in pictures.items():
        try:
            figure = draw()
            if figure is not None:
                write_figure(figure, folder / f"{name}.png")
        except Exception as error:  # whatever it is, the numbers are worth more than a picture
            notes.append(f"not drawn: {name}.png ({type(error).__name__}: {error})")
    return tuple(notes)
