"""Small symmetric systems."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]

SMALLEST = 1e-14  # pivot, relative to its diagonal element


@kernel
def weighted_square(x: Array, weight: Array, out: Array) -> None:  # x (n, p), out (p, p)
    """X'WX."""
    n, p = x.shape
    out[:] = 0.0
    for i in range(n):
        for j in range(p):
            v = x[i, j] * weight[i]
            if v != 0.0:
                for k in range(j + 1):
                    out[j, k] += v * x[i, k]
    for j in range(p):
        for k in range(j):
            out[k, j] = out[j, k]


@kernel
def factorise(a: Array, out: Array) -> float:  # a, out (p, p)
    """Lower Cholesky factor; returns the log determinant. A lost pivot is replaced by a small one.

    The sign of a pivot is not kept: callers that need a positive matrix test it themselves.
    """
    p, log_det = a.shape[0], 0.0
    for k in range(p):
        for j in range(k, p):
            total = a[j, k]
            for m in range(k):
                total -= out[j, m] * out[k, m]
            if j == k:
                total = math.sqrt(max(total, SMALLEST * abs(a[k, k]) + 1e-290))
                log_det += 2.0 * math.log(total)
                out[k, k] = total
            else:
                out[j, k] = total / out[k, k]
    return log_det


@kernel
def substitute(factor: Array, b: Array) -> None:  # factor (p, p), b (p,)
    """Solution in place."""
    p = b.size
    for k in range(p):
        for m in range(k):
            b[k] -= factor[k, m] * b[m]
        b[k] /= factor[k, k]
    for k in range(p - 1, -1, -1):
        for m in range(k + 1, p):
            b[k] -= factor[m, k] * b[m]
        b[k] /= factor[k, k]


@kernel
def quadratic_form(factor: Array, v: Array, work: Array) -> float:  # v, work (p,)
    """v'A^{-1}v."""
    total = 0.0
    for k in range(v.size):
        value = v[k]
        for m in range(k):
            value -= factor[k, m] * work[m]
        work[k] = value / factor[k, k]
        total += work[k] * work[k]
    return total
