"""Crossing designs as chains along the map: states, start and transition, eqs. (2) to (6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mating = Literal["self", "sib"]

PRE_CC = {4: 21, 5: 64, 6: 24, 7: 10, 8: 5, 9: 9, 10: 5, 11: 3, 12: 3}
"""Pre-CC lines that founded the Diversity Outbred, by their generation of sib mating."""


class Design(NamedTuple):
    """A population seen at one line: hidden states along a chromosome.

    Attributes
    ----------
    n_founders
        Number of founders.
    states
        (S, 1) founder of a haplotype, or (S, 2) unordered pair of founders.
    initial
        (S,) probabilities at every single locus.
    step
        Gives the (S, S) conditional probabilities for a recombination fraction; rows sum to 1.
    """

    n_founders: int
    states: IntArray
    initial: FloatArray
    step: Callable[[float], FloatArray]


class TwoLoci(NamedTuple):
    """Probabilities that two loci carry the same founder, eq. (3).

    Attributes
    ----------
    within
        Both loci on one haplotype.
    between
        On the two haplotypes of one individual.
    sibs
        On haplotypes of two sibs.
    """

    within: float
    between: float
    sibs: float


def founding_gamete(n_founders: int, r: float) -> FloatArray:
    """(levels + 1,) a founder at one locus, one given founder at the other, in one gamete, eq. (2).

    The gamete was made by a tree of two-way crosses over a power of two of founders. Entry 0 is
    for the same founder, entry l for one founder whose branch joins at level l.

    Parameters
    ----------
    n_founders
        Founders below the gamete.
    r
        Recombination fraction at one meiosis.
    """
    levels = n_founders.bit_length() - 1
    others = [r * (1 - r) ** (levels - up) / 2 ** (up - 1) for up in range(1, levels + 1)]
    return np.array([(1 - r) ** levels, *others])


def ril_by_level(n_founders: int, mating: Mating, r: float) -> FloatArray:
    """(levels + 1,) conditional probabilities of a recombinant inbred line, eq. (2).

    Parameters
    ----------
    n_founders
        2, 4, 8 or 16.
    mating
        Selfing starts from two haplotypes, sib mating from four.
    r
        Recombination fraction at one meiosis.
    """
    strands, q = (2, 1 + 2 * r) if mating == "self" else (4, 1 + 6 * r)
    levels = n_founders.bit_length() - 1
    if n_founders < strands:  # two founders, each on two of the four strands
        return np.array([1 + 2 * r, 4 * r]) / q
    below = n_founders // strands
    own = founding_gamete(below, r) / q
    other = 2 * r / q / below
    return np.append(own, np.full(levels + 1 - own.size, other))


def ril(n_founders: int, mating: Mating = "self", order: Sequence[int] | None = None) -> Design:
    """Fully inbred line of a funnel, eq. (2).

    Parameters
    ----------
    n_founders
        2, 4, 8 or 16.
    mating
        How the line was inbred.
    order
        (K,) founder at each place of the funnel of this line; places 0 and 1 were crossed first.
    """
    if n_founders not in (2, 4, 8, 16):
        raise ValueError(f"n_founders = {n_founders}; a funnel has 2, 4, 8 or 16 founders")
    place = np.argsort(np.arange(n_founders) if order is None else np.asarray(order))
    level = np.array([[int(i ^ j).bit_length() for j in place] for i in place])

    def step(r: float) -> FloatArray:
        return np.asarray(ril_by_level(n_founders, mating, r)[level])

    return _haploid(np.full(n_founders, 1 / n_founders), step)


def general_ril(fractions: ArrayLike, generations: float) -> Design:
    """Line of any number of founders after a number of generations of recombination, eq. (5).

    Parameters
    ----------
    fractions
        (K,) contribution of each founder; they sum to 1.
    generations
        Meioses that could separate two loci; any number from 0.
    """
    alpha = np.asarray(fractions, dtype=np.float64)

    def step(r: float) -> FloatArray:
        stay = (1 - r) ** generations
        return np.asarray(stay * np.eye(alpha.size) + (1 - stay) * alpha)

    return _haploid(alpha, step)


def exchangeable(n_founders: int, expansion: float) -> Design:
    """Line of which only the density of changes of founder is known, eq. (5).

    Parameters
    ----------
    n_founders
        Number of founders; after a change all others are alike.
    expansion
        Changes of founder per Morgan.
    """

    def step(r: float) -> FloatArray:
        power = expansion * n_founders / (n_founders - 1) / 2
        stay = 1 / n_founders + (1 - 1 / n_founders) * (1 - 2 * r) ** power
        return _exchangeable(n_founders, stay)

    return _haploid(np.full(n_founders, 1 / n_founders), step)


def over_orders(design: Design) -> Design:
    """The average over all orders of a funnel: other founders are alike, eq. (5).

    Parameters
    ----------
    design
        One founder per state, all with one probability to stay.
    """

    def step(r: float) -> FloatArray:
        return _exchangeable(design.n_founders, float(design.step(r)[0, 0]))

    return design._replace(step=step)


def two_locus_self(n_founders: int, generations: int, r: float) -> TwoLoci:
    """Same founder at two loci after generations of selfing, eq. (3).

    Parameters
    ----------
    n_founders
        2, 4, 8 or 16; generation 0 has one haplotype from either half of the funnel.
    generations
        Generations of selfing.
    r
        Recombination fraction at one meiosis.
    """
    within, between = float(founding_gamete(n_founders // 2, r)[0]), 0.0
    for _ in range(generations):
        within, between = (1 - r) * within + r * between, (within + between) / 2
    return TwoLoci(within, between, np.nan)


def two_locus_sib(n_founders: int, generations: int, r: float) -> TwoLoci:
    """Same founder at two loci after generations of sib mating, eq. (3).

    Parameters
    ----------
    n_founders
        2, 4, 8 or 16; generation 0 is the pair that founds the line.
    generations
        Generations of sib mating; 1 are the first sibs.
    r
        Recombination fraction at one meiosis.
    """
    within, between, sibs = (
        (1.0, 1.0, 0.0)
        if n_founders == 2
        else (float(founding_gamete(n_founders // 4, r)[0]), 0.0, 0.0)
    )
    for _ in range(generations):
        within, between, sibs = (
            (1 - r) * within + r * between,
            sibs,
            within / 4 + between / 4 + sibs / 2,
        )
    return TwoLoci(within, between, sibs)


def intercross(n_founders: int, generations: int) -> Design:
    """Haplotype of an advanced intercross or heterogeneous stock, eq. (4).

    Parameters
    ----------
    n_founders
        Number of founders; all pairs of them were crossed alike to give generation 1.
    generations
        2 are the children of generation 1; mating is at random.
    """
    if generations < 2:
        raise ValueError(f"generations = {generations}; generation 2 is the first to recombine")

    def step(r: float) -> FloatArray:
        start = 1 - r - 1 / n_founders
        return _exchangeable(n_founders, 1 / n_founders + (1 - r) ** (generations - 2) * start)

    return _haploid(np.full(n_founders, 1 / n_founders), step)


def outbred(generations: int, progenitors: Mapping[int, float] = PRE_CC) -> Design:
    """Haplotype of the Diversity Outbred, eq. (4).

    Parameters
    ----------
    generations
        1 are the crosses between progenitors; mating is at random from then on.
    progenitors
        Weight of each generation of sib mating among the eight-way progenitors.
    """
    if generations < 1:
        raise ValueError(f"generations = {generations}; generation 1 are the first crosses")
    total = sum(progenitors.values())

    def step(r: float) -> FloatArray:
        loci = [(w / total, two_locus_sib(8, k, r)) for k, w in progenitors.items()]
        start = sum(w * ((1 - r) * two.within + r * two.between) for w, two in loci)
        return _exchangeable(8, 1 / 8 + (1 - r) ** (generations - 1) * (start - 1 / 8))

    return _haploid(np.full(8, 1 / 8), step)


def diplotypes(haplotype: Design) -> Design:
    """Unordered pairs of two independent haplotypes, eq. (6): AA, AB, BB, AC, BC, CC and so on.

    Parameters
    ----------
    haplotype
        Design with one founder per state.
    """
    k = haplotype.n_founders
    pairs = np.array([(a, b) for b in range(k) for a in range(b + 1)])
    one, two = pairs.T
    twice = np.where(one == two, 1.0, 2.0)

    def step(r: float) -> FloatArray:
        t = haplotype.step(r)
        direct = t[np.ix_(one, one)] * t[np.ix_(two, two)]
        crossed = t[np.ix_(one, two)] * t[np.ix_(two, one)]
        return np.asarray(np.where(one == two, direct, direct + crossed))

    initial = haplotype.initial[one] * haplotype.initial[two] * twice
    return Design(k, pairs, initial, step)


def steps(design: Design, fractions: ArrayLike) -> FloatArray:
    """(M-1, S, S) transition probabilities of the intervals between successive loci.

    Parameters
    ----------
    design
        Design of the line.
    fractions
        (M-1,) recombination fractions.
    """
    return np.array([design.step(float(r)) for r in np.asarray(fractions)])


def _haploid(initial: FloatArray, step: Callable[[float], FloatArray]) -> Design:
    return Design(initial.size, np.arange(initial.size)[:, np.newaxis], initial, step)


def _exchangeable(n: int, same: float) -> FloatArray:
    """(n, n) matrix with one probability of the same founder and one of each other founder."""
    return np.asarray((1 - same) / (n - 1) + (same - (1 - same) / (n - 1)) * np.eye(n))
