"""The designs by name."""

from __future__ import annotations

import dataclasses

from gliofield.database.clinical_design import ClinicalDesign
from gliofield.database.design import Design
from gliofield.database.papers_design import PapersDesign
from gliofield.errors import ParameterError, require_type, unknown_name
from gliofield.growth.parameters import DEFAULT_PUSH_PA

DEFAULT_DESIGN = "clinical"

DESIGNS: dict[str, ClinicalDesign | PapersDesign] = {
    design.name: design for design in (ClinicalDesign(), PapersDesign())
}


def named_design(name: str, *, snapshots_per_run: int = 1, mass_effect: bool = False) -> ClinicalDesign | PapersDesign:
    """Design of `DESIGNS` with its default settings and a number of snapshots per simulation.

    With mass effect the push is drawn between 0 and twice its default.

    Raises
    ------
    ParameterError
        If the name is unknown, or the number below 1.
    """
    if name not in DESIGNS:
        raise ParameterError(unknown_name("design", name, DESIGNS))
    push_pa = (0.0, 2.0 * DEFAULT_PUSH_PA) if mass_effect else None
    return dataclasses.replace(DESIGNS[name], snapshots_per_run=snapshots_per_run, push_pa=push_pa)


def resolve_design(design: Design | str, *, mass_effect: bool) -> Design:
    """A design, or the one of its name with default settings; `mass_effect` says whether that draws a push.

    Raises
    ------
    ParameterError
        If it is neither, or the name is unknown.
    """
    if isinstance(design, str):
        return named_design(design, mass_effect=mass_effect)
    hint = f"Name one ({', '.join(sorted(DESIGNS))}), or give an object such as ClinicalDesign()."
    require_type("design", design, (Design, str), hint=hint)
    return design
