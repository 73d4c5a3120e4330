"""Expected contacts by distance: eqs. (2) to (7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.methods.contact_expected.textbook.masks import BoolArray, FloatArray

IntArray = NDArray[np.int64]


class Diagonals(NamedTuple):
    """Sum and number of usable pixels by distance in bins, eq. (3)."""

    total: FloatArray  # (N,)
    n: IntArray  # (N,)


class Block(NamedTuple):
    """Sum, number and mean of the usable pixels between two chromosomes, eq. (6)."""

    total: float
    n: int
    mean: float


def pair_counts(valid: ArrayLike) -> IntArray:
    """(N,) pairs of valid bins at distance 0, 1, …: the autocorrelation of the mask, eq. (2)."""
    v = np.asarray(valid, dtype=np.int64)
    return np.asarray(np.correlate(v, v, mode="full")[v.size - 1 :])


def pair_counts_between(valid1: ArrayLike, valid2: ArrayLike, offset: int) -> IntArray:
    """Pairs of valid bins, one of each of two regions, by distance, eq. (2).

    Parameters
    ----------
    valid1, valid2
        (A,) and (B,) masks of two regions, the first one to the left.
    offset
        Bins from the start of the first region to that of the second, at least A.

    Returns
    -------
    (offset + B,) numbers; entry d is that of distance d.
    """
    v1, v2 = (np.asarray(v, dtype=np.int64) for v in (valid1, valid2))
    counts = np.zeros(offset + v2.size, dtype=np.int64)
    counts[offset - v1.size + 1 :] = np.correlate(v2, v1, mode="full")
    return counts


def count_pairs(usable: BoolArray) -> IntArray:
    """(N,) usable pixels at distance 0, 1, …, one by one."""
    return np.array([np.diagonal(usable, d).sum() for d in range(len(usable))], dtype=np.int64)


def diagonals(values: FloatArray, usable: BoolArray) -> Diagonals:
    """Sums and numbers of usable pixels by distance, eq. (3); zeros count, masked ones do not."""
    total = [
        np.diagonal(values, d)[np.diagonal(usable, d)].sum(dtype=np.float64)
        for d in range(len(values))
    ]
    return Diagonals(np.array(total), count_pairs(usable))


def pool(parts: Sequence[Diagonals]) -> Diagonals:
    """Several regions as one: sums and numbers are added, eq. (3)."""
    size = max(part.n.size for part in parts)
    total, n = np.zeros(size), np.zeros(size, dtype=np.int64)
    for part in parts:
        total[: part.n.size] += part.total
        n[: part.n.size] += part.n
    return Diagonals(total, n)


def mean_by_distance(part: Diagonals, ignore_diags: int = 2) -> FloatArray:
    """(N,) mean by distance, eq. (4); NaN below `ignore_diags` and where nothing is usable."""
    mean = np.full(part.n.size, np.nan)
    seen = (part.n > 0) & (np.arange(part.n.size) >= ignore_diags)
    mean[seen] = part.total[seen] / part.n[seen]
    return mean


def smooth_knots(first: int, last: int, step: float = 0.01) -> IntArray:
    """Distances at which eq. (5) is evaluated: each at least `step` in log10 after the one before.

    The last distance is always one of them.
    """
    knots = [first]
    for d in range(first + 1, last + 1):
        if np.log10(d) - np.log10(knots[-1]) >= step:
            knots.append(d)
    return np.array(knots if knots[-1] == last else [*knots, last], dtype=np.int64)


def smooth(
    part: Diagonals,
    ignore_diags: int = 2,
    sigma: float = 0.1,
    window: float = 5.0,
    step: float = 0.01,
    ignored_as_zero: bool = False,
) -> FloatArray:
    """(N,) expected smoothed over log distance, eq. (5); NaN below the first distance used.

    Parameters
    ----------
    part
        Sums and numbers by distance.
    ignore_diags
        Distances below this one are not used.
    sigma
        Width of the kernel, in log10 of distance.
    window
        Kernel beyond this many widths is zero.
    step
        Knots of `smooth_knots`; lines in log-log between them.
    ignored_as_zero
        Ignored distances from 1 on stay as pixels without contacts, as cooltools has it.
    """
    first = 1 if ignored_as_zero else max(ignore_diags, 1)
    d = np.arange(first, part.n.size)
    total, n = part.total[first:].copy(), part.n[first:].astype(np.float64)
    total[d < ignore_diags] = 0.0
    log_d = np.log10(d)
    knots = smooth_knots(first, part.n.size - 1, step)
    away = np.abs(np.log10(knots)[:, np.newaxis] - log_d) / sigma
    kernel = np.where(away <= window, np.exp(-(away**2) / 2), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        at_knots = np.log((kernel @ total) / (kernel @ n))
    smoothed = np.full(part.n.size, np.nan)
    smoothed[first:] = np.exp(np.interp(log_d, np.log10(knots), at_knots))
    return smoothed


def expected_trans(values: FloatArray, usable: BoolArray) -> Block:
    """Mean over the usable pixels of a block between two chromosomes, eq. (6)."""
    total, n = float(values[usable].sum(dtype=np.float64)), int(usable.sum())
    return Block(total, n, total / n if n else np.nan)


def balanced(counts: FloatArray, weight: FloatArray) -> FloatArray:
    """(N, N) counts times the weights of both bins, NaN where one is masked, eq. (3)."""
    return np.asarray(counts * weight[:, np.newaxis] * weight)


def observed_over_expected(
    values: FloatArray, usable: BoolArray, expected_by_distance: FloatArray
) -> FloatArray:
    """(N, N) ratio of every usable pixel of one region to its distance, NaN elsewhere, eq. (7)."""
    i, j = np.indices(values.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = values / expected_by_distance[np.abs(i - j)]
    return np.where(usable, ratio, np.nan)
