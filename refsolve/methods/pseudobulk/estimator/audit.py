"""What happens when cells are taken as replicates: the wrong test, and how wrong it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csc_array, csr_array
from scipy.special import ndtr, ndtri, stdtr

from refsolve.core.check import FloatArray, IntArray, one_of, open_unit, refuse, whole_numbers
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource
from refsolve.methods.pseudobulk.estimator.relabelling import FlagArray, relabellings
from refsolve.methods.pseudobulk.kernels.cells import group_moments, rank_sums

MOST = 200  # relabellings of donors
ROUNDING = 1e-12  # of the squares: smaller variances are none


@dataclass(frozen=True, slots=True, eq=False)
class Audit(Result):
    """Cells as replicates, judged.

    Attributes
    ----------
    icc
        (g,) intraclass correlation within conditions; may be negative; NaN for constant genes.
    design_effect
        (g,) variance of the difference of the means of cells over what the test takes it for.
    false_positive_rate
        (g,) chance that the test of cells rejects a true null.
    median_icc, median_design_effect
        Over genes.
    expected_rate
        Mean of `false_positive_rate`.
    observed_rate
        Rejections when the labels of donors are exchanged, over genes and relabellings.
    n_relabellings
        Relabellings behind it, the true labels and their mirror image left out.
    cell_p
        (g,) the test of cells with the true labels: wrong.
    cells_of
        (samples,) numbers of cells.
    level
        Of the tests.
    """

    icc: FloatArray
    design_effect: FloatArray
    false_positive_rate: FloatArray
    median_icc: float
    median_design_effect: float
    expected_rate: float
    observed_rate: float
    n_relabellings: int
    cell_p: FloatArray
    cells_of: IntArray
    level: float


class Moments(NamedTuple):
    """Cells (s,), sums and sums of squares (s, g) of samples, of values less the gene's mean."""

    n: FloatArray
    sums: FloatArray
    squares: FloatArray


def cell_test(values: Any, group: ArrayLike, method: str = "rank_sum") -> FloatArray:
    """Test of cells as if they were replicates. Wrong: cells of a donor are not independent.

    It is here to be shown beside the test of donors. p values are far too small, the more so the
    more cells there are.

    Parameters
    ----------
    values
        (cells, genes), an array or sparse.
    group
        (cells,) True in the test condition.
    method
        "rank_sum": normal approximation with ties, no continuity correction; "t": variances of
        the conditions may differ.

    Returns
    -------
    (genes,) two-sided p values, NaN for constant genes.
    """
    one_of(method, "method", ("rank_sum", "t"))
    mark = np.asarray(group)
    if mark.dtype != np.bool_ or mark.shape != values.shape[:1]:
        raise ValueError("group must hold one truth value for each row of values")
    if mark.all() or not mark.any():
        raise ValueError("group has cells of one condition only; a test needs both")
    if method == "rank_sum":
        return _rank_sum(values, mark)
    moments = sample_moments(values, mark.astype(np.int64), 2)
    return np.asarray(_welch(moments, np.array([[False, True]]))[0])


def _rank_sum(values: Any, mark: FlagArray) -> FloatArray:
    sums, ties = rank_sums(*_parts(csc_array(values)), mark)
    n, a = float(mark.size), float(mark.sum())
    variance = a * (n - a) / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (sums - a * (n + 1.0) / 2.0) / np.sqrt(np.where(variance > ROUNDING, variance, np.nan))
    return np.asarray(2.0 * ndtr(-np.abs(z)))


def _parts(matrix: Any) -> tuple[IntArray, IntArray, FloatArray]:
    """Pointers, places and values of a compressed matrix."""
    data = np.asarray(matrix.data, dtype=np.float64)
    refuse(~np.isfinite(data), "values", data, "must be a finite number", "leave the gene out")
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), data


def sample_moments(values: Any, sample: IntArray, n_samples: int) -> Moments:
    """Cells, sums and sums of squares of samples.

    Parameters
    ----------
    values
        (cells, genes), an array or sparse.
    sample
        (cells,) codes.
    n_samples
        How many.
    """
    matrix = csr_array(values)
    shape = (n_samples, matrix.shape[1])
    sums, squares = np.zeros(shape), np.zeros(shape)
    group_moments(*_parts(matrix), sample, sums, squares)
    n = np.bincount(sample, minlength=n_samples).astype(np.float64)
    mean = sums.sum(axis=0) / n.sum()
    squares += n[:, np.newaxis] * mean**2 - 2.0 * mean * sums
    return Moments(n, sums - n[:, np.newaxis] * mean, np.maximum(squares, 0.0))


def _welch(moments: Moments, marks: FlagArray) -> FloatArray:
    """P values (R, g) of cells' t tests whose samples are labelled by marks (R, s)."""
    means, errors, parts = [], [], []
    for mark in (marks, ~marks):
        pick = mark.astype(np.float64)
        n = (pick @ moments.n)[:, np.newaxis]
        mean = pick @ moments.sums / n
        square = np.maximum(pick @ moments.squares - n * mean**2, 0.0)
        square[square < ROUNDING * moments.squares.sum(axis=0)] = 0.0
        error = square / np.maximum(n - 1.0, 1.0) / n
        means.append(mean)
        errors.append(error)
        parts.append(error**2 / np.maximum(n - 1.0, 1.0))
    error, part = errors[0] + errors[1], parts[0] + parts[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (means[0] - means[1]) / np.sqrt(error)
        return np.asarray(2.0 * stdtr(error**2 / part, -np.abs(t)))


def audit(
    values: Any,
    sample: ArrayLike,
    treated: ArrayLike,
    *,
    level: float = 0.05,
    most: int = MOST,
    rng: RandomSource = 0,
) -> Audit:
    """Intraclass correlation, design effect, and false positives of a test of cells, (19)-(21).

    Samples of one donor count as independent; where donors are paired, their common part cancels
    in the comparison and the design effect is an upper bound.

    Parameters
    ----------
    values
        (cells, genes) normalised values, an array or sparse.
    sample
        (cells,) codes 0, 1, ... of the samples.
    treated
        (samples,) True in the test condition.
    level
        Of the tests.
    most
        Relabellings of the samples to look at.
    rng
        Seed or Generator, where there are more.

    Returns
    -------
    Per gene, and over genes.

    Raises
    ------
    AnalysisError
        A condition has fewer than two samples.
    """
    mark, code = np.asarray(treated, dtype=bool), whole_numbers(sample, "sample", minimum=0)
    if code.shape != values.shape[:1] or code.max(initial=-1) >= mark.size:
        raise ValueError("sample must hold one code below the length of treated for every cell")
    if min(mark.sum(), (~mark).sum()) < 2:
        raise AnalysisError("a condition has fewer than two samples; their spread is unknown")
    moments = sample_moments(values, code, mark.size)
    if (moments.n < 1).any():
        raise ValueError(f"sample {int(np.argmin(moments.n))} has no cells; leave it out")
    icc = intraclass_correlations(moments, mark)
    effect = design_effects(moments.n, mark, icc)
    rate = np.asarray(2.0 * ndtr(ndtri(open_unit(level, "level") / 2.0) / np.sqrt(effect)))
    observed, n_used = _observed(moments, mark, level, most, rng)
    known = np.isfinite(icc)
    middle = [float(np.median(a[known])) if known.any() else np.nan for a in (icc, effect)]
    return Audit(
        icc=icc,
        design_effect=effect,
        false_positive_rate=rate,
        median_icc=middle[0],
        median_design_effect=middle[1],
        expected_rate=float(rate[known].mean()) if known.any() else np.nan,
        observed_rate=observed,
        n_relabellings=n_used,
        cell_p=_welch(moments, mark[np.newaxis])[0],
        cells_of=moments.n.astype(np.int64),
        level=level,
    )


def intraclass_correlations(moments: Moments, treated: FlagArray) -> FloatArray:
    """Share of the variance within conditions that is between samples (g,), eq. (19).

    Parameters
    ----------
    moments
        Of samples.
    treated
        (s,) condition of each.
    """
    n, within = moments.n[:, np.newaxis], moments.squares.sum(axis=0)
    by_sample = (moments.sums**2 / n).sum(axis=0)
    by_group, size, groups = np.zeros(within.size), 0.0, 0
    for mark in (treated, ~treated):
        if mark.any():
            cells = moments.n[mark]
            by_group += moments.sums[mark].sum(axis=0) ** 2 / cells.sum()
            size += float((cells**2).sum() / cells.sum())
            groups += 1
    df = treated.size - groups
    between = (by_sample - by_group) / df
    inside = np.maximum(within - by_sample, 0.0) / (moments.n.sum() - treated.size)
    common = (moments.n.sum() - size) / df
    total = between + (common - 1.0) * inside
    some = total > ROUNDING * within
    return np.where(some, (between - inside) / np.where(some, total, 1.0), np.nan)


def design_effects(cells: FloatArray, treated: FlagArray, icc: FloatArray) -> FloatArray:
    """Design effect of a comparison of cells (g,), eq. (20); a negative correlation counts as zero.

    Parameters
    ----------
    cells, treated
        (s,) cells of each sample, and its condition.
    icc
        (g,) intraclass correlations.
    """
    rho, total, independent = np.maximum(icc, 0.0), np.zeros(icc.size), 0.0
    for mark in (treated, ~treated):
        n = cells[mark]
        total += (1.0 + rho * ((n**2).sum() / n.sum() - 1.0)) / n.sum()
        independent += 1.0 / n.sum()
    return np.asarray(total / independent)


def _observed(
    moments: Moments, treated: FlagArray, level: float, most: int, rng: RandomSource
) -> tuple[float, int]:
    marks = relabellings(treated, np.zeros(treated.size, dtype=np.int64), most, rng).marks
    same = (marks == treated).all(axis=1) | (marks != treated).all(axis=1)
    p = _welch(moments, marks[~same])
    known = np.isfinite(p)
    return float((p[known] < level).mean()) if known.any() else np.nan, int((~same).sum())
