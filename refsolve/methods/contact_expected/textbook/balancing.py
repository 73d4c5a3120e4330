"""Weights that give every bin the same coverage: eqs. (11) and (12)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from refsolve.methods.contact_expected.textbook.masks import (
    BoolArray,
    FloatArray,
    low_coverage,
    per_chromosome_median,
)


class Balanced(NamedTuple):
    """Weights (NaN where a bin is left out) and how they were reached."""

    weight: FloatArray  # (N,)
    iterations: int
    variance: float
    converged: bool


def without_diagonals(counts: FloatArray, ignore_diags: int) -> FloatArray:
    """(N, N) counts, zero at distances below `ignore_diags`."""
    i, j = np.indices(counts.shape)
    return np.where(np.abs(i - j) >= ignore_diags, counts, 0.0)


def bins_to_balance(
    counts: FloatArray,
    chromosome: ArrayLike,
    ignore_diags: int = 2,
    min_nnz: int = 10,
    min_count: float = 0,
    mad_max: float = 5,
) -> BoolArray:
    """(N,) bins that pass the filters: contacts seen, their sum, and eq. (9)."""
    m = without_diagonals(counts, ignore_diags)
    marginal = m.sum(axis=1)
    valid = without_diagonals((counts != 0).astype(np.float64), ignore_diags).sum(axis=1) >= min_nnz
    valid &= marginal >= min_count
    if mad_max > 0:
        valid &= ~low_coverage(per_chromosome_median(marginal, chromosome), mad_max)
    return np.asarray(valid)


def ice(
    counts: FloatArray,
    valid: ArrayLike,
    ignore_diags: int = 2,
    tol: float = 1e-5,
    max_iters: int = 200,
) -> Balanced:
    """Iterative correction, eq. (11).

    Parameters
    ----------
    counts
        (N, N) symmetric.
    valid
        (N,) bins that take part.
    ignore_diags
        Distances below this one are not used.
    tol
        Variance of the marginals at which to stop, in squared contacts.
    max_iters
        Largest number of passes.
    """
    m = without_diagonals(counts, ignore_diags)
    w = np.asarray(valid, dtype=np.float64).copy()
    done, mean, variance = 0, np.nan, np.inf
    while variance >= tol and done < max_iters:
        marginal = w * (m @ w)
        mean, variance = marginal[marginal != 0].mean(), marginal[marginal != 0].var()
        w /= np.where(marginal == 0, 1.0, marginal / mean)
        done += 1
    w[w == 0] = np.nan
    return Balanced(w / np.sqrt(mean), done, float(variance), bool(variance < tol))


def newton(
    counts: FloatArray,
    valid: ArrayLike,
    ignore_diags: int = 2,
    tol: float = 1e-12,
    max_iters: int = 100,
) -> Balanced:
    """Minimum of the convex function (12) by Newton steps that never climb.

    Parameters
    ----------
    counts, valid, ignore_diags, max_iters
        As in `ice`. Bins without contacts are left out.
    tol
        Variance of the marginals at which to stop; their mean is 1.
    """
    m = without_diagonals(counts, ignore_diags)
    keep = np.asarray(valid, dtype=bool) & (m @ np.asarray(valid, dtype=np.float64) > 0)
    m = m[np.ix_(keep, keep)]
    x = np.log(np.sqrt(m.sum() / len(m)) / m.sum(axis=1))
    done, variance = 0, np.inf
    while variance >= tol and done < max_iters:
        w = np.exp(x)
        marginal = w * (m @ w)
        variance = float(np.mean((marginal - 1) ** 2))
        hessian = np.diag(marginal) + w[:, np.newaxis] * m * w
        x = _descend(m, x, np.linalg.lstsq(hessian, 1 - marginal)[0])
        done += 1
    weight = np.full(keep.size, np.nan)
    weight[keep] = np.exp(x)
    return Balanced(weight, done, variance, variance < tol)


def balance_objective(m: FloatArray, x: FloatArray) -> float:
    """Function (12) of the log weights."""
    w = np.exp(x)
    return float(w @ m @ w / 2 - x.sum())


def _descend(m: FloatArray, x: FloatArray, step: FloatArray) -> FloatArray:
    start, length = balance_objective(m, x), 1.0
    while balance_objective(m, x + length * step) > start + 1e-12 * abs(start) and length > 1e-8:
        length /= 2
    return x + length * step
