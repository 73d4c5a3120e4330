"""Likelihood of a cohort under a demography: of whole paths, eq. (11), or of tract lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, xlogy

from refsolve.core.check import FloatArray, real_vector
from refsolve.methods.tracts.kernels import chains
from refsolve.methods.tracts.model.container import SLACK, Tracts
from refsolve.methods.tracts.model.demography import Chain, Demography, chain, expected_histogram

Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]

CHUNK = 50_000  # tracts of one task, about


@dataclass(frozen=True, slots=True, eq=False)
class LengthCounts:
    """Tracts of a cohort by ancestry and length.

    Attributes
    ----------
    edges
        Edges of the bins (B + 1,) in Morgans.
    counts
        Tracts (K, B).
    lengths
        Map lengths of the chromosomes (C,).
    n_haplotypes
        Number of haplotypes.
    """

    edges: FloatArray
    counts: FloatArray
    lengths: FloatArray
    n_haplotypes: int

    def __add__(self, other: LengthCounts) -> LengthCounts:
        """Both cohorts together; they have the same map and bins."""
        for name in ("edges", "lengths"):
            if not np.array_equal(getattr(self, name), getattr(other, name)):
                raise ValueError(f"{name} of the two cohorts differ; count both alike")
        n = self.n_haplotypes + other.n_haplotypes
        return LengthCounts(self.edges, self.counts + other.counts, self.lengths, n)


def count_lengths(tracts: Tracts, edges: ArrayLike) -> LengthCounts:
    """Count tracts by ancestry and length; touching neighbours of one ancestry are one tract.

    Parameters
    ----------
    tracts
        Tracts without gaps; a gap ends a tract.
    edges
        Edges of the bins (B + 1,); the last bin holds its upper edge. Other lengths are left out.
    """
    edge, whole = real_vector(edges, "edges"), tracts.joined()
    counts = [np.histogram(whole.length[whole.ancestry == k], edge)[0] for k in range(_K(tracts))]
    return LengthCounts(edge, np.array(counts, np.float64), tracts.lengths, tracts.n_haplotypes)


def _K(tracts: Tracts) -> int:
    return tracts.n_ancestries


def length_log_likelihood(counts: LengthCounts, demography: Demography) -> float:
    """Log-likelihood of tracts by length as if every bin were Poisson, eq. (14).

    Tracts of one chromosome are not independent: the maximum is a good estimate, and its curvature
    overstates how good.

    Parameters
    ----------
    counts
        Tracts by length.
    demography
        The demography.
    """
    expected = expected_histogram(
        demography, counts.lengths, counts.edges, n_haplotypes=counts.n_haplotypes
    )
    terms = xlogy(counts.counts, expected) - expected - gammaln(counts.counts + 1.0)
    return float(terms.sum())


def chain_log_likelihood(tracts: Tracts, demography: Demography, *, map_: Mapper = map) -> float:
    """Log-likelihood of the paths of all haplotypes, exact for the chain of the demography.

    Parameters
    ----------
    tracts
        The tracts; gaps are crossed with their exact transition probability.
    demography
        The demography, of as many sources as the tracts have ancestries.
    map_
        How tasks are run; threads share the tracts.
    """
    if demography.fractions.shape[1] != tracts.n_ancestries:
        raise ValueError(
            f"demography has {demography.fractions.shape[1]} sources and tracts "
            f"{tracts.n_ancestries} ancestries; give as many"
        )
    tasks = _tasks(tracts)
    parts = dict(map_(partial(_part, tracts, chain(demography)), tasks))
    return float(sum(parts[task[0]] for task in tasks))


def _tasks(tracts: Tracts) -> list[tuple[int, int]]:
    """Stretches of whole paths."""
    if tracts.n_tracts <= CHUNK:
        return [(0, tracts.n_tracts)]
    first = np.flatnonzero(~tracts.follows)
    marks = np.arange(0, tracts.n_tracts, CHUNK)
    begin = np.unique(first[np.searchsorted(first, marks, "right") - 1]).tolist()
    return list(pairwise([*begin, tracts.n_tracts]))


def _part(tracts: Tracts, links: Chain, task: tuple[int, int]) -> tuple[int, float]:
    low, high = task
    value = chains.chain_log_likelihood(
        tracts.haplotype[low:high],
        tracts.chromosome[low:high],
        tracts.start[low:high],
        tracts.end[low:high],
        tracts.ancestry[low:high],
        SLACK,
        links.decay,
        links.begin,
        links.across,
        links.whole_decay,
        links.whole,
    )
    return low, value
