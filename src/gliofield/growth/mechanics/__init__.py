"""Elastic deformation of the brain: stiffness, equilibrium of forces, transport of what moves with the tissue."""

from gliofield.growth.mechanics.stiffness import Elasticity, TissueElasticity

__all__ = ["Elasticity", "TissueElasticity"]
