"""Effects of variants that were chosen because they were significant, eqs. (26) to (30)."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import log_ndtr
from scipy.stats import multivariate_normal, norm

FloatArray = NDArray[np.float64]

TIGHT = {"xtol": 1e-13, "rtol": 1e-13}


def log_selected(mu: float, c: float) -> float:
    """Log probability that a score with mean `mu` exceeds `c` in absolute value, eq. (26)."""
    return float(np.logaddexp(log_ndtr(mu - c), log_ndtr(-mu - c)))


def selected_mean(mu: float, c: float) -> float:
    """Mean of a score with mean `mu`, given that it exceeds `c` in absolute value, eq. (26)."""
    upper = np.exp(norm.logpdf(c - mu) - log_selected(mu, c))
    lower = np.exp(norm.logpdf(c + mu) - log_selected(mu, c))
    return float(mu + upper - lower)


def selected_cdf(z: float, mu: float, c: float) -> float:
    """Probability of a score up to `z`, given that it exceeds `c` in absolute value, eq. (26)."""
    below = log_ndtr(min(z, -c) - mu)
    if z < c:
        return float(np.exp(below - log_selected(mu, c)))
    return float(-np.expm1(log_ndtr(mu - z) - log_selected(mu, c)))


def conditional_mle(b: float, se: float, c: float) -> float:
    """Effect whose selected mean is what was seen, eq. (27)."""
    z = b / se
    low, high = sorted((0.0, z))
    return se * float(brentq(lambda mu: selected_mean(mu, c) - z, low, high, **TIGHT))


def conditional_mean(b: float, se: float, c: float) -> float:
    """Mean of the conditional likelihood as a density of the effect, eq. (27)."""
    z = b / se

    def density(mu: float) -> float:
        return float(np.exp(-0.5 * (z - mu) ** 2 - log_selected(mu, c)))

    marks = {"points": sorted({-c, 0.0, c, z}), "limit": 500}
    span = (min(z, 0.0) - 30.0, max(z, 0.0) + 30.0)
    first = quad(lambda mu: mu * density(mu), *span, **marks)[0]
    return se * float(first / quad(density, *span, **marks)[0])


def conditional_interval(b: float, se: float, c: float, level: float = 0.95) -> tuple[float, float]:
    """Effects that the score does not reject, by inverting its selected distribution, eq. (27)."""
    z, tail = b / se, (1 - level) / 2
    reach = 50 + abs(z)
    ends = [
        brentq(lambda mu, p=p: selected_cdf(z, mu, c) - p, -reach, reach, **TIGHT)
        for p in (1 - tail, tail)
    ]
    return se * float(ends[0]), se * float(ends[1])


def two_phase_mle(b1: float, se1: float, b2: float, se2: float, c: float) -> float:
    """Effect of largest likelihood given selection on the first phase alone, eq. (28)."""
    precision = 1 / se1**2 + 1 / se2**2
    centre = (b1 / se1**2 + b2 / se2**2) / precision

    def slope(beta: float) -> float:
        pull = (selected_mean(beta / se1, c) - beta / se1) / se1
        return float(precision * (centre - beta) - pull)

    low, high = sorted((0.0, centre))
    return float(brentq(slope, low, high, xtol=1e-13 * se1, rtol=1e-13)) if low < high else 0.0


def independent_part(
    b1: FloatArray, s1: FloatArray, b2: FloatArray, s2: FloatArray, s12: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """What phase 2 adds to phase 1 when people overlap: effects and covariance, eq. (29).

    Parameters
    ----------
    b1, b2
        (J,) effects in both phases.
    s1, s2, s12
        (J, J) covariances, and that of phase 1 with phase 2.
    """
    slope = s12.T @ np.linalg.inv(s1)
    free = np.linalg.inv(np.eye(len(b1)) - slope)
    return free @ (b2 - slope @ b1), free @ (s2 - slope @ s12) @ free.T


def pooled(
    b1: FloatArray, s1: FloatArray, b2: FloatArray, s2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean of two phases weighted by their precision, and its covariance, eq. (29)."""
    v = np.linalg.inv(np.linalg.inv(s1) + np.linalg.inv(s2))
    return v @ (np.linalg.inv(s1) @ b1 + np.linalg.inv(s2) @ b2), v


def rao_blackwell(
    b1: FloatArray,
    s1: FloatArray,
    b2: FloatArray,
    s2: FloatArray,
    c: float,
    selected: list[int],
) -> FloatArray:
    """Unbiased effects from both phases, given that phase 1 made the selection, eq. (30).

    Parameters
    ----------
    b1, b2
        (J,) effects in independent phases.
    s1, s2
        (J, J) covariances.
    c
        Threshold in standard errors of phase 1.
    selected
        Variants whose phase 1 effect was required to exceed the threshold.
    """
    t, v = pooled(b1, s1, b2, s2)
    d = s1 - v
    part = d[np.ix_(selected, selected)]
    bound = c * np.sqrt(np.diag(s1)[selected])
    mean = outside_mean(t[selected], part, bound)
    first = t + d[:, selected] @ np.linalg.inv(part) @ (mean - t[selected])
    return np.asarray(s2 @ (np.linalg.inv(v) @ t - np.linalg.inv(s1) @ first))


def outside_mean(mean: FloatArray, cov: FloatArray, bound: FloatArray) -> FloatArray:
    """Mean of a normal vector whose entries all exceed `bound` in absolute value, eq. (30)."""
    total, weighted = 0.0, np.zeros(len(mean))
    for signs in itertools.product([-1.0, 1.0], repeat=len(mean)):
        s = np.array(signs)
        probability, first = orthant_moment(s * mean, cov * np.outer(s, s), bound)
        total += probability
        weighted += s * first
    return np.asarray(weighted / total)


def orthant_moment(
    mean: FloatArray, cov: FloatArray, bound: FloatArray
) -> tuple[float, FloatArray]:
    """P(all x > bound), and the integral of x over that set, for a normal vector, eq. (30)."""
    probability = upper_tail(mean, cov, bound)
    flow = np.empty(len(mean))
    for k in range(len(mean)):
        rest = [i for i in range(len(mean)) if i != k]
        slope = cov[rest, k] / cov[k, k]
        centre = mean[rest] + slope * (bound[k] - mean[k])
        left = cov[np.ix_(rest, rest)] - np.outer(slope, cov[k, rest])
        edge = norm.pdf(bound[k], mean[k], np.sqrt(cov[k, k]))
        flow[k] = edge * upper_tail(centre, left, bound[rest])
    return probability, np.asarray(mean * probability + cov @ flow)


def upper_tail(mean: FloatArray, cov: FloatArray, bound: FloatArray) -> float:
    """P(all x > bound) for a normal vector."""
    if len(mean) == 0:
        return 1.0
    if len(mean) == 1:
        return float(norm.sf(bound[0], mean[0], np.sqrt(cov[0, 0])))
    rng = np.random.default_rng(0)
    law = multivariate_normal(-mean, cov, abseps=1e-12, releps=1e-10, seed=rng)
    return float(law.cdf(-bound))
