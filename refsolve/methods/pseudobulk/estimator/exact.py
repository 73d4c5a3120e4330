"""What relabelling the donors says: exact tests, and how many genes chance makes significant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit
from scipy.stats import rankdata

from refsolve.core.check import FloatArray, IntArray, open_unit, refuse
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource
from refsolve.methods.pseudobulk.estimator.relabelling import (
    MOST,
    FlagArray,
    count_relabellings,
    patterns_of,
    relabellings,
    treated_of,
)
from refsolve.methods.pseudobulk.estimator.shrinkage import (
    posterior_variance,
    total_df,
    variance_prior,
)
from refsolve.methods.pseudobulk.model.design import as_design
from refsolve.methods.pseudobulk.model.expression import adjust_fdr

AT_ONCE = 4_000_000  # numbers
TIE = 1e-9  # of the square of the number of samples
ALIASED = 1e-9  # of a column's squares


@dataclass(frozen=True, slots=True, eq=False)
class ExactTest(Result):
    """Rank tests by relabelling.

    Attributes
    ----------
    p, q
        (g,) two-sided p value; Benjamini-Hochberg adjusted.
    smallest_p
        No gene can have a smaller one.
    n_relabellings
        Relabellings that were looked at.
    exhaustive
        These are all.
    """

    p: FloatArray
    q: FloatArray
    smallest_p: float
    n_relabellings: int
    exhaustive: bool


@dataclass(frozen=True, slots=True, eq=False)
class RelabellingNull(Result):
    """Numbers of significant genes under relabelling.

    Attributes
    ----------
    seen
        Significant genes under the true labels.
    counts
        (R,) the same under each relabelling, the true labels first.
    p
        Share of the relabellings with at least as many.
    expected
        Mean of the counts.
    n_relabellings
        All that there are, looked at or not.
    exhaustive
        All were looked at.
    level
        Of significance.
    within
        "covariates" where samples changed labels only with samples that agree in every covariate
        (exact), "free" where no two samples agree (approximate).
    """

    seen: int
    counts: IntArray
    p: float
    expected: float
    n_relabellings: int
    exhaustive: bool
    level: float
    within: str


def n_relabellings(design: Any) -> int:
    """How many ways there are to label samples that agree in all columns but the last.

    Parameters
    ----------
    design
        Design, or a matrix (samples, p) with the condition last.
    """
    x = _matrix(design)
    return count_relabellings(treated_of(x), patterns_of(x))


def smallest_p(design: Any) -> float:
    """Smallest two-sided p value that any test by relabelling can have.

    Parameters
    ----------
    design
        Design, or a matrix (samples, p) with the condition last.

    Examples
    --------
    >>> x = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]])
    >>> smallest_p(x)
    0.1
    """
    return min(1.0, 2.0 / n_relabellings(design))


def exact_rank_test(
    values: ArrayLike,
    treated: ArrayLike,
    *,
    block: ArrayLike | None = None,
    most: int = 20_000,
    rng: RandomSource = 0,
) -> ExactTest:
    """Rank-sum test by relabelling; with blocks, of ranks of the differences from block means.

    Parameters
    ----------
    values
        (genes, samples).
    treated
        (samples,) True in the test condition.
    block
        (samples,) donors or batches: labels change within them.
    most
        Relabellings to look at.
    rng
        Seed or Generator, where there are more.

    Returns
    -------
    p values of all genes.
    """
    y = np.asarray(values, dtype=np.float64)
    mark = np.asarray(treated, dtype=bool)
    if y.ndim != 2 or mark.shape != y.shape[1:]:
        raise ValueError(f"treated has the shape {mark.shape}; expected one mark of each column")
    refuse(~np.isfinite(y), "values", y, "must be a finite number", "leave the gene out")
    labels = np.zeros(mark.size) if block is None else np.asarray(block)
    code = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    member = np.equal.outer(code, np.arange(code.max() + 1)) / np.bincount(code)
    aligned = y if block is None else y - (y @ member)[:, code]
    rank = rankdata(np.round(aligned, 12), axis=1)
    found = relabellings(mark, code, most, rng)
    centre = rank @ (mark.astype(np.float64) @ member)[code]
    parts = np.array_split(np.arange(len(y)), max(1, len(y) * len(found.marks) // AT_ONCE))
    p = np.concatenate([_shares(rank[g], centre[g], found.marks) for g in parts])
    least = min(1.0, 2.0 / count_relabellings(mark, code))
    return ExactTest(p, adjust_fdr(p), least, len(found.marks), found.exhaustive)


def _shares(rank: FloatArray, centre: FloatArray, marks: FlagArray) -> FloatArray:
    """Relabellings whose rank sums are as far from their mean (g,) as the first one's."""
    away = np.abs(rank @ marks.T.astype(np.float64) - centre[:, np.newaxis])
    return np.asarray((away >= away[:, :1] - TIE * rank.shape[1] ** 2).mean(axis=1))


def significant_null(
    values: ArrayLike,
    design: Any,
    *,
    p: float = 0.05,
    most: int = MOST,
    rng: RandomSource = 0,
) -> RelabellingNull:
    """Significant genes of a moderated t test, and how many there are when labels are exchanged.

    Genes are correlated, so that a few per cent of significant genes at p < 0.05 can be chance;
    the distribution over relabellings keeps that correlation.

    Parameters
    ----------
    values
        (genes, samples) log2 counts per million, or means of scores.
    design
        Design, or a matrix (samples, p) with the condition last.
    p
        Level of significance.
    most
        Relabellings to look at.
    rng
        Seed or Generator, where there are more.

    Returns
    -------
    Counts under all relabellings.

    Examples
    --------
    >>> y = np.random.default_rng(1).normal(size=(200, 8))
    >>> x = np.column_stack([np.ones(8), np.repeat([0.0, 1.0], 4)])
    >>> null = significant_null(y, x)
    >>> null.seen, null.n_relabellings, null.exhaustive
    (9, 70, True)
    """
    y = np.ascontiguousarray(values, dtype=np.float64)
    x = as_design(design, y.shape[-1]).matrix
    refuse(~np.isfinite(y), "values", y, "must be a finite number", "leave the gene out")
    level, treated, pattern = open_unit(p, "p"), treated_of(x), patterns_of(x)
    within = "covariates" if count_relabellings(treated, pattern) > 1 else "free"
    if within == "free":
        pattern = np.zeros(treated.size, dtype=np.int64)
    found = relabellings(treated, pattern, most, rng)
    counts = _significant(y, x, found.marks, level)
    share = float(np.mean(counts >= counts[0]))
    mean = float(counts.mean())
    return RelabellingNull(
        int(counts[0]), counts, share, mean, found.n_all, found.exhaustive, level, within
    )


def _significant(y: FloatArray, x: FloatArray, marks: FlagArray, level: float) -> IntArray:
    """Genes below the level under each labelling that the covariates do not alias."""
    basis = np.linalg.qr(x[:, :-1])[0]
    rest = y - (y @ basis) @ basis.T
    z = marks.astype(np.float64)
    z -= (z @ basis) @ basis.T
    z = z[(z**2).sum(axis=1) > ALIASED * x.shape[0]]
    total, df = (rest**2).sum(axis=1), float(x.shape[0] - x.shape[1])
    parts = np.array_split(z, max(1, len(z) * len(y) // AT_ONCE))
    return np.concatenate([_below(rest, total, part, df, level) for part in parts])


def _below(rest: FloatArray, total: FloatArray, z: FloatArray, df: float, level: float) -> IntArray:
    """Significant genes (R,): rest (g, n), total (g,), unit-free columns z (R, n)."""
    z = z / np.sqrt((z**2).sum(axis=1, keepdims=True))
    score = z @ rest.T
    variance = np.maximum(total - score**2, 0.0) / df
    scale, prior = variance_prior(variance, df)
    posterior = posterior_variance(variance, df, scale, prior)
    cut = stdtrit(total_df(df, prior, len(rest)), 1.0 - level / 2.0)
    return np.asarray((score**2 > cut[:, np.newaxis] ** 2 * posterior).sum(axis=1), np.int64)


def _matrix(design: Any) -> FloatArray:
    x = np.asarray(getattr(design, "matrix", design), dtype=np.float64)
    if x.ndim != 2:
        raise ValueError("design must have one row for each sample and the condition last")
    return x
