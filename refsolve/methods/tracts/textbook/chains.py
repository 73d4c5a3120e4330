"""Markov chains whose states carry ancestry labels: exact path likelihood and tract lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import expm
from scipy.special import gammaln, xlogy

from refsolve.methods.tracts.textbook.paths import IntArray, Path, Statistics

FloatArray = NDArray[np.float64]


class Chain(NamedTuple):
    """Reversible Markov chain along the map.

    Attributes
    ----------
    generator
        (S, S) rates per Morgan; rows sum to zero.
    stationary
        (S,) distribution at every locus.
    label
        (S,) ancestry of each state.
    """

    generator: FloatArray
    stationary: FloatArray
    label: IntArray


def with_diagonal(rates: FloatArray) -> FloatArray:
    """Generator from the rates between different states."""
    rates = rates - np.diag(np.diag(rates))
    return np.asarray(rates - np.diag(rates.sum(axis=1)))


def pulse_chain(rate: float, fractions: ArrayLike) -> Chain:
    """One pulse of any number of ancestries: every recombination draws a label, eq. (3)."""
    m = np.asarray(fractions, dtype=np.float64)
    rates = np.array([rate * m] * m.size)
    return Chain(with_diagonal(rates), m, np.arange(m.size))


def diploid_chain(rates: tuple[float, float], fractions: tuple[float, float]) -> Chain:
    """Two independent haplotypes of one pulse each, seen as 0, 1 or 2 copies of B, eq. (10)."""
    one, two = (pulse_chain(r, [m, 1 - m]) for r, m in zip(rates, fractions, strict=True))
    generator = np.kron(one.generator, np.eye(2)) + np.kron(np.eye(2), two.generator)
    copies = (one.label[:, np.newaxis] + two.label).ravel()
    stationary = np.outer(one.stationary, two.stationary).ravel()
    return Chain(generator, stationary, copies)


def observed_log_likelihood(stats: Statistics, chain: Chain) -> float:
    """Log-likelihood of a chain with one state per label, from sufficient statistics."""
    leave = -np.diag(chain.generator)
    events = xlogy(stats.switches, chain.generator + np.diag(leave)).sum()
    return float(xlogy(stats.first, chain.stationary).sum() + events - stats.exposure @ leave)


def aggregated_log_likelihood(path: Path, chain: Chain) -> float:
    """Log-density of a path of labels, eq. (11): exact for every chain, and through gaps.

    Before the first and after the last tract the chain is stationary, so that nothing is lost when
    a chromosome end is not called.
    """
    inside = [np.flatnonzero(chain.label == k) for k in path.label]
    weight, log_scale = chain.stationary[inside[0]], 0.0
    for i, here in enumerate(inside):
        block = chain.generator[np.ix_(here, here)]
        weight = weight @ expm(block * (path.end[i] - path.start[i]))
        if i + 1 < len(inside):
            gap = path.start[i + 1] - path.end[i]
            step = expm(chain.generator * gap) if gap > 0 else chain.generator
            weight = weight @ step[np.ix_(here, inside[i + 1])]
        if weight.sum() <= 0:
            return -np.inf
        log_scale += float(np.log(weight.sum()))
        weight = weight / weight.sum()
    return log_scale


def tail(chain: Chain, label: int, x: float, length: float) -> float:
    """Expected tracts of a label, at least `x` long, on one haploid chromosome, eq. (12)."""
    if x > length:
        return 0.0
    mine = chain.label == label
    block = chain.generator[np.ix_(mine, mine)]
    survival = expm(block * x).sum(axis=1)
    start = chain.stationary[mine]
    return float(start @ survival - (length - x) * (start @ block @ survival))


def histogram(
    chain: Chain,
    label: int,
    edges: Sequence[float],
    lengths: Sequence[float],
    n_haplotypes: int = 1,
) -> FloatArray:
    """Expected tracts of a label with length in [edge, next edge), eq. (12)."""
    tails = [sum(tail(chain, label, x, length) for length in lengths) for x in edges]
    return np.asarray(-n_haplotypes * np.diff(tails))


def histogram_log_likelihood(counts: ArrayLike, expected: ArrayLike) -> float:
    """Independent Poisson counts per bin, eq. (14)."""
    counts, expected = np.asarray(counts), np.asarray(expected)
    return float((xlogy(counts, expected) - expected - gammaln(counts + 1)).sum())
