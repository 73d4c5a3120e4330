"""Selection coefficients with intervals, tests and flags, from the log-likelihood of eq. (4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, chdtri

from refsolve.core.check import FloatArray
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.wright_fisher.estimator.calibration import (
    Calibration,
    design_of,
    monte_carlo_p,
)
from refsolve.methods.wright_fisher.model.inputs import Start
from refsolve.methods.wright_fisher.model.likelihood import Likelihood, LikelihoodCurve, Mapper
from refsolve.methods.wright_fisher.model.samples import Observations

SCAN = 40  # values of s of the first scan, a whole number of lanes
ROUND = 8  # values of s of every closer look
CURVE = 48  # values of s of the reported curve, over three widths of the interval
FINE = 0.01  # half of the scan lies within a few multiples of this
CLOSE = 0.01  # a maximum is closed in on until its neighbours are this near, in log units
NEAR = 0.3  # and an end of the interval until the curve falls by less than this
EDGE = 1e-6  # nearer than this to a bound, relative to the range, is at the bound
STEPS = np.array([0.4, 0.7, 0.85, 1.0, 1.15, 1.35, 1.7, 2.5])  # where ends are looked for


@dataclass(frozen=True, slots=True)
class SelectionFit(Result):
    """Maximum-likelihood selection coefficient of one locus.

    Attributes
    ----------
    s
        Selection coefficient per generation; positive favours the derived allele.
    se
        Standard error from the curvature at the maximum; NaN at a bound or on a flat curve.
    interval
        Profile-likelihood interval: where the likelihood-ratio statistic stays below the quantile
        of `reference`.
    confidence
        Its nominal coverage.
    log_likelihood
        At `s`.
    log_likelihood_neutral
        At s = 0.
    lrt
        Likelihood-ratio statistic of s = 0.
    p_value
        Of that statistic under `reference`.
    reference
        Distribution that gives the p value and the interval: "chi-squared" with one degree of
        freedom, or "simulation, n = ..." with a calibration.
    drift
        Generations from first to last sample in units of the size, the sum of 1/M_t. Above 0.05
        chi-squared rejects neutrality too often: use `calibrate`.
    at_bound
        The maximum or an end of the interval lies on the bounds of the search: do not quote `s`,
        or read the interval as one-sided.
    flat
        The likelihood tells no two values within the bounds apart at this confidence.
    mode
        "exact" or "grid".
    n_nodes
        Intervals of the grid; 0 in exact mode.
    discretisation_error
        Numerical error of the log-likelihood at `s`, in log units.
    curve
        Log-likelihood over the bounds, for figures and comparisons.
    """

    s: float
    se: float
    interval: tuple[float, float]
    confidence: float
    log_likelihood: float
    log_likelihood_neutral: float
    lrt: float
    p_value: float
    reference: str
    drift: float
    at_bound: bool
    flat: bool
    mode: str
    n_nodes: int
    discretisation_error: float
    curve: LikelihoodCurve


def fit_selection(
    samples: Observations,
    sizes: ArrayLike,
    *,
    bounds: tuple[float, float] = (-0.5, 1.0),
    h: float = 0.5,
    ploidy: str = "haploid",
    start: Start = "uniform",
    mutation: tuple[float, float] | None = None,
    mode: str = "auto",
    confidence: float = 0.95,
    calibration: Calibration | None = None,
    tolerance: float = 1e-3,
    map_: Mapper = map,
) -> SelectionFit:
    """Estimate the selection coefficient of one locus.

    Parameters
    ----------
    samples, sizes, h, ploidy, start, mutation, mode, tolerance, map_
        As in `log_likelihood`.
    bounds
        Range of the search; it must hold 0 to be tested against neutrality.
    confidence
        Nominal coverage of the interval.
    calibration
        Distribution of the likelihood-ratio statistic under neutrality, from `calibrate` with the
        same design; None for chi-squared.

    Returns
    -------
    The estimate with its interval, its test, and flags.

    Raises
    ------
    AnalysisError
        The data are impossible under the model at every value searched.

    Examples
    --------
    >>> from refsolve.methods.wright_fisher import Samples, fit_selection
    >>> samples = Samples([0, 20, 40], derived=[4, 10, 17], total=[20, 20, 20])
    >>> fit = fit_selection(samples, [500] * 41)
    >>> round(fit.s, 3)
    0.077
    """
    model = Likelihood(
        samples, sizes, h=h, ploidy=ploidy, start=start, mutation=mutation, mode=mode
    )
    return fit_model(model, bounds, confidence, tolerance, map_, calibration)


def fit_model(
    model: Likelihood,
    bounds: tuple[float, float],
    confidence: float,
    tolerance: float,
    map_: Mapper = map,
    calibration: Calibration | None = None,
) -> SelectionFit:
    """Estimate the selection coefficient of a likelihood that was built already.

    Parameters
    ----------
    model
        Likelihood of one locus.
    bounds, confidence, tolerance, map_, calibration
        As in `fit_selection`.
    """
    search = _Search(model, bounds, tolerance, map_)
    return search.fit(confidence, _reference(search, confidence, calibration))


class _Reference(NamedTuple):
    """Distribution of the likelihood-ratio statistic under neutrality."""

    name: str
    drop: float  # of the log-likelihood, where the interval ends
    p_value: Callable[[float], float]


def _reference(search: _Search, confidence: float, calibration: Calibration | None) -> _Reference:
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence = {confidence} must lie between 0 and 1; try 0.95")
    if calibration is None:
        drop = float(chdtri(1, 1.0 - confidence)) / 2.0
        return _Reference("chi-squared", drop, lambda lrt: float(chdtrc(1, lrt)))
    if calibration.confidence != confidence:
        raise ValueError(
            f"calibration has confidence {calibration.confidence} and the fit {confidence}; "
            "expected the same; calibrate at the confidence of the fit"
        )
    own = design_of(search.model, (search.low, search.high))
    other = [
        name for name in own | calibration.design if own.get(name) != calibration.design.get(name)
    ]
    if other:
        raise ValueError(
            f"calibration was made with other {', '.join(other)} than the fit has; "
            "expected the same design; calibrate with the arguments of the fit"
        )
    name = f"simulation, n = {calibration.lrt.size:,}"
    return _Reference(name, calibration.drop, partial(monte_carlo_p, calibration))


class _Search:
    """Maximum and profile interval of one curve; every evaluation is kept."""

    def __init__(
        self, model: Likelihood, bounds: tuple[float, float], tolerance: float, map_: Mapper
    ) -> None:
        low, high = (float(b) for b in bounds)
        if not -1.0 < low < high < np.inf:
            raise ValueError(
                f"bounds = {bounds} must be two increasing numbers above -1; try (-0.5, 1.0)"
            )
        if model.samples.n_loci != 1:
            raise ValueError(
                f"samples hold {model.samples.n_loci} loci; expected one; use fit_loci for several"
            )
        self.model, self.low, self.high = model, low, high
        self.tolerance, self.map_ = tolerance, map_
        self.nodes = 0 if model.mode == "exact" else model.first_nodes
        self.seen: dict[float, float] = {}

    def at(self, s: ArrayLike) -> FloatArray:
        """Log-likelihood at values of s, each computed once."""
        values = np.atleast_1d(np.asarray(s, dtype=np.float64))
        new = np.array([v for v in dict.fromkeys(values.tolist()) if v not in self.seen])
        if new.size:
            found = self.model.at(self.model.clean_s(new), self.nodes, self.map_).ravel()
            self.seen.update(zip(new.tolist(), found.tolist(), strict=True))
        return np.array([self.seen[v] for v in values.tolist()])

    def fit(self, confidence: float, reference: _Reference) -> SelectionFit:
        """Everything about the curve within the bounds."""
        s, se = self._climb(*self._scan())
        reach = min(2.0 * se, self.high - self.low)
        asked = np.clip([s - reach, s, s + reach, 0.0], self.low, self.high)
        check = self.model.curve(np.unique(asked), self.tolerance, self.map_)
        if check.n_nodes > self.nodes:
            self.nodes, self.seen = check.n_nodes, {}
            near = self._around(s, 0.2 * reach)
            # What a coarse grid saw in data that are all but impossible may be its own error.
            seen = np.isfinite(self.at(np.linspace(*near, ROUND))).any()
            s, se = self._climb(*(near if seen else self._scan()))
        ends = self._interval(s, se, reference.drop)
        return self._report(s, se, ends, confidence, reference, check)

    def _scan(self) -> tuple[float, float]:
        """Neighbours of the best of SCAN values, which lie densest around zero."""
        low, high = np.arcsinh(self.low / FINE), np.arcsinh(self.high / FINE)
        values = np.clip(FINE * np.sinh(np.linspace(low, high, SCAN)), self.low, self.high)
        found = self.at(values)
        best = self._best(found)
        return float(values[max(best - 1, 0)]), float(values[min(best + 1, SCAN - 1)])

    def _best(self, found: FloatArray) -> int:
        """Position of the largest value, which must be finite."""
        if not np.isfinite(found).any():
            raise AnalysisError(
                f"The data are impossible under the model for every s in "
                f"[{self.low:g}, {self.high:g}], or too unlikely to be computed.",
                hint="Allow for error (e_da, e_ad), or check sizes and counts.",
            )
        return int(np.argmax(found))

    def _climb(self, low: float, high: float) -> tuple[float, float]:
        """Maximum near two values, and its standard error, by closing in and a parabola."""
        while True:
            values = np.linspace(low, high, ROUND)
            found = self.at(values)
            best = self._best(found)
            if best in (0, ROUND - 1) and self.low < values[best] < self.high:
                # Uphill in growing steps: a coarser grid may have pointed far away.
                low, high = self._around(float(values[best]), 3.0 * (high - low))
                continue
            left, right = max(best - 1, 0), min(best + 1, ROUND - 1)
            low, high = float(values[left]), float(values[right])
            if found[best] - min(found[left], found[right]) < CLOSE or high - low < EDGE:
                return _vertex(values, found, min(max(best, 1), ROUND - 2), best)

    def _around(self, s: float, width: float) -> tuple[float, float]:
        return max(s - width / 2.0, self.low), min(s + width / 2.0, self.high)

    def _interval(self, s: float, se: float, drop: float) -> tuple[float, float]:
        """Where the curve is `drop` below its maximum, or the bounds."""
        top = float(self.at(s)[0])
        reach = se * np.sqrt(2.0 * drop)
        # Without a curvature at the maximum, the search starts with an eighth of the range.
        reach = reach if 0.0 < reach < np.inf else (self.high - self.low) / 8.0
        return self._end(s, top, drop, -reach), self._end(s, top, drop, reach)

    def _end(self, s: float, top: float, drop: float, reach: float) -> float:
        """Where the curve falls through `drop`, looked for in steps of `reach` from s."""
        bound = self.low if reach < 0.0 else self.high
        inside, values = s, np.clip(s + reach * STEPS, self.low, self.high)
        while not (self.at(values) < top - drop).any():
            if values[-1] == bound:
                return bound
            reach *= 4.0
            inside, values = float(values[-1]), np.clip(s + reach * STEPS, self.low, self.high)
        while True:
            found = self.at(values)
            first = int(np.argmax(found < top - drop))
            inside = float(values[first - 1]) if first else inside
            outside, ll = float(values[first]), float(found[first])
            within = float(self.at(inside)[0])
            if within - ll < NEAR or abs(outside - inside) < EDGE * EDGE:
                # The root of the drop is close to linear in s.
                near, far = np.sqrt(max(top - within, 0.0)), np.sqrt(top - ll)
                return float(inside + (outside - inside) * (np.sqrt(drop) - near) / (far - near))
            values = np.linspace(inside, outside, ROUND + 1)[1:]

    def _report(
        self,
        s: float,
        se: float,
        ends: tuple[float, float],
        confidence: float,
        reference: _Reference,
        check: LikelihoodCurve,
    ) -> SelectionFit:
        top, neutral = (float(v) for v in self.at([s, 0.0]))
        lrt = max(0.0, 2.0 * (top - neutral))
        edge = EDGE * (self.high - self.low)
        at_low, at_high = ends[0] - self.low < edge, self.high - ends[1] < edge
        inside = self.low + edge < s < self.high - edge
        curve = self._curve(ends, check)
        return SelectionFit(
            s=s,
            se=se if inside and not (at_low and at_high) else np.nan,
            interval=ends,
            confidence=confidence,
            log_likelihood=top,
            log_likelihood_neutral=neutral,
            lrt=lrt,
            p_value=reference.p_value(lrt),
            reference=reference.name,
            drift=self._drift(),
            at_bound=at_low or at_high,
            flat=at_low and at_high,
            mode=self.model.mode,
            n_nodes=self.nodes,
            discretisation_error=float(np.interp(s, curve.s, curve.error)),
            curve=curve,
        )

    def _drift(self) -> float:
        times = self.model.samples.generation
        return float(np.sum(1.0 / self.model.sizes[times.min() + 1 : times.max() + 1]))

    def _curve(self, ends: tuple[float, float], check: LikelihoodCurve) -> LikelihoodCurve:
        """The curve around the interval, and what was seen elsewhere within the bounds.

        Its error is interpolated between the values at which it was measured.
        """
        width = ends[1] - ends[0]
        near = np.linspace(ends[0] - width, ends[1] + width, CURVE)
        self.at(near[(near >= self.low) & (near <= self.high)])
        s = np.array(sorted(self.seen))
        ll = self.at(s)
        error = np.interp(s, check.s, check.error.ravel())
        return LikelihoodCurve(s, ll, error, self.model.mode, self.nodes)


def _vertex(values: FloatArray, found: FloatArray, middle: int, best: int) -> tuple[float, float]:
    """Vertex of the parabola through three neighbours, and the standard error it implies."""
    step = float(values[middle] - values[middle - 1])
    left, centre, right = (float(v) for v in found[middle - 1 : middle + 2])
    bend = 2.0 * centre - left - right
    # Rounding alone, or an impossible neighbour, leaves no parabola.
    if not 0.0 < bend < np.inf:
        return float(values[best]), np.inf
    s = float(values[best])
    if best == middle:
        s += 0.5 * step * (right - left) / bend
    return s, step / np.sqrt(bend)
