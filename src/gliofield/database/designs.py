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


def named_design(
    name: str, *, snapshots_per_run: int = 1, mass_effect: bool = False, push_pa: float | None = None
) -> ClinicalDesign | PapersDesign:
    """Design of `DESIGNS` with its default settings and a number of snapshots per simulation.

    With mass effect every tumor pushes by `push_pa` [Pa], as in the papers; by None the push is drawn between 0 and
    twice its default.

    Raises
    ------
    ParameterError
        If the name is unknown, the number below 1, or a push is given without mass effect.
    """
    if name not in DESIGNS:
        raise ParameterError(unknown_name("design", name, DESIGNS))
    if push_pa is not None and not mass_effect:
        raise ParameterError(
            f"a push of {push_pa:g} Pa needs the growth model mass-effect: expected no push without it."
        )
    drawn = (0.0, 2.0 * DEFAULT_PUSH_PA) if push_pa is None else (push_pa, push_pa)
    return dataclasses.replace(
        DESIGNS[name], snapshots_per_run=snapshots_per_run, push_pa=drawn if mass_effect else None
    )


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
