"""Two loci in sib matings of an eight-way funnel, before random mating."""

from __future__ import annotations

import numpy as np

from refsolve.core.check import FloatArray


def sib_same(r: FloatArray, generations: int) -> FloatArray:
    """Probability that a haplotype has one founder at both loci after sib generations.

    Three numbers follow each other linearly: the founder A at both loci of one haplotype, at one
    locus of each haplotype of an individual, and in two sibs.

    Parameters
    ----------
    r
        Recombination fractions.
    generations
        Sib generations; 1 is the progeny of two four-way crosses.
    """
    one, across, sibs = (1.0 - r) ** 2 / 8.0, 0.0 * r, (1.0 - r) / 32.0
    for _ in range(generations - 1):
        one, across, sibs = (
            (1.0 - r) * one + r * across,
            sibs,
            0.25 * one + 0.25 * across + 0.5 * sibs,
        )
    return np.asarray(8.0 * one)


def outbred_same(
    r: FloatArray, generations: float, progenitors: tuple[tuple[int, float], ...]
) -> FloatArray:
    """Probability of one founder at both loci of a haplotype after outbreeding.

    Parameters
    ----------
    r
        Recombination fractions.
    generations
        Of outbreeding; the first has gametes of the partially inbred lines.
    progenitors
        Sib generations of those lines, with shares.
    """
    first = sum(share * sib_same(r, k + 1) for k, share in progenitors)
    kept = (1.0 - r) ** (generations - 1.0)
    return np.asarray(kept * first + (1.0 - kept) / 8.0)
