"""A small virtual cohort is scored: once, going on after a kill, with everything that is undefined said."""

import csv
import json
import math
import shutil

import numpy as np
import pytest
from phantom_brain import phantom_atlas
from small_cohort import RESOLUTION, first_of

from gliofield.errors import ParameterError
from gliofield.nifti import read_volume, write_volume
from gliofield.pipeline import Assimilate, Distance, Margin, PersonalizationSettings, WholeMargin
from gliofield.volume import Volume
from gliofield_evaluation.scoring import (
    case_scorer,
    evaluate_virtual,
    first_patients,
    registrations,
    virtual_record,
    virtual_report,
    write_virtual_scores,
)
from gliofield_evaluation.virtual import read_cohort, write_cohort

ATLAS = phantom_atlas()
SETTINGS = PersonalizationSettings(registration="none")
METHODS = {"distance": Distance(), "margin": Margin()}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A plain patient and one without a core, each under three conditions."""
    folder = tmp_path_factory.mktemp("cohort") / "made"
    patients = [first_of("plain"), first_of("no-core")]
    write_cohort(folder, patients, atlas=ATLAS, resolution=RESOLUTION)
    return folder


@pytest.fixture(scope="module")
def scored(cohort, tmp_path_factory):
    """Both methods in all cases, written."""
    folder = tmp_path_factory.mktemp("scores")
    evaluation = evaluate(read_cohort(cohort), folder)
    write_virtual_scores(evaluation, folder)
    return evaluation, folder


@pytest.fixture
def counted(monkeypatch):
    """What is personalized and registered."""
    calls = {"personalize": [], "register": 0}
    personalize, register = case_scorer.personalize, registrations.register_case

    def personalized(case, **given):
        calls["personalize"].append(given["method"].name)
        return personalize(case, **given)

    def registered(*given):
        calls["register"] += 1
        return register(*given)

    monkeypatch.setattr(case_scorer, "personalize", personalized)
    monkeypatch.setattr(registrations, "register_case", registered)
    return calls


def evaluate(cases, folder, methods=METHODS, **more):
    return evaluate_virtual(cases, folder, methods, atlas=ATLAS, settings=SETTINGS, **more)


def test_controls_stand_beside_every_method(scored):
    """Margins, oracle, maps under the same correction; the oracle is best, and a margin is itself."""
    evaluation, _ = scored
    case = next(case for case in evaluation.cases if case.kind == "plain")

    assert evaluation.rankings == (
        *("core margin", "whole-tumor margin", "oracle"),
        *("priority", "distance map, corrected", "constant map, corrected"),
        *("distance, density", "margin, density"),
    )
    shares = {ranking: case.value(ranking, "cells") for ranking in evaluation.rankings}
    assert max(shares, key=shares.get) == "oracle"
    assert 0.3 < shares["core margin"] == pytest.approx(shares["margin, density"], abs=1e-6)
    assert case.value("oracle", "volume_95_ml") <= case.value("whole-tumor margin", "volume_95_ml")
    assert case.value("distance, density", "density_error") > 0.0
    assert math.isnan(case.value("oracle", "density_error"))
    assert math.isnan(case.value("nobody, density", "cells"))


def test_maps_are_corrected_as_assimilate_corrects(scored):
    """The distance map shows both outlines already; a constant one does after correction."""
    evaluation, _ = scored
    case = next(case for case in evaluation.cases if case.kind == "plain")
    distance, corrected = ("distance, density", "distance map, corrected")

    assert case.value(corrected, "cells") == pytest.approx(case.value(distance, "cells"), abs=0.1)
    assert case.value("constant map, corrected", "cells_ml") > 0.0


def test_without_a_core_a_case_leaves_the_equal_volume(scored):
    """Counted; V95 of what needs no core is there, and a method that needs one is told with its reason."""
    evaluation, _ = scored
    case = next(case for case in evaluation.cases if case.kind == "no-core")
    text = virtual_report(evaluation)

    assert all(math.isnan(case.value(ranking, "cells")) for ranking in evaluation.rankings)
    assert math.isnan(case.value("core margin", "volume_95_ml"))
    assert case.value("whole-tumor margin", "volume_95_ml") > 0.0
    assert case.scores["margin"].rankings == {}
    assert "measures the distance to the tumor core" in case.scores["margin"].error
    assert text.count("2 patients; 1 without a core") == 3
    assert f"- {case.name}, severe: not all of margin is there" in text


def test_false_edema_is_another_case_of_the_same_truth(scored):
    """K and the oracle stay; the whole tumor's margin, which is drawn around it, does not."""
    evaluation, _ = scored
    none, severe = (evaluation.under(condition, "plain")[0] for condition in ("none", "severe"))

    assert none.scores["controls"].facts == severe.scores["controls"].facts
    assert none.value("oracle", "cells") == severe.value("oracle", "cells")
    assert none.value("whole-tumor margin", "cells") != severe.value("whole-tumor margin", "cells")


def test_a_second_run_computes_nothing(scored, cohort, counted):
    """The same numbers, from what is kept."""
    evaluation, folder = scored
    again = evaluate(read_cohort(cohort), folder)

    assert counted == {"personalize": [], "register": 0}
    np.testing.assert_equal(virtual_record(again), virtual_record(evaluation))


def test_a_killed_run_goes_on_where_it_was(cohort, tmp_path, counted, monkeypatch):
    """What was finished before the kill is read; what was not is made, and equals a run without a kill."""
    cases, personalize = read_cohort(cohort)[:3], case_scorer.personalize

    def killed(case, **given):
        if len(counted["personalize"]) == 3:
            raise KeyboardInterrupt
        return personalize(case, **given)

    monkeypatch.setattr(case_scorer, "personalize", killed)
    with pytest.raises(KeyboardInterrupt):
        evaluate(cases, tmp_path / "killed")
    assert counted == {"personalize": ["distance", "margin", "distance"], "register": 2}
    monkeypatch.setattr(case_scorer, "personalize", personalize)
    found = evaluate(cases, tmp_path / "killed")

    assert counted == {"personalize": ["distance", "margin"] * 3, "register": 3}
    np.testing.assert_equal(virtual_record(found), virtual_record(evaluate(cases, tmp_path / "whole")))


def test_a_further_method_takes_the_registrations_that_are_there(cohort, tmp_path, counted):
    """Nothing else is made again."""
    cases = read_cohort(cohort)[:2]
    evaluate(cases, tmp_path, {"distance": Distance()})
    evaluate(cases, tmp_path, {"distance": Distance(), "whole-margin": WholeMargin()})

    assert counted == {"personalize": ["distance"] * 2 + ["whole-margin"] * 2, "register": 2}


def test_other_options_and_other_files_are_other_work(cohort, tmp_path, counted):
    """A method with other options, and a patient whose segmentation was changed."""
    copied = tmp_path / "cohort"
    shutil.copytree(cohort, copied)
    (case,) = read_cohort(copied)[:1]
    evaluate([case], tmp_path / "scores", {"distance": Distance()})
    evaluate([case], tmp_path / "scores", {"distance": Distance(decay_length_mm=4.0)})
    assert counted == {"personalize": ["distance"] * 2, "register": 1}

    path = case.folder / f"{case.name}_seg.nii.gz"
    labels = read_volume(path)
    write_volume(path, Volume(np.where(labels.data == 1, 3, labels.data).astype(np.uint8), labels.grid))
    evaluate([case], tmp_path / "scores", {"distance": Distance()})
    assert counted == {"personalize": ["distance"] * 3, "register": 2}


@pytest.mark.slow
def test_four_rankings_stand_side_by_side(cohort, tmp_path):
    """Core margin, whole-tumor margin, density, priority; and the fit without correction, with its Dice."""
    (case,) = evaluate(read_cohort(cohort)[:1], tmp_path, {"assimilate": Assimilate(isotropic=True)}).cases
    names = ("core margin", "whole-tumor margin", "assimilate, density", "priority")
    shares = [case.value(name, "cells") for name in (*names, "assimilate, before correction")]

    assert min(shares) > 0.3
    assert 1.0 < case.value("assimilate, density", "dice_sum") < 2.0
    assert math.isnan(case.value("priority", "density_error"))


def test_processes_do_not_change_the_scores(cohort, tmp_path, scored):
    """Two workers, the same numbers."""
    found = evaluate(read_cohort(cohort)[:2], tmp_path, {"distance": Distance()}, num_workers=2)
    evaluation, _ = scored

    for case, before in zip(found.cases, evaluation.cases[:2], strict=True):
        np.testing.assert_equal(
            dict(case.scores["distance"].rankings["density"]), dict(before.scores["distance"].rankings["density"])
        )


def test_there_is_a_row_for_each_case_and_ranking(scored):
    """With its facts; what is undefined is empty, and a method without an answer says why."""
    evaluation, folder = scored
    rows = list(csv.DictReader((folder / "cases.csv").read_text(encoding="utf-8").splitlines()))

    assert list(rows[0]) == [
        *("name", "split", "kind", "condition", "method", "ranking", "has_core", "target_ml", "true_cells_ml"),
        *("cells", "cells_total", "recurrence_enhancing", "recurrence_any", "volume_95_ml", "density_error"),
        *("cells_ratio", "dice_sum", "stated_mean_ml", "stated_low_ml", "stated_high_ml", "seconds", "error"),
    ]
    assert len(rows) == 6 * len(evaluation.rankings)
    undefined = next(row for row in rows if row["ranking"] == "core margin" and row["kind"] == "no-core")
    assert (undefined["cells"], undefined["has_core"]) == ("", "False")
    failed = next(row for row in rows if row["method"] == "margin" and row["kind"] == "no-core")
    assert "tumor core" in failed["error"]


def test_page_and_numbers_are_written(scored):
    """The page is the report; JSON has null for what is undefined."""
    evaluation, folder = scored
    record = json.loads((folder / "summary.json").read_text(encoding="utf-8"))

    assert (folder / "summary.md").read_text(encoding="utf-8") == virtual_report(evaluation) + "\n"
    assert list(record["conditions"]) == ["none", "one-sided", "severe"]
    margin = record["conditions"]["none"]["rankings"]["core margin"]
    assert margin["cells"]["number"] == margin["cells"]["num_undefined"] == 1
    assert margin["cells"]["standard_error"] is None


def test_a_quick_look_takes_the_first_patients(cohort):
    """Under all their conditions."""
    cases = read_cohort(cohort)

    assert first_patients(cases, 1) == cases[:3]
    assert first_patients(cases, 12) == cases


@pytest.mark.parametrize(("cases", "methods"), [(0, METHODS), (1, {}), (1, {"controls": Distance()})])
def test_nothing_to_score_is_refused(cohort, tmp_path, cases, methods):
    """And a method that would be taken for the controls."""
    with pytest.raises(ParameterError, match="there is nothing to score"):
        evaluate(read_cohort(cohort)[:cases], tmp_path, methods)
