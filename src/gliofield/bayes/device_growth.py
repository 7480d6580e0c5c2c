"""Growth of many tumors for a likelihood on a device, a batch at a time.

`simulate_many` grows hundreds of tumors side by side, equal to those of the processor to float32 rounding. A batch
ends with the first tumor that it refuses (a seed off the tissue, a run far too long), which to a sampler is a row
without likelihood and no reason to stop, so what is left is halved until that tumor is alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gliofield.anatomy import Anatomy
from gliofield.errors import NumericalError, ParameterError
from gliofield.growth import GrowthModel, Solution, VolumeLimit
from gliofield.growth.many import simulate_many


def grown_on_device(
    model: GrowthModel[Any],
    anatomy: Anatomy,
    tumors: Sequence[tuple[Any, float]],
    *,
    device: str,
    volume_limit: VolumeLimit | None = None,
) -> Iterator[Solution | NumericalError | ParameterError]:
    """Solution of each tumor, in order and lazily, or why there is none.

    Parameters
    ----------
    model : GrowthModel
        One that grows on the device.
    anatomy : Anatomy
        Brain to grow in.
    tumors : sequence of (parameters, float)
        The model's parameters, and the time after the seed [day].
    device : str
        Name of the device.
    volume_limit : VolumeLimit or None
        Tumors that outgrow it are stopped.

    Raises
    ------
    DeviceError
        If the device or its software is missing, or the device has too little memory.
    """
    num_done = 0
    try:
        for outcome in simulate_many(model, anatomy, tumors, device=device, volume_limit=volume_limit):
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
