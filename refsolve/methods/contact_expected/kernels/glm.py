"""Negative-binomial log-linear models of cells that hold many pairs with the same expected count.

Axes: cell g = 0..G−1; sample s = 0..S−1; feature k = 0..q−1; coefficient 0..p−1. A cell of sample s
holds pairs[row[s], g] pairs of bins with totals[s, g] contacts together, each of them expected
μ = exp(offset + Σ_k features[g, k] β[columns[s, k]]) times. The variance of a count is μ + αμ².

Given μ, the counts of the pairs enter the likelihood through their total and through the number
of pairs above every count, `tail`; a pair without contacts only adds one to the number of pairs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

SMALL = 0.02  # below which differences of logarithms are series
TERMS = 12
LARGEST = 700.0  # exponent that stays finite


@kernel
def objective(
    features: Array,
    columns: Integers,
    totals: Array,
    pairs: Array,
    row: Integers,
    offset: Array,
    beta: Array,
    alpha: Array,
) -> float:
    """The part of the log-likelihood that depends on β."""
    b = np.empty(features.shape[1])
    total = 0.0
    for s in range(columns.shape[0]):
        a = alpha[s]
        for k in range(b.size):
            b[k] = beta[columns[s, k]]
        for g in range(features.shape[0]):
            n, y = pairs[row[s], g], totals[s, g]
            if n == 0.0:
                continue
            eta = offset[s % offset.shape[0], g]
            for k in range(b.size):
                eta += features[g, k] * b[k]
            mu = math.exp(min(eta, LARGEST))
            total += y * eta - (n * mu if a == 0.0 else (y + n / a) * math.log1p(a * mu))
    return total


@kernel
def information(
    observed: bool,
    features: Array,
    columns: Integers,
    totals: Array,
    pairs: Array,
    row: Integers,
    offset: Array,
    beta: Array,
    alpha: Array,
) -> tuple[Array, Array]:
    """Gradient (p,) of the log-likelihood, and its observed or expected information (p, p)."""
    q, p = features.shape[1], beta.size
    score, info = np.zeros(p), np.zeros((p, p))
    u, w, b = np.empty(q), np.empty((q, q)), np.empty(q)
    for s in range(columns.shape[0]):
        u[:], w[:] = 0.0, 0.0
        for k in range(q):
            b[k] = beta[columns[s, k]]
        for g in range(features.shape[0]):
            n = pairs[row[s], g]
            if n == 0.0:
                continue
            eta = offset[s % offset.shape[0], g]
            for k in range(q):
                eta += features[g, k] * b[k]
            mu, y = math.exp(min(eta, LARGEST)), totals[s, g]
            down = 1.0 + alpha[s] * mu
            rest, weight = (y - n * mu) / down, n * mu / down
            if observed:
                weight = mu * (n + alpha[s] * y) / (down * down)
            for k in range(q):
                f = features[g, k]
                u[k] += rest * f
                for m in range(k + 1):
                    w[k, m] += weight * f * features[g, m]
        for k in range(q):
            score[columns[s, k]] += u[k]
            for m in range(q):
                info[columns[s, k], columns[s, m]] += w[k, m] if m <= k else w[m, k]
    return score, info


@kernel
def means(features: Array, columns: Integers, offset: Array, beta: Array) -> Array:
    """μ (S, G)."""
    S, G, q = columns.shape[0], features.shape[0], features.shape[1]
    out = np.empty((S, G))
    for s in range(S):
        for g in range(G):
            eta = offset[s % offset.shape[0], g]
            for k in range(q):
                eta += features[g, k] * beta[columns[s, k]]
            out[s, g] = math.exp(min(eta, LARGEST))
    return out


@kernel
def curvature_of_log(x: float) -> tuple[float, float]:
    """h(x) = (log(1+x) − x/(1+x))/x² and h'(x)."""
    if x > SMALL:
        h = (math.log1p(x) - x / (1.0 + x)) / (x * x)
        return h, (1.0 / ((1.0 + x) * (1.0 + x)) - 2.0 * h) / x
    h, slope, power = 0.0, 0.0, 1.0
    for k in range(2, TERMS):
        sign = 1.0 if k % 2 == 0 else -1.0
        h += sign * (k - 1) / k * power
        slope -= sign * k * (k - 1) / (k + 1) * power
        power *= x
    return h, slope


@kernel
def dispersion_score(
    tail: Array, totals: Array, pairs: Array, row: Integers, mu: Array, alpha: float
) -> tuple[float, float]:
    """First and second derivative of the log-likelihood in α, given μ; tail[k] pairs exceed k."""
    first, second = 0.0, 0.0
    for k in range(1, tail.size):
        step = k / (1.0 + alpha * k)
        first += tail[k] * step
        second -= tail[k] * step * step
    for s in range(totals.shape[0]):
        for g in range(totals.shape[1]):
            n = pairs[row[s], g]
            if n == 0.0:
                continue
            m, y = mu[s, g], totals[s, g]
            h, slope = curvature_of_log(alpha * m)
            share = m / (1.0 + alpha * m)
            first -= y * share - n * m * m * h
            second += y * share * share + n * m * m * m * slope
    return first, second


@kernel
def pearson_sum(totals: Array, pairs: Array, row: Integers, mu: Array, alpha: Array) -> float:
    """Σ (y − nμ)²/(n(μ + αμ²)) over cells with pairs."""
    total = 0.0
    for s in range(totals.shape[0]):
        for g in range(totals.shape[1]):
            n = pairs[row[s], g]
            if n > 0.0:
                m = mu[s, g]
                rest = totals[s, g] - n * m
                total += rest * rest / (n * m * (1.0 + alpha[s] * m))
    return total


@kernel
def tail_counts(counts: Array, use: NDArray[np.bool_], size: int) -> Array:
    """Number of used counts (any number of them) above k = 0..size−1."""
    out = np.zeros(size + 1)
    for i in range(counts.size):
        if use[i] and counts[i] > 0.0:
            out[int(counts[i])] += 1.0
    for k in range(size - 1, -1, -1):
        out[k] += out[k + 1]
    return out[1:]


@kernel
def count_pairs(
    bin_class: Integers, end: Integers, shortest: int, longest: int, n_classes: int
) -> Array:
    """Pairs of bins by distance shortest..longest and classes a ≤ b, (·, K(K+1)/2).

    A class of −1 takes a bin out; end[i] is one beyond the last bin of i's chromosome.
    """
    out = np.zeros((longest - shortest + 1, n_classes * (n_classes + 1) // 2))
    for i in range(bin_class.size):
        a = bin_class[i]
        if a < 0:
            continue
        for j in range(i + shortest, min(end[i], i + longest + 1)):
            b = bin_class[j]
            if b >= 0:
                high, low = max(a, b), min(a, b)
                out[j - i - shortest, high * (high + 1) // 2 + low] += 1.0
    return out


@kernel
def add_contacts(
    bin1: Integers,
    bin2: Integers,
    count: Array,
    bin_class: Integers,
    end: Integers,
    shortest: int,
    totals: Array,
    histogram: Array,
) -> float:
    """Add pixels to totals (·, K(K+1)/2) and to the histogram of counts; contacts left out."""
    left = 0.0
    for e in range(count.size):
        i, j = min(bin1[e], bin2[e]), max(bin1[e], bin2[e])
        a, b, d = bin_class[i], bin_class[j], j - i - shortest
        if a < 0 or b < 0 or j >= end[i] or d < 0 or d >= totals.shape[0]:
            left += count[e]
            continue
        high, low = max(a, b), min(a, b)
        totals[d, high * (high + 1) // 2 + low] += count[e]
        histogram[int(count[e])] += 1.0
    return left
