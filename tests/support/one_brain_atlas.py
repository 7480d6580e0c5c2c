"""Atlases made of a single anatomy, for databases of phantoms that no atlas stands behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gliofield.anatomy import DEFAULT_DOMAIN_RULE, Anatomy, Atlas, TissueMaps
from gliofield.grid import Grid
from gliofield.volume import Volume


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OneBrainAtlas(Atlas):
    """An atlas that gives the same anatomy whatever grid and rule it is asked for."""

    only: Anatomy

    @property
    def content_hash(self) -> str:
        """The same for all, so that databases of two phantoms differ in nothing but what a test is about."""
        return "0" * 64

    def anatomy(self, grid: Grid | None = None, *, domain_rule: str = DEFAULT_DOMAIN_RULE) -> Anatomy:
        """The one anatomy."""
        return self.only


def atlas_of(anatomy: Anatomy, *, name: str = "cube") -> OneBrainAtlas:
    """An atlas of this anatomy; without tissue maps of its own its brain is its domain."""
    maps = anatomy.tissue_maps or TissueMaps(
        white_matter=anatomy.white_matter,
        gray_matter=anatomy.gray_matter,
        csf=np.zeros(anatomy.grid.shape, np.float32),
        brain=anatomy.domain,
        grid=anatomy.grid,
    )
    t1 = Volume(maps.brain.astype(np.float32), anatomy.grid)
    return OneBrainAtlas(name=name, t1=t1, tissue_maps=maps, licence="none", source="phantom", only=anatomy)
