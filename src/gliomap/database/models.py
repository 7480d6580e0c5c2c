"""The growth models that databases are built with, by name."""

from __future__ import annotations

from typing import Any

from gliomap.errors import ParameterError, unknown_name
from gliomap.growth import FisherKolmogorov, GrowthModel, MassEffect

#: Half of the coupling steps of a single run, for two thirds of its time. *Chosen*: the tumors of a database lie much
#: further apart than the error this makes (docs/design/0003-simulation-database.md).
MASS_EFFECT_COUPLING_STEPS = 8

MODELS = ("fk", "mass-effect")
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
