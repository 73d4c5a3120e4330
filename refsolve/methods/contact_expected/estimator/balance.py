"""Weights that give every bin the same coverage, eqs. (11) and (12)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray, one_of
from refsolve.core.result import Result
from refsolve.methods.contact_expected.estimator.marginals import SCOPES, Marginals, coverage_of
from refsolve.methods.contact_expected.estimator.newton import newton
from refsolve.methods.contact_expected.model.combine import Mask, mask_of
from refsolve.methods.contact_expected.model.contacts import Mapper, Pixels, Progress
from refsolve.methods.contact_expected.model.masks import (
    BinMask,
    coverage_cut,
    relative_coverage,
)

Marks = NDArray[np.bool_]
TOLERANCE = {"ice": 1e-5, "newton": 1e-12}


@dataclass(frozen=True, slots=True, eq=False)
class Balance(Result):
    """Weights that multiply counts so that every bin has the same coverage.

    Attributes
    ----------
    weights
        Weight of each bin (N,), NaN where it was filtered. Balanced rows sum to 1; `scale` gives
        their sum before.
    method, scope
        As asked for.
    converged
        Whether the variance of the row sums fell below the tolerance, everywhere.
    iterations
        Iterations of each problem: one, or one per chromosome (within them).
    passes
        How often all contacts were gone through, per problem.
    variance
        Variance of the row sums of each problem: in squared contacts for `ice`, relative to their
        mean for `newton`.
    scale
        Mean row sum before the weights were divided by its root, of each problem.
    filters
        Bins that each filter removes by itself.
    """

    weights: FloatArray
    method: str
    scope: str
    converged: bool
    iterations: IntArray
    passes: IntArray
    variance: FloatArray
    scale: FloatArray
    filters: tuple[BinMask, ...]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Weights of one problem, and how they were reached."""

    weights: FloatArray
    iterations: int
    passes: int
    variance: float
    scale: float
    converged: bool


def balance(
    pixels: Pixels,
    *,
    method: Literal["ice", "newton"] = "ice",
    scope: Literal["genome", "cis", "trans"] = "genome",
    mad_max: float = 5.0,
    min_nnz: int = 10,
    min_count: float = 0.0,
    ignore_diags: int = 2,
    mask: Mask | ArrayLike | None = None,
    tol: float | None = None,
    max_iters: int = 200,
    map_: Mapper = map,
    progress: Progress | None = None,
) -> Balance:
    """Balance contacts, with the filters and the scale of `cooler balance`.

    Bins are filtered by the number of their pixels, by their contacts, and by a log coverage far
    below the median (relative to the median of their chromosome). Iterative correction (`ice`)
    divides by row sums until they are equal. `newton` minimises a convex function with the same
    weights at its minimum: it needs tens of passes over the contacts where `ice` can need
    thousands. A bin without any used pixel keeps a weight in `ice` and has none in `newton`.

    Parameters
    ----------
    pixels
        The contacts. Those of a file are read in every pass: load them if memory allows.
    method
        Algorithm.
    scope
        All contacts, those within each chromosome by itself, or those between chromosomes.
    mad_max
        Median absolute deviations of the log coverage; 0 for no such filter.
    min_nnz, min_count
        Pixels and contacts that a bin must have.
    ignore_diags
        Distances below this one are not used.
    mask
        Bins that take part: of `combine`, or marks of valid bins (N,).
    tol
        Variance of the row sums at which to stop: in squared contacts for `ice` (1e-5), relative
        to their mean for `newton` (1e-12).
    max_iters
        Largest number of iterations.
    map_
        Map over parts of the contacts.
    progress
        Called with the numbers of iterations done and allowed.
    """
    one_of(method, "method", tuple(TOLERANCE))
    one_of(scope, "scope", tuple(SCOPES))
    used = mask_of(mask, pixels.start.size)
    if used.rectangles[2].size:
        raise ValueError("mask has rectangles; balancing takes bins in or out: give a mask of bins")
    filters = _filters(pixels, scope, ignore_diags, (mad_max, min_nnz, min_count), used, map_)
    valid = ~np.logical_or.reduce([found.removed for found in filters])
    limit = TOLERANCE[method] if tol is None else tol
    solve = _ice if method == "ice" else _newton
    weights = np.full(valid.size, np.nan)
    outcomes = []
    for problem in Marginals.problems(pixels, scope, ignore_diags, map_):
        inside = slice(*problem.bins)
        outcome = solve(problem, valid[inside], limit, max_iters, progress)
        weights[inside] = outcome.weights
        outcomes.append(outcome)
    return Balance(
        weights,
        method,
        scope,
        all(outcome.converged for outcome in outcomes),
        np.array([outcome.iterations for outcome in outcomes], np.int64),
        np.array([outcome.passes for outcome in outcomes], np.int64),
        np.array([outcome.variance for outcome in outcomes]),
        np.array([outcome.scale for outcome in outcomes]),
        filters,
    )


def coverage(
    pixels: Pixels,
    *,
    scope: Literal["genome", "cis", "trans"] = "genome",
    ignore_diags: int = 2,
    map_: Mapper = map,
) -> FloatArray:
    """Contacts of each bin (N,); those on the diagonal count once.

    Parameters
    ----------
    pixels
        The contacts.
    scope
        All contacts, those within chromosomes, or those between them.
    ignore_diags
        Distances below this one are not used.
    map_
        Map over parts of the contacts.
    """
    one_of(scope, "scope", tuple(SCOPES))
    return coverage_of(pixels, scope, ignore_diags, map_)[0]


def _filters(
    pixels: Pixels,
    scope: str,
    ignore_diags: int,
    limits: tuple[float, int, float],
    used: Mask,
    map_: Mapper,
) -> tuple[BinMask, ...]:
    mad_max, min_nnz, min_count = limits
    # As in cooler, bins that are balanced between chromosomes are filtered by all their contacts.
    seen = "cis" if scope == "cis" else "genome"
    total, nonzero = coverage_of(pixels, seen, ignore_diags, map_)
    relative = relative_coverage(total, pixels.chrom_offset)
    cut = coverage_cut(relative, mad_max) if mad_max > 0 else -math.inf
    return (
        BinMask("few pixels", nonzero < min_nnz, float(min_nnz)),
        BinMask("few contacts", total < min_count, float(min_count)),
        BinMask("low coverage", relative < cut, cut if mad_max > 0 else math.nan),
        BinMask("mask", ~used.valid),
    )


def _ice(
    problem: Marginals, valid: Marks, tol: float, max_iters: int, progress: Progress | None
) -> _Outcome:
    """Iterative correction, eq. (11)."""
    w = valid.astype(np.float64)
    variance = mean = math.nan
    done = 0
    while done < max_iters and not variance < tol:
        done += 1
        sums = problem.row_sums(w)
        positive = sums[sums != 0.0]
        if positive.size == 0:
            return _Outcome(np.full(w.size, np.nan), done, done, 0.0, math.nan, True)
        mean, variance = float(positive.mean()), float(positive.var())
        w /= np.where(sums == 0.0, 1.0, sums / mean)
        if progress is not None:
            progress(done, max_iters)
    w[w == 0.0] = np.nan
    return _Outcome(w / math.sqrt(mean), done, done, variance, mean, variance < tol)


def _newton(
    problem: Marginals, valid: Marks, tol: float, max_iters: int, progress: Progress | None
) -> _Outcome:
    """Minimum of eq. (12) over the bins that have contacts with each other."""
    sums = problem.row_sums(valid.astype(np.float64))
    inside = valid & (sums > 0.0)
    w = np.full(valid.size, np.nan)
    if not inside.any():
        return _Outcome(w, 0, 1, 0.0, math.nan, True)
    found = newton(problem, inside, sums[inside], tol, max_iters, progress)
    w[inside] = found.weights
    mean = float(sums[inside].mean())
    return _Outcome(w, found.iterations, found.passes + 1, found.variance, mean, found.converged)
