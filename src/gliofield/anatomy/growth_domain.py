"""Where tumor cells may live: the simulation domain and its soft tissue fractions.

The choice of the domain is a modelling decision with a price: it caps how much of a real tumor any simulation
can match. So it is one function with named rules, and the rule is recorded in every database and result:

===================  ==================================================================  ====================
rule                 a voxel belongs to the domain when                                  source
===================  ==================================================================  ====================
``tissue-majority``  it is brain and WM + GM > 0.5
``csf-minority``     it is brain, WM + GM > 0 and CSF ≤ WM + GM                          published solver
``csf-below-0.9``    it is brain and CSF < 0.9
``brain``            it is brain
===================  ==================================================================  ====================

Inside, WM and GM are renormalized to sum to 1 and stay soft (binarizing them costs 0.08 Dice against the
published solver); a domain voxel with neither counts as gray matter, the slower of the two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.tissue_maps import TissueMaps
from gliofield.errors import ImageError, ParameterError, unknown_name
from gliofield.grid import Grid

#: Less white and gray matter than this says nothing about which of them it is. *Chosen*.
TRACE_OF_TISSUE = 1e-3
DEFAULT_DOMAIN_RULE = "csf-below-0.9"

DOMAIN_RULES: dict[str, Callable[[TissueMaps], NDArray[np.bool_]]] = {
    # Brain only: the published solver samples points, linear resampling leaves traces of tissue beyond the rim.
    "tissue-majority": lambda maps: maps.brain & (maps.white_matter + maps.gray_matter > 0.5),
    "csf-minority": lambda maps: (
        maps.brain & (maps.white_matter + maps.gray_matter > 0.0) & (maps.csf <= maps.white_matter + maps.gray_matter)
    ),
    "csf-below-0.9": lambda maps: maps.brain & (maps.csf < 0.9),
    "brain": lambda maps: maps.brain,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Anatomy:
    """What a growth model needs to know of a brain.

    Parameters
    ----------
    white_matter, gray_matter : (X, Y, Z) float32 arrays
        Fractions that sum to 1 inside the domain and are 0 outside.
    domain : (X, Y, Z) bool array
        Where cells may live.
    grid : Grid
        Isotropic grid of all three.
    domain_rule : str
        Name of the rule that made the domain, kept for the record.
    tissue_maps : TissueMaps or None
        What the domain was made of: CSF and the inside of the skull, which mass effect needs besides.

    Raises
    ------
    ImageError
        If shapes differ, the domain is empty, or the fractions do not sum to 1 inside and 0 outside.
    ParameterError
        If the grid is not isotropic (0.1 %): the solvers use one spacing.
    GridMismatchError
        If the tissue maps lie on another grid.
    """

    white_matter: NDArray[np.float32]
    gray_matter: NDArray[np.float32]
    domain: NDArray[np.bool_]
    grid: Grid
    domain_rule: str
    tissue_maps: TissueMaps | None = None

    def __post_init__(self) -> None:
        for name in ("white_matter", "gray_matter", "domain"):
            shape = getattr(self, name).shape
            if shape != self.grid.shape:
                raise ImageError(f"Anatomy: {name} must have the grid's shape {self.grid.shape}, got {shape}.")
        if not self.domain.any():
            raise ImageError(
                f"Anatomy: the domain is empty under the rule {self.domain_rule!r}. "
                "Check that the tissue maps overlap the grid."
            )
        gap = float(np.abs(self.white_matter + self.gray_matter - self.domain).max())
        if not gap <= 1e-3:  # NaN fails too
            raise ImageError(
                "Anatomy: white_matter + gray_matter must be 1 inside the domain and 0 outside, "
                f"got a deviation of {gap:.3g}. Build it with growth_domain(...)."
            )
        if not self.grid.is_isotropic:
            raise ParameterError(
                f"Anatomy: the grid must be isotropic, got spacings {self.grid.spacing_mm} mm. "
                "Resample the tissue maps to an isotropic grid first."
            )
        if self.tissue_maps is not None:
            self.grid.require_same_as(self.tissue_maps.grid, self_name="Anatomy", other_name="tissue_maps")

    def __repr__(self) -> str:
        maps = "with" if self.tissue_maps is not None else "without"
        return (
            f"Anatomy(domain {self.volume_ml:.0f} ml by the rule {self.domain_rule!r}, {maps} tissue_maps"
            f"\n  {self.grid.describe()})"
        )

    @cached_property
    def spacing_mm(self) -> float:
        """The one voxel spacing [mm]."""
        return float(np.mean(self.grid.spacing_mm))

    @cached_property
    def volume_ml(self) -> float:
        """Volume of the domain [ml]."""
        return float(np.count_nonzero(self.domain)) * self.grid.voxel_volume_ml

    @property
    def csf(self) -> NDArray[np.bool_]:
        """CSF as growth sees it, (X, Y, Z): the brain outside the domain.

        Raises
        ------
        ParameterError
            If the anatomy does not know its brain.
        """
        if self.tissue_maps is None:
            raise ParameterError(
                "the anatomy has no tissue_maps, so nothing tells CSF from what is no brain. Make it by "
                "growth_domain(...)."
            )
        return self.tissue_maps.brain & ~self.domain

    @property
    def tissue_fractions(self) -> dict[str, NDArray[np.float32]]:
        """``white_matter``, ``gray_matter`` and ``csf`` as growth sees them, each (X, Y, Z); errors as `csf`."""
        csf = self.csf.astype(np.float32)
        return {"white_matter": self.white_matter, "gray_matter": self.gray_matter, "csf": csf}

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over grid, rule, domain, fractions and tissue maps: equal anatomies have equal hashes."""
        digest = hashlib.sha256()
        digest.update(repr((self.grid.shape, self.domain_rule)).encode())
        digest.update((np.round(self.grid.world_from_voxel, 6) + 0.0).tobytes())  # -0 is 0
        digest.update(np.ascontiguousarray(self.white_matter, dtype=np.float32).tobytes())
        digest.update(np.packbits(self.domain).tobytes())
        if self.tissue_maps is not None:
            for fraction in (self.tissue_maps.white_matter, self.tissue_maps.gray_matter, self.tissue_maps.csf):
                digest.update(np.ascontiguousarray(fraction, dtype=np.float32).tobytes())
            digest.update(np.packbits(self.tissue_maps.brain).tobytes())
        return digest.hexdigest()


def growth_domain(maps: TissueMaps, *, rule: str = DEFAULT_DOMAIN_RULE) -> Anatomy:
    """Simulation domain of a brain under a named rule (table in the module docstring).

    Parameters
    ----------
    maps : TissueMaps
        Tissue fractions on an isotropic grid.
    rule : str
        One of `DOMAIN_RULES`.

    Raises
    ------
    ParameterError
        If the rule is unknown or the grid is not isotropic.
    ImageError
        If the domain is empty.
    """
    if rule not in DOMAIN_RULES:
        raise ParameterError(unknown_name("domain rule", rule, DOMAIN_RULES))
    domain = DOMAIN_RULES[rule](maps)
    tissue = maps.white_matter + maps.gray_matter
    with np.errstate(invalid="ignore", divide="ignore"):
        white_fraction = np.where(tissue > TRACE_OF_TISSUE, maps.white_matter / tissue, 0.0)
    white_matter = np.where(domain, white_fraction, 0.0).astype(np.float32)
    gray_matter = np.where(domain, np.float32(1.0) - white_matter, 0.0).astype(np.float32)
    return Anatomy(
        white_matter=white_matter,
        gray_matter=gray_matter,
        domain=domain,
        grid=maps.grid,
        domain_rule=rule,
        tissue_maps=maps,
    )
