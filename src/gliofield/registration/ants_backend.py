"""Registration by ANTs (antspyx), in a child process.

`ants_worker` runs antsRegistration; this module writes its job, follows its status lines and reads the transform
files it leaves. A process of its own confines what ANTs does to its host: thread count by environment variable,
random seeds, output to the C++ stdout, 3 s of imports, and crashes. It is started as a script of its own, so it
works from notebooks and from stdin, where `multiprocessing` with spawn does not.

ANTs is bit-reproducible with one thread and a seed; with more, threads add up in varying order.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import GridMismatchError, ParameterError, RegistrationError
from gliofield.leftovers import scratch_folder
from gliofield.progress import ProgressEvent, Reporter
from gliofield.registration import ants_worker
from gliofield.registration.ants_worker import JOB_FILE, STATUS_MARK
from gliofield.registration.backend import Alignment
from gliofield.registration.image_pair import ImagePair
from gliofield.registration.presets import AffineSettings, Levels, RegistrationPreset, SynSettings
from gliofield.registration.transform import Transform
from gliofield.registration.transform_files import read_displacement, read_itk_affine
from gliofield.volume import Volume

_IMAGE_NAMES = ("patient", "atlas", "metric_region")
_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0])
_TASK = "registration"
# ANTs stops a level when the metric changes by less than this over the last ten iterations.
_CONVERGENCE = "1e-6,10"
_ANTS_METRICS = {"cross-correlation": "CC", "mutual-information": "Mattes"}
_MAX_SEED = 2**31 - 2
_LINES_KEPT = 12
_WORKER_SCRIPT = ants_worker.__file__


@dataclass(frozen=True, kw_only=True)
class AntsBackend:
    """antsRegistration of antspyx; a `RegistrationBackend`."""

    name: str = "ants"

    def align(
        self,
        pair: ImagePair,
        preset: RegistrationPreset,
        *,
        seed: int,
        deterministic: bool,
        num_threads: int,
        report: Reporter,
    ) -> Alignment:
        """Transform of a prepared pair; see `RegistrationBackend.align`.

        Raises
        ------
        RegistrationError
            If antspyx is missing, the child process fails, or its files cannot be read.
        """
        stages = _stages(preset, seed)
        with _job_folder(pair, stages) as folder:
            seconds, versions = _run_worker(folder, len(stages), 1 if deterministic else num_threads, report)
            start = time.perf_counter()
            transform = _read_transform(folder, preset)
            seconds["read"] = time.perf_counter() - start
        return Alignment(transform=transform, seconds=seconds, versions=versions)


def _stages(preset: RegistrationPreset, seed: int) -> list[dict[str, Any]]:
    """antsRegistration calls in order; images are those of the job folder."""
    # 0 would mean "seed by the clock".
    common = ["--dimensionality", "3", "--float", "1", "--random-seed", str(1 + seed % _MAX_SEED)]
    common += ["--masks", "[metric_region.mha,NA]"]
    stages = []
    if preset.affine is not None:
        arguments = [*common, "--output", "affine_", "--initial-moving-transform", "[patient.mha,atlas.mha,1]"]
        for kind in ("Rigid",) if preset.affine.is_rigid else ("Rigid", "Affine"):
            arguments += _linear_arguments(kind, preset.affine)
        stages.append({"name": "affine", "arguments": arguments})
    if preset.deformable is not None:
        initial = "affine_0GenericAffine.mat"
        arguments = [*common, "--output", "syn_", "--initial-moving-transform", initial]
        arguments += _syn_arguments(preset.deformable)
        stages.append({"name": "deformable", "arguments": arguments})
    return stages


def _linear_arguments(kind: str, settings: AffineSettings) -> list[str]:
    sampling = f"Regular,{settings.sampling_fraction:g}"
    metric = f"Mattes[patient.mha,atlas.mha,1,{settings.num_bins},{sampling}]"
    transform = f"{kind}[{settings.gradient_step:g}]"
    return ["--transform", transform, "--metric", metric, *_level_arguments(settings.levels)]


def _syn_arguments(settings: SynSettings) -> list[str]:
    variances = f"{settings.update_variance_voxels2:g},{settings.total_variance_voxels2:g}"
    metric = f"{_ANTS_METRICS[settings.metric]}[patient.mha,atlas.mha,1,{settings.metric_parameter}]"
    transform = f"SyN[{settings.gradient_step:g},{variances}]"
    return ["--transform", transform, "--metric", metric, *_level_arguments(settings.levels)]


def _level_arguments(levels: Levels) -> list[str]:
    iterations = "x".join(str(n) for n in levels.iterations)
    shrink = "x".join(str(n) for n in levels.shrink_factors)
    smoothing = "x".join(f"{s:g}" for s in levels.smoothing_voxels)
    convergence = f"[{iterations},{_CONVERGENCE}]"
    return ["--convergence", convergence, "--shrink-factors", shrink, "--smoothing-sigmas", f"{smoothing}vox"]


@contextmanager
def _job_folder(pair: ImagePair, stages: list[dict[str, Any]]) -> Iterator[Path]:
    """Temporary folder with the job in it, gone at the end of the block."""
    with ExitStack() as made:
        try:
            folder = made.enter_context(scratch_folder("registration"))
            _write_job(folder, pair, stages)
        except OSError as error:
            raise _cannot_write_job(error) from error
        yield folder


def _cannot_write_job(error: OSError) -> RegistrationError:
    return RegistrationError(
        f"the temporary files of the registration cannot be written ({error}). Free some space in "
        f"{tempfile.gettempdir()}, or set TMPDIR to a folder with a few GB."
    )


def _write_job(folder: Path, pair: ImagePair, stages: list[dict[str, Any]]) -> None:
    for name in _IMAGE_NAMES:
        _write_meta_image(folder / f"{name}.mha", getattr(pair, name))
    (folder / JOB_FILE).write_text(json.dumps({"stages": stages}), encoding="utf-8")


def _write_meta_image(path: Path, image: Volume) -> None:
    """Write an image as a MetaImage, which keeps its geometry in double precision (NIfTI: single), in ITK's LPS world.

    ANTs reads masks as unsigned char and, with --float, images as float.
    """
    is_mask = image.data.dtype == bool
    spacing = np.array(image.grid.spacing_mm)
    direction = _LPS_FROM_RAS @ (image.grid.world_from_voxel[:3, :3] / spacing)
    header = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": str(sys.byteorder == "big"),
        # One axis after the other.
        "TransformMatrix": _in_words(direction.T),
        "Offset": _in_words(_LPS_FROM_RAS @ image.grid.world_from_voxel[:3, 3]),
        "ElementSpacing": _in_words(spacing),
        "DimSize": _in_words(np.array(image.grid.shape)),
        "ElementType": "MET_UCHAR" if is_mask else "MET_FLOAT",
        "ElementDataFile": "LOCAL",
    }
    text = "".join(f"{key} = {value}\n" for key, value in header.items())
    values = image.data.astype(np.uint8 if is_mask else np.float32)
    path.write_bytes(text.encode("ascii") + values.tobytes(order="F"))


def _in_words(numbers: NDArray[np.float64] | NDArray[np.int64]) -> str:
    """Numbers with all their digits."""
    return " ".join(repr(number) for number in numbers.ravel().tolist())


def _run_worker(
    folder: Path, num_stages: int, num_threads: int, report: Reporter
) -> tuple[dict[str, float], dict[str, str]]:
    """Run the job; seconds per stage and versions. Kills the child if the caller is interrupted."""
    seconds: dict[str, float] = {}
    versions: dict[str, str] = {}
    noise: deque[str] = deque(maxlen=_LINES_KEPT)
    failure = ""
    process = _start_worker(folder, num_threads)
    try:
        assert process.stdout is not None
        report(ProgressEvent(task=_TASK, completed=0, total=num_stages, message="starting ANTs"))
        for line in process.stdout:
            if not line.startswith(STATUS_MARK):
                noise.append(line.rstrip())
                continue
            event = json.loads(line[len(STATUS_MARK) :])
            if event["kind"] == "ready":
                seconds["start"] = float(event["seconds"])
                versions.update(event["versions"])
            elif event["kind"] == "begin":
                done = len(seconds) - 1
                report(ProgressEvent(task=_TASK, completed=done, total=num_stages, message=f"{event['stage']} stage"))
            elif event["kind"] == "end":
                seconds[event["stage"]] = float(event["seconds"])
            else:
                failure = f"{event['error_type']}: {event['message']}"
        exit_code = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if exit_code != 0:
        raise RegistrationError(_failure_message(failure, exit_code, [line for line in noise if line.strip()]))
    report(ProgressEvent(task=_TASK, completed=num_stages, total=num_stages, message="aligned"))
    return seconds, versions


def _start_worker(folder: Path, num_threads: int) -> subprocess.Popen[str]:
    if not sys.executable:
        raise RegistrationError(
            "registration needs a Python interpreter to start as a child process, but sys.executable is empty "
            "(embedded Python). Set sys.executable to the path of this environment's interpreter."
        )
    environment = dict(os.environ)
    # The child finds packages where this process does, also those added to sys.path at run time.
    environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)
    environment["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(num_threads)
    environment["MPLBACKEND"] = "Agg"
    try:
        return subprocess.Popen(
            [sys.executable, "-P", _WORKER_SCRIPT, str(folder)],
            # ANTs reads some characters of a path as its own grammar: it gets names inside this folder alone.
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise RegistrationError(
            f"the child process of the registration cannot be started ({error}). Check that {sys.executable} exists "
            "and that memory and the number of processes are not exhausted."
        ) from error


def _failure_message(failure: str, exit_code: int, last_lines: list[str]) -> str:
    """What went wrong in the child, and what to do."""
    if failure.startswith(("ModuleNotFoundError", "ImportError")):
        return f"ANTs cannot be loaded ({failure}). Install it with: pip install antspyx"
    if not failure:
        failure = f"the process ended with code {exit_code}"
        if exit_code < 0:
            failure = f"the process was killed by signal {-exit_code}"
    tail = "".join(f"\n  {line}" for line in last_lines)
    return (
        f"ANTs failed: {failure}. Check that both images show a skull-stripped brain and that their headers place "
        f"them within a few centimeters of each other; on signal 9 the memory ran out, use preset 'fast'.{tail}"
    )


def _read_transform(folder: Path, preset: RegistrationPreset) -> Transform:
    """Transform of ANTs' files; the fields come at the resolution of the finest level named in the preset.

    Raises
    ------
    RegistrationError
        If a file cannot be read, or what it holds is no invertible map (NaN, mirrored).
    """
    try:
        if preset.deformable is None:
            return Transform.affine(read_itk_affine(folder / "affine_0GenericAffine.mat"))
        displacement, grid = read_displacement(folder / "syn_1Warp.nii.gz")
        inverse, inverse_grid = read_displacement(folder / "syn_1InverseWarp.nii.gz")
        inverse_grid.require_same_as(grid, self_name="inverse displacement", other_name="displacement")
        return Transform(
            atlas_from_patient=read_itk_affine(folder / "syn_0GenericAffine.mat"),
            displacement_mm=displacement,
            inverse_displacement_mm=inverse,
            displacement_grid=grid,
        )
    except (ParameterError, GridMismatchError) as error:
        raise RegistrationError(
            f"ANTs returned an unusable transform: {error} Check that both images show a skull-stripped brain in the "
            "orientation their headers say, or use the preset 'affine'."
        ) from error
