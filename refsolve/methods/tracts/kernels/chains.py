"""Compiled exact likelihood of tracts under a chain of hidden states, eq. (11).

The chain is reversible. In the eigenbasis of the states of one ancestry a tract of length l
multiplies coordinate i by exp(-decay[k, i] l); `across` turns the basis of one ancestry into that
of another at a switch. Axes: K ancestries, n states of one, S of all.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Code = NDArray[np.int32]
Label = NDArray[np.int8]

TINY, HUGE = 1e-100, 1e100


@kernel
def switch(y: Array, across: Array, work: Array) -> None:
    """Replace y (n,) by y @ across (n, n)."""
    n = y.size
    for j in range(n):
        work[j] = 0.0
    for i in range(n):
        for j in range(n):
            work[j] += y[i] * across[i, j]
    for j in range(n):
        y[j] = work[j]


@kernel
def cross_gap(
    y: Array, length: float, leave: Array, enter: Array, decay: Array, work: Array
) -> None:
    """Replace y (n,) by its image across an uncalled gap; leave, enter (n, S), decay (S,)."""
    n = y.size
    for j in range(n):
        work[j] = 0.0
    for s in range(decay.size):
        value = 0.0
        for i in range(n):
            value += y[i] * leave[i, s]
        value *= math.exp(-decay[s] * length)
        for j in range(n):
            work[j] += value * enter[j, s]
    for j in range(n):
        y[j] = work[j]


@kernel
def chain_log_likelihood(
    haplotype: Code,
    chromosome: Code,
    start: Array,
    end: Array,
    ancestry: Label,
    slack: float,
    decay: Array,
    begin: Array,
    across: Array,
    whole_decay: Array,
    whole: Array,
) -> float:
    """Log-likelihood of tracts in order; decay, begin (K, n), across (K, K, n, n), whole (K, n, S).

    A path begins in the stationary law and ends, like the calls, at the last tract of its
    chromosome.
    """
    n = decay.shape[1]
    y, work = np.empty(n), np.empty(n)
    total = 0.0
    for i in range(start.size):
        k = ancestry[i]
        new = i == 0 or haplotype[i] != haplotype[i - 1] or chromosome[i] != chromosome[i - 1]
        before, gap = ancestry[i - 1], start[i] - end[i - 1]
        if new:
            y[:] = begin[k]
        elif gap > slack:
            cross_gap(y, gap, whole[before], whole[k], whole_decay, work)
        elif before != k:
            switch(y, across[before, k], work)
        length = end[i] - start[i]
        size = 0.0
        for j in range(n):
            y[j] *= math.exp(-decay[k, j] * length)
            size = max(size, abs(y[j]))
        if size == 0.0:
            return -np.inf
        if size < TINY or size > HUGE:
            y /= size
            total += math.log(size)
        last = i + 1 == start.size
        if last or haplotype[i + 1] != haplotype[i] or chromosome[i + 1] != chromosome[i]:
            value = np.dot(y, begin[k])
            if value <= 0.0:
                return -np.inf
            total += math.log(value)
    return total
