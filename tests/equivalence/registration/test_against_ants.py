"""Transform against antsApplyTransforms, and the child process from an interpreter that reads stdin."""

import json
import subprocess
import sys

import numpy as np
import pytest
from deformed_phantom import deformed_patient, layered_tissue_maps, true_transform
from phantom_brain import GRID, phantom_t1, stored_orientation

from gliofield.nifti import read_volume, write_volume
from gliofield.registration import read_itk_affine, read_transform, write_transform
from gliofield.volume import Volume

# ANTs stays out of the test process: its imports warn, and it prints.
_APPLY = """
import json, sys
import ants

jobs = json.load(sys.stdin)
for job in jobs:
    arguments = job["arguments"]
    names, inverted = [], []
    for word in arguments[1::2]:
        inverted.append(word.startswith("["))
        names.append(job["transforms"] + "/" + word.strip("[]").split(",")[0])
    image = ants.apply_transforms(
        fixed=ants.image_read(job["reference"]), moving=ants.image_read(job["moving"]), transformlist=names,
        whichtoinvert=inverted, interpolator=job["interpolator"],
    )
    ants.image_write(image, job["out"])
ants.write_transform(ants.read_transform(jobs[0]["transforms"] + "/atlas_from_patient.mat"), sys.argv[1])
"""


@pytest.fixture(scope="module")
def warped_by_ants(tmp_path_factory):
    """Folder with images ANTs warped by the files of a known transform, both ways, linear and nearest."""
    folder = tmp_path_factory.mktemp("ants")
    write_transform(folder / "transforms", true_transform())
    # The patient is stored as LPS, the atlas as RAS, so that a swapped axis shows.
    write_volume(folder / "patient.nii.gz", deformed_patient()[0], stored_as=stored_orientation("LPS"))
    write_volume(folder / "atlas.nii.gz", phantom_t1(layered_tissue_maps()))
    description = json.loads((folder / "transforms" / "transform.json").read_text())
    ways = {
        "patient": ("atlas", description["antsApplyTransforms_atlas_image_to_patient"]),
        "atlas": ("patient", description["antsApplyTransforms_patient_image_to_atlas"]),
    }
    jobs = [
        {
            "transforms": str(folder / "transforms"),
            "reference": str(folder / f"{target}.nii.gz"),
            "moving": str(folder / f"{source}.nii.gz"),
            "arguments": arguments,
            "interpolator": interpolator,
            "out": str(folder / f"{target}_{interpolator}.nii.gz"),
        }
        for target, (source, arguments) in ways.items()
        for interpolator in ("linear", "nearestNeighbor")
    ]
    subprocess.run(
        [sys.executable, "-c", _APPLY, str(folder / "by_ants.mat")],
        input=json.dumps(jobs),
        text=True,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.mark.parametrize(("interpolator", "ours"), [("linear", "linear"), ("nearestNeighbor", "nearest")])
def test_written_files_move_images_as_ants_does(warped_by_ants, interpolator, ours):
    """Read back, the files give ANTs' images: linear to float32 rounding, nearest but for ties."""
    transform = read_transform(warped_by_ants / "transforms")
    patient = read_volume(warped_by_ants / "patient.nii.gz")
    atlas = read_volume(warped_by_ants / "atlas.nii.gz")

    moved = {
        "atlas": transform.to_atlas(patient, GRID, ours).data,
        "patient": transform.to_patient(atlas, GRID, ours).data,
    }

    for target, data in moved.items():
        expected = read_volume(warped_by_ants / f"{target}_{interpolator}.nii.gz").data
        assert expected.max() > 100
        # Intensities reach 250; ANTs carries positions in the field as float32, 1e-5 voxels of an edge of 220.
        gap = np.abs(data - expected)
        if ours == "linear":
            assert gap.max() < 0.05, (target, gap.max())
        else:
            assert np.mean(gap > 0) < 1e-3, target


def test_ants_reads_the_affine_and_its_own_file_reads_the_same(warped_by_ants):
    """Our file, read and written again by ANTs, holds the same affine."""
    ours = read_itk_affine(warped_by_ants / "transforms" / "atlas_from_patient.mat")

    assert np.allclose(read_itk_affine(warped_by_ants / "by_ants.mat"), ours, atol=1e-6)


def test_registration_works_from_a_script_on_stdin(tmp_path):
    """No __main__ file, as in notebooks: the child process starts all the same, and adds nothing to stdout."""
    image, brain, _ = deformed_patient()
    write_volume(tmp_path / "patient.nii.gz", image)
    write_volume(tmp_path / "brain.nii.gz", Volume(brain.data.astype(np.float32), GRID))
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
from deformed_phantom import AFFINE_PRESET
from gliofield.nifti import read_volume
from gliofield.registration import register
image, brain = (read_volume({str(tmp_path)!r} + "/" + name + ".nii.gz") for name in ("patient", "brain"))
result = register(patient_image=image, atlas_image=image, patient_brain=brain, preset=AFFINE_PRESET, num_threads=1)
print("determinant", result.transform.affine_volume_ratio)
"""
    done = subprocess.run([sys.executable, "-"], input=script, text=True, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert float(line.removeprefix("determinant ")) == pytest.approx(1.0, abs=0.05)
