"""The tables and figures of the papers, measured."""

from gliofield.experiments.bayes_evaluation import BayesEvaluation, BayesEvaluationSettings, evaluate_bayes
from gliofield.experiments.database_coverage import (
    QUANTITIES,
    Quantity,
    QuantityCoverage,
    TumorCohort,
    cohort_of_database,
    cohort_of_patients,
    coverage_of,
)
from gliofield.experiments.inverse_evaluation import InverseEvaluationSettings, evaluate_inverse
from gliofield.experiments.inverse_queries import compare_with_query
from gliofield.experiments.literature_volumes import PUBLISHED_VOLUMES, RANGES_TO_COVER, PublishedVolume
from gliofield.experiments.matching_queries import MatchingQueries
from gliofield.experiments.patient_volumes import PatientTumor, measure_patients
from gliofield.experiments.retrieval_evaluation import (
    RetrievalEvaluation,
    RetrievalEvaluationSettings,
    evaluate_retrieval,
)
from gliofield.experiments.retrieval_queries import (
    RegisteredPatient,
    find_patients,
    held_out_tumors,
    on_grid_of,
    register_patients,
)
from gliofield.experiments.retrieval_strategies import (
    CLASSICAL_NAMES,
    NetworkDescription,
    RetrievalStrategy,
    named_strategy,
    network_strategy,
)
from gliofield.experiments.solver_evaluation import SolverEvaluation, SolverEvaluationSettings, evaluate_solver
from gliofield.experiments.surrogate_checkpoints import load_surrogates
from gliofield.experiments.surrogate_evaluation import evaluate_surrogate
from gliofield.experiments.surrogate_times import grow_at_times

__all__ = [
    "CLASSICAL_NAMES",
    "PUBLISHED_VOLUMES",
    "QUANTITIES",
    "RANGES_TO_COVER",
    "BayesEvaluation",
    "BayesEvaluationSettings",
    "InverseEvaluationSettings",
    "MatchingQueries",
    "NetworkDescription",
    "PatientTumor",
    "PublishedVolume",
    "Quantity",
    "QuantityCoverage",
    "RegisteredPatient",
    "RetrievalEvaluation",
    "RetrievalEvaluationSettings",
    "RetrievalStrategy",
    "SolverEvaluation",
    "SolverEvaluationSettings",
    "TumorCohort",
    "cohort_of_database",
    "cohort_of_patients",
    "compare_with_query",
    "coverage_of",
    "evaluate_bayes",
    "evaluate_inverse",
    "evaluate_retrieval",
    "evaluate_solver",
    "evaluate_surrogate",
    "find_patients",
    "grow_at_times",
    "held_out_tumors",
    "load_surrogates",
    "measure_patients",
    "named_strategy",
    "network_strategy",
    "on_grid_of",
    "register_patients",
]
