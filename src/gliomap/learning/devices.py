"""Where networks compute: the processor, or a CUDA device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gliomap.errors import ParameterError, unknown_name

if TYPE_CHECKING:
    import torch

DEVICE_NAMES = ("auto", "cpu", "cuda")


def resolve_device(name: str = "auto") -> torch.device:
    """Device of a name: "cpu", "cuda", or "auto" for CUDA where there is a device and the processor elsewhere.

    Raises
    ------
    ParameterError
        If the name is unknown, or CUDA is asked for where there is no device.
    """
    import torch

    require_device_name(name)
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise ParameterError(
            "device 'cuda' is not there: PyTorch finds no CUDA device. Choose 'cpu' or 'auto', or install a build of "
            "PyTorch that fits the driver."
        )
    return torch.device("cuda" if has_cuda and name != "cpu" else "cpu")


def require_device_name(name: str) -> None:
    """Raise `ParameterError` unless the name is one of `DEVICE_NAMES`."""
    if name not in DEVICE_NAMES:
        raise ParameterError(unknown_name("device", name, DEVICE_NAMES))
