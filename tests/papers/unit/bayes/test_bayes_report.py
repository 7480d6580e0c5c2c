"""Tables and pictures of the evaluation of posteriors, from results made up to be read."""

from dataclasses import replace

import pytest
from made_up_bayes import ATLAS, COST, NAN, evaluation, patient

from gliofield.report.json_files import plain_json
from gliofield_papers.bayes.figures import calibration_figure, interval_figure, map_figure
from gliofield_papers.bayes.folder import RECORD_FILE, bayes_record, write_bayes_folder
from gliofield_papers.bayes.patients import SOLVER, SURROGATE
from gliofield_papers.bayes.sampling import RUN_NAMES
from gliofield_papers.bayes.tables import bayes_report


def test_the_page_says_small_and_busy_and_what_was_left_out():
    """Whoever reads one table sees what it rests on."""
    text = bayes_report(evaluation())

    assert text.startswith("**Small**")
    assert "40 virtual cases at 5 mm" in text
    assert "Seconds on x86_64 with 2 cores. Warning: seconds measured on a busy machine (load average 5.0" in text
    assert "So measured: 1 of 40" in text
    assert "- P9: no FLAIR" in text
    assert "**Small**" not in bayes_report(evaluation(is_small=False))


def test_cases_that_failed_stand_beside_the_ranks():
    """Their number, the reason, and what is left: 37 of 40 with PET."""
    shown = evaluation(num_failed=3)
    text = bayes_report(shown)

    assert "- 3 of 40 with PET (case 37, 38, 39): samples collapse." in text
    assert "37 of 37" in text
    assert [each.num_cases for each in shown.calibration.values()] == [37, 40]
    assert "could not be sampled" not in bayes_report(evaluation())


def test_a_model_that_failed_on_a_patient_leaves_the_other():
    """The surrogate alone has its row, and the solver its reason."""
    both = patient(with_surrogate=True)
    alone = replace(
        both, models={SURROGATE: both.models[SURROGATE]}, densities={SURROGATE: both.densities[SURROGATE]},
        failures={SOLVER: "samples collapse."}, map_dice={}, map_distance=NAN,
    )  # fmt: skip
    text = bayes_report(evaluation(patients=(alone,)))

    assert "| P1      | surrogate" in text
    assert "- P1, numerical solver: samples collapse." in text
    assert "0.08 (0.05 to 0.09)" in text


def test_paired_differences_have_their_sign():
    """The best sample is worse than the mean in every case, and PET helps in every case."""
    text = bayes_report(evaluation())

    assert "40 of 40" in text
    assert "| MAP − mean, with PET" in text
    assert "0.01 " in next(line for line in text.splitlines() if "MAP − mean, with PET" in line)
    assert "0.02 " in next(line for line in text.splitlines() if "mean, without − with PET" in line)


def test_undefined_dice_is_counted():
    """No density exceeds 0.8 in any case: no mean, and 40 without a value."""
    assert "- (40)" in bayes_report(evaluation())


def test_coverage_stands_below_what_is_expected_of_so_many_samples():
    """93.8 % of a 95 % interval between 128 samples, with its binomial error."""
    assert "93.8% ± 3.8%" in bayes_report(evaluation())


def test_every_way_has_its_line_and_a_refusal_its_reason():
    """A database posterior has no evidence and no rate per simulation."""
    text = bayes_report(evaluation(cost=COST))
    database = next(line for line in text.splitlines() if line.startswith("| posterior of the database"))

    assert "-90.0" in text
    assert "5.00 ± 0.50" in database
    assert database.rstrip(" |").endswith("-")
    assert "- refused: too few tumors carry it" in text


@pytest.mark.parametrize("with_surrogate", [True, False])
def test_patients_stand_beside_the_papers_numbers(with_surrogate):
    """Best sample, interval, the paper's range; without a surrogate the page says why there is nothing beside it."""
    text = bayes_report(evaluation(patients=(patient(with_surrogate=with_surrogate),)))

    assert "0.08 (0.05 to 0.09)" in text
    assert "0.0892-0.08998" in text
    assert "4 to 6" in text
    assert ("P1, surrogate" in text) is with_surrogate
    assert ("No surrogate was given" in text) is not with_surrogate
    assert "P1, numerical solver: few samples" in text


def test_few_cases_are_reported_without_a_histogram():
    """Three cases: the table says so instead of a p-value."""
    text = bayes_report(evaluation(num_cases=3))

    assert "too few cases for a histogram" in text


def test_the_folder_holds_page_record_and_figures(tmp_path):
    """Written twice without complaint; the record is strict JSON and holds no images."""
    shown = evaluation(cost=COST, patients=(patient(with_surrogate=True),))
    write_bayes_folder(shown, tmp_path, ATLAS)
    write_bayes_folder(shown, tmp_path, ATLAS)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "coverage.png", RECORD_FILE, "map.png", "ranks_with_pet.png", "ranks_without_pet.png", "tables.md",
    ]  # fmt: skip
    content = plain_json(bayes_record(shown))
    assert content["patients"][0]["map_dice"]["0.8"] is None
    assert "densities" not in content["patients"][0]
    assert len(content["calibration"]["with_pet"]["parameters"]["flair_threshold"]["ranks"]) == 40


def test_figures_show_what_they_claim():
    """A panel per parameter with band and p-value; a line per parameter and their mean; no picture without patients."""
    shown = evaluation()
    calibration = shown.calibration[RUN_NAMES[0]]
    panels = [axes for axes in calibration_figure(calibration, title="ranks").axes if axes.axison]

    assert len(panels) == 2
    assert "p = " in panels[0].get_title()
    assert len(panels[0].patches) >= 2  # band and histogram
    assert len(interval_figure(shown).axes[0].lines) == 1 + 2 + 1  # zero, parameters, mean
    assert map_figure(shown, ATLAS) is None
