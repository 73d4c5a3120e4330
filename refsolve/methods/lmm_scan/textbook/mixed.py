"""Kinship and the linear mixed model by dense matrices, eqs. (1) to (4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import brentq

FloatArray = NDArray[np.float64]
Criterion = Literal["reml", "ml"]


class NullFit(NamedTuple):
    """Mixed model without a QTL.

    Attributes
    ----------
    heritability
        Share of the variance that follows kinship.
    variance
        Of a line whose kinship with itself is 1/2: both parts together.
    coefficients
        (c,) fixed effects.
    log_likelihood
        Restricted or full, as was maximised.
    """

    heritability: float
    variance: float
    coefficients: FloatArray
    log_likelihood: float


def kinship(probability: FloatArray) -> FloatArray:
    """(n, n) chance that two lines carry the same founder, averaged over positions, eq. (1).

    Parameters
    ----------
    probability
        (n, M, K) founder probabilities of one haplotype at random; rows sum to 1.
    """
    return np.asarray(np.einsum("imf,jmf->ij", probability, probability) / probability.shape[1])


def loco(probabilities: Sequence[FloatArray]) -> list[FloatArray]:
    """Kinship from all chromosomes but one, for each of them, eq. (1).

    Parameters
    ----------
    probabilities
        (n, M_c, K) of each chromosome; at least two.
    """
    chosen = range(len(probabilities))
    return [
        kinship(np.concatenate([probabilities[d] for d in chosen if d != c], axis=1))
        for c in chosen
    ]


def covariance(heritability: float, relatedness: FloatArray | None, n: int) -> FloatArray:
    """(n, n) covariance of the phenotypes in units of the variance, eq. (2).

    Parameters
    ----------
    heritability
        Share of the variance that follows kinship.
    relatedness
        Kinship, not doubled; None for unrelated lines.
    n
        Number of lines.
    """
    if relatedness is None:
        return np.eye(n)
    return np.asarray(2 * heritability * relatedness + (1 - heritability) * np.eye(n))


def whitened(matrix: FloatArray, v: FloatArray) -> FloatArray:
    """Columns multiplied by the inverse Cholesky factor of a covariance.

    Parameters
    ----------
    matrix
        (n,) or (n, c).
    v
        (n, n) positive definite.
    """
    return np.asarray(solve_triangular(np.linalg.cholesky(v), matrix, lower=True))


def log_likelihood(
    heritability: float,
    y: FloatArray,
    x: FloatArray,
    relatedness: FloatArray | None,
    criterion: Criterion = "reml",
) -> float:
    """Log-likelihood with fixed effects and the variance at their maximum, eq. (3).

    Parameters
    ----------
    heritability
        Share of the variance that follows kinship.
    y
        (n,) phenotypes.
    x
        (n, c) covariates of full rank, the intercept included.
    relatedness
        Kinship, not doubled; None for unrelated lines.
    criterion
        Restricted or full likelihood; minus infinity where the covariance is singular.
    """
    n, c = x.shape
    v = covariance(heritability, relatedness, n)
    if np.linalg.eigvalsh(v)[0] < 1e-10:
        return -np.inf
    wy, wx = whitened(y, v), whitened(x, v)
    rss = _rss(wx, wy)
    free = n - c if criterion == "reml" else n
    total = free * (np.log(2 * np.pi * rss / free) + 1) + np.linalg.slogdet(v)[1]
    if criterion == "reml":
        total += np.linalg.slogdet(wx.T @ wx)[1] - np.linalg.slogdet(x.T @ x)[1]
    return float(-total / 2)


def fit_null(
    y: FloatArray,
    x: FloatArray,
    relatedness: FloatArray | None,
    criterion: Criterion = "reml",
) -> NullFit:
    """Heritability, variance and fixed effects at the maximum, the bounds included, eq. (3).

    Parameters
    ----------
    y, x, relatedness, criterion
        As in `log_likelihood`.
    """
    h2 = 0.0
    if relatedness is not None:
        h2 = best_share(y, x, relatedness, criterion)
    v = covariance(h2, relatedness, y.size)
    wy, wx = whitened(y, v), whitened(x, v)
    free = y.size - x.shape[1] if criterion == "reml" else y.size
    coefficients = np.asarray(np.linalg.lstsq(wx, wy, rcond=None)[0], dtype=np.float64)
    best = log_likelihood(h2, y, x, relatedness, criterion)
    return NullFit(h2, _rss(wx, wy) / free, coefficients, best)


def score(
    heritability: float,
    y: FloatArray,
    x: FloatArray,
    relatedness: FloatArray,
    criterion: Criterion = "reml",
) -> float:
    """Derivative of `log_likelihood` in the heritability, eq. (4).

    Parameters
    ----------
    heritability, y, x, relatedness, criterion
        As in `log_likelihood`.
    """
    n, c = x.shape
    inverse = np.linalg.inv(covariance(heritability, relatedness, n))
    fixed = inverse @ x
    projection = inverse - fixed @ np.linalg.solve(x.T @ fixed, fixed.T)
    slope = 2 * relatedness - np.eye(n)
    reduced = criterion == "reml"
    trace = np.sum((projection if reduced else inverse) * slope)
    py, free = projection @ y, n - c if reduced else n
    return float(free * (py @ slope @ py) / (y @ py) - trace) / 2


def best_share(
    y: FloatArray,
    x: FloatArray,
    relatedness: FloatArray,
    criterion: Criterion = "reml",
    points: int = 33,
) -> float:
    """Share in [0, 1] of the largest likelihood: best of a grid, then the root of the score.

    Parameters
    ----------
    y, x, relatedness, criterion
        As in `log_likelihood`.
    points
        Size of the grid, which includes both bounds.
    """
    grid = np.linspace(0, 1, points)
    values = [log_likelihood(float(h), y, x, relatedness, criterion) for h in grid]
    best = int(np.argmax(values))
    low, high = float(grid[max(best - 1, 0)]), min(float(grid[min(best + 1, points - 1)]), 1 - 1e-9)

    def slope(h: float) -> float:
        return score(h, y, x, relatedness, criterion)

    if slope(low) <= 0 or slope(high) >= 0:
        return float(grid[best])
    return float(brentq(slope, low, high, xtol=1e-15))


def _rss(x: FloatArray, y: FloatArray) -> float:
    return float(np.sum((y - x @ np.linalg.lstsq(x, y, rcond=1e-10)[0]) ** 2))
