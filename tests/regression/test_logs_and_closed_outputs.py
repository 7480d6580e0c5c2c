"""Symptom: ``--log SEG.nii.gz`` appended its lines to an image; with stdout closed a result was lost, exit code 0.

Cause: a log was opened for appending whatever lay there; Python prints to a closed stdout without an error.
Guard: only what begins as logs of gliofield do is appended to; a command does not begin without its stdout.
"""

import subprocess
import sys

import pytest

from gliofield.cli.console import ConsoleOptions
from gliofield.errors import OutputError

COMMAND = [sys.executable, "-m", "gliofield", "atlas", "list"]


def written(path, line="2026-11-30T12:00:00Z growth: 30 of 30\n"):
    with ConsoleOptions(log=path).open_log() as file:
        file.write(line)
    return path.read_bytes()


@pytest.mark.parametrize("content", [b"\x1f\x8b image", b"my notes\n", b"2026", b"2026-11-30 12:00 a note of mine\n"])
def test_a_log_leaves_other_files_alone(tmp_path, content):
    """Images, notes and files too short to tell stay byte for byte as they are."""
    path = tmp_path / "seg.nii.gz"
    path.write_bytes(content)

    with pytest.raises(OutputError, match="is no log of gliofield, so nothing is appended"):
        written(path)

    assert path.read_bytes() == content


def test_a_log_goes_on_in_one_of_its_own(tmp_path):
    """A new file, an empty one, and one that a log has begun."""
    path = tmp_path / "run.log"
    path.touch()

    assert written(path).count(b"\n") == 1
    assert written(path).count(b"\n") == 2


def test_a_link_to_an_image_is_not_followed_into_it(tmp_path):
    """The image behind it is no log either."""
    (tmp_path / "image.nii").write_bytes(b"image")
    link = tmp_path / "run.log"
    link.symlink_to(tmp_path / "image.nii")

    with pytest.raises(OutputError, match="is no log"):
        written(link)


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_a_command_does_not_begin_with_stdout_closed(options):
    """Exit code 1 and a sentence; /dev/null is fine."""
    closed = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, *options], stderr=subprocess.PIPE, text=True, check=False
    )
    to_null = subprocess.run([*COMMAND, *options], stdout=subprocess.DEVNULL, check=False)

    assert closed.returncode == 1
    assert closed.stderr == "Error: standard output is closed. Redirect it to /dev/null if no result is wanted.\n"
    assert to_null.returncode == 0
