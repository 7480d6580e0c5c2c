"""What a broken law is, and how laws are stated: as a sentence that holds, with the value where it does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gliofield.errors import GliofieldError


class BrokenLawError(GliofieldError, AssertionError):
    """An implementation does not keep a law of its protocol."""


@dataclass(frozen=True)
class Laws:
    """The laws of one implementation.

    Parameters
    ----------
    subject : str
        Of what they are, such as ``growth model 'gompertz'``; every message begins with it.
    """

    subject: str

    def require(self, holds: bool, law: str, came: object) -> None:
        """Raise `BrokenLawError` unless a law holds.

        Parameters
        ----------
        holds : bool
            Whether it does.
        law : str
            What must be, such as ``cell_density must be float32``.
        came : object
            What was there instead.
        """
        if not holds:
            raise BrokenLawError(f"{self.subject}: {law}, got {came}.")

    def require_refusal(self, call: Callable[[], object], error: type[GliofieldError], of: str) -> None:
        """Raise `BrokenLawError` unless a call is refused with an error of gliofield.

        Parameters
        ----------
        call : callable
            What is tried.
        error : type
            The error it must raise.
        of : str
            What is refused, such as ``k = 0``.
        """
        law = f"{of} must be refused with {error.__name__}"
        try:
            answer = call()
        except error:
            return
        except Exception as other:
            raise BrokenLawError(f"{self.subject}: {law}, got {type(other).__name__} ({other}).") from other
        raise BrokenLawError(f"{self.subject}: {law}, got {_in_short(answer)}.")

    def require_texts(self, values: object, law: str) -> None:
        """Raise `BrokenLawError` unless a value is a tuple of texts."""
        is_tuple = isinstance(values, tuple) and all(isinstance(value, str) for value in values)
        self.require(is_tuple, f"{law} must be a tuple of texts", _in_short(values))

    def require_json(self, value: Any, law: str) -> None:
        """Raise `BrokenLawError` unless a value can be written as JSON."""
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise BrokenLawError(f"{self.subject}: {law} must be ready for JSON, got {error}.") from error


def laws_of(kind: str, implementation: object) -> Laws:
    """Laws of an object with a ``name``, which itself is the first of them.

    Raises
    ------
    BrokenLawError
        If it has no name, or one that is no text.
    """
    name = getattr(implementation, "name", None)
    unnamed = Laws(f"{kind} of class {type(implementation).__name__}")
    unnamed.require(isinstance(name, str) and bool(name), "name must be a text that is not empty", repr(name))
    return Laws(f"{kind} {name!r}")


def _in_short(value: object, length: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}…"
