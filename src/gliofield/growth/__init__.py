"""Forward models: how a tumor grows in a brain."""

from gliofield.growth.many import simulate_many
from gliofield.growth.mass_effect import MassEffect
from gliofield.growth.mechanics import Elasticity, TissueElasticity
from gliofield.growth.model import GrowthModel, needs_of
from gliofield.growth.one_tumor import default_model, simulate
from gliofield.growth.parameters import (
    RATE_NAMES,
    SEED_NAMES,
    STRETCH_NAMES,
    TUMOR_NAMES,
    FisherKolmogorovParameters,
    MassEffectParameters,
    growth_parameters_of,
    growth_values_of,
    seed_values,
)
from gliofield.growth.reaction_diffusion import FisherKolmogorov
from gliofield.growth.seed import seed_density
from gliofield.growth.solution import MassEffectSolution, Solution, moved_tissue
from gliofield.growth.volume_limit import VolumeLimit

__all__ = [
    "RATE_NAMES",
    "SEED_NAMES",
    "STRETCH_NAMES",
    "TUMOR_NAMES",
    "Elasticity",
    "FisherKolmogorov",
    "FisherKolmogorovParameters",
    "GrowthModel",
    "MassEffect",
    "MassEffectParameters",
    "MassEffectSolution",
    "Solution",
    "TissueElasticity",
    "VolumeLimit",
    "default_model",
    "growth_parameters_of",
    "growth_values_of",
    "moved_tissue",
    "needs_of",
    "seed_density",
    "seed_values",
    "simulate",
    "simulate_many",
]
