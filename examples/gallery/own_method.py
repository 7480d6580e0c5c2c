"""A method of your own.

Anything that turns an observation into a density is a method: here the density falls by half with every 4 mm from the
whole tumor. The same checks, verdict, rankings and report apply to it.
"""

from dataclasses import dataclass

import numpy as np

import gliofield
from gliofield.anatomy import SpaceRequest
from gliofield.assimilation import distance_mm
from gliofield.report import result_figure


@dataclass(frozen=True, kw_only=True)
class Halving:
    half_length_mm: float = 4.0
    name: str = "halving"
    references: tuple[str, ...] = ()

    def request_space(self, wanted):
        return SpaceRequest(name=wanted or "patient")

    def estimate(self, observation, *, report):
        limits = observation.thresholds
        away_mm = distance_mm(observation.whole_tumor, observation.grid.spacing_mm)
        density = limits.flair_threshold * 0.5 ** (away_mm / self.half_length_mm)
        density[observation.whole_tumor] = 0.5 * (limits.flair_threshold + limits.t1gd_threshold)
        density[observation.tumor_core] = 1.0
        density *= observation.require_space().anatomy.domain
        volume = gliofield.Volume(density.astype(np.float32), observation.grid)
        return gliofield.Estimate(cell_density=volume, space=observation.space)


if __name__ == "__main__":
    result = gliofield.personalize("PATIENT", method=Halving())
    print(result.verdict)
    figure = result_figure(result, name="a method in twenty lines")
    figure.savefig("own_method.png", facecolor=figure.get_facecolor())
