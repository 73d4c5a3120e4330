"""Probability of what was observed at a marker, given the founders there, eqs. (7) and (8)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import comb
from scipy.stats import multivariate_normal, norm

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Unknown = float | Literal["peer"]

MISSING = -1
HET = 2
"""Heterozygous call of an inbred line; for pairs of founders 2 is two copies of allele 1."""


def call_emission(
    call: int, alleles: ArrayLike, error: float, unknown: Unknown = 0.5
) -> FloatArray:
    """(K,) probability of the call of an inbred line, eq. (7).

    A heterozygous call says nothing about the founder where residual heterozygosity is not part of
    the model: it is treated as missing.

    Parameters
    ----------
    call
        0, 1, `HET` or `MISSING`.
    alleles
        (K,) founder alleles 0, 1 or `MISSING`.
    error
        Probability that the call is the other allele.
    unknown
        Probability that a founder without a call carries allele 1; "peer" gives 1 for such a
        founder and the error for all others at heterozygous calls, as R/qtl2 does.
    """
    a = np.asarray(alleles)
    if call == MISSING:
        return np.ones(a.size)
    if unknown == "peer":
        return np.where(a == MISSING, 1.0, np.where(a == call, 1 - error, error))
    if call == HET:
        return np.ones(a.size)
    carries = np.where(a == MISSING, unknown, a)
    matches = carries if call == 1 else 1 - carries
    return np.asarray(matches * (1 - error) + (1 - matches) * error)


def dosage_weights(alleles: ArrayLike, states: IntArray, unknown: float = 0.5) -> FloatArray:
    """(S, n + 1) probability that the n founders of each state carry 0..n copies of allele 1.

    Parameters
    ----------
    alleles
        (K,) founder alleles 0, 1 or `MISSING`.
    states
        (S, n) founders of each state; equal founders carry the same allele.
    unknown
        Probability that a founder without a call carries allele 1.
    """
    a = np.asarray(alleles)
    carries = np.where(a == MISSING, unknown, a).astype(np.float64)
    weights = np.zeros((len(states), states.shape[1] + 1))
    for s, founders in enumerate(states):
        different = sorted(set(founders.tolist()))
        for drawn in itertools.product((0, 1), repeat=len(different)):
            allele = dict(zip(different, drawn, strict=True))
            chance = [carries[f] if x else 1 - carries[f] for f, x in allele.items()]
            weights[s, sum(allele[f] for f in founders.tolist())] += np.prod(chance)
    return weights


def diplotype_emission(
    call: int, alleles: ArrayLike, error: float, states: IntArray, unknown: float = 0.5
) -> FloatArray:
    """(S,) probability of the genotype of an outbred individual, eq. (8).

    Parameters
    ----------
    call
        0, 1 or 2 copies of allele 1, or `MISSING`.
    alleles
        (K,) founder alleles 0, 1 or `MISSING`.
    error
        Probability of a wrong genotype, half for either.
    states
        (S, 2) founders of each state.
    unknown
        Probability that a founder without a call carries allele 1.
    """
    if call == MISSING:
        return np.ones(len(states))
    seen = np.full(3, error / 2)
    seen[call] = 1 - error
    return np.asarray(dosage_weights(alleles, states, unknown) @ seen)


def dosage_emission(
    dosage: float, alleles: ArrayLike, sd: float, states: IntArray, unknown: float = 0.5
) -> FloatArray:
    """(S,) density of an imputed dosage, normal around that of the founders, eq. (8).

    Parameters
    ----------
    dosage
        Between 0 and the number of founders of a state; NaN is missing.
    alleles, states, unknown
        As in `dosage_weights`.
    sd
        Standard deviation of the dosage.
    """
    if np.isnan(dosage):
        return np.ones(len(states))
    weights = dosage_weights(alleles, states, unknown)
    return np.asarray(weights @ norm.pdf(dosage, np.arange(weights.shape[1]), sd))


def intensity_emission(
    intensity: ArrayLike,
    means: Sequence[ArrayLike],
    covariances: Sequence[ArrayLike],
    alleles: ArrayLike,
    states: IntArray,
    unknown: float = 0.5,
) -> FloatArray:
    """(S,) density of the intensities of both alleles, normal around their genotype, eq. (8).

    Parameters
    ----------
    intensity
        (2,) intensities of allele 0 and allele 1; NaN is missing.
    means, covariances
        (2,) and (2, 2) for each number of copies of allele 1 that a state can have.
    alleles, states, unknown
        As in `dosage_weights`.
    """
    xy = np.asarray(intensity, dtype=np.float64)
    if np.isnan(xy).any():
        return np.ones(len(states))
    seen = [multivariate_normal.pdf(xy, m, c) for m, c in zip(means, covariances, strict=True)]
    return np.asarray(dosage_weights(alleles, states, unknown) @ np.array(seen))


def read_emission(
    reads: tuple[int, int],
    alleles: ArrayLike,
    error: float,
    states: IntArray,
    unknown: float = 0.5,
) -> FloatArray:
    """(S,) probability of read counts, binomial in the share of allele 1, eq. (8).

    Parameters
    ----------
    reads
        Reads of allele 0 and of allele 1; no reads say nothing.
    alleles, states, unknown
        As in `dosage_weights`.
    error
        Probability that a read shows the other allele.
    """
    zero, one = reads
    weights = dosage_weights(alleles, states, unknown)
    share = np.arange(weights.shape[1]) / (weights.shape[1] - 1)
    p = share * (1 - error) + (1 - share) * error
    return np.asarray(weights @ (comb(zero + one, one) * p**one * (1 - p) ** zero))
