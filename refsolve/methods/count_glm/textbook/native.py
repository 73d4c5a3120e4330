"""Donors that differ in their native rate only: variance, fit, dispersion, eqs. (15) to (17)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammaln, logsumexp, xlogy

from refsolve.methods.count_glm.textbook.likelihood import STEPS, Fit, log_likelihood, mean

Array = NDArray[np.float64]


def delaporte(y: float, native: float, ambient: float, alpha: float) -> float:
    """Log probability of a Poisson count plus a negative-binomial one, eq. (15)."""
    own = np.arange(int(y) + 1.0)
    r, other = 1.0 / alpha, y - own
    value = gammaln(own + r) - gammaln(r) - gammaln(own + 1.0)
    value += xlogy(own, alpha * native) - (own + r) * np.log1p(alpha * native)
    return float(logsumexp(value + xlogy(other, ambient) - ambient - gammaln(other + 1.0)))


def variance(native: Array, mu: Array, alpha: float) -> Array:
    """Variance of these counts, eq. (15)."""
    return np.asarray(mu + alpha * native**2)


def quasi_fit(y: Array, x: Array, exposure: Array, ambient: Array, alpha: float) -> Fit:
    """Root of the quasi-score, eq. (16), by scoring; the log-likelihood is that of Poisson counts.

    Steps are halved while the quasi-score, in units of its error, grows.
    """
    start = np.log(max(float((y - ambient).sum()), 0.5) / exposure.sum())
    beta = np.linalg.lstsq(x, np.full(y.size, start), rcond=None)[0]
    for _ in range(STEPS):
        score, information = _quasi(y, x, exposure, ambient, alpha, beta)
        step = np.linalg.solve(information, score)
        size, length = 1.0, float(score @ step)
        while size > 1e-10:
            new, near = _quasi(y, x, exposure, ambient, alpha, beta + size * step)
            if float(new @ np.linalg.solve(near, new)) <= length:
                break
            size /= 2.0
        beta = beta + size * step
        if length < 1e-20:
            break
    native, mu = mean(x @ beta, exposure, ambient)
    covariance = np.asarray(
        np.linalg.inv(_quasi(y, x, exposure, ambient, alpha, beta)[1]), np.float64
    )
    return Fit(np.asarray(beta), covariance, native, mu, log_likelihood(y, mu))


def _quasi(
    y: Array, x: Array, exposure: Array, ambient: Array, alpha: float, beta: Array
) -> tuple[Array, Array]:
    native, mu = mean(x @ beta, exposure, ambient)
    v = variance(native, mu, alpha)
    return x.T @ (native * (y - mu) / v), (x.T * (native**2 / v)) @ x


def quasi_dispersion(y: Array, x: Array, exposure: Array, ambient: Array) -> float:
    """Alpha at which Pearson's statistic is its degrees of freedom, eq. (17); 0 if it is below."""
    df = y.size - x.shape[1]

    def excess(alpha: float) -> float:
        one = quasi_fit(y, x, exposure, ambient, alpha)
        squares = (y - one.mu) ** 2 / variance(one.native, one.mu, alpha)
        return float(squares.sum() - df)

    if excess(0.0) <= 0.0:
        return 0.0
    top = 1.0
    while excess(top) > 0.0:
        top *= 4.0
    return float(brentq(excess, 0.0, top, xtol=1e-12, rtol=1e-12))
