"""The query with its quick uncertainty: the posterior over the tumors of its database.

The answer of `QueryMethod` stays what it is; mean, standard deviation and P(u > threshold) of the density and intervals
of what a scan determines stand beside it (`bayes.database_posterior`). Where the database cannot say, there is no
posterior but a concern.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import get_args

import numpy as np

from gliofield.anatomy import Anatomy, SpaceName, SpaceRequest
from gliofield.bayes import BoxPrior, CredibleInterval, GrowthTimePrior, patient_specific_prior, surrogate_paper_prior
from gliofield.bayes.database_posterior import (
    DatabasePosterior,
    DatabasePosteriorSettings,
    database_posterior,
)
from gliofield.concern import named_concern
from gliofield.errors import NumericalError, ParameterError, unknown_name
from gliofield.imaging import Estimate, Observation, PetModel
from gliofield.pipeline.density_posterior import DensityPosterior
from gliofield.pipeline.query_method import QueryMethod
from gliofield.pipeline.sample_concerns import pet_concerns
from gliofield.pipeline.thin_front_concerns import FINER_DATABASE, thin_front_share, thin_front_share_concerns
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
    settings : DatabasePosteriorSettings
        Tumors read and weight of the likelihood. By default the tempering exponent is the largest at which the database
        carries an uncertainty.
    prior : str
        ``"paper"`` (`surrogate_paper_prior`) or ``"patient"`` (`patient_specific_prior`).
    pet_model : str
        ``"background"``: healthy tissue takes up tracer, and the scanner blurs; ``"paper"``: PET is sharp, and 0 where
        there is no tumor.

    Raises
    ------
    ParameterError
        If prior or PET model are unknown.
    """

    query: QueryMethod
    settings: DatabasePosteriorSettings = field(
        default_factory=lambda: DatabasePosteriorSettings(tempering_exponent=None)
    )
    prior: str = "paper"
    pet_model: PetModel = "background"

    def __post_init__(self) -> None:
        if self.prior not in _PRIORS:
            raise ParameterError(unknown_name("prior", self.prior, _PRIORS))
        if self.pet_model not in get_args(PetModel):
            raise ParameterError(unknown_name("pet_model", self.pet_model, get_args(PetModel)))

    @property
    def name(self) -> str:
        """``query``."""
        return self.query.name

    @property
    def references(self) -> tuple[str, ...]:
        """The papers of the query and of the likelihood."""
        return (*self.query.references, _REFERENCE)

    def request_space(self, wanted: SpaceName | None) -> SpaceRequest:
        """That of the query."""
        return self.query.request_space(wanted)

    def estimate(self, observation: Observation, *, report: Reporter) -> Estimate:
        """Density and parameters of the nearest tumor, and the posterior or why there is none.

        Raises
        ------
        ImageError
            If PET is negative or not finite.
        """
        estimate = self.query.estimate(observation, report=report)
        index = BlockIndex.open(
            self.query.database,
            thresholds=observation.thresholds,
            num_threads=self.query.num_threads,
            report=report,
        )
        anatomy = observation.require_space().anatomy
        prior = self._prior(observation, anatomy)
        try:
            posterior = database_posterior(index, observation, anatomy, prior, settings=self._settings)
        except NumericalError as error:
            refusal = named_concern("no-uncertainty", f"There is no uncertainty: {error}")
            return replace(estimate, concerns=(*estimate.concerns, refusal))
        share = thin_front_share(posterior.samples, observation.grid.spacing_mm)
        thin = thin_front_share_concerns(share, observation.grid.spacing_mm, advice=FINER_DATABASE)
        # The share of the posterior says more than the front of the best match.
        concerns = (*(each for each in estimate.concerns if each.name != "thin-fronts"), *thin)
        if posterior.tempering_exponent < 1.0:
            text = (
                f"These intervals are rough: only about {posterior.effective_sample_size:.0f} tumors of the database "
                f"fit, at a tempering exponent of {posterior.tempering_exponent:.2g}. Build a larger database, or use "
                "method 'sample'."
            )
            concerns = (*concerns, named_concern("rough-intervals", text, posterior.tempering_exponent))
        if posterior.pet_draws:
            number = len(posterior.pet_draws["pet_scale"])
            concerns = (*concerns, *pet_concerns(prior, posterior.pet_draws, np.full(number, 1.0 / number)))
        found = density_posterior_of(posterior, self.settings)
        details = {
            **found.details,
            "uses_pet": observation.pet is not None,
            "pet_model": self.pet_model,
            "thin_front_share": share,
        }
        return replace(estimate, posterior=replace(found, details=details), concerns=concerns)

    @property
    def _settings(self) -> DatabasePosteriorSettings:
        """With sharp PET in the paper's model."""
        return self.settings if self.pet_model == "background" else replace(self.settings, pet_fwhm_mm=0.0)

    def _prior(self, observation: Observation, anatomy: Anatomy) -> BoxPrior | GrowthTimePrior:
        has_pet = observation.pet is not None
        if self.prior == "paper":
            return surrogate_paper_prior(anatomy, has_pet=has_pet, pet_model=self.pet_model)
        return patient_specific_prior(
            anatomy,
            tumor_core=observation.tumor_core,
            whole_tumor=observation.whole_tumor,
            has_pet=has_pet,
            pet_model=self.pet_model,
        )


def density_posterior_of(posterior: DatabasePosterior, settings: DatabasePosteriorSettings) -> DensityPosterior:
    """A database posterior as a part of an inverse method's answer."""
    has_mass = np.isfinite(posterior.samples.log_weights)
    return DensityPosterior(
        mean=posterior.mean,
        std=posterior.std,
        exceedance=posterior.exceedance,
        samples=posterior.samples,
        intervals={**posterior.samples.credible_intervals(), **_pet_intervals(posterior)},
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


def _pet_intervals(posterior: DatabasePosterior, level: float = 0.95) -> dict[str, CredibleInterval]:
    """Intervals of scale, background and noise of PET, where it was taken."""
    ends = (0.5 * (1.0 - level), 0.5 * (1.0 + level))
    quantiles = {name: np.quantile(draws, ends) for name, draws in posterior.pet_draws.items()}
    return {
        name: CredibleInterval(low=float(low), high=float(high), level=level) for name, (low, high) in quantiles.items()
    }
