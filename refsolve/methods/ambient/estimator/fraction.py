"""Contamination of cells, donors and channels from genes that a population cannot express."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, gamma, poisson

from refsolve.core.check import FloatArray, IntArray, open_unit, real_vector, refuse, within
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.ambient.model.arguments import labels, sums_by, totals
from refsolve.methods.ambient.model.likelihood import (
    averaged_moments,
    gamma_marginal,
    interval,
)


@dataclass(frozen=True, slots=True, eq=False)
class Contamination(Result):
    """Contamination of groups of cells, each common to its cells.

    Attributes
    ----------
    label
        Donors or channels (d,), sorted; those without counts are left out.
    rho, se, low, high
        Maximum-likelihood contamination (d,), its standard error, and profile interval, both with
        the error of the ambient share.
    observed, expected
        Marker counts (d,), and what they would be if all RNA were ambient.
    n_cells
        Cells (d,).
    impossible
        Groups (d,) with a contamination above 1: some of their cells make the marker, see
        `cannot_express`.
    code
        Row of each cell's group (cells,); -1 where the group is left out.
    confidence
        Coverage of the intervals.
    """

    label: NDArray[Any]
    rho: FloatArray
    se: FloatArray
    low: FloatArray
    high: FloatArray
    observed: FloatArray
    expected: FloatArray
    n_cells: IntArray
    impossible: NDArray[np.bool_]
    code: IntArray
    confidence: float

    def to_frame(self) -> pd.DataFrame:
        """One row per group."""
        names = (
            "label",
            "rho",
            "se",
            "low",
            "high",
            "observed",
            "expected",
            "n_cells",
            "impossible",
        )
        return pd.DataFrame({name: getattr(self, name) for name in names})


@dataclass(frozen=True, slots=True, eq=False)
class Shrunk(Result):
    """Contamination of groups that borrow from each other.

    Attributes
    ----------
    rho, se
        Posterior mean (d,) and standard deviation, given the distribution of the groups.
    low, high
        Ends (d,) of intervals that hold the error of this distribution too.
    mean, shape
        Of the Gamma distribution of the groups' contamination; a large shape means that all are
        alike.
    confidence
        Coverage of the intervals.
    """

    rho: FloatArray
    se: FloatArray
    low: FloatArray
    high: FloatArray
    mean: float
    shape: float
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class Homogeneity(Result):
    """Whether several markers agree on the contamination.

    Attributes
    ----------
    statistic, df, p
        Chi-squared statistic of all markers.
    rho
        Contamination from the markers that are kept.
    ratio
        Contamination from each marker (m,).
    kept
        Markers (m,) that agree; those that the population may express are left out one by one.
    """

    statistic: float
    df: int
    p: float
    rho: float
    ratio: FloatArray
    kept: NDArray[np.bool_]


def contamination_ratio(
    marker: ArrayLike, total: ArrayLike, share: float, largest: float = 0.5
) -> FloatArray:
    """Contamination of each cell by the ratio of its marker counts, eq. (4).

    Identified by the assumption that the cells make none of the marker. For several markers hand
    in their summed counts and summed share.

    Parameters
    ----------
    marker, total
        Counts (cells,) of the marker, and of all genes.
    share
        Share of the marker in the ambient RNA.
    largest
        Where the ratio is cut.

    Returns
    -------
    (cells,) between 0 and `largest`; 0 for cells without counts.

    Raises
    ------
    AnalysisError
        The marker is not in the ambient RNA.

    Examples
    --------
    >>> contamination_ratio([2, 0, 90], [1000, 1000, 1000], 0.02)
    array([0.1, 0. , 0.5])
    """
    within(largest, "largest", 0.0, 1.0)
    count, size = _marker(marker, total)
    _present(share)
    expected = size * share
    ratio = np.divide(count, expected, out=np.zeros_like(count), where=expected > 0)
    return np.asarray(np.clip(ratio, 0.0, largest))


def cannot_express(
    marker: ArrayLike,
    total: ArrayLike,
    share: float,
    *,
    largest: float = 1.0,
    level: float = 0.05,
) -> NDArray[np.bool_]:
    """Cells whose marker counts can be ambient RNA.

    Parameters
    ----------
    marker, total, share
        As in `contamination_ratio`.
    largest
        Largest contamination that is thought possible.
    level
        False discovery rate of the cells that make the marker.

    Returns
    -------
    (cells,) False where there are more counts than ambient RNA could give.
    """
    count, size = _marker(marker, total)
    _present(share)
    p = poisson.sf(count - 1, within(largest, "largest", 0.0, 1.0) * size * share)
    order = np.argsort(p)
    passes = np.flatnonzero(p[order] * p.size <= level * np.arange(1, p.size + 1))
    out = np.ones(p.size, np.bool_)
    out[order[: passes[-1] + 1 if passes.size else 0]] = False
    return out


def donor_contamination(
    marker: ArrayLike,
    total: ArrayLike,
    donor: ArrayLike | None,
    share: float,
    *,
    share_se: float = 0.0,
    confidence: float = 0.95,
) -> Contamination:
    """Contamination of donors or channels by maximum likelihood, eq. (5).

    Parameters
    ----------
    marker, total
        Counts (cells,) of the marker, and of all genes.
    donor
        Label (cells,) of the cells that have a contamination in common; None for all.
    share, share_se
        Share of the marker in the ambient RNA, and its standard error, which goes into the
        intervals.
    confidence
        Coverage of the intervals.

    Raises
    ------
    AnalysisError
        The marker is not in the ambient RNA, or no cell has counts.

    Examples
    --------
    >>> found = donor_contamination([2, 4, 9], [1000, 1000, 1000], ["a", "a", "b"], 0.02)
    >>> found.rho
    array([0.15, 0.45])
    """
    count, size = _marker(marker, total)
    _present(share)
    open_unit(confidence, "confidence")
    relative = float(within(share_se, "share_se", 0.0, np.inf)) / share
    given = np.zeros(count.size, np.int64) if donor is None else donor
    label, code = labels(given, count.size, "donor")
    observed = sums_by(code, count, len(label))
    expected = sums_by(code, size, len(label)) * share
    kept = expected > 0
    if not kept.any():
        raise AnalysisError("no cell has counts, so that nothing is known of the contamination.")
    place = np.where(kept, np.cumsum(kept) - 1, -1)[code]
    observed, expected = observed[kept], expected[kept]
    ends = interval(observed, expected, np.full(observed.size, relative), confidence)
    rho = observed / expected
    return Contamination(
        label[kept], rho, np.sqrt(np.maximum(observed, 1.0) / expected**2 + (rho * relative) ** 2),
        ends[:, 0], ends[:, 1], observed, expected, np.bincount(code, minlength=len(label))[kept],
        rho > 1.0, place, confidence,
    )  # fmt: skip


def shrink_contamination(
    observed: ArrayLike,
    expected: ArrayLike,
    *,
    relative_se: float = 0.0,
    confidence: float = 0.95,
) -> Shrunk:
    """Contamination of groups with a Gamma distribution by marginal likelihood, eq. (8).

    Parameters
    ----------
    observed, expected
        Marker counts (d,), and what they would be if all RNA were ambient.
    relative_se
        Relative standard error of the ambient share, common to all groups.
    confidence
        Coverage of the intervals.
    """
    seen, whole = real_vector(observed, "observed"), real_vector(expected, "expected")
    if seen.size != whole.size or seen.size < 2:
        raise ValueError(f"{seen.size} observed and {whole.size} expected; give two groups or more")
    refuse(seen < 0, "observed", seen, "must not be negative", "correct it")
    refuse(~(whole > 0), "expected", whole, "must be positive", "leave the group out")
    open_unit(confidence, "confidence")
    k, m = gamma_marginal(seen, whole)
    shape, rate = k + seen, k / m + whole
    relative = float(within(relative_se, "relative_se", 0.0, np.inf))
    rho = shape / rate
    error = rho * np.sqrt(1.0 / shape + relative**2)
    # Quantiles of the Gamma distribution with the moments that hold all errors.
    centre, variance = averaged_moments(seen, whole)
    spread = variance / centre + centre * relative**2
    tail = 0.5 * (1.0 - confidence)
    low, high = (
        np.asarray(gamma.ppf(q, centre / spread, scale=spread)) for q in (tail, 1.0 - tail)
    )
    return Shrunk(rho, error, low, high, m, k, confidence)


def marker_homogeneity(
    observed: ArrayLike,
    expected: ArrayLike,
    *,
    relative_se: ArrayLike = 0.0,
    level: float = 0.01,
) -> Homogeneity:
    """Test whether markers give one contamination; leave out those that give too much.

    Parameters
    ----------
    observed, expected
        Counts (m,) of each marker, and what they would be if all RNA were ambient.
    relative_se
        Relative standard error of each marker's ambient share, or of all.
    level
        Markers are left out, the largest excess first, while the rest disagrees at this level.
    """
    seen, whole = real_vector(observed, "observed"), real_vector(expected, "expected")
    refuse(~(whole > 0), "expected", whole, "must be positive", "leave the marker out")
    if seen.size != whole.size or seen.size == 0:
        raise ValueError(f"{seen.size} observed and {whole.size} expected; give both per marker")
    refuse(seen < 0, "observed", seen, "must not be negative", "correct it")
    relative = np.broadcast_to(within(relative_se, "relative_se", 0.0, np.inf), seen.shape)
    kept = np.ones(seen.size, np.bool_)
    rho, statistic, p = _agreement(seen, whole, relative, kept)
    first, last = (statistic, p), p
    while last < level and kept.sum() > 1:
        error = np.sqrt(_variance(seen, whole, relative, rho))
        excess = np.where(kept, (seen - rho * whole) / error, -np.inf)
        kept[np.argmax(excess)] = False
        rho, _, last = _agreement(seen, whole, relative, kept)
    return Homogeneity(first[0], seen.size - 1, first[1], rho, seen / whole, kept)


def _variance(seen: FloatArray, whole: FloatArray, relative: FloatArray, rho: float) -> FloatArray:
    mean = np.maximum(rho * whole, 1e-12)
    return np.asarray(mean + (mean * relative) ** 2)


def _agreement(
    seen: FloatArray, whole: FloatArray, relative: FloatArray, kept: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Common contamination of the kept markers, their statistic, and its p value."""
    rho = float(seen[kept].sum() / whole[kept].sum())
    if relative.any():
        for _ in range(50):
            weight = whole / _variance(seen, whole, relative, rho)
            rho = float((weight * seen)[kept].sum() / (weight * whole)[kept].sum())
    squares = (seen - rho * whole) ** 2 / _variance(seen, whole, relative, rho)
    statistic = float(squares[kept].sum())
    df = int(kept.sum()) - 1
    return rho, statistic, float(chi2.sf(statistic, df)) if df else 1.0


def _marker(marker: ArrayLike, total: ArrayLike) -> tuple[FloatArray, FloatArray]:
    count = within(real_vector(marker, "marker"), "marker", 0.0, np.inf, open_high=True)
    size = totals(total, count.size)
    refuse(count > size, "marker", count, "exceeds the total of its cell", "are they swapped?")
    return count, size


def _present(share: float) -> None:
    within(share, "share", 0.0, 1.0)
    if not share > 0:
        raise AnalysisError(
            "the marker has no counts in the empty droplets, so that it cannot show contamination.",
            hint="Take another gene that the cells cannot express.",
        )
