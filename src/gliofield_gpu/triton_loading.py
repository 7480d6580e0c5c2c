"""The way to the GPU: PyTorch and Triton are imported on the first call, or their absence is explained."""

from __future__ import annotations

from types import ModuleType

from gliofield.errors import DeviceError


def load_backend() -> ModuleType:
    """The module `gliofield_gpu.triton_batch`.

    Raises
    ------
    DeviceError
        If PyTorch or Triton is not installed.
    """
    try:
        from gliofield_gpu import triton_batch
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "triton"):
            raise
        raise DeviceError(
            f"growing tumors on a GPU needs PyTorch and Triton, and {error.name} is not installed. "
            "Install gliofield with its extra 'learn', with a build of PyTorch for CUDA: that brings Triton along."
        ) from error
    return triton_batch
