"""Forward models: how a tumor grows in a brain."""

from gliomap.growth.model import GrowthModel
from gliomap.growth.parameters import FisherKolmogorovParameters
from gliomap.growth.reaction_diffusion import FisherKolmogorov
from gliomap.growth.seed import seed_density
from gliomap.growth.solution import Solution

__all__ = ["FisherKolmogorov", "FisherKolmogorovParameters", "GrowthModel", "Solution", "seed_density"]
