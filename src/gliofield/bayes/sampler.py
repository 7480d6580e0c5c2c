"""What another sampler than importance sampling is: settings of its own, which sample a target.

`pipeline.SampleMethod` takes one in the place of `ImportanceSettings`. A package offers one, with what goes with it,
by an entry point of the group ``gliofield.presets`` (`gliofield.plugins`), as the papers do with TMCMC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from gliofield.bayes.posterior import PosteriorSamples
from gliofield.bayes.target import PosteriorTarget
from gliofield.concern import Concern
from gliofield.progress import Reporter


class SamplerStage(Protocol):
    """What happened in one stage, or batch, of a sampler: a dataclass, whose fields results hold."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    #: What a stage and the share are called in figures.
    name: ClassVar[str]
    share_name: ClassVar[str]

    @property
    def tempering_exponent(self) -> float:
        """Power of the likelihood that was sampled, in (0, 1]."""
        ...

    @property
    def share(self) -> float:
        """What part of its draws or proposals was worth something, in [0, 1]."""
        ...

    @property
    def num_likelihoods(self) -> int:
        """Likelihoods computed."""
        ...

    @property
    def is_adapting(self) -> bool:
        """Whether its draws do not count."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class SampledPosterior:
    """What a sampler came back with.

    Parameters
    ----------
    samples : PosteriorSamples
        Of all parameters.
    stages : sequence of SamplerStage
        Its stages or batches.
    effective_samples : float
        How many independent samples these are worth.
    num_likelihoods : int
        Of the whole run, restarts included.
    details : mapping
        What else there is to record, JSON-ready.
    concerns : tuple of Concern
        Remarks on the run.
    """

    samples: PosteriorSamples
    stages: Sequence[SamplerStage]
    effective_samples: float
    num_likelihoods: int
    details: Mapping[str, Any]
    concerns: tuple[Concern, ...] = ()


class Sampler(Protocol):
    """A frozen dataclass of settings, which results record."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str:
        """What results call it."""
        ...

    @property
    def seed(self) -> int:
        """Root of all randomness, ≥ 0."""
        ...

    @property
    def references(self) -> tuple[str, ...]:
        """Papers to cite."""
        ...

    def sample(self, target: PosteriorTarget, *, report: Reporter) -> SampledPosterior:
        """Samples of the target.

        Raises
        ------
        NumericalError
            If the data are impossible under the prior, or samples collapse.
        """
        ...
