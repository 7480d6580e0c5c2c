"""The tables of ``gliofield papers retrieval``: Markdown to read, CSV to compute with.

Every table has its cells as text and its records as numbers, so that what is read and what is computed with cannot
drift apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from gliofield.report.tables import number
from gliofield_papers.queries.matching_queries import REAL_GROUP
from gliofield_papers.queries.retrieval_queries import SYNTHETIC_GROUP
from gliofield_papers.retrieval.evaluation import RetrievalEvaluation
from gliofield_papers.retrieval.networks import network_rows
from gliofield_papers.retrieval.published import (
    PUBLISHED_BEST_DICE,
    PUBLISHED_PIPELINE_MINUTES,
    PUBLISHED_RECONSTRUCTIONS,
    PUBLISHED_STRATEGIES,
    PublishedStrategy,
)
from gliofield_papers.retrieval.ranking import Matches
from gliofield_papers.retrieval.scores import TOP, StrategyScore, StrategyTiming
from gliofield_papers.retrieval.table import RetrievalTable

_NOTHING = "-"
#: Names of all tables.
TABLE_NAMES = (
    "table_1_accuracy_and_runtime",
    "table_2_real_and_synthetic",
    "best_dice",
    "ranks_and_dice_lost",
    "cases",
    "models_compared",
    "reconstructions",
    "networks",
    "patients",
)


def retrieval_tables(evaluation: RetrievalEvaluation) -> tuple[RetrievalTable, ...]:
    """All tables that have a row."""
    makers: tuple[Callable[[RetrievalEvaluation], RetrievalTable], ...] = (
        accuracy_and_runtime,
        real_and_synthetic,
        best_dice,
        ranks,
        thesis_cases,
        models_compared,
        reconstructions,
        networks,
        patients,
    )
    return tuple(table for table in (make(evaluation) for make in makers) if table.rows)


def accuracy_and_runtime(evaluation: RetrievalEvaluation) -> RetrievalTable:
    """Table 1 of the papers, on real patients where there are any, else on the first group."""
    group = evaluation.groups[0]
    scores = {score.label: score for score in evaluation.scores() if score.group == group}
    timings = {timing.label: timing for timing in evaluation.timings()}
    rows, records = [], []
    for result in evaluation.strategies:
        if result.label not in scores:
            continue
        score, timing = scores[result.label], timings[result.label]
        published = _published(result.strategy.published)
        percents = _published_percents(published, group)
        rows.append([*_accuracy_cells(score, percents), *_runtime_cells(timing, published)])
        records.append(
            {
                **asdict(score),
                **asdict(timing),
                **_percent_record(percents),
                "papers_name": "" if published is None else published.name,
                "papers_seconds": math.nan if published is None else published.seconds,
            }
        )
    low, high = PUBLISHED_PIPELINE_MINUTES
    ranking_alone = [label for label in scores if timings[label].is_ranking_alone]
    timed = "the whole search"
    if ranking_alone:
        timed += f"; of {', '.join(ranking_alone)} the ranking without the full-resolution Dice that hits carry"
    return RetrievalTable(
        name="table_1_accuracy_and_runtime",
        title=f"Table 1: accuracy and runtime ({group})",
        note=(
            "Top-n: share of queries whose best match by the strategy is among the exact n best; a tumor's rank is one "
            "more than the number strictly nearer, so equal Dice shares a rank. Runtime of a query over all groups, "
            "loading excluded (median, 90th percentile) and included (database, index, network); timed is "
            f"{timed}. Pipeline: "
            "registration, loading, query and way back, medians over patients; the papers give "
            f"{low:g} to {high:g} min. Papers: 62 patients, 50,000 tumors, 32 processes or a GPU, loading included."
        ),
        headers=(
            "strategy", "queries", "top-1", "top-5", "top-15", "papers' top-1/5/15", "median rank", "query ms",
            "p90 ms", "loading s", "with loading s", "papers s", "pipeline s",
        ),
        rows=rows,
        records=records,
    )  # fmt: skip


def real_and_synthetic(evaluation: RetrievalEvaluation) -> RetrievalTable:
    """Table 2 of the papers for all strategies and all groups of queries."""
    rows, records = [], []
    strategies = {result.label: result.strategy for result in evaluation.strategies}
    for score in sorted(evaluation.scores(), key=lambda score: evaluation.groups.index(score.group)):
        percents = _published_percents(_published(strategies[score.label].published), score.group)
        rows.append(
            [
                score.group,
                score.label,
                str(score.num_queries),
                *(number(share, ".1%") for share in (score.top1, score.top5, score.top15)),
                _percents(percents),
                str(score.num_unanswered),
            ]
        )
        records.append({**asdict(score), **_percent_record(percents)})
    return RetrievalTable(
        name="table_2_real_and_synthetic",
        title="Table 2: real and synthetic queries",
        note=(
            "`synthetic` are held-out tumors of the database's own design, as in the papers; other groups come from "
            "files. Unanswered queries count as misses."
        ),
        headers=("queries", "strategy", "number", "top-1", "top-5", "top-15", "papers' top-1/5/15", "unanswered"),
        rows=rows,
        records=records,
    )


def best_dice(evaluation: RetrievalEvaluation) -> RetrievalTable:
    """Mean Dice of the exact best match per group of queries."""
    rows, records = [], []
    for group in evaluation.groups:
        at = evaluation.rows_of(group)
        best = _part(evaluation.best, at)
        published = PUBLISHED_BEST_DICE.get(group)
        cells = [_mean_and_error(values) for values in (best.dice_t1gd, best.dice_flair, best.combined_dice)]
        rows.append(
            [
                group,
                str(len(at)),
                str(int(np.count_nonzero(np.isnan(best.dice_t1gd)))),
                *cells,
                _NOTHING if published is None else f"{published.combined:.2f}",
            ]
        )
        records.append(
            {
                "group": group,
                "num_queries": len(at),
                "num_without_core": int(np.count_nonzero(np.isnan(best.dice_t1gd))),
                **{
                    f"mean_{name}": _defined_mean(values)
                    for name, values in (
                        ("dice_t1gd", best.dice_t1gd),
                        ("dice_flair", best.dice_flair),
                        ("combined_dice", best.combined_dice),
                    )
                },
                "papers_combined_dice": math.nan if published is None else published.combined,
            }
        )
    return RetrievalTable(
        name="best_dice",
        title="Mean Dice of the exact best match",
        note=(
            "Mean ± standard error over queries. Queries without a core are ranked by FLAIR alone and left out of T1Gd "
            "and of the sum."
        ),
        headers=("queries", "number", "without core", "T1Gd", "FLAIR", "T1Gd + FLAIR", "papers"),
        rows=rows,
        records=records,
    )


def ranks(evaluation: RetrievalEvaluation) -> RetrievalTable:
    """The thesis' other measures: rank, intersection of the top 15, Dice lost."""
    scores = sorted(evaluation.scores(), key=lambda score: evaluation.groups.index(score.group))
    return RetrievalTable(
        name="ranks_and_dice_lost",
        title="Rank of the best match, intersection of the top 15, Dice lost",
        note=(
            "Δ: Dice sum of the exact best less that of the strategy's best match (FLAIR alone without a core). Of the "
            "15 hits those count whose exact rank is 15 or better. The last column is the mean sum of the strategy's "
            "own best match."
        ),
        headers=(
            "queries", "strategy", "number", "median rank", "worst rank", "of the exact 15", "mean Δ", "p90 Δ",
            "T1Gd + FLAIR",
        ),
        rows=[
            [
                score.group,
                score.label,
                str(score.num_queries),
                number(score.median_rank, "g"),
                number(score.worst_rank, "g"),
                number(score.num_shared, ".1f"),
                number(score.dice_lost, ".3f"),
                number(score.dice_lost_p90, ".3f"),
                number(score.combined_dice, ".3f"),
            ]
            for score in scores
        ],
        records=[asdict(score) for score in scores],
    )  # fmt: skip


def thesis_cases(evaluation: RetrievalEvaluation) -> RetrievalTable:
    """The thesis' Table 2: five cases of real patients, and five synthetic ones."""
    rows, records = [], []
    for case in evaluation.cases:
        best = _part(evaluation.best, [case.row])
        ranked = {result.label: result.ranked for result in evaluation.strategies}
        values = {"combined": best.combined_dice[0], "t1gd": best.dice_t1gd[0], "flair": best.dice_flair[0]}
        cells = [_rank_and_loss(each.rank[case.row], each.dice_lost[case.row]) for each in ranked.values()]
        low, high = case.dice_bin
        rows.append([case.name, f"{low:.2f}-{high:.2f}", *(number(value, ".3f") for value in values.values()), *cells])
        record: dict[str, Any] = {"name": case.name, "group": case.group, "bin_low": low, "bin_high": high, **values}
        for label, each in ranked.items():
            record |= {f"{label}: rank": each.rank[case.row], f"{label}: dice lost": each.dice_lost[case.row]}
        records.append(record)
    return RetrievalTable(
        name="cases",
        title="Cases by Dice of the exact best",
        note=(
            "The query nearest to the middle of each bin; the thesis' bins for real patients, five equal ones over "
            "their range for synthetic tumors. Cells of strategies: exact rank of the best match (Δ)."
        ),
        headers=("query", "bin", "T1Gd + FLAIR", "T1Gd", "FLAIR", *(each.label for each in evaluation.strategies)),
        rows=rows,
        records=records,
    )


def models_compared(evaluation: RetrievalEvaluation) -> RetrievalTable:
    """Best matches in two databases at equal N, per group of queries; no row without a second database."""
    rows, records = [], []
    comparison = evaluation.comparison
    for group in evaluation.groups if comparison is not None else ():
        assert comparison is not None
        at = evaluation.rows_of(group)
        for database, matches in zip(comparison.databases, comparison.best, strict=True):
            best = _part(matches, at)
            rows.append(
                [
                    group,
                    f"{database.name} ({database.model})",
                    f"{comparison.num_tumors:,}",
                    *(_mean_and_error(values) for values in (best.dice_t1gd, best.dice_flair, best.combined_dice)),
                ]
            )
            records.append(
                {
                    "group": group,
                    "database": database.name,
                    "model": database.model,
                    "design": database.design,
                    "num_tumors": comparison.num_tumors,
                    "num_queries": len(at),
                    "mean_dice_t1gd": _defined_mean(best.dice_t1gd),
                    "mean_dice_flair": _defined_mean(best.dice_flair),
                    "mean_combined_dice": _defined_mean(best.combined_dice),
                }
            )
    return RetrievalTable(
        name="models_compared",
        title="Growth models at equal N",
        note=(
            "Mean Dice ± standard error of the exact best among the first N tumors of each database, on its own grid. "
            "Synthetic queries come from the first database's design and model, which favors it."
        ),
        headers=("queries", "database", "N", "T1Gd", "FLAIR", "T1Gd + FLAIR"),
        rows=rows,
        records=records,
    )


def reconstructions(evaluation: RetrievalEvaluation) -> RetrievalTable:
    """Dice of masks with their reconstruction by a network, beside the thesis'."""
    keys = {result.label: result.strategy.published for result in evaluation.strategies}
    published = {(each.key, each.group): each for each in PUBLISHED_RECONSTRUCTIONS}
    rows, records = [], []
    for score in evaluation.reconstructions():
        thesis = published.get((keys[score.label] or "", score.group))
        rows.append(
            [
                score.label,
                score.group,
                str(score.num_flair),
                number(score.dice_flair, ".3f"),
                number(score.dice_t1gd, ".3f"),
                _NOTHING if thesis is None else f"{thesis.dice_flair:.3f} / {thesis.dice_t1gd:.3f}",
            ]
        )
        records.append(
            {
                **asdict(score),
                "thesis_dice_flair": math.nan if thesis is None else thesis.dice_flair,
                "thesis_dice_t1gd": math.nan if thesis is None else thesis.dice_t1gd,
            }
        )
    return RetrievalTable(
        name="reconstructions",
        title="Reconstruction by the networks",
        note="Mean Dice. The thesis' synthetic tumors are those of its database, ours are held out.",
        headers=("network", "queries", "number", "FLAIR", "T1Gd", "thesis (FLAIR / T1Gd)"),
        rows=rows,
        records=records,
    )


def networks(evaluation: RetrievalEvaluation) -> RetrievalTable:
    """What was varied between networks: latent size, loss, number of training tumors."""
    found = network_rows(evaluation)
    return RetrievalTable(
        name="networks",
        title="Latent sizes, losses and training sets",
        note=(
            "Setting `small`: trained with less than the papers' network, tumors or epochs. Validation losses of "
            "networks with different losses cannot be compared."
        ),
        headers=(
            "queries", "kind", "loss", "training tumors", "latent", "setting", "epochs", "validation FLAIR / T1Gd",
            "reconstruction FLAIR / T1Gd", "top-1", "top-5", "top-15", "mean Δ",
        ),
        rows=[
            [
                row.group,
                row.kind,
                row.loss,
                f"{row.num_training_tumors:,}",
                str(row.latent_size),
                row.setting,
                str(row.num_epochs),
                f"{number(row.validation_flair)} / {number(row.validation_t1gd)}",
                f"{number(row.reconstruction_flair, '.3f')} / {number(row.reconstruction_t1gd, '.3f')}",
                *(number(share, ".1%") for share in (row.top1, row.top5, row.top15)),
                number(row.dice_lost, ".3f"),
            ]
            for row in found
        ],
        records=[asdict(row) for row in found],
    )  # fmt: skip


def patients(evaluation: RetrievalEvaluation) -> RetrievalTable:
    """Seconds of each real patient's way around the query."""
    return RetrievalTable(
        name="patients",
        title="Around the query: real patients",
        note="Seconds of what every strategy needs before and after its query; scoring and writing are left out.",
        headers=("patient", "registration", "masks to the atlas", "density to the patient"),
        rows=[
            [each.name, *(number(value, ".2f") for value in (each.registration_s, each.masks_s, each.density_s))]
            for each in evaluation.patients
        ],
        records=[asdict(each) for each in evaluation.patients],
    )


def _accuracy_cells(score: StrategyScore, percents: tuple[float, float, float] | None) -> list[str]:
    return [
        score.label,
        str(score.num_queries),
        *(number(share, ".1%") for share in (score.top1, score.top5, score.top15)),
        _percents(percents),
        number(score.median_rank, "g"),
    ]


def _runtime_cells(timing: StrategyTiming, published: PublishedStrategy | None) -> list[str]:
    return [
        _milliseconds(timing.median_s),
        _milliseconds(timing.p90_s),
        number(timing.loading_s, ".3f"),
        number(timing.with_loading_s, ".3f"),
        _NOTHING if published is None else f"{published.seconds:g}",
        number(timing.pipeline_s, ".1f"),
    ]


def _milliseconds(seconds: float) -> str:
    return number(1e3 * seconds, ",.0f" if seconds >= 0.1 else ".3g")


def _published(key: str | None) -> PublishedStrategy | None:
    return None if key is None else PUBLISHED_STRATEGIES[key]


def _published_percents(published: PublishedStrategy | None, group: str) -> tuple[float, float, float] | None:
    """Top-1, top-5 and top-15 that were published for a group of queries [%]."""
    if published is None or group not in (REAL_GROUP, SYNTHETIC_GROUP):
        return None
    return published.top_percent if group == REAL_GROUP else published.synthetic_top_percent


def _percent_record(percents: tuple[float, float, float] | None) -> dict[str, float]:
    top = percents or (math.nan,) * 3
    return {f"papers_top{n}_percent": percent for n, percent in zip(TOP, top, strict=True)}


def _percents(percents: tuple[float, float, float] | None) -> str:
    return _NOTHING if percents is None else "/".join(f"{percent:g}" for percent in percents)


def _rank_and_loss(rank: float, dice_lost: float) -> str:
    if math.isnan(rank):
        return _NOTHING
    return "no answer" if math.isinf(rank) else f"{rank:.0f} (Δ={dice_lost:.2f})"


def _part(matches: Matches, rows: Any) -> Matches:
    return Matches(tumor=matches.tumor[rows], dice_t1gd=matches.dice_t1gd[rows], dice_flair=matches.dice_flair[rows])


def _defined_mean(values: Any) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else math.nan


def _mean_and_error(values: Any) -> str:
    defined = values[~np.isnan(values)]
    error = float(defined.std(ddof=1)) / math.sqrt(len(defined)) if len(defined) > 1 else math.nan
    return f"{number(_defined_mean(values), '.3f')} ± {number(error, '.3f')}"
