"""Files that commands write are refused before any work."""

import json

import pytest
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.cli.outputs import require_output_file, write_tables
from gliofield.errors import OutputError, ParameterError


def test_a_file_that_can_be_written_passes(tmp_path):
    """As no file at all, and an older one that may be replaced."""
    (tmp_path / "old.md").touch()

    require_output_file(None, ending=".md", replace=False)
    require_output_file(tmp_path / "new.md", ending=".md", replace=False)
    require_output_file(tmp_path / "old.md", ending=".md", replace=True)


def test_a_file_that_cannot_be_written_is_refused(tmp_path):
    """Another ending, an older file, a folder that is not there."""
    (tmp_path / "old.md").touch()

    with pytest.raises(ParameterError, match=r"the name of .*table\.txt must end in \.md"):
        require_output_file(tmp_path / "table.txt", ending=".md", replace=False)
    with pytest.raises(OutputError, match=r"old\.md exists. Choose another name"):
        require_output_file(tmp_path / "old.md", ending=".md", replace=False)
    with pytest.raises(OutputError, match=r"there is no folder .*missing. Make it first, or choose another"):
        require_output_file(tmp_path / "missing" / "new.md", ending=".md", replace=False)


def test_tables_are_written_where_they_are_wanted(tmp_path):
    """With a line's end; nowhere without a file."""
    write_tables(tmp_path / "t.md", "text", replace=False)
    write_tables(None, "text", replace=False)

    assert [path.read_text() for path in tmp_path.iterdir()] == ["text\n"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["simulate", "--seed-mm", "0", "0", "0", "--diffusivity", "1", "--proliferation", "1", "--time", "1", "--out"]
         + ["nowhere/t.nii.gz"], "there is no folder"),
        (["database", "build", "file/db", "--number", "1"], "is not a folder"),
        (["database", "info", "db", "--force"], "--force has no effect without --figure"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)  # fmt: skip
def test_commands_refuse_before_any_work(words, message, tmp_path, monkeypatch):
    """There is neither a database nor an atlas nor a network to look at."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()

    result = CliRunner().invoke(app, words)

    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("words", "new"),
    [
        *((["evaluate", name], f"gliofield papers {name}") for name in ("solver", "retrieval", "surrogate", "bayes")),
        (["evaluate", "inverse", "DB", "--checkpoint", "x", "--quick"], "gliofield papers inverse"),
        *((["train", name, "--small"], f"gliofield papers train {name}") for name in ("ae", "vae", "hash")),
        (["train", "surrogate", "--help"], "gliofield papers train surrogate"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_command_of_before_says_its_new_name(words, new):
    """On one line with code 2, whatever options follow; the new one exists."""
    result = CliRunner().invoke(app, words)

    assert result.exit_code == 2
    assert result.stderr == f"Error: `gliofield {' '.join(words[:2])}` is now `{new}`.\n"
    assert result.stdout == ""
    assert CliRunner().invoke(app, [*new.split()[1:], "--help"]).exit_code == 0


def test_the_new_name_of_a_command_can_be_asked_for_as_json():
    """As every other usage error."""
    result = CliRunner().invoke(app, ["evaluate", "solver", "--json"])

    assert json.loads(result.stdout)["kind"] == "UsageError"
    assert "`gliofield papers solver`" in json.loads(result.stdout)["error"]
