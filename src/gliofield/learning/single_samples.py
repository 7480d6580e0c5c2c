"""Networks asked about one sample at a time; needs PyTorch.

On a processor PyTorch convolves single volumes of up to some 20,000 voxels and channels by a slow general method, and
larger batches by a fast one. Two samples then take less time than one.
"""

from __future__ import annotations

from torch import Tensor


def paired(batch: Tensor) -> Tensor:
    """A batch (1, …) on a processor twice, (2, …), any other as it is; of the answer the first is what was asked."""
    return batch.repeat(2, *[1] * (batch.ndim - 1)) if len(batch) == 1 and batch.device.type == "cpu" else batch
