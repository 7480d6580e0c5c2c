"""The protocol every growth model fulfils, mechanistic or learned.

A model knows its numerics (scheme, backend, threads); anatomy, parameters and times come with each call, so one
model object grows any number of tumors in any number of brains, from several threads at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.growth.solution import Solution
from gliofield.growth.volume_limit import VolumeLimit

ParametersT_contra = TypeVar("ParametersT_contra", contravariant=True)


@runtime_checkable
class GrowthModel(Protocol[ParametersT_contra]):
    """A model that grows a tumor in a brain.

    One that needs more of a tumor than every model does says so in an attribute ``needs``, a set of names such as
    ``push_pa`` (`needs_of`); others have none.
    """

    @property
    def name(self) -> str:
        """Name recorded in databases and results."""
        ...

    def simulate(
        self,
        anatomy: Anatomy,
        parameters: ParametersT_contra,
        times_days: float | Sequence[float],
        *,
        volume_limit: VolumeLimit | None = None,
    ) -> Solution:
        """Cell density at each of the strictly increasing, positive `times_days` [day] after the seed, or at one.

        A model may end a run after the first time step whose tumor is larger than `volume_limit`, and then says so in
        `Solution.stopped_at_days`; one that cannot save anything that way may ignore the limit.

        Raises
        ------
        ParameterError
            If times are not finite, positive and strictly increasing, or the seed lies outside the tissue.
        """
        ...


def needs_of(model: GrowthModel[Any]) -> frozenset[str]:
    """Names of the parameters that a model needs beside those of `FisherKolmogorovParameters`."""
    return frozenset(getattr(model, "needs", ()))
