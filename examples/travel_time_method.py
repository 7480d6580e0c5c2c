"""A new inverse method: the density falls with the way that cells traveled through the tissue.

A front moves at a speed proportional to √D, so its arrival time solves an eikonal equation (Konukoglu et al. 2010).
Here it is the shortest path d from the whole tumor [mm of white matter], and outside u = flair exp(−d / λ).
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

import gliofield
from gliofield.anatomy import SpaceRequest


@dataclass(frozen=True, kw_only=True)
class TravelTime:
    """Keeps the protocol `InverseMethod`: λ [mm], and white over gray matter diffusivity."""

    decay_length_mm: float = 3.0
    diffusivity_ratio: float = 10.0
    name: str = "travel-time"
    references: tuple[str, ...] = ("Konukoglu et al. (2010), Extrapolating glioma invasion margin in brain MRI",)

    def request_space(self, wanted):
        return SpaceRequest(name=wanted or "patient")

    def estimate(self, observation, *, report):
        brain, limits = observation.require_space().anatomy, observation.thresholds
        speed = np.sqrt(brain.white_matter + brain.gray_matter / self.diffusivity_ratio)
        path_mm = shortest_path_mm(observation.whole_tumor, brain.domain, speed, brain.spacing_mm)
        density = limits.flair_threshold * np.exp(-path_mm / self.decay_length_mm)
        density[observation.whole_tumor] = 0.5 * (limits.flair_threshold + limits.t1gd_threshold)
        density[observation.tumor_core] = 1.0
        volume = gliofield.Volume(density.astype(np.float32), observation.grid)
        return gliofield.Estimate(cell_density=volume, space=observation.space)


def shortest_path_mm(start, domain, speed, spacing_mm):
    """Length of the shortest path from a mask, voxel by voxel over 26 neighbors; infinite outside the domain."""
    number = np.pad(np.where(domain, np.cumsum(domain).reshape(domain.shape) - 1, -1), 1, constant_values=-1)
    here, slowness, path_mm = np.arange(domain.sum()), 1.0 / speed[domain], np.full(domain.shape, np.inf)
    graph = coo_array((here.size, here.size)).tocsr()
    for step in product((-1, 0, 1), repeat=3):
        there = number[tuple(slice(1 + s, 1 + s + n) for s, n in zip(step, domain.shape, strict=True))][domain]
        a, b = here[there > here], there[there > here]  # each pair of neighbors once
        length_mm = 0.5 * spacing_mm * np.linalg.norm(step) * (slowness[a] + slowness[b])
        graph += coo_array((length_mm, (a, b)), shape=graph.shape).tocsr()
    path_mm[domain] = dijkstra(graph, directed=False, indices=here[start[domain]], min_only=True)
    return path_mm


if __name__ == "__main__":
    result = gliofield.personalize("PATIENT", method=TravelTime(decay_length_mm=4.0))
    result.save("RESULT")
    print(result)
