"""Negative-binomial fits with a faint ridge, and the mode of a dispersion, eqs. (15)-(18)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel
from refsolve.methods.pseudobulk.kernels.lanes import log_gammas, logarithms

Array = NDArray[np.float64]

SMALLEST_MEAN = 0.5
LARGEST = 600.0  # log mean
STEPS, ENOUGH = 100, 1e-12  # of scoring; relative change of the deviance
POINTS, SECTIONS = 40, 36  # of the search for a mode


@kernel
def lower_factor(a: Array) -> None:  # a (p, p)
    """Cholesky factor in place, lower triangle."""
    p = a.shape[0]
    for k in range(p):
        for j in range(k, p):
            total = a[j, k]
            for m in range(k):
                total -= a[j, m] * a[k, m]
            a[j, k] = total / a[k, k] if j > k else math.sqrt(max(total, 1e-300))


@kernel
def solve_factored(a: Array, b: Array) -> None:  # a (p, p) factor, b (p,)
    """Solution in place."""
    p = b.size
    for k in range(p):
        for m in range(k):
            b[k] -= a[k, m] * b[m]
        b[k] /= a[k, k]
    for k in range(p - 1, -1, -1):
        for m in range(k + 1, p):
            b[k] -= a[m, k] * b[m]
        b[k] /= a[k, k]


@kernel
def information_of(x: Array, weight: Array, out: Array) -> None:  # x (n, p), weight (n,)
    """X'WX, out (p, p)."""
    out[:] = 0.0
    for i in range(x.shape[0]):
        for k in range(x.shape[1]):
            v = x[i, k] * weight[i]
            if v != 0.0:
                for m in range(x.shape[1]):
                    out[k, m] += v * x[i, m]


@kernel
def minus_deviance(y: Array, mu: Array, phi: float) -> float:  # y, mu (n,)
    """Part of twice the log-likelihood that the means enter."""
    total = 0.0
    for i in range(y.size):
        spread = math.log1p(phi * mu[i])
        total += y[i] * (math.log(mu[i]) - spread) - spread / phi
    return 2.0 * total


@kernel
def ridge_fits(
    y: Array, x: Array, size: Array, phi: Array, start: Array, ridge: float
) -> tuple[Array, Array, Array]:  # y (G, n), x (n, p), size (n,), phi (G,), start (G, p)
    """Coefficients (G, p), means (G, n) of at least one half, covariances (G, p, p)."""
    n_genes, n, p = y.shape[0], x.shape[0], x.shape[1]
    beta, mu = start.copy(), np.empty((n_genes, n))
    covariance = np.empty((n_genes, p, p))
    weight, information, factor = np.empty(n), np.empty((p, p)), np.empty((p, p))
    column, right = np.empty(p), np.empty(p)
    for g in range(n_genes):
        last = np.inf
        for t in range(STEPS + 1):
            for i in range(n):
                eta = 0.0
                for k in range(p):
                    eta += x[i, k] * beta[g, k]
                eta = min(max(eta, -LARGEST), LARGEST)
                mu[g, i] = max(size[i] * math.exp(eta), SMALLEST_MEAN)
                weight[i] = mu[g, i] / (1.0 + phi[g] * mu[g, i])
            information_of(x, weight, information)
            factor[:] = information
            for k in range(p):
                factor[k, k] += ridge
            lower_factor(factor)
            deviance = -minus_deviance(y[g], mu[g], phi[g])
            if t == STEPS or abs(deviance - last) < ENOUGH * (abs(deviance) + 0.1):
                break
            last = deviance
            right[:] = 0.0
            for i in range(n):
                z = math.log(mu[g, i] / size[i]) + (y[g, i] - mu[g, i]) / mu[g, i]
                for k in range(p):
                    right[k] += x[i, k] * weight[i] * z
            solve_factored(factor, right)
            beta[g] = right
        for k in range(p):
            column[:] = information[:, k]
            solve_factored(factor, column)
            covariance[g, :, k] = column
        for k in range(p):
            column[:] = covariance[g, k]
            solve_factored(factor, column)
            covariance[g, k] = column
    return beta, mu, covariance


@kernel
def profile_at(log_phi: float, y: Array, mu: Array, x: Array, work: Array) -> float:
    """Log-likelihood less half the log determinant of the information; work (6, n)."""
    phi, n = math.exp(log_phi), y.size
    r = 1.0 / phi
    for i in range(n):
        work[0, i] = y[i] + r
        work[4, i] = 1.0 + phi * mu[i]
        work[5, i] = mu[i] / work[4, i]
    log_gammas(work[0], work[1], work[2], work[3])
    logarithms(work[4], work[4], work[3])
    total = -n * math.lgamma(r)
    for i in range(n):
        total += work[1, i] - (y[i] + r) * work[4, i] + y[i] * (log_phi + math.log(mu[i]))
    information = np.empty((x.shape[1], x.shape[1]))
    information_of(x, work[5], information)
    lower_factor(information)
    for k in range(x.shape[1]):
        total -= math.log(information[k, k])
    return total


@kernel
def modes(
    y: Array, x: Array, mu: Array, centre: Array, variance: float, low: float, high: float
) -> Array:  # y, mu (G, n), x (n, p), centre (G,) -> (G,)
    """Log dispersion of the largest profile in [low, high], with a normal prior around centre.

    An infinite variance is no prior.
    """
    out, step = np.empty(y.shape[0]), (high - low) / (POINTS - 1)
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    work = np.empty((6, y.shape[1]))
    for g in range(y.shape[0]):
        best, at = -np.inf, 0
        for t in range(POINTS):
            a = low + t * step
            value = profile_at(a, y[g], mu[g], x, work) - (a - centre[g]) ** 2 / (2.0 * variance)
            if value > best:
                best, at = value, t
        left, right = low + max(at - 1, 0) * step, low + min(at + 1, POINTS - 1) * step
        c, d = right - ratio * (right - left), left + ratio * (right - left)
        fc = profile_at(c, y[g], mu[g], x, work) - (c - centre[g]) ** 2 / (2.0 * variance)
        fd = profile_at(d, y[g], mu[g], x, work) - (d - centre[g]) ** 2 / (2.0 * variance)
        for _ in range(SECTIONS):
            if fc > fd:
                right, d, fd = d, c, fc
                c = right - ratio * (right - left)
                fc = profile_at(c, y[g], mu[g], x, work)
                fc -= (c - centre[g]) ** 2 / (2.0 * variance)
            else:
                left, c, fc = c, d, fd
                d = left + ratio * (right - left)
                fd = profile_at(d, y[g], mu[g], x, work)
                fd -= (d - centre[g]) ** 2 / (2.0 * variance)
        out[g] = 0.5 * (left + right)
    return out


@kernel
def profiles_at(
    log_phi: Array, y: Array, mu: Array, x: Array
) -> Array:  # log_phi (G,), y, mu (G, n), x (n, p) -> (G,)
    """Profile of every gene at its own dispersion."""
    out, work = np.empty(y.shape[0]), np.empty((6, y.shape[1]))
    for g in range(y.shape[0]):
        out[g] = profile_at(log_phi[g], y[g], mu[g], x, work)
    return out
