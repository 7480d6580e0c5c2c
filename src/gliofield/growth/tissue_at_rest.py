"""The brain before a tumor pushes it: what a run with mass effect starts from, and what one without a push keeps.

`MassEffect` and its batches share this: both need the tissue maps, and both leave a tumor that does not push to
`FisherKolmogorov`, whose solution they complete with the tissue that has not moved.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.anatomy.tissue_maps import TissueMaps
from gliofield.errors import ParameterError
from gliofield.growth.solution import MassEffectSolution, Solution

#: A push that moves nothing by as much as a float32 can tell.
NO_PUSH_PA = 1e-9


def required_maps(anatomy: Anatomy) -> TissueMaps:
    """Tissue maps of an anatomy, within its brain mask.

    Raises
    ------
    ParameterError
        If the anatomy has none.
    """
    if anatomy.tissue_maps is None:
        raise ParameterError(
            "mass effect needs the CSF and the brain mask of the anatomy: expected an Anatomy with tissue_maps, got "
            "one without. Make it with growth_domain(maps) or Atlas.anatomy()."
        )
    return anatomy.tissue_maps.within_brain()


def solution_at_rest(growth: Solution, maps: TissueMaps) -> MassEffectSolution:
    """A run without push as a solution of `MassEffect`: nothing has moved."""
    num_times = len(growth.times_days)
    at_rest = (maps.white_matter, maps.gray_matter, maps.csf, maps.brain.astype(np.float32))
    white_matter, gray_matter, csf, volume = (np.repeat(tissue[np.newaxis], num_times, axis=0) for tissue in at_rest)
    return MassEffectSolution(
        **{entry.name: getattr(growth, entry.name) for entry in fields(Solution)},
        white_matter=white_matter,
        gray_matter=gray_matter,
        csf=csf,
        compression=volume,
        displacement_mm=np.zeros((num_times, *growth.grid.shape, 3), np.float32),
        min_jacobian_determinant=(1.0,) * num_times,
        brain=maps.brain,
        num_coupling_steps=0,
        num_solver_iterations=0,
    )
