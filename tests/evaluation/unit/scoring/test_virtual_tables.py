"""Tables of a virtual cohort, against numbers worked out by hand."""

import math

import pytest

from gliofield_evaluation.scoring.case_scorer import MethodScores, StatedCells
from gliofield_evaluation.scoring.stated_uncertainty import NUM_BINS, ReliabilityBins
from gliofield_evaluation.scoring.virtual_scores import ScoredCase, VirtualEvaluation
from gliofield_evaluation.scoring.virtual_summary import difference, uncertainty_summary, virtual_record
from gliofield_evaluation.scoring.virtual_tables import virtual_report

NAN = math.nan
FACTS = {
    "has_core": 1.0,
    "target_ml": 100.0,
    "cells_outside_core_ml": 20.0,
    "recurrence_enhancing_voxels": 5.0,
    "recurrence_any_voxels": 9.0,
}


def scores(**given):
    names = ("cells", "cells_total", "recurrence_enhancing", "recurrence_any", "volume_95_ml", "density_error")
    return {name: given.get(name, NAN) for name in (*names, "cells_ml", "dice_sum")}


def case_of(name, kind, condition, margin, density, *, stated=None, bins=None, **facts):
    """A case whose core margin and density hold these shares of the cells."""
    controls = {
        "core margin": scores(cells=margin, volume_95_ml=200.0),
        "whole-tumor margin": scores(cells=0.85, volume_95_ml=160.0),
    }
    found = {"density": scores(cells=density, volume_95_ml=150.0, density_error=0.05, cells_ml=25.0)}
    return ScoredCase(
        name=name,
        split="tune",
        kind=kind,
        condition=condition,
        scores={
            "controls": MethodScores(rankings=controls, facts={**FACTS, **facts}),
            "mine": MethodScores(rankings=found, stated=stated, reliability=bins),
        },
    )


def evaluation_of(*cases):
    return VirtualEvaluation(methods=("mine",), cases=cases)


TWO = evaluation_of(
    case_of("a", "plain", "none", 0.80, 0.88), case_of("b", "two-foci", "none", 0.90, 0.86, recurrence_any_voxels=0.0)
)


def row_of(text, heading, ranking):
    """Cells of a ranking's row in the section of a heading."""
    part = text.split(f"### {heading}")[1].split("###")[0]
    line = next(line for line in part.splitlines() if line.startswith(f"| {ranking} "))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_differences_are_in_points_with_errors_wins_and_the_worst():
    """+8 and −4: +2.0 ± 6.0, one win, one loss, worst −4."""
    cells = row_of(virtual_report(TWO), "Equal volume, condition none", "mine, density")

    assert cells[:3] == ["87.0 ± 1.0", "+2.0 ± 6.0 (1/1, -4.0)", "+2.0 ± 1.0 (2/0, +1.0)"]


def test_ratios_are_taken_case_by_case():
    """150 of 200 ml and of 160 ml; 25 of 20 ml of cells."""
    cells = row_of(virtual_report(TWO), "Volume and density, condition none", "mine, density")

    assert cells == ["150", "0.750 ± 0.000", "0.938 ± 0.000", "0.0500", "1.25 ± 0.00", "-"]


def test_kinds_have_columns_of_their_own():
    """One patient each: no error."""
    assert row_of(virtual_report(TWO), "By kind, condition none", "mine, density") == [
        "+8.0 ± - (1/0, +8.0)",
        "-4.0 ± - (0/1, -4.0)",
    ]


def test_conditions_stand_side_by_side():
    """One column each where there are several."""
    both = evaluation_of(*TWO.cases, case_of("a", "plain", "severe", 0.80, 0.81))

    assert row_of(virtual_report(both), "By condition", "mine, density") == [
        "+2.0 ± 6.0 (1/1, -4.0); -",
        "+1.0 ± - (1/0, +1.0); -",
    ]
    assert "### By condition" not in virtual_report(TWO)


def test_what_is_undefined_is_counted():
    """Cases without a core and without a recurrence, above all tables."""
    without = case_of("c", "no-core", "none", NAN, NAN, has_core=0.0)
    three = evaluation_of(*TWO.cases, without)
    text = virtual_report(three)

    assert text.startswith("- none: 3 patients; 1 without a core")
    assert "0 without an enhancing recurrence, 1 without any" in text
    assert difference(three.cases, "mine, density", "core margin", "cells").mean.number == 2


def test_stated_intervals_are_held_against_the_truth():
    """Truth 20 ml: held by 15 to 25, missed by 22 to 30, which costs 8 + 40 x 2."""
    bins = ReliabilityBins(num_voxels=(10,) * NUM_BINS, stated=(5.0,) * NUM_BINS, true=(4,) * NUM_BINS)
    cases = (
        case_of("a", "plain", "none", 0.8, 0.8, stated=StatedCells(mean=20.0, low=15.0, high=25.0), bins=bins),
        case_of("b", "plain", "none", 0.8, 0.8, stated=StatedCells(mean=25.0, low=22.0, high=30.0), bins=bins),
    )
    found = uncertainty_summary(cases, "mine")
    given = uncertainty_summary(cases, "mine", 0.1)

    assert (found.num_inside, found.num_cases) == (1, 2)
    assert found.interval_score.mean == pytest.approx((10.0 + 88.0) / 2)
    assert (found.relative_error, found.is_error_given) == (0.2, False)
    assert found.constant_score.mean == pytest.approx((8.0 + 10.0) / 2)
    assert given.constant_score.mean == pytest.approx((4.0 + 5.0 + 40.0 * 2.5) / 2)
    assert found.bins.num_voxels == (20,) * NUM_BINS
    text = virtual_report(evaluation_of(*cases), relative_error=0.1)
    assert "in 1 of 2 cases (50.0%" in text
    assert "of a constant relative error of 0.1, given" in text
    assert row_of(text, "Stated uncertainty of mine, condition none", "0.3-0.4") == ["20", "0.500", "0.400", "+0.100"]


def test_conditions_are_also_taken_together():
    """Where there are several: what is right is right for all of them, as nobody knows which one a patient has."""
    stated = StatedCells(mean=20.0, low=15.0, high=25.0)
    cases = [case_of("a", "plain", condition, 0.8, 0.8, stated=stated) for condition in ("none", "severe")]
    text, record = virtual_report(evaluation_of(*cases)), virtual_record(evaluation_of(*cases))

    assert "in 2 of 2 cases" in text.split("### Stated uncertainty of mine, all conditions")[1]
    assert record["uncertainty"]["mine"]["num_cases"] == 2
    assert "all conditions" not in virtual_report(evaluation_of(*cases[:1]))


def test_a_method_that_states_nothing_has_no_such_section():
    """Neither on the page nor in the numbers."""
    assert uncertainty_summary(TWO.cases, "mine") is None
    assert "Stated uncertainty" not in virtual_report(TWO)
    assert virtual_record(TWO)["conditions"]["none"]["uncertainty"] == {"mine": None}
