"""``gliofield report``, ``view``, ``cite``: a result as a page, in the browser, and as references."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gliofield.cli.commands import add_command
from gliofield.cli.console import Console

_Result = Annotated[Path, typer.Argument(metavar="RESULT", help="Folder that gliofield personalize has written.")]
_Results = Annotated[
    list[Path], typer.Argument(metavar="RESULT...", help="Folders that gliofield personalize has written.")
]


def report(
    console: Console,
    result: _Result,
    patient: Annotated[
        Path | None,
        typer.Option(help="BraTS folder of the patient, for a result of before reports, which holds no images."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the patient on the page; default: as before.")] = None,
    atlas: Annotated[
        str | None, typer.Option(help="Name or folder of the atlas, with --patient; default: the result's.")
    ] = None,
) -> None:
    """Write the page of a result, report.html, from its files: one file that opens from disk, without a network.

    Every result has one; this writes it anew, with targets made since, for example. The viewer in it is fetched once.
    """
    from gliofield.report.old_results import add_view
    from gliofield.report.report_page import ViewerSource, write_report

    if patient is None:
        console.refuse("atlas", because="without --patient")
    else:
        add_view(result, patient, atlas=atlas, name=name, report=console.report)
    viewer = ViewerSource.fetched(console.report)
    page = write_report(result, viewer=viewer, name=name)
    if viewer.script is None:
        console.notes([f"the page has static planes only: {viewer.reason}"])
    content = {"page": page, "bytes": page.stat().st_size, "has_viewer": viewer.script is not None}
    console.result(content, lambda: f"page: {page} ({page.stat().st_size / 1e6:.1f} MB)")


def view(
    console: Console,
    results: _Results,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of this machine's loopback; 0 takes a free one.")
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open the browser; --no-browser only says the address.")] = True,
) -> None:
    """Show the pages of results in the browser, several side by side, until Ctrl-C.

    They are served to this machine alone.
    """
    from gliofield.report.page_server import PageServer
    from gliofield.report.report_page import ViewerSource

    viewer = ViewerSource.fetched(console.report)
    with PageServer(results, viewer=viewer, port=port) as server:
        console.result({"address": server.address}, lambda: f"{server.address}  (Ctrl-C ends it)")
        server.serve(opens_browser=browser)


def cite(console: Console, result: _Result) -> None:
    """Print BibTeX of exactly what a result used: the software, the atlas, and the papers behind the methods."""
    from gliofield.pipeline.read_provenance import CITED_PARTS, read_provenance
    from gliofield.report.citations import bibtex_of, methods_paragraph, references_of

    record = read_provenance(result, parts=CITED_PARTS)
    text = bibtex_of(record)
    content = {
        "bibtex": text,
        "references": [each.text for each in references_of(record)],
        "methods": methods_paragraph(record),
    }
    console.result(content, lambda: text)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        app,
        "report",
        report,
        examples=["gliofield report RESULT", "gliofield report RESULT --patient PATIENT"],
        runs_long=True,
        reads_images=True,
    )
    add_command(app, "view", view, examples=["gliofield view RESULT", "gliofield view RESULT RESULT2 --port 8080"])
    add_command(app, "cite", cite, examples=["gliofield cite RESULT", "gliofield cite RESULT --json"])
