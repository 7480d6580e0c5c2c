"""What is written is read by programs that know nothing of gliofield, and passes a validator.

plastimatch, dcmrtstruct2nii and highdicom come with the development tools; dciodvfy is Debian's dicom3tools, and its
tests skip where that is not installed.
"""

import json
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_series import orientations, scanner_grid, write_series

from gliofield.grid import reoriented_to_ras
from gliofield.metrics import dice
from gliofield.nifti import read_volume
from gliofield.radiotherapy.dicom import (
    Structure,
    read_planning_series,
    read_segments,
    write_map,
    write_segments,
    write_structures,
)
from gliofield.resample import resample_mask
from gliofield.volume import Volume

SERIES = {
    **{turn: (turn, (1.0, 1.0, 2.0), (36, 32, 15)) for turn in orientations()},
    "slices of 5 mm": ("oblique", (1.0, 1.0, 5.0), (36, 32, 9)),
}
needs_validator = pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="needs dciodvfy: apt-get install dicom3tools"
)


@pytest.fixture(scope="module", params=SERIES)
def written(request, tmp_path_factory):
    """A series of each kind with RTSTRUCT (both kinds of holes) and SEG, and the masks that they hold."""
    return write_all(tmp_path_factory.mktemp("written"), request.param)


def write_all(folder, name):
    """The files on one of the series."""
    turn, spacing_mm, shape = SERIES[name]
    grid = scanner_grid(orientations()[turn], shape=shape, spacing_mm=spacing_mm, center_mm=(5, -10, 20))
    offsets = grid.world_of(np.moveaxis(np.indices(shape), 0, -1)) - grid.center_mm
    distance = np.linalg.norm(offsets, axis=-1)
    write_series(folder / "series", Volume(distance.astype(np.float32), grid))
    series = read_planning_series(folder / "series")
    two = np.minimum(np.linalg.norm(offsets - (8, 0, 0), axis=-1), np.linalg.norm(offsets + (8, 0, 0), axis=-1))
    fields = {
        "smooth": np.clip((13 - distance) / 3 + 0.5, 0, 1),
        "SHELL": ((distance < 12) & (distance > 6)).astype(float),
        "two": (two < 6).astype(float),
    }
    structures = [Structure(name=name, kind="CTV", field=field) for name, field in fields.items()]
    for holes in ("nested", "keyhole"):
        write_structures(folder / f"{holes}.dcm", structures, series, holes=holes)
    write_segments(folder / "seg.dcm", structures, series)
    write_map(folder / "map.dcm", fields["smooth"], series, meaning="tumor-cell density")
    return folder, series, {each.name: each.mask for each in structures}


@pytest.mark.parametrize("holes", ["nested", "keyhole"])
def test_plastimatch_reads_the_same_structures(written, tmp_path, holes):
    """Dice ≥ 0.98 in every orientation; nested contours by its rule for holes, keyholes by either."""
    pytest.importorskip("plastimatch", reason="needs plastimatch")
    folder, series, masks = written
    program = Path(sys.executable).with_name("plastimatch")
    command = [program, "convert", "--input", folder / f"{holes}.dcm", "--referenced-ct", folder / "series"]
    command += ["--output-prefix", tmp_path, "--prefix-format", "nii.gz"]
    command += ["--xor-contours"] if holes == "nested" else []
    subprocess.run(command, check=True, capture_output=True)

    for name, mask in masks.items():
        read, own = read_volume(tmp_path / f"{name}.nii.gz"), Volume(mask, series.grid).to_ras()
        assert read.grid.is_same_as(own.grid)
        assert dice(read.data > 0, own.data, if_both_empty=0.0) >= 0.98, name


@pytest.mark.parametrize("holes", ["nested", "keyhole"])
def test_dcmrtstruct2nii_reads_the_same_structures(written, monkeypatch, capsys, holes):
    """Dice ≥ 0.98; it calls a function by the name that pydicom gave up."""
    monkeypatch.setattr(pydicom, "read_file", pydicom.dcmread, raising=False)
    masking = pytest.importorskip(
        "dcmrtstruct2nii.adapters.convert.rtstructcontour2mask", reason="needs dcmrtstruct2nii"
    )
    from dcmrtstruct2nii.adapters.input.contours.rtstructinputadapter import RtStructInputAdapter
    from dcmrtstruct2nii.adapters.input.image.dcminputadapter import DcmInputAdapter
    from SimpleITK import GetArrayFromImage

    folder, _, masks = written
    image = DcmInputAdapter().ingest(str(folder / "series"))
    found = RtStructInputAdapter().ingest(str(folder / f"{holes}.dcm"))

    assert [each["name"] for each in found] == list(masks)
    for each in found:
        read = GetArrayFromImage(masking.DcmPatientCoords2Mask().convert(each["sequence"], image, 0, 1))
        assert dice(read.transpose(2, 1, 0) > 0, masks[each["name"]], if_both_empty=0.0) >= 0.98, each["name"]


def test_highdicom_reads_the_same_segments(written):
    """Voxel for voxel."""
    folder, series, masks = written
    frame_uid, series_uids, segments = read_segments(folder / "seg.dcm")

    assert (frame_uid, series_uids) == (series.frame_uid, (series.uid,))
    for name, mask in masks.items():
        assert (resample_mask(segments[name], series.grid).data == mask).all(), name
        assert segments[name].grid.voxel_volume_ml == pytest.approx(reoriented_to_ras(series.grid)[0].voxel_volume_ml)


@needs_validator
@pytest.mark.parametrize("name", ["nested", "keyhole", "seg", "map"])
def test_the_validator_finds_no_error(written, name):
    """dciodvfy, in its strict form."""
    folder = written[0]
    done = subprocess.run(["dciodvfy", "-new", folder / f"{name}.dcm"], capture_output=True, text=True, check=False)

    assert [line for line in done.stderr.splitlines() if line.startswith("Error")] == []
    assert any(each in done.stderr for each in ("RTStructureSet", "Segmentation", "ParametricMap"))


@needs_validator
def test_the_validator_would_find_an_error(written, tmp_path):
    """A structure set without its label is one."""
    dataset = pydicom.dcmread(written[0] / "nested.dcm")
    del dataset.StructureSetLabel
    dataset.save_as(tmp_path / "broken.dcm")
    done = subprocess.run(["dciodvfy", "-new", tmp_path / "broken.dcm"], capture_output=True, text=True, check=False)

    assert "Error" in done.stderr


def test_what_the_standard_demands_is_there(tmp_path):
    """Attributes of type 1 and 2 in the tables of mandatory modules that highdicom has, also inside sequences.

    Functional groups may be shared or one a frame, which the tables do not know: the validator looks at those.
    """
    write_all(tmp_path, "oblique")
    tables = resources.files("highdicom") / "_standard"
    objects, modules, attributes = (
        json.loads((tables / f"{each}.json").read_text())
        for each in ("sop_class_iod_map", "iod_module_map", "module_attribute_map")
    )
    for name in ("nested", "seg", "map"):
        dataset = pydicom.dcmread(tmp_path / f"{name}.dcm")
        mandatory = [each["key"] for each in modules[objects[dataset.SOPClassUID]] if each["usage"] == "M"]
        demanded = {
            (*each["path"], each["keyword"])
            for module in mandatory
            for each in attributes[module]
            if each["type"] in ("1", "2") and not any("FunctionalGroups" in part for part in each["path"])
        }
        lacking = {each for each in demanded if any(each[-1] not in item for item in items_at(dataset, each[:-1]))}

        assert len(demanded) > 20
        assert lacking == set(), name


def items_at(dataset, path):
    """The datasets at a path of sequences; none where a sequence is not there."""
    found = [dataset]
    for keyword in path:
        found = [inner for item in found for inner in item.get(keyword, [])]
    return found
