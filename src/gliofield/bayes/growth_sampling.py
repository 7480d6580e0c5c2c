"""Samples of all parameters of a likelihood, whether all are sampled or growth alone.

With imaging parameters integrated out (`imaging_integral`) a sampler sees growth; what it comes back with is completed
by draws of the others. Which sampler runs, and on how many levels, is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gliofield.bayes.growth_target import GrowthLikelihood, SimulationCounts
from gliofield.bayes.imaging_integral import ImagingPrior
from gliofield.bayes.posterior import PosteriorSamples
from gliofield.bayes.prior import BoxPrior, GrowthTimePrior
from gliofield.bayes.target import PosteriorTarget
from gliofield.bayes.tmcmc_state import TmcmcResult

#: Samples the target whose likelihood is given beside it.
Sampler = Callable[[PosteriorTarget, GrowthLikelihood], TmcmcResult]


@dataclass(frozen=True, kw_only=True, eq=False)
class GrowthSampling:
    """What a run came back with.

    Parameters
    ----------
    samples : PosteriorSamples
        Of all parameters.
    run : TmcmcResult
        Of those that were sampled.
    counts : SimulationCounts
        Simulations of the likelihood that was sampled, since it was made.
    """

    samples: PosteriorSamples
    run: TmcmcResult
    counts: SimulationCounts

    @property
    def num_sampled(self) -> int:
        """How many of the parameters were sampled."""
        return self.run.coordinates.shape[1]

    @property
    def num_completed(self) -> int:
        """Simulations that were for imaging parameters drawn afterwards."""
        return len(self.samples.parameters) if self.num_sampled < len(self.samples.names) else 0


def sample_growth(
    whole: GrowthLikelihood,
    prior: BoxPrior | GrowthTimePrior,
    sampler: Sampler,
    *,
    integrates_imaging: bool,
    rng: np.random.Generator,
) -> GrowthSampling:
    """Samples of all parameters of a prior.

    Parameters
    ----------
    whole : GrowthLikelihood
        Of all parameters.
    prior : BoxPrior or GrowthTimePrior
        Of all parameters.
    sampler : callable
        Runs on the target of those that are sampled.
    integrates_imaging : bool
        Whether imaging parameters are integrated out and drawn afterwards.
    rng : Generator
        For these draws.

    Raises
    ------
    ParameterError
        If imaging parameters are fixed, or the prior does not fit the images.
    NumericalError
        As the sampler, or if a simulation of a draw fails.
    """
    if not integrates_imaging:
        target = PosteriorTarget(prior=prior, log_likelihood_of=whole)
        run = sampler(target, whole)
        return GrowthSampling(samples=PosteriorSamples.from_tmcmc(target, run), run=run, counts=whole.counts)
    imaging = ImagingPrior.of(prior)
    with whole.integrated(imaging) as growth:
        target = PosteriorTarget(prior=prior.without(*imaging.names), log_likelihood_of=growth)
        run = sampler(target, growth)
        samples = PosteriorSamples.from_tmcmc(target, run).with_imaging(prior, growth, rng=rng)
        return GrowthSampling(samples=samples, run=run, counts=growth.counts)
