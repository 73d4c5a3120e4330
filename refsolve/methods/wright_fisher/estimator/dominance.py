"""Selection and dominance together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize_scalar
from scipy.special import chdtri

from refsolve.core.result import Result
from refsolve.methods.wright_fisher.estimator.selection import SelectionFit, fit_model
from refsolve.methods.wright_fisher.model.inputs import Start
from refsolve.methods.wright_fisher.model.likelihood import Likelihood, Mapper
from refsolve.methods.wright_fisher.model.samples import Observations

SCAN = 9  # values of h of the first scan
CLOSE = 1e-3  # to which h and its ends are found


@dataclass(frozen=True, slots=True)
class DominanceFit(Result):
    """Selection and dominance of one diploid locus.

    Attributes
    ----------
    s
        Selection coefficient of the derived homozygote.
    h
        Dominance: the heterozygote has fitness 1 + hs.
    s_interval
        Profile-likelihood interval of s, with h at its best for every s.
    h_interval
        Profile-likelihood interval of h, with s at its best for every h.
    confidence
        Nominal coverage of both.
    log_likelihood
        At (s, h).
    lrt_additive
        Likelihood-ratio statistic of h = 1/2.
    h_identified
        Whether the interval of h ends within the bounds on at least one side.
    at_bound
        h or s, or an end of their intervals, lies on the bounds.
    """

    s: float
    h: float
    s_interval: tuple[float, float]
    h_interval: tuple[float, float]
    confidence: float
    log_likelihood: float
    lrt_additive: float
    h_identified: bool
    at_bound: bool


def fit_dominance(
    samples: Observations,
    sizes: ArrayLike,
    *,
    bounds: tuple[float, float] = (-0.4, 0.8),
    h_bounds: tuple[float, float] = (-0.5, 1.5),
    start: Start = "uniform",
    mutation: tuple[float, float] | None = None,
    mode: str = "auto",
    confidence: float = 0.95,
    tolerance: float = 1e-3,
    map_: Mapper = map,
) -> DominanceFit:
    """Estimate selection and dominance of one diploid locus by profiling over dominance.

    Parameters
    ----------
    samples, sizes, start, mutation, mode, tolerance, map_
        As in `log_likelihood`.
    bounds, h_bounds
        Ranges of the search in s and h.
    confidence
        Nominal coverage of the intervals.

    Returns
    -------
    Both estimates; h is not identified when s is near zero.
    """
    model = Likelihood(samples, sizes, ploidy="diploid", start=start, mutation=mutation, mode=mode)
    profile = _Profile(model, bounds, confidence, tolerance, map_)
    grid = np.unique([*np.linspace(*h_bounds, SCAN), 0.5])
    best = int(np.argmax([profile(h) for h in grid]))
    around = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    found = minimize_scalar(
        lambda h: -profile(h), bounds=around, method="bounded", options={"xatol": CLOSE}
    )
    h = max((float(found.x), *map(float, grid)), key=profile)
    fit, drop = profile.fits[h], float(chdtri(1, 1.0 - confidence)) / 2.0
    level = fit.log_likelihood - drop
    ends = profile.end(h, h_bounds[0], level), profile.end(h, h_bounds[1], level)
    s_ends = profile.outermost(ends, level, -1), profile.outermost(ends, level, 1)
    unbounded = ends[0] <= h_bounds[0], ends[1] >= h_bounds[1]
    edge = CLOSE * (bounds[1] - bounds[0])
    return DominanceFit(
        s=fit.s,
        h=h,
        s_interval=s_ends,
        h_interval=ends,
        confidence=confidence,
        log_likelihood=fit.log_likelihood,
        lrt_additive=max(0.0, 2.0 * (fit.log_likelihood - profile(0.5))),
        h_identified=not all(unbounded),
        at_bound=s_ends[0] < bounds[0] + edge or s_ends[1] > bounds[1] - edge or any(unbounded),
    )


class _Profile:
    """Log-likelihood of h with s at its best; every fit is kept."""

    def __init__(
        self,
        model: Likelihood,
        bounds: tuple[float, float],
        confidence: float,
        tolerance: float,
        map_: Mapper,
    ) -> None:
        self.model, self.bounds, self.confidence = model, bounds, confidence
        self.tolerance, self.map_ = tolerance, map_
        self.fits: dict[float, SelectionFit] = {}

    def __call__(self, h: float) -> float:
        h = float(h)
        if h not in self.fits:
            model = self.model.with_dominance(h)
            low, high = self._allowed(h)
            self.fits[h] = fit_model(model, (low, high), self.confidence, self.tolerance, self.map_)
        return self.fits[h].log_likelihood

    def _allowed(self, h: float) -> tuple[float, float]:
        """Bounds of s within which heterozygotes have a positive fitness."""
        low, high = self.bounds
        if h > 0.0:
            low = max(low, -0.99 / h)
        if h < 0.0:
            high = min(high, -0.99 / h)
        return low, high

    def end(self, h: float, bound: float, level: float) -> float:
        """Where the profile falls through `level`, between h and a bound."""
        if self(bound) >= level:
            return bound
        tried = [x for x in self.fits if min(h, bound) <= x <= max(h, bound)]
        inside = max((x for x in tried if self(x) >= level), key=lambda x: abs(x - h))
        outside = min((x for x in tried if self(x) < level), key=lambda x: abs(x - h))
        return float(brentq(lambda x: self(x) - level, inside, outside, xtol=CLOSE))

    def outermost(self, ends: tuple[float, float], level: float, side: int) -> float:
        """The lowest (side -1) or highest (1) s that some h lifts to `level`."""

        def reached(h: float) -> float:
            self(h)
            return side * _crossing(self.fits[float(h)], level, side)

        h = max((x for x in self.fits if ends[0] <= x <= ends[1]), key=reached)
        tried = sorted({*ends, *(x for x in self.fits if ends[0] <= x <= ends[1])})
        at = tried.index(h)
        around = tried[max(at - 1, 0)], tried[min(at + 1, len(tried) - 1)]
        found = minimize_scalar(
            lambda x: -reached(x), bounds=around, method="bounded", options={"xatol": 10 * CLOSE}
        )
        return side * max(reached(h), reached(float(found.x)))


def _crossing(fit: SelectionFit, level: float, side: int) -> float:
    """Where the curve of a fit falls through `level` on one side of its maximum, or its bound."""
    s, ll = fit.curve.s, fit.curve.log_likelihood
    beyond = (s - fit.s) * side > 0.0
    s, fall = s[beyond][::side], (level - ll[beyond][::side])
    below = np.flatnonzero(fall > 0.0)
    if below.size == 0:
        return float(s[-1]) if s.size else fit.s
    k = below[0]
    inner, missing = (s[k - 1], fall[k - 1]) if k else (fit.s, level - fit.log_likelihood)
    # The root of the drop is close to linear in s.
    top = fit.log_likelihood - level
    near, goal, far = (np.sqrt(max(top + x, 0.0)) for x in (missing, 0.0, fall[k]))
    share = (goal - near) / (far - near) if np.isfinite(far) and far > near else 0.0
    return float(inner + (s[k] - inner) * min(max(share, 0.0), 1.0))
