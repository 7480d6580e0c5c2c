"""Numba compilation with the settings every kernel of gliofield shares.

Kernels release the GIL (thread pools scale), follow IEEE arithmetic to the bit (no fast math, so results do not depend
on how rows are cut into vectors) and are cached on disk. Where no cache folder is writable, as on some clusters, they
are compiled anew in each process instead of failing. So they are where what lies there cannot be read or kept; and
processes that fill one cache at once do so one after the other, for Numba's files would get mixed up.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast

from numba import njit

KernelT = TypeVar("KernelT", bound=Callable[..., Any])


def compiled(kernel: KernelT) -> KernelT:
    """Decorator: compile a kernel on its first call; keep the machine code on disk where that is possible."""
    # error_model "numpy": a division checked for zero, Python's way, would not vectorize.
    try:
        return cast(KernelT, kept_safely(njit(kernel, nogil=True, error_model="numpy", cache=True)))
    except RuntimeError:
        # Numba's "no locator available": neither the package nor the user's cache folder can be written.
        return cast(KernelT, njit(kernel, nogil=True, error_model="numpy"))


def inlined(kernel: KernelT) -> KernelT:
    """Decorator: a loop that becomes part of each kernel calling it.

    Inlined before compilation, for as a compiled function of its own it would count references to its row slices, which
    costs 40 % of a step.
    """
    return cast(KernelT, njit(kernel, nogil=True, error_model="numpy", inline="always"))


def compiled_sum(kernel: KernelT) -> KernelT:
    """Decorator: as `compiled`, for kernels that add up rows, which vectorize only where sums may be reordered.

    The order is a matter of the row's length alone, so results are still the same on every run and number of threads.
    """
    try:
        return cast(
            KernelT, kept_safely(njit(kernel, nogil=True, error_model="numpy", fastmath={"reassoc"}, cache=True))
        )
    except RuntimeError:
        return cast(KernelT, njit(kernel, nogil=True, error_model="numpy", fastmath={"reassoc"}))


class _SharedCache:
    """Numba's cache of one kernel, for processes that use it at once, and for files that are damaged or locked."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, *arguments: Any) -> Any:
        """Machine code, or None where there is none that can be used: it is compiled then, and kept in its place."""
        try:
            return self._cache.load_overload(*arguments)
        except Exception:  # unpickling raises anything
            with suppress(Exception), _one_at_a_time(self._cache.cache_path):
                self._cache.flush()
            return None

    def save_overload(self, *arguments: Any) -> None:
        """Keep machine code, if that is possible."""
        # The index of a kernel is read, completed and written: two at once could give one name to two codes.
        with suppress(Exception), _one_at_a_time(self._cache.cache_path):
            self._cache.save_overload(*arguments)


def kept_safely(dispatcher: Any) -> Any:
    """A compiled function whose cache several processes may fill at once, and which does not fail with it."""
    if hasattr(dispatcher, "_cache"):
        dispatcher._cache = _SharedCache(dispatcher._cache)
    return dispatcher


@contextmanager
def _one_at_a_time(folder: str) -> Iterator[None]:
    """Hold the lock of a folder, where its file system knows locks."""
    os.makedirs(folder, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
