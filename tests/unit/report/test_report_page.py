"""The page of a result: what it says, that it says it safely, and that it needs nothing but itself."""

import dataclasses
import getpass
import json
import re
import shutil
import socket

import numpy as np
import pytest
from phantom_brain import GRID, write_phantom_atlas, write_phantom_patient
from phantom_results import STAND_IN, phantom_result, write_phantom_result

from gliofield.concern import named_concern
from gliofield.errors import ImageError, ParameterError
from gliofield.nifti import write_volume
from gliofield.report import write_result_folder
from gliofield.report.old_results import add_view
from gliofield.report.page_facts import parameter_rows
from gliofield.report.report_page import ViewerSource, render_report, report_content, report_title, write_report
from gliofield.volume import Volume


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return phantom_result(tmp_path_factory.mktemp("patients"))


@pytest.fixture(scope="module")
def folder(result, tmp_path_factory):
    return write_result_folder(result, tmp_path_factory.mktemp("results") / "R", name="P1", viewer=STAND_IN)


@pytest.fixture
def copy(folder, tmp_path):
    """A result folder that a test may change."""
    return shutil.copytree(folder, tmp_path / "copy")


def text_of(page):
    """What a reader sees of a page: no scripts, no style, no tags."""
    bare = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", bare).split())


def test_every_result_has_a_page_with_the_verdict_first(folder):
    """The first words are the verdict's, before the name."""
    page = (folder / "report.html").read_text(encoding="utf-8")

    told = text_of(page).split("Skip to the planes", 1)[1].strip()
    assert told.startswith("Verdict: ")
    assert told.index("Verdict") < told.index("P1") < told.index("For research use only; not a medical device.")


def test_a_concern_is_told_with_its_level_and_reason(result, tmp_path):
    """Reasons stand right below the verdict, and color is not all that tells a level."""
    concern = named_concern("poor-match", "Poor match: Dice 0.01.", 0.01)
    page = render_report(write_result_folder(dataclasses.replace(result, concerns=(concern,)), tmp_path / "R"))

    assert 'class="verdict do-not-use"' in page
    assert "Verdict: do not use this map; 1 concern." in text_of(page)
    assert "do not use Poor match: Dice 0.01." in text_of(page)


def test_a_new_page_and_one_written_again_are_equal(copy):
    """Both are made from the files of the folder."""
    before = (copy / "report.html").read_bytes()

    assert write_report(copy, viewer=STAND_IN).read_bytes() == before


def test_the_page_asks_nobody_for_anything(folder):
    """No address is loaded, and the policy of the page forbids it."""
    page = (folder / "report.html").read_text(encoding="utf-8")

    assert "default-src 'none'" in page
    tags = " ".join(re.findall(r"<[^>]+>", re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)))
    loaded = re.findall(r"(?:src|href|fill)=\"([^\"]+)", tags) + re.findall(r"(?:url|@import)\W+(\w+)", page)
    assert [each for each in loaded if not each.startswith(("data:", "#", "url(#"))] == ["hatch"] * page.count(
        "url(#hatch)"
    )


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "$x$", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}"])
def test_any_name_shows_as_text(result, tmp_path, name):
    """A folder may be called anything."""
    page = render_report(write_result_folder(result, tmp_path / "R", name=name))

    assert name not in page or not set("<>") & set(name)
    shown = page.split("<h1>", 1)[1].split("</h1>", 1)[0]
    assert shown.replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"') == name


def test_the_page_holds_no_place_user_or_machine(folder, tmp_path):
    """Beside the name that the user gives."""
    page = (folder / "report.html").read_text(encoding="utf-8")

    secrets = [str(folder.parent), str(tmp_path.parent)]
    secrets += [each for each in (socket.gethostname(), getpass.getuser()) if len(each) > 5]
    assert [secret for secret in secrets if secret in page] == []


def test_the_layers_are_those_of_the_result(folder):
    """Images, density and outlines, each with its file, the first image below."""
    layers = report_content(folder)["layers"]

    assert [layer.name for layer in layers] == ["t1c", "flair", "density", "whole", "core"]
    assert [layer.kind for layer in layers] == ["image", "image", "map", "mask", "mask"]
    assert all(layer.file[:2] == b"\x1f\x8b" for layer in layers)


def test_without_the_viewer_the_page_has_planes_and_says_why(folder):
    """No script is promised that is not there."""
    page = render_report(folder, viewer=ViewerSource(reason="there is no network."))

    assert "There is no viewer on this page: there is no network." in text_of(page)
    assert page.count('<figure class="plane"') == 12
    assert 'id="viewer-script"' not in page


def test_the_policy_of_maps_that_are_varied_is_told():
    """An interval of what no scan tells is not read as a measurement."""
    content = {"parameters": {"growth_time_days": 100.0}, "intervals": {"edema_mm": {"low": 0.0, "high": 2.0}}}

    rows = parameter_rows(content)

    assert rows[0]["read"] == "not determined alone"
    assert rows[1] == {
        "name": "edema", "value": "", "unit": "mm", "read": "varied, not measured", "interval": "0 to 2",
    }  # fmt: skip


def test_a_unit_stands_beside_its_number(copy):
    """Beside the value, and where there is an interval alone beside that."""
    path = copy / "parameters.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["intervals"] = {"edema_mm": {"low": 0.0, "high": 2.0, "level": 0.95}}
    path.write_text(json.dumps(content), encoding="utf-8")

    assert "<td></td><td>0 to 2 mm</td>" in render_report(copy)


def test_targets_of_the_folder_are_layers_and_rows(copy):
    """What `targets.json` lists, if its mask is there; a name is text like any other."""
    (copy / "targets").mkdir()
    mask = np.zeros(GRID.shape, dtype=bool)
    mask[20:26, 20:30, 18:25] = True
    write_volume(copy / "targets" / "ctv.nii.gz", Volume(mask, GRID))
    listed = {"name": "CTV <15>", "file": "ctv.nii.gz", "kind": "margin", "description": "d", "volume_ml": 26.9}
    gone = {**listed, "name": "gone", "file": "gone.nii.gz"}
    (copy / "targets.json").write_text(json.dumps({"targets": [listed, gone]}), encoding="utf-8")

    content = report_content(copy)

    assert [each["name"] for each in content["targets"]] == ["CTV <15>"]
    assert content["layers"][-1].words == "target CTV <15>"
    assert "CTV &lt;15&gt;" in render_report(copy)


@pytest.mark.parametrize("text", ["[]", "{", '{"targets": [{}]}'])
def test_a_list_of_targets_that_cannot_be_read_is_none(copy, text):
    """The rest of the page does not depend on it."""
    (copy / "targets.json").write_text(text, encoding="utf-8")

    assert report_content(copy)["targets"] == []


def test_a_result_of_before_gets_its_images_from_the_patient(copy, result, tmp_path):
    """The files must be those of the run; without them the page says what to do."""
    shutil.rmtree(copy / "view")
    assert "gliofield report RESULT --patient PATIENT" in render_report(copy, viewer=STAND_IN)
    patient = write_phantom_patient(tmp_path / "P1", name="P1")
    (patient / "note.txt").touch()

    with pytest.raises(ParameterError, match="is not that of the result"):
        add_view(copy, patient, atlas="mni152")
    write_phantom_atlas(tmp_path / "atlas")
    add_view(copy, patient, atlas=str(tmp_path / "atlas"))
    assert report_content(copy)["name"] == "P1"
    assert len(report_content(copy)["registration_cuts"]) == 3
    assert "does not say where" in text_of(render_report(copy))


def test_the_files_of_another_patient_are_refused(copy, tmp_path):
    """They are compared by their hashes."""
    patient = write_phantom_patient(tmp_path / "P2", name="P2")
    record = json.loads((copy / "provenance.json").read_text())
    record["inputs"]["sha256"]["t1c"] = "0" * 64
    (copy / "provenance.json").write_text(json.dumps(record))

    with pytest.raises(ParameterError, match="is not the patient of .*: t1c differ"):
        add_view(copy, patient)


def test_what_is_no_result_is_refused(tmp_path, copy):
    """With what was expected."""
    with pytest.raises(ParameterError, match="is no result: expected a folder"):
        write_report(tmp_path)
    (copy / "quality.json").unlink()
    with pytest.raises(ParameterError, match="quality.json cannot be read"):
        write_report(copy)
    (copy / "provenance.json").write_text("{}")
    with pytest.raises(ParameterError, match="is no result: .*KeyError: 'settings'"):
        write_report(copy)


def test_a_damaged_view_is_told(copy):
    """It can be made again."""
    (copy / "view" / "view.json").write_text("{}")
    with pytest.raises(ImageError, match="view.json cannot be read: .* Write the report anew with --patient"):
        write_report(copy)


def test_a_title_is_the_name_of_the_patient_or_of_the_folder(folder, copy):
    """For headings of several results."""
    assert report_title(folder) == "P1"
    shutil.rmtree(copy / "view")
    assert report_title(copy) == "copy"


@pytest.mark.parametrize("method", ["margin", "whole-margin"])
def test_a_method_without_parameters_has_a_page(tmp_path, method):
    """The table says so instead of being empty."""
    folder = write_phantom_result(tmp_path, method=method)

    assert "gives a density alone" in text_of((folder / "report.html").read_text(encoding="utf-8"))
