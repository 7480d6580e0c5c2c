"""Many tumors of one brain, on the processor or, experimentally, side by side on a device.

    for solution in simulate_many(FisherKolmogorov(), brain, [(tumor, 300.0) for tumor in tumors], device="cuda"): ...

The one door to devices. What grows tumors on one is a plug-in, an entry point of the group ``gliofield.devices`` under
the kind of the device (`gliofield_gpu` offers ``cuda``), and is imported when that device is first asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.errors import NumericalError
from gliofield.growth.model import GrowthModel
from gliofield.growth.solution import Solution
from gliofield.growth.volume_limit import VolumeLimit, limits_of_each
from gliofield.plugins import load_plugin
from gliofield.progress import ProgressEvent, Reporter, ignore_progress

#: The processor, as a device.
PROCESSOR = "cpu"

#: Growth parameters of a tumor, and when it is looked at [day].
Tumor = tuple[Any, float | Sequence[float]]


class Device(Protocol):
    """What an entry point of ``gliofield.devices`` offers: a module, or an object, with these functions."""

    def simulate_many(
        self,
        model: GrowthModel[Any],
        anatomy: Anatomy,
        tumors: Sequence[Tumor],
        *,
        device: str,
        max_batch: int | None,
        volume_limit: VolumeLimit | Sequence[VolumeLimit | None] | None,
        report: Reporter,
    ) -> Iterator[Solution | NumericalError]:
        """See `gliofield.growth.simulate_many`."""
        ...

    def require_device(self, device: str) -> None:
        """Raise `DeviceError` unless the device is there, with the software to use it."""
        ...

    def useful_batch(self, model: GrowthModel[Any]) -> int:
        """Tumors at once that keep the device busy, if its memory holds them."""
        ...

    def make_workforce(self, device: str) -> Any:
        """What makes the tumors of a database on it, a `gliofield.database.Workforce`."""
        ...


def load_device(device: str) -> Device:
    """The plug-in that grows tumors on a device such as ``cuda`` or ``cuda:1``; its package is imported.

    Raises
    ------
    ParameterError
        If no package offers this kind of device.
    PluginError
        If its package cannot be imported.
    """
    found: Device = load_plugin("device", device.partition(":")[0], own=(PROCESSOR,))
    return found


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

    On a CUDA device each agrees with ``model.simulate(…)``: without mass effect to 2e-5 in density, with it to twice
    the model's `force_tolerance` in displacement.

    Parameters
    ----------
    model : GrowthModel
        What grows them; on a CUDA device `FisherKolmogorov` or `MassEffect`, with their numerics.
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
        If there is no such kind of device, the model does not grow on it, or, while iterating, a tumor's parameters or
        times are invalid.
    DeviceError
        If the device or its software is missing, or not even one tumor fits into its memory.
    """
    limits = limits_of_each(volume_limit, len(tumors))
    if device == PROCESSOR:
        return _one_by_one(model, anatomy, tumors, limits, report)
    settings: dict[str, Any] = {"device": device, "max_batch": max_batch, "report": report}
    return load_device(device).simulate_many(model, anatomy, tumors, volume_limit=limits, **settings)


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
