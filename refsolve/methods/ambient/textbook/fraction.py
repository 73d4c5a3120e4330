"""Contamination from genes that a cell cannot express, eqs. (4) to (8)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.special import gammaln
from scipy.stats import chi2, gamma, poisson

Array = NDArray[np.float64]


def ratio(marker: Array, total: Array, share: float, largest: float = 0.5) -> Array:
    """Contamination of each cell, its marker counts over those of pure ambient RNA, eq. (4)."""
    return np.asarray(np.clip(marker / (total * share), 0.0, largest))


class Pooled(NamedTuple):
    """One contamination for many cells."""

    rho: float
    low: float
    high: float
    observed: float
    expected: float


def pooled(
    marker: Array, total: Array, share: float, *, share_se: float = 0.0, confidence: float = 0.95
) -> Pooled:
    """Maximum likelihood of a common contamination with its profile interval, eq. (5).

    With `share_se` the ambient share of the marker is normal on the log scale with that relative
    error and profiled as well.
    """
    observed, expected = float(marker.sum()), float(total.sum() * share)
    drop = 0.5 * float(chi2.ppf(confidence, 1))
    relative = share_se / share

    def lost(rho: float) -> float:
        if relative == 0.0:
            mean = rho * expected
            gain = observed * math.log(observed / mean) if observed else 0.0
            return gain - observed + mean - drop

        # Over b, the log error of the share: observed b - mean e^b - b^2 / (2 v).
        def slope(b: float) -> float:
            return observed - rho * expected * math.exp(b) - b / relative**2

        b = brentq(slope, -50.0, 50.0)
        mean = rho * expected * math.exp(b)
        gain = observed * math.log(observed / mean) if observed else 0.0
        return float(gain - observed + mean + 0.5 * (b / relative) ** 2 - drop)

    best = observed / expected
    start = best if observed else 0.0
    low = brentq(lost, 1e-12 * best, best) if observed else 0.0
    far = 10.0 * (observed + 10.0) / expected * math.exp(5.0 * relative)
    high = brentq(lost, start + 1e-15, far)
    return Pooled(best, float(low), float(high), observed, expected)


def prior_shape(mode: float, sd: float) -> tuple[float, float]:
    """Shape and scale of the Gamma distribution with that mode and standard deviation, eq. (6)."""
    v2 = (sd / mode) ** 2
    shape = 1.0 + (1.0 + math.sqrt(1.0 + 4.0 * v2)) / (2.0 * v2)
    return shape, mode / (shape - 1.0)


def averaged_posterior(
    observed: Array, expected: Array, shape: float, scale: float, grid: Array
) -> Array:
    """Mean over genes of the posterior densities of the contamination, eq. (7)."""
    pairs = zip(observed, expected, strict=True)
    each = [gamma.pdf(grid, shape + o, scale=scale / (1.0 + scale * e)) for o, e in pairs]
    return np.asarray(np.mean(each, axis=0), np.float64)


class Shrunk(NamedTuple):
    """Contamination of groups that borrow from each other."""

    rho: Array
    sd: Array
    mean: float
    shape: float


def shrunk(observed: Array, expected: Array) -> Shrunk:
    """Gamma prior by marginal likelihood, and posterior means, eq. (8)."""

    def loss(p: Array) -> float:
        k, m = math.exp(p[0]), math.exp(p[1])
        rate = k / m
        value = gammaln(k + observed) - gammaln(k) + k * np.log(rate / (rate + expected))
        value += observed * np.log(expected / (rate + expected))
        return -float(value.sum())

    start = np.array([1.0, math.log(observed.sum() / expected.sum())])
    found = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-10})
    k, m = math.exp(found.x[0]), math.exp(found.x[1])
    rate = k / m
    return Shrunk(
        (k + observed) / (rate + expected), np.sqrt(k + observed) / (rate + expected), m, k
    )


def cannot_express(marker: Array, total: Array, share: float, largest: float = 1.0) -> Array:
    """Upper tail of each cell's marker counts were it nothing but ambient RNA.

    Small values mark cells that make the marker themselves; groups that hold one are left out.
    """
    return np.asarray(poisson.sf(marker - 1, largest * total * share))
