"""What every inverse method is to `personalize`: masks in atlas space in, a density in atlas space out.

Registration, warping and reporting are the same for all methods; a method only answers one question, so methods can be
compared on the same patient and new ones are added without touching the pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gliofield.anatomy.segmentation import Segmentation
from gliofield.grid import Grid
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.personalize.density_posterior import DensityPosterior
from gliofield.progress import Reporter
from gliofield.volume import Volume


@dataclass(frozen=True, kw_only=True, eq=False)
class AtlasObservation:
    """What was seen of the tumor, on the simulation grid of the atlas, or of a patient whose own anatomy is used.

    Parameters
    ----------
    segmentation : Segmentation
        Masks on the grid the method asked for.
    thresholds : VisibilityThresholds
        Densities above which T1Gd and FLAIR are taken to show tumor.
    pet : Volume or None
        FET-PET on the same grid as it came, not normalized; None without.
    """

    segmentation: Segmentation
    thresholds: VisibilityThresholds
    pet: Volume | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """One tumor considered by a method, in its order of preference.

    `dice_t1gd` is None where the patient has no tumor core, `cell_density` (atlas) where it was not asked for.
    """

    index: int
    distance: float
    dice_t1gd: float | None
    dice_flair: float | None
    parameters: Mapping[str, float]
    cell_density: Volume | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class AtlasEstimate:
    """Answer of an inverse method.

    Parameters
    ----------
    cell_density : Volume
        Density on the atlas grid of the observation, in [0, 1].
    parameters : mapping of str to float
        Growth parameters behind it, units in the names.
    candidates : tuple of Candidate
        Runners-up, best first; empty where a method has none.
    details : mapping
        What else belongs into the provenance (database, checkpoint, …); JSON-ready.
    posterior : DensityPosterior or None
        How sure the answer is, where the method says.
    concerns : tuple of str
        What a reader of the answer should know, in plain words.
    """

    cell_density: Volume
    parameters: Mapping[str, float]
    candidates: tuple[Candidate, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    posterior: DensityPosterior | None = None
    concerns: tuple[str, ...] = ()


class InverseMethod(Protocol):
    """An inverse method, ready to be asked."""

    @property
    def name(self) -> str:
        """Name on the command line and in results."""

    @property
    def references(self) -> tuple[str, ...]:
        """Papers to cite when this method was used."""

    @property
    def grid(self) -> Grid:
        """Grid in atlas space on which the method wants its masks."""

    @property
    def atlas_hash(self) -> str:
        """Content hash of the atlas the method was made for."""

    @property
    def domain_rule(self) -> str:
        """Rule of the simulation domain the method was made with."""

    def estimate(self, observation: AtlasObservation, *, report: Reporter) -> AtlasEstimate:
        """Density and parameters for what was observed."""
