"""Assembles the commands.

Importing this loads no numerical library: every command imports what it needs when it runs. Commands of other packages
follow gliofield's own; ``gliofield papers`` is one.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from gliofield import __version__
from gliofield.cli import (
    atlas,
    cohort,
    compare,
    database,
    demo,
    dicom,
    follow_up,
    personalize,
    report,
    search,
    setup,
    simulate,
    target,
)
from gliofield.cli.commands import make_group
from gliofield.cli.console import EXIT_FAILED
from gliofield.cli.plugged_commands import RootGroup

_OLD_CACHE_VARIABLE, _CACHE_VARIABLE = "GLIOMAP_CACHE_DIR", "GLIOFIELD_CACHE_DIR"

app = make_group(
    "gliofield",
    "Personalized brain-tumor growth models: from one scan to the tumor-cell density of the whole brain. "
    "For research use only; not a medical device.\n\n"
    "Atlases and databases are kept in ~/.cache/gliofield, or in the folder that the environment variable "
    f"{_CACHE_VARIABLE} names; gliofield setup fetches and builds them before they are needed.",
    kind=RootGroup,
)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"gliofield {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    del version
    if os.environ.get(_OLD_CACHE_VARIABLE) and not os.environ.get(_CACHE_VARIABLE):
        typer.echo(
            f"note: {_OLD_CACHE_VARIABLE} is not read any more: the variable is now called {_CACHE_VARIABLE}.", err=True
        )


demo.add_to(app)
setup.add_to(app)
personalize.add_to(app)
target.add_to(app)
report.add_to(app)
dicom.add_to(app)
compare.add_to(app)
cohort.add_to(app)
follow_up.add_to(app)
simulate.add_to(app)
search.add_to(app)
for group in (atlas, database):
    app.add_typer(group.app)


def main() -> None:
    """Entry point of the ``gliofield`` command."""
    if sys.stdout is None:  # closed by who started it: a result would be lost without a word
        typer.echo("Error: standard output is closed. Redirect it to /dev/null if no result is wanted.", err=True)
        sys.exit(EXIT_FAILED)
    try:
        app()
    except OSError as error:  # of pages and versions, on a full disk behind stdout; commands have said theirs
        typer.echo(f"Error: {error.strerror or error}.", err=True)
        sys.exit(EXIT_FAILED)
