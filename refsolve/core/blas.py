"""One BLAS thread per process.

The pools of BLAS multiply with ours, which makes small fits tens of times slower, and the last
digits of a matrix product depend on the number of BLAS threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

ENVIRONMENT = dict.fromkeys(
    (
        "BLIS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ),
    "1",
)
"""What limits libraries that a new process has not loaded yet."""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS and OpenMP of this process, and restore what was set before."""
    # Only libraries that are loaded can be limited, and scipy brings a BLAS of its own.
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


@cache
def stay_on_one_blas_thread() -> None:
    """Limit BLAS and OpenMP of this process for good; for processes that only do tasks."""
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
