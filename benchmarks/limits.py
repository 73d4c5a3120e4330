"""What one core of this machine can do at best: the roof under which kernels are judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.clock import cpu_seconds
from refsolve.core.jit import kernel

TRIAD = 4_000_000  # numbers per array: far more than caches hold
MATRIX = 768
LANES = 8
STREAMS = 8  # independent blocks of lanes, to hide the latency of an addition
STEPS = 2_000_000
REPEATS = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """Rates of one core.

    Attributes
    ----------
    bandwidth
        Bytes per second between memory and processor: a triad over long arrays.
    product
        Floating-point operations per second of a product of matrices by BLAS.
    multiply_add
        The same of a compiled loop of multiplications and additions on numbers in registers: the
        most that a kernel can reach, as kernels neither fuse nor reorder operations.
    """

    bandwidth: float
    product: float
    multiply_add: float


@kernel
def triad(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    for i in range(a.size):
        a[i] = b[i] + 3.0 * c[i]


@kernel
def multiply_add(steps: int, factor: float, sums: np.ndarray) -> None:
    """`steps` times s ← s·factor + factor for every sum, (STREAMS·LANES,)."""
    s = np.empty(STREAMS * LANES)
    s[:] = sums
    for _ in range(steps):
        for k in range(STREAMS * LANES):
            s[k] = s[k] * factor + factor
    sums[:] = s


def measure_limits() -> Limits:
    """Measure this machine; BLAS must be on one thread."""
    a, b, c = np.zeros(TRIAD), np.ones(TRIAD), np.ones(TRIAD)
    square, sums = np.ones((MATRIX, MATRIX)), np.ones(STREAMS * LANES)
    moving = cpu_seconds(lambda: triad(a, b, c), REPEATS)
    product = cpu_seconds(lambda: np.dot(square, square), REPEATS)
    looping = cpu_seconds(lambda: multiply_add(STEPS, 0.5, sums), REPEATS)
    return Limits(
        bandwidth=3 * a.nbytes / moving.least,
        product=2 * MATRIX**3 / product.least,
        multiply_add=2 * sums.size * STEPS / looping.least,
    )
