"""Dispersions towards a parametric trend, and the Wald test that uses them, eqs. (15)-(18)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import gammaln, polygamma, xlogy
from scipy.stats import norm

from refsolve.methods.pseudobulk.textbook import counts as nb

Array = NDArray[np.float64]
LEAST, SMALLEST_MEAN = 1e-8, 0.5  # dispersion; mean of a count in a fit
RIDGE = 1e-6  # on log2 coefficients
SPAN = (np.log(LEAST / 10.0), np.log(10.0))


class Posterior(NamedTuple):
    """Dispersions by gene: alone, trend, compromise, and used; and what they share."""

    own: Array
    trend: Array
    compromise: Array
    used: Array
    outlier: NDArray[np.bool_]
    coefficients: tuple[float, float]
    spread: float
    prior_variance: float
    mean: Array


def ridge_fit(y: Array, x: Array, size: Array, phi: float) -> tuple[Array, Array, Array]:
    """Coefficients, means (at least one half) and covariance with a faint ridge."""
    penalty = np.eye(x.shape[1]) * RIDGE / np.log(2.0) ** 2
    beta = np.linalg.lstsq(x, np.log(y / size + 0.1), rcond=None)[0]
    mu = np.maximum(size * np.exp(x @ beta), SMALLEST_MEAN)
    last = np.inf
    for _ in range(100):
        weight = mu / (1.0 + phi * mu)
        z = np.log(mu / size) + (y - mu) / mu
        information = (x.T * weight) @ x
        beta = np.linalg.solve(information + penalty, (x.T * weight) @ z)
        mu = np.maximum(size * np.exp(np.clip(x @ beta, -600, 600)), SMALLEST_MEAN)
        deviance = -2.0 * nb.log_likelihood(y, mu, phi)
        if abs(deviance - last) / (abs(deviance) + 0.1) < 1e-12:
            break
        last = deviance
    weight = mu / (1.0 + phi * mu)
    information = (x.T * weight) @ x
    inverse = np.linalg.inv(information + penalty)
    return np.asarray(beta, np.float64), mu, inverse @ information @ inverse


def profile(log_phi: float, y: Array, mu: Array, x: Array) -> float:
    """Log-likelihood at fixed means less half the log determinant of the information."""
    phi = float(np.exp(log_phi))
    weight = mu / (1.0 + phi * mu)
    return nb.log_likelihood(y, mu, phi) - 0.5 * float(np.linalg.slogdet((x.T * weight) @ x)[1])


def constant(y: Array, mu: Array) -> float:
    """Part of the log-likelihood without the dispersion."""
    return float((xlogy(y, mu) - gammaln(y + 1.0)).sum())


def peak(y: Array, mu: Array, x: Array, centre: float | None, variance: float, top: float) -> float:
    """Log dispersion of the largest profile, with a normal prior when a centre is given."""

    def loss(a: float) -> float:
        prior = 0.0 if centre is None else (a - centre) ** 2 / (2.0 * variance)
        return prior - profile(a, y, mu, x)

    grid = np.linspace(np.log(LEAST / 10.0), np.log(top), 80)
    k = int(np.argmin([loss(a) for a in grid]))
    bounds = (grid[max(k - 1, 0)], grid[min(k + 1, 79)])
    return float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-9}).x)


def first_guess(scaled: Array, x: Array, size: Array) -> float:
    """Smaller of two moment estimates of the dispersion."""
    fitted = np.maximum(x @ np.linalg.lstsq(x, scaled, rcond=None)[0], 1.0)
    df = x.shape[0] - x.shape[1]
    rough = max(float((((scaled - fitted) ** 2 - fitted) / fitted**2).sum()) / df, 0.0)
    mean = scaled.mean()
    moments = (scaled.var(ddof=1) - (1.0 / size).mean() * mean) / mean**2
    return float(min(max(min(rough, moments), LEAST), max(10.0, x.shape[0])))


def parametric_trend(mean: Array, dispersion: Array) -> tuple[float, float]:
    """a0 and a1 of a0 + a1 / mean by gamma regression, far residuals left out, eq. (16)."""
    a = np.array([0.1, 1.0])
    for _ in range(20):
        basis = np.column_stack([np.ones(mean.size), 1.0 / mean])
        ratio = dispersion / (basis @ a)
        good = (ratio > 1e-4) & (ratio < 15.0)
        new = _gamma_identity(basis[good], dispersion[good], a)
        change = (np.log(new / a) ** 2).sum()
        a = new
        if change < 1e-6:
            break
    return float(a[0]), float(a[1])


def _gamma_identity(basis: Array, y: Array, start: Array) -> Array:
    a, last = start, np.inf
    for _ in range(200):
        mu = basis @ a
        weight = 1.0 / mu**2
        a = np.asarray(np.linalg.solve((basis.T * weight) @ basis, (basis.T * weight) @ y))
        mu = basis @ a
        deviance = -2.0 * (np.log(y / mu) - (y - mu) / mu).sum()
        if abs(deviance - last) < 1e-10 * (abs(deviance) + 0.1):
            break
        last = deviance
    return a


def estimate(counts: Array, x: Array, size: Array) -> Posterior:
    """Dispersions of all genes with counts; NaN where there are none."""
    scaled = counts / size
    mean = scaled.mean(axis=1)
    expressed = counts.any(axis=1)
    top = max(10.0, float(x.shape[0]))
    own, fitted = np.full(len(counts), np.nan), np.full(counts.shape, np.nan)
    for g in np.flatnonzero(expressed):
        guess = first_guess(scaled[g], x, size)
        fitted[g] = ridge_fit(counts[g], x, size, guess)[1]
        own[g] = guess
        if guess > LEAST:
            found = float(np.exp(peak(counts[g], fitted[g], x, None, 1.0, top)))
            before = profile(np.log(guess), counts[g], fitted[g], x)
            gain = profile(np.log(found), counts[g], fitted[g], x) - before
            worth = abs(before - constant(counts[g], fitted[g])) / 1e6
            own[g] = min(max(found, LEAST), top) if gain >= worth else guess
    use = expressed & (own > 100.0 * LEAST)
    a0, a1 = parametric_trend(mean[use], own[use])
    trend = np.where(expressed, a0 + a1 / np.where(expressed, mean, 1.0), np.nan)
    residual = np.log(own[use]) - np.log(trend[use])
    deviation = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
    df = x.shape[0] - x.shape[1]
    variance = max(deviation**2 - float(polygamma(1, df / 2.0)), 0.25)
    both = np.full(len(counts), np.nan)
    for g in np.flatnonzero(expressed):
        log = peak(counts[g], fitted[g], x, float(np.log(trend[g])), variance, top)
        both[g] = min(max(np.exp(log), LEAST), top)
    outlier = expressed & (np.log(own) > np.log(trend) + 2.0 * deviation)
    return Posterior(
        own,
        trend,
        both,
        np.where(outlier, own, both),
        outlier,
        (a0, a1),
        deviation**2,
        variance,
        mean,
    )


class Wald(NamedTuple):
    """Wald test of one coefficient, log2 scale."""

    log2_fold_change: Array
    se: Array
    p: Array


def wald_test(counts: Array, x: Array, size: Array, phi: Array, k: int) -> Wald:
    """Coefficient over its standard error against a normal distribution, eq. (18)."""
    value, se = np.full(len(counts), np.nan), np.full(len(counts), np.nan)
    for g in np.flatnonzero(counts.any(axis=1)):
        beta, _, covariance = ridge_fit(counts[g], x, size, float(phi[g]))
        value[g], se[g] = beta[k] / np.log(2.0), np.sqrt(covariance[k, k]) / np.log(2.0)
    return Wald(value, se, 2.0 * norm.sf(np.abs(value / se)))
