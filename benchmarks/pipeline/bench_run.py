"""A patient from the command to the result folder: seconds, memory and stages, beside other versions of gliofield.

    python benchmarks/pipeline/bench_run.py [--repeats 5] [--data DATA] [--patient BraTS2021_01481]
        [--beside NAME=SOURCE:ARGUMENTS …] [--options …]

Each run is a process of its own, with a warm cache (one run that is not counted goes before), and versions take turns.
SOURCE is the folder `src` of a checkout of another version, ARGUMENTS what its `personalize` is given, such as
`--method query --database DB`. Prints medians with the range; CPU seconds count all processes; then the stages of this
version, from its provenance, and a refusal (a folder that is not there).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_patients import default_data

SOURCE = Path(__file__).resolve().parents[2] / "src"


def run(source: str, arguments: Sequence[str]) -> tuple[dict[str, float], int]:
    """Wall and CPU seconds of a command, and its exit code."""
    environment = {**os.environ, "PYTHONPATH": source}
    before, begin = _cpu_seconds(), time.perf_counter()
    command = [sys.executable, "-m", "gliofield", "personalize", *arguments]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    cost = {"wall s": time.perf_counter() - begin, "CPU s": _cpu_seconds() - before}
    if ended.returncode not in (0, 1, 2):
        raise SystemExit(ended.stderr)
    return cost, ended.returncode


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def stages(folder: Path) -> dict[str, float]:
    """Seconds of the stages that a result folder states, and of the parts of the registration."""
    record: dict[str, Any] = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    parts = {f"register: {name}": value for name, value in record["registration"]["seconds"].items() if name != "total"}
    return {**record["seconds"], **parts}


def in_words(values: Sequence[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--patient", default="BraTS2021_01481")
    parser.add_argument("--options", default="", help="Options of this version's personalize.")
    parser.add_argument("--beside", nargs="*", default=[], metavar="NAME=SOURCE:ARGUMENTS")
    arguments = parser.parse_args()
    patient = str(arguments.data / "patients" / arguments.patient)
    versions = {"this": (str(SOURCE), shlex.split(arguments.options))}
    for text in arguments.beside:
        name, _, rest = text.partition("=")
        source, _, options = rest.partition(":")
        versions[name] = (source, shlex.split(options))
    costs: dict[str, list[dict[str, float]]] = {name: [] for name in versions}
    found: list[dict[str, float]] = []
    for turn in range(arguments.repeats + 1):
        for name, (source, options) in versions.items():
            with tempfile.TemporaryDirectory() as scratch:
                out = Path(scratch) / "result"
                cost, code = run(source, [patient, "--out", str(out), *options])
                if code != 0:
                    raise SystemExit(f"{name} refused its patient")
                if turn > 0:
                    costs[name].append(cost)
                    if name == "this":
                        found.append(stages(out))
    reference = statistics.median(cost["wall s"] for cost in costs["this"])
    print(f"{arguments.patient}, {arguments.repeats} runs each, load {os.getloadavg()[0]:.1f}\n")
    print("| version | wall s | CPU s | this over it |\n|---|---|---|---|")
    for name, runs in costs.items():
        wall = [cost["wall s"] for cost in runs]
        cpu = in_words([cost["CPU s"] for cost in runs])
        print(f"| {name} | {in_words(wall)} | {cpu} | {reference / statistics.median(wall):.2f} |")
    print("\n| stage | wall s |\n|---|---|")
    for stage in found[0]:
        print(f"| {stage} | {in_words([each[stage] for each in found])} |")
    refusals = [run(str(SOURCE), [patient + "-is-not-there", "--out", "result"])[0] for _ in range(arguments.repeats)]
    print(f"\nrefusal: {statistics.median(cost['wall s'] for cost in refusals):.2f} s")


if __name__ == "__main__":
    main()
