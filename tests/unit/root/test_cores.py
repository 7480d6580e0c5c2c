"""Threads of linear algebra."""

import threading

import pytest
import scipy.linalg  # noqa: F401 - has a library of its own
from threadpoolctl import threadpool_info, threadpool_limits

from gliofield.cores import meanwhile, with_one_blas_thread


def test_linear_algebra_has_one_thread_within_and_what_it_had_after():
    """However many it had."""

    def threads() -> set[int]:
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    with threadpool_limits(limits=2, user_api="blas"):
        assert with_one_blas_thread(threads)() == {1}
        assert threads() == {2}


def test_a_computation_runs_while_its_caller_goes_on():
    """It has begun, on a thread of its own, before anybody asks for its result."""
    begun, goes_on = threading.Event(), threading.Event()

    def compute(number: int) -> tuple[int, str]:
        begun.set()
        assert goes_on.wait(10.0)
        return number + 1, threading.current_thread().name

    with meanwhile(2) as beside:
        result = beside.begin(compute, 1)
        assert begun.wait(10.0)
        goes_on.set()
        number, thread = result()

    assert number == 2
    assert thread != threading.current_thread().name


def test_with_one_thread_it_is_computed_once_and_when_asked():
    """In the calling thread; what nobody asks for costs nothing."""
    calls = []
    with meanwhile(1) as beside:
        result = beside.begin(calls.append, 1)
        assert calls == []
        result()
        result()

    assert calls == [1]


@pytest.mark.parametrize("num_threads", [1, 2])
def test_an_error_waits_for_the_one_who_asks(num_threads):
    """And does not end what runs beside it."""
    with meanwhile(num_threads) as beside:
        result = beside.begin(int, "not a number")
        with pytest.raises(ValueError, match="not a number"):
            result()
