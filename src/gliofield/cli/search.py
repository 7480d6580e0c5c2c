"""``gliofield search``: the simulated tumors most like two masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gliofield.cli.console import JsonOption, print_notices, print_result, progress_bars, user_errors
from gliofield.cli.options import DatabaseArgument, ThreadsOption

if TYPE_CHECKING:
    from gliofield.database import SimulationDatabase
    from gliofield.imaging import VisibilityThresholds
    from gliofield.progress import Reporter
    from gliofield.retrieval import Hit, OverlapMetric, Query


def search(
    database: DatabaseArgument,
    whole: Annotated[Path, typer.Option(help="Whole-tumor mask in atlas space, any grid.")],
    core: Annotated[Path | None, typer.Option(help="Tumor-core mask in atlas space, any grid.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of hits.")] = 15,
    index: Annotated[
        str | None,
        typer.Option(help="Index: exact (default), direct, ds64, ds32 (also -antialiased), radiomics, ae, vae, hash."),
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Trained networks, for index ae, vae or hash.")] = None,
    metric: Annotated[str, typer.Option(help="Similarity of two masks: dice or jaccard (index exact).")] = "dice",
    flair_weight: Annotated[float, typer.Option(help="Weight of FLAIR (index exact).")] = 1.0,
    t1gd_weight: Annotated[float, typer.Option(help="Weight of T1Gd (index exact).")] = 1.0,
    t1gd_threshold: Annotated[
        float | None, typer.Option(help="Density above which T1Gd shows tumor; default 0.6.")
    ] = None,
    flair_threshold: Annotated[
        float | None, typer.Option(help="Density above which FLAIR shows tumor; default 0.2.")
    ] = None,
    free_thresholds: Annotated[
        bool, typer.Option("--free-thresholds", help="Each tumor at its best thresholds (index exact).")
    ] = False,
    t1gd_range: Annotated[
        tuple[float, float] | None, typer.Option(help="Free thresholds of T1Gd: from, to; default 0.5 0.85.")
    ] = None,
    flair_range: Annotated[
        tuple[float, float] | None, typer.Option(help="Free thresholds of FLAIR: from, to; default 0.05 0.5.")
    ] = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rank the tumors of a database by Dice(T1Gd) + Dice(FLAIR), nearest first.

    An index is prepared on first use and kept in the user's cache; direct needs none.
    """
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliofield.anatomy import segmentation_from_masks
        from gliofield.database import SimulationDatabase
        from gliofield.errors import ParameterError
        from gliofield.imaging import VisibilityThresholds
        from gliofield.nifti import read_volume
        from gliofield.retrieval import DEFAULT_INDEX, OverlapMetric, Query, require_index_name

        name = index or DEFAULT_INDEX
        require_index_name(name, checkpoint=checkpoint)
        chosen = OverlapMetric.named(metric, flair_weight=flair_weight, t1gd_weight=t1gd_weight)
        if free_thresholds and name != DEFAULT_INDEX:
            raise ParameterError(f"--free-thresholds needs index {DEFAULT_INDEX}, got {name!r}.")
        if not free_thresholds and (t1gd_range or flair_range):
            raise ParameterError("--t1gd-range and --flair-range need --free-thresholds.")
        if free_thresholds and not (t1gd_threshold is None and flair_threshold is None):
            raise ParameterError(
                "--free-thresholds leaves no place for --t1gd-threshold and --flair-threshold: give --t1gd-range and "
                "--flair-range instead."
            )
        masks = segmentation_from_masks(None if core is None else read_volume(core), read_volume(whole))
        query, opened = Query.from_segmentation(masks), SimulationDatabase.open(database)
        if free_thresholds:
            answer = _search_free(
                opened, query, k, chosen, t1gd=t1gd_range, flair=flair_range, threads=threads, report=report
            )
        else:
            usual = VisibilityThresholds()
            thresholds = VisibilityThresholds(
                t1gd_threshold=usual.t1gd_threshold if t1gd_threshold is None else t1gd_threshold,
                flair_threshold=usual.flair_threshold if flair_threshold is None else flair_threshold,
            )
            answer = _search_fixed(
                opened, query, k, chosen, name, thresholds, checkpoint=checkpoint, threads=threads, report=report
            )
    print_notices(answer.notices)
    content = {
        "index": answer.index_name,
        "metric": chosen.name,
        "flair_weight": flair_weight,
        "t1gd_weight": t1gd_weight,
        "hits": [_hit(hit) | extra for hit, extra in zip(answer.hits, answer.extras, strict=True)],
        **answer.thresholds_used,
    }
    print_result(content, as_json=as_json, text=lambda: _table(answer))


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """Hits, what is said of each beyond them, and what is said of all."""

    index_name: str
    hits: tuple[Hit, ...]
    extras: list[dict[str, float | None]]
    thresholds_used: dict[str, float]
    notices: tuple[str, ...]
    remark: str = ""


def _search_fixed(
    database: SimulationDatabase,
    query: Query,
    k: int,
    metric: OverlapMetric,
    name: str,
    thresholds: VisibilityThresholds,
    *,
    checkpoint: Path | None,
    threads: int | None,
    report: Reporter,
) -> _Answer:
    from gliofield.retrieval import OverlapMetric, open_index

    index = open_index(
        name,
        database,
        thresholds=thresholds,
        metric=None if metric == OverlapMetric.dice() else metric,
        checkpoint=checkpoint,
        num_threads=threads,
        report=report,
    )
    hits, used = index.search(query, k, report=report).hits, index.effective_thresholds
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
    database: SimulationDatabase,
    query: Query,
    k: int,
    metric: OverlapMetric,
    *,
    t1gd: tuple[float, float] | None,
    flair: tuple[float, float] | None,
    threads: int | None,
    report: Reporter,
) -> _Answer:
    from gliofield.retrieval import FreeThresholdIndex, ThresholdRanges

    usual = ThresholdRanges()
    ranges = ThresholdRanges(t1gd=t1gd or usual.t1gd, flair=flair or usual.flair)
    index = FreeThresholdIndex.open(database, ranges=ranges, metric=metric, num_threads=threads, report=report)
    found = index.search(query, k)
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
