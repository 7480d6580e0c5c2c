"""Files that the papers' commands write are refused before any work."""

import pytest
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.cli.console import Console
from gliofield.errors import ParameterError
from gliofield_papers.cli.outputs import require_tables_and_figures


def test_tables_may_not_lie_in_the_folder_of_figures(tmp_path):
    """That folder is replaced as a whole."""
    new = tmp_path / "new"
    with pytest.raises(ParameterError, match="lies in the folder of --figures"):
        require_tables_and_figures(Console(), new / "t.md", new, marker="x.json", replace=False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["papers", "solver", "--force"], "--force has no effect without --out"),
        (["papers", "inverse", "db", "--checkpoint", "x", "--force"], "--force has no effect without --out or --fig"),
        (["papers", "surrogate", "--checkpoint", "x", "--registration", "none"], "no effect without --patients"),
        (["papers", "inverse", "db", "--checkpoint", "x", "--registration", "none"], "no effect without --patients"),
        (["papers", "retrieval", "db", "--out", "x", "--deterministic"], "no effect without --patients"),
        (["papers", "train", "ae", "--out", "x.safetensors", "--database", "db", "--atlas", "a"],
         "no effect with --database"),
        (["papers", "train", "surrogate", "--out", "x.safetensors", "--registration", "none"],
         "no effect without --patients"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)  # fmt: skip
def test_commands_refuse_before_any_work(words, message, tmp_path, monkeypatch):
    """There is neither a database nor an atlas nor a network to look at."""
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(app, words)

    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []
