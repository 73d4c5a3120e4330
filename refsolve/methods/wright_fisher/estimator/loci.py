"""Many loci under one schedule in one call."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.special import chdtrc, chdtri

from refsolve.core.check import FloatArray
from refsolve.core.result import Result
from refsolve.methods.wright_fisher.estimator.selection import SelectionFit, fit_model
from refsolve.methods.wright_fisher.model.inputs import Start
from refsolve.methods.wright_fisher.model.likelihood import Likelihood, Mapper
from refsolve.methods.wright_fisher.model.samples import Observations

if TYPE_CHECKING:
    import pandas as pd

VALUES = 161  # values of s at which all loci are evaluated together
RESOLVED = 8  # a locus whose interval holds fewer of them is fitted by itself
FINER = 16  # values between two of them where a spline looks for the maximum


@dataclass(frozen=True, slots=True)
class LociFit(Result):
    """Selection coefficients of many loci; every array has one element per locus.

    Attributes
    ----------
    s
        Selection coefficient per generation.
    lower, upper
        Profile-likelihood interval.
    confidence
        Its nominal coverage.
    log_likelihood
        At `s`.
    lrt
        Likelihood-ratio statistic of s = 0.
    p_value
        Of that statistic, chi-squared with one degree of freedom.
    at_bound
        The maximum or an end of the interval lies on the bounds of the search.
    flat
        The likelihood tells no two values within the bounds apart at this confidence.
    discretisation_error
        Numerical error of the log-likelihood at `s`, in log units.
    alone
        The common values of s were too coarse for the locus; it was fitted by itself.
    """

    s: FloatArray
    lower: FloatArray
    upper: FloatArray
    confidence: float
    log_likelihood: FloatArray
    lrt: FloatArray
    p_value: FloatArray
    at_bound: NDArray[np.bool_]
    flat: NDArray[np.bool_]
    discretisation_error: FloatArray
    alone: NDArray[np.bool_]

    def to_frame(self) -> pd.DataFrame:
        """One row per locus."""
        import pandas as pd

        columns = {name: getattr(self, name) for name in self.__slots__ if name != "confidence"}
        return pd.DataFrame(columns)


def fit_loci(
    samples: Observations,
    sizes: ArrayLike,
    *,
    bounds: tuple[float, float] = (-0.2, 0.2),
    h: float = 0.5,
    ploidy: str = "haploid",
    start: Start = "uniform",
    mutation: tuple[float, float] | None = None,
    mode: str = "auto",
    confidence: float = 0.95,
    tolerance: float = 1e-3,
    map_: Mapper = map,
) -> LociFit:
    """Estimate the selection coefficients of many loci that share samples and sizes.

    All loci are evaluated together at common values of s, which shares the transitions; a locus
    for which they are too coarse is fitted by itself.

    Parameters
    ----------
    samples
        Reads or genotypes with one row per locus.
    sizes, bounds, h, ploidy, start, mutation, mode, confidence, tolerance, map_
        As in `fit_selection`.

    Returns
    -------
    Estimates, intervals, tests and flags, one per locus.
    """
    build = partial(Likelihood, h=h, ploidy=ploidy, start=start, mutation=mutation, mode=mode)
    grid = np.union1d(np.linspace(*bounds, VALUES), 0.0)
    curve = build(samples, sizes).curve(grid, tolerance, map_)
    surface = np.atleast_2d(curve.log_likelihood)
    error = np.atleast_2d(curve.error)
    rows = []
    for i, ll in enumerate(surface):
        row = _from_surface(grid, ll, error[i], confidence)
        if row is None:
            model = build(samples.select(slice(i, i + 1)), sizes)
            row = _from_fit(fit_model(model, bounds, confidence, tolerance, map_))
        rows.append(row)
    s, lower, upper, top, lrt, bound, flat, numeric, alone = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    p_value = np.asarray(chdtrc(1, lrt))
    return LociFit(s, lower, upper, confidence, top, lrt, p_value, bound, flat, numeric, alone)


Row = tuple[float, float, float, float, float, bool, bool, float, bool]


def _from_fit(fit: SelectionFit) -> Row:
    return (
        fit.s, *fit.interval, fit.log_likelihood, fit.lrt, fit.at_bound, fit.flat,
        fit.discretisation_error, True,
    )  # fmt: skip


def _from_surface(
    grid: FloatArray, ll: FloatArray, error: FloatArray, confidence: float
) -> Row | None:
    """Estimate from the values of one locus, or None where they are too coarse for it."""
    drop = float(chdtri(1, 1.0 - confidence)) / 2.0
    best = int(np.argmax(ll))
    inside = np.flatnonzero(ll > ll[best] - drop)
    first, last = max(inside[0] - 3, 0), min(inside[-1] + 4, grid.size)
    if inside.size < RESOLVED or not np.isfinite(ll[first:last]).all():
        return None
    fine = np.linspace(grid[first], grid[last - 1], FINER * (last - first))
    spline = CubicSpline(grid[first:last], ll[first:last])
    values = spline(fine)
    top = int(np.argmax(values))
    above = np.flatnonzero(values > values[top] - drop)
    lower = _end(fine, values, above[0], -1, values[top] - drop)
    upper = _end(fine, values, above[-1], 1, values[top] - drop)
    lrt = max(0.0, 2.0 * float(values[top] - ll[np.searchsorted(grid, 0.0)]))
    at_low, at_high = lower <= grid[0], upper >= grid[-1]
    return (
        float(fine[top]), lower, upper, float(values[top]), lrt, at_low or at_high,
        at_low and at_high, float(error[best]), False,
    )  # fmt: skip


def _end(fine: FloatArray, values: FloatArray, k: int, step: int, level: float) -> float:
    """Where the curve crosses `level` next to the k-th value, or the bound itself."""
    if not 0 <= k + step < fine.size:
        return float(fine[k])
    share = (values[k] - level) / (values[k] - values[k + step])
    return float(fine[k] + share * (fine[k + step] - fine[k]))
