"""Compiled robust fits: a start that outliers cannot spoil, Tukey's weights, direct effects."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel
from refsolve.methods.mvmr.kernels.regression import (
    Array,
    forward_solve,
    gram,
    lower_root,
    smallest_ratio,
)

Index = NDArray[np.int64]

ROUNDS = 500
CONCENTRATIONS = 50
SPANNED = 1e-9  # share of a column's squares below which others span it
FINALISTS = 10  # starts that are concentrated to the end
MAD = 0.6744897501960817  # of a standard normal


@kernel
def ascending(a: Array) -> Array:
    """The elements in ascending order (n,)."""
    out: Array = np.sort(a)
    return out


@kernel
def residuals(x: Array, y: Array, theta: Array) -> Array:
    """Y − Xθ (J,)."""
    e = y.copy()
    for i in range(x.shape[0]):
        for k in range(x.shape[1]):
            e[i] -= x[i, k] * theta[k]
    return e


@kernel
def least_squares(x: Array, y: Array, weight: Array) -> Array:
    """θ of weighted least squares (K,), by elimination; zeros where rows do not determine it."""
    K = x.shape[1]
    M = np.zeros((K, K + 1))
    for i in range(y.size):
        for a in range(K if weight[i] > 0.0 else 0):
            part = weight[i] * x[i, a]
            for b in range(K):
                M[a, b] += part * x[i, b]
            M[a, K] += part * y[i]
    theta = np.zeros(K)
    scale = np.array([M[a, a] for a in range(K)])
    for a in range(K):
        if not M[a, a] > 1e-12 * scale[a]:
            return theta
        for c in range(a + 1, K):
            factor = M[c, a] / M[a, a]
            for b in range(a, K + 1):
                M[c, b] -= factor * M[a, b]
    for a in range(K - 1, -1, -1):
        theta[a] = M[a, K]
        for b in range(a + 1, K):
            theta[a] -= M[a, b] * theta[b]
        theta[a] /= M[a, a]
    return theta


@kernel
def concentrated(x: Array, y: Array, start: Array, kept: int, rounds: int) -> tuple[Array, float]:
    """θ refitted to the `kept` rows that fit best, again and again, and their squares."""
    theta = start.copy()
    last = math.inf
    for _ in range(rounds):
        e = residuals(x, y, theta)
        squares = e * e
        limit = ascending(squares)[kept - 1]
        total = 0.0
        weight = np.zeros(y.size)
        for i in range(y.size):
            if squares[i] <= limit:
                total += squares[i]
                weight[i] = 1.0
        if total >= last * (1.0 - 1e-12):
            break
        last = total
        theta = least_squares(x, y, weight)
    e = residuals(x, y, theta)
    return theta, float(np.sum(ascending(e * e)[:kept]))


@kernel
def trimmed_start(x: Array, y: Array, subsets: Index, kept: int) -> Array:
    """Least trimmed squares: θ whose `kept` smallest squared residuals have the least sum.

    Every subset (S, K) of rows gives an exact fit, which is concentrated twice; the best few to
    the end.
    """
    S, K = subsets.shape
    theta = np.empty((S, K))
    value = np.empty(S)
    for s in range(S):
        weight = np.zeros(y.size)
        for k in range(K):
            weight[subsets[s, k]] = 1.0
        theta[s], value[s] = concentrated(x, y, least_squares(x, y, weight), kept, 2)
    best = math.inf
    found = np.zeros(K)
    for _ in range(min(FINALISTS, S)):
        s = int(np.argmin(value))
        value[s] = math.inf
        final, total = concentrated(x, y, theta[s], kept, CONCENTRATIONS)
        if total < best:
            best, found = total, final
    return found


@kernel
def robust_scale(u: Array) -> float:
    """Median absolute deviation from zero in standard deviations of a normal, at least one."""
    size = ascending(np.abs(u))
    n = u.size
    return max(1.0, float(0.5 * (size[(n - 1) // 2] + size[n // 2]) / MAD))


@kernel
def bisquare(u: Array, c: float) -> Array:
    """Tukey's weights (1 − (u/c)²)² within c, zero beyond."""
    weight = np.zeros(u.size)
    for i in range(u.size):
        r = u[i] / c
        if abs(r) < 1.0:
            weight[i] = (1.0 - r * r) ** 2
    return weight


@kernel
def redescending(
    x: Array, y: Array, noise: Array, start: Array, c: float
) -> tuple[Array, float, Array, bool]:
    """Tukey's estimate (K,), the scale (that of the start), weights (J,), and convergence.

    Residuals are judged against sqrt(1 + θ'Σθ) times the scale; noise (K, K) zero: a plain fit.
    """
    K = start.size
    theta = start.copy()
    scale = -1.0
    weight = np.ones(y.size)
    for _ in range(ROUNDS):
        v = 1.0
        for a in range(K):
            for b in range(K):
                v += theta[a] * noise[a, b] * theta[b]
        u = residuals(x, y, theta) / math.sqrt(v)
        if scale < 0.0:
            scale = robust_scale(u)
        weight = bisquare(u / scale, c)
        new, _q = smallest_ratio(gram(x, y, weight), noise)
        size = 0.0
        for k in range(K):
            size = max(size, abs(new[k] - theta[k]) * math.sqrt(gram(x, y, weight)[k + 1, k + 1]))
        theta = new
        if size < 1e-9:
            return theta, scale, weight, True
    return theta, scale, weight, False


@kernel
def additions(
    H: Array, c: Array, before: Array, total: float, members: Index
) -> tuple[float, Array]:
    """Residual squares with the members in the fit, and with one more column (M,).

    Columns and outcome are free of X: their products H (M, M) and c (M,), the squares of the
    columns before that (M,) and of the outcome. A column in the span of the others adds nothing.
    """
    m, M = members.size, c.size
    inner, beside = np.empty((m, m)), np.empty((m, M + 1))
    for a in range(m):
        for b in range(m):
            inner[a, b] = H[members[a], members[b]]
        for j in range(M):
            beside[a, j] = H[members[a], j]
        beside[a, M] = c[members[a]]
    half = forward_solve(lower_root(inner), beside)
    Q = total
    for a in range(m):
        Q -= half[a, M] * half[a, M]
    if not Q < math.inf:
        return math.inf, np.full(M, math.inf)
    after = np.full(M, Q)
    for j in range(M):
        left, along = H[j, j], c[j]
        for a in range(m):
            left -= half[a, j] * half[a, j]
            along -= half[a, j] * half[a, M]
        if left > SPANNED * before[j]:
            after[j] = Q - along * along / left
    return Q, after
