"""Whether a head lies as its header says: the affine stage, judged by the shapes of the brains.

A deformation bends a wrong head until it fits, and a gradient-based affine that starts from a wrong header settles in a
wrong optimum without a sign. So the affine stage is judged before the deformation, and from other starts: the shape of
the patient's brain is fitted to the atlas's from the 24 turns of the header by 90 and 180 degrees, coarsely, and the
affine that was found is refined in the same way. Where one of the turns ends at a clearly smaller misfit, the header is
wrong. Shapes alone are compared, so any contrast will do; a mirrored head is not seen, since brains are symmetric.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.box import box_of
from gliofield.registration.transform import Transform
from gliofield.volume import Volume

# Coarse enough that 25 fits take a second, fine enough for the shape of a brain. *Chosen*.
_SPACING_MM = 8.0
# Lattice on which brains are counted after the affine stage [mm].
_COUNT_MM = 3.0
_FIRST_STEPS, _FURTHER_STEPS, _NUM_KEPT = 6, 14, 4
# A typical distance from the center of a brain, which gives turns and shifts one scale [mm].
_RADIUS_MM = 80.0
# Misfits below this are those of one brain at two places of the lattice, and say nothing.
_PERFECT = 0.003
_AXES = ("from left to right", "from back to front", "from feet to head")


@dataclass(frozen=True, kw_only=True)
class OrientationCheck:
    """How well the affine stage lays brain on brain, beside other starts.

    Parameters
    ----------
    affine_overlap : float
        Dice of the brains after the affine stage alone.
    misfit : float
        Mean squared difference of the coarse brains under the affine that was found, refined to fit the shapes, over
        that of no overlap at all.
    best_misfit : float
        The smallest misfit that a turn of the header leads to, or `misfit` where none is better.
    best_turn : str
        The turn that leads there, in words.
    is_turned : bool
        Whether that is another orientation than the header's.
    turned_degrees : float
        Angle by which the affine that was found turns the head, stretches aside.
    """

    affine_overlap: float
    misfit: float
    best_misfit: float
    best_turn: str
    is_turned: bool
    turned_degrees: float

    @property
    def misfit_ratio(self) -> float:
        """`misfit` over `best_misfit`: 1 where no turn fits better."""
        return max(self.misfit, _PERFECT) / max(self.best_misfit, _PERFECT)


@dataclass(frozen=True, kw_only=True, eq=False)
class TurnSearch:
    """How a head fits best, whatever a registration finds; made by `search_turns`."""

    patient_brain: Volume
    atlas_brain: Volume
    shapes: _BrainShapes
    best_turn: NDArray[np.float64]
    best_misfit: float


def search_turns(patient_brain: Volume, atlas_brain: Volume) -> TurnSearch:
    """The turn of a header by 90 or 180 degrees from which the shapes of both brains fit best.

    Parameters
    ----------
    patient_brain, atlas_brain : Volume
        Brain masks (non-zero = set), not empty, each on its own grid.
    """
    shapes = _BrainShapes(patient=_CoarseBrain.of(patient_brain), atlas=_CoarseBrain.of(atlas_brain))
    turns = _turns()
    starts = [shapes.refined(_Fit(linear=turn, shift_mm=np.zeros(3)), _FIRST_STEPS) for turn in turns]
    misfits = np.array([shapes.misfit(start) for start in starts])
    kept = np.argsort(misfits, kind="stable")[:_NUM_KEPT]
    ends = {int(number): shapes.misfit(shapes.refined(starts[number], _FURTHER_STEPS)) for number in kept}
    best = min(ends, key=lambda number: ends[number])
    return TurnSearch(
        patient_brain=patient_brain,
        atlas_brain=atlas_brain,
        shapes=shapes,
        best_turn=turns[best],
        best_misfit=ends[best],
    )


def check_orientation(transform: Transform, search: TurnSearch) -> OrientationCheck:
    """The affine part of a transform, judged by the shapes of both brains; its displacement is left out."""
    patient_from_atlas = np.asarray(np.linalg.inv(transform.atlas_from_patient), dtype=np.float64)
    shapes = search.shapes
    misfit = shapes.misfit(shapes.refined(shapes.start_at(patient_from_atlas), _FIRST_STEPS + _FURTHER_STEPS))
    return OrientationCheck(
        affine_overlap=_overlap(patient_from_atlas, search.patient_brain, search.atlas_brain),
        misfit=misfit,
        best_misfit=min(misfit, search.best_misfit),
        best_turn=_in_words(search.best_turn),
        is_turned=_degrees(search.best_turn) > 0.0,
        turned_degrees=_degrees(_nearest_rotation(patient_from_atlas[:3, :3])),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _CoarseBrain:
    """Brain fractions of blocks of voxels, and where they lie."""

    fraction: NDArray[np.float32]
    world_from_voxel: NDArray[np.float64]

    @classmethod
    def of(cls, brain: Volume) -> _CoarseBrain:
        box = box_of(brain.data != 0)
        inside = brain.data[tuple(slice(*bounds) for bounds in box)] != 0
        factors = [max(1, round(_SPACING_MM / spacing)) for spacing in brain.grid.spacing_mm]
        # A block of nothing on each side, so that slopes fade out.
        counts = [-(-n // factor) + 2 for n, factor in zip(inside.shape, factors, strict=True)]
        padded = np.zeros([count * factor for count, factor in zip(counts, factors, strict=True)], dtype=np.float32)
        padded[tuple(slice(f, f + n) for f, n in zip(factors, inside.shape, strict=True))] = inside
        blocks = padded.reshape([n for pair in zip(counts, factors, strict=True) for n in pair])
        first = np.array([low for low, _ in box]) - np.array(factors) + (np.array(factors) - 1) / 2
        world_from_voxel = brain.grid.world_from_voxel @ np.diag([*factors, 1.0])
        world_from_voxel[:3, 3] = brain.grid.world_of(first)
        return cls(fraction=blocks.mean(axis=(1, 3, 5)), world_from_voxel=world_from_voxel)

    def centers_mm(self, where: NDArray[np.bool_]) -> NDArray[np.float64]:
        """World positions of blocks, one a row."""
        return np.asarray(np.argwhere(where) @ self.world_from_voxel[:3, :3].T + self.world_from_voxel[:3, 3])

    @property
    def middle_mm(self) -> NDArray[np.float64]:
        """Center of mass."""
        weights = self.fraction[self.fraction > 0].astype(np.float64)
        return np.asarray(np.einsum("i,ij->j", weights, self.centers_mm(self.fraction > 0)) / weights.sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fit:
    """An affine from atlas to patient: y = `linear` (x − middle of the atlas) + middle of the patient + `shift_mm`."""

    linear: NDArray[np.float64]
    shift_mm: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class _BrainShapes:
    """Two brains, compared at the blocks in and around that of the atlas."""

    patient: _CoarseBrain
    atlas: _CoarseBrain
    _where: NDArray[np.bool_] = field(init=False)
    _offsets_mm: NDArray[np.float64] = field(init=False)
    _slopes: tuple[NDArray[np.float32], ...] = field(init=False)

    def __post_init__(self) -> None:
        near = ndimage.binary_dilation(np.pad(self.atlas.fraction > 0, 1))[1:-1, 1:-1, 1:-1]
        object.__setattr__(self, "_where", near)
        object.__setattr__(self, "_offsets_mm", self.atlas.centers_mm(near) - self.atlas.middle_mm)
        object.__setattr__(self, "_slopes", tuple(np.gradient(self.patient.fraction)))

    def start_at(self, patient_from_atlas: NDArray[np.float64]) -> _Fit:
        """An affine in world coordinates as a fit."""
        linear = patient_from_atlas[:3, :3]
        moved = linear @ self.atlas.middle_mm + patient_from_atlas[:3, 3]
        return _Fit(linear=linear, shift_mm=moved - self.patient.middle_mm)

    def misfit(self, fit: _Fit) -> float:
        """Squared difference of the brains over the sum of their squares."""
        target = self.atlas.fraction[self._where].astype(np.float64)
        total = float(np.square(target).sum() + np.square(self.patient.fraction, dtype=np.float64).sum())
        return self._cost(_values_at(self.patient.fraction, self._voxels(fit))) / total

    def refined(self, fit: _Fit, num_steps: int) -> _Fit:
        """Levenberg-Marquardt on the squared difference; sums are plain, so that threads change no bit."""
        voxels = self._voxels(fit)
        values = _values_at(self.patient.fraction, voxels)
        damping, cost = 1e-2, self._cost(values)
        for _ in range(num_steps):
            residual = values - self.atlas.fraction[self._where]
            slopes = np.stack([_values_at(slope, voxels) for slope in self._slopes], axis=1)
            in_world = np.einsum("na,ab->nb", slopes, np.linalg.inv(self.patient.world_from_voxel[:3, :3]))
            by_linear = in_world[:, :, None] * self._offsets_mm[:, None, :] / _RADIUS_MM
            derivative = np.concatenate([by_linear.reshape(len(residual), 9), in_world], axis=1)
            normal = np.einsum("ni,nj->ij", derivative, derivative)
            downhill = -np.einsum("ni,n->i", derivative, residual)
            step = np.linalg.solve(normal + np.diag(damping * np.diag(normal) + 1e-9), downhill)
            tried = _Fit(linear=fit.linear + step[:9].reshape(3, 3) / _RADIUS_MM, shift_mm=fit.shift_mm + step[9:])
            new_voxels = self._voxels(tried)
            new_values = _values_at(self.patient.fraction, new_voxels)
            new_cost = self._cost(new_values)
            if new_cost < cost:
                converged = cost - new_cost < 1e-4 * cost
                fit, voxels, values = tried, new_voxels, new_values
                cost, damping = new_cost, damping * 0.3
                if converged:
                    break
            else:
                damping *= 10.0
        return fit

    def _cost(self, values: NDArray[np.float64]) -> float:
        """Σ (patient − atlas)² over the blocks compared."""
        target = self.atlas.fraction[self._where].astype(np.float64)
        return float(np.square(values - target).sum())

    def _voxels(self, fit: _Fit) -> NDArray[np.float64]:
        """Where the atlas's blocks lie in the patient, (3, n) in voxels of the coarse brain."""
        places_mm = np.einsum("nb,ab->na", self._offsets_mm, fit.linear) + fit.shift_mm + self.patient.middle_mm
        from_world = np.linalg.inv(self.patient.world_from_voxel)
        return np.asarray(np.einsum("nb,ab->an", places_mm, from_world[:3, :3]) + from_world[:3, 3][:, None])


def _values_at(data: NDArray[np.float32], voxels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear interpolation of an array at (3, n) voxels."""
    return np.asarray(ndimage.map_coordinates(data, voxels, order=1), dtype=np.float64)


def _overlap(patient_from_atlas: NDArray[np.float64], patient_brain: Volume, atlas_brain: Volume) -> float:
    """Dice of the brains on a lattice of the atlas."""
    steps = [max(1, round(_COUNT_MM / spacing)) for spacing in atlas_brain.grid.spacing_mm]
    there = atlas_brain.data[tuple(slice(None, None, step) for step in steps)] != 0
    world = atlas_brain.grid.world_from_voxel @ np.diag([*steps, 1.0])
    voxel_from_lattice = patient_brain.grid.voxel_from_world @ patient_from_atlas @ world
    here = ndimage.affine_transform(
        (patient_brain.data != 0).astype(np.uint8),
        voxel_from_lattice[:3, :3],
        offset=voxel_from_lattice[:3, 3],
        output_shape=there.shape,
        order=0,
    )
    return 2.0 * float(np.count_nonzero(there & (here != 0))) / float(np.count_nonzero(there) + np.count_nonzero(here))


def _turns() -> list[NDArray[np.float64]]:
    """The 24 rotations that map axes to axes, the identity first."""
    matrices = []
    for order, signs in itertools.product(itertools.permutations(range(3)), itertools.product((1.0, -1.0), repeat=3)):
        matrix = np.zeros((3, 3))
        matrix[range(3), order] = signs
        if np.linalg.det(matrix) > 0:
            matrices.append(matrix)
    return sorted(matrices, key=lambda matrix: -float(np.trace(matrix)))


def _nearest_rotation(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation of a linear map (polar decomposition)."""
    left, _, right = np.linalg.svd(linear)
    return np.asarray(left @ right)


def _degrees(rotation: NDArray[np.float64]) -> float:
    """Angle of a rotation, in [0, 180]."""
    return float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1.0) / 2.0, -1.0, 1.0))))


def _in_words(turn: NDArray[np.float64]) -> str:
    """A turn by its angle and, if it is one of the head's, its axis."""
    degrees = round(_degrees(turn))
    if degrees == 0:
        return "no turn"
    fixed = [axis for axis in range(3) if turn[axis, axis] == 1.0]
    return f"a turn by {degrees} degrees" + (f" about the axis {_AXES[fixed[0]]}" if fixed else "")
