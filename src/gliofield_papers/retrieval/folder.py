"""The output folder of ``gliofield papers retrieval``: page, record, a CSV per table, figures, sheets, queries.

It appears as a whole or not at all, but a picture that cannot be drawn holds nothing up: numbers are written first, and
the page says which pictures are missing and why. Pictures of patients lie here and nowhere else.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gliofield.anatomy import Atlas
from gliofield.database import SimulationDatabase
from gliofield.errors import OutputError
from gliofield.imaging import Observation
from gliofield.output import FolderMarker, atomic_file, atomic_folder
from gliofield.pipeline import read_case
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.report.figure_files import write_figure
from gliofield.report.json_files import write_json
from gliofield.report.overview import overview_figure
from gliofield.report.tables import csv_of
from gliofield.resample import resample, resample_mask
from gliofield.volume import Volume
from gliofield_papers.queries.retrieval_queries import RegisteredPatient
from gliofield_papers.retrieval.answers import masks_of
from gliofield_papers.retrieval.cases import RetrievalCase
from gliofield_papers.retrieval.evaluation import RetrievalEvaluation
from gliofield_papers.retrieval.figures import (
    best_dice_figure,
    compared_dice_figure,
    each_query_figure,
    learning_figure,
    rank_figure,
    reconstruction_figure,
)
from gliofield_papers.retrieval.pipeline import density_of
from gliofield_papers.retrieval.ranking import NO_TUMOR
from gliofield_papers.retrieval.report import answer_records, retrieval_record, retrieval_report
from gliofield_papers.retrieval.scores import StrategyResult
from gliofield_papers.retrieval.sheets import SheetPanel, case_sheet
from gliofield_papers.retrieval.strategies import ReconstructingIndex
from gliofield_papers.retrieval.tables import TABLE_NAMES, retrieval_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIGURES = {
    "best_dice": best_dice_figure,
    "models_compared": compared_dice_figure,
    "ranks": rank_figure,
    "each_query": each_query_figure,
    "reconstructions": reconstruction_figure,
    "learning_curves": learning_figure,
}
#: In every folder of this kind, and in no other.
RETRIEVAL_MARKER = FolderMarker(
    "retrieval.json",
    files=(
        "retrieval.md",
        "queries.npz",
        "answers.csv",
        *(f"{name}.csv" for name in TABLE_NAMES),
        *(f"{name}.png" for name in _FIGURES),
        "sheet_[0-9][0-9]*_*.png",
        "patient_*.png",
    ),
)
_SHEETS_TASK = "draw sheets"
_TITLE_WIDTH = 44


def write_retrieval_folder(
    evaluation: RetrievalEvaluation,
    folder: str | os.PathLike[str],
    *,
    database: SimulationDatabase,
    atlas: Atlas,
    patients: Sequence[RegisteredPatient] = (),
    force: bool = False,
    report: Reporter = ignore_progress,
) -> tuple[str, ...]:
    """Write all results and return notes on pictures that could not be drawn, as they stand on the page.

    Parameters
    ----------
    evaluation : RetrievalEvaluation
        What was measured.
    folder : path
        Target.
    database : SimulationDatabase
        What was searched, for the masks and densities of matches.
    atlas : Atlas
        Background of the sheets.
    patients : sequence of RegisteredPatient
        Real patients; those among the cases get a picture of the density in their own space.
    force : bool
        Replace an older folder of this kind.
    report : Reporter
        Told about the sheets.

    Returns
    -------
    tuple of str
        A note per picture, for whoever shows the page again (`RetrievalEvaluation.with_notes`).

    Raises
    ------
    OutputError
        If the folder exists and may not be replaced, or cannot be written.
    """
    pictures = _Pictures()
    with atomic_folder(folder, replace=force, marker=RETRIEVAL_MARKER) as partial:
        _write_page(evaluation, partial)
        evaluation.queries.write(partial / "queries.npz")
        for table in retrieval_tables(evaluation):
            (partial / f"{table.name}.csv").write_text(table.csv(), encoding="utf-8")
        (partial / "answers.csv").write_text(csv_of(answer_records(evaluation)), encoding="utf-8")
        for name, draw in _FIGURES.items():
            with pictures.drawn(f"figure {name}"):
                figure = draw(evaluation)
                if figure is not None:
                    write_figure(figure, partial / f"{name}.png")
        with pictures.drawn("sheets"):
            _write_sheets(evaluation, partial, database, atlas, pictures, report)
        _write_patients(evaluation, partial, database, patients, pictures, report)
        if pictures.notes:
            # On a full disk the page without notes stays; they are returned all the same.
            with suppress(OutputError):
                _write_page(evaluation.with_notes(pictures.notes), partial)
    return tuple(pictures.notes)


class _Pictures:
    """Collects why pictures could not be drawn."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    @contextmanager
    def drawn(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever it is, the numbers are worth more than a picture
            self.notes.append(f"Not drawn: {name} ({type(error).__name__}: {error})")


def _write_page(evaluation: RetrievalEvaluation, folder: Path) -> None:
    with atomic_file(folder / "retrieval.md") as partial:
        partial.write_text(retrieval_report(evaluation) + "\n", encoding="utf-8")
    with atomic_file(folder / RETRIEVAL_MARKER) as partial:
        write_json(partial, retrieval_record(evaluation))


def _write_sheets(
    evaluation: RetrievalEvaluation,
    folder: Path,
    database: SimulationDatabase,
    atlas: Atlas,
    pictures: _Pictures,
    report: Reporter,
) -> None:
    grid = database.header.grid
    background = resample(atlas.t1, grid)
    brain = resample_mask(Volume(atlas.tissue_maps.brain, atlas.grid), grid).data
    cases = evaluation.cases
    queries = [evaluation.queries.packed.query(case.row) for case in cases]
    reconstructions: list[list[SheetPanel]] = [[] for _ in cases]
    for result in evaluation.strategies:
        with pictures.drawn(f"reconstructions by {result.label} on sheets"):
            added = _reconstruction_panels(result, queries, evaluation, database, report)
            for own, panels in zip(reconstructions, added, strict=False):
                own += panels
    for number, (case, query, rebuilt) in enumerate(zip(cases, queries, reconstructions, strict=True), start=1):
        name = f"sheet_{number:02d}_{_file_name(case.name)}"
        with pictures.drawn(name):
            figure = case_sheet(
                background=background,
                brain=brain,
                query=query,
                panels=[*_match_panels(evaluation, case, database), *rebuilt],
                title=_title(evaluation, case),
            )
            write_figure(figure, folder / f"{name}.png")
        report(ProgressEvent(task=_SHEETS_TASK, completed=number, total=len(cases)))


def _match_panels(
    evaluation: RetrievalEvaluation, case: RetrievalCase, database: SimulationDatabase
) -> list[SheetPanel]:
    """A panel per tumor found, the exact best first, named after the strategies whose best match it is."""
    found: dict[int, list[str]] = {int(evaluation.best.tumor[case.row]): []}
    ranked = {}
    for result in evaluation.strategies:
        tumor = int(result.ranked.best.tumor[case.row])
        if tumor != NO_TUMOR:
            found.setdefault(tumor, []).append(result.label)
            ranked[tumor] = (result.ranked.rank[case.row], result.ranked.dice_lost[case.row])
    panels = []
    for number, (tumor, labels) in enumerate(found.items()):
        rank, lost = ranked.get(tumor, (1.0, 0.0))
        head = "exact best" if number == 0 else f"rank {rank:.0f}, Δ = {lost:.2f}"
        lines = [f"{head}: tumor {tumor}", *textwrap.wrap("; ".join(labels), _TITLE_WIDTH)]
        panels.append(_tumor_panel(database, tumor, "\n".join(lines)))
    return panels


def _tumor_panel(database: SimulationDatabase, tumor: int, title: str) -> SheetPanel:
    masks = masks_of(database, tumor)
    return SheetPanel(title=title, tumor_core=masks.tumor_core, whole_tumor=masks.whole_tumor)


def _reconstruction_panels(
    result: StrategyResult,
    queries: Sequence[Observation],
    evaluation: RetrievalEvaluation,
    database: SimulationDatabase,
    report: Reporter,
) -> list[list[SheetPanel]]:
    """Of each query for a network: its reconstruction and that of its exact best; none for other strategies."""
    if result.strategy.network is None:
        return []
    index = result.strategy.open(
        database,
        thresholds=database.header.thresholds,
        num_threads=evaluation.settings.num_threads,
        report=report,
    )
    if not isinstance(index, ReconstructingIndex):
        return []
    panels = []
    for case, query in zip(evaluation.cases, queries, strict=True):
        own = []
        for what, masks in (("query", query), ("exact best", masks_of(database, int(evaluation.best.tumor[case.row])))):
            core, whole = index.reconstruct(masks)
            own.append(
                SheetPanel(title=f"{result.label}\nreconstruction of the {what}", tumor_core=core, whole_tumor=whole)
            )
        panels.append(own)
    return panels


def _write_patients(
    evaluation: RetrievalEvaluation,
    folder: Path,
    database: SimulationDatabase,
    patients: Sequence[RegisteredPatient],
    pictures: _Pictures,
    report: Reporter,
) -> None:
    rows = {case.name: case.row for case in evaluation.cases}
    shown = [patient for patient in patients if patient.name in rows]
    for number, patient in enumerate(shown, start=1):
        name = f"patient_{_file_name(patient.name)}"
        with pictures.drawn(name):
            figure = _patient_figure(evaluation, database, patient, rows[patient.name])
            write_figure(figure, folder / f"{name}.png")
        report(ProgressEvent(task="draw patients", completed=number, total=len(shown)))


def _patient_figure(
    evaluation: RetrievalEvaluation, database: SimulationDatabase, patient: RegisteredPatient, row: int
) -> Figure:
    case, tumor = read_case(patient.files), int(evaluation.best.tumor[row])
    return overview_figure(
        background=case.images.get("t1c", case.structural_image),
        segmentation=case.segmentation,
        cell_density=density_of(database, tumor, patient, case),
        brain=case.brain,
        thresholds=database.header.thresholds,
        title=f"{patient.name}: density of the exact best match, tumor {tumor}",
        caption="research use only",
    )


def _title(evaluation: RetrievalEvaluation, case: RetrievalCase) -> str:
    best, low, high = evaluation.best, *case.dice_bin
    return (
        f"{case.name} ({case.group}, bin {low:.2f}-{high:.2f}): best Dice T1Gd {best.dice_t1gd[case.row]:.2f}, FLAIR "
        f"{best.dice_flair[case.row]:.2f}, sum {best.combined_dice[case.row]:.2f}"
    )


def _file_name(name: str) -> str:
    """A name as part of a file name."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
