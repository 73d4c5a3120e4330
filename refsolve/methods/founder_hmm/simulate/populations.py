"""Multi-parent populations bred by meioses, with the founder at every locus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import whole_numbers
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.founder_hmm.simulate.meioses import (
    checked_map,
    cross,
    funnel,
    mate_at_random,
    switch_rates,
)
from refsolve.methods.founder_hmm.textbook import PRE_CC, Mating

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_GENERATIONS = 1000


@dataclass(frozen=True, slots=True)
class SimulatedLines(Result):
    """Individuals whose founder is known at every locus.

    Attributes
    ----------
    haplotype
        (n, 2, L) founder codes of both haplotypes; of inbred lines they are alike.
    chromosome, position
        (L,) codes and centimorgans.
    n_founders
        Number of founders.
    order
        (n, K) founders in the funnel of each line; no columns where there is no funnel.
    inbred
        Whether calls are of inbred lines.
    """

    haplotype: IntArray
    chromosome: IntArray
    position: FloatArray
    n_founders: int
    order: IntArray
    inbred: bool

    @property
    def crossovers(self) -> IntArray:
        """(n,) changes of founder between loci of a chromosome, over both haplotypes."""
        inside = self.chromosome[1:] == self.chromosome[:-1]
        changed = self.haplotype[:, :, 1:] != self.haplotype[:, :, :-1]
        return np.asarray((changed & inside).sum(axis=(1, 2)))


def simulate_ril(
    *,
    n_lines: int,
    n_founders: int,
    position: ArrayLike,
    chromosome: ArrayLike | None = None,
    mating: Mating = "self",
    order: ArrayLike | Literal["random"] | None = None,
    generations: int | None = None,
    rng: RandomSource,
) -> SimulatedLines:
    """Recombinant inbred lines of a funnel, by selfing or sib mating.

    Every line has its own funnel of two-way crosses and is then inbred meiosis by meiosis;
    crossovers do not interfere.

    Parameters
    ----------
    n_lines
        Number of lines.
    n_founders
        2, 4, 8 or 16.
    position
        (L,) centimorgans, ascending within chromosomes.
    chromosome
        (L,) codes; None is a single chromosome.
    mating
        Selfing or sib mating.
    order
        (K,) or (n, K) founders in funnel order, "random" for one of each line, None for 0, 1, ...
    generations
        Generations of inbreeding; None goes on until every line is fixed at all loci.
    rng
        Seed or Generator.

    Returns
    -------
    The lines with their founders.

    Raises
    ------
    ValueError
        An argument breaks its rule.

    Examples
    --------
    >>> lines = simulate_ril(n_lines=2, n_founders=4, position=[0, 30, 60, 90], rng=8)
    >>> lines.haplotype[:, 0]
    array([[2, 2, 2, 3],
           [3, 1, 1, 0]])
    """
    if n_founders not in (2, 4, 8, 16):
        raise ValueError(f"n_founders = {n_founders}; a funnel has 2, 4, 8 or 16 founders")
    if mating not in ("self", "sib"):
        raise ValueError(f"mating is {mating!r}; expected self or sib")
    codes, cm = checked_map(position, chromosome)
    rates, generator = switch_rates(codes, cm), as_generator(rng)
    places = _orders(
        order, int(whole_numbers(n_lines, "n_lines", minimum=1)), n_founders, generator
    )
    breed = _self if mating == "self" else _sib
    haplotype = breed(places, rates, generations, generator)
    return SimulatedLines(haplotype, codes, cm, n_founders, places, inbred=True)


def simulate_intercross(
    *,
    n_individuals: int,
    n_founders: int,
    generations: int,
    position: ArrayLike,
    chromosome: ArrayLike | None = None,
    population_size: int = 500,
    rng: RandomSource,
) -> SimulatedLines:
    """Advanced intercross of two founders, or heterogeneous stock of several.

    Parameters
    ----------
    n_individuals
        Individuals sampled from the last generation.
    n_founders
        Number of founders; each individual of generation 1 is a cross of two of them at random.
    generations
        Number of the last generation, at least 2.
    position, chromosome
        As in `simulate_ril`.
    population_size
        Individuals of every generation before the last.
    rng
        Seed or Generator.

    Returns
    -------
    The individuals with their founders.

    Raises
    ------
    ValueError
        An argument breaks its rule.
    """
    codes, cm = checked_map(position, chromosome)
    rates, generator = switch_rates(codes, cm), as_generator(rng)
    size = int(whole_numbers(population_size, "population_size", minimum=2))
    k = int(whole_numbers(n_founders, "n_founders", minimum=2))
    last = int(whole_numbers(generations, "generations", minimum=2))
    one = generator.integers(0, k, size)
    two = (one + generator.integers(1, k, size)) % k
    people = np.stack([one, two], axis=1)[:, :, np.newaxis].repeat(cm.size, axis=2)
    haplotype = _outbreed(people, last - 1, size, n_individuals, rates, generator)
    return SimulatedLines(haplotype, codes, cm, k, _no_funnel(n_individuals), inbred=False)


def simulate_outbred(
    *,
    n_individuals: int,
    generations: int,
    position: ArrayLike,
    chromosome: ArrayLike | None = None,
    progenitors: Mapping[int, float] = PRE_CC,
    population_size: int = 175,
    rng: RandomSource,
) -> SimulatedLines:
    """Diversity Outbred: crosses between partly inbred eight-way lines, mated at random.

    Parameters
    ----------
    n_individuals
        Individuals sampled from the last generation.
    generations
        Number of the last generation; 1 are the crosses between lines.
    position, chromosome
        As in `simulate_ril`.
    progenitors
        Weight of each number of sib generations among the lines; each has a funnel order of its
        own.
    population_size
        Progenitor lines, and individuals of every generation before the last.
    rng
        Seed or Generator.

    Returns
    -------
    The individuals with their founders.

    Raises
    ------
    ValueError
        An argument breaks its rule.
    """
    codes, cm = checked_map(position, chromosome)
    rates, generator = switch_rates(codes, cm), as_generator(rng)
    size = int(whole_numbers(population_size, "population_size", minimum=2))
    last = int(whole_numbers(generations, "generations", minimum=1))
    weight = np.array(list(progenitors.values()), dtype=np.float64)
    depth = generator.choice(list(progenitors), size, p=weight / weight.sum())
    lines = np.empty((size, 2, cm.size), dtype=np.int64)
    for k in np.unique(depth):
        mine = np.flatnonzero(depth == k)
        places = _orders("random", mine.size, 8, generator)
        lines[mine] = _sib(places, rates, int(k), generator)
    haplotype = _outbreed(lines, last, size, n_individuals, rates, generator)
    return SimulatedLines(haplotype, codes, cm, 8, _no_funnel(n_individuals), inbred=False)


def _outbreed(
    people: IntArray,
    generations: int,
    size: int,
    n_individuals: int,
    rates: FloatArray,
    rng: np.random.Generator,
) -> IntArray:
    n = int(whole_numbers(n_individuals, "n_individuals", minimum=1))
    for left in range(generations, 0, -1):
        people = mate_at_random(people, size if left > 1 else n, rates, rng)
    return people


def _no_funnel(n: int) -> IntArray:
    return np.empty((n, 0), dtype=np.int64)


def _orders(
    order: ArrayLike | Literal["random"] | None, n: int, k: int, rng: np.random.Generator
) -> IntArray:
    if isinstance(order, str):
        if order != "random":
            raise ValueError(f"order is {order!r}; expected founders, None or 'random'")
        return np.array([rng.permutation(k) for _ in range(n)])
    places = np.arange(k) if order is None else whole_numbers(order, "order", minimum=0)
    if places.shape not in ((k,), (n, k)):
        raise ValueError(f"order has shape {places.shape}; expected ({k},) or ({n}, {k})")
    if (np.sort(places, axis=-1) != np.arange(k)).any():
        raise ValueError(f"order must hold each of 0 ... {k - 1} once in every row; correct it")
    return np.array(np.broadcast_to(places, (n, k)))


def _fixed(*people: IntArray) -> bool:
    return all(np.array_equal(p[:, i], people[0][:, 0]) for p in people for i in (0, 1))


def _self(
    order: IntArray, rates: FloatArray, generations: int | None, rng: np.random.Generator
) -> IntArray:
    line = funnel(order, rates, rng)
    for done in range(MOST_GENERATIONS if generations is None else generations):
        if generations is None and done and _fixed(line):
            break
        line = cross(line, line, rates, rng)
    return line


def _sib(
    order: IntArray, rates: FloatArray, generations: int | None, rng: np.random.Generator
) -> IntArray:
    half = order.shape[1] // 2
    one, two = (funnel(part, rates, rng) for part in (order[:, :half], order[:, half:]))
    for done in range(MOST_GENERATIONS if generations is None else generations):
        if generations is None and done and _fixed(one, two):
            break
        one, two = cross(one, two, rates, rng), cross(one, two, rates, rng)
    return one
