"""Symptoms: results held the absolute path of the database and of the cache, and with it the user's name; SIGTERM left
the patient's brain in the folder for temporary files; a folder's name with dollar signs, or bytes that are no UTF-8,
ended a run after all its work; a folder for temporary files with a comma in its name ended the registration.

Causes: paths were recorded as they were given; Python ends at once on SIGTERM; matplotlib and ANTs read names as their
own grammars.
Guards: what is written holds names; SIGTERM is an exception in commands; names are drawn as plain text, and ANTs runs
inside its folder.
"""

import getpass
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from phantom_brain import phantom_atlas, write_phantom_patient

from gliofield.anatomy import Segmentation
from gliofield.grid import Grid
from gliofield.imaging import VisibilityThresholds
from gliofield.pipeline import find_case_files, personalize, read_case
from gliofield.pipeline.provenance import hide_places
from gliofield.pipeline.query_method import QueryMethod
from gliofield.pipeline.settings import PersonalizationSettings
from gliofield.registration.ants_backend import _stages
from gliofield.registration.presets import REGISTRATION_PRESETS
from gliofield.report import write_result_folder
from gliofield.report.json_files import write_json
from gliofield.report.overview import overview_figure
from gliofield.report.page_layout import plain_text
from gliofield.termination import TerminatedError, ending_in_order
from gliofield.testing import build_phantom_database
from gliofield.volume import Volume


@pytest.mark.parametrize("name", ["plain", "with space", "M\xfcller, Jane"])
def test_no_file_of_a_result_holds_a_place(tmp_path, monkeypatch, name):
    """Neither that of the database, of the patient, of the cache, nor the user's or the machine's name."""
    home = tmp_path / name
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GLIOFIELD_CACHE_DIR", str(home / "cache"))
    database = build_phantom_database(home / "databases" / "tumors")
    files = find_case_files(write_phantom_patient(home / "patients" / "case"))
    method = QueryMethod(database=database)
    settings = PersonalizationSettings(registration="none")
    result = personalize(read_case(files), method=method, atlas=phantom_atlas(), settings=settings)

    write_result_folder(result, home / "result", name="case")

    # Short names of users and machines are part of other words.
    secrets = [str(home), str(tmp_path), *(n for n in (socket.gethostname(), getpass.getuser()) if len(n) > 5)]
    for path in (home / "result").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert [secret for secret in secrets if secret.encode() in content] == []
    method_record = json.loads((home / "result" / "provenance.json").read_text())["method"]
    assert method_record["database"] == "tumors"
    assert method_record["database_sha256"] == database.content_hash
    assert len(database.content_hash) == 64


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Path("/home/jane/models/best.safetensors"), "best.safetensors"),
        ("/home/jane/models/best.safetensors", "best.safetensors"),
        ("~/models/best.safetensors", "best.safetensors"),
        ({"a": ["/mnt/share/x.npz", 3]}, {"a": ["x.npz", 3]}),
        ("/var/cache/jane/000001.index is made again: it is damaged.", "000001.index is made again: it is damaged."),
        ("https://doi.org/10.1/a/b, doi:10.1/a/b", "https://doi.org/10.1/a/b, doi:10.1/a/b"),
        ("mm^2/day, T1/T2/FLAIR, 1 / 2", "mm^2/day, T1/T2/FLAIR, 1 / 2"),
        (3.5, 3.5),
        (None, None),
    ],
)  # fmt: skip
def test_absolute_paths_become_names(tmp_path, value, shown):
    """In records and in whatever is written as JSON; addresses and units stay."""
    assert hide_places(value) == shown
    write_json(tmp_path / "a.json", {"value": value})
    assert json.loads((tmp_path / "a.json").read_text())["value"] == shown


_RUN = """
import sys, time
from gliofield.leftovers import scratch_folder
from gliofield.output import atomic_folder
from gliofield.cli.commands import add_command, make_group
from gliofield.cli.console import Console
app = make_group("app", "An app.")
def work(console: Console) -> None:
    "Work for long."
    with scratch_folder("registration") as folder, atomic_folder(sys.argv[2]) as partial:
        (folder / "patient.npy").write_text("a brain")
        (partial / "density").write_text("a density")
        print("ready", flush=True)
        time.sleep(60)
def other(console: Console) -> None:
    "Another."
add_command(app, "work", work, examples=[])
add_command(app, "other", other, examples=[])
app([sys.argv[1]])
"""


def test_sigterm_leaves_nothing(tmp_path):
    """In no temporary place; said, and with the exit code that shells give to it."""
    for name in ("tmp", "out"):
        (tmp_path / name).mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, "work", str(tmp_path / "out" / "result")],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    process.send_signal(signal.SIGTERM)
    time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 143
    assert said == "Ended by SIGTERM.\n"
    assert list((tmp_path / "tmp").iterdir()) == list((tmp_path / "out").iterdir()) == []


def test_sigterm_is_left_to_whoever_cares_for_it():
    """Outside of the block, and where there is a handler already."""

    def block():
        with ending_in_order():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)

    try:
        with pytest.raises(TerminatedError, match="143"):
            block()
    finally:
        assert signal.signal(signal.SIGTERM, signal.SIG_DFL) is signal.SIG_IGN
    with ending_in_order():
        pass
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with ending_in_order():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]


@pytest.mark.parametrize(
    "name", ["plain", "Pat$^$", "P$1$", "a\\$b$c$", b"M\xfcller".decode("utf-8", "surrogateescape")]
)
def test_any_name_can_be_drawn(name):
    """As title of the picture, which ended in a traceback."""
    grid = Grid.axis_aligned((30, 30, 30), 2.0, (0, 0, 0))
    radius = np.sqrt(((np.indices(grid.shape) - 14.5) ** 2).sum(0))
    figure = overview_figure(
        background=Volume(np.where(radius < 13, 100 + radius, 0).astype(np.float32), grid),
        segmentation=Segmentation(tumor_core=radius < 3, whole_tumor=radius < 6, grid=grid),
        cell_density=Volume((radius < 5).astype(np.float32), grid),
        brain=radius < 13,
        thresholds=VisibilityThresholds(),
        title=f"{name} · t1 image",
        caption=name,
    )
    figure.savefig(os.devnull, format="png")
    assert plain_text("a$b") == r"a\$b"


def test_ants_is_given_no_path():
    """Its arguments are names inside the folder it runs in, whatever that is called."""
    for preset in REGISTRATION_PRESETS.values():
        for stage in _stages(preset, seed=0):
            assert [argument for argument in stage["arguments"] if os.sep in argument] == []
