"""One brain on a device, and fields of many tumors in it.

`DeviceBrain` holds what the kernels of `triton_mechanics_kernels` and `triton_tissue_kernels` share between tumors: the
mask, the rows the processor visits, and the list of blocks that hold any of them. It allocates fields, and launches
kernels over those blocks for every tumor of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gliofield.growth.mechanics.planes import PlaneRunner

#: Voxels a program works on. *Chosen*: two per thread of four warps.
DEFAULT_BLOCK = 256


class DeviceBrain:
    """A brain mask on a device.

    Parameters
    ----------
    brain : (X', Y', Z') bool array
        Cells inside the skull, with at least one layer of others around.
    device : torch.device
        Where.
    array_shape : tuple of 3 int or None
        Floats of a field along each axis, not fewer than the mask has; None: those of the mask.
    block : int
        Voxels of a block, a power of two.
    """

    def __init__(
        self,
        brain: NDArray[np.bool_],
        device: torch.device,
        *,
        array_shape: tuple[int, int, int] | None = None,
        block: int = DEFAULT_BLOCK,
    ) -> None:
        self.device, self.block = device, block
        self.mask_shape = (brain.shape[0], brain.shape[1], brain.shape[2])
        self.shape = array_shape or self.mask_shape
        self._num_cells = math.prod(self.shape)
        self.num_voxels = padded_size(self.shape, block)
        self.plane, self.pitch = self.shape[1] * self.shape[2], self.shape[2]
        self._guard = -(-(2 * self.plane + 2 * self.pitch + 2) // block) * block + block
        runner = PlaneRunner(brain)
        z = np.arange(brain.shape[2])
        rows = (z >= runner.start[:, :, None]) & (z < runner.stop[:, :, None])
        self.brain, self.rows = self._shared(brain), self._shared(rows)
        # Edges lie behind their cells: those of the last cells belong to the cells beyond.
        reached = np.zeros(self.num_voxels, bool)
        reached[: self._num_cells] = np.pad(_spread(rows), self._fill).ravel()
        blocks = np.flatnonzero(reached.reshape(-1, block).any(axis=1)).astype(np.int32)
        self.blocks = torch.from_numpy(blocks).to(device)
        self.num_blocks = len(blocks)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Floats of a field, of a plane and of a row, as kernels take them."""
        return self.num_voxels, self.plane, self.pitch

    def zeros(self, *leading: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Fields (…, voxels) of zeros, in an array that goes on before and after them for neighbors beyond an edge."""
        number = math.prod(leading) * self.num_voxels
        array = torch.zeros(number + 2 * self._guard, dtype=dtype, device=self.device)
        return array[self._guard : self._guard + number].view(*leading, self.num_voxels)

    def as_array(self, fields: torch.Tensor) -> torch.Tensor:
        """Fields (…, voxels) as arrays (…, X″, Y″, Z″), not a copy."""
        return fields[..., : self._num_cells].unflatten(-1, self.shape)

    def in_mask(self, fields: torch.Tensor) -> torch.Tensor:
        """Fields (…, voxels) as arrays (…, X', Y', Z') of the shape of the mask, not a copy."""
        x, y, z = self.mask_shape
        return self.as_array(fields)[..., :x, :y, :z]

    def launch(self, kernel: Any, num_tumors: int, *arguments: object, last_axis: int = 1, **constants: object) -> None:
        """Run kernel(*arguments) on every block of every tumor."""
        # Without fused multiply-add a sum is that of the processor.
        with self.current_device():
            kernel[(self.num_blocks, num_tumors, last_axis)](
                *arguments, block=self.block, enable_fp_fusion=False, **constants
            )

    def _shared(self, mask: NDArray[np.bool_]) -> torch.Tensor:
        field = self.zeros(dtype=torch.int32)
        self.in_mask(field).copy_(torch.from_numpy(mask.astype(np.int32)))
        return field

    @property
    def _fill(self) -> list[tuple[int, int]]:
        return [(0, large - small) for large, small in zip(self.shape, self.mask_shape, strict=True)]

    def current_device(self) -> AbstractContextManager[object]:
        """Makes the device PyTorch's current one, which Triton launches on."""
        return torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext()


def padded_size(shape: Sequence[int], block: int = DEFAULT_BLOCK) -> int:
    """Floats of a field: its voxels, filled up to whole blocks."""
    return -(-math.prod(shape) // block) * block


def _spread(rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The rows and the voxels one further along each axis."""
    spread = rows.copy()
    for axis in range(3):
        ahead = np.moveaxis(spread, axis, 0)
        ahead[1:] |= ahead[:-1].copy()
    return spread
