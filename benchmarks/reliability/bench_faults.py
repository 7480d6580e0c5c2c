"""Nothing lost, nothing silently wrong: kills, mutated files, flipped bits and faults of the file system, counted.

    python benchmarks/reliability/bench_faults.py [--kills 64] [--mutations 2000] [--flips 300] [--seed 0]
        [--only kills mutations flips faults]

Prints a row per scenario: tried, survived, and what did not survive. The defaults take a few minutes on two cores; the
full measure is ``--kills 240 --mutations 10000 --flips 1000``. A row survives if

- kills (SIGKILL at a random file-system call of a build, a growth, a merge, an index, a result that is replaced, a
  checkpoint, an atlas): the old or the new thing stands under its name right after, the same command ends as it would
  have without a kill, bit for bit, and nothing is left beside it then;
- mutations (bits, bytes, blocks, lengths of files of all formats): an error of gliofield or the same content; where no
  checksum covers the file, another content, but no other error and no hang;
- flips (single bits of shards, tables, manifests): noticed where they are read, or the data are equal;
- faults of the file system: the expected message, and nothing changed.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from small_files import (
    build,
    database_files,
    formats,
    merge,
    open_index,
    read_database,
    read_weights,
    write_result,
    write_weights,
)

from gliofield.anatomy import write_atlas_folder
from gliofield.anatomy.atlas import read_atlas_folder
from gliofield.errors import GliofieldError
from gliofield.nifti import read_volume
from gliofield.output import FolderMarker, atomic_file, atomic_folder, require_absent
from gliofield.testing import phantom_atlas

_CALLS = ("replace", "rename", "fsync", "unlink", "rmdir", "mkdir", "write", "ftruncate", "link")
_HANG_SECONDS = 30
_AN_ERROR = object()
_KIND = FolderMarker("kind.json", files=("a.txt",))


@dataclass
class Row:
    """How often something was tried and survived."""

    name: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, failure: str = "") -> None:
        """Count one; a text says what did not survive."""
        self.tried += 1
        if failure:
            self.failures.append(failure)

    def __str__(self) -> str:
        shown = f"   {self.failures[0]}" if self.failures else ""
        return f"{self.name:<34} {self.tried:>6} {self.tried - len(self.failures):>9}{shown}"


@dataclass(frozen=True)
class Scenario:
    """What is killed: a command that is run in a folder, prepared before, and a look at what stands there."""

    name: str
    prepare: Callable[[Path], None]
    run: Callable[[Path], None]
    look: Callable[[Path], None]


def scenarios() -> list[Scenario]:
    """Everything that writes more than one file, or replaces one."""

    def nothing(_folder: Path) -> None: ...

    def look_at_database(folder: Path) -> None:
        if (folder / "db" / "manifest.json").is_file():
            read_database(folder / "db")

    def prepare_parts(folder: Path) -> None:
        build(folder / "one", 128)
        build(folder / "two", 4, first_tumor=128)

    def look_at_weights(folder: Path) -> None:
        read_weights(folder / "c.safetensors")

    return [
        Scenario("build", nothing, lambda f: _done(build(f / "db", 12)), look_at_database),
        Scenario("grow", lambda f: _done(build(f / "db", 5)), lambda f: _done(build(f / "db", 12)), look_at_database),
        Scenario("merge", prepare_parts, lambda f: merge(f / "db", [f / "one", f / "two"]), look_at_database),
        Scenario("index", lambda f: _done(build(f / "db", 8)), lambda f: open_index(f / "db"), nothing),
        Scenario(
            "result replaced",
            lambda f: write_result(f / "r"),
            lambda f: write_result(f / "r"),
            lambda f: _done(read_volume(f / "r" / "density.nii.gz")),
        ),
        Scenario(
            "checkpoint replaced",
            lambda f: write_weights(f / "c.safetensors"),
            lambda f: write_weights(f / "c.safetensors"),
            look_at_weights,
        ),
        Scenario(
            "atlas replaced",
            lambda f: write_atlas_folder(phantom_atlas(), f / "atlas"),
            lambda f: write_atlas_folder(phantom_atlas(), f / "atlas", force=True),
            lambda f: _done(read_atlas_folder(f / "atlas")),
        ),
    ]


def _done(_value: object) -> None:
    """Take a result without using it."""


def kills(number: int, rng: np.random.Generator, scratch: Path) -> Iterator[Row]:
    """SIGKILL at random file-system calls."""
    num_calls = {}
    chosen = {scenario.name: scenario for scenario in scenarios()}
    for scenario in chosen.values():
        prepared, expected = scratch / scenario.name / "prepared", scratch / scenario.name / "expected"
        prepared.mkdir(parents=True)
        with _cache_in(prepared):
            scenario.prepare(prepared)
        shutil.copytree(prepared, expected)
        num_calls[scenario.name] = _num_calls(scenario, expected)
    missing = number
    # Short ones are killed at every call, long ones share the rest.
    for done, name in enumerate(sorted(num_calls, key=lambda name: num_calls[name])):
        row, points = Row(f"kill: {name}"), rng.permutation(num_calls[name])[: -(-missing // (len(chosen) - done))] + 1
        missing -= len(points)
        for point in sorted(points.tolist()):
            folder = scratch / name / "killed"
            shutil.copytree(scratch / name / "prepared", folder)
            row.add(_killed_at(chosen[name], folder, point, scratch / name / "expected"))
            shutil.rmtree(folder)
        yield row


def _num_calls(scenario: Scenario, folder: Path) -> int:
    """File-system calls of a whole run, which is made in a child so that it can be counted as those that are killed."""
    counted = folder.parent / "calls"
    if (child := os.fork()) == 0:
        calls: list[str] = []
        with _cache_in(folder), _each_call(calls.append):
            scenario.run(folder)
        counted.write_text(str(len(calls)))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, f"{scenario.name} failed without a kill"
    return int(counted.read_text())


def _killed_at(scenario: Scenario, folder: Path, point: int, expected: Path) -> str:
    """What did not survive a kill at the n-th call; empty if all did."""
    if (child := os.fork()) == 0:
        calls: list[str] = []

        def die_at(call: str) -> None:
            calls.append(call)
            if len(calls) == point:
                os.kill(os.getpid(), signal.SIGKILL)

        with _cache_in(folder), _each_call(die_at):
            scenario.run(folder)
        os._exit(0)
    os.waitpid(child, 0)
    try:
        with _cache_in(folder):
            scenario.look(folder)
            scenario.run(folder)
    except Exception as error:
        return f"at call {point}: {type(error).__name__}: {str(error)[:100]}"
    found, wanted = _content(folder), _content(expected)
    differing = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    return f"at call {point}: other files: {differing[:3]}" if differing else ""


@contextmanager
def _each_call(told: Callable[[str], None]) -> Iterator[None]:
    """Tell of every file-system call of this process before it is made; renameat2 among them."""
    from gliofield import output

    originals = {name: getattr(os, name) for name in _CALLS}
    rename = output._rename

    def watched(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            told(name)
            return originals[name](*arguments, **options)

        return call

    def watched_rename(source: Path, target: Path, flag: int) -> bool:
        told("renameat2")
        return rename(source, target, flag)

    for name in _CALLS:
        setattr(os, name, watched(name))
    output._rename = watched_rename
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(os, name, original)
        output._rename = rename


@contextmanager
def _cache_in(folder: Path) -> Iterator[None]:
    os.environ["GLIOFIELD_CACHE_DIR"] = str(folder / "cache")
    yield


def _content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def mutations(number: int, rng: np.random.Generator, scratch: Path) -> Iterator[Row]:
    """Files of all formats, changed in random ways."""
    chosen = formats()
    for each in chosen:
        row, folder = Row(f"mutated: {each.name}"), scratch / each.name.replace("/", "-")
        folder.mkdir()
        files = each.write(folder)
        expected = each.read(folder)
        originals = {path: path.read_bytes() for path in files}
        for _ in range(-(-number // len(chosen))):
            path = files[int(rng.integers(len(files)))]
            path.write_bytes(_mutated(originals[path], rng))
            row.add(_verdict(lambda each=each, folder=folder: each.read(folder), expected, is_covered=each.is_covered))
            path.write_bytes(originals[path])
        yield row


def _mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """A bit flipped, bytes overwritten, a block removed, doubled, set to zero, or the end cut off or lengthened."""
    changed = bytearray(content)
    # Half of all mutations hit the first kilobyte, where headers are.
    reach = len(changed) if rng.random() < 0.5 else min(len(changed), 1024)
    begin = int(rng.integers(max(1, reach)))
    end = min(len(changed), begin + int(rng.integers(1, 65)))
    kind = int(rng.integers(7))
    if kind == 0:
        changed[begin] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        changed[begin:end] = rng.bytes(end - begin)
    elif kind == 2:
        del changed[begin:end]
    elif kind == 3:
        changed[begin:begin] = changed[begin:end]
    elif kind == 4:
        changed[begin:end] = bytes(end - begin)
    elif kind == 5:
        del changed[begin:]
    else:
        changed += rng.bytes(end - begin)
    return bytes(changed)


def _verdict(read: Callable[[], Any], expected: Any, *, is_covered: bool) -> str:
    """What is wrong with how a changed file was read; empty if nothing."""
    signal.signal(signal.SIGALRM, _raise_timeout)
    signal.alarm(_HANG_SECONDS)
    try:
        found = read()
    except GliofieldError:
        return ""
    except TimeoutError:
        return f"hangs for more than {_HANG_SECONDS} s"
    except Exception as error:
        return f"traceback {type(error).__name__}: {str(error)[:100]}"
    finally:
        signal.alarm(0)
    return "accepted without an error" if is_covered and found != expected else ""


def _raise_timeout(_number: int, _frame: object) -> None:
    raise TimeoutError


def flips(number: int, rng: np.random.Generator, scratch: Path) -> Iterator[Row]:
    """Single bits of a database."""
    folder = scratch / "flipped"
    build(folder, 12)
    expected = read_database(folder)
    for name, files in database_files(folder).items():
        row = Row(f"flipped bit: {name}")
        for _ in range(-(-number // 3)):
            path = files[int(rng.integers(len(files)))]
            content = path.read_bytes()
            changed = bytearray(content)
            changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
            path.write_bytes(bytes(changed))
            row.add(_verdict(lambda: read_database(folder), expected, is_covered=True))
            path.write_bytes(content)
        yield row


def faults(scratch: Path) -> Iterator[Row]:
    """What the file system may put in the way: each is an error of gliofield, and what was there stays."""
    row = Row("file-system faults")
    scratch.mkdir(exist_ok=True)
    for name, provoke in _faults(scratch).items():
        before = {key: value for key, value in _content(scratch).items() if "partial" not in key}
        failure = _verdict(provoke, expected=_AN_ERROR, is_covered=True)
        after = _content(scratch)
        lost = [key for key, value in before.items() if after.get(key) != value]
        row.add(f"{name}: {failure or f'{lost} lost'}" if failure or lost else "")
    yield row


def _faults(place: Path) -> dict[str, Callable[[], Any]]:
    """Provoked faults by name; each must raise an error of gliofield."""
    for name in ("precious", "old", "foreign"):
        (place / name).mkdir()
        (place / name / "notes.txt").write_text("hours of work")
    (place / "old" / "kind.json").write_text("{}")
    (place / "file.nii.gz").write_text("a scan")
    (place / "loop_a").symlink_to(place / "loop_b")
    (place / "loop_b").symlink_to(place / "loop_a")
    (place / "dangling.nii").symlink_to(place / "nowhere")
    (place / "folder.nii").mkdir()
    os.mkfifo(place / "pipe.nii")
    (place / "db" / "building").mkdir(parents=True)
    (place / "db" / "building" / "plans.txt").write_text("hours of work")
    (place / "locked").mkdir()
    (place / "locked" / "building.lock").symlink_to(place / "precious" / "notes.txt")

    def folder_at(path: Path, **options: Any) -> None:
        with atomic_folder(path, **options) as partial:
            (partial / "kind.json").write_text("new")

    def appears() -> None:
        with atomic_folder(place / "meanwhile") as partial:
            (partial / "kind.json").write_text("new")
            (place / "meanwhile").mkdir()
            (place / "meanwhile" / "notes.txt").write_text("theirs")

    def full_disk() -> None:
        with atomic_file(place / "full"):
            raise OSError(28, "No space left on device")

    def file_at(path: Path, **options: Any) -> None:
        with atomic_file(path, **options) as partial:
            partial.write_text("new")

    return {
        "folder over a file": lambda: folder_at(place / "file.nii.gz", replace=True, marker=_KIND),
        "folder over a foreign one": lambda: folder_at(place / "foreign", replace=True, marker=_KIND),
        "folder over one with foreign files": lambda: folder_at(place / "old", replace=True, marker=_KIND),
        "folder without leave": lambda: folder_at(place / "precious"),
        "folder that appears": appears,
        "file without leave": lambda: file_at(place / "file.nii.gz", replace=False),
        "input of the run": lambda: require_absent(place / "file.nii.gz", replace=True, inputs=[place / "file.nii.gz"]),
        "links in circles": lambda: file_at(place / "loop_a" / "x"),
        "file below a file": lambda: file_at(place / "file.nii.gz" / "x"),
        "missing folder": lambda: file_at(place / "nowhere" / "x"),
        "name too long": lambda: file_at(place / ("x" * 250)),
        "full disk": full_disk,
        "the root": lambda: require_absent("/", replace=True),
        "link to nothing": lambda: read_volume(place / "dangling.nii"),
        "folder as image": lambda: read_volume(place / "folder.nii"),
        "pipe as image": lambda: read_volume(place / "pipe.nii"),
        "device as image": lambda: read_volume("/dev/zero"),
        "a user's folder called building": lambda: build(place / "db", 4),
        "lock that is a link": lambda: build(place / "locked", 4),
    }


def main() -> int:
    """Run the measures that were asked for; the exit code says whether everything survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=64)
    parser.add_argument("--mutations", type=int, default=2000)
    parser.add_argument("--flips", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    measures = ("kills", "mutations", "flips", "faults")
    parser.add_argument("--only", nargs="+", choices=measures, default=measures)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("nibabel").setLevel(logging.CRITICAL)
    rng = np.random.default_rng(arguments.seed)
    print(f"{'':<34} {'tried':>6} {'survived':>9}")
    survived = True
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        os.environ["GLIOFIELD_CACHE_DIR"] = str(place / "cache")
        made = {
            "kills": lambda: kills(arguments.kills, rng, place),
            "mutations": lambda: mutations(arguments.mutations, rng, place),
            "flips": lambda: flips(arguments.flips, rng, place),
            "faults": lambda: faults(place / "faults"),
        }
        for name in arguments.only:
            for row in made[name]():
                print(row, flush=True)
                survived = survived and not row.failures
    return 0 if survived else 1


if __name__ == "__main__":
    sys.exit(main())
