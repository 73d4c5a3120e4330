"""Fits of many genes that share their covariates: coefficients and dispersion move together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel
from refsolve.methods.count_glm.kernels.dispersion import adjustment_slope, fit_dispersion
from refsolve.methods.count_glm.kernels.likelihood import FEW, LARGE, digamma, rising_slope
from refsolve.methods.count_glm.kernels.linear import factorise, weighted_square
from refsolve.methods.count_glm.kernels.native import fit_native_dispersion
from refsolve.methods.count_glm.kernels.regression import (
    CONVERGED,
    fit_mean,
    means,
    score_and_weight,
    scoring_step,
)

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

POISSON, PROFILE, ADJUSTED, NATIVE = 0, 1, 2, 3  # what is done about the dispersion
MOST = 40  # steps of both together, before the careful search takes over
STILL, STEADY = 1e-10, 1e-9  # last changes of a log rate and of the log dispersion
SMALL, STRIDE = 1e-5, 1.5  # dispersion that is searched carefully; step of its logarithm
FURTHEST = 3.0  # step of a log rate


@kernel
def slope_in_log(y: Array, mu: Array, alpha: float) -> tuple[float, float]:  # y, mu (n,)
    """Derivative of the log-likelihood in log alpha at fixed means, and about its curvature."""
    r, total, curve = 1.0 / alpha, 0.0, 0.0
    at_r = digamma(r) if r < LARGE else 0.0
    for i in range(y.size):
        over = alpha * mu[i]
        share = over / (1.0 + over)
        if r < LARGE and y[i] > FEW:
            total += r * (y[i] - r * (digamma(r + y[i]) - at_r))
        else:
            total += rising_slope(y[i], alpha)
        total += r * (r * math.log1p(over) - (y[i] + r) * share)
        curve += share * share
    return alpha * total, -0.5 * curve


@kernel
def together(
    y: Array,
    x: Array,
    native: Array,
    ambient: Array,
    adjusted: bool,
    beta: Array,
    rows: Array,
    information: Array,
) -> tuple[float, bool]:  # rows (4, n): m, mu, score, weight
    """Dispersion, and whether the search ended well; beta (p,) is moved.

    A step of scoring for the coefficients, then one of the secant for the log dispersion.
    """
    p = beta.size
    factor, step = np.empty((p, p)), np.empty(p)
    t, last, slope, curve, pace = math.nan, 0.0, 0.0, -1.0, 0.0
    for trial in range(MOST):
        means(x, beta, native, ambient, rows[0], rows[1])
        alpha = 0.0 if trial < 2 else math.exp(t)
        score_and_weight(y, rows[0], rows[1], alpha, rows[2], rows[3])
        weighted_square(x, rows[3], information)
        factorise(information, factor)
        moved = scoring_step(x, alpha, False, rows, factor, step)
        if not moved < 1e6:
            return alpha, False
        size = min(1.0, FURTHEST / max(moved, 1e-300))
        if trial < 2:
            t = moment_log(y, rows[1])
        else:
            slope, rough = slope_in_log(y, rows[1], alpha)
            if adjusted:
                slope -= alpha * adjustment_slope(y, x, alpha, information, rows)
            secant = (slope - last) / pace if pace != 0.0 else 0.0
            near = moved < 0.03 and 0.3 * rough > secant > 5.0 * rough
            curve = secant if near else rough
            pace = min(max(-slope / curve, -STRIDE), STRIDE)
            if moved < STILL and abs(pace) < STEADY:
                return alpha, True
            last, t = slope, t + pace
        if not math.log(SMALL) < t < math.log(20.0):
            return alpha, False
        for k in range(p):
            beta[k] += size * step[k]
    return alpha, False


@kernel
def native_rows(
    y: Array, m: Array, mu: Array, alpha: float, score: Array, weight: Array
) -> tuple[float, float]:  # all (n,)
    """Scores and information; Pearson's statistic, and the share of it that moves with alpha."""
    square, moving = 0.0, 0.0
    for i in range(y.size):
        part = alpha * m[i] * m[i]
        v = mu[i] + part
        score[i] = m[i] * (y[i] - mu[i]) / v
        weight[i] = m[i] * m[i] / v
        residual = (y[i] - mu[i]) ** 2 / v
        square += residual
        moving += residual * part / v
    return square, moving


@kernel
def together_native(
    y: Array, x: Array, native: Array, ambient: Array, beta: Array, rows: Array, information: Array
) -> tuple[float, bool]:  # rows (4, n): m, mu, score, weight
    """Dispersion of the native part, and whether the search ended well; beta (p,) is moved.

    A step of scoring, then one of Newton for the log of Pearson's statistic in log alpha.
    """
    n, p = x.shape
    factor, step, t = np.empty((p, p)), np.empty(p), math.log(0.1)
    for trial in range(MOST):
        means(x, beta, native, ambient, rows[0], rows[1])
        alpha = 0.0 if trial < 2 else math.exp(t)
        square, moving = native_rows(y, rows[0], rows[1], alpha, rows[2], rows[3])
        weighted_square(x, rows[3], information)
        factorise(information, factor)
        moved = scoring_step(x, alpha, False, rows, factor, step)
        if not moved < 1e6 or (trial > 1 and not moving > 0.0):
            return alpha, False
        if trial > 1:
            pace = math.log(square / (n - p)) * square / moving
            pace = min(max(pace, -STRIDE), STRIDE)
            if moved < STILL and abs(pace) < STEADY:
                return alpha, True
            t += pace
        if not math.log(SMALL) < t < math.log(20.0):
            return alpha, False
        size = min(1.0, FURTHEST / max(moved, 1e-300))
        for k in range(p):
            beta[k] += size * step[k]
    return alpha, False


@kernel
def moment_log(y: Array, mu: Array) -> float:  # y, mu (n,)
    """Log of the dispersion that explains the squares of residuals; at least of 0.01."""
    over, square = 0.0, 0.0
    for i in range(y.size):
        share = 1.0 / (mu[i] + 1.0)
        over += ((y[i] - mu[i]) ** 2 - mu[i]) * share
        square += mu[i] * mu[i] * share
    return math.log(min(max(over / square, 0.01), 5.0))


@kernel
def fit_gene(
    y: Array,
    x: Array,
    native: Array,
    ambient: Array,
    how: int,
    ones: Array,
    beta: Array,
    rows: Array,
    information: Array,
) -> tuple[float, int]:  # ones (p,): coefficients that give 1; beta (p,), rows (4, n) are filled
    """Dispersion and how the fit ended; rows are m, mu, score and weight at the fit."""
    left, room = 0.0, 0.0
    for i in range(y.size):
        left += y[i] - ambient[i]
        room += native[i]
    rate = math.log(max(left, 0.5) / room)
    for k in range(beta.size):
        beta[k] = rate * ones[k]
    start, alpha, code, good = beta.copy(), 0.0, CONVERGED, False
    if how == NATIVE:
        alpha, good = together_native(y, x, native, ambient, beta, rows, information)
        if not good:
            alpha, found, _, code = fit_native_dispersion(y, x, native, ambient, start)
            beta[:] = found
    elif how != POISSON:
        alpha, good = together(y, x, native, ambient, how == ADJUSTED, beta, rows, information)
        if not good:
            alpha, found, _ = fit_dispersion(y, x, native, ambient, start, how == ADJUSTED)
            beta[:] = found
    if how != NATIVE and not good:
        found, _, _, code = fit_mean(y, x, native, ambient, alpha, beta, False)
        beta[:] = found
    means(x, beta, native, ambient, rows[0], rows[1])
    if how == NATIVE:
        native_rows(y, rows[0], rows[1], alpha, rows[2], rows[3])
    else:
        score_and_weight(y, rows[0], rows[1], alpha, rows[2], rows[3])
    return alpha, code


@kernel
def fit_genes(
    y: Array,
    x: Array,
    native: Array,
    ambient: Array,
    how: int,
    ones: Array,
    beta: Array,
    alpha: Array,
    score: Array,
    weight: Array,
    code: Codes,
) -> None:  # y (G, n); native, ambient (G or 1, n); out: (G, p), (G,), (G, n), (G, n), (G,)
    """Null fits: coefficients, dispersions, scores and weights of donors, and how each ended."""
    n, p = x.shape
    rows, information = np.empty((4, n)), np.empty((p, p))
    for g in range(y.shape[0]):
        s, a = native[min(g, native.shape[0] - 1)], ambient[min(g, ambient.shape[0] - 1)]
        alpha[g], code[g] = fit_gene(y[g], x, s, a, how, ones, beta[g], rows, information)
        score[g], weight[g] = rows[2], rows[3]


@kernel
def refit_gene(
    y: Array, x: Array, native: Array, ambient: Array, how: int, ones: Array
) -> tuple[float, float, float, float, int]:  # x (n, p) with the variant last, ones (p,)
    """Effect of the last column, its standard error, dispersion, Pearson's statistic, and end."""
    n, p = x.shape
    beta, rows, information = np.empty(p), np.empty((4, n)), np.empty((p, p))
    alpha, code = fit_gene(y, x, native, ambient, how, ones, beta, rows, information)
    weighted_square(x, rows[3], information)
    factor = np.empty((p, p))
    factorise(information, factor)
    pearson = 0.0
    for i in range(n):
        if rows[3, i] > 0.0:
            pearson += rows[2, i] * rows[2, i] / rows[3, i]
    return beta[p - 1], 1.0 / factor[p - 1, p - 1], alpha, pearson, code
