"""Two groups in one dimension: gaps, separation, valleys, and a mixture, eqs. (13) to (18)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, chi2, norm

Array = NDArray[np.float64]
Mark = NDArray[np.bool_]


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
        width = right[0] - left[-1]
        value = width / spread if spread > 0 else np.inf if width > 0 else 0.0
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


def distance(x: Array, above: Mark, weight: Array, floor: float = 0.0) -> float:
    """Distance of two weighted means in standard deviations within the groups.

    `above` marks one of them; `floor` is the smallest variance within.
    """
    mean = [float(np.average(x[side], weights=weight[side])) for side in (~above, above)]
    squares = weight * (x - np.where(above, mean[1], mean[0])) ** 2
    spread = np.sqrt(max(squares.sum() / weight.sum() * x.size / (x.size - 2), floor))
    return float((mean[1] - mean[0]) / spread) if spread > 0 else np.inf


def separation(values: Array, weight: Array | None = None, floor: float = 0.0) -> Gap:
    """Best cut into two groups with its gap, eq. (16). Equal values stay together.

    `floor` is the smallest variance within groups on the scale of the values, which must not be
    negative.
    """
    order = np.argsort(values)
    x, w = values[order], (np.ones(values.size) if weight is None else weight[order])
    least = max(2, int(np.ceil(0.1 * x.size)))
    best = Gap(np.nan, np.nan, np.nan, -np.inf)
    for k in range(least, x.size - least + 1):
        if x[k] == x[k - 1]:
            continue
        above = np.arange(x.size) >= k
        value = min(distance(x, above, w, floor), distance(np.sqrt(x), above, w))
        if value > best.statistic:
            best = Gap(float(x[k - 1]), float(x[k]), 0.5 * float(x[k - 1] + x[k]), value)
    return best


def separation_p_value(values: Array, draws: int, rng: np.random.Generator) -> float:
    """How often uniform values between the same ends are as separate, eq. (17)."""
    seen = separation(values).statistic
    low, high = values.min(), values.max()
    null = [separation(rng.uniform(low, high, values.size)).statistic for _ in range(draws)]
    return (1 + sum(v >= seen for v in null)) / (1 + draws)


def alike(values: Array, se: Array) -> float:
    """P value of the differences being sampling error alone; that of (17) is no smaller."""
    weight = 1.0 / se**2
    squares = weight * (values - np.average(values, weights=weight)) ** 2
    return float(chi2.sf(squares.sum(), values.size - 1))


class Valley(NamedTuple):
    """The interval with too few values, and its p value."""

    low: float
    high: float
    p: float


def valley(values: Array, inside: Array) -> Valley:
    """Deepest valley that has one of the numbers of values `inside` between its ends, eq. (18).

    All n places and (k+1)(k+2) for the k-th number of values inside count as tried.
    """
    x = np.sort(values)
    best = Valley(np.nan, np.nan, 1.0)
    for k, s in enumerate(inside):
        for i in range(x.size - int(s) - 1):
            j = i + int(s) + 1
            width = x[j] - x[i]
            if width <= 0:
                continue
            before = ((x >= x[i] - width) & (np.arange(x.size) < i)).sum()
            after = ((x <= x[j] + width) & (np.arange(x.size) > j)).sum()
            fewest = int(min(before, after))
            coin = float(binom.cdf(int(s), int(s) + fewest, 0.5))
            p = min(coin * x.size * (k + 1) * (k + 2), 1.0)
            if p < best.p:
                best = Valley(float(x[i]), float(x[j]), p)
    return best
