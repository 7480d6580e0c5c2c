"""One tumor on a GPU behind the `Stepper` protocol, so that `evolve` drives it like any other backend.

A single run leaves most of a GPU idle; `gliofield.growth.gpu.batch` is the way to grow many. This one serves to compare
backends and to grow on grids far larger than 128³.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError
from gliofield.growth.diffusivity import FaceCoefficients
from gliofield.growth.gpu.stage_operations import Operations, growth_operation, step_operations
from gliofield.growth.gpu.triton_batch import VOXEL_STEPS, TumorBatch
from gliofield.growth.seed import DENSITY_FLOOR
from gliofield.growth.super_time_stepping import SuperTimeStep


class TritonStepper:
    """`Stepper` of one run.

    Parameters
    ----------
    faces : FaceCoefficients
        Coefficients of the anatomy.
    padded_density : (X', Y', Z') float32 array
        Initial state on the padded box; some cells.
    device : str
        CUDA device.
    density_floor : float
        Densities below it are cleared.

    Raises
    ------
    DeviceError
        If there is no such device.
    """

    def __init__(
        self,
        faces: FaceCoefficients,
        padded_density: NDArray[np.float32],
        *,
        device: str = "cuda",
        density_floor: float = DENSITY_FLOOR,
    ) -> None:
        shape = faces.x.shape
        self._batch = TumorBatch(
            (shape[0], shape[1], shape[2]), num_slots=1, device=device, density_floor=density_floor
        )
        self._batch.set_faces(0, faces)
        cells = np.argwhere(padded_density)
        corner, stop = cells.min(axis=0), cells.max(axis=0) + 1
        window = tuple(slice(int(a), int(b)) for a, b in zip(corner, stop, strict=True))
        self._batch.load(0, padded_density[window], [int(a) for a in corner])

    @property
    def num_voxel_steps(self) -> int:
        _, status = self._batch.transfer().wait()
        return int(status[0, VOXEL_STEPS])

    def react(self, survival: float) -> None:
        self._do(growth_operation(survival))

    def diffuse_then_react(self, step: SuperTimeStep, diffusion_number: float, survival: float) -> None:
        self._do(step_operations(step.num_stages, diffusion_number, survival))

    def published_step(self, diffusion_number: float, growth: float) -> None:
        raise ParameterError(
            "scheme 'published' does not run on the backend 'cuda': it is there to compare with published data. "
            "Use the backend 'numba'."
        )

    @property
    def num_active_voxels(self) -> int:
        low, high = self._batch.active_box(0)
        return int(np.prod(high - low))

    def count_above(self, threshold: float) -> int:
        return int((self._batch.density(0) > float(np.float32(threshold))).sum())

    def cell_density(self) -> NDArray[np.float32]:
        return self._batch.density(0).cpu().numpy().copy()

    def _do(self, operations: Operations) -> None:
        self._batch.launch(operations.codes[:, None], operations.weights[:, None])
