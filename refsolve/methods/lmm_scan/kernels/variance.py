"""Compiled likelihood of a mixed model in rotated coordinates, where lines are independent.

y ~ N(Xβ, σ² diag(s d + 1 − s)) with eigenvalues d of the doubled kinship and variance share s.
Axes: line i = 0..n−1; fixed column a = 0..c−1; founder column k; position m.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]

DEPENDENT = 1e-12  # squared length, of its own, that is left of a column explained by others
ROUNDING = 2.2e-16  # share of squares below which nothing is left
HIGHEST = 1.0 - 1e-9  # share; at one an eigenvalue of zero has no finite weight
STEPS = 60
SHARE_DIGITS = 1e-9
GOLDEN = 0.3819660112501051


@kernel
def moments(d: Array, share: float, X: Array, y: Array) -> tuple[Array, float]:
    """[X y]'W[X y], lower triangle (c+1, c+1), and Σ ln w, at w = 1/(s d + 1 − s)."""
    n, c = X.shape
    out = np.zeros((c + 1, c + 1))
    logs = 0.0
    for i in range(n):
        variance = share * d[i] + 1.0 - share
        logs -= math.log(variance)
        for a in range(c):
            part = X[i, a] / variance
            for b in range(a + 1):
                out[a, b] += part * X[i, b]
        part = y[i] / variance
        for b in range(c):
            out[c, b] += part * X[i, b]
        out[c, c] += part * y[i]
    return out, logs


@kernel
def eliminate(A: Array) -> tuple[float, int, float]:
    """ln|X'WX|, its rank, and what X leaves of y'Wy, from the lower triangle A, which is spent.

    Columns that earlier ones explain are passed over.
    """
    c = A.shape[0] - 1
    logs, rank = 0.0, 0
    for a in range(c):
        before = A[a, a]
        for k in range(a):
            before += A[a, k] * A[a, k] * A[k, k]
        pivot = A[a, a]
        if not pivot > DEPENDENT * before:
            A[a, a] = 0.0
            for i in range(a + 1, c + 1):
                A[i, a] = 0.0
            continue
        rank += 1
        logs += math.log(pivot)
        for i in range(a + 1, c + 1):
            A[i, a] /= pivot
        for i in range(a + 1, c + 1):
            along = A[i, a] * pivot
            for j in range(a + 1, i + 1):
                A[i, j] -= along * A[j, a]
    return logs, rank, A[c, c]


@kernel
def log_likelihood(share: float, d: Array, X: Array, y: Array, restricted: bool) -> float:
    """Log-likelihood of s, β and σ² at their best; of residual contrasts when restricted."""
    n = y.size
    A, weights = moments(d, share, X, y)
    nothing = float(ROUNDING * A[X.shape[1], X.shape[1]])
    logs, rank, rss = eliminate(A)
    rss = max(rss, nothing)
    left = n - rank if restricted else n
    out = 0.5 * weights - 0.5 * left * (math.log(2.0 * math.pi * rss / left) + 1.0)
    return out - 0.5 * logs if restricted else out


@kernel
def climb(
    low: float, high: float, d: Array, X: Array, y: Array, restricted: bool
) -> tuple[float, float]:
    """Share and log-likelihood of a maximum inside (low, high), by Brent's method."""
    a, b = low, high
    x = w = v = a + GOLDEN * (b - a)
    fx = fw = fv = -log_likelihood(x, d, X, y, restricted)
    step = last = 0.0
    for _ in range(STEPS):
        middle = 0.5 * (a + b)
        tiny = SHARE_DIGITS
        if abs(x - middle) <= 2.0 * tiny - 0.5 * (b - a):
            break
        parabolic = False
        if abs(last) > tiny:
            r = (x - w) * (fx - fv)
            q = (x - v) * (fx - fw)
            p = (x - v) * q - (x - w) * r
            q = 2.0 * (q - r)
            if q > 0.0:
                p = -p
            q = abs(q)
            if abs(p) < abs(0.5 * q * last) and q * (a - x) < p < q * (b - x):
                parabolic = True
                last, step = step, p / q
        if not parabolic:
            last = b - x if x < middle else a - x
            step = GOLDEN * last
        u = x + (step if abs(step) >= tiny else math.copysign(tiny, step))
        fu = -log_likelihood(u, d, X, y, restricted)
        if fu <= fx:
            if u < x:
                b = x
            else:
                a = x
            v, fv, w, fw, x, fx = w, fw, x, fx, u, fu
        else:
            if u < x:
                a = u
            else:
                b = u
            if fu <= fw or w == x:
                v, fv, w, fw = w, fw, u, fu
            elif fu <= fv or v in (x, w):
                v, fv = u, fu
    return x, -fx


@kernel
def best_share(
    d: Array, X: Array, y: Array, restricted: bool, coarse: int
) -> tuple[float, float]:  # share, log-likelihood
    """The share in [0, 1) with the highest likelihood, bracketed on `coarse` intervals."""
    width = HIGHEST / coarse
    top, value = 0.0, -np.inf
    for k in range(coarse + 1):
        one = log_likelihood(k * width, d, X, y, restricted)
        if one > value:
            top, value = k * width, one
    inner, climbed = climb(max(0.0, top - width), min(HIGHEST, top + width), d, X, y, restricted)
    return (inner, climbed) if climbed > value else (top, value)


@kernel
def exact_positions(d: Array, X: Array, y: Array, Z: Array) -> tuple[Array, Array, Array]:
    """Highest log-likelihood, its share, and rank of founder columns, at every position.

    Z (n, K, M). Each (M,).
    """
    n, K, M = Z.shape
    c = X.shape[1]
    columns = np.empty((n, c + K))
    columns[:, :c] = X
    value, share, rank = np.empty(M), np.empty(M), np.empty(M)
    for m in range(M):
        columns[:, c:] = Z[:, :, m]
        share[m], value[m] = best_share(d, columns, y, False, 2)
        A, _weights = moments(d, share[m], columns, y)
        rank[m] = eliminate(A)[1] - c
    return value, share, rank


@kernel
def ridge_likelihood(ratio: float, s: Array, b: Array, total: float, left: int) -> float:
    """Restricted log-likelihood of λ = σ_g²/σ_e² for effects along eigenvectors.

    s and b (K,): eigenvalues of Z'PZ and its eigenvectors' products with Z'Py; total = y'Py.
    """
    logs, rss = 0.0, total
    for k in range(s.size):
        grown = 1.0 + ratio * s[k]
        logs += math.log(grown)
        rss -= b[k] * b[k] * ratio / grown
    rss = max(rss, ROUNDING * total)
    return -0.5 * (logs + left * (math.log(2.0 * math.pi * rss / left) + 1.0))


@kernel
def best_ratio(s: Array, b: Array, total: float, left: int) -> float:
    """λ ≥ 0 of the highest restricted likelihood."""
    largest = 0.0
    for k in range(s.size):
        largest = max(largest, s[k])
    if largest == 0.0:
        return 0.0
    # In t = ln(λ s_max) the likelihood is flat at both ends.
    top, value = -np.inf, ridge_likelihood(0.0, s, b, total, left)
    for j in range(-28, 57):
        one = ridge_likelihood(math.exp(0.5 * j) / largest, s, b, total, left)
        if one > value:
            top, value = 0.5 * j, one
    if top == -np.inf:
        return 0.0
    low, high = top - 0.5, top + 0.5
    while high - low > 1e-3:
        left_third, right_third = low + (high - low) / 3.0, high - (high - low) / 3.0
        first = ridge_likelihood(math.exp(left_third) / largest, s, b, total, left)
        second = ridge_likelihood(math.exp(right_third) / largest, s, b, total, left)
        if first < second:
            low = left_third
        else:
            high = right_third
    return polished_ratio(math.exp(0.5 * (low + high)) / largest, s, b, total, left)


@kernel
def polished_ratio(ratio: float, s: Array, b: Array, total: float, left: int) -> float:
    """λ at which the derivative of the restricted likelihood vanishes, by secant steps."""
    here = ratio
    before = ratio * (1.0 + 1e-4)
    slope_before = ridge_slope(before, s, b, total, left)
    for _ in range(STEPS):
        slope = ridge_slope(here, s, b, total, left)
        if slope == slope_before:
            break
        after = here - slope * (here - before) / (slope - slope_before)
        if not 0.5 * ratio < after < 2.0 * ratio:
            break
        before, slope_before, here = here, slope, after
        if abs(here - before) <= 1e-14 * here:
            break
    return here


@kernel
def ridge_slope(ratio: float, s: Array, b: Array, total: float, left: int) -> float:
    """Derivative of the restricted log-likelihood with respect to λ."""
    logs, rss, change = 0.0, total, 0.0
    for k in range(s.size):
        grown = 1.0 + ratio * s[k]
        logs += s[k] / grown
        rss -= b[k] * b[k] * ratio / grown
        change -= b[k] * b[k] / (grown * grown)
    rss = max(rss, ROUNDING * total)
    return -0.5 * (logs + left * change / rss)
