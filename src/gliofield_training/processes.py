"""One training by several processes, one per device, as PyTorch's launcher starts them.

    torchrun --nproc-per-node 4 -m gliofield train ...

sets WORLD_SIZE, RANK and LOCAL_RANK; `process_group` joins the processes (NCCL on CUDA, Gloo on the processor) for as
long as its block lasts. Without the launcher there is a single process, and nothing to join.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gliofield.errors import ParameterError
from gliofield.learning.devices import resolve_device

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ProcessGroup:
    """This process among those that train together.

    Attributes
    ----------
    rank : int
        Number of this process, from 0. Only process 0 writes and reports.
    num_processes : int
        Number of processes; 1: it is alone.
    device : torch.device
        The device of this process.
    """

    rank: int
    num_processes: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def share_of(self, samples: list[int]) -> list[int]:
        """The samples of a batch that this process computes: equal runs up to one; all of them if it is alone."""
        begin, end = (len(samples) * rank // self.num_processes for rank in (self.rank, self.rank + 1))
        return samples[begin:end]

    def sum_of(self, values: list[float]) -> list[float]:
        """Sums over the processes, the same in all of them; every process has to ask."""
        if self.num_processes == 1:
            return values
        import torch
        import torch.distributed

        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(total)
        return total.tolist()

    def copy_from_first(self, tensors: Iterable[torch.Tensor]) -> None:
        """Overwrite tensors by those of the first process; every process has to ask."""
        if self.num_processes == 1:
            return
        import torch.distributed

        for tensor in tensors:
            torch.distributed.broadcast(tensor, src=0)

    def wait_for_all(self) -> None:
        """Go on when every process has come here."""
        self.sum_of([0.0])


@contextmanager
def process_group(device: str = "auto") -> Iterator[ProcessGroup]:
    """The processes of this training, joined while the block lasts.

    Inside the block of another `process_group` it is that group.

    Parameters
    ----------
    device : str
        "auto", "cpu" or "cuda"; on CUDA each process takes the device of its LOCAL_RANK.

    Raises
    ------
    ParameterError
        If the device is unknown or not there, or the environment of the launcher is incomplete.
    """
    import torch.distributed

    first_device = resolve_device(device)
    if not torch.distributed.is_available() or (_number("WORLD_SIZE", 1) == 1 and not _is_joined()):
        yield ProcessGroup(0, 1, first_device)
        return
    own_device = _own_device(first_device)
    is_outermost = not _is_joined()
    if is_outermost:
        torch.distributed.init_process_group("nccl" if own_device.type == "cuda" else "gloo")
    try:
        yield ProcessGroup(torch.distributed.get_rank(), torch.distributed.get_world_size(), own_device)
    finally:
        if is_outermost:
            torch.distributed.destroy_process_group()


def _is_joined() -> bool:
    import torch.distributed

    return torch.distributed.is_initialized()


def _own_device(device: torch.device) -> torch.device:
    import torch

    if device.type != "cuda":
        return device
    number = _number("LOCAL_RANK", 0)
    if number >= torch.cuda.device_count():
        raise ParameterError(
            f"process {number} on this machine has no CUDA device: there are {torch.cuda.device_count()}. Start no "
            "more processes than devices (torchrun --nproc-per-node)."
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not text.isdigit():
        raise ParameterError(f"{variable} must be a number, got {text!r}. Start the processes with torchrun.")
    return int(text)
