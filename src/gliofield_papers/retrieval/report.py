"""The whole evaluation of retrieval as one page of Markdown and one JSON record."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gliofield_papers.retrieval.evaluation import DatabaseDescription, RetrievalEvaluation
from gliofield_papers.retrieval.networks import learning_curves
from gliofield_papers.retrieval.published import (
    PUBLISHED_BEST_DICE,
    PUBLISHED_PIPELINE_MINUTES,
    PUBLISHED_RECONSTRUCTIONS,
    PUBLISHED_STRATEGIES,
)
from gliofield_papers.retrieval.ranking import NO_TUMOR
from gliofield_papers.retrieval.scores import StrategyResult
from gliofield_papers.retrieval.tables import retrieval_tables


def retrieval_report(evaluation: RetrievalEvaluation) -> str:
    """Conditions, what differs from the papers, and all tables, as sections of the third level."""
    tables = [table.markdown() for table in retrieval_tables(evaluation)]
    return "\n\n".join([conditions_text(evaluation), _remarks(evaluation), *tables])


def conditions_text(evaluation: RetrievalEvaluation) -> str:
    """What was searched, asked and measured on, with a warning if others wanted the cores as well."""
    conditions = evaluation.conditions
    versions = ", ".join(f"{name} {version}" for name, version in conditions.versions.items())
    counts = ", ".join(f"{len(evaluation.rows_of(group)):,} {group}" for group in evaluation.groups)
    lines = [
        f"- {_database_text(evaluation.database)}",
        f"- queries: {counts}",
        f"- {conditions.architecture}, {conditions.num_cores} cores, {conditions.num_threads} threads, load average "
        f"{conditions.load_average_before:.1f} before and {conditions.load_average_after:.1f} after",
        *([f"- networks on {', '.join(conditions.network_devices)}"] if conditions.network_devices else []),
        f"- exact ranking: {conditions.num_passes} passes over the store, {conditions.ranking_s:.0f} s",
        f"- {versions}",
    ]
    if evaluation.comparison is not None:
        lines.insert(1, f"- compared with {_database_text(evaluation.comparison.databases[1])}")
    if conditions.is_machine_busy:
        lines.append(f"- {conditions.busy_warning}")
    return "\n".join(lines)


def retrieval_record(evaluation: RetrievalEvaluation) -> dict[str, Any]:
    """Everything for a JSON file (`write_json`): conditions, tables, each query's answers, published figures."""
    queries = evaluation.queries
    return {
        "database": asdict(evaluation.database),
        "settings": asdict(evaluation.settings),
        "conditions": asdict(evaluation.conditions),
        "query_settings": dict(queries.settings),
        "tables": {table.name: table.records() for table in retrieval_tables(evaluation)},
        "timings": [asdict(timing) for timing in evaluation.timings()],
        "comparison": _comparison_record(evaluation),
        "learning_curves": [asdict(curve) for curve in learning_curves(evaluation.strategies)],
        "queries": [
            {
                "name": queries.names[row],
                "group": queries.groups[row],
                "best_tumor": evaluation.best.tumor[row],
                "dice_t1gd": evaluation.best.dice_t1gd[row],
                "dice_flair": evaluation.best.dice_flair[row],
                "strategies": {
                    result.label: {**_answer_of(result, row), "hits": _hits(result, row)}
                    for result in evaluation.strategies
                    if result.answers.asked[row]
                },
            }
            for row in range(len(queries.names))
        ],
        "notes": evaluation.notes,
        "problems": {
            result.label: result.answers.problems for result in evaluation.strategies if result.answers.problems
        },
        "published": {
            "strategies": [asdict(each) for each in PUBLISHED_STRATEGIES.values()],
            "reconstructions": [asdict(each) for each in PUBLISHED_RECONSTRUCTIONS],
            "best_dice": [asdict(each) for each in PUBLISHED_BEST_DICE.values()],
            "pipeline_minutes": PUBLISHED_PIPELINE_MINUTES,
        },
    }


def answer_records(evaluation: RetrievalEvaluation) -> list[dict[str, Any]]:
    """Every query's answer by every strategy that was asked it, as flat records."""
    return [
        {
            "query": evaluation.queries.names[row],
            "group": evaluation.queries.groups[row],
            "strategy": result.label,
            **_answer_of(result, row),
        }
        for row in range(len(evaluation.queries.names))
        for result in evaluation.strategies
        if result.answers.asked[row]
    ]


def _answer_of(result: StrategyResult, row: int) -> dict[str, Any]:
    """What a strategy answered to one query, and what that is worth."""
    ranked, answers = result.ranked, result.answers
    return {
        "tumor": int(ranked.best.tumor[row]),
        "rank": float(ranked.rank[row]),
        "num_shared": float(ranked.num_shared[row]),
        "dice_lost": float(ranked.dice_lost[row]),
        "dice_t1gd": float(ranked.best.dice_t1gd[row]),
        "dice_flair": float(ranked.best.dice_flair[row]),
        "seconds": float(answers.seconds[row]),
        "reconstruction_flair": float(answers.reconstruction_dice[row, 0]),
        "reconstruction_t1gd": float(answers.reconstruction_dice[row, 1]),
    }


def _remarks(evaluation: RetrievalEvaluation) -> str:
    lines = [
        "What differs from the papers: tumors of another solver in another tissue domain, other patients and "
        "registrations, other machines. Ranks and Dice compare strategies here; seconds compare with the papers' in "
        "order of magnitude only. For research use only.",
    ]
    small = [
        result.label
        for result in evaluation.strategies
        if result.strategy.network is not None
        and result.strategy.network.is_small
        and result.strategy.network.is_trained
    ]
    if small:
        lines.append(f"Trained at less than the papers' setting: {', '.join(small)}.")
    exhaustive = [result.label for result in evaluation.strategies if result.strategy.is_exhaustive]
    if exhaustive:
        lines.append(
            f"{', '.join(exhaustive)}: each query reads the whole database, so only the first "
            f"{evaluation.settings.num_direct_queries} of each group are asked."
        )
    lines += [
        f"{result.label} refused queries: {problem}"
        for result in evaluation.strategies
        for problem in result.answers.problems
    ]
    lines += evaluation.notes
    return "\n\n".join(lines)


def _database_text(database: DatabaseDescription) -> str:
    return (
        f"{database.name}: {database.num_tumors:,} tumors, design {database.design}, model {database.model}, seed "
        f"{database.root_seed}, atlas {database.atlas}, domain {database.domain_rule}, {database.grid}; thresholds "
        f"T1Gd {database.t1gd_threshold:g}, FLAIR {database.flair_threshold:g}"
    )


def _comparison_record(evaluation: RetrievalEvaluation) -> dict[str, Any] | None:
    comparison = evaluation.comparison
    if comparison is None:
        return None
    return {
        "num_tumors": comparison.num_tumors,
        "databases": [
            {**asdict(database), "dice_t1gd": best.dice_t1gd, "dice_flair": best.dice_flair, "best_tumor": best.tumor}
            for database, best in zip(comparison.databases, comparison.best, strict=True)
        ],
    }


def _hits(result: StrategyResult, row: int) -> list[int]:
    return [tumor for tumor in result.answers.hits[row].tolist() if tumor != NO_TUMOR]
