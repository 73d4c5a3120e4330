"""Histories of migration as Markov chains along the map, eq. (13)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.methods.tracts.textbook.chains import Chain, with_diagonal
from refsolve.methods.tracts.textbook.pulse import OFFSET, Convention

FloatArray = NDArray[np.float64]


def pulses(events: Sequence[tuple[int, ArrayLike]]) -> FloatArray:
    """Migration matrix (T+1, K) of pulses, each its generation and its fraction per source.

    The oldest pulse founds the population: its fractions sum to 1. A younger pulse replaces the
    fractions it names.

    Examples
    --------
    >>> pulses([(2, [0.3, 0.7]), (1, [0.1, 0.0])])
    array([[0. , 0. ],
           [0.1, 0. ],
           [0.3, 0.7]])
    """
    migration = np.zeros((max(t for t, _ in events) + 1, np.size(events[0][1])))
    for t, fractions in events:
        migration[t] += np.asarray(fractions)
    return migration


def continuous(start: int, stop: int, founders: ArrayLike, rate: ArrayLike) -> FloatArray:
    """Migration matrix of a founding in generation `start`, then the same influx down to `stop`."""
    return pulses([(start, founders), *((t, rate) for t in range(stop, start))])


def demography_chain(migration: ArrayLike, convention: Convention = "founders") -> Chain:
    """States, rates and stationary distribution of eq. (13).

    Parameters
    ----------
    migration
        (T+1, K) fraction of the population that arrives in generation t before the present from
        source k. Row 0 is zero; the last row sums to 1.
    convention
        Whether a recombination in the sampled haplotype's own generation counts, eq. (2).
    """
    arrivals = np.asarray(migration, dtype=np.float64)
    rows, sources = np.nonzero(arrivals)
    times = [int(t) for t in rows]
    share, stay = arrivals[rows, sources], 1 - arrivals.sum(axis=1)

    def survival(i: int, j: int) -> float:
        return float(np.prod(stay[i:j]))

    rates = np.zeros((len(times), len(times)))
    for i, j in np.ndindex(rates.shape):
        events = range(OFFSET[convention], min(times[i], times[j]))
        rates[i, j] = share[j] * sum(survival(event + 1, times[j]) for event in events)
    stationary = share * np.array([survival(1, t) for t in times])
    return Chain(with_diagonal(rates), stationary, sources)
