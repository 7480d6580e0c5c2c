"""Commands that other packages add: listed by name from their metadata, imported when one is called."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import Any

import typer

from gliofield.cli.commands import Group
from gliofield.cli.console import Console, user_errors
from gliofield.errors import PluginError
from gliofield.plugins import Plugin, find_plugins

_KIND = "command"


class PluggedCommand(Group):
    """A command, or a group of commands, of another package.

    Parameters
    ----------
    plugin : Plugin
        What its metadata says; the entry point names a `typer.Typer`.
    """

    def __init__(self, plugin: Plugin) -> None:
        super().__init__(name=plugin.name)
        self._plugin = plugin

    @property
    def help(self) -> str:
        """That of the command if it comes with gliofield: these load no library. Of any other, whose it is."""
        if self._plugin.is_own:
            with suppress(PluginError):
                return self.loaded.help or ""
        return f"Plug-in: {self._plugin.origin}."

    @help.setter
    def help(self, value: Any) -> None:
        """Commands set theirs when they are made; this one has none of its own."""

    @property
    def commands(self) -> Any:
        """Those of the package; they are there once it is loaded, which this does."""
        return self.loaded.commands

    @commands.setter
    def commands(self, value: Any) -> None:
        """Groups set theirs when they are made; this one has none of its own."""

    @cached_property
    def loaded(self) -> Any:
        """The command itself, its package imported.

        Raises
        ------
        PluginError
            If it cannot be loaded, or is no `typer.Typer`.
        """
        found = self._plugin.load()
        if not isinstance(found, typer.Typer):
            raise PluginError(
                f"command {self.name!r} of {self._plugin.origin} is a {type(found).__name__}: expected a typer.Typer."
            )
        is_one = len(found.registered_commands) == 1 and not found.registered_groups and not found.registered_callback
        # A group leaves completion to the command above it; a single command has to be told.
        return typer.main.get_command(found) if is_one else typer.main.get_group(found)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        with user_errors(Console(as_json="--json" in args)):
            command = self.loaded
        return command.make_context(info_name, args, parent=parent, **extra)


class RootGroup(Group):
    """gliofield's own commands, and after them those of other packages."""

    def __init__(self, **described: Any) -> None:
        super().__init__(**described)
        plugins = find_plugins(_KIND, own=self.commands)
        self.commands.update({name: PluggedCommand(plugin) for name, plugin in plugins.items()})
