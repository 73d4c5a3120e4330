"""Negative-binomial regression of one gene: fit, deviance, adjusted profile likelihood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

Array = NDArray[np.float64]
STEPS = 500
VANISHED = 1e-8  # mean of a count whose coefficient runs off to minus infinity


def log_likelihood(y: Array, mu: Array, phi: float) -> float:
    """Log-likelihood, eq. (4); Poisson at phi = 0."""
    if phi == 0.0:
        return float((xlogy(y, mu) - mu - gammaln(y + 1)).sum())
    r = 1.0 / phi
    value = gammaln(y + r) - gammaln(r) - gammaln(y + 1)
    value += xlogy(y, phi * mu) - (y + r) * np.log1p(phi * mu)
    return float(value.sum())


def unit_deviance(y: Array, mu: Array, phi: Array | float) -> Array:
    """Twice the log-likelihood lost by each count, eq. (5)."""
    phi = np.broadcast_to(phi, y.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = xlogy(y, y) - xlogy(y, mu)
        poisson = ratio - (y - mu)
        negative = ratio - (y + 1.0 / phi) * (np.log1p(phi * y) - np.log1p(phi * mu))
    return np.asarray(2.0 * np.where(phi == 0.0, poisson, negative))


def working_weights(mu: Array, phi: float) -> Array:
    """Information of each count about its log mean."""
    return np.asarray(mu / (1.0 + phi * mu))


def fit(y: Array, x: Array, offset: Array, phi: float) -> tuple[Array, Array]:
    """Coefficients and means by scoring with damped steps; means vanish where no maximum exists."""
    if not y.any():
        return np.full(x.shape[1], -np.inf), np.zeros(y.size)
    beta = np.linalg.lstsq(x, np.log(np.maximum(y, 1 / 6)) - offset, rcond=None)[0]
    mu = np.exp(x @ beta + offset)
    value, damping = log_likelihood(y, mu, phi), 0.0
    for _ in range(STEPS):
        weight = working_weights(mu, phi)
        score = x.T @ ((y - mu) / (1.0 + phi * mu))
        information = (x.T * weight) @ x
        scale = np.diag(information).max()
        step = np.linalg.solve(information + (damping + 1e-13) * scale * np.eye(x.shape[1]), score)
        new_mu = np.exp(x @ (beta + step) + offset)
        new = log_likelihood(y, new_mu, phi)
        if not new >= value - 1e-12 * abs(value):
            damping = max(4.0 * damping, 1e-4)
            continue
        beta, mu, damping = beta + step, new_mu, damping / 4.0
        done = score @ step < 1e-20 * max(1.0, abs(value)) or new - value == 0.0 == damping
        value = new
        if done:
            break
    return np.asarray(beta, np.float64), mu


def adjusted_profile(y: Array, x: Array, offset: Array, phi: float) -> float:
    """Log-likelihood at the fit less half the log determinant of the information, eq. (6).

    Counts whose mean vanishes say nothing about the rest: they and the coefficients that only
    they inform are left out, which changes the value by a constant. Where as many coefficients are
    left as counts, nothing is known of the dispersion and the value is zero.
    """
    _, mu = fit(y, x, offset, phi)
    kept = mu > VANISHED
    if not kept.any():
        return 0.0
    _, singular, basis = np.linalg.svd(x[kept], full_matrices=False)
    rank = int((singular > 1e-10 * singular[0]).sum())
    if rank == kept.sum():
        return 0.0
    estimable = x[kept] @ basis[:rank].T
    information = (estimable.T * working_weights(mu[kept], phi)) @ estimable
    value = log_likelihood(y[kept], mu[kept], phi)
    return value - 0.5 * float(np.linalg.slogdet(information)[1])
