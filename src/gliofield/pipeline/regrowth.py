"""The answer of a method, grown again in the patient's own brain instead of being warped there from the atlas.

The growth parameters are those of the estimate, the seed is its place in the patient. One simulation, no fit.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from gliofield.anatomy import Anatomy, Space
from gliofield.concern import Concern, named_concern
from gliofield.errors import ParameterError
from gliofield.growth import GrowthModel, default_model, growth_parameters_of, seed_values
from gliofield.growth.parameters import PUSH_NAME, RATE_NAMES, TIME_NAME
from gliofield.imaging import Estimate
from gliofield.volume import Volume


def regrow(estimate: Estimate, space: Space, model: GrowthModel[Any] | None = None) -> Estimate:
    """The tumor of an estimate, grown again in a space of the same patient.

    Parameters
    ----------
    estimate : Estimate
        With growth parameters and a seed.
    space : Space
        Where it shall grow.
    model : GrowthModel or None
        What grows it; None: `FisherKolmogorov`, or `MassEffect` where the parameters have a push.

    Raises
    ------
    ParameterError
        If the estimate has no growth parameters.
    """
    found = estimate.parameters
    missing = [name for name in RATE_NAMES if name not in found]
    if missing or estimate.seed_mm is None:
        raise ParameterError(
            f"the answer cannot be grown again in the {space.name}: expected the growth parameters "
            f"{', '.join(RATE_NAMES)} and a seed, got {', '.join(found) or 'none'}. Leave the space to the method."
        )
    x_mm, y_mm, z_mm = estimate.space.points_to_patient([estimate.seed_mm])[0]
    seed_mm, moved_mm = nearest_tissue(space.anatomy, (float(x_mm), float(y_mm), float(z_mm)))
    values = {name: found[name] for name in (*RATE_NAMES, PUSH_NAME) if name in found}
    if "diffusivity_ratio" in estimate.details:
        values["diffusivity_ratio"] = float(estimate.details["diffusivity_ratio"])
    parameters = growth_parameters_of(values | seed_values(seed_mm))
    chosen = model or default_model(parameters)
    solution = chosen.simulate(space.anatomy, parameters, [float(found[TIME_NAME])])
    return dataclasses.replace(
        estimate,
        cell_density=Volume(solution.cell_density[0], space.grid),
        space=space,
        parameters={**found, **seed_values(seed_mm)},
        candidates=(),
        posterior=None,
        concerns=(*estimate.concerns, *moved_seed_concerns(moved_mm, of=space.name)),
    )


def nearest_tissue(anatomy: Anatomy, point_mm: tuple[float, float, float]) -> tuple[tuple[float, float, float], float]:
    """The point itself if it lies in the domain, else the center of the nearest voxel that does; and the distance [mm].

    Raises
    ------
    ParameterError
        If the point is not finite.
    """
    point = np.asarray(point_mm, dtype=np.float64)
    if not np.isfinite(point).all():
        raise ParameterError(f"the seed must be finite [mm], got {point_mm}.")
    voxel = np.rint(anatomy.grid.voxel_of(point)).astype(int)
    if np.all(voxel >= 0) and np.all(voxel < anatomy.grid.shape) and anatomy.domain[tuple(voxel)]:
        return point_mm, 0.0
    centers_mm = anatomy.grid.world_of(np.argwhere(anatomy.domain))
    distances_mm = np.linalg.norm(centers_mm - point, axis=1)
    nearest = int(np.argmin(distances_mm))
    x_mm, y_mm, z_mm = (float(coordinate) for coordinate in centers_mm[nearest])
    return (x_mm, y_mm, z_mm), float(distances_mm[nearest])


def moved_seed_concerns(moved_mm: float, *, of: str) -> tuple[Concern, ...]:
    """A remark on a seed that had to move into the tissue; none if it did not."""
    if moved_mm == 0.0:
        return ()
    text = f"The seed lay outside the tissue of the {of} and was moved by {moved_mm:.1f} mm to the nearest tissue."
    return (named_concern("seed-moved", text, moved_mm),)
