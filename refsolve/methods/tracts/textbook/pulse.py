"""One pulse: rates, likelihood, closed-form maximum, intervals, inversions, tract lengths."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import xlogy
from scipy.stats import chi2

from refsolve.methods.tracts.textbook.paths import Statistics, pool

FloatArray = NDArray[np.float64]
Convention = Literal["founders", "coalescent"]
OFFSET: dict[Convention, int] = {"founders": 1, "coalescent": 0}


class PulseEstimate(NamedTuple):
    """Maximum of eq. (3).

    Attributes
    ----------
    rate
        Recombinations per Morgan since the pulse.
    fraction
        Fraction of ancestry A.
    log_likelihood
        At the maximum.
    """

    rate: float
    fraction: float
    log_likelihood: float


class _Counts(NamedTuple):
    """Letters of eqs. (3) to (5)."""

    u: float  # first labels A and switches to A
    v: float
    n: float  # switches
    t_a: float
    t_b: float
    f: float  # paths


def rate_of_time(t: float, convention: Convention, population_size: float = np.inf) -> float:
    """Recombinations per Morgan that a pulse `t` generations ago leaves, eq. (2)."""
    meioses = t - OFFSET[convention]
    if np.isinf(population_size):
        return meioses
    return float(-2 * population_size * np.expm1(-meioses / (2 * population_size)))


def time_of_rate(rate: float, convention: Convention, population_size: float = np.inf) -> float:
    """Inverse of `rate_of_time`; infinite where the population is too small for the rate."""
    if np.isinf(population_size):
        return rate + OFFSET[convention]
    if rate >= 2 * population_size:
        return np.inf
    meioses = -2 * population_size * np.log1p(-rate / (2 * population_size))
    return float(meioses + OFFSET[convention])


def _counts(stats: Statistics) -> _Counts:
    (t_a, t_b), (f_a, f_b) = stats.exposure, stats.first
    n_ab, n_ba = stats.switches[0, 1], stats.switches[1, 0]
    return _Counts(f_a + n_ba, f_b + n_ab, n_ab + n_ba, t_a, t_b, f_a + f_b)


def pulse_log_likelihood(stats: Statistics, rate: float, m: float) -> float:
    """Log-likelihood of one pulse, eq. (3)."""
    u, v, n, t_a, t_b, _ = _counts(stats)
    labels = xlogy(u, m) + xlogy(v, 1 - m)
    return float(labels + xlogy(n, rate) - rate * ((1 - m) * t_a + m * t_b))


def pulse_score(stats: Statistics, rate: float, m: float) -> tuple[float, float]:
    """Derivatives of eq. (3) by the rate and by the fraction, eq. (4)."""
    u, v, n, t_a, t_b, _ = _counts(stats)
    of_rate, of_fraction = n / rate - (1 - m) * t_a - m * t_b, u / m - v / (1 - m)
    return float(of_rate), float(of_fraction + rate * (t_a - t_b))


def pulse_information(stats: Statistics, rate: float, m: float) -> FloatArray:
    """Minus the second derivatives of eq. (3), rate and fraction."""
    u, v, n, t_a, t_b, _ = _counts(stats)
    across = t_b - t_a
    return np.array([[n / rate**2, across], [across, u / m**2 + v / (1 - m) ** 2]])


def fit_rate(stats: Statistics, m: float) -> float:
    """Rate that maximises eq. (3) at a fraction; its standard error is rate / √N."""
    _, _, n, t_a, t_b, _ = _counts(stats)
    return float(n / ((1 - m) * t_a + m * t_b)) if n else 0.0


def fit_fraction(stats: Statistics, rate: float) -> float:
    """Fraction that maximises eq. (3) at a rate, eq. (5)."""
    u, v, _, t_a, t_b, _ = _counts(stats)
    slope = rate * (t_a - t_b)
    return _root(-slope, u + v - slope, u, only_b=u == 0, only_a=v == 0)


def fit_pulse(stats: Statistics) -> PulseEstimate:
    """Rate and fraction that maximise eq. (3), from the quadratic of eq. (5)."""
    u, v, n, t_a, t_b, f = _counts(stats)
    d = t_a - t_b
    linear = (u + v) * t_a + (u - n) * d
    m = _root(f * d, linear, u * t_a, only_b=u == 0, only_a=v == 0)
    rate = fit_rate(stats, m)
    return PulseEstimate(rate, m, pulse_log_likelihood(stats, rate, m))


def _root(a: float, b: float, c: float, *, only_b: bool, only_a: bool) -> float:
    """Root of a m² - b m + c in [0, 1]; the parabola is positive at 0 and negative at 1."""
    if only_b or only_a:
        return float(only_a)
    width = np.sqrt(b**2 - 4 * a * c)
    return float(2 * c / (b + width) if b > 0 else (b - width) / (2 * a))


def profile_interval(
    stats: Statistics, level: float = 0.95, parameter: Literal["rate", "fraction"] = "rate"
) -> tuple[float, float]:
    """Values whose profile of eq. (3) is within χ²₁/2 of the maximum.

    Without a switch the rate begins at 0; without one of the labels the fraction at 0, or ends at
    1. A fraction of 0 or 1 has no upper rate.
    """
    best = fit_pulse(stats)
    least = float(best.log_likelihood - chi2.ppf(level, 1) / 2)

    def of_rate(rate: float) -> float:
        return pulse_log_likelihood(stats, rate, fit_fraction(stats, rate)) - least

    def of_fraction(m: float) -> float:
        return pulse_log_likelihood(stats, fit_rate(stats, m), m) - least

    if parameter == "fraction":
        low, high = (_crossing(of_fraction, best.fraction, end) for end in (0.0, 1.0))
        return low, high
    if best.fraction in (0.0, 1.0):
        return 0.0, np.inf
    far = 1.0 + 2 * best.rate
    while of_rate(far) > 0:
        far *= 2
    low, high = (_crossing(of_rate, best.rate, end) for end in (0.0, far))
    return low, high


def _crossing(height: Callable[[float], float], best: float, end: float) -> float:
    """Where the profile crosses zero between its maximum and an end, or the end."""
    if best == end or height(end) >= 0:
        return end
    near, inside = end, best
    while not np.isfinite(height(near)):
        near = (inside + end) / 2
        if height(near) > 0:
            inside, near = near, end
    return float(brentq(height, inside, near, xtol=1e-13, rtol=1e-13))


def inversion_log_ratio(stats: Statistics, rate: float, m: float) -> float:
    """Log-likelihood with A and B exchanged minus the one as called, eq. (6)."""
    (t_a, t_b), (f_a, f_b) = stats.exposure, stats.first
    labels = (f_a - f_b) - (stats.switches[0, 1] - stats.switches[1, 0])
    return float(labels * np.log((1 - m) / m) + rate * (1 - 2 * m) * (t_a - t_b))


def exchanged(stats: Statistics) -> Statistics:
    """Statistics of the path with A and B exchanged."""
    return Statistics(stats.exposure[::-1], stats.switches[::-1, ::-1], stats.first[::-1])


def best_inversions(haplotypes: Sequence[Sequence[Statistics]]) -> NDArray[np.bool_]:
    """Chromosomes inverted in the likeliest of all assignments, by enumeration.

    Parameters
    ----------
    haplotypes
        Statistics of each haplotype (outer) and chromosome (inner). A chromosome is inverted on
        all haplotypes at once; each haplotype has its own rate and fraction.

    Returns
    -------
    One mark per chromosome. Inverting all the others is equally likely; the assignment with fewer
    inversions is returned.
    """
    best, chosen = -np.inf, np.zeros(len(haplotypes[0]), dtype=bool)
    for marks in sorted(itertools.product([False, True], repeat=chosen.size), key=sum):
        total = 0.0
        for chromosomes in haplotypes:
            turned = [exchanged(s) if x else s for s, x in zip(chromosomes, marks, strict=True)]
            total += fit_pulse(pool(turned)).log_likelihood
        if total > best + 1e-9:
            best, chosen = total, np.array(marks)
    return chosen


def pulse_tail(x: ArrayLike, length: float, rate: float, m: float) -> FloatArray:
    """Expected A tracts at least `x` long on one haploid chromosome, eq. (12)."""
    x, a = np.asarray(x, dtype=np.float64), rate * (1 - m)
    return np.where(x <= length, m * np.exp(-a * x) * (1 + a * (length - x)), 0.0)


def pulse_histogram(
    edges: ArrayLike, lengths: Sequence[float], rate: float, m: float
) -> FloatArray:
    """Expected A tracts with length in [edge, next edge), over haploid chromosomes, eq. (12)."""
    return np.asarray(-np.diff(sum(pulse_tail(edges, length, rate, m) for length in lengths)))
