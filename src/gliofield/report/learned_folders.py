"""The folders of ``gliofield evaluate inverse | surrogate --figures``: pictures, and the numbers behind them as JSON.

A folder appears as a whole or not at all. A picture that cannot be drawn holds nothing up: the note says which and why.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gliofield.anatomy import Atlas
from gliofield.experiments.inverse_evaluation import InverseEvaluation
from gliofield.experiments.inverse_queries import MethodAnswer
from gliofield.experiments.surrogate_evaluation import SurrogateEvaluation
from gliofield.experiments.surrogate_times import TumorAtTimes
from gliofield.grid import Grid
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.output import FolderMarker, atomic_folder
from gliofield.report.figure_files import write_figure
from gliofield.report.inverse_figures import dice_levels_figure, pairs_figure
from gliofield.report.inverse_tables import methods_record
from gliofield.report.json_files import write_json
from gliofield.report.surrogate_figures import surrogate_dice_figure, surrogate_errors_figure, surrogate_times_figure
from gliofield.resample import resample, resample_mask
from gliofield.volume import Volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: In every folder of its kind, and in no other.
INVERSE_MARKER = FolderMarker("inverse.json", files=("errors.png", "pairs.png"))
SURROGATE_MARKER = FolderMarker("surrogate.json", files=("errors.png", "dice.png", "times.png"))


def write_inverse_figures(
    evaluation: InverseEvaluation,
    folder: str | os.PathLike[str],
    *,
    atlas: Atlas,
    grid: Grid,
    answers: Sequence[MethodAnswer] = (),
    force: bool = False,
) -> tuple[str, ...]:
    """Write ``errors.png``, with slices in the answers ``pairs.png``, and ``inverse.json``; return notes.

    Parameters
    ----------
    evaluation : InverseEvaluation
        What was measured on test tumors.
    folder : path
        Target.
    atlas : Atlas
        Background of the pairs.
    grid : Grid
        Grid of the database, on which the slices lie.
    answers : sequence of MethodAnswer
        Answers to masks, by `compare_with_query` with the default thresholds.
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

    def pairs() -> Figure | None:
        brain = resample_mask(Volume(atlas.tissue_maps.brain, atlas.grid), grid).data
        return pairs_figure(
            answers, background=resample(atlas.t1, grid), brain=brain, thresholds=VisibilityThresholds()
        )

    with atomic_folder(folder, replace=force, marker=INVERSE_MARKER) as partial:
        write_json(partial / INVERSE_MARKER, {**asdict(evaluation), "methods": methods_record(answers)})
        return _write_pictures(partial, {"errors": lambda: dice_levels_figure(evaluation), "pairs": pairs})


def write_surrogate_figures(
    evaluation: SurrogateEvaluation,
    folder: str | os.PathLike[str],
    *,
    tumor: TumorAtTimes,
    force: bool = False,
) -> tuple[str, ...]:
    """Write ``errors.png``, ``dice.png``, ``times.png`` and ``surrogate.json``, each tumor's errors; return notes.

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
    }
    with atomic_folder(folder, replace=force, marker=SURROGATE_MARKER) as partial:
        record: dict[str, Any] = asdict(evaluation)
        write_json(partial / SURROGATE_MARKER, record)
        return _write_pictures(partial, pictures)


def _write_pictures(folder: Path, pictures: Mapping[str, Callable[[], Figure | None]]) -> tuple[str, ...]:
    notes = []
    for name, draw in pictures.items():
        try:
            figure = draw()
            if figure is not None:
                write_figure(figure, folder / f"{name}.png")
        except Exception as error:  # whatever it is, the numbers are worth more than a picture
            notes.append(f"not drawn: {name}.png ({type(error).__name__}: {error})")
    return tuple(notes)
