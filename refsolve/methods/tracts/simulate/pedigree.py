"""Chromosomes passed down a pedigree of finite size, without any Markov approximation."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import whole_numbers, within
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.tracts.simulate.tables import (
    FloatArray,
    IntArray,
    OfSources,
    checked_lengths,
    checked_migration,
    stack,
)

Strand = tuple[list[float], list[int]]  # right ends and labels of the pieces of one chromosome


@dataclass(frozen=True, slots=True)
class SimulatedPedigree(OfSources):
    """Haplotypes passed down a Wright–Fisher pedigree with recorded local ancestry.

    Attributes
    ----------
    haplotype, chromosome, start, end, ancestry, lengths
        As in `SimulatedTracts`; haplotypes 2i and 2i+1 are those of the mother and the father of
        sampled individual i.
    migration
        (T+1, K) expected fraction that arrives per generation before the present and source.
    arrived
        (T+1, K) individuals that did arrive.
    n_diploids
        Size of every generation.
    sexes
        Whether the parents are of two sexes; then the first half of each generation are mothers.
    map_scale
        Crossovers per Morgan in mothers and in fathers.
    """

    haplotype: IntArray
    chromosome: IntArray
    start: FloatArray
    end: FloatArray
    ancestry: IntArray
    lengths: FloatArray
    migration: FloatArray
    arrived: IntArray
    n_diploids: int
    sexes: bool
    map_scale: tuple[float, float]


class _Generation(NamedTuple):
    who: IntArray  # individuals that the sample descends from
    parents: IntArray  # (n, 2) places of mother and father in `who` of the generation before
    source: IntArray  # source of a migrant, -1 for one born here


def simulate_pedigree(
    *,
    migration: ArrayLike,
    lengths: ArrayLike,
    n_diploids: int,
    n_sampled: int = 1,
    sexes: bool = False,
    map_scale: tuple[float, float] = (1.0, 1.0),
    rng: RandomSource,
) -> SimulatedPedigree:
    """Diploids of a Wright–Fisher population; crossovers without interference.

    A migrant has both haplotypes from its source; the last generation are all migrants. Everybody
    else has two parents drawn from the generation before, with replacement. The sample is taken
    from generation 0, so that founders t generations ago leave t - 1 meioses that can switch.

    Parameters
    ----------
    migration
        (T+1, K) as in `simulate_history`; sources of individuals are drawn with these fractions.
    lengths
        (C,) Morgans of the sex-averaged map.
    n_diploids
        Individuals of every generation.
    n_sampled
        Individuals sampled.
    sexes
        Mothers come from the first half of a generation and fathers from the second.
    map_scale
        Map length of mothers and of fathers over the one given.
    rng
        Seed or Generator.

    Returns
    -------
    The tracts with their truth.

    Raises
    ------
    ValueError
        An argument breaks its rule.

    Examples
    --------
    >>> data = simulate_pedigree(migration=[[0, 0], [0, 0], [0, 0], [0.5, 0.5]],
    ...                          lengths=[1.0], n_diploids=50, rng=7)
    >>> data.haplotype, data.ancestry
    (array([0, 0, 0, 0, 1, 1, 1]), array([1, 0, 1, 0, 1, 0, 1]))
    """
    sizes, matrix = checked_lengths(lengths), checked_migration(migration)
    n = int(whole_numbers(n_diploids, "n_diploids", minimum=2 if sexes else 1))
    n_sampled = int(whole_numbers(n_sampled, "n_sampled", minimum=1))
    scale, generator = _scale(map_scale, sexes), as_generator(rng)
    sources = _arrivals(matrix, n, generator)
    pedigree = _ancestors(sources, n, n_sampled, sexes, generator)
    drawn = [_descend(pedigree, float(length), scale, generator) for length in sizes]
    cells = [
        (2 * i + k, c, *_left(people[i][k]))
        for i, k in np.ndindex(n_sampled, 2)
        for c, people in enumerate(drawn)
    ]
    return SimulatedPedigree(
        **stack(cells, sizes),
        migration=matrix,
        arrived=_count(sources, matrix.shape[1]),
        n_diploids=n,
        sexes=sexes,
        map_scale=(float(scale[0]), float(scale[1])),
    )


def _scale(map_scale: ArrayLike, sexes: bool) -> FloatArray:
    scale = within(map_scale, "map_scale", 0, np.inf, open_high=True)
    if scale.shape != (2,):
        raise ValueError(f"map_scale has shape {scale.shape}; expected mothers and fathers")
    if not sexes and scale[0] != scale[1]:
        raise ValueError("map_scale differs between the sexes; set sexes=True")
    return scale


def _count(sources: IntArray, n_sources: int) -> IntArray:
    """(T+1, K) migrants per generation and source."""
    return np.array([np.bincount(row[row >= 0], minlength=n_sources) for row in sources])


def _arrivals(migration: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
    """(T+1, n) source of every individual, -1 for those born in the population."""
    below = np.cumsum(migration, axis=1)
    below[-1, -1] = 1.0
    draw = rng.random((migration.shape[0], n))
    source = (draw[:, :, np.newaxis] >= below[:, np.newaxis, :]).sum(axis=2)
    return np.asarray(np.where(source == migration.shape[1], -1, source), dtype=np.int64)


def _ancestors(
    sources: IntArray, n: int, n_sampled: int, sexes: bool, rng: np.random.Generator
) -> list[_Generation]:
    """Generations 0..T, each cut down to the ancestors of the sample."""
    half = n // 2 if sexes else n
    who, generations = np.arange(n_sampled), []
    for t in range(sources.shape[0]):
        source = sources[t][who] if t else np.full(n_sampled, -1)
        mothers = rng.integers(0, half, who.size)
        fathers = rng.integers(n - half, n, who.size)
        parents = np.stack([mothers, fathers], axis=1)
        parents[source >= 0] = -1
        before = np.unique(parents[source < 0])
        generations.append(_Generation(who, np.searchsorted(before, parents), source))
        who = before
    return generations


def _descend(
    pedigree: Sequence[_Generation], length: float, scale: FloatArray, rng: np.random.Generator
) -> list[tuple[Strand, Strand]]:
    """One chromosome of all sampled individuals."""
    people: list[tuple[Strand, Strand]] = []
    for generation in reversed(pedigree):
        n = generation.who.size
        counts = rng.poisson(scale * length, (n, 2))
        firsts = rng.integers(0, 2, (n, 2))
        cuts = rng.random(int(counts.sum())) * length
        stop = np.cumsum(counts).reshape(n, 2)
        children = []
        for i in range(n):
            if generation.source[i] >= 0:
                strand = ([length], [int(generation.source[i])])
                children.append((strand, strand))
                continue
            mother, father = (
                _gamete(
                    people[generation.parents[i, k]],
                    sorted(cuts[stop[i, k] - counts[i, k] : stop[i, k]].tolist()),
                    int(firsts[i, k]),
                    length,
                )
                for k in (0, 1)
            )
            children.append((mother, father))
        people = children
    return people


def _gamete(parent: tuple[Strand, Strand], cuts: list[float], first: int, length: float) -> Strand:
    """Strand that begins with one of two and changes between them at every cut."""
    ends: list[float] = []
    labels: list[int] = []
    left = 0.0
    for k, cut in enumerate([*cuts, length]):
        from_ends, from_labels = parent[(first + k) % 2]
        i = bisect_right(from_ends, left) if left < length else len(from_ends) - 1
        while True:
            if labels and labels[-1] == from_labels[i]:
                ends[-1] = min(from_ends[i], cut)
            else:
                ends.append(min(from_ends[i], cut))
                labels.append(from_labels[i])
            if from_ends[i] >= cut:
                break
            i += 1
        left = cut
    return ends, labels


def _left(strand: Strand) -> tuple[list[float], list[int]]:
    """Left ends and labels of a strand."""
    ends, labels = strand
    return [0.0, *ends[:-1]], labels
