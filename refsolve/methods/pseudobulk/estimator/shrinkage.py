"""Residual variances of many genes towards what they share, eq. (9)."""

from __future__ import annotations

import numpy as np
from scipy.special import digamma, polygamma

from refsolve.core.check import FloatArray

LEAST_SHARE = 1e-5  # of the median variance: smaller variances count as this
FLAT, STEEP = 1e-6, 1e7  # trigamma where its argument is 1 / y, and 1 / y^2


def trigamma_inverse(value: FloatArray) -> FloatArray:
    """Arguments at which trigamma has the positive values.

    Parameters
    ----------
    value
        Of any shape.
    """
    y = 0.5 + 1.0 / value
    for _ in range(50):
        t = polygamma(1, y)
        step = t * (1.0 - t / value) / polygamma(2, y)
        y = y + step
        if (np.abs(step) < 1e-12 * y).all():
            break
    y = np.where(value > STEEP, 1.0 / np.sqrt(value), y)
    return np.asarray(np.where(value < FLAT, 1.0 / value, y))


def variance_prior(variance: FloatArray, df: float) -> tuple[FloatArray, FloatArray]:
    """Scale and degrees of freedom of the prior, for each row of variances.

    Parameters
    ----------
    variance
        (..., g) residual variances.
    df
        Their degrees of freedom.

    Returns
    -------
    (...) each. Degrees of freedom are infinite where variances differ no more than by chance, and
    zero for a single gene.
    """
    genes = variance.shape[-1]
    if genes < 2:
        return variance[..., 0].copy(), np.zeros(variance.shape[:-1])
    middle = np.median(variance, axis=-1, keepdims=True)
    spare = variance.max(axis=-1, keepdims=True)
    floor = LEAST_SHARE * np.where(middle > 0, middle, np.where(spare > 0, spare, 1.0))
    log = np.log(np.maximum(variance, floor)) - digamma(df / 2.0) + np.log(df / 2.0)
    mean = log.mean(axis=-1)
    spread = log.var(axis=-1, ddof=1) - polygamma(1, df / 2.0)
    found = spread > 0
    prior = 2.0 * trigamma_inverse(np.where(found, spread, 1.0))
    scale = np.exp(mean + digamma(prior / 2.0) - np.log(prior / 2.0))
    return np.where(found, scale, np.exp(mean)), np.where(found, prior, np.inf)


def posterior_variance(
    variance: FloatArray, df: float, scale: FloatArray, prior: FloatArray
) -> FloatArray:
    """Variances (..., g) after meeting their prior.

    Parameters
    ----------
    variance, df, scale, prior
        As in `variance_prior`.
    """
    share = np.where(np.isinf(prior), 0.0, df / (df + np.where(np.isinf(prior), 1.0, prior)))
    return np.asarray(scale[..., None] + share[..., None] * (variance - scale[..., None]))


def total_df(df: float, prior: FloatArray, genes: int) -> FloatArray:
    """Degrees of freedom of moderated tests (...).

    Parameters
    ----------
    df, prior
        Of a residual variance, and of the prior.
    genes
        How many share the prior.
    """
    return np.minimum(df + prior, df * genes)
