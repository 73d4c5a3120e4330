"""Two loci side by side: whether one coefficient is larger, and whether they could be equal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import Akima1DInterpolator
from scipy.optimize import minimize_scalar
from scipy.special import chdtrc

from refsolve.core.check import FloatArray
from refsolve.core.result import Result
from refsolve.methods.wright_fisher.estimator.selection import SelectionFit

FINE = 1500  # values of s at which each posterior density is evaluated


@dataclass(frozen=True, slots=True)
class LocusComparison(Result):
    """Selection at two loci, estimated separately and together.

    Attributes
    ----------
    difference
        s of the first locus minus s of the second.
    interval
        Interval of the difference, from the two profile intervals (Zou and Donner 2008,
        doi:10.1002/sim.3095), at their confidence.
    common
        The coefficient that fits both loci best.
    lrt
        Likelihood-ratio statistic of one common coefficient against two.
    p_value
        Of that statistic, chi-squared with one degree of freedom.
    probability_first_larger
        Posterior probability that the first coefficient is the larger, under flat priors within
        the bounds of the fits.
    """

    difference: float
    interval: tuple[float, float]
    common: float
    lrt: float
    p_value: float
    probability_first_larger: float


def compare_loci(first: SelectionFit, second: SelectionFit) -> LocusComparison:
    """Compare the selection coefficients of two loci that drifted independently.

    Parameters
    ----------
    first, second
        Fits at the same confidence.

    Returns
    -------
    Test of a common coefficient, interval of the difference, and the probability that the first
    is larger.
    """
    if first.confidence != second.confidence:
        raise ValueError(
            f"first has confidence {first.confidence} and second {second.confidence}; "
            "expected the same; fit both alike"
        )
    one, two = _Curve(first), _Curve(second)
    low, high = sorted((first.s, second.s))
    best = minimize_scalar(lambda s: -float(one(s) + two(s)), bounds=(low, high), method="bounded")
    common = float(best.x) if high > low else low
    lrt = max(0.0, 2.0 * float(one(first.s) + two(second.s) - one(common) - two(common)))
    return LocusComparison(
        difference=first.s - second.s,
        interval=_difference(first, second),
        common=common,
        lrt=lrt,
        p_value=float(chdtrc(1, lrt)),
        probability_first_larger=_probability_larger(one, two),
    )


class _Curve:
    """Log-likelihood between its computed values, and straight on beyond them."""

    def __init__(self, fit: SelectionFit) -> None:
        finite = np.isfinite(fit.curve.log_likelihood)
        self.s, self.ll = fit.curve.s[finite], fit.curve.log_likelihood[finite]
        self.interval = fit.interval
        self.between = Akima1DInterpolator(self.s, self.ll)

    def __call__(self, s: float | FloatArray) -> FloatArray:
        inside = np.clip(s, self.s[0], self.s[-1])
        slope = np.gradient(self.ll, self.s)[[0, -1]]
        beyond = np.where(s < inside, slope[0], slope[1]) * (s - inside)
        return np.asarray(self.between(inside) + beyond)

    def values(self) -> FloatArray:
        """Values of s that resolve the posterior: five widths of the interval, within the curve."""
        low, high = self.interval
        reach = 2.0 * (high - low)
        return np.linspace(max(low - reach, self.s[0]), min(high + reach, self.s[-1]), FINE)


def _probability_larger(one: _Curve, two: _Curve) -> float:
    s = np.union1d(one.values(), two.values())
    first, second = _masses(one, s), _masses(two, s)
    return float(np.clip(first @ (np.cumsum(second) - 0.5 * second), 0.0, 1.0))


def _masses(curve: _Curve, s: FloatArray) -> FloatArray:
    """Posterior probability around each value under a flat prior, by trapezoids."""
    log_density = np.where((s >= curve.s[0]) & (s <= curve.s[-1]), curve(s), -np.inf)
    mass = np.exp(log_density - log_density.max()) * np.gradient(s)
    return np.asarray(mass / mass.sum())


def _difference(first: SelectionFit, second: SelectionFit) -> tuple[float, float]:
    difference = first.s - second.s
    down = np.hypot(first.s - first.interval[0], second.interval[1] - second.s)
    up = np.hypot(first.interval[1] - first.s, second.s - second.interval[0])
    return float(difference - down), float(difference + up)
