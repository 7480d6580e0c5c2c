"""The frame around every training that ends in a checkpoint: processes, running state, one file at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from gliofield_training.checkpoint_files import write_checkpoint
from gliofield_training.outputs import keep_logs_alone, training_folder
from gliofield_training.processes import ProcessGroup, process_group

if TYPE_CHECKING:
    import torch


class Header(Protocol):
    """What a checkpoint says of its networks."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        ...


HeaderT = TypeVar("HeaderT", bound=Header)


def train_to_checkpoint(
    path: Path,
    run: Callable[[Path, ProcessGroup], tuple[HeaderT, Mapping[str, torch.Tensor]]],
    *,
    kind: str,
    device: str,
    replace: bool,
) -> HeaderT:
    """Train in a folder beside a checkpoint, write that, and leave nothing of the folder but its logs.

    Parameters
    ----------
    path : Path
        The checkpoint, as `checkpoint_path` gave it.
    run : callable
        Trains, given the folder of the running state and the processes; returns header and tensors. Every process
        calls it, and the first one writes what it returns there.
    kind : str
        What the checkpoint holds.
    device : str
        Where the networks compute.
    replace : bool
        Whether an older checkpoint may be replaced.

    Raises
    ------
    OutputError
        If the checkpoint cannot be written; and whatever `run` raises.
    """
    folder = training_folder(path)
    with process_group(device) as processes:
        header, tensors = run(folder, processes)
        if processes.is_first:
            write_checkpoint(path, kind=kind, header=header.to_dict(), tensors=tensors, replace=replace)
            keep_logs_alone(folder)
        processes.wait_for_all()
    return header
