"""Counts whose mean has an ambient part: likelihood, fit, dispersion, eqs. (1) to (6)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import gammaln, xlogy

Array = NDArray[np.float64]
STEPS = 500


def mean(eta: Array, exposure: Array, ambient: Array) -> tuple[Array, Array]:
    """Native mean m = S exp(eta) and whole mean A + m, eq. (1)."""
    native = exposure * np.exp(eta)
    return native, ambient + native


def log_likelihood(y: Array, mu: Array, alpha: float = 0.0) -> float:
    """Poisson (alpha = 0) or negative binomial with variance mu + alpha mu^2, eq. (2)."""
    if alpha == 0.0:
        return float((xlogy(y, mu) - mu - gammaln(y + 1.0)).sum())
    r = 1.0 / alpha
    value = gammaln(y + r) - gammaln(r) - gammaln(y + 1.0)
    return float((value + xlogy(y, alpha * mu) - (y + r) * np.log1p(alpha * mu)).sum())


class Fit(NamedTuple):
    """Coefficients, their covariance from expected information, means, and log-likelihood."""

    beta: Array
    covariance: Array
    native: Array
    mu: Array
    log_likelihood: float


def derivatives(
    y: Array, x: Array, native: Array, mu: Array, alpha: float
) -> tuple[Array, Array, Array]:
    """Scores by observation, expected information, score of the coefficients, eq. (3)."""
    variance = mu * (1.0 + alpha * mu)
    each = native * (y - mu) / variance
    return each, native**2 / variance, x.T @ each


def fit(
    y: Array,
    x: Array,
    exposure: Array,
    ambient: Array,
    alpha: float = 0.0,
    *,
    firth: bool = False,
) -> Fit:
    """Scoring with halved steps; `firth` maximises the likelihood times root det information."""
    start = np.log(max(float((y - ambient).sum()), 0.5) / exposure.sum())
    beta = np.linalg.lstsq(x, np.full(y.size, start), rcond=None)[0]
    if firth:
        beta = _penalised(y, x, exposure, ambient, alpha, beta)
    else:
        beta = _scoring(y, x, exposure, ambient, alpha, beta)
    native, mu = mean(x @ beta, exposure, ambient)
    weight = derivatives(y, x, native, mu, alpha)[1]
    covariance = np.asarray(np.linalg.pinv((x.T * weight) @ x, hermitian=True), np.float64)
    return Fit(beta, covariance, native, mu, log_likelihood(y, mu, alpha))


def _scoring(
    y: Array, x: Array, exposure: Array, ambient: Array, alpha: float, beta: Array
) -> Array:
    value = log_likelihood(y, mean(x @ beta, exposure, ambient)[1], alpha)
    for _ in range(STEPS):
        native, mu = mean(x @ beta, exposure, ambient)
        _, weight, score = derivatives(y, x, native, mu, alpha)
        step = np.linalg.lstsq((x.T * weight) @ x, score, rcond=None)[0]
        size = 1.0
        while size > 1e-10:
            new = log_likelihood(y, mean(x @ (beta + size * step), exposure, ambient)[1], alpha)
            if new >= value - 1e-13 * abs(value):
                break
            size /= 2.0
        beta, value = beta + size * step, new
        if float(score @ step) < 1e-18 * max(1.0, abs(value)):
            break
    return np.asarray(beta, np.float64)


def _penalised(
    y: Array, x: Array, exposure: Array, ambient: Array, alpha: float, beta: Array
) -> Array:
    def loss(b: Array) -> float:
        native, mu = mean(x @ b, exposure, ambient)
        weight = derivatives(y, x, native, mu, alpha)[1]
        sign, log_det = np.linalg.slogdet((x.T * weight) @ x)
        return np.inf if sign <= 0 else -log_likelihood(y, mu, alpha) - 0.5 * float(log_det)

    found = minimize(loss, beta, method="BFGS", options={"gtol": 1e-9})
    return np.asarray(
        minimize(
            loss,
            found.x,
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000},
        ).x
    )


def dispersion(
    y: Array, x: Array, exposure: Array, ambient: Array, *, adjusted: bool = False
) -> float:
    """Alpha of the largest profile likelihood, adjusted for the coefficients or not, eq. (4)."""

    def loss(log_alpha: float) -> float:
        alpha = float(np.exp(log_alpha))
        one = fit(y, x, exposure, ambient, alpha)
        value = one.log_likelihood
        if adjusted:
            weight = derivatives(y, x, one.native, one.mu, alpha)[1]
            value -= 0.5 * float(np.linalg.slogdet((x.T * weight) @ x)[1])
        return -value

    grid = np.linspace(np.log(1e-8), np.log(1e2), 30)
    k = int(np.argmin([loss(a) for a in grid]))
    if k == 0:
        return 0.0
    ends = (grid[k - 1], grid[min(k + 1, 29)])
    return float(
        np.exp(minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-10}).x)
    )


def pearson_dispersion(y: Array, mu: Array, n_coefficients: int) -> float:
    """Quasi-likelihood scale: Pearson statistic over degrees of freedom, eq. (5)."""
    return float(((y - mu) ** 2 / mu).sum() / (y.size - n_coefficients))


def clustered(y: Array, x: Array, one: Fit, alpha: float, cluster: Array) -> Array:
    """Covariance robust to any dependence within clusters, eq. (6)."""
    each = derivatives(y, x, one.native, one.mu, alpha)[0]
    sums = np.array(
        [(x[cluster == c] * each[cluster == c, np.newaxis]).sum(axis=0) for c in np.unique(cluster)]
    )
    n = len(sums)
    return np.asarray(one.covariance @ (sums.T @ sums) @ one.covariance * n / (n - 1))


def native_rate(y: float, exposure: float, ambient: float) -> float:
    """Rate of one count: what is left of it, eq. (1) turned round; -inf where nothing is."""
    return (
        float(brentq(lambda b: ambient + exposure * np.exp(b) - y, -60, 60))
        if y > ambient
        else -np.inf
    )
