"""The growth models that databases are built with, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gliofield.database.schema import describe_settings, without_backend
from gliofield.errors import DatabaseError, ParameterError, require_type, unknown_name
from gliofield.growth import FisherKolmogorov, GrowthModel, MassEffect

#: Half of the coupling steps of a single run, for two thirds of its time. *Chosen*: the tumors of a database lie much
#: further apart than the error this makes (docs/design/0003-simulation-database.md).
MASS_EFFECT_COUPLING_STEPS = 8

MODELS = ("fk", "mass-effect")
DEFAULT_MODEL = "fk"
DEVICES = ("cpu", "cuda")


def named_model(name: str, *, device: str = "cpu") -> GrowthModel[Any]:
    """Growth model as databases use it.

    Parameters
    ----------
    name : str
        ``fk`` (Fisher-Kolmogorov) or ``mass-effect``.
    device : str
        ``cpu``, or ``cuda`` for a build by `CudaWorker`. The header of a database records it.

    Raises
    ------
    ParameterError
        If the name or the device is unknown.
    """
    if device not in DEVICES:
        raise ParameterError(unknown_name("device", device, DEVICES))
    backend = "cuda" if device == "cuda" else "numba"
    if name == "fk":
        return FisherKolmogorov(backend=backend)
    if name == "mass-effect":
        return MassEffect(num_coupling_steps=MASS_EFFECT_COUPLING_STEPS, backend=backend)
    raise ParameterError(unknown_name("growth model", name, MODELS))


def resolve_model(model: GrowthModel[Any] | str, *, device: str = "cpu") -> GrowthModel[Any]:
    """A growth model, or `named_model` of its name.

    Raises
    ------
    ParameterError
        If it is neither, or the name is unknown.
    """
    if isinstance(model, str):
        return named_model(model, device=device)
    hint = f"Name one ({', '.join(MODELS)}), or give an object such as FisherKolmogorov()."
    require_type("model", model, (GrowthModel, str), hint=hint)
    return model


def recorded_model(description: Mapping[str, Any], *, source: str) -> GrowthModel[Any]:
    """The model of `named_model` that a database or a checkpoint says its tumors were grown by, on the processor.

    Parameters
    ----------
    description : mapping
        ``{"name": …, "settings": {…}}``, as `describe_settings` made it.
    source : str
        Where it comes from, for messages.

    Raises
    ------
    DatabaseError
        If it has other settings than `named_model` gives, so that its tumors cannot be grown again.
    """
    model = named_model("mass-effect" if description["name"] == MassEffect().name else "fk")
    own, recorded = (without_backend(one)["settings"] for one in (describe_settings(model), description))
    differing = sorted(name for name in own.keys() | recorded.keys() if own.get(name) != recorded.get(name))
    if differing:
        raise DatabaseError(
            f"{source} was made by the growth model {description['name']!r} with other settings than this gliofield "
            f"gives it ({', '.join(differing)}), so its tumors cannot be grown again. Build it anew."
        )
    return model
