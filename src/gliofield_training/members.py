"""Several networks that belong together, trained one after the other for one checkpoint.

Each member has a name, which is its folder for the running state and the prefix of its weights in the checkpoint. Tasks
are made one by one as they are needed, so that only one member's samples lie in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gliofield.learning.history import TrainingHistory
from gliofield.learning.settings import TrainingSettings
from gliofield.progress import Reporter, ignore_progress
from gliofield_training.outputs import named_progress
from gliofield_training.task import TrainingTask
from gliofield_training.training import Keep, train


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """One of the networks.

    Parameters
    ----------
    name : str
        Its name, different from those of the others.
    task : TrainingTask
        Network, samples and losses.
    settings : TrainingSettings
        How it is trained.
    identity : mapping
        JSON values: what its weights depend on besides, as `train` takes it.
    keep : {"best", "last"}
        Which epoch's weights are taken.
    """

    name: str
    task: TrainingTask
    settings: TrainingSettings
    identity: Mapping[str, Any]
    keep: Keep = "best"


def train_members(
    members: Iterable[Member], *, folder: Path, resume: bool, report: Reporter = ignore_progress
) -> tuple[dict[str, TrainingHistory], dict[str, Any]]:
    """Histories of all members by name, and their weights by ``name.key``; errors as `train`.

    Parameters
    ----------
    members : iterable of Member
        Taken one by one.
    folder : Path
        Holds a folder for the running state of each.
    resume : bool
        Whether interrupted trainings are continued.
    report : Reporter
        Told of every batch, with the member's name.
    """
    histories: dict[str, TrainingHistory] = {}
    tensors: dict[str, Any] = {}
    for member in members:
        histories[member.name] = train(
            member.task,
            member.settings,
            folder=folder / member.name,
            identity=member.identity,
            resume=resume,
            report=named_progress(member.name, report),
            keep=member.keep,
        )
        tensors |= {f"{member.name}.{key}": value for key, value in member.task.network.state_dict().items()}
    return histories, tensors
