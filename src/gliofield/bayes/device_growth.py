"""Growth of many tumors for a likelihood on a CUDA device, a batch at a time.

A model that says ``backend="cuda"`` is computed by `simulate_batch` or `mass_effect_outcomes`, as databases are
(`database.cuda_worker`): hundreds of tumors side by side, equal to those of the processor to float32 rounding. A batch
ends with the first tumor that it refuses (a seed off the tissue, a run far too long), which to a sampler is a row
without likelihood and no reason to stop, so what is left is halved until that tumor is alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from gliofield.anatomy import Anatomy
from gliofield.errors import NumericalError, ParameterError
from gliofield.growth import FisherKolmogorov, GrowthModel, MassEffect, Solution, VolumeLimit
from gliofield.growth.batch import simulate_batch
from gliofield.growth.mass_effect_batch import mass_effect_outcomes

_BACKEND = "cuda"


def grows_on_device(model: GrowthModel[Any]) -> bool:
    """Whether the model says that a device computes it, and in batches."""
    return isinstance(model, FisherKolmogorov | MassEffect) and model.backend == _BACKEND


def grown_on_device(
    model: GrowthModel[Any],
    anatomy: Anatomy,
    tumors: Sequence[tuple[Any, float]],
    *,
    device: str = "cuda",
    volume_limit: VolumeLimit | None = None,
) -> Iterator[Solution | NumericalError | ParameterError]:
    """Solution of each tumor, in order and lazily, or why there is none.

    Parameters
    ----------
    model : GrowthModel
        One that `grows_on_device`.
    anatomy : Anatomy
        Brain to grow in.
    tumors : sequence of (parameters, float)
        The model's parameters, and the time after the seed [day].
    device : str
        CUDA device.
    volume_limit : VolumeLimit or None
        Tumors that outgrow it are stopped.

    Raises
    ------
    DeviceError
        If PyTorch, Triton or the device is missing, or the device has too little memory.
    """
    num_done = 0
    try:
        for outcome in _batch(model, anatomy, tumors, device, volume_limit):
            yield outcome
            num_done += 1
    except ParameterError as error:
        rest = tumors[num_done:]
        if len(rest) == 1:
            yield error
            return
        half = len(rest) // 2
        for part in (rest[:half], rest[half:]):
            yield from grown_on_device(model, anatomy, part, device=device, volume_limit=volume_limit)


def _batch(
    model: GrowthModel[Any],
    anatomy: Anatomy,
    tumors: Sequence[tuple[Any, float]],
    device: str,
    volume_limit: VolumeLimit | None,
) -> Iterator[Solution | NumericalError]:
    parameters = [tumor for tumor, _ in tumors]
    times_days = [(time_days,) for _, time_days in tumors]
    if isinstance(model, MassEffect):
        return mass_effect_outcomes(
            anatomy, parameters, times_days, model=model, device=device, volume_limit=volume_limit
        )
    return simulate_batch(
        anatomy,
        parameters,
        times_days,
        device=device,
        time_step_scale=cast(FisherKolmogorov, model).time_step_scale,
        volume_limit=volume_limit,
    )
