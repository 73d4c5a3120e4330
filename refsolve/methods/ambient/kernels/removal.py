"""Removal of exactly the expected ambient counts from compressed rows, eqs. (10) and (11)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Values = NDArray[Any]
ROUNDS = 1000
ROUNDING = 1e-14


@kernel
def fill_level(counts: Values, weight: Array, amount: float) -> float:
    """Level at which the sum of min(counts, level * weight) is the amount, eq. (10).

    Infinite where the amount is all there is. From below, each round closes the entries that the
    level exhausts, so that the level rises until none is left to close.
    """
    level = 0.0
    for _ in range(ROUNDS):
        closed, open_ = 0.0, 0.0
        for k in range(weight.size):
            v = float(counts[k])
            if weight[k] > 0.0:
                if level * weight[k] >= v:
                    closed += v
                else:
                    open_ += weight[k]
        if open_ == 0.0:
            return np.inf if closed > 0.0 else 0.0
        new = max((amount - closed) / open_, 0.0)
        if new <= level:
            return level
        level = new
    return level


@kernel
def remove_rows(
    data: Values,
    indices: Values,
    indptr: Values,
    share: Array,
    amount: Array,
    start: Array,
    values: Values,
    places: Values,
    starts: Values,
) -> int:
    """Rows less their amounts (rows,) in proportion to share (genes,), eq. (10).

    Written to values, places and starts without zeros; returned is their number. Cells with a
    start of 0 or more have whole numbers removed: those that the running sum, begun at the start,
    passes on its way.
    """
    weight = np.empty(0)
    at = 0
    for c in range(amount.size):
        first, n = indptr[c], indptr[c + 1] - indptr[c]
        if weight.size < n:
            weight = np.empty(2 * n)
        for k in range(n):
            weight[k] = share[np.uint64(indices[first + k])]
        level = 0.0
        if amount[c] > 0.0:
            level = fill_level(data[first : first + n], weight[:n], amount[c])
        at = write_row(data, indices, first, weight[:n], level, start[c], values, places, at)
        starts[c + 1] = at
    return at


@kernel
def write_row(
    data: Values,
    indices: Values,
    first: int,
    weight: Array,
    level: float,
    start: float,
    values: Values,
    places: Values,
    at: int,
) -> int:
    """One row less min(counts, level * weight), its zeros left out; returns the next place."""
    total = start
    for k in range(weight.size):
        v = float(data[first + k])
        gone = min(v, level * weight[k]) if weight[k] > 0.0 else 0.0
        if start >= 0.0:
            before = np.floor(total)
            total += gone
            gone = min(v, np.floor(total) - before)
        if v > gone:
            values[at] = v - gone
            places[at] = indices[first + k]
            at += 1
    return at


@kernel
def cluster_totals(
    data: Values,
    indices: Values,
    indptr: Values,
    code: IntArray,
    weight: Array,
    sums: Array,
    left: Array,
) -> None:
    """Add counts, and weights of the cells that have any, to (clusters, genes).

    code and weight (rows,) are the cluster of each cell, and its share of what the cluster loses.
    """
    for c in range(code.size):
        total, rest, w = sums[code[c]], left[code[c]], weight[c]
        for p in range(indptr[c], indptr[c + 1]):
            g = np.uint64(indices[p])
            total[g] += float(data[p])
            rest[g] += w


@kernel
def cluster_sums(
    data: Values,
    indices: Values,
    indptr: Values,
    code: IntArray,
    weight: Array,
    level: Array,
    closed: Array,
    left: Array,
) -> None:
    """Add what the level exhausts, and weights of the rest, to (clusters, genes), eq. (11)."""
    for c in range(code.size):
        k, w = code[c], weight[c]
        if w <= 0.0:
            continue
        here, shut, rest = level[k], closed[k], left[k]
        for p in range(indptr[c], indptr[c + 1]):
            g = np.uint64(indices[p])
            v = float(data[p])
            if here[g] * w >= v:
                shut[g] += v
            else:
                rest[g] += w


@kernel
def gather(
    data: Values,
    indices: Values,
    indptr: Values,
    code: IntArray,
    weight: Array,
    rank: IntArray,
    pairs: IntArray,
    counts: Array,
    weights: Array,
) -> int:
    """Entries of the pairs whose rank (clusters, genes) is not negative; returns their number."""
    at = 0
    for c in range(code.size):
        here, w = rank[code[c]], weight[c]
        if w <= 0.0:
            continue
        for p in range(indptr[c], indptr[c + 1]):
            k = here[np.uint64(indices[p])]
            if k >= 0:
                pairs[at], counts[at], weights[at] = k, float(data[p]), w
                at += 1
    return at


@kernel
def raise_levels(
    pairs: IntArray, counts: Array, weights: Array, lost: Array, level: Array
) -> None:  # pairs, counts, weights (entries,); lost, level (pairs,)
    """Move the level of each pair up to where its entries lose what they are to lose."""
    closed, left = np.empty(level.size), np.empty(level.size)
    for _ in range(ROUNDS):
        closed[:], left[:] = 0.0, 0.0
        for e in range(pairs.size):
            k = pairs[e]
            if level[k] * weights[e] >= counts[e]:
                closed[k] += counts[e]
            else:
                left[k] += weights[e]
        moved = False
        for k in range(level.size):
            new = (lost[k] - closed[k]) / left[k] if left[k] > 0.0 else np.inf
            if new > level[k] * (1.0 + ROUNDING):
                level[k], moved = new, True
        if not moved:
            return


@kernel
def remove_clusters(
    data: Values,
    indices: Values,
    indptr: Values,
    code: IntArray,
    weight: Array,
    level: Array,
    start: Array,
    values: Values,
    places: Values,
    starts: Values,
) -> int:
    """Rows less min(counts, level * weight) with levels (clusters, genes), eq. (11).

    Written as by `remove_rows`.
    """
    share = np.empty(0)
    at = 0
    for c in range(code.size):
        first, n = indptr[c], indptr[c + 1] - indptr[c]
        if share.size < n:
            share = np.empty(2 * n)
        for k in range(n):
            here = level[code[c], np.uint64(indices[first + k])]
            share[k] = here if weight[c] > 0.0 else 0.0
        at = write_row(data, indices, first, share[:n], weight[c], start[c], values, places, at)
        starts[c + 1] = at
    return at


@kernel
def subtract_rows(
    data: Values,
    indices: Values,
    indptr: Values,
    share: Array,
    amount: Array,
    values: Values,
    places: Values,
    starts: Values,
) -> int:
    """Rows less amount * share, not below zero, eq. (9); written as by `remove_rows`."""
    at = 0
    for c in range(amount.size):
        for k in range(indptr[c], indptr[c + 1]):
            v = float(data[k]) - amount[c] * share[np.uint64(indices[k])]
            if v > 0.0:
                values[at] = v
                places[at] = indices[k]
                at += 1
        starts[c + 1] = at
    return at
