"""Every command explains itself."""

import pytest
import typer
from typer.testing import CliRunner

from gliofield.cli import app


def all_commands() -> list[tuple[str, ...]]:
    """Every command and group, as words after `gliofield`."""

    def walk(command, path):
        yield path
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, (*path, name))

    return list(walk(typer.main.get_command(app), ()))


COMMANDS = all_commands()


def command_at(path):
    command = typer.main.get_command(app)
    for name in path:
        command = command.commands[name]
    return command


def test_the_documented_commands_exist():
    """The list found by introspection holds the main ones, so an empty list is not a pass."""
    documented = {("demo",), ("personalize",), ("simulate",), ("search",), ("atlas", "list"), ("database", "build")}

    assert documented <= set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(("gliofield", *path)))
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_a_help_page_renders(path, option):
    """Exit code 0, a usage line and a sentence about the command."""
    result = CliRunner().invoke(app, [*path, option], env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})

    assert result.exit_code == 0
    assert "Usage:" in result.output
    assert (command_at(path).help or "").strip()


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(("gliofield", *path)))
def test_every_option_says_what_it_is(path):
    """No option without a help text."""
    options = [p for p in command_at(path).params if p.param_type_name == "option" and p.name != "help"]

    assert [option.name for option in options if not (option.help or "").strip()] == []


@pytest.mark.parametrize(
    "path",
    [path for path in COMMANDS if path and not hasattr(command_at(path), "commands")],
    ids=lambda path: " ".join(("gliofield", *path)),
)
def test_every_command_can_answer_in_json(path):
    """`--json` is on all of them."""
    assert any("--json" in option.opts for option in command_at(path).params)


def test_an_unknown_option_is_not_understood():
    """Exit code 2 and no traceback."""
    result = CliRunner().invoke(app, ["personalize", "--flare", "x"])

    assert result.exit_code == 2
    assert "Traceback" not in result.output
