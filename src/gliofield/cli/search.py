"""``gliofield search``: the simulated tumors most like two masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gliofield.cli import options
from gliofield.cli.commands import add_command
from gliofield.cli.console import Console
from gliofield.cli.options import panel

if TYPE_CHECKING:
    from gliofield.database import SimulationDatabase
    from gliofield.imaging.observation import Observation
    from gliofield.retrieval import Hit, OverlapMetric

_query, _query_choice = panel("Query")
_exact, _exact_choice = panel("Index exact")


def search(
    console: Console,
    database: options.Database,
    whole: Annotated[Path, _query(help="Whole-tumor mask in atlas space, on any grid.")],
    core: Annotated[Path | None, _query(help="Tumor-core mask in atlas space, on any grid.")] = None,
    k: Annotated[int, _query("-k", "--hits", min=1, help="Number of hits.")] = 15,
    index: Annotated[str, _query_choice(*options.INDEXES, kind="index", help="How tumors are compared.")] = "exact",
    checkpoint: Annotated[Path | None, _query(help="Trained networks, for an index made of them.")] = None,
    t1gd_threshold: Annotated[
        float | None, _query(help="Cell density above which T1Gd shows tumor; default 0.6.")
    ] = None,
    flair_threshold: Annotated[
        float | None, _query(help="Cell density above which FLAIR shows tumor; default 0.2.")
    ] = None,
    metric: Annotated[str, _exact_choice(*options.METRICS, kind="metric", help="Similarity of two masks.")] = "dice",
    flair_weight: Annotated[float, _exact(help="Weight of FLAIR.")] = 1.0,
    t1gd_weight: Annotated[float, _exact(help="Weight of T1Gd.")] = 1.0,
    free_thresholds: Annotated[
        bool, _exact("--free-thresholds", help="Compare each tumor at the thresholds that suit it best.")
    ] = False,
    t1gd_range: Annotated[
        tuple[float, float] | None, _exact(help="Range of free thresholds of T1Gd; default 0.5 0.85.")
    ] = None,
    flair_range: Annotated[
        tuple[float, float] | None, _exact(help="Range of free thresholds of FLAIR; default 0.05 0.5.")
    ] = None,
    threads: options.Threads = None,
) -> None:
    """Rank the tumors of a database by Dice(T1Gd) + Dice(FLAIR), nearest first.

    An index is prepared when it is first used and kept in the user's cache; index direct needs none.
    """
    from gliofield.anatomy import segmentation_from_masks
    from gliofield.database import SimulationDatabase
    from gliofield.errors import ParameterError
    from gliofield.imaging.observation import Observation
    from gliofield.nifti import read_volume
    from gliofield.retrieval import OverlapMetric, require_index_name

    require_index_name(index, checkpoint=checkpoint)
    chosen = OverlapMetric.named(metric, flair_weight=flair_weight, t1gd_weight=t1gd_weight)
    if free_thresholds and index != "exact":
        raise ParameterError(f"--free-thresholds needs index exact, got {index!r}.")
    if not free_thresholds and (t1gd_range or flair_range):
        raise ParameterError("--t1gd-range and --flair-range need --free-thresholds.")
    if free_thresholds and not (t1gd_threshold is None and flair_threshold is None):
        raise ParameterError(
            "--free-thresholds leaves no place for --t1gd-threshold and --flair-threshold: give --t1gd-range and "
            "--flair-range instead."
        )
    masks = segmentation_from_masks(None if core is None else read_volume(core), read_volume(whole))
    question = _Question(
        database=SimulationDatabase.open(database),
        observation=Observation.of(masks),
        k=k,
        metric=chosen,
        num_threads=threads,
    )
    if free_thresholds:
        answer = _search_free(question, t1gd_range, flair_range, console)
    else:
        answer = _search_fixed(question, index, t1gd_threshold, flair_threshold, checkpoint, console)
    console.notes(answer.notices)
    content = {
        "index": answer.index_name,
        "metric": chosen.name,
        "flair_weight": flair_weight,
        "t1gd_weight": t1gd_weight,
        "hits": [_hit(hit) | extra for hit, extra in zip(answer.hits, answer.extras, strict=True)],
        **answer.thresholds_used,
    }
    console.result(content, lambda: _table(answer))


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What is searched, for what, and how masks are compared."""

    database: SimulationDatabase
    observation: Observation
    k: int
    metric: OverlapMetric
    num_threads: int | None


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """Hits, what there is to say of each beyond them, and of all."""

    index_name: str
    hits: tuple[Hit, ...]
    extras: list[dict[str, float | None]]
    thresholds_used: dict[str, float]
    notices: tuple[str, ...]
    remark: str = ""


def _search_fixed(
    question: _Question,
    name: str,
    t1gd_threshold: float | None,
    flair_threshold: float | None,
    checkpoint: Path | None,
    console: Console,
) -> _Answer:
    from gliofield.imaging import VisibilityThresholds
    from gliofield.retrieval import OverlapMetric, open_index

    given = {"t1gd_threshold": t1gd_threshold, "flair_threshold": flair_threshold}
    index = open_index(
        name,
        question.database,
        thresholds=VisibilityThresholds(**{name: value for name, value in given.items() if value is not None}),
        metric=None if question.metric == OverlapMetric.dice() else question.metric,
        checkpoint=checkpoint,
        num_threads=question.num_threads,
        report=console.report,
    )
    hits = index.search(question.observation, question.k, report=console.report).hits
    used = index.effective_thresholds
    rounded = f"thresholds rounded to T1Gd {used.t1gd_threshold:.4f}, FLAIR {used.flair_threshold:.4f}"
    return _Answer(
        index_name=name,
        hits=hits,
        extras=[{} for _ in hits],
        thresholds_used={"t1gd_threshold_used": used.t1gd_threshold, "flair_threshold_used": used.flair_threshold},
        notices=index.notices,
        remark=rounded if index.is_rounded else "",
    )


def _search_free(
    question: _Question, t1gd: tuple[float, float] | None, flair: tuple[float, float] | None, console: Console
) -> _Answer:
    from gliofield.retrieval import FreeThresholdIndex, ThresholdRanges

    usual = ThresholdRanges()
    index = FreeThresholdIndex.open(
        question.database,
        ranges=ThresholdRanges(t1gd=t1gd or usual.t1gd, flair=flair or usual.flair),
        metric=question.metric,
        num_threads=question.num_threads,
        report=console.report,
    )
    found = index.search(question.observation, question.k)
    return _Answer(
        index_name=index.name,
        hits=found.hits.hits,
        extras=[
            {"t1gd_threshold": t1gd_above, "flair_threshold": flair_above}
            for t1gd_above, flair_above in zip(found.t1gd_thresholds, found.flair_thresholds, strict=True)
        ],
        thresholds_used={},
        notices=index.prepared.notices,
    )


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "index": hit.index,
        "distance": hit.distance,
        "dice_t1gd": hit.dice_t1gd,
        "dice_flair": hit.dice_flair,
        "parameters": dict(hit.parameters),
    }


def _table(answer: _Answer) -> str:
    """One line per hit; with free thresholds those at which it was found."""
    header = "  index  distance  Dice T1Gd  Dice FLAIR"
    lines = [header if answer.thresholds_used else f"{header}  T1Gd above  FLAIR above"]
    for hit, extra in zip(answer.hits, answer.extras, strict=True):
        line = f"{hit.index:7d}  {hit.distance:8.4f}  {_number(hit.dice_t1gd):>9}  {hit.dice_flair:10.4f}"
        if extra:
            line += f"  {_number(extra['t1gd_threshold']):>10}  {_number(extra['flair_threshold']):>11}"
        lines.append(line)
    return "\n".join([*lines, answer.remark] if answer.remark else lines)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        "search",
        search,
        examples=[
            "gliofield search DB --whole whole.nii.gz --core core.nii.gz -k 5",
            "gliofield search DB --whole whole.nii.gz --free-thresholds --json",
        ],
        reads_images=True,
    )
