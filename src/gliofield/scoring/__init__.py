"""How good maps are: the masked third of real patients, and virtual patients whose tumor is known."""

from gliofield.scoring.case_rankings import control_rankings, method_rankings
from gliofield.scoring.comparison import MethodComparison, MethodOutcome, compare_methods
from gliofield.scoring.comparison_sheet import comparison_record, comparison_rows, write_comparison
from gliofield.scoring.masked_third import (
    Explanation,
    MaskedThirdEvaluation,
    MaskedThirdSettings,
    evaluate_masked_third,
)
from gliofield.scoring.masked_third_tables import masked_third_record, masked_third_report, write_masked_third
from gliofield.scoring.third_rankings import RANKINGS
from gliofield.scoring.virtual_folder import write_virtual_scores
from gliofield.scoring.virtual_scores import (
    QUICK_PATIENTS,
    ScoredCase,
    VirtualEvaluation,
    evaluate_virtual,
    first_patients,
)
from gliofield.scoring.virtual_summary import virtual_record
from gliofield.scoring.virtual_tables import virtual_report
from gliofield.scoring.volume_scores import KnownTumor, VolumeScores, score_ranking

__all__ = [
    "QUICK_PATIENTS",
    "RANKINGS",
    "Explanation",
    "KnownTumor",
    "MaskedThirdEvaluation",
    "MaskedThirdSettings",
    "MethodComparison",
    "MethodOutcome",
    "ScoredCase",
    "VirtualEvaluation",
    "VolumeScores",
    "compare_methods",
    "comparison_record",
    "comparison_rows",
    "control_rankings",
    "evaluate_masked_third",
    "evaluate_virtual",
    "first_patients",
    "masked_third_record",
    "masked_third_report",
    "method_rankings",
    "score_ranking",
    "virtual_record",
    "virtual_report",
    "write_comparison",
    "write_masked_third",
    "write_virtual_scores",
]
