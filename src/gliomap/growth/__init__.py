"""Forward models: how a tumor grows in a brain."""

from gliomap.growth.batch import simulate_batch
from gliomap.growth.mass_effect import MassEffect
from gliomap.growth.mass_effect_batch import simulate_mass_effect_batch
from gliomap.growth.mechanics import Elasticity, TissueElasticity
from gliomap.growth.model import GrowthModel
from gliomap.growth.parameters import FisherKolmogorovParameters, MassEffectParameters, growth_parameters_of
from gliomap.growth.reaction_diffusion import FisherKolmogorov
from gliomap.growth.seed import seed_density
from gliomap.growth.solution import MassEffectSolution, Solution
from gliomap.growth.volume_limit import VolumeLimit

__all__ = [
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
    "growth_parameters_of",
    "seed_density",
    "simulate_batch",
    "simulate_mass_effect_batch",
]
