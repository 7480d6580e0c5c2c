"""Every error gliofield raises on purpose, as one tree under `GliofieldError`.

Each class is also the built-in error a caller would expect (`ValueError`, `RuntimeError`), so code that
knows nothing of gliofield can still catch it. Messages follow one pattern: what is wrong, what was expected
(with unit), what came, and what to do. Errors that carry a measured value keep it as an attribute.
"""

import difflib
from collections.abc import Iterable


class GliofieldError(Exception):
    """Root of all errors raised by gliofield on purpose."""


class ParameterError(GliofieldError, ValueError):
    """A parameter or setting lies outside its valid range, or names something that does not exist."""


class GridMismatchError(GliofieldError, ValueError):
    """Two volumes that must share a grid do not."""


class ImageError(GliofieldError, ValueError):
    """An image file cannot be read, or its content cannot be used."""


class SegmentationError(ImageError):
    """A segmentation cannot be understood: unknown labels, an ambiguous scheme, or no tumor."""


class DicomError(GliofieldError, ValueError):
    """A DICOM series or object cannot be used: incomplete, of another frame, or not what was asked for."""


class AtlasError(GliofieldError, RuntimeError):
    """An atlas is unknown, incomplete, damaged, or cannot be fetched."""


class NumericalError(GliofieldError, RuntimeError):
    """A computation left the range where its result means anything.

    Attributes
    ----------
    step : int or None
        Step at which the symptom was seen.
    """

    def __init__(self, message: str, *, step: int | None = None) -> None:
        super().__init__(message)
        self.step = step


class DeviceError(GliofieldError, RuntimeError):
    """A GPU is not there, has too little memory, or the software to use it is not installed."""


class RegistrationError(GliofieldError, RuntimeError):
    """A registration failed or produced a transform that cannot be used."""


class DatabaseError(GliofieldError, RuntimeError):
    """A simulation database is missing, damaged, locked, or does not fit the request."""


class ClusterError(GliofieldError, RuntimeError):
    """A cluster cannot be reached, has no workers or lost them, or they have another gliofield."""


class CheckpointError(GliofieldError, RuntimeError):
    """A file of network weights or training state is missing, damaged, or of another kind or version."""


class PluginError(GliofieldError, RuntimeError):
    """What another package adds to gliofield cannot be loaded, or is not what its entry point says."""


class DownloadError(GliofieldError, RuntimeError):
    """A published file of another package could not be had, or is not the one that was pinned; nothing was kept."""


class OutputError(GliofieldError, RuntimeError):
    """A result cannot be written: it exists already, the disk is full, or the folder is read-only."""


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> str:
    """Message for a name that does not exist: the valid ones and the closest match.

    Examples
    --------
    >>> unknown_name("atlas", "sri42", ["sri24", "mni152"])
    "atlas 'sri42' is unknown: expected one of mni152, sri24. Did you mean 'sri24'?"
    """
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{kind} {name!r} is unknown: expected one of {', '.join(names)}.{hint}"


def require_type(name: str, value: object, expected: type | tuple[type, ...], *, hint: str = "") -> None:
    """Raise `ParameterError` unless a value is of an expected type.

    Parameters
    ----------
    name : str
        The argument, as the caller knows it.
    value : object
        What came.
    expected : type or tuple of types
        What was expected.
    hint : str
        What to do, in a sentence.

    Raises
    ------
    ParameterError
        If it is of another type.

    Examples
    --------
    >>> require_type("grid", "sri24", (int, float), hint="Give a spacing.")
    Traceback (most recent call last):
    gliofield.errors.ParameterError: grid must be int or float, got 'sri24' (str). Give a spacing.
    """
    kinds = expected if isinstance(expected, tuple) else (expected,)
    # A protocol takes a class for an object of it, for the class has all the methods.
    if isinstance(value, kinds) and not (isinstance(value, type) and type not in kinds):
        return
    if isinstance(value, type):
        came = f"the class {value.__name__}"
    elif isinstance(value, (str, int, float)):
        came = f"{value!r} ({type(value).__name__})"
    else:
        # Arrays and the like would bury the message.
        came = type(value).__name__
    wanted = " or ".join(kind.__name__ for kind in kinds)
    raise ParameterError(f"{name} must be {wanted}, got {came}.{f' {hint}' if hint else ''}")
