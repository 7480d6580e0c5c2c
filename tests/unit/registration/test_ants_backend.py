"""How failures of the child process reach the caller, and how settings reach antsRegistration."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from deformed_phantom import AFFINE_PRESET, DEFORMABLE_PRESET, deformed_patient, layered_tissue_maps
from phantom_brain import GRID, phantom_t1

from gliofield.errors import RegistrationError
from gliofield.grid import Grid
from gliofield.registration import (
    REGISTRATION_PRESETS,
    ants_backend,
    ants_worker,
    register,
    write_displacement,
    write_itk_affine,
)
from gliofield.volume import Volume


def _register(preset=AFFINE_PRESET, **more):
    image, brain, lesion = deformed_patient()
    return register(
        patient_image=image,
        atlas_image=phantom_t1(layered_tissue_maps()),
        patient_brain=brain,
        lesion=lesion,
        preset=preset,
        num_threads=1,
        **more,
    )


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Replace the child process by a script of the test's own."""

    def replace(script):
        path = tmp_path / "worker.py"
        path.write_text("import sys, os, json, shutil\nfolder = sys.argv[1]\n" + script)
        monkeypatch.setattr(ants_backend, "_WORKER_SCRIPT", str(path))

    return replace


def _flat(text):
    return " ".join(text)


def test_the_papers_preset_becomes_the_published_metric_and_transform():
    """CC of radius 4, SyN[0.25] with Gauss[3,0], 50x20x0 iterations, the lesion masked in both stages."""
    affine, deformable = ants_backend._stages(REGISTRATION_PRESETS["papers"], 0)

    text = _flat(deformable["arguments"])
    assert "--transform SyN[0.25,3,0] --metric CC[patient.mha,atlas.mha,1,4]" in text
    assert "--convergence [50x20x0,1e-6,10] --shrink-factors 4x2x1" in text
    assert "--masks [metric_region.mha,NA]" in text
    assert "--masks [metric_region.mha,NA]" in _flat(affine["arguments"])
    assert "--initial-moving-transform [patient.mha,atlas.mha,1]" in _flat(affine["arguments"])


def test_the_seed_is_never_the_clock():
    """ANTs takes 0 as 'seed by the clock', so seed 0 is passed as 1, and distinct seeds stay distinct."""
    values = [
        _flat(ants_backend._stages(AFFINE_PRESET, seed)[0]["arguments"]).split("--random-seed ")[1].split()[0]
        for seed in (0, 1, 2**40)
    ]

    assert values[:2] == ["1", "2"]
    assert int(values[2]) > 0


@pytest.mark.parametrize("dtype", [np.float32, bool])
def test_an_image_arrives_in_itk_as_it_is(tmp_path, dtype):
    """Values, and origin and directions in LPS to the last digit, as ITK reads them."""
    ants = pytest.importorskip("ants")
    turn = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    world_from_voxel = np.eye(4)
    world_from_voxel[:3, :3], world_from_voxel[:3, 3] = turn * (1.0, 2.0, 1 / 3), (10.1, 20.0, 30.0)
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)

    ants_backend._write_meta_image(tmp_path / "image.mha", Volume(values, Grid((2, 3, 4), world_from_voxel)))
    read = ants.image_read(str(tmp_path / "image.mha"))

    assert np.array_equal(read.numpy(), values)
    pixels = ants.image_header_info(str(tmp_path / "image.mha"))["pixeltype"]
    assert pixels == ("unsigned char" if dtype is bool else "float")
    assert read.origin == (-10.1, -20.0, 30.0)
    assert read.spacing == pytest.approx((1.0, 2.0, 1 / 3), abs=1e-15)
    assert read.direction == pytest.approx(np.diag([-1.0, -1.0, 1.0]) @ turn, abs=1e-15)


def test_an_exception_in_the_child_arrives_with_its_text(worker):
    """Type, message and the last lines of output are in the error, and what to check."""
    status = json.dumps({"kind": "error", "error_type": "RuntimeError", "message": "it broke"})
    worker(f"print('last words')\nprint('@gliofield ' + {status!r})\nsys.exit(1)\n")

    with pytest.raises(RegistrationError, match=r"(?s)RuntimeError: it broke.*skull-stripped.*last words"):
        _register()


def test_a_missing_antspyx_is_named(worker):
    """The message tells how to install it."""
    status = json.dumps({"kind": "error", "error_type": "ModuleNotFoundError", "message": "No module named 'ants'"})
    worker(f"print('@gliofield ' + {status!r})\nsys.exit(1)\n")

    with pytest.raises(RegistrationError, match="pip install antspyx"):
        _register()


def test_a_killed_child_is_an_error_with_its_signal(worker):
    """A crash or the out-of-memory killer ends the child, not the caller."""
    worker("os.kill(os.getpid(), 9)\n")

    with pytest.raises(RegistrationError, match="killed by signal 9.*memory ran out"):
        _register()


def test_a_child_that_ends_without_a_word_is_an_error(worker):
    """An exit code alone is reported as such."""
    worker("sys.exit(3)\n")

    with pytest.raises(RegistrationError, match="ended with code 3"):
        _register()


def test_missing_results_are_an_error(worker):
    """A child that claims success but left no files."""
    worker("sys.exit(0)\n")

    with pytest.raises(RegistrationError, match="cannot be read as ITK affine"):
        _register()


def test_results_that_are_no_map_are_an_error(worker, tmp_path):
    """A mirrored affine, and fields on two grids, are refused with advice."""
    write_itk_affine(tmp_path / "mirrored.mat", np.diag([-1.0, 1.0, 1.0, 1.0]))
    write_itk_affine(tmp_path / "identity.mat", np.eye(4))
    worker(f"shutil.copy({str(tmp_path / 'mirrored.mat')!r}, folder + '/affine_0GenericAffine.mat')\n")
    with pytest.raises(RegistrationError, match="unusable transform.*mirrors the brain"):
        _register()

    small = Grid.axis_aligned((3, 3, 3), 4.0, (0, 0, 0))
    write_displacement(tmp_path / "big.nii.gz", np.zeros((*GRID.shape, 3)), GRID)
    write_displacement(tmp_path / "small.nii.gz", np.zeros((3, 3, 3, 3)), small)
    worker(
        f"here = {str(tmp_path)!r}\n"
        "shutil.copy(here + '/identity.mat', folder + '/syn_0GenericAffine.mat')\n"
        "shutil.copy(here + '/big.nii.gz', folder + '/syn_1Warp.nii.gz')\n"
        "shutil.copy(here + '/small.nii.gz', folder + '/syn_1InverseWarp.nii.gz')\n"
    )
    with pytest.raises(RegistrationError, match="unusable transform: inverse displacement and displacement"):
        _register(DEFORMABLE_PRESET)


def test_no_temporary_files_are_left(worker, tmp_path, monkeypatch):
    """The job folder vanishes, also after a failure."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    worker("sys.exit(3)\n")

    with pytest.raises(RegistrationError):
        _register()
    assert list(place.iterdir()) == []


def test_a_full_or_missing_temporary_folder_is_named(tmp_path, monkeypatch):
    """The message says where space is needed and how to choose another place."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))

    with pytest.raises(RegistrationError, match="set TMPDIR"):
        _register()


def test_a_full_disk_is_named(monkeypatch):
    """Images that cannot be written are reported with the place, not as a failure of ANTs."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ants_backend.Path, "write_bytes", full)

    with pytest.raises(RegistrationError, match="No space left on device.*set TMPDIR"):
        _register()


def test_an_interpreter_that_cannot_start_is_named(monkeypatch):
    """A vanished environment is reported as such."""
    monkeypatch.setattr("sys.executable", "/nowhere/python")

    with pytest.raises(RegistrationError, match="cannot be started.*/nowhere/python"):
        _register()


def test_an_interruption_ends_the_child(worker, tmp_path):
    """Ctrl-C (here: an exception of the reporter) kills the child and leaves no job folder."""
    note = tmp_path / "pid"
    worker(
        f"open({str(note)!r}, 'w').write(str(os.getpid()))\nprint('@gliofield ' + json.dumps("
        "{'kind': 'begin', 'stage': 'affine'}), flush=True)\nimport time\ntime.sleep(60)\n"
    )

    def interrupt(event):
        if event.message == "affine stage":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _register(report=interrupt)
    assert not _is_running(int(note.read_text()))


def test_an_embedded_interpreter_is_told_what_it_lacks(monkeypatch):
    """Without sys.executable no child can be started."""
    monkeypatch.setattr("sys.executable", "")

    with pytest.raises(RegistrationError, match=r"sys\.executable is empty"):
        _register()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux only")
def test_the_child_ends_when_its_caller_is_killed(tmp_path):
    """A killed caller cannot clean up; the child must not compute on."""
    job = tmp_path / ants_worker.JOB_FILE
    os.mkfifo(job)
    start = (
        f"import subprocess, sys; p = subprocess.Popen([sys.executable, {ants_worker.__file__!r}, {str(tmp_path)!r}])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", f"{start}; print(p.pid, flush=True); p.wait()"], stdout=subprocess.PIPE, text=True
    ) as caller:
        child = int(caller.stdout.readline())
        with open(job, "w"):  # opens once the child waits for its job, and keeps it waiting
            caller.kill()
            deadline = time.monotonic() + 30
            while _is_running(child) and time.monotonic() < deadline:
                time.sleep(0.02)
            assert not _is_running(child)


def _is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
