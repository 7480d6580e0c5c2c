"""Every table of the papers' commands, from small results made up of a few numbers: what is stored, and how.

The texts in `tests/papers/golden/tables` were written by the hand-written tables that `ResultTable` replaced, and are
written anew by nothing but

    PYTHONPATH=tests/support python tests/support/stored_tables.py
"""

import dataclasses
import json
import math
import tempfile
from pathlib import Path

import made_up_bayes
import numpy as np
from growing_ball import build_balls
from made_up_evaluations import inverse_evaluation, method_answer, surrogate_evaluation
from phantom_brain import phantom_atlas
from repository import ROOT
from retrieval_fakes import fake_network, fake_strategy, queries_of

from gliofield.growth import FisherKolmogorovParameters
from gliofield.report import plain_json
from gliofield.report.tables import csv_of
from gliofield_papers.bayes.folder import bayes_record
from gliofield_papers.bayes.tables import bayes_report
from gliofield_papers.databases.coverage import TumorCohort
from gliofield_papers.databases.coverage_tables import coverage_table
from gliofield_papers.databases.matching import MatchingCurve
from gliofield_papers.databases.matching_tables import differences_table, matching_csv, matching_record, matching_table
from gliofield_papers.forward.tables import surrogate_record, surrogate_report
from gliofield_papers.inverse.tables import inverse_report, methods_record, methods_report
from gliofield_papers.retrieval.evaluation import RetrievalEvaluationSettings, evaluate_retrieval
from gliofield_papers.retrieval.pipeline import PatientPipeline
from gliofield_papers.retrieval.report import answer_records, retrieval_record, retrieval_report
from gliofield_papers.retrieval.tables import retrieval_tables
from gliofield_papers.solver.accuracy import REFERENCE_TIME_STEP_SCALE, CouplingRow, TimeStepRow
from gliofield_papers.solver.backends import BackendRow
from gliofield_papers.solver.evaluation import Conditions, MemoryRow, SolverEvaluation, SolverEvaluationSettings
from gliofield_papers.solver.front_speed import FrontSpeedRow
from gliofield_papers.solver.scaling import GridExponents, GridRow, ThreadRow
from gliofield_papers.solver.tables import solver_report
from gliofield_papers.solver.tumors import EvaluationTumor

FOLDER = ROOT / "tests" / "papers" / "golden" / "tables"
NAN = math.nan


def documents() -> dict[str, str]:
    """All texts by the names of their files."""
    return {
        **retrieval_documents(),
        **bayes_documents(),
        **solver_documents(),
        **learned_documents(),
        **database_documents(),
    }


def retrieval_documents():
    """The page, the record, and the CSV of each table and of the answers."""
    evaluation = retrieval_evaluation()
    return {
        "retrieval.md": retrieval_report(evaluation),
        "retrieval.json": _json(retrieval_record(evaluation)),
        "retrieval-answers.csv": csv_of(answer_records(evaluation)),
        **{f"retrieval-{table.name}.csv": table.csv() for table in retrieval_tables(evaluation)},
    }


def retrieval_evaluation():
    """Known strategies on balls in the phantom, with seconds that no clock gave."""
    atlas = phantom_atlas()
    anatomy = atlas.anatomy(atlas.simulation_grid(spacing_mm=6.0))
    strategies = [
        fake_strategy("exact index", published="direct"),
        fake_strategy("DS64", shift=1, published="ds64"),
        fake_strategy("silent", finds_nothing=True),
        fake_strategy("slow", is_exhaustive=True),
        fake_strategy("VAE 8", shift=3, network=fake_network(), published="vae-8"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        database = build_balls(Path(folder) / "one" / "db", anatomy=anatomy, num_tumors=20, seed=7)
        others = build_balls(Path(folder) / "two" / "db", anatomy=anatomy, num_tumors=5, seed=8)
        queries = queries_of(others, ("real", "real", "synthetic", "synthetic", "synthetic"), without_core=(4,))
        settings = RetrievalEvaluationSettings(num_direct_queries=1, num_reconstructed=2, num_threads=1)
        measured = evaluate_retrieval(database, queries, strategies, settings=settings, compare=database)
    patient = PatientPipeline(name="real-0", registration_s=10.0, masks_s=0.5, density_s=1.0)
    return dataclasses.replace(
        measured,
        patients=(patient,),
        notes=("Left out: case (no T1)",),
        strategies=tuple(_on_paper(result, 0.001 * 5.0**rank) for rank, result in enumerate(measured.strategies)),
        conditions=dataclasses.replace(
            measured.conditions,
            architecture="abacus", num_cores=2, load_average_before=0.5, load_average_after=1.5,
            versions={"Python": "3"},
            database_opening_s=0.25, num_passes=1, ranking_s=2.0,
        ),
    )  # fmt: skip


def _on_paper(result, unit_s):
    """A strategy whose queries take 1, 2, 3 … units."""
    seconds = np.where(np.isnan(result.answers.seconds), NAN, unit_s * np.arange(1, len(result.answers.seconds) + 1))
    answers = dataclasses.replace(result.answers, seconds=seconds, first_opening_s=2.0, loading_s=0.5)
    return dataclasses.replace(result, answers=answers)


def bayes_documents():
    """With and without costs, patients and failures."""
    evaluation = made_up_bayes.evaluation
    patients = (made_up_bayes.patient(with_surrogate=True),)
    alone = (made_up_bayes.patient(with_surrogate=False),)
    full = evaluation(num_failed=2, cost=made_up_bayes.COST, patients=patients)
    return {
        "bayes.md": bayes_report(full),
        "bayes.json": _json(bayes_record(full)),
        "bayes-bare.md": bayes_report(evaluation(num_cases=4, is_small=False)),
        "bayes-one-model.md": bayes_report(evaluation(num_cases=4, patients=alone)),
    }


def solver_documents():
    """With and without mass effect."""
    evaluation = solver_evaluation()
    bare = dataclasses.replace(evaluation, couplings=(), mass_effect_tumors=())
    return {"solver.md": solver_report(evaluation), "solver-bare.md": solver_report(bare)}


def solver_evaluation():
    """A row or two of every table."""
    rates = {"white_matter_diffusivity_mm2_per_day": 0.1, "proliferation_rate_per_day": 0.025}
    tumors = tuple(
        EvaluationTumor(
            parameters=FisherKolmogorovParameters(**rates, seed_mm=(0.0, 0.0, 0.0)), time_days=300.0, volume_ml=ml
        )
        for ml in (50.25, 8.0)
    )
    step = TimeStepRow(
        time_step_scale=1.0, dice_flair_min=0.99712, dice_flair_median=0.999, dice_t1gd_min=0.9951,
        dice_t1gd_median=0.998, num_steps=31.0, seconds=0.1234, ns_per_voxel_step=2.345,
    )  # fmt: skip
    reference = dataclasses.replace(
        step, time_step_scale=REFERENCE_TIME_STEP_SCALE, dice_flair_min=NAN, dice_flair_median=NAN, dice_t1gd_min=NAN,
        dice_t1gd_median=NAN,
    )  # fmt: skip
    coupling = CouplingRow(
        num_coupling_steps=16, force_tolerance=1e-3, num_failed=1, displacement_error=0.0123, dice_flair_min=0.99,
        largest_displacement_mm=4.56, seconds=3.21, num_solver_iterations=120.0, min_jacobian_determinant=0.71,
    )  # fmt: skip
    grid = GridRow(
        model="fisher-kolmogorov", spacing_mm=1.875, num_domain_voxels=170_000, front_resolution=1.07, volume_ml=50.3,
        seconds=0.1234, num_voxel_steps=50_000_000, num_solver_iterations=0,
    )  # fmt: skip
    return SolverEvaluation(
        settings=SolverEvaluationSettings(),
        conditions=Conditions(
            atlas="phantom", domain_rule="brain", grid="shape (2, 2, 2)", num_domain_voxels=1234, domain_ml=12.5,
            architecture="abacus", num_cores=2, load_average_before=0.1, load_average_after=9.0,
            versions={"Python": "3"},
        ),
        tumors=tumors,
        mass_effect_tumors=tumors,
        time_steps=(step, reference),
        couplings=(coupling, dataclasses.replace(coupling, num_coupling_steps=64, displacement_error=NAN)),
        backends=(
            BackendRow(
                backend="numba", num_runs=3, seconds=0.1, ns_per_voxel_step=2.0, numba_seconds=0.1, note="compiled"
            ),
            BackendRow(backend="cuda", note="no device | none"),
        ),
        grids=(grid, dataclasses.replace(grid, model="mass-effect", num_solver_iterations=1_200)),
        exponents=(
            GridExponents(model="fisher-kolmogorov", seconds=1.41, voxel_steps=1.3, seconds_per_voxel_step=0.1),
            GridExponents(model="mass-effect", seconds=1.2, voxel_steps=NAN, seconds_per_voxel_step=NAN),
        ),
        threads=(ThreadRow(model="mass-effect", spacing_mm=1.875, num_threads=2, seconds=12.345, gain=1.6),),
        fronts=(FrontSpeedRow(front_resolution=0.5, speed_over_exact=0.91, lattice_over_exact=0.93),),
        memory=(MemoryRow(after="loading", peak_gib=0.456),),
    )  # fmt: skip


def learned_documents():
    """Inverse networks, methods beside each other, surrogates on both devices."""
    names = ("one.safetensors", "two.safetensors")
    answers = [
        method_answer("q1", "query"), method_answer("q2", "query"), method_answer("q1", "infer"),
        method_answer("q2", "infer", failure="it fails"),
    ]  # fmt: skip
    inverse, surrogate = inverse_evaluation(names), surrogate_evaluation([0.2, 0.4], names)
    on_gpu = surrogate_evaluation([0.2, 0.4], names, device="H", solver_batched_s=0.02)
    return {
        "inverse.md": inverse_report(inverse),
        "methods.md": methods_report(answers),
        "methods.json": _json(methods_record(answers)),
        "surrogate.md": surrogate_report(surrogate),
        "surrogate.json": _json(surrogate_record(surrogate)),
        "surrogate-on-gpu.md": surrogate_report(on_gpu),
    }


def database_documents():
    """Coverage and matching of two databases."""
    curves = [_curve("clinical", 0.0), _curve("papers", 0.1)]
    cohorts = [_cohort("clinical", 101), _cohort("papers", 11)]
    return {
        "matching.md": matching_table(curves),
        "matching-differences.md": differences_table(curves),
        "matching.csv": matching_csv(curves),
        "matching.json": _json(matching_record(curves)),
        "coverage.md": coverage_table(cohorts, _cohort("patients", 5)),
        "coverage-alone.md": coverage_table(cohorts),
    }


def _curve(name, gain):
    sizes, groups = (500, 1000, 50_000), ("real", "real", "clinical", "papers", "virtual", "virtual")
    offsets = np.linspace(0.0, 0.2, len(groups))[:, np.newaxis]
    best = tuple(
        0.5 + 0.1 * step + gain + offsets + np.array([0.0, 0.02])[: 2 if step < len(sizes) - 1 else 1]
        for step in range(len(sizes))
    )
    names = tuple(f"q{number}" for number in range(len(groups)))
    return MatchingCurve(
        name=name, sizes=sizes, query_names=names, query_groups=groups, best=best, settings={"of": name}
    )


def _cohort(name, number):
    whole_ml = np.linspace(1.0, 101.0, number)
    offset_mm = np.column_stack([np.linspace(-40.0, 40.0, number), whole_ml, -whole_ml])
    return TumorCohort(name=name, core_ml=0.25 * whole_ml, whole_ml=whole_ml, offset_mm=offset_mm)


def _json(content) -> str:
    """One line for each value of the outermost level."""
    plain = plain_json(content)
    if isinstance(plain, list):
        return "[\n" + ",\n".join(f" {json.dumps(value, allow_nan=False)}" for value in plain) + "\n]\n"
    lines = (f" {json.dumps(name)}: {json.dumps(value, allow_nan=False)}" for name, value in plain.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
