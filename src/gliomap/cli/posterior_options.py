"""What ``gliomap personalize`` makes of its options about uncertainty: method ``sample``, and ``query --posterior``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gliomap.anatomy import Atlas
    from gliomap.personalize import QueryMethod
    from gliomap.personalize.query_posterior import QueryWithPosterior
    from gliomap.personalize.sample_method import SampleMethod

_PRIORS = ("paper", "patient")


@dataclass(frozen=True, kw_only=True)
class PosteriorOptions:
    """Options of the command line, as given; None where left out."""

    posterior: bool
    tempering: float | None
    samples: int
    steps: int
    levels: int
    prior: str
    correlation_length_mm: float
    stage_file: Path | None
    seed: int

    def require_fitting(self, method: str, *, index: str | None, checkpoint: Path | None) -> None:
        """Raise `ParameterError` where options and method do not belong together."""
        from gliomap.errors import ParameterError, unknown_name

        if self.prior not in _PRIORS:
            raise ParameterError(unknown_name("prior", self.prior, _PRIORS))
        if method == "sample" and (index is not None or checkpoint is not None):
            raise ParameterError("method 'sample' searches nothing: leave --index and --checkpoint out.")
        if method != "query" and (self.posterior or self.tempering is not None):
            raise ParameterError("--posterior and --posterior-tempering belong to method 'query'.")
        if self.tempering is not None and not self.posterior:
            raise ParameterError("--posterior-tempering needs --posterior.")
        if method != "sample" and self.stage_file is not None:
            raise ParameterError("--stage-file belongs to method 'sample'.")

    def sample_method(self, atlas: Atlas, database: Path | None, num_workers: int | None) -> SampleMethod:
        """Method ``sample`` in the atlas; a database gives its grid and the place where the sampler starts."""
        from typing import cast

        from gliomap.bayes import TmcmcSettings
        from gliomap.cores import available_cores
        from gliomap.personalize import open_or_build_database
        from gliomap.personalize.sample_method import PriorName, SampleMethod, SampleSettings

        settings = SampleSettings(
            sampler=TmcmcSettings.thorough(seed=self.seed, num_samples=self.samples, num_steps=self.steps),
            num_levels=self.levels,
            prior=cast(PriorName, self.prior),
            correlation_length_mm=self.correlation_length_mm,
            num_workers=available_cores() if num_workers is None else num_workers,
            stage_file=self.stage_file,
        )
        opened = None if database is None else open_or_build_database(database, atlas)
        anatomy = (
            atlas.anatomy()
            if opened is None
            else atlas.anatomy(opened.header.grid, domain_rule=opened.header.domain_rule)
        )
        return SampleMethod(anatomy=anatomy, atlas_hash=atlas.content_hash, settings=settings, database=opened)

    def with_posterior(self, query: QueryMethod, atlas: Atlas, num_threads: int | None) -> QueryWithPosterior:
        """Method ``query`` with the posterior over its database."""
        from gliomap.bayes.database_posterior import DatabasePosteriorSettings
        from gliomap.cores import require_threads
        from gliomap.personalize.query_posterior import QueryWithPosterior

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
