"""Bins that deviate as a whole: eq. (10)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, norm

from refsolve.methods.contact_expected.textbook.glm import irls
from refsolve.methods.contact_expected.textbook.masks import BoolArray, FloatArray


class Levels(NamedTuple):
    """Log of what every bin multiplies its pixels with; their mean is zero."""

    level: FloatArray  # (B,)
    cov: FloatArray  # (B, B)


class Scores(NamedTuple):
    """Levels in units of their noise and of their spread between bins."""

    z: FloatArray  # (B,)
    spread: float


def bin_levels(
    y: ArrayLike,
    bin1: ArrayLike,
    bin2: ArrayLike,
    terms: FloatArray,
    theta: float = np.inf,
) -> Levels:
    """Levels of all bins by maximum likelihood, eq. (10).

    Parameters
    ----------
    y
        (P,) counts of one condition, summed over its replicates.
    bin1, bin2
        (P,) the bins of each pixel; every number from 0 to B - 1 occurs.
    terms
        (P, K) intercept and distance.
    theta
        Size of the negative binomial.
    """
    counts = np.asarray(y, dtype=np.float64)
    first, second = (np.asarray(v, dtype=np.int64) for v in (bin1, bin2))
    n = int(max(first.max(), second.max())) + 1
    free = np.vstack([np.eye(n - 1), -np.ones(n - 1)])
    x = np.column_stack([terms, free[first] + free[second]])
    one = np.ones(counts.size)
    beta, cov = irls(x, counts, theta, one, 0 * one)
    k = terms.shape[1]
    return Levels(free @ beta[k:], free @ cov[k:, k:] @ free.T)


def level_scores(level: FloatArray, variance: FloatArray) -> Scores:
    """Deviations from the median level over the root of noise and spread, eq. (10).

    Parameters
    ----------
    level, variance
        (B,) levels, or contrasts of levels between conditions, and the variance of their noise.
    """
    s = level - np.median(level)

    def excess(spread2: float) -> float:
        return float(np.median(s**2 / (variance + spread2)) - chi2.ppf(0.5, 1))

    high = float(np.max(s**2)) / chi2.ppf(0.5, 1)
    spread2 = float(brentq(excess, 0.0, high)) if excess(0.0) > 0 else 0.0
    return Scores(s / np.sqrt(variance + spread2), float(np.sqrt(spread2)))


def deviating(z: FloatArray, rate: float, n_tests: int) -> BoolArray:
    """Which of `n_tests` scores lie beyond the bound that a clean set exceeds at most so often."""
    bound: NDArray[np.float64] = norm.isf(rate / (2 * n_tests))
    return np.asarray(np.abs(z) > bound)
