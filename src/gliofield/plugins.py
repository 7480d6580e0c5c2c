"""What other packages add to gliofield: indexes, growth models, designs, inverse methods, commands, devices.

A package offers them by entry points in its metadata, for instance in its ``pyproject.toml``:

    [project.entry-points."gliofield.indexes"]
    center = "my_package:CENTER"

=============================  =====================================================================================
``gliofield.indexes``          a `retrieval.IndexKind`, for ``--index center``
``gliofield.growth_models``    a class of models, or a function that makes one, for ``--model``
``gliofield.designs``          a dataclass that is a `database.Design`, for ``--design``
``gliofield.methods``          a class of options with ``name``, ``summary`` and ``prepare``, for ``--method``
``gliofield.commands``         a `typer.Typer`, as ``gliofield NAME``
``gliofield.presets``          a function of a ``seed`` that makes `SampleSettings`, for ``--method sample --preset``
``gliofield.devices``          what grows many tumors at once, a `growth.many.Device`, for ``device="…"``
=============================  =====================================================================================

Names are known from the metadata alone; a package is imported when a thing of it is first used. Names of gliofield's
own come first: no plug-in can take their place. What stands beside gliofield in its wheel plugs in the same way.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from gliofield.errors import ParameterError, PluginError, unknown_name

#: Groups of entry points by what their things are called in messages.
GROUPS: Mapping[str, str] = {
    "index": "gliofield.indexes",
    "growth model": "gliofield.growth_models",
    "design": "gliofield.designs",
    "method": "gliofield.methods",
    "command": "gliofield.commands",
    "preset": "gliofield.presets",
    "device": "gliofield.devices",
}


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """Something that a package offers, not yet loaded.

    Parameters
    ----------
    kind : str
        What it is, a key of `GROUPS`.
    name : str
        Its name there.
    entries : tuple of EntryPoint
        Where it is; more than one if several packages offer the name.
    """

    kind: str
    name: str
    entries: tuple[EntryPoint, ...]

    @property
    def origin(self) -> str:
        """The module and the package that offer it, with version."""
        return " and ".join(_origin_of(entry) for entry in self.entries)

    @property
    def is_own(self) -> bool:
        """Whether it is installed with gliofield, in the same distribution."""
        return all(entry.dist is not None and entry.dist.name == "gliofield" for entry in self.entries)

    def load(self) -> Any:
        """The thing itself, its package imported.

        Raises
        ------
        PluginError
            If several packages offer the name, or the import fails.
        """
        if len(self.entries) > 1:
            raise PluginError(
                f"{self.kind} {self.name!r} is offered by {self.origin}, and nothing says which is meant. Uninstall "
                "all but one of them."
            )
        try:
            return self.entries[0].load()
        except Exception as error:  # whatever a foreign package does when it is imported
            raise PluginError(
                f"{self.kind} {self.name!r} of {self.origin} cannot be loaded: {type(error).__name__}: {error}. "
                "Repair or uninstall that package; all else of gliofield works without it."
            ) from error


def find_plugins(kind: str, *, own: Iterable[str] = ()) -> dict[str, Plugin]:
    """What packages offer, by name and in order of the names; nothing is imported.

    Parameters
    ----------
    kind : str
        ``index``, ``growth model``, ``design``, ``method``, ``command``, ``preset`` or ``device``.
    own : iterable of str
        Names that are gliofield's own, and stay so.
    """
    found = _offers(GROUPS[kind], tuple(sys.path))
    taken = set(own)
    return {name: Plugin(kind=kind, name=name, entries=found[name]) for name in sorted(found) if name not in taken}


def load_plugin(kind: str, name: str, *, own: Iterable[str] = ()) -> Any:
    """Something that a package offers.

    Parameters
    ----------
    kind : str
        What it is, a key of `GROUPS`.
    name : str
        Its name there.
    own : iterable of str
        Names that are gliofield's own, for the message.

    Raises
    ------
    ParameterError
        If nothing is called that: the message names what there is, and which package offers it.
    PluginError
        If several packages offer the name, or the package cannot be imported.
    """
    own = tuple(own)
    plugins = find_plugins(kind, own=own)
    if name not in plugins:
        raise ParameterError(describe_unknown(kind, name, own=own))
    return plugins[name].load()


def describe_unknown(kind: str, name: str, *, own: Iterable[str] = ()) -> str:
    """Message for a name that neither gliofield nor a package has: the known ones, and who offers them."""
    own = tuple(own)
    plugins = find_plugins(kind, own=own)
    origins: dict[str, list[str]] = {}
    for plugin in plugins.values():
        origins.setdefault(plugin.origin, []).append(plugin.name)
    offers = "".join(f" {', '.join(names)}: of {origin}." for origin, names in origins.items())
    return unknown_name(kind, name, (*own, *plugins)) + offers


@lru_cache(maxsize=8)
def _offers(group: str, path: tuple[str, ...]) -> dict[str, tuple[EntryPoint, ...]]:
    """Entry points by name; `path` is where they are looked for, so that a new folder on it is seen."""
    del path
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group=group):
        if all(entry.value != other.value for other in found.get(entry.name, ())):
            found[entry.name] = (*found.get(entry.name, ()), entry)
    return found


def _origin_of(entry: EntryPoint) -> str:
    package = "" if entry.dist is None else f" (package {entry.dist.name} {entry.dist.version})"
    return f"{entry.module}{package}"
