"""Effects of variants that were chosen for being significant, freed of the winner's curse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr

from refsolve.core.check import FloatArray, refuse
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.mvmr.estimator.instruments import GENOME_WIDE, z_threshold
from refsolve.methods.mvmr.kernels.selection import truncated_mean

HALVINGS = 80
REACH = 60.0  # standard errors beyond the estimate within which an interval ends
DRAWS = 4_000  # of Gibbs, after a tenth of it


@dataclass(frozen=True, slots=True)
class ConditionalEstimates(Result):
    """Effects given that the screening sample was significant.

    Attributes
    ----------
    estimate
        Maximum of the conditional likelihood (J,).
    lower, upper
        Interval (J,); of one phase by inverting the conditional distribution, of two phases by the
        conditional likelihood ratio.
    confidence
        Nominal coverage.
    naive
        What was put in (the pooled effect with two phases).
    """

    estimate: FloatArray
    lower: FloatArray
    upper: FloatArray
    confidence: float
    naive: FloatArray


def conditional_estimates(
    beta: ArrayLike,
    se: ArrayLike,
    *,
    p_threshold: float = GENOME_WIDE,
    confidence: float = 0.95,
) -> ConditionalEstimates:
    """Effects when the sample that selected the variants is also the one that estimates them.

    Parameters
    ----------
    beta, se
        Of significant variants (J,).
    p_threshold
        Two-sided p-value that they passed.
    confidence
        Nominal coverage of the intervals.
    """
    b, s, c = _significant(beta, se, p_threshold)
    z = b / s
    flip = np.where(z < 0.0, -1.0, 1.0)
    top = np.abs(z)
    mu = _root(lambda m: selected_mean(m, c) - top, np.zeros(z.size), top)
    tail = 0.5 * (1.0 - confidence)
    low, high = top - REACH, top + REACH
    lower = _root(lambda m: _log_upper(top, m, c) - np.log(tail), low, high)
    upper = _root(lambda m: _log_upper(top, m, c) - np.log1p(-tail), low, high)
    ends = np.sort(np.stack([flip * s * lower, flip * s * upper]), axis=0)
    return ConditionalEstimates(flip * s * mu, ends[0], ends[1], confidence, b)


def two_phase_estimates(
    beta1: ArrayLike,
    se1: ArrayLike,
    beta2: ArrayLike,
    se2: ArrayLike,
    *,
    p_threshold: float = GENOME_WIDE,
    confidence: float = 0.95,
) -> ConditionalEstimates:
    """Effects from the selecting phase and an independent one together, by conditional likelihood.

    Parameters
    ----------
    beta1, se1
        Of the phase in which the variants passed the threshold (J,).
    beta2, se2
        Of the other (J,).
    p_threshold
        Two-sided p-value that they passed.
    confidence
        Nominal coverage of the intervals.
    """
    b1, s1, c = _significant(beta1, se1, p_threshold)
    b2, s2 = np.asarray(beta2, dtype=np.float64), np.asarray(se2, dtype=np.float64)
    precision = 1.0 / s1**2 + 1.0 / s2**2
    pooled = (b1 / s1**2 + b2 / s2**2) / precision
    flip = np.where(pooled < 0.0, -1.0, 1.0)
    centre = np.abs(pooled)

    def slope(beta: FloatArray) -> FloatArray:
        pull = (selected_mean(beta / s1, c) - beta / s1) / s1
        return precision * (centre - beta) - pull

    def loss(beta: FloatArray) -> FloatArray:
        return 0.5 * precision * (centre - beta) ** 2 + _log_selected(beta / s1, c)

    estimate = _root(lambda b: -slope(b), np.zeros(centre.size), centre)
    drop = 0.5 * z_threshold(1.0 - confidence) ** 2
    reach = REACH / np.sqrt(precision)
    level = loss(estimate) + drop
    lower = _root(lambda b: level - loss(b), estimate - reach, estimate)
    upper = _root(lambda b: loss(b) - level, estimate, estimate + reach)
    ends = np.sort(np.stack([flip * lower, flip * upper]), axis=0)
    return ConditionalEstimates(flip * estimate, ends[0], ends[1], confidence, pooled)


def rao_blackwell(
    beta1: ArrayLike,
    covariance1: FloatArray,
    beta2: ArrayLike,
    covariance2: FloatArray,
    selected: ArrayLike,
    *,
    p_threshold: float = GENOME_WIDE,
    rng: RandomSource = 0,
) -> FloatArray:
    """Unbiased effects from both phases when only the first one selected.

    The mean of the second phase's effects given the pooled effects and the selection. With one
    selected variant it is exact; with several, moments of the truncated normal come from Gibbs
    draws.

    Parameters
    ----------
    beta1, beta2
        Effects of independent phases (J,).
    covariance1, covariance2
        Of these (J, J).
    selected
        Rows whose first-phase effect had to pass.
    p_threshold
        Two-sided p-value that they passed.
    rng
        Seed of the Gibbs draws.

    Returns
    -------
    Effects (J,).
    """
    b1, b2 = np.asarray(beta1, dtype=np.float64), np.asarray(beta2, dtype=np.float64)
    rows = np.asarray(selected, dtype=np.int64)
    w1, w2 = np.linalg.inv(covariance1), np.linalg.inv(covariance2)
    v = np.linalg.inv(w1 + w2)
    pooled = v @ (w1 @ b1 + w2 @ b2)
    d = covariance1 - v
    part = np.ascontiguousarray(d[np.ix_(rows, rows)])
    bound = z_threshold(p_threshold) * np.sqrt(np.diag(covariance1)[rows])
    refuse(np.abs(b1[rows]) <= bound, "beta1", b1[rows], "was not selected", "list selected rows")
    mean = _outside_mean(pooled[rows], part, bound, b1[rows], as_generator(rng))
    first = pooled + d[:, rows] @ np.linalg.solve(part, mean - pooled[rows])
    return np.asarray(covariance2 @ ((w1 + w2) @ pooled - w1 @ first))


def _outside_mean(
    mean: FloatArray,
    covariance: FloatArray,
    bound: FloatArray,
    start: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Mean of a normal vector of which every element exceeds its bound in absolute value."""
    if mean.size == 1:
        sd = np.sqrt(covariance[0, 0])
        return np.asarray(sd * selected_mean(mean / sd, bound[0] / sd))
    precision = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
    return np.asarray(truncated_mean(mean, precision, bound, start, DRAWS, rng))


def selected_mean(mu: FloatArray, c: float) -> FloatArray:
    """Mean of a normal score given that its absolute value exceeds c.

    Parameters
    ----------
    mu
        Its mean without selection.
    c
        Threshold.
    """
    log_p = _log_selected(mu, c)
    half = 0.5 * np.log(2.0 * np.pi)
    above = np.exp(-0.5 * (c - mu) ** 2 - half - log_p)
    below = np.exp(-0.5 * (c + mu) ** 2 - half - log_p)
    return np.asarray(mu + above - below)


def _log_selected(mu: FloatArray, c: float) -> FloatArray:
    return np.asarray(np.logaddexp(log_ndtr(mu - c), log_ndtr(-mu - c)))


def _log_upper(z: FloatArray, mu: FloatArray, c: float) -> FloatArray:
    """Log probability of a selected score above z, z > c."""
    return np.asarray(log_ndtr(mu - z) - _log_selected(mu, c))


def _root(
    rising: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray
) -> FloatArray:
    """Where a rising function is zero, by halving; every element by itself."""
    low, high = low.copy(), high.copy()
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        above = rising(middle) > 0.0
        high, low = np.where(above, middle, high), np.where(above, low, middle)
    return np.asarray(0.5 * (low + high))


def _significant(
    beta: ArrayLike, se: ArrayLike, p_threshold: float
) -> tuple[FloatArray, FloatArray, float]:
    c = z_threshold(p_threshold)
    b, s = np.asarray(beta, dtype=np.float64), np.asarray(se, dtype=np.float64)
    refuse(~(s > 0.0), "se", s, "must be positive", "drop the variant")
    weak = ~(np.abs(b) > c * s)
    refuse(weak, "beta", b, f"is not significant at {p_threshold:g}", "pass selected variants")
    return b, s, c
