"""Options of the command line made from a frozen dataclass of settings, so that neither has to repeat the other.

A field becomes an option: its name gives the spelling (``num_threads`` → ``--num-threads``, unless another one is
wanted), its annotation the type (bool: a flag, Literal: choices), its default the default, and the first sentence about
it in the docstring the help. Ranges are not repeated: the class checks them when it is made, and the console puts the
option's name where the class named its field.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from gliofield.errors import unknown_name

# Longer lists of choices stand in the help instead of beside the option.
_LONGEST_CHOICES = 60


@dataclass(frozen=True, kw_only=True)
class OptionGroup:
    """A class of settings whose fields are options.

    Parameters
    ----------
    settings : type
        Frozen dataclass with a NumPy docstring.
    panel : str
        Heading of the options in the help.
    spellings : mapping of str to str
        Options that are not spelled like their field, such as ``num_steps``: ``--steps`` (``-s, --steps`` for two).
    fields : sequence of str, optional
        The fields that are options, in this order; default: all.
    choices : mapping of str to sequence of str
        What a field that is annotated as str may be.
    is_partial : bool
        The settings begin from a preset: options have no default, and only those that were given arrive.
    presets : mapping of str to str
        What the presets of partial settings hold, for the help.
    """

    settings: type
    panel: str
    spellings: Mapping[str, str] = field(default_factory=dict)
    fields: Sequence[str] | None = None
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_partial: bool = False
    presets: Mapping[str, str] = field(default_factory=dict)

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of the fields that are options."""
        return tuple(self.fields or (each.name for each in dataclasses.fields(self.settings)))

    def parameters(self) -> list[inspect.Parameter]:
        """Parameters of a Typer command, one per field, with the names of the fields."""
        hints = typing.get_type_hints(self.settings)
        described = describe_fields(self.settings)
        defaults = {each.name: each.default for each in dataclasses.fields(self.settings)}
        return [
            self._parameter(name, hints[name], None if self.is_partial else defaults[name], described[name])
            for name in self.field_names
        ]

    def spelling(self, name: str) -> tuple[str, ...]:
        """The spellings of a field as an option."""
        return tuple(part.strip() for part in self.spellings.get(name, f"--{name.replace('_', '-')}").split(","))

    def take(self, given: dict[str, Any]) -> Any:
        """The settings, or of partial ones the fields that were given, taken out of the values of all options."""
        values = {name: given.pop(name) for name in self.field_names}
        if self.is_partial:
            return {name: value for name, value in values.items() if value is not None and value is not False}
        return self.settings(**values)

    def _parameter(self, name: str, hint: Any, default: Any, help_text: str) -> inspect.Parameter:
        kind = _without_none(hint)
        spelled = self.spelling(name)
        preset = f" Default: {self.presets[name]}." if name in self.presets else ""
        declared: dict[str, Any] = {"help": help_text + preset, "rich_help_panel": self.panel}
        names = get_args(kind) if get_origin(kind) is Literal else self.choices.get(name)
        if names:
            kind, option = str, choice(*names, kind=name, spelled=spelled, **declared)
        else:
            option = typer.Option(*spelled, **declared)
        if default is dataclasses.MISSING:
            default = inspect.Parameter.empty
        elif kind is bool:
            default = bool(default)
        is_optional = default is None
        return inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[(kind | None) if is_optional else kind, option],
        )


def choice(*names: str, kind: str | None = None, spelled: Sequence[str] = (), **declared: Any) -> Any:
    """Option whose value is one of some names: shown, completed, and refused with the closest one otherwise."""

    def check(value: Any) -> Any:
        for each in value if isinstance(value, list | tuple) else [value]:
            if each is not None and each not in names:
                raise typer.BadParameter(unknown_name(kind or "choice", each, names))
        return value

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    shown = "|".join(names)
    if len(shown) > _LONGEST_CHOICES:
        shown, declared["help"] = "NAME", f"{declared['help']} One of {', '.join(names)}."
    return typer.Option(*spelled, metavar=shown, callback=check, autocompletion=complete, **declared)


def describe_fields(settings: type) -> dict[str, str]:
    """First sentence about each field in the ``Parameters`` (or ``Attributes``) of a NumPy docstring, for a help page.

    Examples
    --------
    >>> describe_fields(OptionGroup)["panel"]
    'Heading of the options in the help.'
    """
    text = inspect.getdoc(settings) or ""
    section = re.search(
        r"^(?:Parameters|Attributes)\n-+\n(.*?)(?=\n\n\S[^\n]*\n-+\n|\Z)", text, re.DOTALL | re.MULTILINE
    )
    described: dict[str, str] = {}
    for names, body in re.findall(
        r"^(\w[\w, ]*) : [^\n]*\n((?:(?: +[^\n]*)?\n?)*)", section[1] if section else "", re.M
    ):
        sentence = re.split(r"(?<=[.])\s+(?=[A-Z*`])", " ".join(body.split()), maxsplit=1)[0]
        plain = sentence.replace("``", "").replace("`", "")
        described |= {name.strip(): re.sub(r"\bNone\b", "left out", plain) for name in names.split(",")}
    return described


def with_given(settings: Any, **changes: Any) -> Any:
    """Settings with the values that were given."""
    return dataclasses.replace(settings, **{name: value for name, value in changes.items() if value is not None})


def _without_none(hint: Any) -> Any:
    """The type of a field, ``None`` as an alternative left out."""
    if get_origin(hint) in (typing.Union, types.UnionType):
        (kind,) = [each for each in get_args(hint) if each is not type(None)]
        return kind
    return hint
