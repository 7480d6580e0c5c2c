"""One patient of the cohort, grown: brain, tumor, what is seen of it under each false edema, and its recurrence.

An attempt whose numbers make no usable patient (nothing to see, no room, too large) is given up for the next one of the
same seed; how often, and why, is kept. Images are painted when they are asked for, one condition at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.anatomy.atlas import Atlas
from gliofield.anatomy.growth_domain import Anatomy
from gliofield.box import box_of, slices_of, widened
from gliofield.errors import NumericalError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters, MassEffect, MassEffectParameters
from gliofield.growth.seed import SEED_VARIANCE_MM2, seed_density
from gliofield.resample import resample
from gliofield.virtual.brain import Resolution, VirtualBrain, drawn_from, make_virtual_brain, seed_candidates
from gliofield.virtual.images import TumorSigns, paint_images
from gliofield.volume import Volume
from gliofield_evaluation.virtual.design import CohortPatient, DrawnTumor
from gliofield_evaluation.virtual.edema import false_edema
from gliofield_evaluation.virtual.outlines import SeenThresholds, cavity_of, draw_outlines
from gliofield_evaluation.virtual.random_fields import SmoothField
from gliofield_evaluation.virtual.recurrence import Recurrence, regrow
from gliofield_evaluation.virtual.true_growth import TrueGrowth

#: The margin that cells are counted in [mm].
MARGIN_MM = 15.0
_MOST_ATTEMPTS = 20
# Sizes of patients [ml], least and largest; a tumor that pushes is grown without its push first, and given up where it
# is off by more than a factor. *Chosen*.
_CORE_ML, _WHOLE_ML, _PUSHED_FACTOR = (1.0, 60.0), (15.0, 200.0), 1.5
_LEAST_CAVITY_ML = 2.0
# Smoothness of the fields of diffusivity and rate [mm], how near a second seed must be to its distance [mm], and growth
# times 1/ρ between resection and scan. *Chosen*.
_PHYSICS_SMOOTHNESS_MM, _DISTANCE_TOLERANCE_MM, _AFTER_SURGERY = 15.0, 2.0, 0.3


class UnusableTumorError(NumericalError):
    """The numbers of an attempt make no patient."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GrownPatient:
    """A finished patient of the cohort.

    Parameters
    ----------
    patient : CohortPatient
        Which one.
    drawn : DrawnTumor
        Its numbers.
    unusable : tuple of str
        Why earlier attempts were given up, in order.
    brain : VirtualBrain
        Tissue as it lies, on the grid of the images.
    cell_density : Volume
        Truth on the same grid.
    signs : TumorSigns
        What is seen without false edema.
    edema : dict of str to (X, Y, Z) bool array
        What FLAIR shows besides, by condition.
    recurrence : Recurrence
        What grew again.
    seeds_mm : tuple of (float, float, float)
        Where it began [mm].
    displacement_mm : float
        Largest displacement by mass effect [mm].
    resolution : Resolution
        Its grids.
    """

    patient: CohortPatient
    drawn: DrawnTumor
    unusable: tuple[str, ...]
    brain: VirtualBrain
    cell_density: Volume
    signs: TumorSigns
    edema: dict[str, NDArray[np.bool_]]
    recurrence: Recurrence
    seeds_mm: tuple[tuple[float, float, float], ...]
    displacement_mm: float
    resolution: Resolution

    @property
    def attempt(self) -> int:
        """Number of the attempt, from 0."""
        return len(self.unusable)

    @property
    def has_core(self) -> bool:
        """Whether there is a core to see."""
        return bool(self.signs.tumor_core.any())

    def signs_of(self, condition: str) -> TumorSigns:
        """What is seen under a condition of the patient."""
        return TumorSigns(
            whole_tumor=self.signs.whole_tumor | self.edema[condition],
            tumor_core=self.signs.tumor_core,
            necrotic=self.signs.necrotic,
            cavity=self.signs.cavity,
        )

    def images_of(self, condition: str) -> dict[str, Volume]:
        """T1, T1Gd and FLAIR under a condition: the same acquisition, noise included."""
        return paint_images(self.brain, self.signs_of(condition), rng=self.patient.rng(self.attempt, "images"))

    @cached_property
    def cells_in_margin(self) -> float | None:
        """Part of the true cells outside the core that lie within 15 mm of it; None without a core."""
        return part_of_cells_in_margin(self.cell_density, self.signs.tumor_core, self.brain.maps.brain)

    def volume_ml(self, mask: NDArray[np.bool_] | None) -> float:
        """Volume of a mask on the grid of the images [ml]; 0 for none."""
        return 0.0 if mask is None else float(np.count_nonzero(mask)) * self.cell_density.grid.voxel_volume_ml


def grow_cohort_patient(patient: CohortPatient, atlas: Atlas, *, resolution: Resolution | None = None) -> GrownPatient:
    """Grow one patient of the design.

    Parameters
    ----------
    patient : CohortPatient
        Which one.
    atlas : Atlas
        Brain to deform, normally ``mni152``.
    resolution : Resolution, optional
        Grids; the default is that of the cohort.

    Raises
    ------
    NumericalError
        If none of 20 attempts makes a patient.
    """
    unusable: list[str] = []
    for attempt in range(_MOST_ATTEMPTS):
        try:
            return _Attempt(patient, attempt, atlas, resolution or Resolution()).finished(tuple(unusable))
        except NumericalError as error:
            unusable.append(str(error))
    raise NumericalError(
        f"{patient.name} has no usable attempt among {_MOST_ATTEMPTS}: expected a tumor that is seen and has room. The "
        f"last one: {unusable[-1]} Check the atlas."
    )


def part_of_cells_in_margin(cell_density: Volume, core: NDArray[np.bool_], brain: NDArray[np.bool_]) -> float | None:
    """Part of the cells outside the core within 15 mm of it (Euclidean, inside the brain); None without a core.

    Parameters
    ----------
    cell_density : Volume
        Truth.
    core, brain : (X, Y, Z) bool array
        On the same grid.
    """
    outside = cell_density.data * (brain & ~core)
    total = float(outside.sum(dtype=np.float64))
    if not core.any() or total == 0.0:
        return None
    spacing_mm = cell_density.grid.spacing_mm
    box = slices_of(widened(box_of(core), int(MARGIN_MM / min(spacing_mm)) + 1, core.shape))
    near = ndimage.distance_transform_edt(~core[box], sampling=spacing_mm) <= MARGIN_MM
    return float(outside[box][near].sum(dtype=np.float64)) / total


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tumor:
    """A tumor as it is scanned: density and growth on the grid of the simulation, in the tissue as it lies."""

    density: NDArray[np.float32]
    growth: TrueGrowth
    brain: VirtualBrain
    seeds_mm: tuple[tuple[float, float, float], ...]
    displacement_mm: float = 0.0


class _Attempt:
    """One attempt at a patient; every part draws from a stream of its own."""

    def __init__(self, patient: CohortPatient, attempt: int, atlas: Atlas, resolution: Resolution) -> None:
        self._patient, self._attempt, self._resolution = patient, attempt, resolution
        self._drawn = patient.drawn(attempt)
        self._brain = make_virtual_brain(atlas, rng=self._rng("brain"), resolution=resolution)

    def finished(self, unusable: tuple[str, ...]) -> GrownPatient:
        """The patient; raises `NumericalError` if it is unusable."""
        drawn, image_grid = self._drawn, self._resolution.image_grid
        tumor = self._tumor_with_mass_effect() if drawn.push_pa > 0.0 else self._tumor_by_growth()
        maps = tumor.brain.maps
        rng = self._rng("outlines")
        thresholds = SeenThresholds.varied(drawn, image_grid, rng)
        cavity = None
        if drawn.resected_part > 0.0:
            cavity = cavity_of(_on(image_grid, tumor), maps, thresholds, rng=rng)
            tumor = self._after_surgery(tumor, cavity)
        density = _on(image_grid, tumor) * maps.brain
        if cavity is not None:
            density[cavity] = 0.0
        signs = draw_outlines(density, maps, thresholds, rng=rng, cavity=cavity)
        self._require_usable(signs)
        return GrownPatient(
            patient=self._patient,
            drawn=drawn,
            unusable=unusable,
            brain=tumor.brain,
            cell_density=Volume(density.astype(np.float32), image_grid),
            signs=signs,
            edema=self._edema(signs, tumor),
            recurrence=self._recurrence(tumor, signs, thresholds),
            seeds_mm=tumor.seeds_mm,
            displacement_mm=tumor.displacement_mm,
            resolution=self._resolution,
        )

    def _rng(self, stream: str) -> np.random.Generator:
        return self._patient.rng(self._attempt, stream)

    def _parameters(self, seed_mm: tuple[float, float, float]) -> FisherKolmogorovParameters:
        drawn = self._drawn
        return FisherKolmogorovParameters(
            white_matter_diffusivity_mm2_per_day=drawn.white_matter_diffusivity_mm2_per_day,
            proliferation_rate_per_day=drawn.proliferation_rate_per_day,
            seed_mm=seed_mm,
            diffusivity_ratio=drawn.diffusivity_ratio,
            axis_stretch=drawn.axis_stretch,
        )

    def _seeds(self, candidates_mm: NDArray[np.float64]) -> tuple[tuple[float, float, float], ...]:
        rng = self._rng("place")
        first = drawn_from(candidates_mm, rng)
        distance_mm = self._drawn.second_focus_distance_mm
        if distance_mm == 0.0:
            return (first,)
        off_mm = np.abs(np.linalg.norm(candidates_mm - first, axis=1) - distance_mm)
        if not (off_mm <= _DISTANCE_TOLERANCE_MM).any():
            raise UnusableTumorError(f"a second seed has no room {distance_mm:.0f} mm from the first.")
        return first, drawn_from(candidates_mm[off_mm <= _DISTANCE_TOLERANCE_MM], rng)

    def _tumor_by_growth(self) -> _Tumor:
        """Grown by reaction and diffusion; a second focus begins later, among the cells of the first."""
        drawn, grid = self._drawn, self._resolution.simulation_grid
        anatomy = self._brain.anatomy(grid)
        seeds_mm = self._seeds(seed_candidates(anatomy))
        rng = self._rng("physics")
        fields = [SmoothField.drawn(grid, _PHYSICS_SMOOTHNESS_MM, rng).on(grid) for _ in range(2)]
        spreads = (drawn.diffusivity_spread, drawn.rate_spread)
        factors = [
            np.exp(np.float32(spread) * field) if spread > 0.0 else None
            for field, spread in zip(fields, spreads, strict=True)
        ]
        growth = TrueGrowth(
            anatomy=anatomy,
            parameters=self._parameters(seeds_mm[0]),
            diffusivity_factor=factors[0],
            rate_factor=factors[1],
        )
        density, total_days = seed_density(anatomy, seeds_mm[0]), drawn.growth_time_days
        if len(seeds_mm) == 1:
            density = growth.grown(density, total_days, initial_variance_mm2=SEED_VARIANCE_MM2)
        else:
            days = drawn.second_focus_age * total_days
            density = growth.grown(density, total_days - days, initial_variance_mm2=SEED_VARIANCE_MM2)
            density = np.maximum(density, seed_density(anatomy, seeds_mm[1]))
            density = growth.grown(density, days, initial_variance_mm2=SEED_VARIANCE_MM2)
        return _Tumor(density=density, growth=growth, brain=self._brain, seeds_mm=seeds_mm)

    def _tumor_with_mass_effect(self) -> _Tumor:
        """Grown with a push; tissue and template lie where it moved them."""
        drawn, grid = self._drawn, self._resolution.simulation_grid
        anatomy = self._brain.anatomy(grid)
        (seed_mm,) = self._seeds(seed_candidates(anatomy))
        parameters = MassEffectParameters(
            white_matter_diffusivity_mm2_per_day=drawn.white_matter_diffusivity_mm2_per_day,
            proliferation_rate_per_day=drawn.proliferation_rate_per_day,
            seed_mm=seed_mm,
            diffusivity_ratio=drawn.diffusivity_ratio,
            push_pa=drawn.push_pa,
        )
        self._require_size_without_push(anatomy, self._parameters(seed_mm))
        solution = MassEffect().simulate(anatomy, parameters, [drawn.growth_time_days])
        brain = self._brain.displaced(solution.displacement_mm[0], grid)
        return _Tumor(
            density=solution.cell_density[0],
            growth=TrueGrowth(anatomy=brain.anatomy(grid), parameters=self._parameters(seed_mm)),
            brain=brain,
            seeds_mm=(seed_mm,),
            displacement_mm=solution.largest_displacement_mm(0),
        )

    def _require_size_without_push(self, anatomy: Anatomy, parameters: FisherKolmogorovParameters) -> None:
        """Most unusable tumors are known before the push, which takes a hundred times as long."""
        solution = FisherKolmogorov().simulate(anatomy, parameters, [self._drawn.growth_time_days])
        whole_ml = float(solution.volume_ml(self._drawn.flair_threshold)[0])
        core_ml = float(solution.volume_ml(self._drawn.t1gd_threshold)[0])
        least_ml, most_ml = _WHOLE_ML
        if not least_ml / _PUSHED_FACTOR <= whole_ml <= most_ml * _PUSHED_FACTOR or core_ml == 0.0:
            raise UnusableTumorError(
                f"without its push the tumor has {whole_ml:.1f} ml, {core_ml:.1f} ml of it core: expected between "
                f"{least_ml:g} and {most_ml:g} ml within a factor of {_PUSHED_FACTOR:g}, and a core."
            )

    def _after_surgery(self, tumor: _Tumor, cavity: NDArray[np.bool_]) -> _Tumor:
        """The tumor some weeks after cells and tissue of a cavity were taken out."""
        image_grid, grid = self._resolution.image_grid, self._resolution.simulation_grid
        if np.count_nonzero(cavity) * image_grid.voxel_volume_ml < _LEAST_CAVITY_ML:
            raise UnusableTumorError(f"the resection cavity is smaller than {_LEAST_CAVITY_ML:g} ml.")
        closed = np.asarray(resample(Volume(cavity.astype(np.float32), image_grid), grid).data > 0.5)
        growth = tumor.growth.without(closed)
        days = _AFTER_SURGERY / self._drawn.proliferation_rate_per_day
        density = growth.grown(tumor.density, days, initial_variance_mm2=growth.anatomy.spacing_mm**2)
        return _Tumor(density=density, growth=growth, brain=tumor.brain, seeds_mm=tumor.seeds_mm)

    def _require_usable(self, signs: TumorSigns) -> None:
        voxel_ml = self._resolution.image_grid.voxel_volume_ml
        core_ml, whole_ml = (np.count_nonzero(mask) * voxel_ml for mask in (signs.tumor_core, signs.whole_tumor))
        least_ml, most_ml = _WHOLE_ML
        if not least_ml <= whole_ml <= most_ml:
            raise UnusableTumorError(f"the whole tumor has {whole_ml:.1f} ml, outside {least_ml:g} to {most_ml:g} ml.")
        least_ml, most_ml = _CORE_ML
        if self._drawn.enhancing_part > 0.0 and not least_ml <= core_ml <= most_ml:
            raise UnusableTumorError(f"the core has {core_ml:.2f} ml, outside {least_ml:g} to {most_ml:g} ml.")

    def _edema(self, signs: TumorSigns, tumor: _Tumor) -> dict[str, NDArray[np.bool_]]:
        coarse = tumor.brain.maps.resampled(self._resolution.simulation_grid)
        return {
            condition: false_edema(condition, signs, tumor.brain.maps, coarse, rng=self._rng("edema"))
            for condition in self._patient.conditions
        }

    def _recurrence(self, tumor: _Tumor, signs: TumorSigns, thresholds: SeenThresholds) -> Recurrence:
        image_grid = self._resolution.image_grid
        closed = signs.tumor_core if signs.cavity is None else signs.tumor_core | signs.cavity
        return regrow(
            Volume(tumor.density, self._resolution.simulation_grid),
            tumor.growth,
            thresholds,
            core=Volume(signs.tumor_core, image_grid),
            closed=Volume(closed, image_grid),
            white_matter=Volume(tumor.brain.maps.white_matter, image_grid),
            rng=self._rng("recurrence"),
        )


def _on(image_grid: Grid, tumor: _Tumor) -> NDArray[np.float32]:
    """The density of a tumor on the grid of the images."""
    return np.asarray(resample(Volume(tumor.density, tumor.growth.anatomy.grid), image_grid).data, dtype=np.float32)
