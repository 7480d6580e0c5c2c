"""Growth model ``published``: the equation in the time steps of the published solver, for databases like the papers'.

Its steps follow from D_w alone, whatever ρ: tumors of fast growth lag behind the converged ones, whose visible volume
is 1.9 times as large in the mean over the published ranges. It stands beside them so that tables can be repeated; an
entry point of the group ``gliofield.growth_models``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gliofield.anatomy import Anatomy
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters, Solution, VolumeLimit

SCHEME = "published"


@dataclass(frozen=True, kw_only=True)
class PublishedFisherKolmogorov:
    """`FisherKolmogorov` of the scheme ``published``; times of its solutions are those of whole steps.

    Parameters
    ----------
    scheme : str
        What databases record; no other than ``published``.
    """

    scheme: str = SCHEME

    @property
    def name(self) -> str:
        """``"published"``."""
        return SCHEME

    def simulate(
        self,
        anatomy: Anatomy,
        parameters: FisherKolmogorovParameters,
        times_days: float | Sequence[float],
        *,
        volume_limit: VolumeLimit | None = None,
    ) -> Solution:
        """Cell density at each time, up to a whole step; arguments and errors as `FisherKolmogorov.simulate`."""
        model = FisherKolmogorov(scheme=SCHEME)
        return model.simulate(anatomy, parameters, times_days, volume_limit=volume_limit)
