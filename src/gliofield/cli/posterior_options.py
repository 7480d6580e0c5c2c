"""How ``gliofield personalize`` reads its options about uncertainty: method ``sample``, and ``query --posterior``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gliofield.anatomy import Atlas
    from gliofield.personalize import Case, PersonalizationResult, PersonalizationSettings, QueryMethod
    from gliofield.personalize.query_posterior import QueryWithPosterior
    from gliofield.personalize.sample_method import SampleMethod, SampleSettings
    from gliofield.progress import Reporter

_PRIORS = ("paper", "patient")
_PLACES = ("atlas", "patient")


@dataclass(frozen=True, kw_only=True)
class PosteriorOptions:
    """Options of the command line, as given; None where left out."""

    posterior: bool
    tempering: float | None
    samples: int
    steps: int
    levels: int
    sample_imaging: bool
    prior: str
    correlation_length_mm: float
    stage_file: Path | None
    sample_in: str
    spacing_mm: float | None
    device: str
    seed: int

    def require_fitting(
        self, method: str, *, index: str | None, checkpoint: Path | None, database: Path | None
    ) -> None:
        """Raise `ParameterError` where options and method do not belong together."""
        from gliofield.errors import ParameterError, unknown_name

        if self.prior not in _PRIORS:
            raise ParameterError(unknown_name("prior", self.prior, _PRIORS))
        if self.sample_in not in _PLACES:
            raise ParameterError(unknown_name("place to sample in", self.sample_in, _PLACES))
        if method == "sample" and (index is not None or checkpoint is not None):
            raise ParameterError("method 'sample' searches nothing: leave --index and --checkpoint out.")
        if method != "query" and (self.posterior or self.tempering is not None):
            raise ParameterError("--posterior and --posterior-tempering belong to method 'query'.")
        if self.tempering is not None and not self.posterior:
            raise ParameterError("--posterior-tempering needs --posterior.")
        if method != "sample":
            self._require_nothing_of_sample()
        self._require_place(database)

    def _require_nothing_of_sample(self) -> None:
        from gliofield.errors import ParameterError

        given = {
            "--stage-file": self.stage_file is not None,
            "--sample-in": self.sample_in != "atlas",
            "--device": self.device != "cpu",
            "--sample-imaging": self.sample_imaging,
        }
        for option, is_given in given.items():
            if is_given:
                raise ParameterError(f"{option} belongs to method 'sample'.")

    def _require_place(self, database: Path | None) -> None:
        from gliofield.errors import ParameterError

        if self.spacing_mm is not None and not self.is_in_patient:
            raise ParameterError(
                "--spacing-mm belongs to --sample-in patient: in the atlas the spacing is that of the database, or "
                "1.875 mm."
            )
        if self.is_in_patient and database is not None:
            raise ParameterError(
                "--database starts the sampler from matches in the atlas, and --sample-in patient grows tumors in the "
                "patient: leave one of the two."
            )

    @property
    def is_in_patient(self) -> bool:
        """Whether tumors shall grow in the patient's own anatomy."""
        return self.sample_in == "patient"

    def sample_method(self, atlas: Atlas, database: Path | None, num_workers: int | None) -> SampleMethod:
        """Method ``sample`` in the atlas; a database gives its grid and the place where the sampler starts."""
        from gliofield.database.models import named_model
        from gliofield.personalize import open_or_build_database
        from gliofield.personalize.sample_method import SampleMethod

        opened = None if database is None else open_or_build_database(database, atlas)
        anatomy = (
            atlas.anatomy()
            if opened is None
            else atlas.anatomy(opened.header.grid, domain_rule=opened.header.domain_rule)
        )
        return SampleMethod(
            anatomy=anatomy,
            atlas_hash=atlas.content_hash,
            settings=self._sample_settings(num_workers),
            model=named_model("fk", device=self.device),
            database=opened,
        )

    def sampled_in_patient(
        self,
        case: Case,
        atlas: Atlas,
        settings: PersonalizationSettings,
        *,
        num_workers: int | None,
        report: Reporter,
    ) -> PersonalizationResult:
        """The posterior in the patient's own anatomy."""
        from gliofield.database.models import named_model
        from gliofield.personalize import PatientSampling, sample_in_patient
        from gliofield.personalize.patient_anatomy import DEFAULT_SPACING_MM

        sampling = PatientSampling(
            settings=self._sample_settings(num_workers),
            model=named_model("fk", device=self.device),
            spacing_mm=DEFAULT_SPACING_MM if self.spacing_mm is None else self.spacing_mm,
        )
        return sample_in_patient(case, atlas=atlas, sampling=sampling, settings=settings, report=report)

    def _sample_settings(self, num_workers: int | None) -> SampleSettings:
        from typing import cast

        from gliofield.bayes import TmcmcSettings
        from gliofield.cores import available_cores
        from gliofield.personalize.sample_method import PriorName, SampleSettings

        return SampleSettings(
            sampler=TmcmcSettings.thorough(seed=self.seed, num_samples=self.samples, num_steps=self.steps),
            num_levels=self.levels,
            integrates_imaging=not self.sample_imaging,
            prior=cast(PriorName, self.prior),
            correlation_length_mm=self.correlation_length_mm,
            num_workers=available_cores() if num_workers is None else num_workers,
            stage_file=self.stage_file,
        )

    def with_posterior(self, query: QueryMethod, atlas: Atlas, num_threads: int | None) -> QueryWithPosterior:
        """Method ``query`` with the posterior over its database."""
        from gliofield.bayes.database_posterior import DatabasePosteriorSettings
        from gliofield.cores import require_threads
        from gliofield.personalize.query_posterior import QueryWithPosterior

        return QueryWithPosterior(
            query=query,
            anatomy=atlas.anatomy(query.grid, domain_rule=query.domain_rule),
            settings=DatabasePosteriorSettings(
                correlation_length_mm=self.correlation_length_mm,
                tempering_exponent=self.tempering,
                num_threads=require_threads(num_threads),
            ),
            prior=self.prior,
        )
