"""The tables of ``gliofield papers retrieval``: Markdown to read, CSV to compute with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gliofield.metrics.statistics import Mean, mean_of, paired_difference
from gliofield.report.tables import NOTHING, Column, ResultTable, number
from gliofield_papers.queries.matching_queries import REAL_GROUP
from gliofield_papers.queries.retrieval_queries import SYNTHETIC_GROUP
from gliofield_papers.retrieval.cases import RetrievalCase
from gliofield_papers.retrieval.evaluation import DatabaseDescription, RetrievalEvaluation
from gliofield_papers.retrieval.networks import network_rows
from gliofield_papers.retrieval.published import (
    PUBLISHED_BEST_DICE,
    PUBLISHED_PIPELINE_MINUTES,
    PUBLISHED_RECONSTRUCTIONS,
    PUBLISHED_STRATEGIES,
    PublishedStrategy,
)
from gliofield_papers.retrieval.ranking import Matches
from gliofield_papers.retrieval.scores import TOP, ReconstructionScore, StrategyScore, StrategyTiming

#: Names of all tables.
TABLE_NAMES = (
    "table_1_accuracy_and_runtime",
    "table_2_real_and_synthetic",
    "best_dice",
    "ranks_and_dice_lost",
    "what_training_buys",
    "cases",
    "models_compared",
    "reconstructions",
    "networks",
    "patients",
)


_ACCURACY = tuple(Column(f"top-{n}", f"top{n}", ".1%") for n in TOP)


def retrieval_tables(evaluation: RetrievalEvaluation) -> tuple[ResultTable, ...]:
    """All tables that have a row."""
    makers: tuple[Callable[[RetrievalEvaluation], ResultTable], ...] = (
        accuracy_and_runtime,
        real_and_synthetic,
        best_dice,
        ranks,
        gains,
        thesis_cases,
        models_compared,
        reconstructions,
        networks,
        patients,
    )
    return tuple(table for table in (make(evaluation) for make in makers) if table.rows)


@dataclass(frozen=True, kw_only=True)
class _Published:
    """A strategy on a group of queries, and what was published of it; Table 1 adds what it costs."""

    score: StrategyScore
    published: PublishedStrategy | None
    timing: StrategyTiming | None = None

    @property
    def percents(self) -> tuple[float, float, float] | None:
        """Top-1, top-5 and top-15 that were published for the group [%]."""
        if self.published is None or self.score.group not in (REAL_GROUP, SYNTHETIC_GROUP):
            return None
        is_real = self.score.group == REAL_GROUP
        return self.published.top_percent if is_real else self.published.synthetic_top_percent

    def record(self) -> dict[str, Any]:
        """Ours, then the papers'."""
        top = self.percents or (math.nan,) * len(TOP)
        return {
            **asdict(self.score),
            **({} if self.timing is None else asdict(self.timing)),
            **{
                f"top{n}_{end}": bound
                for n in TOP
                for end, bound in zip(("low", "high"), self.score.top_interval(n), strict=True)
            },
            **{f"papers_top{n}_percent": percent for n, percent in zip(TOP, top, strict=True)},
        }


def _of_score(title: str, name: str, form: str | None = None) -> Column:
    return Column(title, lambda row: getattr(row.score, name), form)


def _of_timing(title: str, name: str, form: str) -> Column:
    return Column(title, lambda row: getattr(row.timing, name), form)


_QUERIES = (_of_score("queries", "group"), _of_score("strategy", "label"), _of_score("number", "num_queries"))
_TOP = (
    *(Column(f"top-{n}", lambda row, n=n: _share(row.score, n)) for n in TOP),
    Column(
        "papers' top-1/5/15",
        lambda row: None if row.percents is None else "/".join(f"{percent:g}" for percent in row.percents),
    ),
)


def accuracy_and_runtime(evaluation: RetrievalEvaluation) -> ResultTable:
    """Table 1 of the papers, on real patients where there are any, else on the first group."""
    group = evaluation.groups[0]
    scores = {score.label: score for score in evaluation.scores() if score.group == group}
    timings = {timing.label: timing for timing in evaluation.timings()}
    low, high = PUBLISHED_PIPELINE_MINUTES
    ranking_alone = [label for label in scores if timings[label].is_ranking_alone]
    timed = "the whole search"
    if ranking_alone:
        timed += f"; of {', '.join(ranking_alone)} the ranking without the full-resolution Dice that hits carry"
    return ResultTable(
        name="table_1_accuracy_and_runtime",
        title=f"Table 1: accuracy and runtime ({group})",
        note=(
            "Top-n: share of queries whose best match by the strategy is among the exact n best; a tumor's rank is one "
            "more than the number strictly nearer, so equal Dice shares a rank; in parentheses Wilson's 95 % interval. "
            "Runtime of a query over all groups, loading excluded (median, 90th percentile) and included (database, "
            f"index, network); timed is {timed}. Pipeline: "
            "registration, loading, query and way back, medians over patients; the papers give "
            f"{low:g} to {high:g} min. Papers: 62 patients, 50,000 tumors, 32 processes or a GPU, loading included."
        ),
        columns=(
            _of_score("strategy", "label"),
            _of_score("queries", "num_queries"),
            *_TOP,
            _of_score("median rank", "median_rank", "g"),
            Column("query ms", lambda row: _milliseconds(row.timing.median_s)),
            Column("p90 ms", lambda row: _milliseconds(row.timing.p90_s)),
            _of_timing("loading s", "loading_s", ".3f"),
            _of_timing("with loading s", "with_loading_s", ".3f"),
            Column("papers s", lambda row: None if row.published is None else row.published.seconds, "g"),
            _of_timing("pipeline s", "pipeline_s", ".1f"),
        ),
        rows=[
            _Published(
                score=scores[result.label],
                published=_published(result.strategy.published),
                timing=timings[result.label],
            )
            for result in evaluation.strategies
            if result.label in scores
        ],
        record=lambda row: {
            **row.record(),
            "papers_name": "" if row.published is None else row.published.name,
            "papers_seconds": math.nan if row.published is None else row.published.seconds,
        },
    )


def real_and_synthetic(evaluation: RetrievalEvaluation) -> ResultTable:
    """Table 2 of the papers for all strategies and all groups of queries."""
    strategies = {result.label: result.strategy for result in evaluation.strategies}
    return ResultTable(
        name="table_2_real_and_synthetic",
        title="Table 2: real and synthetic queries",
        note=(
            "`synthetic` are held-out tumors of the database's own design, as in the papers; other groups come from "
            "files. Unanswered queries count as misses. In parentheses Wilson's 95 % interval."
        ),
        columns=(*_QUERIES, *_TOP, _of_score("unanswered", "num_unanswered")),
        rows=[
            _Published(score=score, published=_published(strategies[score.label].published))
            for score in _scores_by_group(evaluation)
        ],
        record=_Published.record,
    )


@dataclass(frozen=True, kw_only=True)
class _BestOfGroup:
    """Dice of the exact best matches of a group of queries, in a database; `gain`: of the sum over another one."""

    group: str
    best: Matches
    database: DatabaseDescription
    gain: Mean | None = None

    @property
    def num_queries(self) -> int:
        """How many."""
        return len(self.best.tumor)

    @property
    def num_without_core(self) -> int:
        """Queries ranked by FLAIR alone."""
        return int(np.count_nonzero(np.isnan(self.best.dice_t1gd)))

    def means(self) -> dict[str, float]:
        """Mean Dice over queries that have it."""
        return {f"mean_{name}": mean_of(getattr(self.best, name)).mean for name in _DICE}


_DICE = ("dice_t1gd", "dice_flair", "combined_dice")
_BEST_DICE = tuple(
    Column(title, lambda row, name=name: _mean_and_error(getattr(row.best, name)))
    for title, name in zip(("T1Gd", "FLAIR", "T1Gd + FLAIR"), _DICE, strict=True)
)


def best_dice(evaluation: RetrievalEvaluation) -> ResultTable:
    """Mean Dice of the exact best match per group of queries."""

    def published(row: _BestOfGroup) -> float | None:
        return PUBLISHED_BEST_DICE[row.group].combined if row.group in PUBLISHED_BEST_DICE else None

    return ResultTable(
        name="best_dice",
        title="Mean Dice of the exact best match",
        note=(
            "Mean ± standard error over queries. Queries without a core are ranked by FLAIR alone and left out of T1Gd "
            "and of the sum."
        ),
        columns=(
            Column("queries", "group"),
            Column("number", "num_queries"),
            Column("without core", "num_without_core"),
            *_BEST_DICE,
            Column("papers", published, ".2f"),
        ),
        rows=_best_of_groups(evaluation, evaluation.best, evaluation.database),
        record=lambda row: {
            "group": row.group,
            "num_queries": row.num_queries,
            "num_without_core": row.num_without_core,
            **row.means(),
            "papers_combined_dice": math.nan if published(row) is None else published(row),
        },
    )


def ranks(evaluation: RetrievalEvaluation) -> ResultTable:
    """The thesis' other measures: rank, intersection of the top 15, Dice lost."""
    return ResultTable(
        name="ranks_and_dice_lost",
        title="Rank of the best match, intersection of the top 15, Dice lost",
        note=(
            "Δ: Dice sum of the exact best less that of the strategy's best match (FLAIR alone without a core). Of the "
            "15 hits those count whose exact rank is 15 or better. The last column is the mean sum of the strategy's "
            "own best match. ±: standard error."
        ),
        columns=(
            Column("queries", "group"),
            Column("strategy", "label"),
            Column("number", "num_queries"),
            Column("median rank", "median_rank", "g"),
            Column("worst rank", "worst_rank", "g"),
            Column("of the exact 15", "num_shared", ".1f"),
            Column("mean Δ", lambda score: plus_minus(score.dice_lost, score.dice_lost_error)),
            Column("p90 Δ", "dice_lost_p90", ".3f"),
            Column("T1Gd + FLAIR", "combined_dice", ".3f"),
        ),
        rows=_scores_by_group(evaluation),
        record=asdict,
    )


def gains(evaluation: RetrievalEvaluation) -> ResultTable:
    """What networks find beyond controls that learned nothing; no row without networks."""
    return ResultTable(
        name="what_training_buys",
        title="What training buys",
        note=(
            "Networks less controls, mean ± standard error of the differences query by query: points of per cent for "
            "top-n, Dice for Δ (below 0: the network loses less). Untrained: the weights that the training began with."
        ),
        columns=(
            Column("queries", "group"),
            Column("network", "label"),
            Column("less the control", "control"),
            *(Column(f"top-{n}", lambda row, n=n: _points(getattr(row, f"top{n}"))) for n in TOP),
            Column("Δ", lambda row: plus_minus(row.dice_lost.mean, row.dice_lost.standard_error, "+.3f")),
        ),
        rows=evaluation.gains(),
        record=lambda row: {
            "group": row.group,
            "label": row.label,
            "control": row.control,
            **{
                f"{name}_{part}": getattr(getattr(row, name), part)
                for name in (*(f"top{n}" for n in TOP), "dice_lost")
                for part in ("mean", "standard_error")
            },
        },
    )


def thesis_cases(evaluation: RetrievalEvaluation) -> ResultTable:
    """The thesis' Table 2: five cases of real patients, and five synthetic ones."""
    ranked = {result.label: result.ranked for result in evaluation.strategies}
    best = evaluation.best
    values = {"combined": best.combined_dice, "t1gd": best.dice_t1gd, "flair": best.dice_flair}

    def record(case: RetrievalCase) -> dict[str, Any]:
        low, high = case.dice_bin
        found: dict[str, Any] = {"name": case.name, "group": case.group, "bin_low": low, "bin_high": high}
        found |= {name: dice[case.row] for name, dice in values.items()}
        for label, each in ranked.items():
            found |= {f"{label}: rank": each.rank[case.row], f"{label}: dice lost": each.dice_lost[case.row]}
        return found

    return ResultTable(
        name="cases",
        title="Cases by Dice of the exact best",
        note=(
            "The query nearest to the middle of each bin; the thesis' bins for real patients, five equal ones over "
            "their range for synthetic tumors. Cells of strategies: exact rank of the best match (Δ)."
        ),
        columns=(
            Column("query", "name"),
            Column("bin", lambda case: f"{case.dice_bin[0]:.2f}-{case.dice_bin[1]:.2f}"),
            *(
                Column(title, lambda case, dice=dice: dice[case.row], ".3f")
                for title, dice in zip(("T1Gd + FLAIR", "T1Gd", "FLAIR"), values.values(), strict=True)
            ),
            *(
                Column(label, lambda case, each=each: _rank_and_loss(each.rank[case.row], each.dice_lost[case.row]))
                for label, each in ranked.items()
            ),
        ),
        rows=evaluation.cases,
        record=record,
    )


def models_compared(evaluation: RetrievalEvaluation) -> ResultTable:
    """Best matches in two databases at equal N, per group of queries; no row without a second database."""
    comparison = evaluation.comparison
    num_tumors = 0 if comparison is None else comparison.num_tumors
    by_database = [
        _best_of_groups(evaluation, matches, database)
        for database, matches in (() if comparison is None else zip(comparison.databases, comparison.best, strict=True))
    ]
    if by_database:
        by_database[1] = [
            replace(own, gain=paired_difference(own.best.combined_dice, first.best.combined_dice).mean)
            for first, own in zip(*by_database, strict=True)
        ]
    return ResultTable(
        name="models_compared",
        title="Growth models at equal N",
        note=(
            "Mean Dice ± standard error of the exact best among the first N tumors of each database, on its own grid. "
            "Synthetic queries come from the first database's design and model, which favors it. Last column: query by "
            "query, the second less the first."
        ),
        columns=(
            Column("queries", "group"),
            Column("database", lambda row: f"{row.database.name} ({row.database.model})"),
            Column("N", lambda row: num_tumors, ","),
            *_BEST_DICE,
            Column(
                "difference",
                lambda row: None if row.gain is None else plus_minus(row.gain.mean, row.gain.standard_error, "+.3f"),
            ),
        ),
        rows=[row for rows in zip(*by_database, strict=True) for row in rows],
        record=lambda row: {
            "group": row.group,
            "database": row.database.name,
            "model": row.database.model,
            "design": row.database.design,
            "num_tumors": num_tumors,
            "num_queries": row.num_queries,
            **row.means(),
            "difference": None if row.gain is None else row.gain.mean,
            "difference_error": None if row.gain is None else row.gain.standard_error,
        },
    )


def reconstructions(evaluation: RetrievalEvaluation) -> ResultTable:
    """Dice of masks with their reconstruction by a network, beside the thesis'."""
    keys = {result.label: result.strategy.published or "" for result in evaluation.strategies}
    published = {(each.key, each.group): each for each in PUBLISHED_RECONSTRUCTIONS}

    def thesis(score: ReconstructionScore) -> tuple[float, float]:
        found = published.get((keys[score.label], score.group))
        return (math.nan, math.nan) if found is None else (found.dice_flair, found.dice_t1gd)

    return ResultTable(
        name="reconstructions",
        title="Reconstruction by the networks",
        note="Mean Dice. `database`: its first tumors, some of which a network may have learned from.",
        columns=(
            Column("network", "label"),
            Column("queries", "group"),
            Column("number", "num_flair"),
            Column("FLAIR", "dice_flair", ".3f"),
            Column("T1Gd", "dice_t1gd", ".3f"),
            Column("thesis (FLAIR / T1Gd)", lambda score: _pair(thesis(score), ".3f")),
        ),
        rows=evaluation.reconstructions(),
        record=lambda score: {
            **asdict(score),
            **dict(zip(("thesis_dice_flair", "thesis_dice_t1gd"), thesis(score), strict=True)),
        },
    )


def networks(evaluation: RetrievalEvaluation) -> ResultTable:
    """What was varied between networks: latent size, loss, number of training tumors."""
    return ResultTable(
        name="networks",
        title="Latent sizes, losses and training sets",
        note=(
            "Setting `small`: trained with less than the papers' network, tumors or epochs. Validation losses of "
            "networks with different losses cannot be compared."
        ),
        columns=(
            Column("queries", "group"),
            Column("kind", "kind"),
            Column("loss", "loss"),
            Column("training tumors", "num_training_tumors", ","),
            Column("latent", "latent_size"),
            Column("setting", "setting"),
            Column("epochs", "num_epochs"),
            Column(
                "validation FLAIR / T1Gd",
                lambda row: f"{number(row.validation_flair)} / {number(row.validation_t1gd)}",
            ),
            Column(
                "reconstruction FLAIR / T1Gd",
                lambda row: f"{number(row.reconstruction_flair, '.3f')} / {number(row.reconstruction_t1gd, '.3f')}",
            ),
            *_ACCURACY,
            Column("mean Δ", "dice_lost", ".3f"),
        ),
        rows=network_rows(evaluation),
        record=asdict,
    )


def patients(evaluation: RetrievalEvaluation) -> ResultTable:
    """Seconds of each real patient's way around the query."""
    return ResultTable(
        name="patients",
        title="Around the query: real patients",
        note="Seconds of what every strategy needs before and after its query; scoring and writing are left out.",
        columns=(
            Column("patient", "name"),
            Column("registration", "registration_s", ".2f"),
            Column("masks to the atlas", "masks_s", ".2f"),
            Column("density to the patient", "density_s", ".2f"),
        ),
        rows=evaluation.patients,
        record=asdict,
    )


def _scores_by_group(evaluation: RetrievalEvaluation) -> list[StrategyScore]:
    return sorted(evaluation.scores(), key=lambda score: evaluation.groups.index(score.group))


def _best_of_groups(
    evaluation: RetrievalEvaluation, matches: Matches, database: DatabaseDescription
) -> list[_BestOfGroup]:
    found = []
    for group in evaluation.groups:
        at = evaluation.rows_of(group)
        best = Matches(tumor=matches.tumor[at], dice_t1gd=matches.dice_t1gd[at], dice_flair=matches.dice_flair[at])
        found.append(_BestOfGroup(group=group, best=best, database=database))
    return found


def _milliseconds(seconds: float) -> str:
    return number(1e3 * seconds, ",.0f" if seconds >= 0.1 else ".3g")


def _published(key: str | None) -> PublishedStrategy | None:
    return None if key is None else PUBLISHED_STRATEGIES[key]


def _pair(values: tuple[float, float], form: str) -> str | None:
    return None if math.isnan(values[0]) else " / ".join(number(value, form) for value in values)


def _rank_and_loss(rank: float, dice_lost: float) -> str:
    if math.isnan(rank):
        return NOTHING
    return "no answer" if math.isinf(rank) else f"{rank:.0f} (Δ={dice_lost:.2f})"


def _mean_and_error(values: Any) -> str:
    found = mean_of(values)
    return plus_minus(found.mean, found.standard_error)


def plus_minus(mean: float, error: float, form: str = ".3f") -> str:
    """A mean with its standard error."""
    return f"{number(mean, form)} ± {number(error, form.removeprefix('+'))}"


def _share(score: StrategyScore, n: int) -> str:
    low, high = score.top_interval(n)
    return f"{number(getattr(score, f'top{n}'), '.1%')} ({number(100 * low, '.0f')}-{number(100 * high, '.0f')})"


def _points(difference: Mean) -> str:
    return plus_minus(100.0 * difference.mean, 100.0 * difference.standard_error, "+.1f")
