"""Threads of linear algebra."""

import scipy.linalg  # noqa: F401 - has a library of its own
from threadpoolctl import threadpool_info, threadpool_limits

from gliofield.cores import with_one_blas_thread


def test_linear_algebra_has_one_thread_within_and_what_it_had_after():
    """However many it had."""

    def threads() -> set[int]:
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    with threadpool_limits(limits=2, user_api="blas"):
        assert with_one_blas_thread(threads)() == {1}
        assert threads() == {2}
