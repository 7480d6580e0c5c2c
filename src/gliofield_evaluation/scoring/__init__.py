"""How good maps are: the masked third of real patients, and virtual patients whose tumor is known."""

from gliofield_evaluation.scoring.masked_third import (
    Explanation,
    MaskedThirdEvaluation,
    MaskedThirdSettings,
    evaluate_masked_third,
)
from gliofield_evaluation.scoring.masked_third_tables import (
    masked_third_record,
    masked_third_report,
    write_masked_third,
)
from gliofield_evaluation.scoring.third_rankings import RANKINGS
from gliofield_evaluation.scoring.virtual_folder import write_virtual_scores
from gliofield_evaluation.scoring.virtual_scores import (
    QUICK_PATIENTS,
    ScoredCase,
    VirtualEvaluation,
    evaluate_virtual,
    first_patients,
)
from gliofield_evaluation.scoring.virtual_summary import virtual_record
from gliofield_evaluation.scoring.virtual_tables import virtual_report

__all__ = [
    "QUICK_PATIENTS",
    "RANKINGS",
    "Explanation",
    "MaskedThirdEvaluation",
    "MaskedThirdSettings",
    "ScoredCase",
    "VirtualEvaluation",
    "evaluate_masked_third",
    "evaluate_virtual",
    "first_patients",
    "masked_third_record",
    "masked_third_report",
    "virtual_record",
    "virtual_report",
    "write_masked_third",
    "write_virtual_scores",
]
