"""The tumors that solvers are measured on: drawn by the clinical design, the same for the same seed.

Reaction-diffusion is measured on draws the design accepts. Mass effect is measured on tumors of given volumes, because
how far they push depends on their size most of all: a draw whose growth time is chosen so that it has the volume.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.database.clinical_design import ClinicalDesign
from gliofield.database.design import AttemptRng, TumorDraw
from gliofield.errors import ParameterError
from gliofield.growth import (
    FisherKolmogorov,
    FisherKolmogorovParameters,
    MassEffectParameters,
    VolumeLimit,
    seed_density,
)

#: Whole tumors of the mass-effect tables [ml].
PUSHING_VOLUMES_ML = (20.0, 80.0)
# Where more draws in a row fail, the anatomy has no place for such tumors.
_MAX_DRAWS = 500
# Times of a run at which the volume is looked at, up to a multiple of the time drawn.
_NUM_LOOKS, _LONGEST = 24, 1.5


@dataclass(frozen=True, kw_only=True)
class EvaluationTumor:
    """One tumor that solvers are measured on.

    Parameters
    ----------
    parameters : FisherKolmogorovParameters
        Growth and seed.
    time_days : float
        When it is looked at [day].
    volume_ml : float
        Volume above the FLAIR threshold without mass effect [ml].
    """

    parameters: FisherKolmogorovParameters
    time_days: float
    volume_ml: float

    @property
    def pushing_parameters(self) -> MassEffectParameters:
        """The same growth with the default push."""
        own = self.parameters
        return MassEffectParameters(
            white_matter_diffusivity_mm2_per_day=own.white_matter_diffusivity_mm2_per_day,
            proliferation_rate_per_day=own.proliferation_rate_per_day,
            seed_mm=own.seed_mm,
            diffusivity_ratio=own.diffusivity_ratio,
        )


def random_tumors(anatomy: Anatomy, number: int, *, seed: int) -> list[EvaluationTumor]:
    """The first `number` draws that the clinical design accepts; a shorter list begins like a longer one.

    Raises
    ------
    ParameterError
        If the design accepts too few of many draws in this anatomy.
    """
    design, model = ClinicalDesign(), FisherKolmogorov()
    chosen: list[EvaluationTumor] = []
    for draw in _draws(design, anatomy, seed):
        if len(chosen) == number:
            break
        solution = model.simulate(anatomy, draw.parameters, draw.times_days, volume_limit=draw.volume_limit)
        is_complete = solution.stopped_at_days is None
        if is_complete and design.accepts(draw, solution.cell_density, anatomy.grid):
            volume_ml = float(solution.volume_ml(design.flair_threshold)[-1])
            chosen.append(
                EvaluationTumor(parameters=draw.parameters, time_days=draw.times_days[-1], volume_ml=volume_ml)
            )
    return _required(chosen, number)


def tumors_of_volumes(
    anatomy: Anatomy, volumes_ml: Sequence[float], *, seed: int, also_on: Sequence[Anatomy] = ()
) -> list[EvaluationTumor]:
    """One tumor for each volume, nearly: a draw of the clinical design and the time at which it has grown so far.

    Parameters
    ----------
    anatomy : Anatomy
        Where volumes are measured.
    volumes_ml : sequence of float
        Wanted volumes above the FLAIR threshold [ml].
    seed : int
        Root seed of the draws.
    also_on : sequence of Anatomy
        The same brain on other grids, on which the seeds must lie in tissue as well.

    Raises
    ------
    ParameterError
        If too few of many draws grow as large.
    """
    chosen: list[EvaluationTumor] = []
    for draw in _draws(ClinicalDesign(), anatomy, seed):
        if len(chosen) == len(volumes_ml):
            break
        if all(_can_start(other, draw.parameters) for other in also_on):
            found = _grown_to(anatomy, draw, volumes_ml[len(chosen)])
            chosen += [found] if found is not None else []
    return _required(chosen, len(volumes_ml))


def spread_volumes_ml(number: int) -> list[float]:
    """Volumes spread evenly, by ratio, over the range of the mass-effect tables [ml].

    Examples
    --------
    >>> [round(volume) for volume in spread_volumes_ml(2)]
    [28, 57]
    """
    low, high = PUSHING_VOLUMES_ML
    return [low * (high / low) ** ((index + 0.5) / number) for index in range(number)]


def _draws(design: ClinicalDesign, anatomy: Anatomy, seed: int) -> Iterator[TumorDraw]:
    for index in range(_MAX_DRAWS):
        draw = design.draw(AttemptRng(seed, index, 0), anatomy)
        if _can_start(anatomy, draw.parameters):
            yield draw


def _can_start(anatomy: Anatomy, parameters: FisherKolmogorovParameters) -> bool:
    """Whether the seed has a voxel of tissue: on coarse grids it may fall between them."""
    try:
        seed_density(anatomy, parameters.seed_mm)
    except ParameterError:
        return False
    return True


def _grown_to(anatomy: Anatomy, draw: TumorDraw, volume_ml: float) -> EvaluationTumor | None:
    """The draw at the time of the wanted volume, or None if it does not grow to it."""
    threshold = ClinicalDesign().flair_threshold
    times = _LONGEST * draw.times_days[-1] * np.arange(1, _NUM_LOOKS + 1) / _NUM_LOOKS
    # A run ends once it is too large, but only if it has not landed on its last time.
    limit = VolumeLimit(threshold=threshold, max_volume_ml=1.5 * volume_ml)
    solution = FisherKolmogorov().simulate(anatomy, draw.parameters, times.tolist(), volume_limit=limit)
    volumes = solution.volume_ml(threshold)
    if not volumes.size or volumes.max() < volume_ml:
        return None
    # Radii grow at a nearly constant speed.
    radii = np.maximum.accumulate(np.cbrt(volumes))
    time_days = float(np.interp(np.cbrt(volume_ml), radii, solution.times_days))
    grown = FisherKolmogorov().simulate(anatomy, draw.parameters, [time_days])
    return EvaluationTumor(
        parameters=draw.parameters, time_days=time_days, volume_ml=float(grown.volume_ml(threshold)[0])
    )


def _required(chosen: list[EvaluationTumor], number: int) -> list[EvaluationTumor]:
    if len(chosen) < number:
        raise ParameterError(
            f"only {len(chosen)} of {number} tumors could be drawn in this anatomy in {_MAX_DRAWS} attempts. Ask for "
            "fewer tumors, a finer grid, or another atlas."
        )
    return chosen
