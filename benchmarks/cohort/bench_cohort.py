"""A cohort by one command beside a shell loop, its memory, and what kills do to it.

    python benchmarks/cohort/bench_cohort.py --virtual COHORT [--real PATIENTS] [--number 40] [--kills 10]
        [--measure throughput kills dask together]

The cohort is a table: real patients where they are given, virtual ones (`gliofield virtual --cohort`) up to the number,
among them one without a core and one of two foci where there are such, and three that are broken: without outlines,
with a truncated image, with labels of no scheme. In one run, in turns: half of the patients by a loop over `gliofield
personalize`, all by `gliofield cohort`, the other half by the loop, so that a busy machine is busy for both. Then the
first patients (`--killed-number`) anew, by deterministic registrations: the process killed at random moments and
started again, workers of a Dask `LocalCluster` killed at random moments, and twelve processes (`--together`) started at
once on an empty cache and one output. Files are compared with those of a run that nobody disturbed.

Printed are patients per hour by the wall clock and by the processors' own time, which other processes do not change,
the peak memory of a worker by the order of its patients, and how often a finished patient was computed again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gliofield.cohort import read_table
from gliofield_evaluation.virtual import read_cohort

COMMAND = [sys.executable, "-m", "gliofield"]
MEASURES = ("throughput", "kills", "dask", "together")


@dataclass(frozen=True)
class Patient:
    """A row of the table: columns by name."""

    name: str
    columns: dict[str, str]


@dataclass(frozen=True)
class Timed:
    """Wall and processor time of some patients [s]."""

    patients: int
    wall_s: float
    cpu_s: float

    def __add__(self, other: Timed) -> Timed:
        return Timed(self.patients + other.patients, self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)

    def __str__(self) -> str:
        return (
            f"{self.patients} patients, {self.wall_s:.0f} s, {3600 * self.patients / self.wall_s:.0f} an hour, "
            f"{self.cpu_s / self.patients:.1f} s of processors each"
        )


def real_patients(folder: Path | None) -> list[Patient]:
    """BraTS folders, and the one whose files are called otherwise."""
    if folder is None:
        return []
    found = []
    for place in sorted(folder.iterdir()):
        if any(place.glob("*_seg.nii.gz")):
            found.append(Patient(place.name, {"folder": str(place)}))
        elif (place / "seg_simple.nii.gz").is_file():
            names = {"t1": "t1_bet", "t1c": "t1c_bet", "flair": "fla_bet", "segmentation": "seg_simple"}
            columns = {what: str(place / f"{name}.nii.gz") for what, name in names.items()}
            found.append(Patient(place.name, columns))
    return found


def virtual_patients(folder: Path, number: int) -> list[Patient]:
    """Virtual patients without false edema; a coreless one and one of several foci first."""
    cases = [case for case in read_cohort(folder) if case.condition == "none"]
    special = [next((case for case in cases if not case.has_core), None)]
    special += [next((case for case in cases if "foc" in case.kind), None)]
    first = [case for case in special if case is not None]
    chosen = [*first, *(case for case in cases if case not in first)][:number]
    return [Patient(case.name, {"folder": str(case.folder), "labels": case.label_scheme}) for case in chosen]


def broken_patients(model: Patient, folder: Path) -> list[Patient]:
    """Three patients that are wrong in different ways."""
    import nibabel as nib
    import numpy as np

    source = Path(model.columns["folder"])
    found = []
    for name in ("without-outlines", "cut-off", "other-labels"):
        place = folder / name
        place.mkdir(parents=True)
        for path in source.glob("*.nii.gz"):
            if not (name == "without-outlines" and "_seg" in path.name):
                (place / path.name).write_bytes(path.read_bytes())
        found.append(Patient(name, {"folder": str(place)}))
    image = next((folder / "cut-off").glob("*_flair.nii.gz"))
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    labels = next((folder / "other-labels").glob("*_seg.nii.gz"))
    stored = nib.load(labels)
    nib.save(nib.Nifti1Image(np.asarray(stored.dataobj) * 7, stored.affine), labels)
    return found


def write_table(path: Path, patients: Sequence[Patient]) -> None:
    """Table of patients."""
    names = sorted({name for patient in patients for name in patient.columns})
    lines = ["\t".join(["patient", *names])]
    lines += ["\t".join([each.name, *(each.columns.get(name, "n/a") for name in names)]) for each in patients]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def timed(commands: Sequence[Sequence[str]], patients: int) -> Timed:
    """Time of commands, one after the other, with all their processes."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    for command in commands:
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timed(patients, time.perf_counter() - begin, cpu_s)


def loop_of(patients: Sequence[Patient], out: Path, options: Sequence[str]) -> list[list[str]]:
    """The command for each patient by itself."""
    spelled = {"t1": "--t1", "t1c": "--t1c", "flair": "--flair", "segmentation": "--seg", "labels": "--labels"}
    commands = []
    for each in patients:
        words = [each.columns["folder"]] if "folder" in each.columns else []
        words += [word for name, value in each.columns.items() if name in spelled for word in (spelled[name], value)]
        commands.append([*COMMAND, "personalize", *words, "--out", str(out / each.name), *options])
    return commands


def kill_and_resume(command: Sequence[str], kills: int, seconds: float, rng: random.Random) -> int:
    """Run a command to its end, killing it at random moments; how often it was killed."""
    killed = 0
    while killed < kills:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            process.wait(timeout=rng.uniform(0.2, 2.0) * seconds / (kills + 1))
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return killed


def content_of(folder: Path) -> dict[str, str]:
    """Digest of every result file of a cohort, times left out; the page of a patient states them, and is left out."""
    found = {}
    for path in sorted((folder / "patients").rglob("*")):
        if path.is_file() and path.name != "report.html":
            text = path.read_bytes()
            if path.name == "provenance.json":
                content = json.loads(text)
                content.pop("seconds")
                content["registration"].pop("seconds")
                text = json.dumps(content).encode()
            found[path.relative_to(folder).as_posix()] = hashlib.sha256(text).hexdigest()
    return found


def times_computed(folder: Path) -> dict[str, int]:
    """How often each patient was finished, by its log."""
    return {
        path.stem: sum(line.endswith(" done") for line in path.read_text(encoding="utf-8").splitlines())
        for path in (folder / "logs").glob("*.log")
    }


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--virtual", type=Path, required=True)
    arguments.add_argument("--real", type=Path)
    arguments.add_argument("--number", type=int, default=40)
    arguments.add_argument("--kills", type=int, default=10)
    arguments.add_argument("--killed-number", type=int, default=8)
    arguments.add_argument("--together", type=int, default=12)
    arguments.add_argument("--measure", nargs="+", choices=MEASURES, default=list(MEASURES))
    arguments.add_argument("--method", default="assimilate")
    arguments.add_argument("--workers", type=int, default=2)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        real = real_patients(chosen.real)
        sound = [*real, *virtual_patients(chosen.virtual, max(1, chosen.number - 3 - len(real)))]
        print(f"{len(sound)} sound patients ({len(real)} real), {os.cpu_count()} cores, "
              f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
        method = ["--method", chosen.method]
        how = [*method, "--workers", str(chosen.workers)]
        if "throughput" in chosen.measure:
            measure_throughput(sound, method, how, place)
        if set(chosen.measure) == {"throughput"}:
            return
        write_table(place / "few.tsv", sound[: chosen.killed_number])
        few = [*COMMAND, "cohort", str(place / "few.tsv"), *method, "--deterministic"]
        workers = ["--workers", str(chosen.workers)]
        calm = timed([[*few, *workers, "--out", str(place / "calm")]], 1)
        if "kills" in chosen.measure:
            command = [*few, *workers, "--out", str(place / "killed")]
            killed = kill_and_resume(command, chosen.kills, calm.wall_s, random.Random(0))
            print_same(f"killed {killed} times and resumed", place / "killed", place / "calm")
        if "dask" in chosen.measure:
            killed = kill_workers([*few, "--out", str(place / "dask")], chosen, calm.wall_s, random.Random(1))
            print_same(f"Dask, {killed} workers killed", place / "dask", place / "calm")
        if "together" in chosen.measure:
            codes = start_together([*few, "--workers", "1", "--out", str(place / "together")], chosen.together, place)
            print_same(f"{chosen.together} at once, exit codes {sorted(codes)}", place / "together", place / "calm")


def measure_throughput(sound: Sequence[Patient], method: list[str], how: list[str], place: Path) -> None:
    """The cohort beside the loop, with three broken patients in the cohort."""
    broken = broken_patients(next(each for each in sound if "folder" in each.columns), place / "broken")
    write_table(place / "patients.tsv", [*sound, *broken])
    cohort = [*COMMAND, "cohort", str(place / "patients.tsv"), *how, "--out", str(place / "cohort")]
    middle = len(sound) // 2
    loop = timed(loop_of(sound[:middle], place / "loop", method), middle)
    whole = timed([cohort], len(sound))
    loop += timed(loop_of(sound[middle:], place / "loop", method), len(sound) - middle)
    print(f"loop:   {loop}\ncohort: {whole}", flush=True)
    faster = whole.patients / whole.wall_s / (loop.patients / loop.wall_s)
    cheaper = loop.cpu_s / loop.patients / (whole.cpu_s / whole.patients)
    print(f"patients per hour, cohort over loop: {faster:.2f} by the clock, {cheaper:.2f} by processor time")
    rows = read_table(place / "cohort")
    print_memory(rows, place / "cohort")
    for row in rows:
        if row["status"] == "failed":
            print(f"failed, as it should: {row['patient']}: {row['reason']}")
    again = timed([cohort], len(sound))
    print(f"the same command once more: {again.wall_s:.1f} s", flush=True)


def kill_workers(command: list[str], chosen: argparse.Namespace, seconds: float, rng: random.Random) -> int:
    """Run a command on a Dask cluster whose workers are killed at random moments; how many were."""
    from distributed import Client, LocalCluster

    killed, settings = 0, {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=chosen.workers, memory_limit=0, **settings) as cluster:
        with Client(cluster.scheduler_address, set_as_default=False) as client:
            process = subprocess.Popen(
                [*command, "--scheduler", cluster.scheduler_address],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while killed < chosen.kills:
                try:
                    process.wait(timeout=rng.uniform(0.5, 2.0) * seconds / (chosen.kills + 1))
                    break
                except subprocess.TimeoutExpired:
                    os.kill(rng.choice(list(client.run(os.getpid).values())), signal.SIGKILL)
                    killed += 1
            process.wait()
    return killed


def start_together(command: list[str], number: int, place: Path) -> list[int]:
    """Exit codes of processes that start at once on an empty cache and one output; what a failed one says is shown."""
    environment = {**os.environ, "GLIOFIELD_CACHE_DIR": str(place / "empty-cache")}
    said = [place / f"said-{index}.txt" for index in range(number)]
    processes = []
    for path in said:
        with path.open("w", encoding="utf-8") as file:
            processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=file))
    codes = [process.wait() for process in processes]
    for code, path in zip(codes, said, strict=True):
        if code:
            print(path.read_text(encoding="utf-8").strip()[-1000:], flush=True)
    return codes


def print_memory(rows: Sequence[dict], folder: Path) -> None:
    """Peak memory of a worker over its patients, in the order in which they were finished."""
    records = folder / "records"
    done = [row for row in rows if row["status"] == "done"]
    done.sort(key=lambda row: (records / f"{Path(str(row['folder'])).name}.json").stat().st_mtime)
    peaks = [float(row["peak_memory_mb"]) for row in done]
    third = max(1, len(peaks) // 3)
    first, last = sorted(peaks[:third])[third // 2], sorted(peaks[-third:])[third // 2]
    print(f"peak memory of a worker: {max(peaks):.0f} MB at most, median {first:.0f} MB over the first third of "
          f"{len(peaks)} patients, {last:.0f} MB over the last", flush=True)  # fmt: skip


def print_same(what: str, found: Path, calm: Path) -> None:
    """Whether the files of a run that was disturbed are those of one that was not."""
    expected, files = content_of(calm), content_of(found)
    again = sum(number > 1 for number in times_computed(found).values())
    equal = sum(expected.get(name) == digest for name, digest in files.items())
    left = len(list(found.rglob(".partial-*")))
    different = [name for name, digest in files.items() if expected.get(name) != digest]
    print(
        f"{what}: {equal} of {len(expected)} files equal to those of a run that nobody disturbed, {len(files)} there; "
        f"finished patients computed again: {again}; temporary files left: {left}; "
        f"different: {', '.join(different) or 'none'}",
        flush=True,
    )


if __name__ == "__main__":
    main()
