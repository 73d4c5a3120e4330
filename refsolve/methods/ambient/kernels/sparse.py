"""Passes over compressed rows of droplets: totals, sums, squares and likelihoods."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]
Values = NDArray[Any]
Mark = NDArray[np.bool_]


@kernel
def row_totals(data: Values, indptr: Values) -> tuple[Array, int]:
    """Counts of each droplet (rows,), and how many values are no counts."""
    out = np.zeros(indptr.size - 1)
    odd = 0
    for c in range(out.size):
        total = 0.0
        for k in range(indptr[c], indptr[c + 1]):
            v = float(data[k])
            odd += int(not (v >= 0.0 and v == np.floor(v)))
            total += v
        out[c] = total
    return out, odd


@kernel
def add_genes(data: Values, indices: Values, indptr: Values, used: Mark, out: Array) -> None:
    """Add the counts of used droplets to those of the genes, out (genes,), eq. (1)."""
    for c in range(used.size):
        if used[c]:
            for k in range(indptr[c], indptr[c + 1]):
                out[np.uint64(indices[k])] += float(data[k])


@kernel
def add_squares(
    data: Values,
    indices: Values,
    indptr: Values,
    used: Mark,
    total: Array,
    share: Array,
    out: Array,
) -> None:
    """Add squared counts over their expectations to out (genes,), for eq. (2)."""
    for c in range(used.size):
        if used[c]:
            for k in range(indptr[c], indptr[c + 1]):
                g = np.uint64(indices[k])
                v = float(data[k])
                if v > 0.0:
                    out[g] += v * v / (total[c] * share[g])


@kernel
def log_factorials(n: int) -> Array:
    """Logarithms of 0!, ..., n!."""
    out = np.zeros(n + 1)
    for k in range(2, n + 1):
        out[k] = out[k - 1] + np.log(float(k))
    return out


@kernel
def droplet_log_likelihoods(
    data: Values,
    indices: Values,
    indptr: Values,
    used: Mark,
    share: Array,
    alpha: float,
    log_fact: Array,
) -> Array:
    """Log probability of each used droplet (rows,), NaN for the others.

    Dirichlet-multinomial with the parameters alpha * share (genes,), but for a term of the total
    alone; multinomial where alpha is infinite.
    """
    out = np.full(used.size, np.nan)
    log_share = np.log(share)
    for c in range(used.size):
        if used[c]:
            total, value = 0, 0.0
            for k in range(indptr[c], indptr[c + 1]):
                v, g = int(data[k]), np.uint64(indices[k])
                total += v
                value -= log_fact[v]
                if alpha == np.inf:
                    value += v * log_share[g]
                else:
                    for j in range(v):
                        value += np.log(share[g] + j / alpha)
            out[c] = value + log_fact[total]
    return out


@kernel
def null_ranks(
    rng: Any,
    threshold: Array,
    alias: NDArray[np.int64],
    share: Array,
    alpha: float,
    log_fact: Array,
    size: NDArray[np.int64],
    first: NDArray[np.int64],
    seen: Array,
    draws: int,
) -> NDArray[np.int64]:
    """How many draws of pure ambient RNA are no more likely than each droplet (droplets,).

    seen (droplets,) are what `droplet_log_likelihoods` gives, ascending among the droplets of one
    total; size (totals,) ascends, and first (totals + 1,) is where the droplets of each begin. A
    draw grows one molecule at a time and is compared at every total on its way; with a finite
    alpha a molecule is at times a copy of an earlier one, which makes the draw
    Dirichlet-multinomial. threshold and alias (genes,) draw a gene in constant time.
    """
    log_share = np.log(share)
    below = np.zeros(seen.size + size.size, np.int64)
    count = np.zeros(threshold.size, np.int64)
    drawn = np.zeros(size[-1] if size.size else 0, np.int64)
    for _ in range(draws):
        n, value = 0, 0.0
        for t in range(size.size):
            while n < size[t]:
                if alpha < np.inf and rng.random() * (n + alpha) < n:
                    g = drawn[int(rng.random() * n)]
                else:
                    at = rng.random() * threshold.size
                    g = int(at)
                    if at - g >= threshold[g]:
                        g = alias[g]
                value += log_share[g] if alpha == np.inf else np.log(share[g] + count[g] / alpha)
                count[g] += 1
                value -= log_fact[count[g]] - log_fact[count[g] - 1]
                drawn[n] = g
                n += 1
            here = seen[first[t] : first[t + 1]]
            # Droplets as likely as the draw up to rounding count as no less likely.
            below[first[t] + t + np.searchsorted(here, value + log_fact[n] - 1e-9)] += 1
        for k in range(n):
            count[drawn[k]] = 0
    out = np.zeros(seen.size, np.int64)
    for t in range(size.size):
        total = 0
        for k in range(first[t], first[t + 1]):
            total += below[k + t]
            out[k] = total
    return out


@kernel
def alias_table(share: Array) -> tuple[Array, NDArray[np.int64]]:
    """Thresholds and aliases (genes,) that draw a gene with probability share."""
    n = share.size
    threshold, alias = share * n, np.arange(n)
    small, large = np.zeros(n, np.int64), np.zeros(n, np.int64)
    a, b = 0, 0
    for g in range(n):
        if threshold[g] < 1.0:
            small[a] = g
            a += 1
        else:
            large[b] = g
            b += 1
    while a > 0 and b > 0:
        low, high = small[a - 1], large[b - 1]
        alias[low] = high
        threshold[high] -= 1.0 - threshold[low]
        if threshold[high] < 1.0:
            small[a - 1] = high
            b -= 1
        else:
            a -= 1
    # What is left differs from 1 by rounding.
    for k in range(a):
        threshold[small[k]] = 1.0
    for k in range(b):
        threshold[large[k]] = 1.0
    return threshold, alias
