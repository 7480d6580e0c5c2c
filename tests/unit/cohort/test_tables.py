"""Numbers of result folders, the table they stand in, how they are spread, and how two tables differ."""

import json
import math

import pytest
from cohort_phantoms import NUMBERS, write_result

from gliofield.cohort import compare_cohorts, read_table
from gliofield.cohort.comparison import _holm
from gliofield.cohort.distributions import distributions, outlying
from gliofield.cohort.numbers import result_numbers
from gliofield.cohort.table import columns_of, write_table
from gliofield.errors import ParameterError


def rows_of(values, *, name="dice_flair", status="done"):
    return [{"patient": f"p{i}", "status": status, name: value} for i, value in enumerate(values)]


def test_numbers_of_a_result_are_flat(tmp_path):
    """One name, one value; what a method does not give has none."""
    write_result(tmp_path / "result", {**NUMBERS, "concerns": [{"name": "cavity", "level": "check", "text": "x"}]})
    row = result_numbers(tmp_path / "result")

    assert (row["dice_flair"], row["core_ml"], row["brain_overlap"]) == (0.75, 4.0, 0.95)
    assert (row["concerns"], row["num_concerns"], row["method"]) == ("cavity", 1, "distance")
    assert (row["diffusion_length_mm"], row["growth_time_days"]) == (8.0, 100.0)
    assert "cells_outside_core_mean_ml" not in row


def test_intervals_and_targets_are_numbers_too(tmp_path):
    """Whatever stands in targets.json has its way through the file for a name."""
    write_result(tmp_path / "result")
    parameters = {"parameters": {}, "intervals": {"infiltration_length_mm": {"low": 2.0, "high": 4.0}}}
    (tmp_path / "result" / "parameters.json").write_text(json.dumps(parameters))
    targets = {
        "targets": [{"name": "CTV 15", "volume_ml": 84.5, "is_cut": True}],
        "comparisons": [{"one": "CTV 15", "other": "model", "dice": 0.8, "largest": {"center_mm": [1.0, 2.0, 3.0]}}],
        "saving": None,
        "settings": {"share": 0.95},
    }
    (tmp_path / "result" / "targets.json").write_text(json.dumps(targets))
    row = result_numbers(tmp_path / "result")

    assert (row["infiltration_length_mm_low"], row["infiltration_length_mm_high"]) == (2.0, 4.0)
    assert {name: value for name, value in row.items() if name.startswith("target_")} == {
        "target_CTV_15_volume_ml": 84.5,
        "target_comparisons_CTV_15_model_dice": 0.8,
    }


def test_a_folder_without_a_result_has_no_numbers(tmp_path):
    """Nor has one that cannot be read."""
    write_result(tmp_path / "result")
    (tmp_path / "result" / "quality.json").write_text("{")

    assert result_numbers(tmp_path / "nothing") == result_numbers(tmp_path / "result") == {}


def test_a_table_is_read_as_it_was_written(tmp_path):
    """To the last bit; a name of digits stays a name, nothing breaks a line."""
    rows = [
        {"patient": "007", "status": "done", "dice_flair": 0.1 + 0.2, "extra": 3},
        {"patient": 'a "b"', "status": "failed", "reason": "of\ttabs and\nlines"},
    ]
    write_table(tmp_path / "cohort.tsv", rows)
    found = read_table(tmp_path)

    assert [row["patient"] for row in found] == ["007", 'a "b"']
    assert (found[0]["dice_flair"], found[0]["extra"], found[1]["dice_flair"]) == (0.1 + 0.2, 3.0, None)
    assert found[1]["reason"] == "of tabs and lines"
    assert columns_of(rows)[0] == "patient"
    assert columns_of(rows)[-1] == "reason"


@pytest.mark.parametrize("text", [None, "x\ty\n1\t2\n", "patient\n"])
def test_what_is_no_table_is_refused(tmp_path, text):
    """Missing, another one, or without rows."""
    if text is not None:
        (tmp_path / "cohort.tsv").write_text(text)

    with pytest.raises(ParameterError, match=r"no table of a cohort"):
        read_table(tmp_path)


def test_outliers_are_far_from_the_median_by_robust_deviations():
    """One wild patient among nine; the farther one comes first, failures and machines do not count."""
    rows = rows_of([0.80, 0.81, 0.82, 0.82, 0.83, 0.84, 0.85, 0.10, 0.99])
    rows += [{"patient": "failed", "status": "failed", "dice_flair": 0.0}]
    for row in rows:
        row["seconds"] = 1000.0 if row["patient"] == "p0" else 1.0
    (spread, seconds) = distributions(rows)

    assert (spread.name, spread.median, len(spread.values)) == ("dice_flair", 0.82, 9)
    assert list(outlying([spread, seconds])) == ["p7", "p8"]
    assert spread.outliers["p7"] == pytest.approx(0.72 / (1.4826 * 0.02))


def test_few_patients_have_no_outliers():
    """Seven say nothing about the eighth."""
    assert outlying(distributions(rows_of([0.5] * 3 + [0.51] * 3 + [0.9]))) == {}


def test_two_cohorts_are_compared_pair_by_pair():
    """By name, whatever the order; the interval holds the mean, and p is that of Wilcoxon."""
    first = rows_of([0.5, 0.6, 0.7, 0.8, 0.9, 0.4])
    second = list(reversed(rows_of([0.6, 0.8, 0.8, 0.9, 0.95, 0.5])))
    second[0]["status"] = "failed"
    found = compare_cohorts(first, second, names=("a", "b"))
    (number,) = found.numbers

    assert (found.num_pairs, found.only_first, found.only_second) == (5, ("p5",), ())
    assert number.test.mean == pytest.approx((0.1 + 0.2 + 0.1 + 0.1 + 0.05) / 5)
    assert number.test.low < number.test.mean < number.test.high
    assert number.test.p_value == pytest.approx(2 / 2**5)
    assert (number.higher, number.lower) == (5, 0)
    assert "b against a" in found.table().markdown()


def test_all_numbers_or_some_are_compared():
    """Those that both have; one that nobody has is an error."""
    rows = [{**row, "core_ml": 1.0} for row in rows_of([0.5, 0.6])]

    assert {each.name for each in compare_cohorts(rows, rows, numbers=["all"]).numbers} == {"dice_flair", "core_ml"}
    assert [each.name for each in compare_cohorts(rows, rows, numbers=["core_ml"]).numbers] == ["core_ml"]
    with pytest.raises(ParameterError, match="number of the cohorts 'dice' is unknown"):
        compare_cohorts(rows, rows, numbers=["dice"])


def test_cohorts_of_other_patients_are_refused():
    """By name."""
    with pytest.raises(ParameterError, match="no patient is done in both cohorts: .* got p0, … and none"):
        compare_cohorts(rows_of([0.5]), rows_of([0.5], status="failed"))


def test_p_is_corrected_as_holm_does():
    """The smallest times their number, the next times one less, never falling, at most 1."""
    assert _holm([0.01, 0.04, 0.03, 0.9]) == pytest.approx([0.04, 0.09, 0.09, 0.9])
    assert _holm([0.6, 0.7]) == [1.0, 1.0]
    assert not math.isnan(sum(_holm([])))
