"""Compiled steps between neighbouring positions, in O(states), eqs. (2)-(6).

Founders stand in funnel order, in nested blocks of `size[0] = 1 < size[1] < ... < size[-1] = K`.
One haplotype moves with

    T[f, g] = Σ_l weight[l] · [f and g share the block of level l] + weight[L - 1] · share[g],

where the last level holds all founders and `share` (K,) sums to one. Two haplotypes move
independently; an unordered pair (i, j) with i ≤ j is state j(j + 1)/2 + i, and they have two
levels, one founder and all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@kernel
def forward_step(a: Array, weight: Array, size: Index, share: Array, out: Array) -> None:
    """Out (S,) = a (S,) @ T of one haplotype, or of two where S is not K."""
    if a.size != share.size:
        forward_pairs(a, weight, share, out)
        return
    K, last = share.size, size.size - 1
    total = 0.0
    for f in range(K):
        total += a[f]
        out[f] = weight[0] * a[f]
    total *= weight[last]
    for f in range(K):
        out[f] += total * share[f]
    for level in range(1, last):
        add_blocks(a, weight[level], size[level], out)


@kernel
def backward_step(b: Array, weight: Array, size: Index, share: Array, out: Array) -> None:
    """Out (S,) = T @ b (S,)."""
    if b.size != share.size:
        backward_pairs(b, weight, share, out)
        return
    K, last = share.size, size.size - 1
    total = 0.0
    for f in range(K):
        total += share[f] * b[f]
    total *= weight[last]
    for f in range(K):
        out[f] = weight[0] * b[f] + total
    for level in range(1, last):
        add_blocks(b, weight[level], size[level], out)


@kernel
def add_blocks(a: Array, weight: float, size: int, out: Array) -> None:
    """Add weight times the sum of its block of founders to every element."""
    for start in range(0, a.size, size):
        total = 0.0
        for f in range(start, start + size):
            total += a[f]
        total *= weight
        for f in range(start, start + size):
            out[f] += total


@kernel
def forward_pairs(a: Array, weight: Array, share: Array, out: Array) -> None:
    """Out = a @ T of unordered pairs: X -> TᵀXT with T = w I + v 1 shareᵀ."""
    K = share.size
    w, v = weight[0], weight[1]
    row = np.zeros(K)
    total, s = 0.0, 0
    for j in range(K):
        for i in range(j + 1):
            half = 0.5 * a[s]
            row[i] += half
            row[j] += half
            s += 1
    for j in range(K):
        total += row[j]
    s = 0
    for j in range(K):
        for i in range(j):
            moved = row[i] * share[j] + row[j] * share[i]
            out[s] = w * w * a[s] + 2.0 * v * (w * moved + v * total * share[i] * share[j])
            s += 1
        out[s] = w * w * a[s] + v * share[j] * (2.0 * w * row[j] + v * total * share[j])
        s += 1


@kernel
def backward_pairs(b: Array, weight: Array, share: Array, out: Array) -> None:
    """Out = T @ b of unordered pairs: F -> TFTᵀ."""
    K = share.size
    w, v = weight[0], weight[1]
    row = np.zeros(K)
    total, s = 0.0, 0
    for j in range(K):
        for i in range(j):
            row[i] += share[j] * b[s]
            row[j] += share[i] * b[s]
            s += 1
        row[j] += share[j] * b[s]
        s += 1
    for j in range(K):
        total += share[j] * row[j]
    total *= v * v
    s = 0
    for j in range(K):
        for i in range(j + 1):
            out[s] = w * w * b[s] + w * v * (row[i] + row[j]) + total
            s += 1


@kernel
def haplotype_move(f: int, g: int, weight: Array, size: Index, share: Array) -> float:
    """T[f, g] of one haplotype."""
    last = size.size - 1
    value = float(weight[last] * share[g])
    for level in range(last):
        if f // size[level] == g // size[level]:
            value += weight[level]
    return value


@kernel
def move(s: int, t: int, S: int, weight: Array, size: Index, share: Array, pair: Index) -> float:
    """T[s, t] of one haplotype, or of two; pair (S, 2) holds the founders of each state."""
    if share.size == S:
        return haplotype_move(s, t, weight, size, share)
    i, j, k, m = pair[s, 0], pair[s, 1], pair[t, 0], pair[t, 1]
    value = haplotype_move(i, k, weight, size, share) * haplotype_move(j, m, weight, size, share)
    if k != m:
        crossed = haplotype_move(i, m, weight, size, share)
        value += crossed * haplotype_move(j, k, weight, size, share)
    return value
