"""Cores and threads: what a container, SLURM or `taskset` grants, not what the machine has."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial, wraps
from typing import Any, ParamSpec, TypeVar

from gliofield.errors import ParameterError
from gliofield.progress import ProgressEvent, Reporter

R = TypeVar("R")
P = ParamSpec("P")


def available_cores() -> int:
    """Number of cores available to this process, ≥ 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def require_threads(num_threads: int | None) -> int:
    """Number of threads; None: all cores.

    Raises
    ------
    ParameterError
        If it is below 1.
    """
    if num_threads is not None and num_threads < 1:
        raise ParameterError(f"num_threads must be at least 1, got {num_threads}. Leave it out to use all cores.")
    return num_threads if num_threads is not None else available_cores()


def limit_blas() -> Any:
    """Give the linear algebra of NumPy and SciPy one thread; a context manager that takes it back.

    Matrices are small here: more threads wait for each other, above all where processes share the cores, and add up
    in another order.
    """
    import scipy.linalg  # noqa: F401 - has a library of its own, which must be there to be limited
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")


def with_one_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function run under `limit_blas`."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with limit_blas():
            return function(*args, **kwargs)

    return limited


def map_blocks(
    function: Callable[[range], R],
    number: int,
    *,
    block: int,
    num_threads: int,
    task: str,
    report: Reporter,
    message: str = "",
) -> list[R]:
    """Results of a function of runs of up to `block` of the numbers 0 … `number` − 1, made by threads, in order.

    Reports the numbers done as `task`. After an error or an interrupt nobody waits for the rest.
    """
    blocks = [range(first, min(first + block, number)) for first in range(0, number, block)]
    results = []
    with ThreadPoolExecutor(num_threads) as executor:
        try:
            for numbers, result in zip(blocks, executor.map(function, blocks), strict=True):
                results.append(result)
                report(ProgressEvent(task=task, completed=numbers.stop, total=number, message=message))
        finally:
            executor.shutdown(cancel_futures=True)
    return results


@contextmanager
def shared_threads(num_threads: int) -> Iterator[Executor | None]:
    """Threads for the parts of one computation; None for a single one, which is the calling thread."""
    if num_threads == 1:
        yield None
        return
    with ThreadPoolExecutor(max_workers=num_threads, thread_name_prefix="gliofield") as executor:
        yield executor


class Meanwhile:
    """Begins computations while the caller does something else; `meanwhile` makes one."""

    def __init__(self, executor: Executor | None) -> None:
        self._executor = executor

    def begin(self, function: Callable[..., R], /, *arguments: Any) -> Callable[[], R]:
        """Begin a computation; what is returned waits for its result, or its error, whenever it is asked.

        Without threads the computation waits until it is asked for.
        """
        if self._executor is None:
            return cache(partial(function, *arguments))
        return self._executor.submit(function, *arguments).result


@contextmanager
def meanwhile(num_threads: int) -> Iterator[Meanwhile]:
    """The threads that the calling one leaves free, for what can be computed meanwhile.

    After an error or an interrupt nobody waits for what has not begun.
    """
    if num_threads == 1:
        yield Meanwhile(None)
        return
    with ThreadPoolExecutor(num_threads - 1, thread_name_prefix="gliofield") as executor:
        try:
            yield Meanwhile(executor)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
