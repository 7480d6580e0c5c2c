"""Tumors that grow and push, side by side on a device: their state, and coupling steps that all of them take together.

A coupling step is that of `mass_effect_evolution`, whose module docstring tells what happens in it and why. Every tumor
has its own duration, push, stiffness, domain and face coefficients; all are in the same part of the step at the same
time. Those in equilibrium wait while others are corrected further: each correction, the host reads which are left, and
into how many parts the transport of the worst has to be cut.

Reaction and diffusion are the kernels of `triton_kernels`, with a set of face coefficients for each tumor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import TRACE_OF_TISSUE
from gliofield.growth import mass_effect_evolution as coupling
from gliofield.growth.mechanics import moving_tissue
from gliofield.growth.mechanics.brain_box import BrainBox
from gliofield.growth.mechanics.stiffness import TissueElasticity
from gliofield.growth.seed import DENSITY_FLOOR
from gliofield_gpu import triton_kernels as growth_kernels
from gliofield_gpu import triton_tissue_kernels as kernels
from gliofield_gpu.stage_operations import ENDS_STEP, NUM_CODES, NUM_WEIGHTS, Operations
from gliofield_gpu.triton_batch import NUM_FIELDS, STEPS, VOXEL_STEPS, FieldLayout, Tile
from gliofield_gpu.triton_brain import DEFAULT_BLOCK, DeviceBrain, padded_size
from gliofield_gpu.triton_multigrid import BatchElasticitySolver, floats_per_tumor

NUM_TISSUES = int(kernels.NUM_TISSUES)
# Floats per voxel beside those of the solver: fields of reaction and diffusion, faces, density and its half step,
# domain, tissue, predicted tissue, a stage of transport, and displacement, increment and the one before, correction
# and the one before, force.
_FLOATS = NUM_FIELDS + 3 + 2 + 1 + 3 * NUM_TISSUES + 6 * 3
_NUM_STATUS = 4
_TUMORS_PER_PROGRAM = 32
# Tumors whose domain is computed at once: bounds the memory for intermediate results.
_TUMORS_PER_MEDIUM = 4
_FLOATS_OF_MEDIUM = 20
_FAR = 1 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class PushingState:
    """One tumor on the padded brain box (X', Y', Z'), on the host.

    Parameters
    ----------
    cell_density : (X', Y', Z') float32 array
        c.
    tissue : (5, X', Y', Z') float32 array
        Amounts of white matter, gray matter and CSF, and the volume at rest.
    displacement_mm : (3, X', Y', Z') float32 array
        u in cells, along the axes of the array [mm].
    min_jacobian_determinant : float
        Smallest det J in the brain; not positive, or infinite, where tissue is turned inside out.
    """

    cell_density: NDArray[np.float32]
    tissue: NDArray[np.float32]
    displacement_mm: NDArray[np.float32]
    min_jacobian_determinant: float


class PushingBatch:
    """State of up to `num_slots` tumors of one brain.

    Parameters
    ----------
    box : BrainBox
        Around the brain.
    brain : (X', Y', Z') bool array
        Mask on the padded box.
    tissue : (5, X', Y', Z') float32 array
        Tissue before the tumor, as in `PushingState`.
    spacing_mm : float
        Spacing h [mm].
    elasticity : TissueElasticity
        Elastic constants.
    force_tolerance : float
        Part of the push that may stay unbalanced.
    num_slots : int
        Tumors at once.
    device : torch.device
        From `triton_batch.require_device`.
    tile, block : Tile, int
        Parts of the box programs work on.

    Raises
    ------
    torch.OutOfMemoryError
        If the fields do not fit into the memory of the device.
    """

    def __init__(
        self,
        box: BrainBox,
        brain: NDArray[np.bool_],
        tissue: NDArray[np.float32],
        *,
        spacing_mm: float,
        elasticity: TissueElasticity,
        force_tolerance: float,
        num_slots: int,
        device: torch.device,
        tile: Tile | None = None,
        block: int = DEFAULT_BLOCK,
    ) -> None:
        self._layout = FieldLayout(box_shape=box.shape, tile=tile or Tile())
        self._brain = DeviceBrain(brain, device, array_shape=self._layout.shape, block=block)
        self._solver = BatchElasticitySolver(self._brain, brain, num_levels=box.num_levels, num_tumors=num_slots)
        self.num_slots, self._spacing_mm, self._device = num_slots, spacing_mm, device
        self._force_tolerance = force_tolerance
        materials = (elasticity.white_matter, elasticity.gray_matter, elasticity.csf, elasticity.tumor)
        constants = np.array([(m.lame_pa, m.shear_modulus_pa) for m in materials], np.float32)
        self._constants = torch.from_numpy(constants).to(device)
        self._initial_tissue = torch.from_numpy(tissue)
        self._allocate()

    def _allocate(self) -> None:
        fields, number, device = self._brain.zeros, self.num_slots, self._device
        self._growing = fields(NUM_FIELDS, number)
        self._faces, self._domain = fields(number, 3), fields(number, dtype=torch.int8)
        self._density, self._half = (fields(number) for _ in range(2))
        self._tissue, self._predicted, self._middle = (fields(number, NUM_TISSUES) for _ in range(3))
        self._displacement, self._increment, self._last_increment = (fields(number, 3) for _ in range(3))
        self._correction, self._last_correction, self._force = (fields(number, 3) for _ in range(3))
        floats, num_blocks = torch.zeros(number, device=device), self._brain.num_blocks
        self._push_pa, self._gray_diffusivity = torch.zeros_like(floats), torch.zeros_like(floats)
        self._sums = torch.zeros(2, number, num_blocks, dtype=torch.float64, device=device)
        self._extremes = torch.zeros(2, number, num_blocks, device=device)
        self._face_sets = torch.arange(number, dtype=torch.int32, device=device)
        self._current = torch.zeros(number, dtype=torch.int32, device=device)
        self._found, self._boxes = torch.zeros(2, number, 6, dtype=torch.int32, device=device)
        self._status = torch.zeros(number, _NUM_STATUS, dtype=torch.int64, device=device)
        self._parts = torch.ones(number, dtype=torch.int32, device=device)
        self.num_solver_iterations = torch.zeros(number, dtype=torch.int32, device=device)

    def start(
        self, densities: Sequence[NDArray[np.float32]], diffusivity_ratios: Sequence[float], push_pa: Sequence[float]
    ) -> None:
        """Put tumors into the first slots, at rest; whatever was there is gone.

        Parameters
        ----------
        densities : sequence of (X', Y', Z') float32 arrays
            Cells at time 0.
        diffusivity_ratios, push_pa : sequences of float
            D_w / D_g and γ [Pa] of each.
        """
        brain, number = self._brain, len(densities)
        # Boxes are emptied below, and outside of them every field of reaction and diffusion has to be 0.
        for field in (self._growing, self._density, self._displacement, self._last_increment, self._correction):
            field.zero_()
        self._status.zero_()
        self.num_solver_iterations.zero_()
        for slot, density in enumerate(densities):
            brain.in_mask(self._density)[slot] = torch.from_numpy(density.copy()).to(self._device)
        # Cells beyond the rows of the brain would be lost with the first transport.
        self._density *= brain.rows
        brain.in_mask(self._tissue)[:] = self._initial_tissue.to(self._device)
        self._push_pa[:number] = torch.tensor(push_pa, dtype=torch.float32)
        self._gray_diffusivity[:number] = torch.tensor([1.0 / ratio for ratio in diffusivity_ratios])
        # No cells: a low end beyond every index, a high end before all.
        self._boxes[:, :3], self._boxes[:, 3:] = _FAR, -1
        self._find_medium(self._tissue)

    def num_cells_without_push(self, operations: Sequence[Operations]) -> list[NDArray[np.float64]]:
        """Sum of the density at the start and after each time step of the runs of the first slots, as tissue lies.

        It leaves the density as it was.
        """
        number = len(operations)
        active = self._flags([True] * number)
        self._launch(kernels.enter_domain, self._density, self._domain, self._growing, active)
        ends = [np.flatnonzero(one.codes[:, ENDS_STEP]) + 1 for one in operations]
        sums = [self._growing[0].sum(dim=1, dtype=torch.float64)]
        for step in range(max(map(len, ends))):
            parts = [
                slice(0 if step == 0 else int(end[step - 1]), int(end[step])) if step < len(end) else slice(0, 0)
                for end in ends
            ]
            self._do(_stacked(operations, parts, self.num_slots))
            sums.append(self._growing[0].sum(dim=1, dtype=torch.float64))
        totals = torch.stack(sums).cpu().numpy()
        return [totals[: len(end) + 1, slot] for slot, end in enumerate(ends)]

    def couple(
        self,
        operations: Sequence[Operations],
        first: Sequence[slice],
        second: Sequence[slice],
        stretches: Sequence[float],
        participates: Sequence[bool],
    ) -> NDArray[np.bool_]:
        """One coupling step of the tumors that participate.

        Parameters
        ----------
        operations : sequence of Operations
            Of the tumor in each of the first slots.
        first, second : sequences of slice
            Its operations in the first and in the second half of the step.
        stretches : sequence of float
            The step is predicted to move tissue by so many times the increment of the last one.
        participates : sequence of bool
            A tumor that once did not participate cannot go on until `start`.

        Returns
        -------
        (num_slots,) bool array
            Tumors that came to no equilibrium; their state means nothing.
        """
        taking_part = self._flags(participates)
        factors = torch.zeros(self.num_slots)
        factors[: len(stretches)] = torch.tensor(stretches)
        self._react(operations, first, taking_part)
        self._half.copy_(self._density)
        torch.mul(self._last_increment, factors.to(self._device)[:, None, None], out=self._increment)
        self._parts.fill_(1)
        able = self._cut_transport(taking_part)
        # The prediction decides on domain and stiffness of this step.
        self._predicted.copy_(self._tissue)
        self._move(self._predicted, able)
        self._find_medium(self._predicted)
        balanced = self._balance(operations, second, able)
        self._displacement += self._increment
        self._last_increment.copy_(self._increment)
        self._move(self._tissue, balanced)
        self._find_medium(self._tissue)
        return (taking_part - balanced).cpu().numpy().astype(bool)

    def num_above(self, thresholds: NDArray[np.float32]) -> NDArray[np.int64]:
        """Voxels of each slot whose density exceeds its threshold, (num_slots,)."""
        return (self._density > torch.from_numpy(thresholds).to(self._device)[:, None]).sum(dim=1).cpu().numpy()

    def num_steps_and_updates(self) -> NDArray[np.int64]:
        """Reaction-diffusion steps and voxel updates of each slot so far, (num_slots, 2)."""
        return self._status[:, [STEPS, VOXEL_STEPS]].cpu().numpy()

    def states(self, slots: Sequence[int]) -> list[PushingState]:
        """The tumors in some slots as they are now."""
        per_mm, brain = float(np.float32(-1.0 / self._spacing_mm)), self._brain
        wanted = torch.zeros(self.num_slots, dtype=torch.int32, device=self._device)
        wanted[list(slots)] = 1
        smallest, largest = self._extremes
        arrays = (self._displacement, per_mm, brain.brain, smallest, largest)
        self._launch(kernels.jacobian_extremes, *arrays, wanted, is_local=False)
        lows, highs = smallest.amin(dim=1).cpu().numpy(), largest.amax(dim=1).cpu().numpy()
        found = []
        for slot in slots:
            u = brain.in_mask(self._displacement)[slot]
            in_cells = torch.stack([0.5 * (u[axis] + torch.roll(u[axis], -1, dims=axis)) for axis in range(3)])
            low, high = float(lows[slot]), float(highs[slot])
            found.append(
                PushingState(
                    cell_density=brain.in_mask(self._density)[slot].cpu().numpy().copy(),
                    tissue=brain.in_mask(self._tissue)[slot].cpu().numpy().copy(),
                    displacement_mm=in_cells.cpu().numpy(),
                    min_jacobian_determinant=1.0 / high if low > 0.0 else low,
                )
            )
        return found

    def _balance(self, operations: Sequence[Operations], second: Sequence[slice], active: torch.Tensor) -> torch.Tensor:
        """Correct increments until push and tissue are in equilibrium; the tumors that are in the end."""
        balanced = torch.zeros_like(active)
        factors = torch.ones(self.num_slots, dtype=torch.float64, device=self._device)
        for number in range(coupling._MAX_CORRECTIONS):
            active = self._cut_transport(active)
            torch.where(active[:, None] > 0, self._half, self._density, out=self._density)
            self._move(self._density[:, None], active)
            self._react(operations, second, active)
            error, size = self._find_missing(active)
            in_balance = active * (error <= self._force_tolerance * size)
            balanced += in_balance
            # A tumor whose forces are no numbers any more takes no further part, in equilibrium or not.
            active = (active - in_balance) * torch.isfinite(error)
            if not bool(active.any()):
                break
            self._correct(error, active)
            if number > 0:
                factors = self._relaxed(factors, active)
            arrays = (self._correction, self._increment, self._last_correction)
            self._launch(kernels.add_correction, factors.float(), *arrays, active, is_local=True)
        return balanced

    def _find_missing(self, active: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the push lacks for equilibrium, in `_force`; norms of that and of the push."""
        solver, brain = self._solver, self._brain
        moduli = (solver.lame, solver.shear)
        materials = (self._predicted, self._density, self._constants, brain.brain)
        self._launch(kernels.mixed_stiffness, *materials, *moduli, active, is_local=True)
        solver.prepare(active)
        scales = (self._push_pa.double() * self._spacing_mm).float()
        sums = self._sums[0]
        arrays = (self._density, scales, solver.inverse_diagonal, self._force, sums)
        self._launch(kernels.push_force, *arrays, active, is_local=False)
        size = torch.sqrt(sums.sum(dim=1))
        # The last increment is not needed until this one takes its place; it serves as the whole displacement.
        whole = self._last_increment
        torch.add(self._displacement, self._increment, out=whole)
        solver.residual(whole, self._force, self._force, active)
        return torch.sqrt(solver.squared_norm(self._force, active)), size

    def _correct(self, error: torch.Tensor, active: torch.Tensor) -> None:
        """What the increment lacks, nearly, in `_correction`, which is 0 before."""
        solver, brain = self._solver, self._brain
        arrays = (self._density, self._push_pa, brain.brain, solver.lame)
        self._launch(kernels.add_push, *arrays, active, is_local=True)
        solver.prepare_lame(active)
        solver.prepare_coarse(active)
        report = solver.solve(
            self._force, self._correction, absolute_tolerances=coupling._CORRECTION_TOLERANCE * error, active=active
        )
        self.num_solver_iterations += report.num_iterations

    def _relaxed(self, factors: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
        """Aitken's factors on the corrections, from those before."""
        arrays = (self._correction, self._last_correction, self._sums)
        self._launch(kernels.relaxation_sums, *arrays, active, is_local=True)
        along, size = self._sums.sum(dim=2)
        newer = torch.where(size > 0.0, -factors * (along / size), factors).clamp(
            coupling._SMALLEST_FACTOR, coupling._LARGEST_FACTOR
        )
        return torch.where(active > 0, newer, factors)

    def _cut_transport(self, active: torch.Tensor) -> torch.Tensor:
        """Find the parts that transport by the increments takes, not fewer than before; tumors it is possible for."""
        largest = self._extremes[1]
        arrays = (self._increment, largest, self._brain.rows)
        self._launch(kernels.largest_outflow, *arrays, active, is_local=False)
        outflow = largest.amax(dim=1).double() / self._spacing_mm
        parts = torch.ceil(outflow / moving_tissue._LARGEST_OUTFLOW)
        able = active * (parts <= coupling._MAX_TRANSPORT_PARTS)
        self._parts = torch.where(able > 0, torch.maximum(self._parts, parts.int()), self._parts)
        return able

    def _move(self, amounts: torch.Tensor, active: torch.Tensor) -> None:
        """Move amounts (slots, number, voxels) by the increment, in place."""
        brain, number = self._brain, amounts.shape[1]
        # A first stage per amount and tumor as densely as the amounts lie.
        middle = self._middle.flatten()[: amounts.numel()].view(amounts.shape)
        spacing, part = float(np.float32(self._spacing_mm)), (1.0 / self._parts.double()).float()
        num_parts = int((self._parts * active).max())
        for index in range(num_parts):
            taking_part = active * (self._parts > index)
            rest = (brain.rows, taking_part, brain.blocks, number, *brain.sizes)
            for initial_weight, source, target in ((0.0, amounts, middle), (0.5, middle, amounts)):
                arrays = (self._increment, spacing, part, source, amounts, initial_weight, target)
                brain.launch(kernels.transport_stage, self.num_slots, *arrays, *rest, last_axis=number)

    def _react(self, operations: Sequence[Operations], parts: Sequence[slice], active: torch.Tensor) -> None:
        """Reaction and diffusion of the density; cells that tissue has left behind wait where they are."""
        is_active = active.cpu().numpy()
        parts = [part if is_active[slot] else slice(0, 0) for slot, part in enumerate(parts)]
        self._launch(kernels.enter_domain, self._density, self._domain, self._growing, active)
        self._do(_stacked(operations, parts, self.num_slots))
        self._launch(kernels.leave_domain, self._growing, self._domain, self._density, active)

    def _do(self, rows: tuple[NDArray[np.int32], NDArray[np.float32]]) -> None:
        """Operations (launches, slots, …) on what is growing."""
        self._find_boxes()
        layout, tile = self._layout, self._layout.tile
        codes, weights = (torch.from_numpy(row).to(self._device) for row in rows)
        box = layout.box_shape
        shared = (self._current, self._found, self._boxes, self._status, self.num_slots)
        with self._brain.current_device():
            for code_row, weight_row in zip(codes.unbind(0), weights.unbind(0), strict=True):
                growth_kernels.begin_operations[(-(-self.num_slots // _TUMORS_PER_PROGRAM),)](
                    code_row,
                    *shared,
                    *(n - 2 for n in box),
                    block=_TUMORS_PER_PROGRAM,
                    num_warps=1,
                    enable_fp_fusion=False,
                )
                growth_kernels.advance[(math.prod(layout.num_tiles), self.num_slots)](
                    self._growing,
                    self._faces,
                    self._face_sets,
                    code_row,
                    weight_row,
                    *shared,
                    *self._brain.sizes,
                    *layout.num_tiles[1:],
                    DENSITY_FLOOR,
                    tile_x=tile.x,
                    tile_y=tile.y,
                    tile_z=tile.z,
                    num_warps=tile.num_warps,
                    enable_fp_fusion=False,
                )

    def _find_boxes(self) -> None:
        """Where cells are, after transport has moved them; the boxes to update hold that and all they held before."""
        present = self._brain.as_array(self._growing[0]) > 0.0
        in_planes = present.any(dim=3)
        for axis, along in enumerate((in_planes.any(dim=2), in_planes.any(dim=1), present.any(dim=2).any(dim=1))):
            index = torch.arange(along.shape[1], dtype=torch.int32, device=self._device)
            self._found[:, axis] = torch.where(along, index, _FAR).amin(dim=1)
            self._found[:, axis + 3] = torch.where(along, index, -1).amax(dim=1)
        self._boxes[:, :3] = torch.minimum(self._boxes[:, :3], self._found[:, :3])
        self._boxes[:, 3:] = torch.maximum(self._boxes[:, 3:], self._found[:, 3:])

    def _find_medium(self, tissue: torch.Tensor) -> None:
        """Domain and face coefficients of tissue (slots, 5, voxels), as `MassEffectRun` finds them."""
        brain = self._brain
        closed = float(coupling.CLOSED_BELOW)
        range_of_opening = float(np.float32(1.0) - coupling.CLOSED_BELOW)
        for first in range(0, self.num_slots, _TUMORS_PER_MEDIUM):
            part = slice(first, first + _TUMORS_PER_MEDIUM)
            white, gray, _, volume, inside = brain.as_array(tissue[part]).unbind(1)
            share = inside / torch.where(volume > 0.0, volume, 1.0)
            opening = torch.clamp((share - closed) / range_of_opening, 0.0, 1.0)
            domain = (opening > 0.0) & (brain.as_array(brain.brain) > 0)
            brain.as_array(self._domain[part]).copy_(domain)
            solid = white + gray
            fraction = torch.where(solid > TRACE_OF_TISSUE * volume, white / torch.where(solid > 0.0, solid, 1.0), 0.0)
            slower = self._gray_diffusivity[part, None, None, None]
            cells = torch.where(domain, opening * (fraction + (1.0 - fraction) * slower), 0.0)
            faces = brain.as_array(self._faces[part])
            for axis in range(3):
                _harmonic_means_into(faces[:, axis], cells, axis + 1)

    def _flags(self, values: Sequence[bool]) -> torch.Tensor:
        flags = torch.zeros(self.num_slots, dtype=torch.int32)
        flags[: len(values)] = torch.tensor(values, dtype=torch.int32)
        return flags.to(self._device)

    def _launch(self, kernel: object, *arguments: object, is_local: bool = True) -> None:
        """Run a kernel over the brain; one that is not local reads neighbors."""
        sizes = self._brain.sizes[: 1 if is_local else 3]
        self._brain.launch(kernel, self.num_slots, *arguments, self._brain.blocks, *sizes)


def bytes_per_tumor(box: BrainBox, tile: Tile | None = None) -> int:
    """Memory a batch takes for each tumor."""
    shape = FieldLayout(box_shape=box.shape, tile=tile or Tile()).shape
    return 4 * (_FLOATS * padded_size(shape) + floats_per_tumor(shape, box.shape, box.num_levels))


def bytes_per_batch(box: BrainBox, tile: Tile | None = None) -> int:
    """Memory a batch takes for intermediate results, whatever its size."""
    shape = FieldLayout(box_shape=box.shape, tile=tile or Tile()).shape
    return 4 * _FLOATS_OF_MEDIUM * _TUMORS_PER_MEDIUM * padded_size(shape)


def _stacked(
    operations: Sequence[Operations], parts: Sequence[slice], num_slots: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Codes and weights (launches, slots, …) of a part of each tumor's operations; idle where a part is shorter."""
    length = max((part.stop - part.start for part in parts), default=0)
    codes = np.zeros((length, num_slots, NUM_CODES), np.int32)
    weights = np.zeros((length, num_slots, NUM_WEIGHTS), np.float32)
    for slot, (one, part) in enumerate(zip(operations, parts, strict=True)):
        number = part.stop - part.start
        codes[:number, slot], weights[:number, slot] = one.codes[part], one.weights[part]
    return codes, weights


def _harmonic_means_into(target: torch.Tensor, cells: torch.Tensor, axis: int) -> None:
    """2 a b / (a + b) of each cell and its predecessor along an axis; 0 where either is 0."""
    number = cells.shape[axis] - 1
    own, previous = cells.narrow(axis, 1, number), cells.narrow(axis, 0, number)
    both = (own > 0.0) & (previous > 0.0)
    means = 2.0 * own * previous / torch.where(both, own + previous, 1.0)
    target.narrow(axis, 1, number).copy_(torch.where(both, means, 0.0))
