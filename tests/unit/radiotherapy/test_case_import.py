"""From DICOM series to a case that can be personalized; the registration itself is tested elsewhere."""

import json
import stat

import numpy as np
import pytest
from dicom_patient import axial_grid, phantom_scan, write_study
from dicom_series import write_series

from gliofield.errors import DicomError, GridMismatchError, ImageError, OutputError
from gliofield.nifti import read_volume, write_volume
from gliofield.pipeline import read_case
from gliofield.radiotherapy.dicom import (
    Alignment,
    Outlines,
    Structure,
    case_import,
    import_case,
    read_dicom_folder,
    write_segments,
)
from gliofield.registration import Transform
from gliofield.testing import LESION_CENTER_MM
from gliofield.testing.phantom_brain import radius_in
from gliofield.volume import Volume

WHOLE_ML = 4 / 3 * np.pi * 22.0**3 / 1000


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """T1Gd, FLAIR and an RTSTRUCT of the phantom."""
    return write_study(tmp_path_factory.mktemp("study") / "DICOM")


@pytest.fixture(autouse=True)
def _known_motion(monkeypatch):
    """Scans that do not move against each other, and no program on the PATH."""
    still = Alignment(transform=Transform.identity(), kind="identity", residual=None, residual_before=None)
    monkeypatch.setattr(case_import, "align", lambda *given, **options: still)
    monkeypatch.setenv("PATH", "/nowhere")


def test_a_case_of_an_rtstruct_is_read_by_personalize(study, tmp_path):
    """Both images on the grid of the T1Gd, core and whole tumor of the contours, and the record for an export."""
    outlines = Outlines(path=study.outlines, core="gtv", whole="EDEMA")
    made = import_case(study.folder, tmp_path / "case", outlines=outlines)
    case = read_case(tmp_path / "case")
    record = json.loads((tmp_path / "case" / "dicom.json").read_text())

    assert made.missing == ()
    assert made.images == ("t1c", "flair")
    assert case.segmentation.scheme == "brats2023"
    assert case.segmentation.whole_ml == pytest.approx(WHOLE_ML, rel=0.08)
    core = radius_in(case.grid, LESION_CENTER_MM, 1.0) < 12.0
    assert np.count_nonzero(core ^ case.segmentation.tumor_core) < 0.1 * core.sum()
    assert case.images["t1c"].grid.is_same_as(study.grid) or case.grid.spacing_mm == study.grid.spacing_mm
    assert (record["frame_of_reference_uid"], record["outlines"]) == (study.frame_uid, "RTSTRUCT")
    assert "Phantom" not in json.dumps(record)
    assert sum("not a medical device" in path.read_text() for path in (tmp_path / "case").glob("*.json")) == 1


def test_segments_and_labels_give_the_same_case(study, tmp_path):
    """A DICOM SEG with a cavity, and a NIfTI of labels on the grid of the T1Gd."""
    series = next(each for each in read_dicom_folder(study.folder).series if each.text("SeriesNumber") == "7")
    distance = radius_in(study.grid, LESION_CENTER_MM, 1.0)
    fields = {"core": distance < 12, "whole": distance < 22, "hole": distance < 6}
    structures = [Structure(name=name, kind="GTV", field=mask.astype(float)) for name, mask in fields.items()]
    write_segments(tmp_path / "seg.dcm", structures, series)
    outlines = Outlines(path=tmp_path / "seg.dcm", core="core", whole="whole", cavity="hole")
    import_case(study.folder, tmp_path / "a", outlines=outlines)
    labels = read_volume(tmp_path / "a" / "case_seg.nii.gz")
    write_volume(tmp_path / "labels.nii.gz", labels)
    import_case(study.folder, tmp_path / "b", outlines=Outlines(path=tmp_path / "labels.nii.gz"))
    truth = Volume(np.select([fields["hole"], fields["core"], fields["whole"]], [4, 3, 2], 0), study.grid).to_ras()

    assert (labels.data == truth.data).all()
    assert (read_volume(tmp_path / "b" / "case_seg.nii.gz").data == truth.data).all()


def test_what_is_missing_is_named_with_the_program_that_makes_it(study, tmp_path):
    """Outlines for a stripped scan; for one with its skull the brain too, and the head is kept."""
    made = import_case(study.folder, tmp_path / "case")
    assert [each.partition(":")[0] for each in made.missing] == ["tumor segmentation"]
    grid = axial_grid()
    whole_head = Volume(phantom_scan(grid).data + 20.0, grid)
    write_series(tmp_path / "head", whole_head, description="t1 gd")
    made = import_case(tmp_path / "head", tmp_path / "raw")

    assert [each.partition(":")[0] for each in made.missing] == ["skull stripping", "tumor segmentation"]
    assert all(tool in " ".join(made.missing) for tool in ("hd-bet", "SynthStrip", "BraTS"))
    assert (tmp_path / "raw" / "t1gd_head.nii.gz").is_file()


@pytest.mark.parametrize("tool", ["hd-bet", "mri_synthstrip"])
def test_a_program_on_the_path_strips_the_skull(tmp_path, monkeypatch, tool):
    """And a mask that is given comes first; a program that fails is told."""
    grid = axial_grid()
    head = Volume(phantom_scan(grid).data + 20.0, grid)
    write_series(tmp_path / "head", head, description="t1 gd")
    brain = Volume((phantom_scan(grid).data > 0).astype(np.uint8), grid)
    write_volume(tmp_path / "brain.nii.gz", brain)
    script = tmp_path / "bin" / tool
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\n[ "$1" = -i ] && [ "$3" = -o ] && /bin/cp "{tmp_path}/brain.nii.gz" "$4"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    given = import_case(tmp_path / "head", tmp_path / "by-hand", brain_mask=tmp_path / "brain.nii.gz")
    monkeypatch.setenv("PATH", str(script.parent))
    made = import_case(tmp_path / "head", tmp_path / "case")

    assert len(made.missing) == len(given.missing) == 1
    for name in ("by-hand", "case"):
        stripped = read_volume(tmp_path / name / "case_t1c.nii.gz")
        assert ((stripped.data != 0) == (brain.to_ras().data != 0)).all()
    assert json.loads((tmp_path / "case" / "dicom.json").read_text())["brain"] == tool
    script.write_text("#!/bin/sh\necho no weights >&2\nexit 1\n")
    with pytest.raises(ImageError, match=rf"{tool} failed \(no weights\)"):
        import_case(tmp_path / "head", tmp_path / "other")


def test_a_program_on_the_path_outlines_the_tumor(tmp_path, monkeypatch):
    """HD-GLIO, where all four images are there; its labels become those of BraTS."""
    grid = axial_grid()
    scans = {"t1 gd": "t1c", "flair": "flair", "t1": "flair", "t2": "flair"}
    for number, (words, contrast) in enumerate(scans.items(), start=1):
        write_series(tmp_path / "s", phantom_scan(grid, contrast), number=number, description=words, frame_uid="1.2.3",
                     EchoTime=None)  # fmt: skip
    distance = radius_in(grid, LESION_CENTER_MM, 1.0)
    labels = Volume(np.select([distance < 12, distance < 22], [2, 1], 0).astype(np.uint8), grid)
    write_volume(tmp_path / "labels.nii.gz", labels)
    script = tmp_path / "bin" / "hd_glio_predict"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\n[ "$9" = -o ] && /bin/cp "{tmp_path}/labels.nii.gz" "${{10}}"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(script.parent))
    made = import_case(tmp_path / "s", tmp_path / "case")

    assert made.missing == ()
    found = read_volume(tmp_path / "case" / "case_seg.nii.gz").data
    assert {int(value): int((found == value).sum()) for value in (2, 3)} == {
        2: int((labels.data == 1).sum()),
        3: int((labels.data == 2).sum()),
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"core": "GTV"}, r"the whole tumor .* is not named.*holds GTV, EDEMA"),
        ({"whole": "liver"}, "no structure liver: expected one of GTV, EDEMA"),
    ],
)
def test_structures_must_be_named(study, tmp_path, given, message):
    """With the names that there are; nothing is left behind."""
    with pytest.raises(DicomError, match=message):
        import_case(study.folder, tmp_path / "case", outlines=Outlines(path=study.outlines, **given))
    assert not (tmp_path / "case").exists()


def test_outlines_of_another_series_are_refused(study, tmp_path):
    """By their frame of reference; also images as outlines, and a NIfTI on another grid or with names."""
    other = write_study(tmp_path / "other")
    with pytest.raises(DicomError, match="belongs to another series"):
        import_case(study.folder, tmp_path / "c", outlines=Outlines(path=other.outlines, whole="EDEMA"))
    image = next(study.folder.iterdir())
    with pytest.raises(DicomError, match="is MR: expected outlines as RTSTRUCT, DICOM SEG or NIfTI"):
        import_case(study.folder, tmp_path / "c", outlines=Outlines(path=image, whole="x"))
    write_volume(tmp_path / "seg.nii.gz", Volume(np.ones((4, 4, 4), dtype=np.uint8), axis_grid()))
    with pytest.raises(GridMismatchError, match="seg.nii.gz and T1Gd"):
        import_case(study.folder, tmp_path / "c", outlines=Outlines(path=tmp_path / "seg.nii.gz"))
    with pytest.raises(DicomError, match="leave them out with a NIfTI"):
        import_case(study.folder, tmp_path / "c", outlines=Outlines(path=tmp_path / "seg.nii.gz", core="x"))


def axis_grid():
    from gliofield.grid import Grid

    return Grid.axis_aligned((4, 4, 4), 2.0, (0, 0, 0))


def test_outlines_of_an_empty_place_are_refused(study, tmp_path):
    """A segment that holds nothing where the T1Gd is, and one whose name is not there."""
    series = next(each for each in read_dicom_folder(study.folder).series if each.text("SeriesNumber") == "7")
    field = np.zeros(series.grid.shape)
    field[2:4, 2:4, 2:4] = 1
    write_segments(tmp_path / "seg.dcm", [Structure(name="a", kind="GTV", field=field)], series)
    with pytest.raises(DicomError, match="has no segment b: expected one of a"):
        import_case(study.folder, tmp_path / "c", outlines=Outlines(path=tmp_path / "seg.dcm", whole="b"))


def test_what_the_folder_holds_and_the_case_does_not_use_is_said(tmp_path):
    """A CT, and outlines that nobody named."""
    study = write_study(tmp_path / "s", outlines=tmp_path / "drawn.dcm")
    write_series(study.folder, phantom_scan(axial_grid()), modality="CT", number=40, description="head")
    study.outlines.rename(study.folder / "drawn.dcm")
    notes = import_case(study.folder, tmp_path / "case").notes

    assert notes[0].startswith("not used: 40: head (CT")
    assert notes[1] == "the folder holds outlines (drawn.dcm): name the file to use by --seg"


def test_series_of_two_patients_are_refused(study, tmp_path):
    """One folder, two numbers."""
    write_series(tmp_path / "s", phantom_scan(axial_grid()), number=1)
    write_series(
        tmp_path / "s", phantom_scan(axial_grid()), number=2, description="flair", patient_id="2", EchoTime=None
    )

    with pytest.raises(DicomError, match="of 2 patients"):
        import_case(tmp_path / "s", tmp_path / "case")


def test_a_case_is_replaced_by_leave_and_nothing_else_is(study, tmp_path):
    """As all outputs."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(OutputError):
        import_case(study.folder, tmp_path / "mine", replace=True)
    import_case(study.folder, tmp_path / "case")
    with pytest.raises(OutputError):
        import_case(study.folder, tmp_path / "case")
    assert import_case(study.folder, tmp_path / "case", replace=True).folder == tmp_path / "case"
