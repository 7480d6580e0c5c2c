"""What is asked of a growth model, checked at the door: a brain, parameters of its kind, and times.

A wrong type meets a message here, before any computation; wrong values are refused by who knows their range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.errors import ParameterError, require_type
from gliofield.growth.parameters import FisherKolmogorovParameters, MassEffectParameters


def check_run(
    anatomy: Anatomy,
    parameters: FisherKolmogorovParameters,
    times_days: float | Sequence[float],
    *,
    needs_push: bool = False,
) -> tuple[float, ...]:
    """Requested times [day] as floats, once anatomy and parameters are known to be what a model takes.

    Parameters
    ----------
    anatomy : Anatomy
        Where to grow.
    parameters : FisherKolmogorovParameters
        Those of a model with mass effect are refused by none: without it their push does not act.
    times_days : float or sequence of float
        One time or several, strictly increasing, > 0 [day].
    needs_push : bool
        Whether `MassEffectParameters` are needed.

    Raises
    ------
    ParameterError
        If anything is of another type, or the times are not finite, strictly increasing and > 0.
    """
    require_anatomy(anatomy)
    if needs_push:
        hint = "They are growth parameters with a push_pa; without one, FisherKolmogorov is the model."
        require_type("parameters", parameters, MassEffectParameters, hint=hint)
    else:
        hint = "Make them with FisherKolmogorovParameters(white_matter_diffusivity_mm2_per_day=…, …)."
        require_type("parameters", parameters, FisherKolmogorovParameters, hint=hint)
    return check_times(times_days)


def require_anatomy(anatomy: Anatomy) -> None:
    """Raise `ParameterError` unless it is an `Anatomy`."""
    require_type("anatomy", anatomy, Anatomy, hint="An atlas makes one: atlas.anatomy(). Tissue maps: growth_domain().")


def check_times(times_days: float | Sequence[float], *, name: str = "times_days") -> tuple[float, ...]:
    """Requested times [day] as floats; a single number is a single time.

    Raises
    ------
    ParameterError
        If they are not finite, strictly increasing and > 0, or there are none.
    """
    given: Any = [times_days] if isinstance(times_days, float | int | np.number) else times_days
    try:
        times = None if isinstance(given, str) else tuple(float(time) for time in given)
    except (TypeError, ValueError):
        times = None
    if times is None:
        raise ParameterError(
            f"{name} must be a number or a sequence of numbers [day after the seed], got {times_days!r}. Give for "
            "example 150 or [100, 200]."
        )
    in_order = all(a < b for a, b in zip((0.0, *times), times, strict=False))
    if not times or not in_order or not all(math.isfinite(time) for time in times):
        raise ParameterError(
            f"{name} must be finite, strictly increasing and > 0 [day], at least one time, got {list(times)}."
        )
    return times
