"""What all commands share: errors without tracebacks, progress on stderr, results on stdout.

Exit codes: 0 done; 1 the request failed; 2 it was not understood (bad option or parameter). Progress bars appear only
when stderr is a terminal; otherwise long work is silent.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from gliofield.errors import GliofieldError, ParameterError
from gliofield.progress import ProgressEvent, Reporter

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an existing output.")]

EXIT_FAILED = 1
EXIT_NOT_UNDERSTOOD = 2


@contextmanager
def user_errors(*, as_json: bool) -> Iterator[None]:
    """Turn gliofield's errors into a message on stderr and an exit code."""
    try:
        yield
    except GliofieldError as error:
        code = EXIT_NOT_UNDERSTOOD if isinstance(error, ParameterError) else EXIT_FAILED
        if as_json:
            typer.echo(json.dumps({"error": str(error), "kind": type(error).__name__}))
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(code) from None
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        raise typer.Exit(130) from None


def print_result(content: Mapping[str, Any], *, as_json: bool, text: Callable[[], str]) -> None:
    """Print a result: the mapping as JSON, or what `text` returns.

    To be called after `progress_bars` has ended: on a terminal, bars that are still drawn overwrite it.
    """
    if as_json:
        from gliofield.report.json_files import plain_json

        typer.echo(json.dumps(plain_json(content), indent=2, allow_nan=False))
    else:
        typer.echo(text())


def print_notices(notices: Iterable[str]) -> None:
    """Say on stderr what the user should know but need not act on."""
    for notice in notices:
        typer.echo(f"note: {notice}", err=True)


@contextmanager
def progress_bars() -> Iterator[Reporter]:
    """Reporter that draws one bar per task on a terminal, with rate and time left, and is silent elsewhere."""
    if not sys.stderr.isatty():
        yield lambda event: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        """Steps per second, or per minute where that is more telling."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            if not speed:
                return Text("")
            return Text(f"{speed:.3g}/s" if speed >= 1.0 else f"{60.0 * speed:.3g}/min")

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TextColumn("{task.fields[message]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as bars:
        tasks: dict[str, Any] = {}

        def report(event: ProgressEvent) -> None:
            total = event.total if event.total > 0 else None
            if event.task not in tasks:
                tasks[event.task] = bars.add_task(event.task, total=total, message=event.message)
            bars.update(tasks[event.task], completed=event.completed, total=total, message=event.message)

        yield report
