"""Assembles the commands.

Importing this loads no numerical library: every command imports what it needs when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from gliofield import __version__
from gliofield.cli import atlas, database, demo, evaluate, personalize, search, simulate, train

app = typer.Typer(
    name="gliofield",
    help=(
        "Personalized brain-tumor growth models: from one scan to the tumor-cell density of the whole brain. "
        "For research use only; not a medical device."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"gliofield {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del version


app.command("demo")(demo.demo)
app.command("personalize")(personalize.personalize)
app.command("simulate")(simulate.simulate)
app.command("search")(search.search)
app.add_typer(atlas.app, name="atlas")
app.add_typer(database.app, name="database")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(train.app, name="train")


def main() -> None:
    """Entry point of the ``gliofield`` command."""
    app()
