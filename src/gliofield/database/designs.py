"""The designs by name: gliofield's own, and those of other packages.

Others come by entry points of the group ``gliofield.designs`` (`gliofield.plugins`): a class whose default settings are
the design.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from gliofield.database.clinical_design import ClinicalDesign
from gliofield.database.design import Design
from gliofield.errors import ParameterError, PluginError, require_type
from gliofield.growth.parameters import DEFAULT_PUSH_PA
from gliofield.plugins import find_plugins, load_plugin

DEFAULT_DESIGN = "clinical"
_OWN = (DEFAULT_DESIGN,)
_KIND = "design"


def design_names() -> tuple[str, ...]:
    """Names of all designs: gliofield's own, then those of other packages."""
    return (*_OWN, *find_plugins(_KIND, own=_OWN))


def design_class(name: str) -> Any:
    """The dataclass of a design.

    Raises
    ------
    ParameterError
        If the name is unknown.
    PluginError
        If the package that offers it cannot be loaded, or offers something else.
    """
    if name == DEFAULT_DESIGN:
        return ClinicalDesign
    found = load_plugin(_KIND, name, own=_OWN)
    is_design = dataclasses.is_dataclass(found) and hasattr(found, "draw") and hasattr(found, "accepts")
    if not (inspect.isclass(found) and is_design):
        origin = find_plugins(_KIND)[name].origin
        raise PluginError(
            f"design {name!r} of {origin} is a {type(found).__name__}: expected the dataclass of a Design."
        )
    return found


def named_design(
    name: str, *, snapshots_per_run: int = 1, mass_effect: bool = False, push_pa: float | None = None
) -> Design:
    """Design with its default settings and a number of snapshots per simulation.

    With mass effect every tumor pushes by `push_pa` [Pa], as in the papers; by None the push is drawn between 0 and
    twice its default.

    Raises
    ------
    ParameterError
        If the name is unknown, the number below 1, or a push is given without mass effect.
    PluginError
        If the package that offers it cannot be loaded, or offers something else.
    """
    make = design_class(name)
    if push_pa is not None and not mass_effect:
        raise ParameterError(
            f"a push of {push_pa:g} Pa needs the growth model mass-effect: expected no push without it."
        )
    drawn = (0.0, 2.0 * DEFAULT_PUSH_PA) if push_pa is None else (push_pa, push_pa)
    design: Design = make(snapshots_per_run=snapshots_per_run, push_pa=drawn if mass_effect else None)
    return design


def resolve_design(design: Design | str, *, mass_effect: bool) -> Design:
    """A design, or the one of its name with default settings; `mass_effect` says whether that draws a push.

    Raises
    ------
    ParameterError
        If it is neither, or the name is unknown.
    """
    if isinstance(design, str):
        return named_design(design, mass_effect=mass_effect)
    hint = f"Name one ({', '.join(design_names())}), or give an object such as ClinicalDesign()."
    require_type("design", design, (Design, str), hint=hint)
    return design
