"""Quasi-likelihood of counts whose native part alone is overdispersed: variance mu + alpha m^2."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel
from refsolve.methods.count_glm.kernels.linear import factorise, substitute, weighted_square
from refsolve.methods.count_glm.kernels.regression import (
    CONVERGED,
    FURTHEST,
    HALVINGS,
    SEPARATED,
    STEPS,
    STILL,
    UNFINISHED,
    fit_mean,
    means,
)

Array = NDArray[np.float64]

SEARCH = 100
SMALLEST, LARGEST = 1e-8, 1e2
NEAR = 1e-11  # change of the log dispersion at which the search ends


@kernel
def quasi_score(
    y: Array,
    x: Array,
    native: Array,
    ambient: Array,
    alpha: float,
    beta: Array,
    rows: Array,
    information: Array,
    factor: Array,
    step: Array,
) -> float:  # rows (3, n): m, mu, weight; information, factor (p, p), step (p,)
    """Step of scoring into `step`; returns the squared length of the score in its own metric."""
    n, p = x.shape
    means(x, beta, native, ambient, rows[0], rows[1])
    step[:] = 0.0
    for i in range(n):
        v = rows[0, i] / (rows[1, i] + alpha * rows[0, i] * rows[0, i])
        rows[2, i] = v * rows[0, i]
        for k in range(p):
            step[k] += x[i, k] * v * (y[i] - rows[1, i])
    score = step.copy()
    weighted_square(x, rows[2], information)
    factorise(information, factor)
    substitute(factor, step)
    total = 0.0
    for k in range(p):
        total += score[k] * step[k]
    return total


@kernel
def fit_native(
    y: Array, x: Array, native: Array, ambient: Array, alpha: float, beta0: Array
) -> tuple[Array, Array, int]:  # y, native, ambient (n,), x (n, p), beta0 (p,) near the root
    """Coefficients (p,), information (p, p), and how the search for the root ended."""
    n, p = x.shape
    beta, trial, step, next_step = beta0.copy(), np.empty(p), np.empty(p), np.empty(p)
    rows, information, factor = np.empty((3, n)), np.empty((p, p)), np.empty((p, p))
    length = quasi_score(y, x, native, ambient, alpha, beta, rows, information, factor, step)
    for _ in range(STEPS):
        furthest = 0.0
        for i in range(n):
            change = 0.0
            for k in range(p):
                change += x[i, k] * step[k]
            furthest = max(furthest, abs(change))
        size, new = min(1.0, FURTHEST / max(furthest, 1e-300)), length
        for _ in range(HALVINGS):
            for k in range(p):
                trial[k] = beta[k] + size * step[k]
            new = quasi_score(
                y, x, native, ambient, alpha, trial, rows, information, factor, next_step
            )
            if new <= length * (1.0 + 1e-9) or size * furthest < STILL:
                break
            size *= 0.5
        beta[:] = trial
        step[:] = next_step
        length = new
        if size * furthest < STILL:
            return beta, information, CONVERGED
    return beta, information, UNFINISHED


@kernel
def excess(
    y: Array, x: Array, native: Array, ambient: Array, alpha: float, beta: Array, still: bool
) -> float:  # beta (p,) is moved to the root at alpha unless it is to stay still
    """Pearson's statistic less its degrees of freedom."""
    n, p = x.shape
    if not still:
        beta[:] = fit_native(y, x, native, ambient, alpha, beta)[0]
    m, mu, total = np.empty(n), np.empty(n), 0.0
    means(x, beta, native, ambient, m, mu)
    for i in range(n):
        total += (y[i] - mu[i]) ** 2 / (mu[i] + alpha * m[i] * m[i])
    return float(total - (n - p))


@kernel
def fit_native_dispersion(
    y: Array, x: Array, native: Array, ambient: Array, beta0: Array
) -> tuple[float, Array, Array, int]:  # y, native, ambient (n,), x (n, p), beta0 (p,)
    """Dispersion at which Pearson's statistic is what it should be, coefficients, information."""
    beta, information, _, code = fit_mean(y, x, native, ambient, 0.0, beta0, False)
    still = code == SEPARATED
    if excess(y, x, native, ambient, 0.0, beta, True) <= 0.0:
        return 0.0, beta, information, code
    low, high = math.log(SMALLEST), math.log(SMALLEST)
    f_low = f_high = excess(y, x, native, ambient, SMALLEST, beta, still)
    while f_high > 0.0 and high < math.log(LARGEST):
        low, f_low = high, f_high
        high = min(max(high + 3.0, -5.0), math.log(LARGEST))
        f_high = excess(y, x, native, ambient, math.exp(high), beta, still)
    side, t = 0, high
    for _ in range(SEARCH):
        if f_high >= 0.0 or high - low < NEAR:
            break
        t = (low * f_high - high * f_low) / (f_high - f_low)
        f = excess(y, x, native, ambient, math.exp(t), beta, still)
        if abs(f) < NEAR:
            break
        if f > 0.0:
            low, f_low = t, f
            f_high, side = (0.5 * f_high if side == 1 else f_high), 1
        else:
            high, f_high = t, f
            f_low, side = (0.5 * f_low if side == -1 else f_low), -1
    if not still:
        beta, information, code = fit_native(y, x, native, ambient, math.exp(t), beta)
    return math.exp(t), beta, information, code
