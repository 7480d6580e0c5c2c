"""The masked third of phantoms: one command's work, kept, read again, and written."""

import csv
import json
import math

import numpy as np
import pytest
from phantom_brain import phantom_atlas, phantom_labels, write_phantom_patient

from gliofield.assimilation import FitSettings
from gliofield.errors import ParameterError
from gliofield.pipeline import AssimilateMethod, find_case_files
from gliofield_evaluation.scoring import (
    MaskedThirdEvaluation,
    MaskedThirdSettings,
    evaluate_masked_third,
    masked_third,
    masked_third_record,
    masked_third_report,
    write_masked_third,
)
from gliofield_evaluation.scoring.third_rankings import CONTROLS

ATLAS = phantom_atlas()
SETTINGS = MaskedThirdSettings(num_sectors=2, rankings=("constant map, corrected",), registration="none")


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patients")
    one = write_phantom_patient(folder / "one")
    two = write_phantom_patient(folder / "two", labels=phantom_labels(8.0, 18.0, (-34.0, -20.0, 10.0)))
    return {"one": find_case_files(one), "two": find_case_files(two)}


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    """Simulations in voxels of 4 mm, and no search for a tensor."""
    monkeypatch.setattr(masked_third, "SPACING_MM", 4.0)
    few = FitSettings(num_starts=1, num_evaluations=8, num_refinements=0, num_stretched=0)
    quick = AssimilateMethod(fit=few, spacing_mm=4.0)
    monkeypatch.setattr(masked_third, "AssimilateMethod", lambda: quick)


@pytest.fixture
def counted(monkeypatch):
    """How often a ranking was made."""
    calls = []
    rankings = {
        name: lambda third, name=name, ranking=ranking: calls.append(name) or ranking(third)
        for name, ranking in masked_third.RANKINGS.items()
    }
    monkeypatch.setattr(masked_third, "RANKINGS", rankings)
    return calls


def test_finished_sectors_are_never_scored_again(patients, tmp_path, counted):
    """A second run reads everything; a lost, a damaged and a further sector are scored alone."""
    first = evaluate_masked_third(patients, tmp_path, SETTINGS, atlas=ATLAS)
    per_sector = len(SETTINGS.scored)
    assert len(counted) == 4 * per_sector
    counted.clear()

    again = evaluate_masked_third(patients, tmp_path, SETTINGS, atlas=ATLAS)
    assert counted == []
    assert again == first

    (tmp_path / "sectors" / "one-02.json").unlink()
    (tmp_path / "sectors" / "two-01.json").write_text("{", encoding="utf-8")
    further = MaskedThirdSettings(num_sectors=3, rankings=SETTINGS.rankings, registration="none")
    more = evaluate_masked_third(patients, tmp_path, further, atlas=ATLAS)
    assert len(counted) == 4 * per_sector
    assert [sectors[:2] for sectors in more.coverage.values()] == [list(sectors) for sectors in first.coverage.values()]


def test_another_file_is_another_patient(patients, tmp_path, counted):
    """The name alone decides nothing."""
    evaluate_masked_third({"one": patients["one"]}, tmp_path, SETTINGS, atlas=ATLAS)
    counted.clear()
    evaluate_masked_third({"one": patients["two"]}, tmp_path, SETTINGS, atlas=ATLAS)

    assert len(counted) == 2 * len(SETTINGS.scored)


def test_a_patient_that_cannot_be_read_is_left_out(patients, tmp_path):
    """The others are scored; of nobody but such there is no table."""
    broken = tmp_path / "broken_seg.nii.gz"
    broken.write_bytes(b"no image")
    files = {"broken": masked_third.CaseFiles(t1=broken, segmentation=broken)}
    found = evaluate_masked_third({**files, **patients}, tmp_path / "out", SETTINGS, atlas=ATLAS)

    assert list(found.coverage) == ["one", "two"]
    assert list(found.left_out) == ["broken"]
    assert "Left out: broken" in masked_third_report(found)
    with pytest.raises(ParameterError, match="not one patient can be scored"):
        evaluate_masked_third(files, tmp_path / "out", SETTINGS, atlas=ATLAS)


def made_up(**shares):
    """An evaluation of two patients in which every ranking has the coverages given."""
    names = SETTINGS.scored
    explained = masked_third.Explanation(dice_sum=1.5, num_foci=1, axis_stretch=(1.0, 1.0, 1.0), seconds=1.0)
    return MaskedThirdEvaluation(
        settings=SETTINGS,
        coverage={patient: [dict.fromkeys(names, share) for share in given] for patient, given in shares.items()},
        explained=dict.fromkeys(shares, explained),
        left_out={},
    )


def test_the_error_is_that_of_the_mean_over_patients():
    """Sectors of one patient count once: 0.6 and 0.8 give 0.7 ± 0.1, however many sectors there are."""
    record = masked_third_record(made_up(one=[0.5, 0.7], two=[0.8, 0.8]))["rankings"]["ellipsoid"]

    assert record["by_patient"] == pytest.approx({"one": 0.6, "two": 0.8})
    assert record["coverage"]["mean"] == pytest.approx(0.7)
    assert record["coverage"]["standard_error"] == pytest.approx(0.1)
    assert record["minus ellipsoid"]["mean"]["mean"] == 0.0


def test_undefined_sectors_are_left_out_and_counted():
    """A patient without a value has a dash; the page says how many are missing."""
    evaluation = made_up(one=[0.5, math.nan], two=[math.nan])
    text = masked_third_report(evaluation)

    assert masked_third_record(evaluation)["rankings"]["ellipsoid"]["coverage"]["mean"] == 0.5
    assert f"{2 * len(SETTINGS.scored)} values are undefined" in text


def test_the_folder_holds_page_numbers_and_sectors(tmp_path):
    """A row per patient, sector and ranking; what is undefined is empty, or null."""
    evaluation = made_up(one=[0.5, math.nan], two=[0.25, 0.75])
    write_masked_third(evaluation, tmp_path)
    rows = list(csv.DictReader((tmp_path / "sectors.csv").read_text(encoding="utf-8").splitlines()))
    record = json.loads((tmp_path / "masked_third.json").read_text(encoding="utf-8"))

    assert list(rows[0]) == ["patient", "sector", "ranking", "coverage"]
    assert len(rows) == 4 * len(SETTINGS.scored)
    assert {row["coverage"] for row in rows if row["patient"] == "one"} == {"0.5", ""}
    assert record["rankings"]["ellipsoid"]["by_patient"] == {"one": 0.5, "two": 0.5}
    assert (tmp_path / "masked_third.md").read_text(encoding="utf-8") == masked_third_report(evaluation) + "\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_sectors": 0}, "num_sectors must lie between 1 and 12"),
        ({"num_sectors": 13}, "num_sectors must lie between 1 and 12"),
        ({"rankings": ("growths",)}, "Did you mean 'growth'"),
    ],
)
def test_settings_out_of_range_are_refused(change, message):
    """With what was expected, or the closest name."""
    with pytest.raises(ParameterError, match=message):
        MaskedThirdSettings(**change)


def test_controls_are_scored_whatever_is_asked_for():
    """In the order of the table."""
    assert SETTINGS.scored == (*CONTROLS, "constant map, corrected")
    assert np.isin(SETTINGS.scored, list(masked_third.RANKINGS)).all()
