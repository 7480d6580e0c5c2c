"""A trained inverse method: one file with all its networks and everything they came from.

Tensors are named ``joint.0.…``, or ``growth.0.…`` and ``seed.0.…``, by group of targets and member of the ensemble.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gliofield.box import make_box
from gliofield.grid import Grid
from gliofield.growth.parameters import DEFAULT_PUSH_PA
from gliofield.inverse.config import InverseSettings
from gliofield.inverse.observation import InputLayout
from gliofield.inverse.origin import TumorOrigin
from gliofield.inverse.targets import TargetScaling, target_groups
from gliofield.inverse.trained_ranges import TrainedRanges
from gliofield.learning import TrainingHistory
from gliofield.learning.checkpoint import read_header_as
from gliofield.records import from_record, to_record

#: Name in a checkpoint of what it holds.
CHECKPOINT_KIND = "inverse network"
_MASS_EFFECT = "mass-effect"


@dataclass(frozen=True, kw_only=True)
class InverseHeader:
    """What a checkpoint says of its networks.

    Parameters
    ----------
    settings : InverseSettings
        Networks and training.
    origin : TumorOrigin
        Grid, atlas and growth model of the tumors, and what else they depend on.
    layout : InputLayout
        What the networks see of the grid.
    scalings : mapping of str to TargetScaling
        Targets of each group: ``joint``, or ``growth`` and ``seed``.
    num_training_tumors : int
        Tumors per epoch.
    history : mapping of str to TrainingHistory
        Losses of each network over the epochs.
    trained_ranges : TrainedRanges or None
        Sizes and targets the training showed; None where they are not known: older checkpoints, and tumors of which
        none showed a core.
    """

    settings: InverseSettings
    origin: TumorOrigin
    layout: InputLayout
    scalings: Mapping[str, TargetScaling]
    num_training_tumors: int
    history: Mapping[str, TrainingHistory]
    trained_ranges: TrainedRanges | None = None

    @property
    def is_small(self) -> bool:
        """Whether less was done than in the paper, an early stop included."""
        papers = InverseSettings.papers().training.num_epochs
        has_stopped_early = any(len(one.epochs) < papers for one in self.history.values())
        return self.settings.is_small(self.num_training_tumors) or has_stopped_early

    @property
    def has_mass_effect(self) -> bool:
        """Whether it was trained on tumors with mass effect."""
        return str(self.origin.model["name"]) == _MASS_EFFECT

    @property
    def push_pa(self) -> float:
        """Push γ to simulate predictions with mass effect by [Pa]: the middle of its range in training."""
        bounds = self.origin.design_settings.get("push_pa")
        return DEFAULT_PUSH_PA if bounds is None else float(sum(bounds)) / 2.0

    @property
    def diffusivity_ratio(self) -> float | None:
        """D_w/D_g of all tumors of the training; None where their design records none."""
        ratio = self.origin.design_settings.get("diffusivity_ratio")
        return None if ratio is None else float(ratio)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; what the tumors are made of stands beside the rest, not in a group of its own."""
        origin = self.origin
        return {
            "settings": to_record(self.settings),
            "grid": to_record(origin.grid),
            "atlas": {"name": origin.atlas_name, "content_hash": origin.atlas_hash},
            "domain_rule": origin.domain_rule,
            "model": dict(origin.model),
            "occupied": to_record(origin.occupied),
            "trained_on": dict(origin.record),
            "layout": to_record(self.layout),
            "scalings": to_record(self.scalings),
            "num_training_tumors": self.num_training_tumors,
            "history": to_record(self.history),
            "trained_ranges": to_record(self.trained_ranges),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> InverseHeader:
        """The header `to_dict` described."""
        ranges = content.get("trained_ranges")
        return cls(
            settings=from_record(InverseSettings, content["settings"]),
            origin=TumorOrigin(
                grid=from_record(Grid, content["grid"]),
                atlas_name=content["atlas"]["name"],
                atlas_hash=content["atlas"]["content_hash"],
                domain_rule=content["domain_rule"],
                model=content["model"],
                occupied=make_box(content["occupied"]),
                record=content["trained_on"],
            ),
            layout=from_record(InputLayout, content["layout"]),
            scalings={name: from_record(TargetScaling, stored) for name, stored in content["scalings"].items()},
            num_training_tumors=content["num_training_tumors"],
            history={name: from_record(TrainingHistory, stored) for name, stored in content["history"].items()},
            trained_ranges=None if ranges is None else from_record(TrainedRanges, ranges),
        )


def network_names(settings: InverseSettings) -> list[tuple[str, int]]:
    """Group and member of every network."""
    return [(group, member) for group in target_groups(settings.targets) for member in range(settings.num_members)]


def read_inverse_header(path: str | os.PathLike[str]) -> InverseHeader:
    """What a checkpoint says of its networks, without reading them; does not need PyTorch.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, of another version, or holds something else.
    """
    return read_header_as(path, InverseHeader.from_dict, kind=CHECKPOINT_KIND)
