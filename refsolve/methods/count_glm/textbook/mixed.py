"""A random intercept of each donor: quadrature, Laplace, and donor totals, eqs. (7) to (9)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln, logsumexp

from refsolve.methods.count_glm.textbook.likelihood import fit, mean

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class MixedFit(NamedTuple):
    """Coefficients, covariance of these, spread of donors, and log-likelihood."""

    beta: Array
    covariance: Array
    sd: float
    log_likelihood: float


def _pieces(
    y: Array, eta: Array, exposure: Array, ambient: Array, alpha: float
) -> tuple[Array, Array, Array]:
    """Log-likelihood of each count and its first two derivatives in eta."""
    native, mu = mean(eta, exposure, ambient)
    if alpha == 0.0:
        value = y * np.log(mu) - mu - gammaln(y + 1.0)
        return value, native * (y / mu - 1.0), native * (y / mu - 1.0) - y * native**2 / mu**2
    r = 1.0 / alpha
    value = gammaln(y + r) - gammaln(r) - gammaln(y + 1.0)
    value = value + y * np.log(alpha * mu) - (y + r) * np.log1p(alpha * mu)
    slope = (y - mu) / (mu * (1.0 + alpha * mu))
    bend = -y / mu**2 + alpha * (1.0 + alpha * y) / (1.0 + alpha * mu) ** 2
    return value, native * slope, native * slope + native**2 * bend


def modes(
    y: Array, fixed: Array, exposure: Array, ambient: Array, donor: Index, sd: float, alpha: float
) -> Array:
    """Most probable intercept of each donor, by Newton's steps of at most one."""
    n = int(donor.max()) + 1
    u = np.zeros(n)
    for _ in range(200):
        _, slope, bend = _pieces(y, fixed + u[donor], exposure, ambient, alpha)
        s = np.bincount(donor, slope, n) - u / sd**2
        b = np.minimum(np.bincount(donor, bend, n) - 1 / sd**2, -1e-8)
        step = np.clip(s / -b, -1.0, 1.0)
        u = u + step
        if np.abs(step).max() < 1e-12:
            break
    return u


def marginal(
    y: Array,
    fixed: Array,
    exposure: Array,
    ambient: Array,
    donor: Index,
    sd: float,
    alpha: float,
    nodes: int,
) -> float:
    """Log-likelihood with donor intercepts integrated out about their modes, eq. (8).

    One node is Laplace's approximation.
    """
    x, w = np.polynomial.hermite.hermgauss(nodes)
    n = int(donor.max()) + 1
    u = modes(y, fixed, exposure, ambient, donor, sd, alpha)
    _, _, bend = _pieces(y, fixed + u[donor], exposure, ambient, alpha)
    width = 1.0 / np.sqrt(np.maximum(1 / sd**2 - np.bincount(donor, bend, n), 1e-8))
    logs = np.empty((nodes, n))
    for k in range(nodes):
        v = u + np.sqrt(2.0) * width * x[k]
        value = _pieces(y, fixed + v[donor], exposure, ambient, alpha)[0]
        prior = -0.5 * (v / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
        logs[k] = np.bincount(donor, value, n) + prior + np.log(w[k]) + x[k] ** 2
    total = (logsumexp(logs, axis=0) + np.log(np.sqrt(2.0) * width)).sum()
    return float(total)


def fit_mixed(
    y: Array,
    x: Array,
    exposure: Array,
    ambient: Array,
    donor: Index,
    *,
    alpha: float = 0.0,
    nodes: int = 10,
) -> MixedFit:
    """Maximum of eq. (8); the covariance is that of all parameters by central differences."""
    start = np.append(fit(y, x, exposure, ambient, alpha).beta, np.log(0.3))

    def loss(p: Array) -> float:
        return -marginal(
            y, x @ p[:-1], exposure, ambient, donor, float(np.exp(p[-1])), alpha, nodes
        )

    best = minimize(loss, start, method="BFGS", options={"gtol": 1e-6})
    best = minimize(
        loss, best.x, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 5000}
    )
    n, h = start.size, 1e-3
    hessian = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            corner = [
                loss(best.x + h * (a * np.eye(n)[i] + b * np.eye(n)[j]))
                for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))
            ]
            hessian[i, j] = (corner[0] - corner[1] - corner[2] + corner[3]) / (4 * h * h)
    covariance = np.asarray(np.linalg.inv(0.5 * (hessian + hessian.T)), np.float64)
    return MixedFit(best.x[:-1], covariance[:-1, :-1], float(np.exp(best.x[-1])), -float(best.fun))


def totals(
    y: Array, x: Array, exposure: Array, ambient: Array, donor: Index
) -> tuple[Array, Array, Array, Array]:
    """Counts, covariates, exposure and ambient part of donors, eq. (9).

    Covariates must be the same for all cells of a donor.
    """
    n = int(donor.max()) + 1
    first = np.array([np.flatnonzero(donor == d)[0] for d in range(n)])
    if not np.array_equal(x, x[first][donor]):
        raise ValueError("x differs between cells of a donor; totals would lose that")
    sums = [np.asarray(np.bincount(donor, v, n), np.float64) for v in (y, exposure, ambient)]
    return sums[0], x[first], sums[1], sums[2]
