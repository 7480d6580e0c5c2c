"""What the tumors that a network learned from have in common: their grid, their atlas, how they grew."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gliofield.box import Box, make_box
from gliofield.grid import Grid
from gliofield.inverse.config import ObservationSettings
from gliofield.inverse.targets import Range


@dataclass(frozen=True, kw_only=True)
class TumorOrigin:
    """What the tumors of a source have in common; recorded with the network.

    Parameters
    ----------
    grid : Grid
        Their grid.
    atlas_name, atlas_hash : str
        Name and content hash of their atlas.
    domain_rule : str
        Rule of the simulation domain.
    model : mapping
        ``{"name": …, "settings": {…}}`` of the growth model.
    occupied : Box
        Part of the grid in which they grow.
    record : mapping
        Everything else they depend on, JSON-ready.
    """

    grid: Grid
    atlas_name: str
    atlas_hash: str
    domain_rule: str
    model: Mapping[str, Any]
    occupied: Box
    record: Mapping[str, Any]

    @property
    def seed_ranges_mm(self) -> tuple[Range, ...]:
        """Bounds of the occupied box along x, y and z of the world [mm], faces of voxels."""
        faces = np.array(self.occupied, dtype=np.float64) - 0.5
        corners = np.stack(np.meshgrid(*faces, indexing="ij"), axis=-1).reshape(-1, 3)
        world = self.grid.world_of(corners)
        return tuple((float(low), float(high)) for low, high in zip(world.min(axis=0), world.max(axis=0), strict=True))

    @property
    def design_settings(self) -> Mapping[str, Any]:
        """Settings of the design the tumors were drawn by; empty where none is recorded."""
        settings: Mapping[str, Any] = self.record.get("design", {}).get("settings", {})
        return settings

    @property
    def front_speed_mm_per_day(self) -> float | None:
        """The one front speed [mm/day] at which the design draws all tumors; None: D_w and ρ are independent."""
        speed = self.design_settings.get("front_speed_mm_per_day")
        return None if speed is None else float(speed)

    def shown_with(self, observation: ObservationSettings) -> TumorOrigin:
        """The origin whose `occupied` holds all that is shown of the tumors: with flips, their mirror images too."""
        if not observation.flips:
            return self
        (start, stop), length = self.occupied[0], self.grid.shape[0]
        along_x = (min(start, length - stop), max(stop, length - start))
        return dataclasses.replace(self, occupied=make_box((along_x, *self.occupied[1:])))
