"""Dispersion of one gene by the profile likelihood, adjusted or not, eq. (4)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel
from refsolve.methods.count_glm.kernels.likelihood import dispersion_slope
from refsolve.methods.count_glm.kernels.linear import (
    factorise,
    quadratic_form,
    substitute,
    weighted_square,
)
from refsolve.methods.count_glm.kernels.regression import fit_mean, means, score_and_weight

Array = NDArray[np.float64]

SMALLEST, LARGEST = 1e-8, 1e2
SEARCH, STILL = 100, 1e-11  # steps; change of the log dispersion at which the search ends


@kernel
def adjustment_slope(
    y: Array, x: Array, alpha: float, information: Array, rows: Array
) -> float:  # rows (4, n): m, mu, score, weight
    """Derivative in alpha of half the log determinant of the information, coefficients moving."""
    n, p = x.shape
    factor, bend, observed = np.empty((p, p)), np.empty(n), np.empty((p, p))
    drift, work = np.zeros(p), np.empty(p)
    factorise(information, factor)
    for i in range(n):
        m, mu = rows[0, i], rows[1, i]
        over = 1.0 + alpha * mu
        slope = (y[i] - mu) / (mu * over)
        curve = alpha * (1.0 + alpha * y[i]) / (over * over) - y[i] / (mu * mu)
        bend[i] = -m * slope - m * m * curve
        for k in range(p):
            drift[k] -= x[i, k] * rows[2, i] * mu / over
    weighted_square(x, bend, observed)
    moved = np.empty((p, p))
    factorise(observed, moved)
    substitute(moved, drift)
    total = 0.0
    for i in range(n):
        m, mu, change = rows[0, i], rows[1, i], 0.0
        over = 1.0 + alpha * mu
        for k in range(p):
            change += x[i, k] * drift[k]
        change *= 2.0 - m * (1.0 + 2.0 * alpha * mu) / (mu * over)
        total += rows[3, i] * quadratic_form(factor, x[i], work) * (change - mu / over)
    return 0.5 * total


@kernel
def profile_slope(
    y: Array, x: Array, native: Array, ambient: Array, alpha: float, beta: Array, adjusted: bool
) -> tuple[float, float]:  # beta (p,) is moved to the maximum at alpha
    """Derivative of the profile in log alpha, and the log-likelihood without log y!."""
    found, information, value, _ = fit_mean(y, x, native, ambient, alpha, beta, False)
    beta[:] = found
    rows = np.empty((4, y.size))
    means(x, beta, native, ambient, rows[0], rows[1])
    score_and_weight(y, rows[0], rows[1], alpha, rows[2], rows[3])
    slope = dispersion_slope(y, rows[1], alpha)
    if adjusted:
        slope -= adjustment_slope(y, x, alpha, information, rows)
    return alpha * slope, value


@kernel
def moment_dispersion(y: Array, mu: Array) -> float:  # y, mu (n,)
    """Excess of squared residuals over their Poisson value, in units of squared means."""
    over, square = 0.0, 0.0
    for i in range(y.size):
        over += (y[i] - mu[i]) ** 2 - mu[i]
        square += mu[i] * mu[i]
    return over / square


@kernel
def bracket(
    y: Array, x: Array, native: Array, ambient: Array, start: float, beta: Array, adjusted: bool
) -> tuple[float, float, float, float]:
    """Log dispersions around the maximum, with the slopes there; equal ones: at a bound."""
    low, high, step = math.log(SMALLEST), math.log(LARGEST), 0.5
    a = math.log(min(max(start, 1e-4), 10.0))
    fa = profile_slope(y, x, native, ambient, math.exp(a), beta, adjusted)[0]
    while True:
        b = min(a + step, high) if fa > 0.0 else max(a - step, low)
        fb = profile_slope(y, x, native, ambient, math.exp(b), beta, adjusted)[0]
        if fa > 0.0 and fb <= 0.0:
            return a, b, fa, fb
        if fa <= 0.0 and fb > 0.0:
            return b, a, fb, fa
        if b <= low or b >= high:
            return b, b, fb, fb
        a, fa, step = b, fb, 1.6 * step


@kernel
def fit_dispersion(
    y: Array, x: Array, native: Array, ambient: Array, beta0: Array, adjusted: bool
) -> tuple[float, Array, float]:  # y, native, ambient (n,), x (n, p), beta0 (p,)
    """Dispersion, coefficients (p,), log-likelihood without log y!; zero where none is seen."""
    m, mu = np.empty(y.size), np.empty(y.size)
    poisson, _, value, _ = fit_mean(y, x, native, ambient, 0.0, beta0, False)
    means(x, poisson, native, ambient, m, mu)
    beta, start = poisson.copy(), moment_dispersion(y, mu)
    a, b, fa, fb = bracket(y, x, native, ambient, start, beta, adjusted)
    if a == b and fa <= 0.0:
        return 0.0, poisson, value
    side, t = 0, 0.5 * (a + b)
    for _ in range(SEARCH):
        if b - a < STILL:
            break
        t = (a * fb - b * fa) / (fb - fa)
        ft, value = profile_slope(y, x, native, ambient, math.exp(t), beta, adjusted)
        if abs(ft) < 1e-12:
            break
        if ft > 0.0:
            moved, a, fa = t - a, t, ft
            fb, side = (0.5 * fb if side == 1 else fb), 1
        else:
            moved, b, fb = b - t, t, ft
            fa, side = (0.5 * fa if side == -1 else fa), -1
        if moved < STILL:
            break
    beta, _, value, _ = fit_mean(y, x, native, ambient, math.exp(t), beta, False)
    return math.exp(t), beta, value
