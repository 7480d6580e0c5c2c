"""Forward models: how a tumor grows in a brain."""

from gliofield.growth.batch import simulate_batch
from gliofield.growth.mass_effect import MassEffect
from gliofield.growth.mass_effect_batch import simulate_mass_effect_batch
from gliofield.growth.mechanics import Elasticity, TissueElasticity
from gliofield.growth.model import GrowthModel
from gliofield.growth.parameters import FisherKolmogorovParameters, MassEffectParameters, growth_parameters_of
from gliofield.growth.reaction_diffusion import FisherKolmogorov
from gliofield.growth.seed import seed_density
from gliofield.growth.solution import MassEffectSolution, Solution
from gliofield.growth.volume_limit import VolumeLimit

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
