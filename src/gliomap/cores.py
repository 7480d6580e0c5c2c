"""How many cores this process may use: what a container, SLURM or `taskset` grants, not what the machine has."""

import os


def available_cores() -> int:
    """Number of cores available to this process, ≥ 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
