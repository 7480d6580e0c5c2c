"""Numba compilation with the settings every kernel of gliofield shares.

Kernels release the GIL (thread pools scale), follow IEEE arithmetic to the bit (no fast math, so results do not depend
on how rows are cut into vectors) and are cached on disk. Where no cache folder is writable, as on some clusters, they
are compiled anew in each process instead of failing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

KernelT = TypeVar("KernelT", bound=Callable[..., Any])


def compiled(kernel: KernelT) -> KernelT:
    """Decorator: compile a kernel on its first call; keep the machine code on disk where that is possible."""
    # error_model "numpy": a division checked for zero, Python's way, would not vectorize.
    try:
        return cast(KernelT, njit(kernel, nogil=True, error_model="numpy", cache=True))
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
        return cast(KernelT, njit(kernel, nogil=True, error_model="numpy", fastmath={"reassoc"}, cache=True))
    except RuntimeError:
        return cast(KernelT, njit(kernel, nogil=True, error_model="numpy", fastmath={"reassoc"}))
