"""What `personalize` returns: values that print a summary, save themselves and show themselves in a notebook."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gliofield.anatomy import Atlas
from gliofield.concern import Concern, Verdict, verdict_in_words, verdict_of
from gliofield.imaging import Estimate, VisibilityThresholds
from gliofield.metrics import MaskAgreement
from gliofield.pipeline.case import Case
from gliofield.pipeline.density_posterior import DensityPosterior, ExpectedCells
from gliofield.pipeline.input_checks import InputChecks
from gliofield.pipeline.rankings import Rankings
from gliofield.pipeline.tumor_coverage import TumorCoverage
from gliofield.registration import RegistrationQuality, RegistrationResult
from gliofield.volume import Volume


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PersonalizationResult:
    """Everything one personalization found out.

    Parameters
    ----------
    case : Case
        The patient.
    estimate : Estimate
        Answer of the method, in the space it worked in: a density, and parameters, candidates and posterior where it
        has them.
    density_patient : Volume
        Tumor-cell density on the case's grid (RAS+), float32 in [0, 1], 0 outside the brain.
    density_atlas : Volume
        The method's density on the simulation grid of the atlas.
    candidate_densities_patient : tuple of Volume
        Densities of the candidates of which they were asked for, best first, as `density_patient`.
    posterior_patient, posterior_atlas : mapping of str to Volume
        Maps of the method's posterior (``mean``, ``std``, ``probability_t1gd``, ``probability_flair``) as
        `density_patient` and `density_atlas`; empty where the method has none.
    rankings : Rankings or None
        Voxels in four orders: two margins, the density, and the priority.
    maps_patient : mapping of str to Volume
        Further maps of the method on the case's grid.
    seed_patient_mm, seed_atlas_mm : tuple of 3 float, or None
        Seed of the tumor in both worlds [mm, RAS+]; None where the method gives none.
    registration : RegistrationResult
        Transform between the two worlds.
    registration_quality : RegistrationQuality
        What the transform does to brain and tumor.
    thresholds : VisibilityThresholds
        Densities taken as visible.
    agreement_patient, agreement_atlas : MaskAgreement
        Dice in both worlds, before a correction to the outlines.
    agreement_corrected : MaskAgreement or None
        Dice in the patient after the correction, by construction; None where nothing was corrected.
    tumor_outside_domain : mapping of str to float or None
        Part of core and whole tumor outside the simulation domain, on its grid, which no simulation can match; None
        where there is no such mask or the method simulates nothing.
    input_checks : InputChecks or None
        Whether scan, outlines and header belong together.
    coverage : TumorCoverage or None
        What the answer does with the visible tumor, before a correction.
    concerns : tuple of Concern
        What a reader of the result should know, most harmful first.
    settings : mapping
        Settings of the run, JSON-ready.
    seconds : mapping of str to float
        Wall time of every stage [s].
    method_name : str
        Name of the method.
    references : tuple of str
        Papers behind the methods used.
    density_judged : Volume or None
        The density by which the answer is judged, on the case's grid: before a correction to the outlines.
    atlas : Atlas or None
        What the patient was registered to.
    """

    case: Case
    estimate: Estimate
    density_patient: Volume
    density_atlas: Volume
    registration: RegistrationResult
    registration_quality: RegistrationQuality
    thresholds: VisibilityThresholds
    agreement_patient: MaskAgreement
    agreement_atlas: MaskAgreement
    tumor_outside_domain: Mapping[str, float | None]
    concerns: tuple[Concern, ...]
    settings: Mapping[str, Any]
    seconds: Mapping[str, float]
    method_name: str
    references: tuple[str, ...]
    candidate_densities_patient: tuple[Volume, ...] = ()
    posterior_patient: Mapping[str, Volume] = field(default_factory=dict)
    posterior_atlas: Mapping[str, Volume] = field(default_factory=dict)
    rankings: Rankings | None = None
    maps_patient: Mapping[str, Volume] = field(default_factory=dict)
    agreement_corrected: MaskAgreement | None = None
    input_checks: InputChecks | None = None
    coverage: TumorCoverage | None = None
    seed_patient_mm: tuple[float, float, float] | None = None
    seed_atlas_mm: tuple[float, float, float] | None = None
    density_judged: Volume | None = None
    atlas: Atlas | None = None

    def __repr__(self) -> str:
        """The summary, so that printing a result tells what it is."""
        return self.summary()

    def _repr_html_(self) -> str:
        """Picture and table for a notebook."""
        from gliofield.report import result_html

        return result_html(self)

    @property
    def verdict(self) -> Verdict:
        """Whether the map can be used as it is: ``no-concern``, ``check`` or ``do-not-use``."""
        return verdict_of(self.concerns)

    @property
    def cells_outside_core(self) -> ExpectedCells | None:
        """Cells outside the core with their interval, where the method states them."""
        posterior = self.estimate.posterior
        return posterior.cells_outside_core if isinstance(posterior, DensityPosterior) else None

    def summary(self) -> str:
        """A few lines: verdict, method, volumes, agreement, parameters, concerns."""
        agreement, density = self.agreement_patient, self.density_patient
        core = "no core" if agreement.dice_t1gd is None else f"T1Gd {agreement.dice_t1gd:.2f}"
        shown_ml = float(self.thresholds.whole_tumor(density.data).sum()) * density.grid.voxel_volume_ml
        checks, covered = self.input_checks, self.coverage
        lines = [
            verdict_in_words(self.concerns),
            f"Tumor-cell density by method {self.method_name!r} (space: {self.settings['space']})",
            f"  tumor in the scan   core {self.case.segmentation.core_ml:.1f} ml, whole tumor "
            f"{self.case.segmentation.whole_ml:.1f} ml",
            f"  density above {self.thresholds.flair_threshold:g}   {shown_ml:.1f} ml",
            f"  Dice with the scan  {core}, FLAIR {agreement.dice_flair:.2f}",
        ]
        if checks is not None:
            lines.append(f"  labels taken for    {checks.label_scheme}, core {checks.core_share:.0%} of the tumor")
        if covered is not None:
            lines.append(
                f"  tumor without cells {covered.without_cells_ml:.1f} ml ({covered.without_cells_share:.0%}), below "
                f"{self.thresholds.flair_threshold:g}: {covered.below_threshold_ml:.1f} ml"
            )
        if self.cells_outside_core is not None:
            lines.append(f"  {self.cells_outside_core.in_words()}")
        if self.seed_patient_mm is not None:
            lines.append("  seed in the patient " + ", ".join(f"{x:.1f}" for x in self.seed_patient_mm) + " mm (RAS+)")
        lines += [f"  {concern.level}: {concern.text}" for concern in self.concerns]
        lines.append("For research use only; not a medical device.")
        return "\n".join(lines)

    def save(self, folder: str | os.PathLike[str], *, name: str = "", force: bool = False) -> Path:
        """Write the result folder and return its path.

        Parameters
        ----------
        folder : path
            Where to; it must not exist, unless `force`.
        name : str
            Name of the patient in the picture's title.
        force : bool
            Replace an existing result folder; nothing else is ever replaced.

        Raises
        ------
        OutputError
            If the folder exists and may not be replaced, or cannot be written (nothing is left then).
        """
        from gliofield.report import write_result_folder

        return write_result_folder(self, folder, name=name, force=force)
