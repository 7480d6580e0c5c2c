"""The protocol every growth model fulfils, mechanistic or learned.

A model knows its numerics (scheme, backend, threads); anatomy, parameters and times come with each call, so one
model object grows any number of tumors in any number of brains, from several threads at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar, runtime_checkable

from gliomap.anatomy.growth_domain import Anatomy
from gliomap.growth.solution import Solution

ParametersT_contra = TypeVar("ParametersT_contra", contravariant=True)


@runtime_checkable
class GrowthModel(Protocol[ParametersT_contra]):
    """A model that grows a tumor in a brain."""

    @property
    def name(self) -> str:
        """Name recorded in databases and results."""
        ...

    def simulate(self, anatomy: Anatomy, parameters: ParametersT_contra, times_days: Sequence[float]) -> Solution:
        """Cell density at each of the strictly increasing, positive `times_days` [day] after the seed.

        Raises
        ------
        ParameterError
            If times are not finite, positive and strictly increasing, or the seed lies outside the tissue.
        """
        ...
