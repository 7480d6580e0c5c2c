"""Cores and threads: what a container, SLURM or `taskset` grants, not what the machine has."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager


def available_cores() -> int:
    """Number of cores available to this process, ≥ 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def shared_threads(num_threads: int) -> Iterator[Executor | None]:
    """Threads for the parts of one computation; None for a single one, which is the calling thread."""
    if num_threads == 1:
        yield None
        return
    with ThreadPoolExecutor(max_workers=num_threads, thread_name_prefix="gliomap") as executor:
        yield executor
