"""Coefficients of one gene at a given dispersion, eqs. (1) to (3)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel
from refsolve.methods.count_glm.kernels.likelihood import log_likelihood
from refsolve.methods.count_glm.kernels.linear import (
    factorise,
    quadratic_form,
    substitute,
    weighted_square,
)

Array = NDArray[np.float64]

LARGEST = 600.0  # log rate
FAINTEST = 1e-290  # mean
STEPS, SCORINGS, HALVINGS = 200, 4, 40  # all steps; the first of them by scoring
FURTHEST = 5.0  # change of a log rate in one step
STILL = 1e-11  # change of a log rate at which the search ends
ROUNDING, NEAR = 1e-13, 1e-5  # gain and change at which the slower penalised search ends
FLAT, RUNNING = 1e-9, 0.1  # gain of likelihood, and change of a log rate: no maximum at all
CONVERGED, SEPARATED, UNFINISHED = 0, 1, 2


@kernel
def means(
    x: Array, beta: Array, native: Array, ambient: Array, m: Array, mu: Array
) -> None:  # x (n, p); native, ambient, m, mu (n,)
    """Native means m = S exp(eta) and whole means A + m, eq. (1)."""
    for i in range(x.shape[0]):
        eta = 0.0
        for k in range(x.shape[1]):
            eta += x[i, k] * beta[k]
        m[i] = native[i] * math.exp(min(max(eta, -LARGEST), LARGEST))
        mu[i] = max(ambient[i] + m[i], FAINTEST)


@kernel
def score_and_weight(
    y: Array, m: Array, mu: Array, alpha: float, score: Array, weight: Array
) -> None:  # all (n,)
    """Derivative of every log-likelihood in eta, and the expected information, eq. (3)."""
    for i in range(y.size):
        v = m[i] / (mu[i] * (1.0 + alpha * mu[i]))
        score[i] = v * (y[i] - mu[i])
        weight[i] = v * m[i]


@kernel
def firth_term(m: float, mu: float, alpha: float, leverage: float) -> float:
    """Derivative of half the log determinant of the information in one eta."""
    return leverage * (1.0 - 0.5 * m * (1.0 + 2.0 * alpha * mu) / (mu * (1.0 + alpha * mu)))


@kernel
def objective(
    y: Array,
    x: Array,
    native: Array,
    ambient: Array,
    alpha: float,
    beta: Array,
    firth: bool,
    rows: Array,
    information: Array,
    factor: Array,
) -> float:  # rows (4, n): m, mu, score, weight; information, factor (p, p)
    """Log-likelihood, with half the log determinant of the information for `firth`."""
    means(x, beta, native, ambient, rows[0], rows[1])
    score_and_weight(y, rows[0], rows[1], alpha, rows[2], rows[3])
    weighted_square(x, rows[3], information)
    log_det = factorise(information, factor)
    value = log_likelihood(y, rows[1], alpha)
    return value + 0.5 * log_det if firth else value


@kernel
def scoring_step(
    x: Array, alpha: float, firth: bool, rows: Array, factor: Array, step: Array
) -> float:  # step (p,)
    """Step of Fisher scoring; returns the largest change of a log rate."""
    n, p = x.shape
    work = np.empty(p)
    step[:] = 0.0
    for i in range(n):
        s = rows[2, i]
        if firth:
            h = rows[3, i] * quadratic_form(factor, x[i], work)
            s += firth_term(rows[0, i], rows[1, i], alpha, h)
        for k in range(p):
            step[k] += x[i, k] * s
    substitute(factor, step)
    furthest = 0.0
    for i in range(n):
        change = 0.0
        for k in range(p):
            change += x[i, k] * step[k]
        furthest = max(furthest, abs(change))
    return furthest


@kernel
def newton_step(
    y: Array, x: Array, alpha: float, rows: Array, step: Array
) -> float:  # rows (4, n): m, mu, score, weight; step (p,)
    """Step with the observed information, made positive; returns the change of a log rate."""
    n, p = x.shape
    bend, observed, factor = np.empty(n), np.empty((p, p)), np.empty((p, p))
    step[:] = 0.0
    for i in range(n):
        m, mu = rows[0, i], rows[1, i]
        over = 1.0 + alpha * mu
        curve = alpha * (1.0 + alpha * y[i]) / (over * over) - y[i] / (mu * mu)
        bend[i] = -rows[2, i] - m * m * curve
        for k in range(p):
            step[k] += x[i, k] * rows[2, i]
    weighted_square(x, bend, observed)
    factorise(observed, factor)
    substitute(factor, step)
    furthest = 0.0
    for i in range(n):
        change = 0.0
        for k in range(p):
            change += x[i, k] * step[k]
        furthest = max(furthest, abs(change))
    return furthest


@kernel
def fit_mean(
    y: Array, x: Array, native: Array, ambient: Array, alpha: float, beta0: Array, firth: bool
) -> tuple[Array, Array, float, int]:  # y, native, ambient (n,), x (n, p), beta0 (p,)
    """Coefficients (p,), information (p, p), log-likelihood without log y!, and how it ended."""
    n, p = x.shape
    beta, trial, step, rows = beta0.copy(), np.empty(p), np.empty(p), np.empty((4, n))
    information, factor = np.empty((p, p)), np.empty((p, p))
    value = objective(y, x, native, ambient, alpha, beta, firth, rows, information, factor)
    code = UNFINISHED
    for t in range(STEPS):
        if firth or t < SCORINGS:
            furthest = scoring_step(x, alpha, firth, rows, factor, step)
        else:
            furthest = newton_step(y, x, alpha, rows, step)
        size, new = min(1.0, FURTHEST / max(furthest, 1e-300)), value
        for _ in range(HALVINGS):
            for k in range(p):
                trial[k] = beta[k] + size * step[k]
            new = objective(y, x, native, ambient, alpha, trial, firth, rows, information, factor)
            if new >= value - 1e-13 * abs(value):
                break
            size *= 0.5
        gain, moved = new - value, size * furthest
        beta[:] = trial
        value = new
        at_rounding = firth and gain < ROUNDING * (1.0 + abs(value)) and moved < NEAR
        if moved < STILL or at_rounding:
            code = CONVERGED
            break
        if t >= SCORINGS and abs(gain) < FLAT and moved > RUNNING:
            code = SEPARATED
            break
    value = log_likelihood(y, rows[1], alpha)
    return beta, information, value, code
