"""Likelihoods of the contamination, eqs. (5), (6) and (8)."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize
from scipy.special import digamma, gammaln, wrightomega, xlogy
from scipy.stats import chi2

from refsolve.core.check import FloatArray

HALVINGS = 55
LOWEST = 60.0  # of log rho below its best
SHAPES = (-4.0, 14.0)  # log shape of the prior: all alike beyond
SPREADS = np.geomspace(1e-3, 2.0, 40)  # coefficients of variation of the prior
AROUND, WIDEST = np.linspace(-4.0, 4.0, 17), 2.0  # standard deviations of its log mean


def lost(
    log_rho: FloatArray, observed: FloatArray, expected: FloatArray, relative: FloatArray
) -> FloatArray:
    """Log-likelihood below its maximum, the error of the ambient share profiled out, eq. (5).

    Parameters
    ----------
    log_rho, observed, expected
        Log contamination, marker counts, and counts were all RNA ambient; of one shape.
    relative
        Relative standard error of the ambient share.
    """
    mean = np.exp(log_rho) * expected
    v = relative**2
    some = v > 0
    safe = np.where(some, v, 1.0)
    # The error b solves b = v (observed - mean e^b).
    u = wrightomega(np.log(safe * mean) + safe * observed).real
    b = np.where(some, safe * observed - u, 0.0)
    gain = xlogy(observed, observed) - xlogy(observed, mean) - observed * b
    return np.asarray(gain - observed + mean * np.exp(b) + 0.5 * np.where(some, b**2 / safe, 0.0))


def interval(
    observed: FloatArray, expected: FloatArray, relative: FloatArray, confidence: float
) -> FloatArray:
    """Profile intervals (n, 2) of the contamination, eq. (5).

    Parameters
    ----------
    observed, expected, relative
        (n,) as in `lost`; positive expectations.
    confidence
        Coverage.
    """
    drop = 0.5 * float(chi2.ppf(confidence, 1))
    best = np.log(np.maximum(observed, 0.5) / expected)
    wide = math.log(20.0) + 10.0 * relative + 2.0 * drop
    low = _cross(best - LOWEST, best, observed, expected, relative, drop)
    high = _cross(best + wide, best, observed, expected, relative, drop)
    return np.column_stack([np.where(observed > 0, np.exp(low), 0.0), np.exp(high)])


def _cross(
    far: FloatArray,
    near: FloatArray,
    observed: FloatArray,
    expected: FloatArray,
    relative: FloatArray,
    drop: float,
) -> FloatArray:
    """Where the likelihood crosses its bound between a point outside and one inside."""
    # Without counts the best is 0, and a small contamination may be outside already.
    near = np.where(observed > 0, near, near - LOWEST)
    for _ in range(HALVINGS):
        middle = 0.5 * (far + near)
        outside = lost(middle, observed, expected, relative) > drop
        far, near = np.where(outside, middle, far), np.where(outside, near, middle)
    return np.asarray(0.5 * (far + near))


def prior_shape(mode: float, sd: float) -> tuple[float, float]:
    """Shape and scale of the Gamma distribution with that mode and standard deviation, eq. (6).

    Parameters
    ----------
    mode, sd
        Both positive.

    Examples
    --------
    >>> shape, scale = prior_shape(0.05, 0.10)
    >>> round((shape - 1) * scale, 12), round(shape**0.5 * scale, 12)
    (0.05, 0.1)
    """
    if not (mode > 0 and sd > 0):
        raise ValueError(f"mode = {mode} and sd = {sd} must be positive; take a small mode for 0")
    v2 = (sd / mode) ** 2
    shape = 1.0 + (1.0 + math.sqrt(1.0 + 4.0 * v2)) / (2.0 * v2)
    return shape, mode / (shape - 1.0)


def gamma_marginal(observed: FloatArray, expected: FloatArray) -> tuple[float, float]:
    """Shape k and mean m of the Gamma prior by marginal likelihood, eq. (8).

    Parameters
    ----------
    observed, expected
        (n,) marker counts, and counts were all RNA ambient.
    """

    def loss(p: FloatArray) -> tuple[float, FloatArray]:
        k, m = math.exp(p[0]), math.exp(p[1])
        rate = k / m
        value = gammaln(k + observed) - gammaln(k) + k * np.log(rate / (rate + expected))
        value += xlogy(observed, expected / (rate + expected))
        ahead = _log_slope(k, observed) + np.log(rate / (rate + expected)) + 1.0
        to_k = (ahead - (k + observed) / (rate + expected) / m).sum()
        to_m = ((k + observed) * rate / (rate + expected) - k).sum() / m
        return -float(value.sum()), -np.array([k * to_k, m * to_m])

    start = np.array([1.0, math.log(max(observed.sum(), 0.5) / expected.sum())])
    bounds = [SHAPES, (start[1] - 6.0, start[1] + 6.0)]
    options = {"maxiter": 500, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return math.exp(found.x[0]), math.exp(found.x[1])


def _log_slope(k: float, observed: FloatArray) -> FloatArray:
    """Derivative of log Gamma(k + y) - log Gamma(k) by k."""
    return np.asarray(digamma(k + observed) - digamma(k))


def averaged_moments(observed: FloatArray, expected: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Posterior means and variances (n,), the error of the Gamma prior included.

    The marginal likelihood weighs a grid of priors: coefficients of variation to 2 and means to 1,
    evenly.

    Parameters
    ----------
    observed, expected
        (n,) as in `gamma_marginal`.
    """
    k = SPREADS**-2.0
    best = math.log(max(observed.sum(), 0.5) / expected.sum())
    top = max(best, 0.0)
    low, high = np.full(k.size, best - 12.0), np.full(k.size, top)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        rising = _mean_slopes(k, middle, observed, expected)[0] > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    middle = 0.5 * (low + high)
    sd = np.maximum(_mean_slopes(k, middle, observed, expected)[1], WIDEST**-2.0) ** -0.5
    log_m = (middle[:, np.newaxis] + sd[:, np.newaxis] * AROUND).ravel()
    k, step = np.repeat(k, AROUND.size), np.repeat(SPREADS * sd, AROUND.size)
    rate, shape = (k * np.exp(-log_m))[:, np.newaxis], k[:, np.newaxis] + observed
    seen = gammaln(shape) - gammaln(k)[:, np.newaxis] - shape * np.log(rate + expected)
    log_weight = (seen + k[:, np.newaxis] * np.log(rate)).sum(axis=1) + np.log(step) + log_m
    weight = np.where(log_m <= top + 1e-9, np.exp(log_weight - log_weight.max()), 0.0)
    weight /= weight.sum()
    mean = shape / (rate + expected)
    centre = weight @ mean
    return centre, weight @ (mean / (rate + expected) + (mean - centre) ** 2)


def _mean_slopes(
    k: FloatArray, log_m: FloatArray, observed: FloatArray, expected: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Derivative by log m of log m plus the marginal likelihood, and its fall, for each k."""
    rate, shape = (k * np.exp(-log_m))[:, np.newaxis], k[:, np.newaxis] + observed
    part = rate / (rate + expected)
    slope = 1.0 + (shape * part - k[:, np.newaxis]).sum(axis=1)
    return slope, (shape * part * (1.0 - part)).sum(axis=1)
