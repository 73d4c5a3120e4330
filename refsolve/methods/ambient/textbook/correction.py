"""Counts without their ambient part, eqs. (9) to (12)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def expected_ambient(total: Array, rho: Array, share: Array) -> Array:
    """Ambient counts (genes, cells) that are expected, eq. (9)."""
    return np.asarray(np.outer(share, rho * total))


def subtract(counts: Array, ambient: Array) -> Array:
    """Expected ambient counts taken away, not below zero; biased upward for rare genes."""
    return np.asarray(np.maximum(counts - ambient, 0.0))


def fill(counts: Array, share: Array, amount: float) -> Array:
    """What is left of one cell when `amount` counts leave in proportion to the profile, eq. (10).

    No gene gives more than it has; what it cannot give the others give, in proportion again.
    """
    taken = np.zeros(counts.size)
    open_ = (counts > 0) & (share > 0)
    left = min(amount, float(counts[open_].sum()))
    while left > 0 and open_.any():
        level = left / share[open_].sum()
        empty = open_ & (level * share >= counts)
        if not empty.any():
            taken[open_] = level * share[open_]
            break
        taken[empty] = counts[empty]
        left -= float(counts[empty].sum())
        open_ &= ~empty
    return np.asarray(counts - taken)


def filled(counts: Array, share: Array, amount: Array) -> Array:
    """`fill` of each cell (genes, cells)."""
    columns = [fill(c, share, a) for c, a in zip(counts.T, amount, strict=True)]
    return np.array(columns).T


def by_cluster(counts: Array, share: Array, amount: Array, cluster: Array) -> Array:
    """`fill` of the sum of each cluster, handed back to its cells, eq. (11).

    A gene's removed counts go to the cells in proportion to what each can be expected to hold,
    no cell giving more than it has.
    """
    out = np.array(counts, np.float64)
    for name in np.unique(cluster):
        cells = np.flatnonzero(cluster == name)
        sums = counts[:, cells].sum(axis=1)
        removed = sums - fill(sums, share, float(amount[cells].sum()))
        for g in np.flatnonzero(removed > 0):
            out[g, cells] = fill(counts[g, cells], amount[cells], float(removed[g]))
    return out


def whole(values: Array, rng: np.random.Generator) -> Array:
    """Whole numbers whose expectation is the value."""
    base = np.floor(values)
    return np.asarray(base + (rng.random(values.shape) < values - base))


def native_probability(count: Array, native: Array, ambient: Array) -> Array:
    """Chance that at least one of the counts is native, eq. (12)."""
    share = native / (native + ambient)
    return np.asarray(1.0 - (1.0 - share) ** count)
