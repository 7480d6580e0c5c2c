"""The query with its quick uncertainty: the posterior over the tumors of its database.

The answer of `QueryMethod` stays what it is; mean, standard deviation and P(u > threshold) of the density and intervals
of what a scan determines stand beside it (`bayes.database_posterior`). Where the database cannot say, there is no
posterior but a concern.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from gliofield.anatomy import Anatomy
from gliofield.bayes import BoxPrior, GrowthTimePrior, patient_specific_prior, surrogate_paper_prior
from gliofield.bayes.database_posterior import (
    DatabasePosterior,
    DatabasePosteriorSettings,
    database_posterior,
)
from gliofield.errors import NumericalError, ParameterError, unknown_name
from gliofield.grid import Grid
from gliofield.imaging import TumorObservation
from gliofield.imaging.pet import normalized_pet
from gliofield.personalize.density_posterior import DensityPosterior
from gliofield.personalize.method import AtlasEstimate, AtlasObservation
from gliofield.personalize.query_method import QueryMethod
from gliofield.progress import Reporter
from gliofield.retrieval import BlockIndex

_PRIORS = ("paper", "patient")
_REFERENCE = "Ezhov et al. (2021), Real-time Bayesian personalization via a learnable brain tumor growth model"


@dataclass(frozen=True, kw_only=True, eq=False)
class QueryWithPosterior:
    """Inverse method ``query`` with a posterior over its database.

    Parameters
    ----------
    query : QueryMethod
        The query.
    anatomy : Anatomy
        The one the tumors of its database grew in.
    settings : DatabasePosteriorSettings
        Tumors read and weight of the likelihood. By default the tempering exponent is the largest at which the database
        carries an uncertainty.
    prior : str
        ``"paper"`` (`surrogate_paper_prior`) or ``"patient"`` (`patient_specific_prior`).

    Raises
    ------
    ParameterError
        If the prior is unknown.
    """

    query: QueryMethod
    anatomy: Anatomy
    settings: DatabasePosteriorSettings = field(
        default_factory=lambda: DatabasePosteriorSettings(tempering_exponent=None)
    )
    prior: str = "paper"

    def __post_init__(self) -> None:
        if self.prior not in _PRIORS:
            raise ParameterError(unknown_name("prior", self.prior, _PRIORS))

    @property
    def name(self) -> str:
        """``query``."""
        return self.query.name

    @property
    def references(self) -> tuple[str, ...]:
        """The papers of the query and of the likelihood."""
        return (*self.query.references, _REFERENCE)

    @property
    def grid(self) -> Grid:
        """Grid of the database."""
        return self.query.grid

    @property
    def atlas_hash(self) -> str:
        """Content hash of the database's atlas."""
        return self.query.atlas_hash

    @property
    def domain_rule(self) -> str:
        """Domain rule of the database."""
        return self.query.domain_rule

    def estimate(self, observation: AtlasObservation, *, report: Reporter) -> AtlasEstimate:
        """Density and parameters of the nearest tumor, and the posterior or why there is none.

        Raises
        ------
        ImageError
            If PET is negative or not finite.
        """
        estimate = self.query.estimate(observation, report=report)
        index = BlockIndex.open(
            self.query.database,
            t1gd_threshold=observation.thresholds.t1gd_threshold,
            flair_threshold=observation.thresholds.flair_threshold,
            num_threads=self.query.num_threads,
            report=report,
        )
        segmentation = observation.segmentation
        seen = TumorObservation(
            tumor_core=segmentation.tumor_core,
            whole_tumor=segmentation.whole_tumor,
            pet=None if observation.pet is None else normalized_pet(observation.pet),
            grid=segmentation.grid,
        )
        try:
            posterior = database_posterior(index, seen, self.anatomy, self._prior(observation), settings=self.settings)
        except NumericalError as error:
            return replace(estimate, concerns=(*estimate.concerns, f"no uncertainty: {error}"))
        concerns = estimate.concerns
        if posterior.tempering_exponent < 1.0:
            concerns = (
                *concerns,
                f"the uncertainty is that of a likelihood tempered by {posterior.tempering_exponent:.2g}, at which "
                f"{posterior.effective_sample_size:.0f} tumors of the database carry it: what this database cannot "
                "tell apart, wider than the posterior",
            )
        found = density_posterior_of(posterior, self.settings)
        details = {**found.details, "uses_pet": seen.pet is not None}
        return replace(estimate, posterior=replace(found, details=details), concerns=concerns)

    def _prior(self, observation: AtlasObservation) -> BoxPrior | GrowthTimePrior:
        has_pet = observation.pet is not None
        if self.prior == "paper":
            return surrogate_paper_prior(self.anatomy, has_pet=has_pet)
        segmentation = observation.segmentation
        return patient_specific_prior(
            self.anatomy,
            tumor_core=segmentation.tumor_core,
            whole_tumor=segmentation.whole_tumor,
            has_pet=has_pet,
        )


def density_posterior_of(posterior: DatabasePosterior, settings: DatabasePosteriorSettings) -> DensityPosterior:
    """A database posterior as a part of an inverse method's answer."""
    has_mass = np.isfinite(posterior.samples.log_weights)
    return DensityPosterior(
        mean=posterior.mean,
        std=posterior.std,
        exceedance=posterior.exceedance,
        samples=posterior.samples,
        intervals=posterior.samples.credible_intervals(),
        details={
            "num_tumors_read": len(posterior.tumors),
            "num_tumors_with_prior_mass": int(np.count_nonzero(has_mass)),
            "effective_tumors": posterior.effective_sample_size,
            "truncation_error": posterior.truncation_error,
            "likelihood_weight": posterior.weight,
            "tempering_exponent": posterior.tempering_exponent,
            "correlation_length_mm": settings.correlation_length_mm,
            "num_voxels": posterior.num_voxels,
            "seconds": posterior.seconds,
        },
    )
