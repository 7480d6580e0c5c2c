"""One tumor from a few words: parameters, times, and where it grows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from gliofield.anatomy import DEFAULT_ATLAS, Anatomy, Atlas
from gliofield.anatomy.atlas_sources import resolve_atlas
from gliofield.errors import require_type
from gliofield.growth.mass_effect import MassEffect
from gliofield.growth.model import GrowthModel
from gliofield.growth.parameters import FisherKolmogorovParameters, MassEffectParameters
from gliofield.growth.reaction_diffusion import FisherKolmogorov
from gliofield.growth.solution import Solution


def simulate(
    tumor: FisherKolmogorovParameters,
    times_days: float | Sequence[float],
    *,
    brain: Anatomy | Atlas | str | os.PathLike[str] = DEFAULT_ATLAS,
    model: GrowthModel[Any] | None = None,
) -> Solution:
    """Cell density of one tumor at one or more times.

    Parameters
    ----------
    tumor : FisherKolmogorovParameters or MassEffectParameters
        Diffusivity, proliferation rate and seed, with a push where it pushes the tissue.
    times_days : float or sequence of float
        When [days], > 0.
    brain : Anatomy, Atlas, name or folder
        Where it grows; an atlas is taken on its simulation grid (128³, 1.875 mm).
    model : GrowthModel, optional
        What grows it; None: the model of the parameters, with its default settings.

    Returns
    -------
    Solution
        Densities (num_times, X, Y, Z); with mass effect displacement and moved tissue too.

    Raises
    ------
    ParameterError
        If an argument is of the wrong kind, or the seed lies outside the tissue.
    """
    require_type(
        "tumor",
        tumor,
        FisherKolmogorovParameters,
        hint="Give FisherKolmogorovParameters(...), or MassEffectParameters.",
    )
    anatomy = brain if isinstance(brain, Anatomy) else resolve_atlas(brain).anatomy()
    chosen = default_model(tumor) if model is None else model
    return chosen.simulate(anatomy, tumor, times_days)


def default_model(tumor: FisherKolmogorovParameters) -> GrowthModel[Any]:
    """The growth model that parameters belong to, with its default settings."""
    return MassEffect() if isinstance(tumor, MassEffectParameters) else FisherKolmogorov()
