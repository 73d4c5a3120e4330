"""Compiled Wright–Fisher recursion on counts: the chain itself, for small populations.

Axes: count i = 0..M_t; generation t = 0..T; locus l. All terms are positive, so every likelihood
keeps its relative accuracy; transitions are left out only where they would underflow.
"""

from __future__ import annotations

import math

import numpy as np

from refsolve.core.jit import kernel
from refsolve.methods.wright_fisher.kernels.parts import (
    Array,
    Index,
    binomial_row,
    copied,
    selected,
)

CUT = 1e-290  # of the largest of a row: only what underflows is left out
TINY = 1e-100  # vectors are rescaled when their maximum falls below this


@kernel
def scale_to_one(u: Array, top: float) -> float:
    """Divide u by its maximum `top`; returns the log of the divisor."""
    if not top > 0.0:
        for i in range(u.size):
            u[i] = 0.0
        return -math.inf
    for i in range(u.size):
        u[i] /= top
    return math.log(top)


@kernel
def transition_rows(
    M0: int, M1: int, s: float, h: float, diploid: bool
) -> tuple[Index, Index, Array]:  # eq. (2)
    """Rows Binomial(M1, g(i/M0)), i = 0..M0: first count (M0+1,), offsets (M0+2,), flat terms."""
    first = np.empty(M0 + 1, np.int64)
    where = np.zeros(M0 + 2, np.int64)
    flat = np.empty((M0 + 1) * 64)
    row = np.empty(M1 + 1)
    for i in range(M0 + 1):
        p, q = selected(i / M0, (M0 - i) / M0, s, h, diploid)
        first[i], n = binomial_row(float(M1), p, q, CUT, row)
        used = where[i]
        if used + n > flat.size:
            flat = copied(flat, used, 2 * flat.size + n)
        for k in range(n):
            flat[used + k] = row[k]
        where[i + 1] = used + n
    return first, where, flat


@kernel
def dot(weights: Array, values: Array) -> float:
    """Sum of products in four interleaved sums: a fixed order that the processor can overlap."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    n = weights.size
    whole = n - n % 4
    for k in range(0, whole, 4):
        a += weights[k] * values[k]
        b += weights[k + 1] * values[k + 1]
        c += weights[k + 2] * values[k + 2]
        d += weights[k + 3] * values[k + 3]
    for k in range(whole, n):
        a += weights[k] * values[k]
    return (a + b) + (c + d)


@kernel
def backward_counts(
    s: float, h: float, diploid: bool, sizes: Index, emission: Array, emission_of: Index
) -> tuple[Array, Array]:  # eq. (4)
    """u_0 (L, M_0+1) scaled to maximum one, and logs of the scale (L,).

    emission (R, L, max M + 1); emission_of (T+1,) names its row, -1 for none.
    """
    loci = emission.shape[1]
    T = sizes.size - 1
    u = np.ones((loci, emission.shape[2]))
    v = np.empty_like(u)
    logs = np.zeros(loci)
    first, where, flat = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    for t in range(T, -1, -1):
        if emission_of[t] >= 0:
            for a in range(loci):
                top = 0.0
                for j in range(sizes[t] + 1):
                    u[a, j] *= emission[emission_of[t], a, j]
                    top = max(top, u[a, j])
                logs[a] += scale_to_one(u[a], top)
        if t == 0:
            break
        if t == T or sizes[t] != sizes[t + 1] or sizes[t - 1] != sizes[t]:
            first, where, flat = transition_rows(sizes[t - 1], sizes[t], s, h, diploid)
        for a in range(loci):
            top = 0.0
            for i in range(sizes[t - 1] + 1):
                n = where[i + 1] - where[i]
                weights = flat[where[i] : where[i + 1]]
                v[a, i] = dot(weights, u[a, first[i] : first[i] + n])
                top = max(top, v[a, i])
            if top < TINY:
                logs[a] += scale_to_one(v[a], top)
        u, v = v, u
    return u[:, : sizes[0] + 1].copy(), logs
