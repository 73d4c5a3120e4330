"""Donors as replicates: exact null distributions, and what follows from taking cells instead."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

Array = NDArray[np.float64]
Mark = NDArray[np.bool_]


def _blocks(n: int, block: Array | None) -> NDArray[np.int64]:
    if block is None:
        return np.zeros(n, dtype=np.int64)
    return np.asarray(np.unique(block, return_inverse=True)[1], dtype=np.int64)


def relabellings(treated: Mark, block: Array | None = None) -> Iterator[Mark]:
    """Every choice of as many treated samples as there are, block by block."""
    group = _blocks(treated.size, block)
    rows = [np.flatnonzero(group == g) for g in range(group.max() + 1)]
    choices = [itertools.combinations(r, int(treated[r].sum())) for r in rows]
    for chosen in itertools.product(*choices):
        mark = np.zeros(treated.size, dtype=bool)
        mark[[i for part in chosen for i in part]] = True
        yield mark


def number_of_relabellings(treated: Mark, block: Array | None = None) -> int:
    """How many there are."""
    group = _blocks(treated.size, block)
    sizes = [
        (int((group == g).sum()), int(treated[group == g].sum())) for g in range(group.max() + 1)
    ]
    return math.prod(math.comb(n, k) for n, k in sizes)


def exact_p(statistic: Callable[[Mark], float], treated: Mark, block: Array | None = None) -> float:
    """Share of relabellings with a statistic at least as large as the one seen."""
    seen = statistic(treated)
    values = np.array([statistic(mark) for mark in relabellings(treated, block)])
    return float(np.mean(values >= seen - 1e-12 * max(abs(seen), 1.0)))


def smallest_p(n_treated: int, n_control: int, sides: int = 2) -> float:
    """Smallest p value that any test by relabelling of donors can have."""
    return min(1.0, sides / math.comb(n_treated + n_control, n_treated))


def rank_sum_p(values: Array, treated: Mark) -> float:
    """Exact two-sided rank-sum test, ties at their mean rank."""
    rank = rankdata(values)
    centre = rank.sum() * treated.sum() / treated.size
    return exact_p(lambda mark: abs(float(rank[mark].sum()) - centre), treated)


def significant_genes_p(
    p_of: Callable[[Mark], Array], treated: Mark, level: float
) -> tuple[int, float]:
    """Genes below the level, and how often a relabelling has as many."""
    counts = [int((p_of(mark) < level).sum()) for mark in relabellings(treated)]
    seen = int((p_of(treated) < level).sum())
    return seen, float(np.mean(np.array(counts) >= seen))


def intraclass_correlation(values: Array, donor: Array) -> float:
    """Share of the variance between donors, by analysis of variance, eq. (19); may be negative."""
    code = np.unique(donor, return_inverse=True)[1]
    n = np.bincount(code).astype(float)
    mean = np.bincount(code, values) / n
    between = (n * (mean - values.mean()) ** 2).sum() / (n.size - 1)
    within = ((values - mean[code]) ** 2).sum() / (n.sum() - n.size)
    size = (n.sum() - (n**2).sum() / n.sum()) / (n.size - 1)
    total = between + (size - 1.0) * within
    return float((between - within) / total) if total > 0 else 0.0


def design_effect(cells: Array, treated: Mark, icc: float) -> float:
    """Variance of a difference of means of cells over that of independent cells, eq. (20)."""

    def variance(n: Array) -> float:
        return float((1.0 + icc * ((n**2).sum() / n.sum() - 1.0)) / n.sum())

    independent = 1.0 / cells[treated].sum() + 1.0 / cells[~treated].sum()
    return float((variance(cells[treated]) + variance(cells[~treated])) / independent)


def false_positive_rate(effect: float, level: float = 0.05) -> float:
    """Rejections of a true null by a two-sided test that takes cells as replicates, eq. (21)."""
    return float(2.0 * norm.sf(norm.isf(level / 2.0) / np.sqrt(effect)))


def adjusted(p: Array) -> Array:
    """Benjamini-Hochberg adjusted p values; NaN stays out of the number of tests."""
    out = np.full(p.size, np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(-p[tested], kind="stable")]
    n = tested.size
    out[order] = np.minimum.accumulate(np.minimum(p[order] * n / np.arange(n, 0, -1), 1.0))
    return out
