"""Where networks compute: the processor, on how many threads, or a CUDA device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gliofield.errors import ParameterError, unknown_name

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


@contextmanager
def threads_of_worker(number: int) -> Iterator[None]:
    """While it lasts, networks of this process compute on so many threads of the processor.

    Raises
    ------
    ParameterError
        If the number is below 1.
    """
    import torch

    if number < 1:
        raise ParameterError(f"number must be at least 1 thread, got {number}.")
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def require_device_name(name: str) -> None:
    """Raise `ParameterError` unless the name is one of `DEVICE_NAMES`."""
    if name not in DEVICE_NAMES:
        raise ParameterError(unknown_name("device", name, DEVICE_NAMES))
