"""Where a command speaks: its result on stdout, everything else on stderr and in the log file.

Exit codes: 0 done; 1 the request failed; 2 it was not understood (a bad option or parameter); 130 interrupted, 143
ended by SIGTERM. On a
terminal progress is drawn as bars; elsewhere, with ``--verbose``, and in the log file it is written as lines.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import typer

from gliofield.cli.progress_bars import draw_bars
from gliofield.errors import GliofieldError, OutputError, ParameterError
from gliofield.progress import ProgressEvent, Reporter
from gliofield.progress_lines import ProgressLines, called_regularly
from gliofield.termination import TerminatedError

EXIT_FAILED = 1
EXIT_NOT_UNDERSTOOD = 2
EXIT_DOUBTED = 3
EXIT_INTERRUPTED = 130

# Arguments of Python whose option has another name.
_ALIASES = {"replace": "--force", "resume": "--restart", "num_threads": "--threads", "num_workers": "--threads"}
# How every line of a log begins.
_STAMP, _STAMP_LENGTH = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ "), 21
_ALIASES |= {"is_other_id_accepted": "--accept-other-id"}
_LIBRARIES = ("numpy", "scipy", "numba", "zarr", "antspyx", "torch")


@dataclass(frozen=True, kw_only=True)
class ConsoleOptions:
    """What a command that runs long says.

    Parameters
    ----------
    verbose : bool
        Write versions, settings and every step to stderr.
    quiet : bool
        Write nothing but errors and the result.
    log : Path or None
        Append what is written to stderr to this file, with the time (UTC).
    """

    verbose: bool = False
    quiet: bool = False
    log: Path | None = None

    def __post_init__(self) -> None:
        if self.verbose and self.quiet:
            raise ParameterError("--verbose and --quiet exclude each other: leave one of them out.")

    @contextmanager
    def open_log(self) -> Iterator[TextIO | None]:
        """The file of the log, to be appended to; None without one.

        Raises
        ------
        OutputError
            If it cannot be written, or is a file that is no log: appending would damage it.
        """
        if self.log is None:
            yield None
            return
        try:
            _require_log(self.log)
            file = self.log.open("a", encoding="utf-8")
        except OSError as error:
            reason = f"the log {self.log} cannot be written: {error.strerror}. Choose another place."
            raise OutputError(reason) from error
        with file:
            yield file


def _require_log(path: Path) -> None:
    """Raise `OutputError` for a file that does not begin as logs of gliofield do; an empty one is fine."""
    if not path.is_file():
        return
    with path.open("rb") as stream:
        begin = stream.read(_STAMP_LENGTH)
    if begin and not _STAMP.fullmatch(begin):
        raise OutputError(
            f"{path} exists and is no log of gliofield, so nothing is appended to it. Choose another name for --log."
        )


class Console:
    """What one command says.

    Parameters
    ----------
    as_json : bool
        Print the result, or the error, as JSON.
    options : ConsoleOptions, optional
        What is said while a long command runs; None: it does not run long, and stages are said after a minute only.
    log : TextIO, optional
        Gets what is written to stderr, with the time.
    spellings : mapping of str to str, optional
        Names of parameters with the options that fill them.
    given : collection of str
        Parameters that were given on the command line.

    Attributes
    ----------
    steps : sequence of str
        The tasks that are the steps of the whole, if a command knows them.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        options: ConsoleOptions | None = None,
        log: TextIO | None = None,
        spellings: Mapping[str, str] | None = None,
        given: Collection[str] = (),
    ) -> None:
        self.steps: Sequence[str] = ()
        self._as_json, self._log, self._spellings, self._given = as_json, log, spellings or {}, given
        self._is_long, self._options = options is not None, options or ConsoleOptions()
        self._display, self._reporters = ExitStack(), list[Reporter]()

    def report(self, event: ProgressEvent) -> None:
        """Show progress; a `Reporter`. What is drawn for it goes away before anything else is written."""
        if not self._reporters:
            self._reporters = list(self._open_display())
        for reporter in self._reporters:
            reporter(event)

    def _open_display(self) -> Iterator[Reporter]:
        is_drawn = sys.stderr.isatty() and not (self._options.verbose or self._options.quiet)
        if is_drawn:
            yield self._display.enter_context(draw_bars(self.steps))
        lines = ProgressLines(
            self._write_log if is_drawn else self._write,
            steps=self.steps,
            every_event=self._options.verbose,
            ends=self._is_long,
        )
        self._display.enter_context(called_regularly(lines.tick))
        yield lines

    def close_display(self) -> None:
        """Put the bars away, if there are any."""
        self._display.close()
        self._reporters = []

    def refuse(self, *names: str, because: str) -> None:
        """Raise `ParameterError` if one of some parameters was given although it has no effect."""
        for name in names:
            if name in self._given:
                raise ParameterError(f"{self._spellings[name]} has no effect {because}: leave it out.")

    def spell(self, text: str) -> str:
        """A text of the library with this command's options in place of arguments of Python."""
        return name_options(text, self._spellings)

    def notes(self, texts: Iterable[str]) -> None:
        """Say what the user should know but need not act on."""
        for text in texts:
            self.close_display()
            self._write(self.spell(text), label="note: ", color="yellow")

    def detail(self, text: str) -> None:
        """Say something that only ``--verbose`` and the log file want to know."""
        (self._write if self._options.verbose else self._write_log)(text)

    def result(self, content: Mapping[str, Any], text: Callable[[], str]) -> None:
        """Print the result: the mapping as JSON, or what `text` returns."""
        self.close_display()
        if self._as_json:
            from gliofield.report.json_files import plain_json

            typer.echo(json.dumps(plain_json(content), indent=2, allow_nan=False))
        else:
            typer.echo(text())

    def fail(self, message: str, *, kind: str | None = None) -> None:
        """Say what went wrong; an error of some kind as JSON too, if that was asked for."""
        self.close_display()
        if self._as_json and kind is not None:
            with suppress(OSError):  # which may be what went wrong
                typer.echo(json.dumps({"error": message, "kind": kind}))
        self._write(message, label="" if kind is None else "Error: ", color="red", is_urgent=True)

    def _write(self, line: str, *, label: str = "", color: str | None = None, is_urgent: bool = False) -> None:
        """Write a line to stderr, unless it may be quiet, and to the log; its label is colored on a terminal."""
        if is_urgent or not self._options.quiet:
            shown = label if color is None or os.environ.get("NO_COLOR") else typer.style(label, fg=color)
            typer.echo(shown + line, err=True)
        self._write_log(label + line)

    def _write_log(self, line: str) -> None:
        if self._log is not None:
            self._log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}\n")
            self._log.flush()


@contextmanager
def user_errors(console: Console, *, resumes: bool = False) -> Iterator[None]:
    """Turn errors of gliofield and of the system into a message and an exit code.

    After an interruption it says, if that is so, that the same command `resumes`.
    """
    try:
        yield
    except GliofieldError as error:
        console.fail(console.spell(str(error)), kind=type(error).__name__)
        raise typer.Exit(EXIT_NOT_UNDERSTOOD if isinstance(error, ParameterError) else EXIT_FAILED) from None
    except BrokenPipeError:  # nobody reads any more, as with `| head`: Typer ends in silence
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        console.fail(f"{place}{error.strerror or error}.", kind="OSError")
        raise typer.Exit(EXIT_FAILED) from None
    except TerminatedError:
        console.fail("Ended by SIGTERM. The same command resumes from here." if resumes else "Ended by SIGTERM.")
        raise
    except KeyboardInterrupt:
        console.fail("Interrupted. The same command resumes from here." if resumes else "Interrupted.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        console.close_display()


def name_options(message: str, spellings: Mapping[str, str]) -> str:
    """A message of the library with options of the command line in place of arguments of Python.

    Names with an underscore are replaced wherever they stand, others where the sentence begins with them, for they may
    be words.

    Examples
    --------
    >>> name_options("num_steps must be at least 1, got 0.", {"num_steps": "--steps"})
    '--steps must be at least 1, got 0.'
    >>> name_options("x exists: pass replace=True to replace it.", {})
    'x exists: pass --force to replace it.'
    """
    for name, option in {**_ALIASES, **spellings}.items():
        if option.startswith("--"):
            message = re.sub(rf"\b{name}=(?:True|False|None|…)", option, message)
            message = re.sub(rf"\b{name}\b(?!=)" if "_" in name else rf"\A{name}\b(?= must)", option, message)
    return message


def describe_run(values: Mapping[str, Any], spellings: Mapping[str, str]) -> Iterator[str]:
    """Versions and settings of a run, a line each."""
    from importlib.metadata import PackageNotFoundError, version
    from platform import python_version

    from gliofield import __version__

    versions = [f"gliofield {__version__}", f"Python {python_version()}"]
    for library in _LIBRARIES:
        try:
            versions.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            continue
    yield ", ".join(versions)
    shown = (
        f"{spellings.get(name, name).lstrip('-')} {' '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in values.items()
        if value is not None
    )
    yield f"settings: {', '.join(shown)}"
