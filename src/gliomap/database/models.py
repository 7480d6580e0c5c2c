"""The growth models that databases are built with, by name."""

from __future__ import annotations

from typing import Any

from gliomap.errors import ParameterError, unknown_name
from gliomap.growth import FisherKolmogorov, GrowthModel, MassEffect

#: Half of the coupling steps of a single run, for two thirds of its time. *Chosen*: the tumors of a database lie much
#: further apart than the error this makes (docs/design/0003-simulation-database.md).
MASS_EFFECT_COUPLING_STEPS = 8

MODELS = ("fk", "mass-effect")


def named_model(name: str) -> GrowthModel[Any]:
    """Growth model as databases use it: ``fk`` (Fisher-Kolmogorov) or ``mass-effect``.

    Raises
    ------
    ParameterError
        If the name is unknown.
    """
    if name == "fk":
        return FisherKolmogorov()
    if name == "mass-effect":
        return MassEffect(num_coupling_steps=MASS_EFFECT_COUPLING_STEPS)
    raise ParameterError(unknown_name("growth model", name, MODELS))
