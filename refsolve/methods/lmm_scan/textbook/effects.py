"""Founder effects at one position with standard errors, eqs. (10) to (12)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refsolve.methods.lmm_scan.textbook.mixed import (
    best_share,
    covariance,
    whitened,
)

FloatArray = NDArray[np.float64]


class Effects(NamedTuple):
    """Founder effects, fixed effects and their joint covariance.

    Attributes
    ----------
    founders
        (K,) effects; fixed ones are deviations from the mean of the founders that lines carry.
    fixed
        (c,) covariates, the intercept first.
    founders_se, fixed_se
        Their standard errors; of random effects, of what is left between effect and estimate.
    contrast_se
        (K,) standard errors of founder minus the mean of all founders.
    share
        Variance of random effects over that and the residual variance; NaN for fixed ones.
    variance
        Residual variance; for random effects residual and founder variance together.
    """

    founders: FloatArray
    fixed: FloatArray
    founders_se: FloatArray
    fixed_se: FloatArray
    contrast_se: FloatArray
    share: float
    variance: float


def blue(
    y: FloatArray,
    probability: FloatArray,
    x: FloatArray,
    relatedness: FloatArray | None = None,
    heritability: float = 0.0,
) -> Effects:
    """Founder effects as fixed ones, less the mean of those that lines carry, eq. (10).

    What the data cannot tell is NaN.

    Parameters
    ----------
    y
        (n,) phenotypes.
    probability
        (n, K) founder probabilities at the position.
    x
        (n, c) covariates, the intercept first.
    relatedness
        Kinship, not doubled; None for unrelated lines.
    heritability
        Share of the variance that follows kinship.
    """
    v, k = covariance(heritability, relatedness, y.size), probability.shape[1]
    columns = whitened(np.column_stack([probability, x[:, 1:]]), v)
    wy = whitened(y, v)
    left, sizes, right = np.linalg.svd(columns, full_matrices=True)
    rank = int(np.sum(sizes > 1e-8 * sizes[0]))
    inverse = right[:rank].T / sizes[:rank]
    estimate = inverse @ (left[:, :rank].T @ wy)
    s2 = np.sum((wy - columns @ estimate) ** 2) / (y.size - rank)
    carried = (probability > 0).any(axis=0)
    mean = np.append(carried / carried.sum(), np.zeros(x.shape[1] - 1))
    ask = np.eye(columns.shape[1])
    ask[:k] -= mean
    ask = np.insert(ask, k, mean, axis=0)
    se = np.sqrt(s2 * np.sum((ask @ inverse) ** 2, axis=1))
    unknown = np.abs(ask @ right[rank:].T).max(axis=1, initial=0) > 1e-7
    answer = np.where(unknown, np.nan, ask @ estimate)
    se = np.where(unknown, np.nan, se)
    return Effects(answer[:k], answer[k:], se[:k], se[k:], se[:k], np.nan, float(s2))


def blup(
    y: FloatArray,
    probability: FloatArray,
    x: FloatArray,
    relatedness: FloatArray | None = None,
    heritability: float = 0.0,
) -> Effects:
    """Founder effects as draws from a normal distribution, eqs. (11) and (12).

    Parameters
    ----------
    y, probability, x, relatedness, heritability
        As in `blue`; kinship and heritability are those of the scan, and the variance of the
        founder effects is found by restricted maximum likelihood at the position.
    """
    v = covariance(heritability, relatedness, y.size)
    wy, wx, z = (whitened(a, v) for a in (y, x, probability))
    half = z @ z.T / 2
    share = best_share(wy, wx, half)
    k, c = z.shape[1], x.shape[1]
    if share == 0:
        coefficients = np.asarray(np.linalg.lstsq(wx, wy, rcond=None)[0], dtype=np.float64)
        s2 = float(np.sum((wy - wx @ coefficients) ** 2) / (y.size - c))
        se = np.sqrt(s2 * np.diag(np.linalg.inv(wx.T @ wx)))
        return Effects(np.zeros(k), coefficients, np.zeros(k), se, np.zeros(k), 0.0, s2)
    columns = np.column_stack([z, wx])
    left = columns.T @ columns / (1 - share)
    left[:k, :k] += np.eye(k) / share
    inverse = np.linalg.inv(left)
    answer = inverse @ (columns.T @ wy) / (1 - share)
    fitted = whitened(wy - wx @ answer[k:], covariance(share, half, y.size))
    s2 = float(fitted @ fitted / (y.size - c))
    se = np.sqrt(s2 * np.diag(inverse))
    centre = np.eye(k) - 1 / k
    contrast = np.sqrt(s2 * np.diag(centre @ inverse[:k, :k] @ centre))
    return Effects(answer[:k], answer[k:], se[:k], se[k:], contrast, share, s2)
