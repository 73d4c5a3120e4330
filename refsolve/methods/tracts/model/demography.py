"""Admixture in any number of events, and the tracts it leaves, eqs. (11) to (13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, one_of, real_vector, refuse
from refsolve.methods.tracts.model.inputs import CONVENTIONS


@dataclass(frozen=True, slots=True, eq=False)
class Demography:
    """Events of migration into one population, from the youngest to its founding.

    Parameters
    ----------
    times
        Generations ago of each event (E,), increasing; not necessarily whole.
    fractions
        Fraction of the population that arrives from each source (E, K); the founding, which is
        last, makes up the whole population.
    convention
        "founders": an individual that arrives at t recombines from t - 1 on; "coalescent": from t.
    """

    times: FloatArray
    fractions: FloatArray
    convention: str = "founders"

    def __post_init__(self) -> None:
        one_of(self.convention, "convention", CONVENTIONS)
        times = real_vector(self.times, "times")
        first = float(self.convention == "founders")
        refuse(times < first, "times", times, f"must be at least {first:g}", "count from today")
        refuse(np.diff(times, prepend=-1) <= 0, "times", times, "must increase", "sort events")
        fractions = np.asarray(self.fractions, np.float64)
        if fractions.ndim != 2 or fractions.shape[0] != times.size or fractions.shape[1] < 2:
            raise ValueError(
                f"fractions has shape {fractions.shape}; expected ({times.size}, sources); "
                "give one row per event"
            )
        refuse(~(fractions >= 0.0), "fractions", fractions, "must be at least 0", "correct it")
        total = fractions.sum(axis=1)
        refuse(total[:-1] >= 1.0, "fractions", total[:-1], "replaces everybody", "found there")
        if abs(total[-1] - 1.0) > 1e-9:
            raise ValueError(
                f"fractions of the founding sum to {total[-1]}; expected 1; divide by the sum"
            )
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "fractions", fractions)

    @property
    def proportions(self) -> FloatArray:
        """Share of each source (K,) in the population of today."""
        return np.asarray((self.fractions * self._surviving()[:, None]).sum(axis=0))

    def _surviving(self) -> FloatArray:
        """Probability (E,) that a lineage has not left the population before each event."""
        stay = 1.0 - self.fractions.sum(axis=1)
        return np.concatenate(([1.0], np.cumprod(stay[:-1])))

    def _opportunity(self) -> FloatArray:
        """Meioses (E,) up to each event, each weighted by one over the survival to it."""
        begin = float(self.convention == "founders")
        return np.cumsum(np.diff(self.times, prepend=begin) / self._surviving())


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Hidden states of a demography, in the eigenbases that the likelihood and lengths need.

    Attributes
    ----------
    decay
        Rates (K, n) of the eigenvectors of each ancestry, per Morgan.
    begin
        Stationary law (K, n) in these bases; its squares are weights that sum to the proportions.
    across
        Switch from ancestry to ancestry (K, K, n, n).
    whole_decay
        Rates (S,) of the chain of all ancestries.
    whole
        Its eigenvectors (K, n, S) seen from each ancestry.
    """

    decay: FloatArray
    begin: FloatArray
    across: FloatArray
    whole_decay: FloatArray
    whole: FloatArray


def pulses(
    events: Sequence[tuple[float, ArrayLike]], *, convention: str = "founders"
) -> Demography:
    """Demography of a few pulses.

    Parameters
    ----------
    events
        Pairs of time and fractions from each source, in any order; the oldest founds.
    convention
        As in `Demography`.

    Examples
    --------
    >>> from refsolve.methods.tracts import pulses
    >>> pulses([(15, [0.3, 0.7]), (5, [0.2, 0.0])]).proportions
    array([0.44, 0.56])
    """
    order = sorted(events, key=lambda event: event[0])
    rows = [np.asarray(fractions, np.float64) for _, fractions in order]
    return Demography(np.array([t for t, _ in order], np.float64), np.array(rows), convention)


def continuous(
    start: int,
    founding: ArrayLike,
    rates: ArrayLike,
    *,
    stop: int = 1,
    convention: str = "founders",
) -> Demography:
    """Demography with the same migration in every generation after its founding.

    Parameters
    ----------
    start
        Generations ago of the founding.
    founding
        Fractions of the sources in it (K,).
    rates
        Fraction that arrives from each source per generation (K,), from `start` - 1 to `stop`.
    stop
        Generations ago of the last migrants.
    convention
        As in `Demography`.
    """
    generations = np.arange(stop, start)
    rows = np.tile(np.asarray(rates, np.float64), (generations.size, 1))
    times = np.append(generations, start).astype(np.float64)
    return Demography(times, np.vstack([rows, np.asarray(founding, np.float64)]), convention)


def migration_matrix(migration: ArrayLike, *, convention: str = "founders") -> Demography:
    """Demography from a table with one row per generation.

    Parameters
    ----------
    migration
        Fraction that arrives from each source, (T + 1, K); row t is t generations ago, row 0 is
        today and empty, the last row is the founding.
    convention
        As in `Demography`.
    """
    table = np.asarray(migration, np.float64)
    if table.ndim != 2 or table.shape[0] < 2:
        raise ValueError(
            f"migration has shape {table.shape}; expected (generations + 1, sources); "
            "row 0 is today"
        )
    refuse(table[:1] != 0.0, "migration", table[:1], "is of today", "begin with an empty row")
    some = np.flatnonzero(table.any(axis=1))
    return Demography(some.astype(np.float64), table[some], convention)


def chain(demography: Demography) -> Chain:
    """Eigenbases of the hidden states of a demography.

    Parameters
    ----------
    demography
        The demography.
    """
    weight = demography.fractions * demography._surviving()[:, None]
    E, K = weight.shape
    opportunity = demography._opportunity()
    meet = np.minimum.outer(np.arange(E), np.arange(E))
    root = np.sqrt(weight)
    # Between pairs of event and ancestry; symmetric in these units, the chain is reversible.
    shared = opportunity[meet]
    rate = root[:, :, None, None] * root * shared[:, None, :, None]
    leave = shared @ weight.sum(axis=1)
    states = np.arange(E)
    for k in range(K):
        rate[states, k, states, k] -= leave
    decay, begin = np.empty((K, E)), np.empty((K, E))
    bases = np.empty((K, E, E))
    for k in range(K):
        values, bases[k] = np.linalg.eigh(-rate[:, k, :, k])
        decay[k], begin[k] = np.maximum(values, 0.0), root[:, k] @ bases[k]
    across = np.array(
        [[bases[k].T @ rate[:, k, :, j] @ bases[j] for j in range(K)] for k in range(K)]
    )
    values, vectors = np.linalg.eigh(-rate.reshape(E * K, E * K))
    by_ancestry = vectors.reshape(E, K, E * K)
    whole = np.array([bases[k].T @ by_ancestry[:, k] for k in range(K)])
    return Chain(decay, begin, across, np.maximum(values, 0.0), whole)


def expected_tail(demography: Demography, lengths: ArrayLike, x: ArrayLike) -> FloatArray:
    """Expected tracts (K, X) of at least a length, over some haploid chromosomes, eq. (12).

    Parameters
    ----------
    demography
        The demography.
    lengths
        Map lengths of the chromosomes in Morgans.
    x
        Tract lengths in Morgans; a chromosome without a switch is a tract of its length.
    """
    return _tail(chain(demography), real_vector(lengths, "lengths"), real_vector(x, "x"))


def expected_histogram(
    demography: Demography, lengths: ArrayLike, edges: ArrayLike, *, n_haplotypes: int = 1
) -> FloatArray:
    """Expected tracts (K, B) by length.

    Parameters
    ----------
    demography
        The demography.
    lengths
        Map lengths of the chromosomes of one haplotype in Morgans.
    edges
        Edges of the bins (B + 1,), increasing; a bin holds its lower edge. A chromosome without a
        switch falls into the bin of its length, and the last bin holds the longest chromosome.
    n_haplotypes
        Number of haplotypes.
    """
    edge, length = real_vector(edges, "edges"), real_vector(lengths, "lengths")
    refuse(np.diff(edge, prepend=-np.inf) <= 0, "edges", edge, "must increase", "sort the edges")
    tail = _tail(chain(demography), length, edge)
    if edge[-1] == length.max():
        tail[:, -1] = 0.0
    return np.asarray(n_haplotypes * (tail[:, :-1] - tail[:, 1:]))


def _tail(links: Chain, lengths: FloatArray, x: FloatArray) -> FloatArray:
    # Chromosomes of at least x: their number, and the Morgans they reach beyond x.
    order = np.sort(lengths)
    n = lengths.size - np.searchsorted(order, x - 1e-12, side="left")
    total = np.concatenate((np.cumsum(order[::-1])[::-1], [0.0]))[lengths.size - n]
    beyond = np.maximum(total - n * x, 0.0)
    weight = links.begin**2
    fade = weight[:, None] * np.exp(-links.decay[:, None] * x[:, None])
    return np.asarray(n * fade.sum(axis=2) + beyond * (fade * links.decay[:, None]).sum(axis=2))
