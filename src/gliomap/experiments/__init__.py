"""Virtual patients with known truth, what is measured on them, and what the solvers cost."""

from gliomap.experiments.demo import DemoOutcome, run_demo
from gliomap.experiments.solver_evaluation import SolverEvaluation, SolverEvaluationSettings, evaluate_solver
from gliomap.experiments.virtual_patient import (
    TruthScore,
    VirtualPatient,
    VirtualTumor,
    make_virtual_patient,
    score_against_truth,
    virtual_tissue_maps,
    write_virtual_patient,
)

__all__ = [
    "DemoOutcome",
    "SolverEvaluation",
    "SolverEvaluationSettings",
    "TruthScore",
    "VirtualPatient",
    "VirtualTumor",
    "evaluate_solver",
    "make_virtual_patient",
    "run_demo",
    "score_against_truth",
    "virtual_tissue_maps",
    "write_virtual_patient",
]
