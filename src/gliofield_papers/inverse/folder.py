"""The folder of ``gliofield papers inverse --figures``: pictures, and the numbers behind them as JSON.

It appears as a whole or not at all. A picture that cannot be drawn holds nothing up: the note says which and why.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gliofield.anatomy import Atlas
from gliofield.grid import Grid
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.output import FolderMarker, atomic_folder
from gliofield.report.json_files import write_json
from gliofield.resample import resample, resample_mask
from gliofield.volume import Volume
from gliofield_papers.figures.pictures import write_pictures
from gliofield_papers.inverse.comparison import MethodAnswer
from gliofield_papers.inverse.evaluation import InverseEvaluation
from gliofield_papers.inverse.figures import dice_levels_figure, pairs_figure
from gliofield_papers.inverse.tables import inverse_record, methods_record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: In every folder of its kind, and in no other.
INVERSE_MARKER = FolderMarker("inverse.json", files=("errors.png", "cases.png", "pairs.png"))


def write_inverse_figures(
    evaluation: InverseEvaluation,
    folder: str | os.PathLike[str],
    *,
    atlas: Atlas,
    grid: Grid,
    answers: Sequence[MethodAnswer] = (),
    force: bool = False,
) -> tuple[str, ...]:
    """Write ``errors.png``, with slices ``cases.png`` and ``pairs.png``, and ``inverse.json``; return notes.

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

    def slices(shown: Sequence[MethodAnswer], title: str) -> Figure | None:
        brain = resample_mask(Volume(atlas.tissue_maps.brain, atlas.grid), grid).data
        return pairs_figure(
            shown, background=resample(atlas.t1, grid), brain=brain, thresholds=VisibilityThresholds(), title=title
        )

    with atomic_folder(folder, replace=force, marker=INVERSE_MARKER) as partial:
        write_json(partial / INVERSE_MARKER, {**inverse_record(evaluation), "methods": methods_record(answers)})
        return write_pictures(
            partial,
            {
                "errors": lambda: dice_levels_figure(evaluation),
                "cases": lambda: slices(evaluation.cases, "Test tumors and what networks made of them"),
                "pairs": lambda: slices(answers, "Answers to the same masks"),
            },
        )
