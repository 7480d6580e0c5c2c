"""Methods side by side on one patient: what is compared, what cannot run, and how it is written."""

import csv
import dataclasses
import io
import json
import re

import numpy as np
import pytest
from phantom_brain import phantom_atlas, phantom_labels, write_phantom_patient

from gliofield.errors import OutputError, ParameterError
from gliofield.pipeline import PersonalizationSettings, read_case
from gliofield.scoring import compare_methods, comparison_record, comparison_rows, write_comparison
from gliofield.scoring import comparison as module
from gliofield.scoring.comparison import construction_of
from gliofield.scoring.comparison_sheet import comparison_csv, comparison_page

ATLAS = phantom_atlas()
SETTINGS = PersonalizationSettings(registration="none")
CONTROLS = ("margin", "whole-margin", "distance")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return read_case(write_phantom_patient(tmp_path_factory.mktemp("patients") / "P1"))


@pytest.fixture(scope="module")
def comparison(case):
    return compare_methods(case, atlas=ATLAS, methods=CONTROLS, settings=SETTINGS, num_sectors=1)


def test_the_margin_is_its_own_target(comparison):
    """All targets have the volume of the core with 15 mm, which is what the margin ranks first."""
    volumes = [each.target.sum() * comparison.case.grid.voxel_volume_ml for each in comparison.outcomes]

    np.testing.assert_allclose(volumes, comparison.volume_ml)
    assert comparison.overlaps["margin"]["margin"] == 1.0
    assert comparison.overlaps["margin"]["distance"] == comparison.overlaps["distance"]["margin"] < 1.0


def test_the_masked_third_is_a_share_for_methods_that_have_one(comparison):
    """One number per direction, between 0 and 1."""
    for each in comparison.outcomes:
        assert len(each.masked_third) == 1
        assert 0.0 <= each.masked_third_mean <= 1.0


def test_what_holds_by_construction_is_told(comparison):
    """A map that is made of the outlines agrees with them."""
    told = {each.name: " ".join(construction_of(each)) for each in comparison.outcomes}

    assert "made of the outlines" in told["distance"]
    assert "does not claim to be what is seen" in told["whole-margin"]
    assert "the core with 15 mm" in told["margin"]


def test_methods_that_cannot_run_are_listed_with_their_reason(case, comparison, monkeypatch):
    """Nothing is built, and nothing that takes minutes is started, without being asked for by name."""

    def run(case, *, method, **given):
        if method == "infer":
            raise ParameterError("no inverse network for the atlas")
        return comparison.outcomes[0].result

    monkeypatch.setattr(module, "personalize", run)
    found = compare_methods(case, atlas=ATLAS, settings=SETTINGS, num_sectors=0)

    assert {each.name for each in found.outcomes} >= {"assimilate", *CONTROLS}
    assert "its default database is not built" in found.not_run["query"]
    assert "takes minutes" in found.not_run["sample"]
    assert found.not_run["infer"] == "no inverse network for the atlas"
    assert all(each.masked_third_mean is None for each in found.outcomes)


def test_a_correction_is_told_to_hold_by_construction(comparison):
    """Its agreement is that before."""
    outcome = comparison.outcomes[2]
    corrected = dataclasses.replace(outcome.result, agreement_corrected=outcome.result.agreement_patient)

    said = construction_of(dataclasses.replace(outcome, name="assimilate", result=corrected))
    assert said == ("after its correction it agrees with both outlines; its agreement here is that before",)


def test_one_registration_serves_all(case, monkeypatch):
    """It is made once, or given."""
    made = []
    register = module.register_case
    monkeypatch.setattr(module, "register_case", lambda *given: made.append(1) or register(*given))
    first = compare_methods(case, atlas=ATLAS, methods=["margin"], settings=SETTINGS, num_sectors=0)
    given = first.registration
    second = compare_methods(
        case, atlas=ATLAS, methods=["margin"], settings=SETTINGS, num_sectors=0, registration=given
    )

    assert made == [1]
    assert second.outcomes[0].result.registration is given


def test_a_tumor_without_core_has_no_targets(tmp_path):
    """The rest of the sheet is there."""
    labels = phantom_labels()
    labels.data[np.isin(labels.data, (1, 3))] = 2
    case = read_case(write_phantom_patient(tmp_path / "P", labels=labels), scheme="brats2023")
    found = compare_methods(case, atlas=ATLAS, methods=["whole-margin", "distance"], settings=SETTINGS, num_sectors=0)

    assert found.overlaps == {}
    assert found.volume_ml is None
    assert comparison_rows(found)["distance"]["target_visible"] is None
    assert "there is no usual target" in comparison_page(found, name="P")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"methods": ["margins"]}, "method 'margins' is unknown"),
        ({"methods": ["margin", "margin"]}, "can be compared once"),
        ({"num_sectors": 13}, "num_sectors must lie between 0 and 12"),
        ({"methods": ["infer"]}, "not one method can run on this patient"),
    ],
)
def test_what_cannot_be_compared_is_refused(case, given, message):
    """With what was expected."""
    with pytest.raises(ParameterError, match=message):
        compare_methods(case, atlas=ATLAS, settings=SETTINGS, **{"num_sectors": 0, **given})


def test_the_sheet_has_a_page_and_its_numbers(comparison, tmp_path):
    """HTML, JSON and CSV of the same rows, in the order of the methods; an older sheet stays without leave."""
    page = write_comparison(comparison, tmp_path / "sheet", name="<b>$x$</b>")

    record = json.loads((tmp_path / "sheet" / "comparison.json").read_text())
    rows = list(csv.DictReader(io.StringIO((tmp_path / "sheet" / "comparison.csv").read_text())))
    text = page.read_text(encoding="utf-8")
    assert list(record["methods"]) == [row["method"] for row in rows] == list(CONTROLS)
    assert float(rows[0]["dice_flair"]) == record["methods"]["margin"]["dice_flair"]
    assert "&lt;b&gt;$x$&lt;/b&gt;" in text
    assert text.count('<figure class="plane"') == 9
    assert "For research use only" in text
    assert record["note"].endswith("no ranking is made")
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    with pytest.raises(OutputError, match="exists"):
        write_comparison(comparison, tmp_path / "sheet", name="x")
    assert write_comparison(comparison, tmp_path / "sheet", name="x", force=True) == page


def test_the_record_says_where_it_comes_from(comparison):
    """Hashes of the inputs, settings and the version, and no folder."""
    record = comparison_record(comparison)

    assert set(record["inputs"]["sha256"]) >= {"t1c", "segmentation"}
    assert record["settings"]["registration"] == "none"
    assert record["not_run"] == {}
    assert comparison_csv(comparison).startswith("method,verdict,dice_t1gd,dice_flair,")
