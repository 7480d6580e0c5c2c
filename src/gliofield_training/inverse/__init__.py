"""How the networks of `gliofield.inverse` learn: from which tumors, and what they are shown of them."""

from gliofield_training.inverse.training import train_inverse
from gliofield_training.inverse.tumors import DatabaseTumors, SimulatedTumors, TumorSource, split_tumors

__all__ = [
    "DatabaseTumors",
    "SimulatedTumors",
    "TumorSource",
    "split_tumors",
    "train_inverse",
]
