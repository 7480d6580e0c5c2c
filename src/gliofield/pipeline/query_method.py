"""The papers' inverse method: the simulated tumor that overlaps most with what was seen.

Ezhov et al. 2022, "Casting the inverse problem as a database query": the match is the tumor with the highest
Dice_T1Gd + Dice_FLAIR over a database of precomputed tumors; its density is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gliofield.anatomy import SpaceName, SpaceRequest
from gliofield.database import SimulationDatabase
from gliofield.errors import ParameterError
from gliofield.imaging import Candidate, Estimate, Observation
from gliofield.pipeline.thin_front_concerns import FINER_DATABASE, thin_front_concerns
from gliofield.progress import Reporter
from gliofield.retrieval import DEFAULT_INDEX, index_references, open_index, require_index_name
from gliofield.volume import Volume


@dataclass(frozen=True, kw_only=True, eq=False)
class QueryMethod:
    """Inverse method ``query`` over one database.

    Parameters
    ----------
    database : SimulationDatabase
        Simulated tumors in atlas space.
    index : str
        How the database is searched, one of `gliofield.retrieval.INDEX_NAMES`.
    num_candidates : int
        How many of the best are kept in the result, ≥ 1.
    checkpoint : Path or None
        Trained networks, for an index that needs them.
    num_densities : int
        Of how many of them the density is kept, 0 … `num_candidates`.
    num_threads : int or None
        Threads of the search; None: all cores available.

    Raises
    ------
    ParameterError
        If a number is out of range, there is no such index, or it lacks its checkpoint.
    """

    database: SimulationDatabase
    index: str = DEFAULT_INDEX
    num_candidates: int = 15
    checkpoint: Path | None = None
    num_densities: int = 0
    num_threads: int | None = None

    def __post_init__(self) -> None:
        if self.num_candidates < 1:
            raise ParameterError(f"num_candidates must be at least 1, got {self.num_candidates}.")
        if not 0 <= self.num_densities <= self.num_candidates:
            raise ParameterError(
                f"num_densities must lie between 0 and num_candidates = {self.num_candidates}, got "
                f"{self.num_densities}."
            )
        require_index_name(self.index, checkpoint=self.checkpoint)

    @property
    def name(self) -> str:
        """``query``."""
        return "query"

    @property
    def references(self) -> tuple[str, ...]:
        """The papers of the index."""
        return index_references(self.index)

    def request_space(self, wanted: SpaceName | None) -> SpaceRequest:
        """The atlas, on the grid and by the rule of the database."""
        header = self.database.header
        return SpaceRequest(grid=header.grid, domain_rule=header.domain_rule, atlas_hash=header.atlas_hash)

    def estimate(self, observation: Observation, *, report: Reporter) -> Estimate:
        """Density and parameters of the nearest tumor; ties go to the lower index."""
        index = open_index(
            self.index,
            self.database,
            thresholds=observation.thresholds,
            checkpoint=self.checkpoint,
            num_threads=self.num_threads,
            report=report,
        )
        hits = index.search(observation, self.num_candidates, report=report).hits
        best = hits[0]
        return Estimate(
            cell_density=self._density(best.index),
            space=observation.require_space(),
            parameters=best.parameters,
            candidates=tuple(
                Candidate(
                    index=hit.index,
                    distance=hit.distance,
                    dice_t1gd=hit.dice_t1gd,
                    dice_flair=hit.dice_flair,
                    parameters=hit.parameters,
                    cell_density=self._density(hit.index) if rank < self.num_densities else None,
                )
                for rank, hit in enumerate(hits)
            ),
            concerns=thin_front_concerns(best.parameters, observation.grid.spacing_mm, advice=FINER_DATABASE),
            details={
                "database": self.database.path.name,
                "database_sha256": self.database.content_hash,
                "num_tumors": self.database.num_tumors,
                "database_seed": self.database.header.root_seed,
                "design": self.database.header.design,
                "model": self.database.header.model,
                "diffusivity_ratio": self.database.diffusivity_ratio,
                "index": index.name,
                "index_notices": list(index.notices),
                **index.provenance,
                "t1gd_threshold_used": index.effective_thresholds.t1gd_threshold,
                "flair_threshold_used": index.effective_thresholds.flair_threshold,
            },
        )

    def _density(self, tumor: int) -> Volume:
        return Volume(self.database.cell_density(tumor), self.database.header.grid)
