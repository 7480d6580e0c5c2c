"""Many tumors of one brain, on the processor or, experimentally, side by side on a GPU.

    for solution in simulate_many(FisherKolmogorov(), brain, [(tumor, 300.0) for tumor in tumors], device="cuda"): ...

The one door to the kernels of `growth.gpu`. Those were tested in Triton's interpreter and have not run on a device yet.
PyTorch and Triton are imported when a device is first asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.errors import NumericalError, ParameterError
from gliofield.growth.gpu import batch, mass_effect_batch, triton_loading
from gliofield.growth.gpu.batch import require_max_batch as require_max_batch
from gliofield.growth.mass_effect import MassEffect
from gliofield.growth.model import GrowthModel, needs_of
from gliofield.growth.parameters import PUSH_NAME
from gliofield.growth.reaction_diffusion import FisherKolmogorov
from gliofield.growth.solution import Solution
from gliofield.growth.volume_limit import VolumeLimit
from gliofield.progress import ProgressEvent, Reporter, ignore_progress

#: The processor, as a device.
PROCESSOR = "cpu"
_BACKEND = "cuda"

#: Growth parameters of a tumor, and when it is looked at [day].
Tumor = tuple[Any, float | Sequence[float]]


def simulate_many(
    model: GrowthModel[Any],
    anatomy: Anatomy,
    tumors: Sequence[Tumor],
    *,
    device: str = PROCESSOR,
    max_batch: int | None = None,
    volume_limit: VolumeLimit | Sequence[VolumeLimit | None] | None = None,
    report: Reporter = ignore_progress,
) -> Iterator[Solution | NumericalError]:
    """Solutions of many tumors in one anatomy, in their order, as they become ready; an error where there is none.

    On a device each agrees with ``model.simulate(…)``: without mass effect to 2e-5 in density, with it to twice the
    model's `force_tolerance` in displacement.

    Parameters
    ----------
    model : GrowthModel
        What grows them; on a device `FisherKolmogorov` or `MassEffect`, with their numerics.
    anatomy : Anatomy
        Brain to grow in; its arrays must not be changed while tumors grow.
    tumors : sequence of (parameters, times)
        Of each the model's parameters, and its time or times after the seed [day], strictly increasing, > 0.
    device : str
        ``cpu``, one tumor after the other; or a CUDA device, as ``cuda`` or ``cuda:1``: experimental.
    max_batch : int or None
        Most tumors at once on a device; None: as many as are useful and fit into the free memory.
    volume_limit : VolumeLimit, sequence of VolumeLimit or None, or None
        A tumor stops after the first step at whose end it is larger. One limit for all tumors, or for each its own.
    report : Reporter
        Told of every finished tumor, or coupling step.

    Returns
    -------
    iterator of Solution or NumericalError
        Lazy: tumors grow as the iterator is advanced. A `NumericalError` stands for a tumor with mass effect that comes
        to no equilibrium, so that one does not cost the others of its batch.

    Raises
    ------
    ParameterError
        If the model does not grow on a device, or, while iterating, a tumor's parameters or times are invalid.
    DeviceError
        If PyTorch, Triton or the device is missing, or not even one tumor fits into its memory.
    """
    require_max_batch(max_batch)
    if device == PROCESSOR:
        return _one_by_one(model, anatomy, tumors, batch.limits_of_each(volume_limit, len(tumors)), report)
    parameters = [tumor for tumor, _ in tumors]
    times_days = [times if isinstance(times, Sequence) else (times,) for _, times in tumors]
    settings: dict[str, Any] = {"device": device, "max_batch": max_batch, "report": report}
    settings["volume_limit"] = volume_limit
    if isinstance(model, MassEffect):
        return mass_effect_batch.mass_effect_outcomes(anatomy, parameters, times_days, model=model, **settings)
    if isinstance(model, FisherKolmogorov):
        return batch.simulate_batch(anatomy, parameters, times_days, time_step_scale=model.time_step_scale, **settings)
    raise ParameterError(
        f"the model {model.name!r} does not grow on the device {device!r}: expected FisherKolmogorov or MassEffect. "
        f"Use device={PROCESSOR!r}."
    )


def _one_by_one(
    model: GrowthModel[Any],
    anatomy: Anatomy,
    tumors: Sequence[Tumor],
    limits: Sequence[VolumeLimit | None],
    report: Reporter,
) -> Iterator[Solution | NumericalError]:
    for done, ((parameters, times_days), limit) in enumerate(zip(tumors, limits, strict=True), start=1):
        try:
            outcome: Solution | NumericalError = model.simulate(anatomy, parameters, times_days, volume_limit=limit)
        except NumericalError as error:
            outcome = error
        report(ProgressEvent(task="growth", completed=done, total=len(tumors)))
        yield outcome


def says_device(model: GrowthModel[Any]) -> bool:
    """Whether a model says, for the record, that its tumors are made on a device (``backend="cuda"``)."""
    return isinstance(model, FisherKolmogorov | MassEffect) and model.backend == _BACKEND


def useful_batch(model: GrowthModel[Any]) -> int:
    """Tumors at once that keep a device busy, if its memory holds them."""
    return mass_effect_batch.DEFAULT_BATCH if PUSH_NAME in needs_of(model) else batch.DEFAULT_BATCH


def require_device(device: str) -> None:
    """Raise `DeviceError` unless a CUDA device is there, with the software to use it."""
    triton_loading.load_backend().require_device(device)
