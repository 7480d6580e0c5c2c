"""The designs by name."""

from __future__ import annotations

import dataclasses

from gliomap.database.clinical_design import ClinicalDesign
from gliomap.database.papers_design import PapersDesign
from gliomap.errors import ParameterError, unknown_name

DEFAULT_DESIGN = "clinical"

DESIGNS: dict[str, ClinicalDesign | PapersDesign] = {
    design.name: design for design in (ClinicalDesign(), PapersDesign())
}


def named_design(name: str, *, snapshots_per_run: int = 1) -> ClinicalDesign | PapersDesign:
    """Design of `DESIGNS` with its default settings and a number of snapshots per simulation.

    Raises
    ------
    ParameterError
        If the name is unknown, or the number below 1.
    """
    if name not in DESIGNS:
        raise ParameterError(unknown_name("design", name, DESIGNS))
    return dataclasses.replace(DESIGNS[name], snapshots_per_run=snapshots_per_run)
