"""The state of a training between two batches: everything needed to go on as if nothing had happened.

One checkpoint file holds the weights, the moments of the optimizer, and as its header the place in the run, the partial
sums of the epoch and the history. It replaces its predecessor by a rename. The best weights so far lie in a file of
their own, named after their epoch, since they seldom change: it is written before the state that speaks of it, and
older ones go afterwards, so a whole generation stands at any moment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from gliofield.errors import CheckpointError, ParameterError
from gliofield.learning.checkpoint import read_checkpoint
from gliofield.learning.history import EpochRecord
from gliofield.learning.settings import TrainingSettings
from gliofield.records import to_record
from gliofield_training.checkpoint_files import write_checkpoint
from gliofield_training.outputs import BEST_PATTERN, STATE_NAME

_KIND = "training state"
_BEST_KIND = "best weights"

# What does not decide which weights come out; everything else may not change within a run.
_FREE_SETTINGS = ("num_epochs", "device", "save_every_s", "num_threads")


@dataclass
class Progress:
    """Where a run stands: `num_batches_done` of the epoch after those in `records`."""

    num_batches_done: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    records: list[EpochRecord] = field(default_factory=list)
    best_epoch: int = 0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def epoch_index(self) -> int:
        """Index, from 0, of the epoch under way."""
        return len(self.records)

    @property
    def num_epochs_without_gain(self) -> int:
        """Finished epochs since the best one."""
        return len(self.records) - self.best_epoch


def write_state(
    folder: Path,
    progress: Progress,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    described: Mapping[str, Any],
) -> None:
    """Write the state of a run; `described` is what `describe_run` gave."""
    header = {
        "run": dict(described),
        "num_batches_done": progress.num_batches_done,
        "sums": progress.sums,
        "seconds": progress.seconds,
        "records": [vars(record) for record in progress.records],
        "best_epoch": progress.best_epoch,
        "scaler": scaler.state_dict(),
    }
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in moments.items()}
    best = _best_path(folder, progress.best_epoch)
    if progress.best_epoch and not best.exists():
        write_checkpoint(best, kind=_BEST_KIND, header={"run": dict(described)}, tensors=progress.best_weights)
    write_checkpoint(folder / STATE_NAME, kind=_KIND, header=header, tensors=tensors)
    for path in folder.glob(BEST_PATTERN):
        if path != best:
            path.unlink()


def remove_half_written(folder: Path) -> None:
    """Remove what killed processes left of states they were writing."""
    for name in (STATE_NAME, BEST_PATTERN):
        for path in folder.glob(f".partial-*-{name}"):
            path.unlink()


def remove_best_weights(folder: Path) -> None:
    """Remove the best weights of a run that is not gone on with."""
    for path in folder.glob(BEST_PATTERN):
        path.unlink()


def read_state(
    folder: Path,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    described: Mapping[str, Any],
) -> Progress:
    """Bring network, optimizer and scaler to where the run of a folder stands.

    Raises
    ------
    CheckpointError
        If the state is damaged, or does not fit the network.
    ParameterError
        If it is the state of another run.
    """
    path = folder / STATE_NAME
    checkpoint = read_checkpoint(path, kind=_KIND)
    header = checkpoint.header
    _require_same_run(folder, header["run"], described, num_epochs_begun=_num_epochs_begun(header))
    weights = _below("network", checkpoint.tensors)
    try:
        network.load_state_dict(weights)
        optimizer.load_state_dict(_optimizer_state(optimizer, _below("optimizer", checkpoint.tensors)))
    except (RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} does not fit the network: {' '.join(str(error).split())} Choose another folder, or start anew "
            "with resume=False."
        ) from error
    best_weights = {}
    if header["best_epoch"]:
        best = read_checkpoint(_best_path(folder, header["best_epoch"]), kind=_BEST_KIND)
        best_weights = dict(best.tensors)
    if header["scaler"]:  # empty where the loss was not scaled
        scaler.load_state_dict(header["scaler"])
    return Progress(
        num_batches_done=header["num_batches_done"],
        sums=dict(header["sums"]),
        seconds=header["seconds"],
        records=[EpochRecord(**record) for record in header["records"]],
        best_epoch=header["best_epoch"],
        best_weights=best_weights,
    )


def describe_run(
    settings: TrainingSettings, identity: Mapping[str, Any], num_samples: Mapping[str, int]
) -> dict[str, Any]:
    """What makes a run this run, as JSON gives it back: settings, numbers of samples, and the caller's identity.

    Raises
    ------
    ParameterError
        If the identity is not JSON.
    """
    run = {"settings": to_record(settings), "samples": dict(num_samples), "identity": dict(identity)}
    try:
        described: dict[str, Any] = json.loads(json.dumps(run, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ParameterError(f"identity of a training must be JSON with finite numbers: {error}.") from error
    return described


def _require_same_run(
    folder: Path, saved: Mapping[str, Any], asked: Mapping[str, Any], *, num_epochs_begun: int
) -> None:
    difference = _first_difference(_fixed_part(saved), _fixed_part(asked))
    if difference is not None:
        raise ParameterError(
            f"{folder} holds another training: {difference}. Choose another folder, ask for the same again, or "
            "start anew with resume=False."
        )
    num_epochs = asked["settings"]["num_epochs"]
    if num_epochs < num_epochs_begun:
        raise ParameterError(
            f"num_epochs must be at least {num_epochs_begun}, got {num_epochs}: the training in {folder} is that far. "
            "Choose another folder, or start anew with resume=False."
        )


def _fixed_part(run: Mapping[str, Any]) -> dict[str, Any]:
    settings = dict(run["settings"])
    free = set(_FREE_SETTINGS)
    if settings["schedule"]["name"] == "Cosine":
        free.remove("num_epochs")  # the rate of every batch depends on it
    return {**run, "settings": {name: value for name, value in settings.items() if name not in free}}


def _first_difference(saved: Any, asked: Any, name: str = "") -> str | None:
    """The first value in which two JSON values differ, in words."""
    if isinstance(saved, dict) and isinstance(asked, dict):
        keys = [*saved, *(key for key in asked if key not in saved)]
        parts = ((f"{name}.{key}" if name else key, saved.get(key), asked.get(key)) for key in keys)
        return next((found for part in parts if (found := _first_difference(part[1], part[2], part[0]))), None)
    return None if saved == asked else f"{name} was {saved!r} there and is {asked!r} now"


def _num_epochs_begun(header: Mapping[str, Any]) -> int:
    return len(header["records"]) + (header["num_batches_done"] > 0)


def _best_path(folder: Path, epoch: int) -> Path:
    return folder / BEST_PATTERN.replace("*", f"{epoch:05d}")


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(f"{prefix}."): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")
    }


def _optimizer_state(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        index, moment = name.split(".", maxsplit=1)
        state.setdefault(int(index), {})[moment] = tensor
    return {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
