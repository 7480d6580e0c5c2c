"""Inverse method ``assimilate``: a map that honors the scan, in the patient's own brain.

Growth is fitted around the tumor (`assimilation.fit`), with as many foci as the scan needs (`foci`), brought to the
scan's resolution and corrected there to both outlines (`phase_correction`), so that the density agrees with what is
seen and growth speaks outside it. Beside it stands a map of priorities, hedged against edema that is no tumor
(`priority`): a plan ranks voxels by that one. No database is needed.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Anatomy, SpaceName, SpaceRequest
from gliofield.assimilation import (
    Correction,
    CorrectionSettings,
    FitSettings,
    FociFit,
    PrioritySettings,
    TumorFit,
    add_foci,
    correct_phase,
    distance_mm,
    fit_tumor,
    grow_from_outlines,
    open_domain,
    rank_voxels,
)
from gliofield.concern import Concern, named_concern
from gliofield.errors import ParameterError
from gliofield.growth.parameters import STRETCH_NAMES, seed_values
from gliofield.imaging import Estimate, Observation
from gliofield.pipeline.spaces import PatientSpace, tumor_grid
from gliofield.progress import ProgressEvent, Reporter
from gliofield.resample import interpolate_at, resample, resample_mask
from gliofield.volume import Volume

_REFERENCE = (
    "Lipková et al. (2019), Personalized Radiotherapy Design for Glioblastoma: Integrating Mathematical Tumor Models, "
    "Multimodal Scans, and Bayesian Inference, doi:10.1109/TMI.2019.2902044"
)
# How far growth is looked at beyond the visible tumor [mm], and the spacing it is computed with [mm]. *Chosen*.
_REACH_MM, _SPACING_MM = 34.0, 1.875
# A correction by more than 2 in logit is no refinement; more than this part of the tumor needs a word. *Chosen*.
_LARGE_SHIFT, _NOTABLE_PART = 2.0, 0.2


@dataclass(frozen=True, kw_only=True)
class AssimilateMethod:
    """Inverse method ``assimilate``.

    Parameters
    ----------
    fit : FitSettings
        How growth is fitted.
    correction : CorrectionSettings
        How the density is corrected to the outlines.
    priority : PrioritySettings
        How priorities are made.
    spacing_mm : float
        Spacing of the simulations [mm], > 0.
    num_threads : int
        Threads of the fit; the result does not depend on it.

    Raises
    ------
    ParameterError
        If the spacing is not positive.
    """

    fit: FitSettings = field(default_factory=FitSettings)
    correction: CorrectionSettings = field(default_factory=CorrectionSettings)
    priority: PrioritySettings = field(default_factory=PrioritySettings)
    spacing_mm: float = _SPACING_MM
    num_threads: int = 1

    def __post_init__(self) -> None:
        if not self.spacing_mm > 0.0:
            raise ParameterError(f"spacing_mm must be > 0, got {self.spacing_mm}.")

    @property
    def name(self) -> str:
        """``assimilate``."""
        return "assimilate"

    @property
    def references(self) -> tuple[str, ...]:
        """The paper of the growth model."""
        return (_REFERENCE,)

    def request_space(self, wanted: SpaceName | None) -> SpaceRequest:
        """The patient's scan; simulations have their own spacing around the tumor."""
        return SpaceRequest(name="patient", on_scan=True)

    def estimate(self, observation: Observation, *, report: Reporter) -> Estimate:
        """Density that agrees with both outlines, what was fitted before, and priorities.

        Raises
        ------
        ParameterError
            If the observation does not lie in a patient's space.
        NumericalError
            If no tumor can be grown where the scan shows one, or the correction does not converge.
        """
        space = observation.space
        if not isinstance(space, PatientSpace):
            raise ParameterError(
                "method 'assimilate' needs the space of a patient: expected a PatientSpace, got "
                f"{type(space).__name__}. Use `personalize`, which makes it."
            )
        coarse = self._on_tumor_grid(observation, space)
        cavity = space.case.segmentation.cavity
        coarse_cavity = None if cavity is None else resample_mask(Volume(cavity, space.grid), coarse.grid).data
        anatomy = open_domain(coarse.require_space().anatomy, coarse.whole_tumor, coarse_cavity)
        report(ProgressEvent(task="fit growth", completed=0, total=2))
        fit = fit_tumor(coarse, anatomy, settings=self.fit, num_threads=self.num_threads)
        report(ProgressEvent(task="fit growth", completed=1, total=2))
        foci = add_foci(fit, coarse, anatomy, time_step_scale=self.fit.time_step_scale)
        report(ProgressEvent(task="fit growth", completed=2, total=2))
        grown = _on_scan(Volume(foci.cell_density, coarse.grid), space)
        window = _window(space, coarse)
        correction = self._corrected(grown, observation, space, anatomy, window)
        shift = _filled(correction.shift, window, grown.shape)
        return Estimate(
            cell_density=Volume(_filled(correction.cell_density, window, grown.shape), space.grid),
            uncorrected=Volume(grown, space.grid),
            priority=Volume(self._priorities(observation, coarse, anatomy, space), space.grid),
            maps={"unexplained": Volume(shift, space.grid)},
            space=space,
            parameters=_parameters(fit),
            details=_details(fit, foci, correction, shift, observation),
            concerns=_concerns(foci, shift, observation),
        )

    def _on_tumor_grid(self, observation: Observation, space: PatientSpace) -> Observation:
        """The masks on the grid of the simulations; a core that is lost there keeps its densest voxels."""
        grid = tumor_grid(space, observation.whole_tumor, spacing_mm=self.spacing_mm, reach_mm=_REACH_MM)
        masks = {"core": observation.tumor_core, "whole": observation.whole_tumor}
        parts = {name: resample(Volume(mask.astype(np.float32), space.grid), grid).data for name, mask in masks.items()}
        whole, core = parts["whole"] > 0.5, parts["core"] > 0.5
        if observation.has_core and not core.any():
            core = parts["core"] == parts["core"].max()
        if not whole.any():
            whole = parts["whole"] == parts["whole"].max()
        return Observation(
            tumor_core=core,
            whole_tumor=whole | core,
            grid=grid,
            thresholds=observation.thresholds,
            space=space.on_grid(grid),
        )

    def _corrected(
        self,
        grown: NDArray[np.float32],
        observation: Observation,
        space: PatientSpace,
        anatomy: Anatomy,
        window: tuple[slice, slice, slice],
    ) -> Correction:
        """The density on the scan's grid within the window, corrected to the outlines there."""
        tissue = resample_mask(Volume(anatomy.domain, anatomy.grid), space.grid).data
        domain = (tissue & space.case.brain) | observation.whole_tumor
        if space.case.segmentation.cavity is not None:
            domain &= ~space.case.segmentation.cavity
        return correct_phase(
            np.ascontiguousarray(grown[window]),
            observation.tumor_core[window],
            observation.whole_tumor[window],
            np.ascontiguousarray(domain[window]),
            space.grid.spacing_mm,
            thresholds=observation.thresholds,
            settings=self.correction,
        )

    def _priorities(
        self, observation: Observation, coarse: Observation, anatomy: Anatomy, space: PatientSpace
    ) -> NDArray[np.float32]:
        """Ranks on the scan's grid. Beyond the grid of the simulations, growth has the value of its border."""
        phase = grow_from_outlines(coarse.tumor_core, coarse.whole_tumor, anatomy, self.priority)
        brain, cavity = space.case.brain, space.case.segmentation.cavity
        treatable = brain if cavity is None else brain & ~cavity
        on_scan = _continued(Volume(phase, coarse.grid), space, self.priority.outside_per_mm)
        core = observation.tumor_core if observation.has_core else observation.whole_tumor
        return rank_voxels(on_scan, distance_mm(core, space.grid.spacing_mm), treatable, self.priority.pull_per_mm)


def _on_scan(density: Volume, space: PatientSpace) -> NDArray[np.float32]:
    """A density on the scan's grid: linear, 0 outside the brain and the grid it was computed on."""
    moved = np.clip(resample(density, space.grid).data, 0.0, 1.0)
    return np.where(space.case.brain, moved, 0.0).astype(np.float32)


def _continued(phase: Volume, space: PatientSpace, outside_per_mm: float) -> NDArray[np.float32]:
    """Values on the scan's grid; outside theirs, those of its nearest voxel, less their distance."""
    voxels = phase.grid.voxel_from_world @ space.grid.world_from_voxel
    places = [voxels[axis, axis] * np.arange(space.grid.shape[axis]) + voxels[axis, 3] for axis in range(3)]
    inside = [np.clip(place, 0, length - 1) for place, length in zip(places, phase.grid.shape, strict=True)]
    values = interpolate_at(phase.data, inside)
    beyond = [
        (np.abs(place - kept) * phase.grid.spacing_mm[axis]).astype(np.float32)
        for axis, (place, kept) in enumerate(zip(places, inside, strict=True))
    ]
    x, y, z = np.ix_(*beyond)
    return np.asarray(values - np.float32(outside_per_mm) * np.sqrt(x**2 + y**2 + z**2), dtype=np.float32)


def _window(space: PatientSpace, coarse: Observation) -> tuple[slice, slice, slice]:
    """Where the grid of the simulations lies in the scan's."""
    corners = np.array(np.meshgrid(*[(0, length - 1) for length in coarse.grid.shape])).T.reshape(-1, 3)
    voxels = space.grid.voxel_of(coarse.grid.world_of(corners))
    first = np.clip(np.ceil(voxels.min(axis=0)), 0, None).astype(int)
    last = np.minimum(np.floor(voxels.max(axis=0)).astype(int), np.array(space.grid.shape) - 1)
    x, y, z = (slice(int(start), int(stop) + 1) for start, stop in zip(first, last, strict=True))
    return x, y, z


def _filled(
    values: NDArray[np.float32], window: tuple[slice, slice, slice], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Values of a window in an array of zeros."""
    whole = np.zeros(shape, dtype=np.float32)
    whole[window] = values
    return whole


def _parameters(fit: TumorFit) -> dict[str, float]:
    found = fit.parameters
    return {
        "white_matter_diffusivity_mm2_per_day": found.white_matter_diffusivity_mm2_per_day,
        "proliferation_rate_per_day": found.proliferation_rate_per_day,
        "growth_time_days": fit.growth_time_days,
        **seed_values(found.seed_mm),
        **dict(zip(STRETCH_NAMES, found.axis_stretch, strict=True)),
    }


def _details(
    fit: TumorFit, foci: FociFit, correction: Correction, shift: NDArray[np.float32], seen: Observation
) -> dict[str, object]:
    sizes = np.abs(shift[seen.whole_tumor])
    return {
        "model": "fisher-kolmogorov",
        "diffusivity_ratio": fit.parameters.diffusivity_ratio,
        "dice_sum_one_seed": fit.dice_sum,
        "dice_sum_all_foci": foci.dice_sum,
        "foci": [dataclasses.asdict(focus) for focus in foci.foci],
        "num_simulations": fit.num_simulations + foci.num_simulations,
        "shift_median": float(np.median(sizes)),
        "shift_95_percent": float(np.percentile(sizes, 95.0)),
        "part_with_large_shift": float(np.mean(sizes > _LARGE_SHIFT)),
        "correction_residual": correction.residual,
    }


def _concerns(foci: FociFit, shift: NDArray[np.float32], seen: Observation) -> tuple[Concern, ...]:
    concerns = []
    part = float(np.mean(np.abs(shift[seen.whole_tumor]) > _LARGE_SHIFT))
    if part > _NOTABLE_PART:
        concerns.append(
            named_concern(
                "unexplained-scan",
                f"Growth does not explain {part:.0%} of the visible tumor: the density there is what the outlines say, "
                "not what the model found.",
                part,
            )
        )
    if foci.foci:
        number = len(foci.foci)
        noun = "one further focus" if number == 1 else f"{number} further foci"
        concerns.append(named_concern("further-foci", f"The scan needs {noun} beside the first.", float(number)))
    return tuple(concerns)
