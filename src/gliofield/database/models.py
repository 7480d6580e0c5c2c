"""The growth models by name: gliofield's own, as databases use them, and those of other packages.

Others come by entry points of the group ``gliofield.growth_models`` (`gliofield.plugins`): a class, or a function, that
makes a model; without arguments, or of the checkpoint of a trained network.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from gliofield.database.schema import describe_settings, without_backend
from gliofield.errors import DatabaseError, ParameterError, PluginError, require_type
from gliofield.growth import FisherKolmogorov, GrowthModel, MassEffect
from gliofield.plugins import find_plugins, load_plugin

#: Half of the coupling steps of a single run, for two thirds of its time. *Chosen*: the tumors of a database lie much
#: further apart than the error this makes (docs/design/0003-simulation-database.md).
MASS_EFFECT_COUPLING_STEPS = 8

_OWN: Mapping[str, Callable[[], GrowthModel[Any]]] = {
    "fk": FisherKolmogorov,
    "mass-effect": lambda: MassEffect(num_coupling_steps=MASS_EFFECT_COUPLING_STEPS),
}
MODELS = tuple(_OWN)
_KIND = "growth model"
DEFAULT_MODEL = "fk"


def model_names() -> tuple[str, ...]:
    """Names of all growth models: gliofield's own, then those of other packages."""
    return (*MODELS, *find_plugins(_KIND, own=MODELS))


def named_model(name: str, *, checkpoint: str | os.PathLike[str] | None = None) -> GrowthModel[Any]:
    """Growth model as databases use it.

    Parameters
    ----------
    name : str
        ``fk`` (Fisher-Kolmogorov), ``mass-effect``, or what another package calls its own.
    checkpoint : path, optional
        Trained network, for a model that is one.

    Raises
    ------
    ParameterError
        If the name is unknown, or a checkpoint is missing or has no use.
    PluginError
        If the package that offers it cannot be loaded, or makes something else.
    """
    if name not in MODELS:
        return _plugged_model(name, () if checkpoint is None else (checkpoint,))
    if checkpoint is not None:
        raise ParameterError(f"growth model {name!r} uses no network, but {checkpoint} was given: leave it out.")
    return _OWN[name]()


def _plugged_model(name: str, arguments: tuple[Any, ...]) -> GrowthModel[Any]:
    make = load_plugin(_KIND, name, own=MODELS)
    origin = find_plugins(_KIND)[name].origin
    # An object that can be called, such as a command, would do what it does.
    if not (inspect.isroutine(make) or inspect.isclass(make)):
        raise PluginError(f"growth model {name!r} of {origin} is a {type(make).__name__}: expected what makes one.")
    try:
        inspect.signature(make).bind(*arguments)
    except TypeError:
        needs = "uses no network: leave the checkpoint out" if arguments else "needs a trained network: give checkpoint"
        raise ParameterError(f"growth model {name!r} of {origin} {needs}.") from None
    model = make(*arguments)
    if not isinstance(model, GrowthModel):
        raise PluginError(f"growth model {name!r} of {origin} is a {type(model).__name__}: expected a GrowthModel.")
    return model


def resolve_model(model: GrowthModel[Any] | str) -> GrowthModel[Any]:
    """A growth model, or `named_model` of its name.

    Raises
    ------
    ParameterError
        If it is neither, or the name is unknown.
    """
    if isinstance(model, str):
        return named_model(model)
    hint = f"Name one ({', '.join(model_names())}), or give an object such as FisherKolmogorov()."
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
    model = _model_called(str(description["name"]))
    own, recorded = (without_backend(one)["settings"] for one in (describe_settings(model), description))
    differing = sorted(name for name in own.keys() | recorded.keys() if own.get(name) != recorded.get(name))
    if differing:
        raise DatabaseError(
            f"{source} was made by the growth model {description['name']!r} with other settings than this gliofield "
            f"gives it ({', '.join(differing)}), so its tumors cannot be grown again. Build it anew."
        )
    return model


def _model_called(recorded: str) -> GrowthModel[Any]:
    """The model that records this name; that of another package is offered by the name that it records."""
    own = {named_model(name).name: name for name in MODELS}
    return named_model(own.get(recorded, recorded))
