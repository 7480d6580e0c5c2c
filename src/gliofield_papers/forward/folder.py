"""The folder of ``gliofield papers surrogate --figures``: pictures, and the numbers behind them as JSON.

It appears as a whole or not at all. A picture that cannot be drawn holds nothing up: the note says which and why.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gliofield.output import FolderMarker, atomic_folder
from gliofield.report.json_files import write_json
from gliofield_papers.figures.pictures import write_pictures
from gliofield_papers.forward.evaluation import SurrogateEvaluation
from gliofield_papers.forward.figures import (
    surrogate_dice_figure,
    surrogate_errors_figure,
    surrogate_loss_figure,
    surrogate_times_figure,
)
from gliofield_papers.forward.times import TumorAtTimes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: In every folder of its kind, and in no other.
SURROGATE_MARKER = FolderMarker("surrogate.json", files=("errors.png", "dice.png", "times.png", "losses.png"))


def write_surrogate_figures(
    evaluation: SurrogateEvaluation,
    folder: str | os.PathLike[str],
    *,
    tumor: TumorAtTimes,
    force: bool = False,
) -> tuple[str, ...]:
    """Write ``errors.png``, ``dice.png``, ``times.png``, ``losses.png`` and ``surrogate.json``; return notes.

    Parameters
    ----------
    evaluation : SurrogateEvaluation
        What was measured.
    folder : path
        Target.
    tumor : TumorAtTimes
        The tumor of ``times.png``.
    force : bool
        Replace an older folder of this kind.

    Returns
    -------
    tuple of str
        A note per picture that could not be drawn.

    Raises
    ------
    OutputError
        If the folder exists and may not be replaced, or cannot be written.
    """
    pictures: dict[str, Callable[[], Figure | None]] = {
        "errors": lambda: surrogate_errors_figure(evaluation),
        "dice": lambda: surrogate_dice_figure(evaluation),
        "times": lambda: surrogate_times_figure(evaluation, tumor),
        "losses": lambda: surrogate_loss_figure(evaluation),
    }
    with atomic_folder(folder, replace=force, marker=SURROGATE_MARKER) as partial:
        record: dict[str, Any] = asdict(evaluation)
        write_json(partial / SURROGATE_MARKER, record)
        return write_pictures(partial, pictures)
