"""A package of somebody else's, as an installer leaves it: modules, and a `.dist-info` folder with entry points.

Its index, method and growth model are those of the repository's examples; nothing of it lies in the repository.
"""

from pathlib import Path

from repository import ROOT

_PLUGINS = '''"""Adapters of the examples."""

from dataclasses import dataclass
from typing import ClassVar

import typer
from center_index import CenterIndex
from gliofield.retrieval import IndexKind
from travel_time_method import TravelTime

CENTER = IndexKind(
    open=lambda database, *, thresholds, num_threads, report: CenterIndex(database, thresholds),
    references=("Outside et al.",),
)
WRONG = "no index"
greetings = typer.Typer()


@dataclass(frozen=True, kw_only=True)
class TravelTimeOptions:
    """Options of method ``travel-time``.

    Parameters
    ----------
    decay_length_mm : float
        Length over which the density falls by a factor e [mm].
    """

    name: ClassVar[str] = "travel-time"
    summary: ClassVar[str] = "the density falls with the way through the tissue"

    decay_length_mm: float = 3.0

    def prepare(self, *, atlas, settings, report):
        return TravelTime(decay_length_mm=self.decay_length_mm)


@greetings.command()
def greet(name: str) -> None:
    """Say hello."""
    typer.echo(f"hello {name}")
'''

_ENTRY_POINTS = """[gliofield.indexes]
center = outside_plugins:CENTER
exact = outside_plugins:CENTER
wrong = outside_plugins:WRONG
missing = outside_plugins:MISSING

[gliofield.growth_models]
richards = richards_growth:Richards
wrong = outside_plugins:greetings

[gliofield.designs]
wrong = outside_plugins:TravelTimeOptions

[gliofield.methods]
travel-time = outside_plugins:TravelTimeOptions
broken = outside_broken:Options

[gliofield.commands]
greet = outside_plugins:greetings
broken = outside_broken:app
wrong = outside_plugins:CENTER
"""


def install_outside_package(folder: Path, *, name: str = "outside", entry_points: str = _ENTRY_POINTS) -> Path:
    """Write the package and its metadata into a folder, which then belongs on the path."""
    metadata = folder / f"{name}-1.5.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(entry_points, encoding="utf-8")
    for example in ("center_index", "richards_growth", "travel_time_method"):
        text = (ROOT / "examples" / f"{example}.py").read_text(encoding="utf-8")
        (folder / f"{example}.py").write_text(text, encoding="utf-8")
    (folder / "outside_plugins.py").write_text(_PLUGINS, encoding="utf-8")
    (folder / "outside_broken.py").write_text("import a_library_that_nobody_has\n", encoding="utf-8")
    return folder
