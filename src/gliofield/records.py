"""Frozen dataclasses as JSON and back, by their annotations: the one way in which settings and headers are stored.

A dataclass is an object of its fields, a tuple a list, a mapping an object; `Grid` has a form of its own. Where a field
may be one of several dataclasses, the record says which by its ``name``. Reading is strict: a value of another type, an
unknown name or a missing one without default is an error, so that what was stored by another version is noticed.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

from gliofield.grid import Grid

ValueT = TypeVar("ValueT")
_TAG = "name"


def to_record(value: Any) -> Any:
    """A dataclass, or what its fields hold, as values that JSON knows.

    Examples
    --------
    >>> from gliofield.imaging import VisibilityThresholds
    >>> to_record({"thresholds": VisibilityThresholds(), "box": ((0, 4), (1, 5))})
    {'thresholds': {'t1gd_threshold': 0.6, 'flair_threshold': 0.2}, 'box': [[0, 4], [1, 5]]}
    """
    if isinstance(value, Grid):
        return value.to_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hints = typing.get_type_hints(type(value))
        record = {}
        for field in _stored_fields(type(value)):
            stored = to_record(getattr(value, field.name))
            is_tagged = len(_dataclasses_of(hints[field.name])) > 1
            record[field.name] = {_TAG: type(getattr(value, field.name)).__name__, **stored} if is_tagged else stored
        return record
    if isinstance(value, Mapping):
        return {name: to_record(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [to_record(each) for each in value]
    return value


def from_record(kind: type[ValueT], stored: Any) -> ValueT:
    """The object of a class that `to_record` described.

    Raises
    ------
    KeyError, TypeError, ValueError
        If it describes something else; also whatever the class raises of its values.

    Examples
    --------
    >>> from gliofield.imaging import VisibilityThresholds
    >>> from_record(VisibilityThresholds, {"t1gd_threshold": 0.7, "flair_threshold": 0.3}).t1gd_threshold
    0.7
    """
    value: ValueT = _read(kind, stored, kind.__name__)
    return value


def _read(hint: Any, stored: Any, where: str) -> Any:
    """A value of an annotated type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _read_union(hint, arguments, stored, where)
    if origin is Literal:
        return _require(stored in arguments, stored, hint, where)
    if origin is tuple:
        return _read_tuple(arguments, _require(isinstance(stored, list | tuple), stored, hint, where), where)
    if origin is not None and issubclass(origin, Mapping):
        _require(isinstance(stored, Mapping), stored, hint, where)
        return {name: _read(arguments[1], each, f"{where}[{name!r}]") for name, each in stored.items()}
    if hint is Grid:
        return Grid.from_dict(stored)
    if dataclasses.is_dataclass(hint):
        return _read_dataclass(hint, stored, where)
    if hint is float and isinstance(stored, int) and not isinstance(stored, bool):
        return float(stored)
    if hint is Any or hint is Mapping:
        return stored
    # In Python True is an int, in a record it is not.
    return _require(isinstance(stored, hint) and (hint is bool or not isinstance(stored, bool)), stored, hint, where)


def _read_dataclass(kind: Any, stored: Any, where: str) -> Any:
    _require(isinstance(stored, Mapping), stored, kind, where)
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in _stored_fields(kind)}
    unknown = sorted(stored.keys() - fields.keys())
    if unknown:
        raise TypeError(f"{where} has no {', '.join(unknown)}")
    needed = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    missing = [name for name in needed if name not in stored]
    if missing:
        raise KeyError(f"{where} lacks {', '.join(missing)}")
    return kind(**{name: _read(hints[name], value, f"{where}.{name}") for name, value in stored.items()})


def _read_union(hint: Any, arguments: tuple[Any, ...], stored: Any, where: str) -> Any:
    if stored is None and type(None) in arguments:
        return None
    tagged = _dataclasses_of(hint)
    if len(tagged) > 1:
        named = {kind.__name__: kind for kind in tagged}
        content = dict(_require(isinstance(stored, Mapping), stored, hint, where))
        return _read_dataclass(named[content.pop(_TAG)], content, where)
    (inner,) = [each for each in arguments if each is not type(None)]
    return _read(inner, stored, where)


def _read_tuple(arguments: tuple[Any, ...], stored: Any, where: str) -> tuple[Any, ...]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_read(arguments[0], each, where) for each in stored)
    _require(len(stored) == len(arguments), stored, f"{len(arguments)} values", where)
    return tuple(_read(kind, each, where) for kind, each in zip(arguments, stored, strict=True))


def _require(is_met: bool, stored: Any, expected: Any, where: str) -> Any:
    if not is_met:
        named = expected.__name__ if isinstance(expected, type) else expected
        raise TypeError(f"{where} must be {named}, got {stored!r}")
    return stored


def _stored_fields(kind: Any) -> list[dataclasses.Field[Any]]:
    """What a dataclass is made of; fields that it computes itself are not stored."""
    return [field for field in dataclasses.fields(kind) if field.init]


def _dataclasses_of(hint: Any) -> list[Any]:
    """The dataclasses of a union; one alone for a dataclass."""
    if get_origin(hint) in (typing.Union, types.UnionType):
        return [each for each in get_args(hint) if dataclasses.is_dataclass(each)]
    return [hint] if dataclasses.is_dataclass(hint) else []
