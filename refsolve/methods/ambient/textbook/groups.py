"""Two groups in one dimension: a gap, its error rate, and a mixture, eqs. (13) to (15)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Array = NDArray[np.float64]


class Gap(NamedTuple):
    """The widest gap between two groups."""

    low: float
    high: float
    cut: float
    statistic: float


def widest_gap(values: Array, least: int = 2) -> Gap:
    """Widest gap with at least `least` values on both sides over the spread within, eq. (13)."""
    x = np.sort(values)
    best = Gap(np.nan, np.nan, np.nan, -np.inf)
    for k in range(least, x.size - least + 1):
        left, right = x[:k], x[k:]
        squares = ((left - left.mean()) ** 2).sum() + ((right - right.mean()) ** 2).sum()
        spread = np.sqrt(squares / (x.size - 2))
        value = (right[0] - left[-1]) / spread if spread > 0 else np.inf
        if value > best.statistic:
            best = Gap(float(left[-1]), float(right[0]), 0.5 * float(left[-1] + right[0]), value)
    return best


def gap_p_value(values: Array, draws: int, rng: np.random.Generator, least: int = 2) -> float:
    """How often values of one normal group show a gap as wide, eq. (14)."""
    seen = widest_gap(values, least).statistic
    null = [widest_gap(rng.standard_normal(values.size), least).statistic for _ in range(draws)]
    return (1 + sum(v >= seen for v in null)) / (1 + draws)


class Mixture(NamedTuple):
    """Two normal groups."""

    share: float
    mean: tuple[float, float]
    sd: tuple[float, float]
    posterior: Array
    log_likelihood: float


def two_normals(values: Array, rounds: int = 500) -> Mixture:
    """Mixture of two normals by expectation-maximisation from the halves, eq. (15)."""
    upper = values > np.median(values)
    p = np.where(upper, 0.95, 0.05)
    floor = 1e-3 * values.std() + 1e-12
    last = -np.inf
    for _ in range(rounds):
        share = p.mean()
        m1, m0 = np.average(values, weights=p), np.average(values, weights=1 - p)
        s1 = max(np.sqrt(np.average((values - m1) ** 2, weights=p)), floor)
        s0 = max(np.sqrt(np.average((values - m0) ** 2, weights=1 - p)), floor)
        one = np.log(share) + norm.logpdf(values, m1, s1)
        zero = np.log1p(-share) + norm.logpdf(values, m0, s0)
        total = np.logaddexp(one, zero)
        p = np.exp(one - total)
        value = float(total.sum())
        if value - last < 1e-10 * abs(value):
            break
        last = value
    return Mixture(float(share), (float(m0), float(m1)), (float(s0), float(s1)), p, value)
