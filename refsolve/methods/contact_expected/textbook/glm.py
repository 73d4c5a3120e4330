"""The negative-binomial model of counts: eqs. (13) to (19)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline
from scipy.special import digamma, gammaln, polygamma, xlogy
from scipy.stats import nbinom, poisson

from refsolve.methods.contact_expected.textbook.masks import FloatArray

IntArray = NDArray[np.int64]


class NbFit(NamedTuple):
    """Maximum of eq. (13): `theta` is infinite where the counts are not overdispersed."""

    beta: FloatArray  # (P,)
    cov: FloatArray  # (P, P)
    theta: float
    theta_se: float
    log_likelihood: float


class Rows(NamedTuple):
    """Rows of the model, each standing for `times` pixels, eq. (16)."""

    x: FloatArray  # (R, P)
    y: FloatArray  # (R,)
    times: FloatArray  # (R,)


def nb_log_likelihood(
    y: ArrayLike, mu: ArrayLike, theta: float, times: ArrayLike | float = 1.0
) -> float:
    """Log-likelihood (13) of counts `y` with means `mu`, each seen `times` times."""
    y, mu = (np.asarray(v, dtype=np.float64) for v in (y, mu))
    if np.isinf(theta):
        one = xlogy(y, mu) - mu - gammaln(y + 1)
    else:
        one = gammaln(y + theta) - gammaln(theta) - gammaln(y + 1)
        one = one + xlogy(y, mu / (mu + theta)) - theta * np.log1p(mu / theta)
    return float(np.sum(np.asarray(times) * one))


def dispersion_score(
    y: FloatArray, mu: FloatArray, theta: float, times: ArrayLike | float = 1.0
) -> tuple[float, float]:
    """First and minus second derivative of eq. (13) by theta, eq. (15)."""
    first = digamma(y + theta) - digamma(theta) + np.log(theta / (mu + theta))
    first = first + 1 - (y + theta) / (mu + theta)
    second = polygamma(1, y + theta) - polygamma(1, theta) + 1 / theta - 2 / (mu + theta)
    second = second + (y + theta) / (mu + theta) ** 2
    times = np.asarray(times)
    return float(np.sum(times * first)), -float(np.sum(times * second))


def fit_theta(
    y: FloatArray, mu: FloatArray, times: ArrayLike | float = 1.0, start: float = 1.0
) -> float:
    """Theta at the maximum of eq. (13) for given means; infinite when there is none below, (15)."""
    if np.sum(np.asarray(times) * ((y - mu) ** 2 - y)) <= 0:
        return np.inf
    low, high, theta = 0.0, np.inf, start
    for _ in range(200):
        first, information = dispersion_score(y, mu, theta, times)
        low, high = (theta, high) if first > 0 else (low, theta)
        new = theta + first / information if information > 0 else -1.0
        if not low < new < high:
            new = 2 * theta if np.isinf(high) else (low + high) / 2
        if abs(new - theta) <= 1e-13 * theta or new > 1e12:
            return new if new <= 1e12 else np.inf
        theta = new
    return theta


def irls(
    x: FloatArray, y: FloatArray, theta: float, times: FloatArray, offset: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Coefficients that maximise eq. (13) at fixed theta, and their covariance, eq. (14)."""
    eta = np.log(np.maximum(y, 0.1))
    for _ in range(100):
        mu = np.exp(eta)
        weight = times * mu / (1 + mu / theta)
        cov = np.linalg.inv(x.T @ (weight[:, np.newaxis] * x))
        beta = cov @ (x.T @ (weight * (eta - offset + (y - mu) / mu)))
        new = x @ beta + offset
        if np.max(np.abs(new - eta)) < 1e-12:
            break
        eta = new
    return np.asarray(beta), np.asarray(cov)


def fit_nb(x: FloatArray, y: ArrayLike, times: ArrayLike = 1.0, offset: ArrayLike = 0.0) -> NbFit:
    """Coefficients and dispersion that maximise eq. (13) together.

    Parameters
    ----------
    x
        (R, P) rows of the model.
    y
        (R,) counts.
    times
        (R,) pixels that each row stands for.
    offset
        (R,) known part of the log mean.
    """
    y, times, offset = _rows(y, times, offset)
    theta, start = np.inf, 1.0
    for _ in range(200):
        beta, cov = irls(x, y, theta, times, offset)
        mu = np.exp(x @ beta + offset)
        new = fit_theta(y, mu, times, start)
        if new == theta or abs(new - theta) <= 1e-11 * new:
            break
        theta, start = new, min(new, 1e6)
    se = np.nan
    if np.isfinite(theta):
        se = float(dispersion_score(y, mu, theta, times)[1] ** -0.5)
    return NbFit(beta, cov, float(theta), se, nb_log_likelihood(y, mu, theta, times))


def _rows(*values: ArrayLike) -> list[FloatArray]:
    return [np.asarray(v) for v in np.broadcast_arrays(*(np.asarray(v, float) for v in values))]


def fit_poisson(
    x: FloatArray, y: ArrayLike, times: ArrayLike = 1.0, offset: ArrayLike = 0.0
) -> NbFit:
    """The model without overdispersion: theta is infinite."""
    y, times, offset = _rows(y, times, offset)
    beta, cov = irls(x, y, np.inf, times, offset)
    mu = np.exp(x @ beta + offset)
    return NbFit(beta, cov, np.inf, np.nan, nb_log_likelihood(y, mu, np.inf, times))


def with_zeros(group_x: FloatArray, pairs: ArrayLike, group: ArrayLike, y: ArrayLike) -> Rows:
    """Rows of eq. (16) from stored pixels and the number of usable pairs of each group.

    Parameters
    ----------
    group_x
        (G, P) row of the model that all pairs of a group share.
    pairs
        (G,) usable pairs, with and without contacts.
    group, y
        (M,) group and count of every stored pixel; counts are positive.
    """
    keys, times = np.unique(
        np.column_stack([group, y]).astype(np.int64), axis=0, return_counts=True
    )
    pairs = np.asarray(pairs, dtype=np.int64)
    zeros = pairs - np.bincount(np.asarray(group, dtype=np.int64), minlength=pairs.size)
    x = np.vstack([group_x[keys[:, 0]], group_x[zeros > 0]])
    counts = np.concatenate([keys[:, 1], np.zeros(int((zeros > 0).sum()))]).astype(np.float64)
    return Rows(x, counts, np.concatenate([times, zeros[zeros > 0]]).astype(np.float64))


def spline_basis(d: ArrayLike, df: int, of: ArrayLike | None = None) -> FloatArray:
    """(R, df) cubic B-splines without the first one, knots at quantiles, eq. (17).

    Parameters
    ----------
    d
        (R,) where to evaluate, inside the range of `of`.
    df
        Columns, at least 3.
    of
        Values whose range and quantiles place the knots; `d` when not given.
    """
    placed = np.asarray(d if of is None else of, dtype=np.float64)
    inner = np.quantile(placed, np.linspace(0, 1, df - 1)[1:-1])
    low, high = placed.min(), placed.max()
    knots = np.concatenate([[low] * 4, inner, [high] * 4])
    points = np.asarray(d, dtype=np.float64)
    return np.asarray(BSpline.design_matrix(points, knots, 3).toarray()[:, 1:])


def design(
    replicate: ArrayLike,
    condition: ArrayLike,
    by_condition: FloatArray,
    shared: FloatArray,
) -> FloatArray:
    """(R, P) rows: an intercept per replicate, slopes per condition, shared slopes, eq. (17).

    Parameters
    ----------
    replicate, condition
        (R,) codes from 0; a replicate belongs to one condition.
    by_condition
        (R, K) covariates with a slope in every condition, such as log distance and GC.
    shared
        (R, L) covariates with one slope, such as restriction sites.
    """
    replicate, condition = (np.asarray(v, dtype=np.int64) for v in (replicate, condition))
    intercepts = np.eye(replicate.max() + 1)[replicate]
    inside = np.eye(condition.max() + 1)[condition]
    slopes = [inside * column[:, np.newaxis] for column in by_condition.T]
    return np.column_stack([intercepts, *slopes, shared])


def upper_tail(y: ArrayLike, mu: ArrayLike, theta: float) -> FloatArray:
    """Probability of a count of at least `y`, eq. (19)."""
    below = np.asarray(y, dtype=np.float64) - 1
    mu = np.asarray(mu, dtype=np.float64)
    if np.isinf(theta):
        return np.asarray(poisson.sf(below, mu))
    return np.asarray(nbinom.sf(below, theta, theta / (theta + mu)))


def deviance_residual(y: ArrayLike, mu: ArrayLike, theta: float) -> FloatArray:
    """Signed root of twice the log-likelihood lost against a mean of `y`, eq. (19)."""
    y, mu = (np.asarray(v, dtype=np.float64) for v in (y, mu))
    ratio = np.where(y > 0, y, 1.0) / mu
    if np.isinf(theta):
        lost = y * np.log(ratio) - (y - mu)
    else:
        lost = y * np.log(ratio) - (y + theta) * np.log((y + theta) / (mu + theta))
    return np.asarray(np.sign(y - mu) * np.sqrt(2 * np.maximum(lost, 0)))


def pearson_residual(y: ArrayLike, mu: ArrayLike, theta: float) -> FloatArray:
    """Deviation from the mean in standard deviations of eq. (13)."""
    y, mu = (np.asarray(v, dtype=np.float64) for v in (y, mu))
    return np.asarray((y - mu) / np.sqrt(mu + mu**2 / theta))


def strength_contrast(
    observed: FloatArray,
    x: FloatArray,
    fit: NbFit,
    contrast: FloatArray,
    offset: ArrayLike = 0.0,
    pseudocount: float = 0.0,
) -> tuple[float, float, float]:
    """Combination of log2 ratios of a pixel over replicates with both standard errors, eq. (18).

    Parameters
    ----------
    observed
        (R,) counts of the pixel, one per replicate.
    x
        (R, P) rows of the model at the pixel; the fit has not seen it.
    fit
        The model.
    contrast
        (R,) such as 1/3, 1/3, 1/3 for a mean over three replicates.
    offset
        Known part of the log mean.
    pseudocount
        Added to the observed count and to the mean.

    Returns
    -------
    The estimate, the standard error from the coefficients alone (the counts taken as given), and
    the one that adds the sampling of the counts.
    """
    mu = np.exp(x @ fit.beta + np.asarray(offset))
    ratio = np.log2((observed + pseudocount) / (mu + pseudocount))
    direction = contrast @ (x * (mu / (mu + pseudocount))[:, np.newaxis])
    of_model = float(direction @ fit.cov @ direction)
    with np.errstate(divide="ignore"):
        of_counts = float(contrast**2 @ (1 / (observed + pseudocount) + 1 / fit.theta))
    scale = 1 / np.log(2)
    return (
        float(contrast @ ratio),
        scale * np.sqrt(of_model),
        scale * np.sqrt(of_model + of_counts),
    )
