"""Draws the three maps of docs/reading_maps.md: a good one, a middling one, and one that failed.

    python scripts/draw_map_examples.py                  all
    python scripts/draw_map_examples.py map_failed       some

Patients are those of the virtual cohort's tune split; what is in build/map-examples already is kept. Prints what the
page says of each.
"""

import io
import sys
from pathlib import Path

from gallery import write_webp

import gliofield
from gliofield.metrics import dice
from gliofield.report import result_figure
from gliofield_evaluation.virtual import cohort_design, read_cohort, write_cohort

ROOT = Path(__file__).resolve().parent.parent
COHORT, IMAGES = ROOT / "build" / "map-examples", ROOT / "docs" / "images"
#: Name of the picture, patient, condition, method.
MAPS = (
    ("map_good", "tune-000", "none", "assimilate"),
    ("map_middling", "tune-006", "severe", "assimilate"),
    ("map_failed", "tune-003", "none", "infer"),
)
_WIDTH_PIXELS = 960


def main(names: list[str]) -> None:
    """Make the patients that are missing, personalize, draw."""
    maps = [each for each in MAPS if each[0] in names or not names]
    wanted = {patient for _, patient, _, _ in maps}
    write_cohort(COHORT, [patient for patient in cohort_design("tune") if patient.name in wanted], workers=2)
    cases = {(case.name, case.condition): case for case in read_cohort(COHORT)}
    for picture, patient, condition, method in maps:
        case = cases[patient, condition]
        result = gliofield.personalize(case.case(), method=method)
        overlap = dice(result.density_patient.data > 0.02, case.truth().data > 0.02, if_both_empty=0.0)
        print(f"{picture}: {case.kind}, {condition}, {method}: {result.verdict}")
        print(f"  Dice with the truth above 2 %: {overlap:.2f}")
        print("\n".join(f"  {each.level}: {each.name}" for each in result.concerns))
        _draw(result_figure(result, name="virtual patient"), IMAGES / f"{picture}.webp")


def _draw(figure, path: Path) -> None:
    drawn = io.BytesIO()
    figure.savefig(drawn, facecolor=figure.get_facecolor(), format="png", dpi=100)
    write_webp(drawn, path, width_pixels=_WIDTH_PIXELS)


if __name__ == "__main__":
    main(sys.argv[1:])
