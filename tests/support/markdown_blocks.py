"""Fenced code blocks of the Markdown pages, with what is said about them.

A block is checked unless an HTML comment right before it says why not:

    <!-- not run: needs a patient's files -->

A Python block marked so is still read: its imports must exist and its calls must fit the signatures. A block that needs
what a user has is run in a small copy of it (`user_folder`), with `gliofield` imported:

    <!-- run as a user: a small patient, atlas and database -->
"""

import re
from dataclasses import dataclass
from pathlib import Path

import typer
from repository import ROOT, repository_files

from gliofield.cli import app

_FENCE = re.compile(r"^```(\w*)\s*$")
_OPT_OUT = re.compile(r"^<!-- not run: (.+) -->$")
_AS_A_USER = re.compile(r"^<!-- run as a user: (.+) -->$")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    text: str
    reason_not_to_run: str | None
    runs_as_a_user: bool = False

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """All Markdown pages of the repository."""
    return [path for path in repository_files() if path.suffix == ".md"]


def blocks(language: str) -> list[Block]:
    """All blocks of a language."""
    return [block for page in pages() for block in _blocks_of(page) if block.language == language]


def _blocks_of(page: Path) -> list[Block]:
    found: list[Block] = []
    opened: tuple[int, str] | None = None
    text: list[str] = []
    said = ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        fence = _FENCE.match(line)
        if opened is None and fence:
            opened, text = (number, fence.group(1)), []
        elif opened is not None and line.strip() == "```":
            opt_out = _OPT_OUT.match(said)
            reason = opt_out.group(1) if opt_out else None
            found.append(Block(page, *opened, "\n".join(text) + "\n", reason, bool(_AS_A_USER.match(said))))
            opened, said = None, ""
        elif opened is not None:
            text.append(line)
        elif line.strip():
            said = line.strip()
    if opened is not None:
        raise ValueError(f"{page}:{opened[0]}: the block is not closed")
    return found


def understand(arguments: list[str]) -> None:
    """Parse a gliofield command line without running it."""
    command, rest = typer.main.get_command(app), list(arguments)
    while hasattr(command, "commands"):
        name, *rest = rest
        assert name in command.commands, f"no command {name!r}"
        command = command.commands[name]
    context = command.make_context(command.name, rest)
    assert context.params
