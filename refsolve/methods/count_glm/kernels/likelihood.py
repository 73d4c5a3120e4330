"""Poisson and negative-binomial likelihoods, eq. (2), accurate for any dispersion."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]

FEW = 20.0  # counts whose factors are multiplied one by one
LARGE = 15.0  # arguments from which the series of log-gamma is exact


@kernel
def series(z: float) -> float:
    """What Stirling's formula leaves of log-gamma; z of at least LARGE."""
    v = 1.0 / (z * z)
    return (1.0 / 12.0 - v * (1.0 / 360.0 - v * (1.0 / 1260.0 - v / 1680.0))) / z


@kernel
def rising(y: float, alpha: float) -> float:
    """Log of (1 + alpha)(1 + 2 alpha)...(1 + (y - 1) alpha), continued to all y."""
    if alpha == 0.0 or y == 0.0:
        return 0.0
    if y <= FEW and y == math.floor(y):
        total = 0.0
        for j in range(1, int(y)):
            total += math.log1p(alpha * j)
        return total
    r = 1.0 / alpha
    if r < LARGE:
        return math.lgamma(y + r) - math.lgamma(r) + y * math.log(alpha)
    return (r + y - 0.5) * math.log1p(y * alpha) - y + series(r + y) - series(r)


@kernel
def digamma(z: float) -> float:
    """Derivative of log-gamma."""
    total = 0.0
    while z < LARGE:
        total -= 1.0 / z
        z += 1.0
    v = 1.0 / (z * z)
    tail = v * (1.0 / 12.0 - v * (1.0 / 120.0 - v * (1.0 / 252.0 - v * (1.0 / 240.0 - v / 132.0))))
    return total + math.log(z) - 0.5 / z - tail


@kernel
def rising_slope(y: float, alpha: float) -> float:
    """Derivative of `rising` in alpha; alpha above zero."""
    if y == 0.0:
        return 0.0
    if y <= FEW and y == math.floor(y):
        total = 0.0
        for j in range(1, int(y)):
            total += j / (1.0 + alpha * j)
        return total
    r = 1.0 / alpha
    if r < LARGE:
        return -r * r * (digamma(r + y) - digamma(r) - y / r)
    a, b = r + y, r
    slope = math.log1p(y * alpha) - y * alpha - 0.5 * (1.0 / a - 1.0 / b)
    slope -= (1.0 / (a * a) - 1.0 / (b * b)) / 12.0 - (1.0 / a**4 - 1.0 / b**4) / 120.0
    return -r * r * slope


@kernel
def log_likelihood(y: Array, mu: Array, alpha: float) -> float:  # y, mu (n,)
    """Without log y!; alpha = 0 is Poisson."""
    total = 0.0
    for i in range(y.size):
        if y[i] > 0.0:
            total += y[i] * math.log(mu[i]) + rising(y[i], alpha)
        if alpha > 0.0:
            total -= (y[i] + 1.0 / alpha) * math.log1p(alpha * mu[i])
        else:
            total -= mu[i]
    return total


@kernel
def dispersion_slope(y: Array, mu: Array, alpha: float) -> float:  # y, mu (n,)
    """Derivative of the log-likelihood in alpha at fixed means; alpha above zero."""
    r, total = 1.0 / alpha, 0.0
    for i in range(y.size):
        total += rising_slope(y[i], alpha) + r * r * math.log1p(alpha * mu[i])
        total -= (y[i] + r) * mu[i] / (1.0 + alpha * mu[i])
    return total
