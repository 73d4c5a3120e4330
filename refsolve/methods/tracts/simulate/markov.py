"""Haplotypes drawn from the Markov chains of eqs. (3) and (13)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import refuse, within
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.tracts.simulate.tables import (
    FloatArray,
    IntArray,
    Observable,
    OfSources,
    checked_lengths,
    checked_migration,
    columns,
    stack,
)
from refsolve.methods.tracts.textbook import Chain, Convention, demography_chain, rate_of_time


@dataclass(frozen=True, slots=True)
class SimulatedTracts(Observable):
    """Haplotypes of one pulse each: what is observed, and the truth.

    Attributes
    ----------
    haplotype, chromosome
        (N,) codes of the rows, which are in the order of haplotype, chromosome and start.
    start, end
        (N,) Morgans.
    ancestry
        (N,) label, 0 is A.
    lengths
        (C,) Morgans.
    time, fraction
        (H,) generations since the pulse and fraction of A, of each haplotype.
    convention
        How `time` leads to a rate, eq. (2).
    """

    haplotype: IntArray
    chromosome: IntArray
    start: FloatArray
    end: FloatArray
    ancestry: IntArray
    lengths: FloatArray
    time: FloatArray
    fraction: FloatArray
    convention: Convention


@dataclass(frozen=True, slots=True)
class SimulatedHistory(OfSources):
    """Haplotypes of any history of migration.

    Attributes
    ----------
    migration
        (T+1, K) fraction that arrives per generation before the present and source.
    haplotype, chromosome, start, end, ancestry, lengths, convention
        As in `SimulatedTracts`; `ancestry` is the source.
    """

    haplotype: IntArray
    chromosome: IntArray
    start: FloatArray
    end: FloatArray
    ancestry: IntArray
    lengths: FloatArray
    migration: FloatArray
    convention: Convention


def simulate_tracts(
    *,
    time: ArrayLike,
    fraction: ArrayLike,
    lengths: ArrayLike,
    n_haplotypes: int = 2,
    convention: Convention = "founders",
    rng: RandomSource,
) -> SimulatedTracts:
    """Haplotypes of one pulse, eq. (3).

    Recombinations are a Poisson process; every piece between two of them draws its label.

    Parameters
    ----------
    time, fraction
        Generations since the pulse and fraction of A; one value, or one per haplotype.
    lengths
        (C,) Morgans.
    n_haplotypes
        Number of haplotypes.
    convention
        Whether the rate per Morgan is `time` - 1 ("founders") or `time` ("coalescent").
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
    >>> data = simulate_tracts(time=6, fraction=[0.2, 0.7], lengths=[1.0, 0.5], rng=4)
    >>> data.ancestry
    array([1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0])
    """
    sizes = checked_lengths(lengths)
    generator = as_generator(rng)
    times, fractions = _per_haplotype(time, fraction, n_haplotypes)
    rates = np.array([rate_of_time(t, convention) for t in times])
    refuse(rates < 0, "time", times, "is before the pulse", "the discrete convention begins at 1")
    counts = 1 + generator.poisson(np.outer(rates, sizes))
    h, c = (np.repeat(code.ravel(), counts.ravel()) for code in np.indices(counts.shape))
    cut = generator.random(h.size) * sizes[c]
    cut[np.cumsum(counts.ravel()) - counts.ravel()] = 0.0
    label = (generator.random(h.size) >= fractions[h]).astype(np.int64)
    order = np.lexsort((cut, c, h))
    table = columns(h, c, cut[order], label, sizes)
    return SimulatedTracts(**table, time=times, fraction=fractions, convention=convention)


def simulate_history(
    *,
    migration: ArrayLike,
    lengths: ArrayLike,
    n_haplotypes: int = 2,
    convention: Convention = "founders",
    rng: RandomSource,
) -> SimulatedHistory:
    """Haplotypes of any history of migration, eq. (13).

    Parameters
    ----------
    migration
        (T+1, K) fraction of the population that arrives per generation before the present and
        source; row 0 is zero, the last one sums to 1. `textbook.pulses` makes it.
    lengths, n_haplotypes, convention, rng
        As in `simulate_tracts`.

    Returns
    -------
    The tracts with their truth.

    Raises
    ------
    ValueError
        An argument breaks its rule.
    """
    sizes, matrix = checked_lengths(lengths), checked_migration(migration)
    generator, chain = as_generator(rng), demography_chain(matrix, convention)
    cells = [
        (h, c, *_walk(chain, length, generator))
        for h in range(n_haplotypes)
        for c, length in enumerate(sizes)
    ]
    return SimulatedHistory(**stack(cells, sizes), migration=matrix, convention=convention)


def _walk(chain: Chain, length: float, rng: np.random.Generator) -> tuple[list[float], list[int]]:
    """Left ends and labels along one chromosome."""
    n_states, leave = chain.stationary.size, -np.diag(chain.generator)
    state = int(rng.choice(n_states, p=chain.stationary))
    cuts, labels, position = [0.0], [int(chain.label[state])], 0.0
    while leave[state] > 0:
        position += rng.exponential(1 / leave[state])
        if position >= length:
            break
        jump = np.where(np.arange(n_states) == state, 0, chain.generator[state]) / leave[state]
        state = int(rng.choice(n_states, p=jump))
        cuts.append(position)
        labels.append(int(chain.label[state]))
    return cuts, labels


def _per_haplotype(
    time: ArrayLike, fraction: ArrayLike, n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    times, fractions = (
        within(time, "time", 0, np.inf, open_high=True),
        within(fraction, "fraction", 0, 1),
    )
    for name, values in (("time", times), ("fraction", fractions)):
        if values.shape not in ((), (1,), (n,)):
            raise ValueError(f"{name} has shape {values.shape}; expected one value or {n}")
    return np.broadcast_to(times, n).copy(), np.broadcast_to(fractions, n).copy()
