"""Figures as files."""

import errno

import pytest
from matplotlib.figure import Figure

from gliofield.errors import OutputError, ParameterError
from gliofield.report import FIGURE_SUFFIXES, require_figure_name, write_figure


@pytest.fixture
def figure():
    """A line."""
    drawn = Figure(figsize=(1, 1))
    drawn.subplots().plot([0, 1])
    return drawn


@pytest.mark.parametrize(
    ("name", "begins"), [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.svg", b"<?xml"), ("a.PNG", b"\x89PNG")]
)
def test_the_suffix_chooses_the_format(figure, tmp_path, name, begins):
    """PNG, PDF or SVG, and nothing else in the folder."""
    path = tmp_path / name

    assert write_figure(figure, path) == path
    assert path.read_bytes().startswith(begins)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_equal_figures_are_equal_files(figure, tmp_path, suffix):
    """Byte by byte: the time of writing is left out."""
    first, second = (write_figure(figure, tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")

    assert first == second
    assert b"CreationDate" not in first


@pytest.mark.parametrize("name", ["page.jpg", "page", "page.png.txt"])
def test_another_suffix_is_refused(figure, tmp_path, name):
    """The formats there are are named, and nothing is written."""
    for refused in (lambda: require_figure_name(tmp_path / name), lambda: write_figure(figure, tmp_path / name)):
        with pytest.raises(ParameterError, match=f"figure .*{name} must end in .png, .pdf or .svg"):
            refused()
    assert list(tmp_path.iterdir()) == []
    for suffix in FIGURE_SUFFIXES:
        require_figure_name(tmp_path / f"page{suffix}")


def test_an_existing_file_is_kept_unless_asked_otherwise(figure, tmp_path):
    """`replace` replaces it."""
    path = tmp_path / "page.png"
    path.write_text("mine")

    with pytest.raises(OutputError, match="exists"):
        write_figure(figure, path)
    assert path.read_text() == "mine"
    write_figure(figure, path, replace=True)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_full_disk_leaves_nothing_half_written(figure, tmp_path, monkeypatch):
    """The older picture stays, and no part of the new one."""
    path = tmp_path / "page.png"
    path.write_text("older")

    def fail(self, target, **options):
        target.write_bytes(b"\x89PNG half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)

    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        write_figure(figure, path, replace=True)
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]
