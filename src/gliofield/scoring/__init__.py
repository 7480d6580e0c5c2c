"""How methods are put side by side: on one patient, on a tumor whose truth is known, and what of a run is finished.

Evaluations over many patients are those of `gliofield_evaluation`, which uses this.
"""

from gliofield.scoring.case_rankings import control_rankings, method_rankings
from gliofield.scoring.comparison import MethodComparison, MethodOutcome, compare_methods
from gliofield.scoring.comparison_sheet import comparison_record, comparison_rows, write_comparison
from gliofield.scoring.volume_scores import KnownTumor, VolumeScores, score_ranking

__all__ = [
    "KnownTumor",
    "MethodComparison",
    "MethodOutcome",
    "VolumeScores",
    "compare_methods",
    "comparison_record",
    "comparison_rows",
    "control_rankings",
    "method_rankings",
    "score_ranking",
    "write_comparison",
]
