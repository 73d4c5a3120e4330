"""Variances that borrow strength from all genes, eq. (9)."""

from __future__ import annotations

import numpy as np
from scipy.special import digamma, polygamma

from refsolve.core.check import FloatArray

LEAST = 1e-5  # share of the median below which a variance is raised to it
ZERO = 1e-100


def prior_variance(
    variance: FloatArray, df: FloatArray, covariate: FloatArray | None = None
) -> tuple[FloatArray, float]:
    """Prior scale (G,) and prior degrees of freedom from moments of log variances.

    Parameters
    ----------
    variance
        Residual variances (G,).
    df
        Their degrees of freedom; genes with none do not inform the prior.
    covariate
        What the scale follows by a natural spline; one scale for all if absent.
    """
    used = df > 1e-15
    n = int(used.sum())
    terms = 1 if covariate is None else 1 + (n >= 3) + (n >= 6) + (n >= 30)
    if n <= terms:
        scale = float(np.mean(variance[used])) if n else 1.0
        return np.full(variance.size, scale), np.inf
    some, df_some = variance[used], df[used]
    floored = np.maximum(some, max(LEAST * float(np.median(some)), ZERO))
    log = np.log(floored) - digamma(df_some / 2.0) + np.log(df_some / 2.0)
    everywhere = np.ones((variance.size, 1))
    if covariate is not None:
        everywhere = natural_spline(covariate, covariate[used], terms)
    basis = everywhere[used]
    beta, *_ = np.linalg.lstsq(basis, log, rcond=None)
    residual = log - basis @ beta
    spread = (residual**2).sum() / (n - terms) - polygamma(1, df_some / 2.0).mean()
    mean = everywhere @ beta
    if spread <= 0:
        return np.exp(mean), np.inf
    prior = 2.0 * trigamma_inverse(float(spread))
    return np.exp(mean + digamma(prior / 2.0) - np.log(prior / 2.0)), prior


def posterior_variance(
    variance: FloatArray, df: FloatArray, scale: FloatArray, prior: float
) -> FloatArray:
    """Weighted mean of each variance and its prior scale.

    Parameters
    ----------
    variance, df
        Residual variances and degrees of freedom (G,).
    scale, prior
        Prior scale (G,) and degrees of freedom.
    """
    if np.isinf(prior):
        return scale.copy()
    return np.asarray((df * variance + prior * scale) / (df + prior))


def trigamma_inverse(value: float) -> float:
    """Where the trigamma function has a value.

    Parameters
    ----------
    value
        Positive number.
    """
    if value > 1e7:
        return float(1.0 / np.sqrt(value))
    if value < 1e-6:
        return 1.0 / value
    y = 0.5 + 1.0 / value
    for _ in range(50):
        t = float(polygamma(1, y))
        step = t * (1.0 - t / value) / float(polygamma(2, y))
        y += step
        if -step / y < 1e-8:
            break
    return y


def natural_spline(x: FloatArray, knots_from: FloatArray, df: int) -> FloatArray:
    """Basis (n, df) of natural cubic splines with a constant.

    Parameters
    ----------
    x
        Where.
    knots_from
        Values whose quantiles are the knots.
    df
        Number of columns.
    """
    if df == 1 or np.ptp(knots_from) == 0:
        return np.ones((x.size, 1))
    knots = np.quantile(knots_from, np.linspace(0, 1, df))
    span = knots[-1] - knots[0]
    columns = [np.ones(x.size), (x - knots[0]) / span]
    if df > 2:
        cubes = np.maximum(x[:, np.newaxis] - knots, 0.0) ** 3
        bent = (cubes[:, :-1] - cubes[:, -1:]) / (knots[-1] - knots[:-1])
        columns += list(((bent[:, :-1] - bent[:, -1:]) / span**2).T)
    return np.column_stack(columns)
