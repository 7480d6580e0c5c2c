"""Inverse method ``assimilate``: a map that honors the scan, in the patient's own brain.

Growth is fitted around the tumor (`assimilation.fit`), with as many foci as the scan needs (`foci`), brought to the
scan's resolution and corrected there to both outlines (`phase_correction`), so that the density agrees with what is
seen and growth speaks outside it. No database is needed.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import SpaceName, SpaceRequest
from gliofield.assimilation import (
    Correction,
    CorrectionSettings,
    Ellipsoid,
    FitSettings,
    FociFit,
    TumorFit,
    add_foci,
    correct_phase,
    fit_ellipsoid,
    fit_tumor,
)
from gliofield.concern import Concern, named_concern
from gliofield.errors import ParameterError
from gliofield.growth.parameters import STRETCH_NAMES, growth_values_of
from gliofield.imaging import Estimate, Observation
from gliofield.pipeline.density_posterior import CELLS_OUTSIDE_CORE, DensityPosterior
from gliofield.pipeline.ensemble_posterior import UncertaintySettings, ensemble_posterior
from gliofield.pipeline.spaces import DEFAULT_SPACING_MM, PatientSpace
from gliofield.pipeline.tumor_box import TumorBox
from gliofield.progress import ProgressEvent, Reporter, ignore_progress
from gliofield.resample import resample_mask
from gliofield.volume import Volume

_REFERENCE = (
    "Lipková et al. (2019), Personalized Radiotherapy Design for Glioblastoma: Integrating Mathematical Tumor Models, "
    "Multimodal Scans, and Bayesian Inference, doi:10.1109/TMI.2019.2902044"
)
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
    spacing_mm : float
        Spacing of the simulations [mm], > 0.
    uncertainty : UncertaintySettings or None
        How its uncertainty is found; None: not at all.
    num_threads : int
        Threads of fit and ensemble; the result does not depend on it.

    Raises
    ------
    ParameterError
        If the spacing is not positive.
    """

    fit: FitSettings = field(default_factory=FitSettings)
    correction: CorrectionSettings = field(default_factory=CorrectionSettings)
    spacing_mm: float = DEFAULT_SPACING_MM
    uncertainty: UncertaintySettings | None = None
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
        """Density that agrees with both outlines, and what was fitted before.

        Raises
        ------
        ParameterError
            If the observation does not lie in a patient's space.
        NumericalError
            If no tumor can be grown where the scan shows one, or the correction does not converge.
        """
        box, fit, foci = self.fit_growth(observation, report=report)
        grown = box.density_on_scan(foci.cell_density)
        correction = self._corrected(grown, observation, box)
        shift = _filled(correction.shift, box.window, grown.shape)
        posterior = self._posterior(observation, report)
        return Estimate(
            cell_density=Volume(_filled(correction.cell_density, box.window, grown.shape), box.scan.grid),
            uncorrected=Volume(grown, box.scan.grid),
            maps={"unexplained": Volume(shift, box.scan.grid)},
            space=box.scan,
            parameters=_parameters(fit),
            posterior=posterior,
            details={**_details(box, fit, foci, correction, shift, observation), **_stated(posterior)},
            concerns=_concerns(foci, shift, observation),
        )

    def fit_growth(
        self, observation: Observation, *, report: Reporter = ignore_progress
    ) -> tuple[TumorBox, TumorFit, FociFit]:
        """The box around the tumor, the growth that explains it best with one seed, and with all foci.

        Errors as `estimate`.
        """
        box, ellipsoid = self._along_tumor(observation)
        report(ProgressEvent(task="fit growth", completed=0, total=2))
        fit = self._fitted(box, ellipsoid)
        report(ProgressEvent(task="fit growth", completed=1, total=2))
        foci = add_foci(fit, box.seen, box.open_brain, time_step_scale=self.fit.time_step_scale)
        report(ProgressEvent(task="fit growth", completed=2, total=2))
        return box, fit, foci

    def correct(self, density: NDArray[np.float32], observation: Observation) -> NDArray[np.float32]:
        """Any density corrected to both outlines as the fitted one is, (X, Y, Z) on the scan's grid.

        Parameters
        ----------
        density : (X, Y, Z) float32 array
            In [0, 1], on the grid of the observation.
        observation : Observation
            Outlines on the patient's scan; errors as `estimate`.
        """
        box, _ = self._along_tumor(observation)
        correction = self._corrected(density * box.scan.case.brain, observation, box)
        return _filled(correction.cell_density, box.window, density.shape)

    def _along_tumor(self, observation: Observation) -> tuple[TumorBox, Ellipsoid]:
        """The box that growth is fitted in, along the axes of the tumor's ellipsoid, and that ellipsoid."""
        scan = _require_patient(observation)
        ellipsoid = fit_ellipsoid(observation.whole_tumor, scan.grid.spacing_mm)
        return TumorBox.around(observation, scan, spacing_mm=self.spacing_mm, axes=ellipsoid.axes), ellipsoid

    def _fitted(self, box: TumorBox, ellipsoid: Ellipsoid) -> TumorFit:
        """Growth fitted in the box, from the center and along the axes of the ellipsoid."""
        grid, scan = box.seen.grid, box.scan.grid
        center = grid.voxel_of(scan.world_of(ellipsoid.center_mm / scan.spacing_mm)) * grid.spacing_mm
        settings = self.fit
        if settings.num_stretched:
            settings = dataclasses.replace(settings, axis_stretch=ellipsoid.axis_stretch)
        return fit_tumor(box.seen, box.open_brain, settings=settings, center_mm=center, num_threads=self.num_threads)

    def _posterior(self, observation: Observation, report: Reporter) -> DensityPosterior | None:
        """How sure it is; in a box along the axes of the scan, between which members are moved fast."""
        if self.uncertainty is None:
            return None
        box = TumorBox.around(observation, _require_patient(observation), spacing_mm=self.spacing_mm)
        return ensemble_posterior(
            observation, box, settings=self.uncertainty, num_threads=self.num_threads, report=report
        )

    def _corrected(self, grown: NDArray[np.float32], observation: Observation, box: TumorBox) -> Correction:
        """The density on the scan's grid within the box, corrected to the outlines there."""
        scan, window = box.scan, box.window
        tissue = resample_mask(Volume(box.anatomy.domain, box.anatomy.grid), scan.grid).data
        domain = (tissue & scan.case.brain) | observation.whole_tumor
        if scan.case.segmentation.cavity is not None:
            domain &= ~scan.case.segmentation.cavity
        return correct_phase(
            np.ascontiguousarray(grown[window]),
            observation.tumor_core[window],
            observation.whole_tumor[window],
            np.ascontiguousarray(domain[window]),
            scan.grid.spacing_mm,
            thresholds=observation.thresholds,
            settings=self.correction,
        )


def _require_patient(observation: Observation) -> PatientSpace:
    space = observation.space
    if not isinstance(space, PatientSpace):
        raise ParameterError(
            "method 'assimilate' needs the space of a patient: expected a PatientSpace, got "
            f"{type(space).__name__}. Use `personalize`, which makes it."
        )
    return space


def _filled(
    values: NDArray[np.float32], window: tuple[slice, slice, slice], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Values of a window in an array of zeros."""
    whole = np.zeros(shape, dtype=np.float32)
    whole[window] = values
    return whole


def _parameters(fit: TumorFit) -> dict[str, float]:
    stretch = dict(zip(STRETCH_NAMES, fit.parameters.axis_stretch, strict=True))
    return {**growth_values_of(fit.parameters, fit.growth_time_days), **stretch}


def _details(
    box: TumorBox,
    fit: TumorFit,
    foci: FociFit,
    correction: Correction,
    shift: NDArray[np.float32],
    seen: Observation,
) -> dict[str, object]:
    directions = box.seen.grid.world_from_voxel[:3, :3] / np.array(box.seen.grid.spacing_mm)
    sizes = np.abs(shift[seen.whole_tumor])
    return {
        "model": "fisher-kolmogorov",
        "diffusivity_ratio": fit.parameters.diffusivity_ratio,
        "axes_of_the_tensor": directions.T.round(6).tolist(),
        "dice_sum_one_seed": fit.dice_sum,
        "dice_sum_all_foci": foci.dice_sum,
        "foci": [dataclasses.asdict(focus) for focus in foci.foci],
        "num_simulations": fit.num_simulations + foci.num_simulations,
        "shift_median": float(np.median(sizes)),
        "shift_95_percent": float(np.percentile(sizes, 95.0)),
        "part_with_large_shift": float(np.mean(sizes > _LARGE_SHIFT)),
        "correction_residual": correction.residual,
        "uses_pet": seen.pet is not None,
        "pet_explained_one_seed": fit.pet_explained,
    }


def _stated(posterior: DensityPosterior | None) -> dict[str, object]:
    """How many cells an ensemble finds outside the core; nothing without one."""
    if posterior is None or posterior.cells_outside_core is None:
        return {}
    return {CELLS_OUTSIDE_CORE: dataclasses.asdict(posterior.cells_outside_core)}


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
        noun = "one further seed was" if number == 1 else f"{number} further seeds were"
        text = f"Growth from one seed leaves a part of the visible tumor without cells: {noun} added."
        concerns.append(named_concern("further-foci", text, float(number)))
    return tuple(concerns)
