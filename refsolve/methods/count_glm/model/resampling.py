"""One p value per gene: combined, and from permuted donors, eqs. (12) and (13)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline
from scipy.special import betainc, digamma, erfc, polygamma
from scipy.stats import false_discovery_control

from refsolve.core.check import FloatArray, IntArray, within
from refsolve.core.rng import RandomSource, as_generator

SMALLEST_P, LARGEST_P = 1e-300, 1.0 - 1e-9  # between them tangents and logarithms are good
TINY = 1e-15  # below it the tangent is the reciprocal
STEPS, STILL = 60, 1e-10
FEWEST = 20  # permutations that a distribution is fitted to
KNOTS, FURTHEST = 2000, 6.0  # of the table of tails


def cauchy_combination(p: ArrayLike) -> float:
    """One p value of many dependent ones, eq. (12); NaN is no test.

    Parameters
    ----------
    p
        P values.

    Examples
    --------
    >>> round(cauchy_combination([0.01, 0.5, 0.5]), 3)
    0.03
    """
    values = np.asarray(p, np.float64)
    values = within(values[~np.isnan(values)], "p", 0.0, 1.0)
    if values.size == 0:
        return np.nan
    values = np.clip(values, SMALLEST_P, LARGEST_P)
    small = values < TINY
    tangent = np.tan((0.5 - values) * np.pi)
    total = np.where(small, 1.0 / (np.pi * values), tangent).mean()
    if total > 0.0:
        return float(np.arctan(1.0 / total) / np.pi)
    return float(0.5 - np.arctan(total) / np.pi)


def beta_approximation(smallest: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Shapes of beta distributions by maximum likelihood, eq. (13).

    Parameters
    ----------
    smallest
        Smallest p values of permutations (..., R).

    Returns
    -------
    Both shapes (...).

    Examples
    --------
    >>> draws = np.random.default_rng(1).beta(1.0, 30.0, 4000)
    >>> a, b = beta_approximation(draws)
    >>> float(np.round(a, 1))
    1.0
    """
    values = np.clip(np.asarray(smallest, np.float64), SMALLEST_P, LARGEST_P)
    low, high = np.log(values).mean(axis=-1), np.log1p(-values).mean(axis=-1)
    mean, spread = values.mean(axis=-1), np.maximum(values.var(axis=-1), 1e-300)
    size = np.maximum(mean * (1.0 - mean) / spread - 1.0, 1e-2)
    a, b = np.log(mean * size), np.log((1.0 - mean) * size)
    for _ in range(STEPS):
        one, two = np.exp(a), np.exp(b)
        both = digamma(one + two)
        ga, gb = one * (both - digamma(one) + low), two * (both - digamma(two) + high)
        bend = polygamma(1, one + two)
        haa = one**2 * (bend - polygamma(1, one)) - np.abs(ga)
        hbb = two**2 * (bend - polygamma(1, two)) - np.abs(gb)
        hab = one * two * bend
        det = haa * hbb - hab**2
        step_a = np.clip((hab * gb - hbb * ga) / det, -1.0, 1.0)
        step_b = np.clip((hab * ga - haa * gb) / det, -1.0, 1.0)
        a, b = a + step_a, b + step_b
        if max(np.abs(step_a).max(initial=0.0), np.abs(step_b).max(initial=0.0)) < STILL:
            break
    return np.asarray(np.exp(a)), np.asarray(np.exp(b))


def false_discovery(p: ArrayLike) -> FloatArray:
    """False discovery rates by Benjamini and Hochberg; NaN is no test and stays.

    Parameters
    ----------
    p
        P values.
    """
    given = np.asarray(p, np.float64)
    out = np.full(given.shape, np.nan)
    tested = ~np.isnan(given)
    if tested.any():
        out[tested] = false_discovery_control(given[tested])
    return out


def permuted_donors(n: int, times: int, rng: RandomSource) -> IntArray:
    """Orders of donors (times, n).

    Parameters
    ----------
    n
        Number of donors.
    times
        Number of orders.
    rng
        Seed.
    """
    if times != 0 and times < FEWEST:
        raise ValueError(f"permutations = {times}; take none, or at least {FEWEST}")
    order = np.tile(np.arange(n), (times, 1))
    return as_generator(rng).permuted(order, axis=1)


@cache
def correlation_tail(spare: int) -> CorrelationTail:
    """Tail of a squared partial correlation.

    Parameters
    ----------
    spare
        Donors less coefficients of the null model.
    """
    return CorrelationTail(spare)


class CorrelationTail:
    """P value of a squared partial correlation of donors.

    Parameters
    ----------
    spare
        Donors less coefficients of the null model.
    """

    __slots__ = ("_spline", "spare")

    def __init__(self, spare: int) -> None:
        self.spare = spare
        root = np.linspace(0.0, FURTHEST, KNOTS)
        tail = self.exact(-np.expm1(-(root**2)))
        self._spline = CubicSpline(root, np.log(np.maximum(tail, SMALLEST_P)))

    def exact(self, square: FloatArray) -> FloatArray:
        """P values of squared correlations.

        Parameters
        ----------
        square
            Between 0 and 1.
        """
        return np.asarray(betainc(0.5 * (self.spare - 1), 0.5, np.clip(1.0 - square, 0.0, 1.0)))

    def quick(self, square: FloatArray) -> FloatArray:
        """The same from a table, to about nine digits.

        Parameters
        ----------
        square
            Between 0 and 1.
        """
        root = np.sqrt(-np.log1p(-np.minimum(square, 1.0 - 1e-15)))
        return np.asarray(np.exp(self._spline(root)))


def chi_square_tail(statistic: FloatArray) -> FloatArray:
    """P values of chi-square statistics with one degree of freedom.

    Parameters
    ----------
    statistic
        Not negative, or NaN.
    """
    return np.asarray(erfc(np.sqrt(0.5 * statistic)))
