"""How good maps are: the masked third of real patients, and virtual patients whose tumor is known."""

from gliofield.scoring.masked_third import (
    Explanation,
    MaskedThirdEvaluation,
    MaskedThirdSettings,
    evaluate_masked_third,
)
from gliofield.scoring.masked_third_tables import masked_third_record, masked_third_report, write_masked_third
from gliofield.scoring.third_rankings import RANKINGS

__all__ = [
    "RANKINGS",
    "Explanation",
    "MaskedThirdEvaluation",
    "MaskedThirdSettings",
    "evaluate_masked_third",
    "masked_third_record",
    "masked_third_report",
    "write_masked_third",
]
