"""Tumors of one anatomy side by side on a device: their fields, and launches that advance all of them.

A `TumorBatch` has a fixed number of slots. `load` puts a seed into a slot, `launch` does several operations of every
slot's tumor without waiting for the device, `Transfer.wait` is the only place that waits. The fields are allocated at
the start, so a batch that could be made does not run out of memory later.

Needs PyTorch and Triton. On a processor it runs under Triton's interpreter alone (`TRITON_INTERPRET=1` before Triton is
imported): exact, and far too slow for anything but tests.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import triton
from numpy.typing import NDArray

from gliofield.errors import DeviceError, ParameterError
from gliofield.growth.diffusivity import FaceCoefficients
from gliofield.growth.seed import DENSITY_FLOOR
from gliofield_gpu import triton_kernels as kernels
from gliofield_gpu.stage_operations import NUM_CODES, NUM_WEIGHTS

#: Density, rate, and two increments.
NUM_FIELDS = 4
#: Bytes of state a voxel-step moves to and from memory; `triton_kernels` counts them.
BYTES_PER_VOXEL_STEP = 16
#: Columns of `TumorBatch.status`.
COUNTED, STEPS, VOXEL_STEPS, LIMIT = range(4)
#: Raised where the fields do not fit.
OutOfMemoryError = torch.OutOfMemoryError
_NUM_STATUS = 4
_TUMORS_PER_PROGRAM = 32


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Part of a box one program advances.

    Parameters
    ----------
    x, y, z : int
        Voxels along each axis, powers of two; z ≥ 16 keeps rows aligned.
    num_warps : int
        Groups of 32 threads that share it.
    """

    x: int = 8
    y: int = 16
    z: int = 16
    num_warps: int = 2


@dataclass(frozen=True, kw_only=True)
class FieldLayout:
    """How the padded box of an anatomy lies in a field: filled up with zeros to whole tiles.

    Parameters
    ----------
    box_shape : tuple of 3 int
        Padded box (X', Y', Z') of `FaceCoefficients`.
    tile : Tile
        Tile it is cut into; the plane x = 0 belongs to none.
    """

    box_shape: tuple[int, int, int]
    tile: Tile

    @property
    def num_tiles(self) -> tuple[int, int, int]:
        """Tiles along each axis."""
        nx, ny, nz = self.box_shape
        return -(-(nx - 2) // self.tile.x), -(-ny // self.tile.y), -(-nz // self.tile.z)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Floats of a field along each axis."""
        tiles = self.num_tiles
        return tiles[0] * self.tile.x + 2, tiles[1] * self.tile.y, tiles[2] * self.tile.z

    @property
    def num_voxels(self) -> int:
        """Floats of a field."""
        return math.prod(self.shape)

    @property
    def bytes_per_tumor(self) -> int:
        """Memory of the fields of one tumor."""
        return NUM_FIELDS * 4 * self.num_voxels

    @property
    def bytes_per_face_set(self) -> int:
        """Memory of the face coefficients of one diffusivity ratio."""
        return 3 * 4 * self.num_voxels


@dataclass(frozen=True, eq=False)
class Transfer:
    """Densities and status on their way to the host, in the order they were asked for."""

    densities: Sequence[torch.Tensor]
    status: torch.Tensor
    event: torch.cuda.Event | None

    def wait(self) -> tuple[list[NDArray[np.float32]], NDArray[np.int64]]:
        """Densities and status, when they have arrived."""
        if self.event is not None:
            self.event.synchronize()
        return [density.numpy() for density in self.densities], self.status.numpy()


class TumorBatch:
    """State of up to `num_slots` tumors.

    Parameters
    ----------
    box_shape : tuple of 3 int
        Padded box of the anatomy.
    num_slots, num_face_sets : int
        Tumors and diffusivity ratios at once, ≥ 1.
    device : str
        CUDA device; `cpu` under Triton's interpreter.
    tile : Tile
        Part of a box per program.
    density_floor : float
        Densities below it are cleared.

    Raises
    ------
    DeviceError
        If there is no such device.
    torch.OutOfMemoryError
        If the fields do not fit into the memory of the device.
    """

    def __init__(
        self,
        box_shape: tuple[int, int, int],
        *,
        num_slots: int,
        num_face_sets: int = 1,
        device: str = "cuda",
        tile: Tile | None = None,
        density_floor: float = DENSITY_FLOOR,
    ) -> None:
        self._device = require_device(device)
        self._box_shape = box_shape
        self.layout = FieldLayout(box_shape=box_shape, tile=tile or Tile())
        self.num_slots, self.num_face_sets = num_slots, num_face_sets
        self._floor = density_floor
        tiles, shape = self.layout.num_tiles, self.layout.shape
        self._grid = (math.prod(tiles), num_slots)
        # Floats of a field, of a plane and of a row; tiles along y and z.
        self._sizes = (self.layout.num_voxels, shape[1] * shape[2], shape[2], tiles[1], tiles[2])
        floats, integers, counts = (
            partial(torch.zeros, dtype=dtype, device=self._device)
            for dtype in (torch.float32, torch.int32, torch.int64)
        )
        self._state = floats(NUM_FIELDS, num_slots, *self.layout.shape)
        self._faces = floats(num_face_sets, 3, *self.layout.shape)
        self._face_sets, self._current = integers(num_slots), integers(num_slots)
        self._found, self._boxes = integers(num_slots, 6), integers(num_slots, 6)
        self._status = counts(num_slots, _NUM_STATUS)

    def set_faces(self, index: int, faces: FaceCoefficients) -> None:
        """Make `faces` the coefficients of set `index`; no tumor may be using it."""
        nx, ny, nz = self._box_shape
        for axis, coefficient in enumerate((faces.x, faces.y, faces.z)):
            # A copy: PyTorch warns of arrays that cannot be written.
            self._faces[index, axis, :nx, :ny, :nz] = torch.from_numpy(coefficient.copy()).to(self._device)

    def load(
        self,
        slot: int,
        cells: NDArray[np.float32],
        corner: Sequence[int],
        *,
        face_set: int = 0,
        max_num_voxels: int = 0,
    ) -> None:
        """Start a tumor in a slot.

        Parameters
        ----------
        slot : int
            Its place; what was there is gone.
        cells : float32 array of 3 axes
            Initial density within a window; 0 outside it.
        corner : sequence of 3 int
            Where the window begins in the padded box; it lies within the box without its padding.
        face_set : int
            Coefficients to use.
        max_num_voxels : int
            A tumor that ends a time step with more voxels above the threshold of its operation stays as it is; without
            effect where that threshold is infinite.
        """
        window = tuple(slice(c, c + n) for c, n in zip(corner, cells.shape, strict=True))
        extent = [*corner, *(s.stop - 1 for s in window)]
        self._state[:, slot] = 0.0
        self._state[0, slot][window] = self._upload(cells)
        self._found[slot] = self._upload(np.array(extent, np.int32))
        self._boxes[slot] = self._found[slot]
        self._status[slot] = 0
        self._status[slot, LIMIT] = max_num_voxels
        self._face_sets[slot] = face_set

    def launch(
        self,
        codes: NDArray[np.int32],
        weights: NDArray[np.float32],
        landings: Iterable[tuple[int, int]] = (),
    ) -> list[torch.Tensor]:
        """Do operations of every slot's tumor; returns at once.

        Parameters
        ----------
        codes, weights : (num_launches, num_slots, …) arrays
            Rows of `Operations`: one per launch and slot.
        landings : iterable of (launch, slot)
            Densities to copy to the host: after which launch, of which slot; in order of the launches.

        Returns
        -------
        list of Tensor
            One density per landing, shape (X', Y', Z'), on the host; complete when `transfer` of it has arrived.
        """
        assert codes.shape == (len(codes), self.num_slots, NUM_CODES)
        assert weights.shape == (len(codes), self.num_slots, NUM_WEIGHTS)
        nx, ny, nz = self._box_shape
        waiting = deque(landings)
        copies: list[torch.Tensor] = []
        with self._current_device():
            rows = zip(self._upload(codes).unbind(0), self._upload(weights).unbind(0), strict=True)
            for launch, (code_row, weight_row) in enumerate(rows):
                self._launch(code_row, weight_row)
                while waiting and waiting[0][0] == launch:
                    copies.append(self._download(self._state[0, waiting.popleft()[1]])[:nx, :ny, :nz])
        return copies

    def transfer(self, densities: Sequence[torch.Tensor] = ()) -> Transfer:
        """Densities copied by `launch`, and the status after the last launch.

        The status has shape (num_slots, 4), int64, and the columns `COUNTED` (voxels above the threshold at the end of
        the last step), `STEPS` and `VOXEL_STEPS` (steps and voxel updates done), and `LIMIT` (the most voxels).
        """
        with self._current_device():
            status = self._download(self._status)
            if self._device.type != "cuda":
                return Transfer(densities, status, None)
            event = torch.cuda.Event()
            event.record()
        return Transfer(densities, status, event)

    def density(self, slot: int) -> torch.Tensor:
        """Density of a slot's tumor on the device, shape (X', Y', Z'); a view."""
        nx, ny, nz = self._box_shape
        return self._state[0, slot, :nx, :ny, :nz]

    def active_box(self, slot: int) -> NDArray[np.int64]:
        """First index, and the one after the last, along each axis of the box a slot's tumor is updated in, (2, 3)."""
        box = self._boxes[slot].cpu().numpy().astype(np.int64).reshape(2, 3)
        return box + np.array([[0], [1]])

    def _launch(self, codes: torch.Tensor, weights: torch.Tensor) -> None:
        tile = self.layout.tile
        kernels.begin_operations[(-(-self.num_slots // _TUMORS_PER_PROGRAM),)](
            codes,
            self._current,
            self._found,
            self._boxes,
            self._status,
            self.num_slots,
            *(n - 2 for n in self._box_shape),
            block=_TUMORS_PER_PROGRAM,
            num_warps=1,
            enable_fp_fusion=False,
        )
        # Without fused multiply-add a face adds to one voxel exactly what it takes from the other.
        kernels.advance[self._grid](
            self._state,
            self._faces,
            self._face_sets,
            codes,
            weights,
            self._current,
            self._found,
            self._boxes,
            self._status,
            self.num_slots,
            *self._sizes,
            self._floor,
            tile_x=tile.x,
            tile_y=tile.y,
            tile_z=tile.z,
            num_warps=tile.num_warps,
            enable_fp_fusion=False,
        )

    def _upload(self, array: NDArray[np.generic]) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self._device.type != "cuda":
            return tensor
        return tensor.pin_memory().to(self._device, non_blocking=True)

    def _download(self, tensor: torch.Tensor) -> torch.Tensor:
        target = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=self._device.type == "cuda")
        return target.copy_(tensor, non_blocking=True)

    def _current_device(self) -> AbstractContextManager[object]:
        # Triton launches on PyTorch's current device.
        return torch.cuda.device(self._device) if self._device.type == "cuda" else nullcontext()


def require_device(name: str) -> torch.device:
    """Device a batch can run on.

    Raises
    ------
    ParameterError
        If it is no CUDA device, and Triton's interpreter is off.
    DeviceError
        If PyTorch finds no such device.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ParameterError(f"device must name a CUDA device, such as 'cuda' or 'cuda:1', got {name!r}.") from error
    is_interpreted = not isinstance(kernels.advance, triton.runtime.JITFunction)
    if device.type == "cpu" and is_interpreted:
        return device
    if device.type != "cuda":
        raise ParameterError(
            f"device must name a CUDA device, such as 'cuda' or 'cuda:1', got {name!r}. "
            "On a processor, run FisherKolmogorov()."
        )
    num_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= num_devices:
        raise DeviceError(
            f"device {name!r} is not there: PyTorch {torch.__version__} finds {num_devices} CUDA devices. "
            "Check the driver, CUDA_VISIBLE_DEVICES and that PyTorch was built for CUDA, or run on the processor."
        )
    return torch.device("cuda", device.index if device.index is not None else torch.cuda.current_device())


def free_bytes(device: str) -> int:
    """Memory a batch may take on a device: what is free there; for the interpreter, a gigabyte."""
    found = require_device(device)
    if found.type == "cpu":
        return 1 << 30
    torch.cuda.empty_cache()
    return int(torch.cuda.mem_get_info(found)[0])
