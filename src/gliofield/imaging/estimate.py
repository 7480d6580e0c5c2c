"""What an inverse method answers, and what every inverse method is.

Registration, warping, scoring and reporting are the same for all methods. A method says in which space it wants to
work, and answers one question there, so methods can be compared on the same patient and new ones are added without
touching the pipeline: an `InverseMethod` of three properties and two functions is enough. A method may answer with a
density alone; growth parameters, candidates and a posterior are extras.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from gliofield.anatomy.space import Space, SpaceName, SpaceRequest
from gliofield.concern import Concern, as_concerns
from gliofield.errors import ImageError
from gliofield.growth.parameters import SEED_NAMES
from gliofield.imaging.observation import Observation
from gliofield.progress import Reporter
from gliofield.volume import Volume


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """One tumor considered by a method, in its order of preference.

    `dice_t1gd` is None where the patient has no tumor core, `cell_density` (in the estimate's space) where it was not
    asked for.
    """

    index: int
    distance: float
    dice_t1gd: float | None
    dice_flair: float | None
    parameters: Mapping[str, float]
    cell_density: Volume | None = None


class Posterior(Protocol):
    """How sure an estimate is, as maps in its space."""

    @property
    def maps(self) -> Mapping[str, Volume]:
        """Maps by name, such as ``mean``, ``std`` and ``probability_flair``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """Answer of an inverse method.

    Parameters
    ----------
    cell_density : Volume
        Density on the grid of the space, in [0, 1].
    space : Space
        Where the tumor grew: the space of the observation.
    parameters : mapping of str to float
        Growth parameters behind it, units in the names, the seed (`SEED_NAMES`) in the world of the space; empty where
        the method has none.
    candidates : tuple of Candidate
        Runners-up, best first; empty where a method has none.
    posterior : Posterior or None
        How sure the answer is, where the method tells.
    uncorrected : Volume or None
        The density before it was made to agree with the outlines; None where nothing was corrected. Quality is judged
        by it, for what a correction makes true says nothing.
    is_ranking : bool
        The density only orders voxels, as a margin does: agreement with the outlines is not asked of it.
    maps : mapping of str to Volume
        Further maps of the method by name, on the grid of the space.
    details : mapping
        What else belongs into the provenance (database, checkpoint, …); JSON-ready.
    concerns : tuple of Concern
        What a reader of the answer should know. Sentences (str) are taken, too, and become the concern ``method``.

    Raises
    ------
    GridMismatchError
        If the density lies on another grid than the space.
    ImageError
        If a density is not finite, or outside [0, 1] by more than rounding.
    ParameterError
        If a concern is neither a `Concern` nor a sentence.
    """

    cell_density: Volume
    space: Space
    parameters: Mapping[str, float] = field(default_factory=dict)
    candidates: tuple[Candidate, ...] = ()
    posterior: Posterior | None = None
    uncorrected: Volume | None = None
    is_ranking: bool = False
    maps: Mapping[str, Volume] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    concerns: tuple[Concern, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "concerns", as_concerns(self.concerns))
        self.cell_density.grid.require_same_as(self.space.grid, self_name="cell_density", other_name="space")
        lowest, highest = float(self.cell_density.data.min()), float(self.cell_density.data.max())
        # Solvers overshoot by rounding; NaN fails every comparison.
        if not (lowest >= -1e-3 and highest <= 1.0 + 1e-3):
            raise ImageError(
                f"Estimate: cell_density must be finite and lie in [0, 1], got values from {lowest:.4g} to "
                f"{highest:.4g}. Was it scaled to the carrying capacity?"
            )

    def __repr__(self) -> str:
        """Space, grid and what the method gave beside the density."""
        extras = [f"{len(self.parameters)} parameters", f"{len(self.candidates)} candidates"]
        extras += [] if self.posterior is None else ["posterior"]
        return f"Estimate(space {self.space.name!r}, {', '.join(extras)}; {self.space.grid.describe()})"

    @property
    def seed_mm(self) -> tuple[float, float, float] | None:
        """Seed of the tumor in the world of the space [mm, RAS+]; None where the method gives none."""
        if any(name not in self.parameters for name in SEED_NAMES):
            return None
        x_mm, y_mm, z_mm = (float(self.parameters[name]) for name in SEED_NAMES)
        return x_mm, y_mm, z_mm


@runtime_checkable
class InverseMethod(Protocol):
    """An inverse method, ready to be asked."""

    @property
    def name(self) -> str:
        """Name on the command line and in results."""

    @property
    def references(self) -> tuple[str, ...]:
        """Papers to cite when this method was used."""

    def request_space(self, wanted: SpaceName | None) -> SpaceRequest:
        """The space the method works in.

        Parameters
        ----------
        wanted : str or None
            What the user asked for; None: the method's own choice. A method that works in the atlas only answers
            ``"atlas"`` all the same; its tumor is then grown again in the patient, where it has growth parameters.
        """

    def estimate(self, observation: Observation, *, report: Reporter) -> Estimate:
        """Density, and what else the method has to say, for what was observed in the space it asked for."""
