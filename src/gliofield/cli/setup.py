"""``gliofield setup``: all that a first use needs, fetched and made before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gliofield.cli import options
from gliofield.cli.commands import add_command
from gliofield.cli.console import Console

if TYPE_CHECKING:
    from gliofield.pipeline import CacheContent

_Database = Annotated[
    str | None,
    typer.Option(
        metavar="N|none",
        help="Also build the default database of method query, of N tumors, or none; default: what the default method "
        "of personalize needs.",
    ),
]


def setup(
    console: Console,
    database: _Database = None,
    threads: options.Threads = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Fetch and build all that a first use needs, for machines without a network.

    The atlas, the viewer of reports, compiled kernels and, with --database, the database of method query. Run it once
    where there is a network, by whoever will use it: everything lies in the cache, which it shows, and is used from
    there. What is there already is left as it is.
    """
    from gliofield.pipeline import setup_everything
    from gliofield.pipeline.first_use import NUM_TUMORS_NEEDED
    from gliofield.report.viewer_library import viewer_script

    number = NUM_TUMORS_NEEDED if database is None else _number_of(database)
    if dry_run:
        _print_plan(console, number)
        return
    viewer, reason = viewer_script(console.report)
    if viewer is None:
        console.notes([f"reports have static planes only: {reason}"])
    made = setup_everything(num_tumors=number, num_workers=threads, report=console.report)
    content = {
        "folder": made.folder,
        "bytes": dict(made.bytes_of),
        "num_tumors": made.num_tumors,
        "has_viewer": viewer is not None,
    }
    console.result(content, lambda: _describe(made))


def _number_of(text: str) -> int | None:
    from gliofield.errors import ParameterError

    if text.lower() == "none":
        return None
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:12]) and len(text) <= 12):
        raise ParameterError(f"--database must be a number of tumors such as 5000, or none, got {text!r}.")
    return int(text)


def _print_plan(console: Console, number: int | None) -> None:
    from gliofield.anatomy import DEFAULT_ATLAS, list_atlases
    from gliofield.cache import cache_folder
    from gliofield.report.viewer_library import viewer_file

    is_there = {entry.name: entry.is_available for entry in list_atlases()}[DEFAULT_ATLAS]
    has_viewer = viewer_file().is_file()
    content = {
        "folder": cache_folder(),
        "atlas_is_there": is_there,
        "viewer_is_there": has_viewer,
        "num_tumors": number,
    }
    lines = [
        f"would use the cache {cache_folder()}",
        f"atlas {DEFAULT_ATLAS}: {'ready' if is_there else 'would be fetched (57 MB, kept are 4 MB)'}",
        f"viewer of reports: {'ready' if has_viewer else 'would be fetched (2 MB)'}",
        "no database" if number is None else f"default database: would be built or grown to {number} tumors",
    ]
    console.result(content, lambda: "\n".join(lines))


def _describe(made: CacheContent) -> str:
    sizes = [f"  {name:<10} {size / 1e6:8.1f} MB" for name, size in made.bytes_of.items()]
    database = (
        "no database: method query builds one on its first use, or gliofield setup --database 5000 before"
        if made.num_tumors is None
        else f"default database of {made.num_tumors} tumors"
    )
    total = sum(made.bytes_of.values()) / 1e6
    return "\n".join([f"ready: everything is in {made.folder}", *sizes, f"  {'all':<10} {total:8.1f} MB", database])


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        "setup",
        setup,
        examples=["gliofield setup", "gliofield setup --database 5000 --threads 8", "gliofield setup --dry-run"],
        runs_long=True,
        resumes=True,
    )
