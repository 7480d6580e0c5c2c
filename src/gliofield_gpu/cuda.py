"""Growth of both models on a CUDA device, as `gliofield.growth.many.Device` has it.

PyTorch and Triton are imported when a device is first used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gliofield.anatomy import Anatomy
from gliofield.errors import NumericalError, ParameterError
from gliofield.growth import FisherKolmogorov, GrowthModel, MassEffect, Solution, VolumeLimit
from gliofield.growth.many import PROCESSOR, Tumor
from gliofield.progress import Reporter, ignore_progress
from gliofield_gpu import batch, mass_effect_batch, triton_loading


def simulate_many(
    model: GrowthModel[Any],
    anatomy: Anatomy,
    tumors: Sequence[Tumor],
    *,
    device: str = "cuda",
    max_batch: int | None = None,
    volume_limit: VolumeLimit | Sequence[VolumeLimit | None] | None = None,
    report: Reporter = ignore_progress,
) -> Iterator[Solution | NumericalError]:
    """Tumors side by side; parameters and errors are those of `gliofield.growth.simulate_many`."""
    require_model(model)
    parameters = [tumor for tumor, _ in tumors]
    times_days = [times if isinstance(times, Sequence) else (times,) for _, times in tumors]
    settings: dict[str, Any] = {"device": device, "max_batch": max_batch, "report": report}
    settings["volume_limit"] = volume_limit
    if isinstance(model, MassEffect):
        return mass_effect_batch.mass_effect_outcomes(anatomy, parameters, times_days, model=model, **settings)
    assert isinstance(model, FisherKolmogorov)
    return batch.simulate_batch(anatomy, parameters, times_days, time_step_scale=model.time_step_scale, **settings)


def require_model(model: GrowthModel[Any]) -> None:
    """Raise `ParameterError` unless there are kernels for the model."""
    if not isinstance(model, FisherKolmogorov | MassEffect):
        raise ParameterError(
            f"the model {model.name!r} does not grow on a CUDA device: expected FisherKolmogorov or MassEffect. Use "
            f"device={PROCESSOR!r}."
        )
    if isinstance(model, FisherKolmogorov) and model.scheme == "published":
        raise ParameterError(f"the scheme 'published' runs on the CPU only. Use device={PROCESSOR!r}.")


def require_device(device: str) -> None:
    """Raise `DeviceError` unless a CUDA device is there, with the software to use it."""
    triton_loading.load_backend().require_device(device)


def useful_batch(model: GrowthModel[Any]) -> int:
    """Tumors at once that keep a device busy, if its memory holds them."""
    return mass_effect_batch.DEFAULT_BATCH if isinstance(model, MassEffect) else batch.DEFAULT_BATCH
