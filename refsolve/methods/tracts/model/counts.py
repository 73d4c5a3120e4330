"""Sufficient statistics of tracts: exposure, switches and first labels by group."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray, one_of, real_vector, refuse
from refsolve.core.result import Result
from refsolve.methods.tracts.kernels import paths
from refsolve.methods.tracts.model.container import (
    SLACK,
    CodeArray,
    LabelArray,
    Tracts,
    codes,
    column,
)

GAPS = {"cut": paths.CUT, "carry": paths.CARRY, "integrate": paths.INTEGRATE}
GROUPS = ("all", "haplotype", "individual", "chromosome", "cell")


@dataclass(frozen=True, slots=True)
class PathCounts(Result):
    """What the likelihood of tracts needs, one row per group of haplotypes and chromosomes.

    Attributes
    ----------
    exposure
        Morgans called as each ancestry (G, K).
    switches
        Changes from label to label (G, K, K).
    first
        Paths that begin with each label (G, K).
    map_length
        Map length of all chromosomes of the group (G,), over its haplotypes.
    gap_start
        Where the gaps of each group begin among all gaps (G + 1,); none unless they are integrated.
    gap_from, gap_to
        Labels on both sides of each gap.
    gap_length
        Morgans of each gap.
    """

    exposure: FloatArray
    switches: FloatArray
    first: FloatArray
    map_length: FloatArray
    gap_start: IntArray
    gap_from: LabelArray
    gap_to: LabelArray
    gap_length: FloatArray

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.exposure.shape[0])

    @property
    def n_switches(self) -> FloatArray:
        """Switches of each group (G,), across integrated gaps too."""
        across = np.zeros(self.n_groups)
        group = np.repeat(np.arange(self.n_groups), np.diff(self.gap_start))
        np.add.at(across, group, self.gap_from != self.gap_to)
        return np.asarray(self.switches.sum(axis=(1, 2)) + across)

    @property
    def fraction(self) -> FloatArray:
        """Share of each label (G, K) in the called span."""
        total = self.exposure.sum(axis=1, keepdims=True)
        share: FloatArray = np.full_like(self.exposure, np.nan)
        np.divide(self.exposure, total, out=share, where=total > 0.0)
        return share

    def pooled(self) -> PathCounts:
        """All groups as one."""
        return replace(
            self,
            exposure=self.exposure.sum(axis=0, keepdims=True),
            switches=self.switches.sum(axis=0, keepdims=True),
            first=self.first.sum(axis=0, keepdims=True),
            map_length=self.map_length.sum(keepdims=True),
            gap_start=np.array([0, self.gap_length.size]),
        )


def count_paths(tracts: Tracts, *, by: str = "haplotype", gaps: str = "carry") -> PathCounts:
    """Sufficient statistics of tracts.

    Parameters
    ----------
    tracts
        The tracts.
    by
        "all", "haplotype", "individual" (haplotypes 2i and 2i + 1), "chromosome", or "cell" (one
        row per haplotype and chromosome, chromosomes of a haplotype together).
    gaps
        What an uncalled gap between two tracts does: "carry" continues the path, so that a change
        of ancestry across it is one switch, and adds no exposure; "cut" begins a new path;
        "integrate" keeps it for its exact transition probability.

    Examples
    --------
    >>> from refsolve.methods.tracts import Tracts, count_paths
    >>> tracts = Tracts([0, 0, 0], [0, 0, 0], [0.0, 0.4, 0.9], [0.4, 0.8, 1.0], [0, 1, 0], [1.0])
    >>> count_paths(tracts).exposure
    array([[0.5, 0.4]])
    >>> count_paths(tracts).n_switches
    array([2.])
    """
    one_of(gaps, "gaps", tuple(GAPS))
    of_haplotype, of_chromosome, G = _rows(tracts, by)
    K = tracts.n_ancestries
    exposure, first = np.zeros((G, K)), np.zeros((G, K))
    switches = np.zeros((G, K, K))
    n, _ = paths.count_paths(
        *_columns(tracts),
        of_haplotype,
        of_chromosome,
        GAPS[gaps],
        SLACK,
        *_fresh(tracts.n_haplotypes),
        exposure,
        switches,
        first,
    )
    after = _after_gaps(tracts, n if gaps == "integrate" else 0)
    row = of_haplotype[tracts.haplotype[after]] + of_chromosome[tracts.chromosome[after]]
    after = after[np.argsort(row, kind="stable")]
    gap_start = np.append(0, np.cumsum(np.bincount(row, minlength=G)))
    return PathCounts(
        exposure,
        switches,
        first,
        _map_length(tracts, of_haplotype, of_chromosome, G),
        gap_start,
        tracts.ancestry[after - 1],
        tracts.ancestry[after],
        tracts.start[after] - tracts.end[after - 1],
    )


def _after_gaps(tracts: Tracts, n: int) -> IntArray:
    """Positions of the tracts that follow the n gaps."""
    after = np.empty(n, np.int64)
    if n:
        paths.list_gaps(*_columns(tracts)[:4], SLACK, after)
    return after


def _columns(tracts: Tracts) -> tuple[CodeArray, CodeArray, FloatArray, FloatArray, LabelArray]:
    return tracts.haplotype, tracts.chromosome, tracts.start, tracts.end, tracts.ancestry


def _fresh(n_haplotypes: int) -> tuple[CodeArray, LabelArray, FloatArray]:
    """Where haplotypes stand before their first tract."""
    nowhere = np.full(n_haplotypes, -1, np.int32)
    return nowhere, np.zeros(n_haplotypes, np.int8), np.zeros(n_haplotypes)


class PathAccumulator:
    """Sufficient statistics of a cohort that is too large to hold, from batches of tracts.

    A batch may end anywhere in a chromosome: what a haplotype carries over is kept. Tracts of one
    haplotype and chromosome come in order, in one batch or in successive ones.

    Parameters
    ----------
    n_haplotypes
        Haplotypes of the cohort.
    lengths
        Map lengths of the chromosomes (C,) in Morgans.
    by
        "haplotype", "individual" or "all".
    gaps
        "carry" or "cut", as in `count_paths`.
    n_ancestries
        Number of ancestries.

    Examples
    --------
    >>> from refsolve.methods.tracts import PathAccumulator
    >>> cohort = PathAccumulator(1, [1.0])
    >>> cohort.add([0, 0], [0, 0], [0.0, 0.4], [0.4, 0.9], [0, 1])
    >>> cohort.add([0], [0], [0.9], [1.0], [0])
    >>> cohort.total().n_switches
    array([2.])
    """

    def __init__(
        self,
        n_haplotypes: int,
        lengths: ArrayLike,
        *,
        by: str = "haplotype",
        gaps: str = "carry",
        n_ancestries: int = 2,
    ) -> None:
        one_of(by, "by", ("haplotype", "individual", "all"))
        one_of(gaps, "gaps", ("carry", "cut"))
        self._lengths = real_vector(lengths, "lengths")
        self._gaps, self._K = GAPS[gaps], n_ancestries
        self._row, _, G = _rows_of(n_haplotypes, self._lengths.size, by)
        self._last = _fresh(n_haplotypes)
        self._exposure, self._first = np.zeros((G, n_ancestries)), np.zeros((G, n_ancestries))
        self._switches = np.zeros((G, n_ancestries, n_ancestries))

    def add(
        self,
        haplotype: ArrayLike,
        chromosome: ArrayLike,
        start: ArrayLike,
        end: ArrayLike,
        ancestry: ArrayLike,
    ) -> None:
        """Add a batch.

        Parameters
        ----------
        haplotype, chromosome, start, end, ancestry
            As in `Tracts`.
        """
        begin = real_vector(start, "start")
        H, C = self._last[0].size, self._lengths.size
        columns = (
            codes(haplotype, "haplotype", begin.size, H),
            codes(chromosome, "chromosome", begin.size, C),
            begin,
            column(end, "end", begin.size),
            codes(ancestry, "ancestry", begin.size, self._K).astype(np.int8),
        )
        refuse(columns[3] <= begin, "start", begin, "must lie before the end", "exchange the ends")
        nowhere = np.zeros(C, np.int64)
        sums = (self._exposure, self._switches, self._first)
        _, bad = paths.count_paths(
            *columns, self._row, nowhere, self._gaps, SLACK, *self._last, *sums
        )
        if bad >= 0:
            raise ValueError(
                f"start[{bad}] = {begin[bad]:g} lies before the end of the tract that came before "
                f"on haplotype {columns[0][bad]}; give the tracts of a haplotype in map order"
            )

    def total(self) -> PathCounts:
        """Statistics of everything added so far."""
        G = self._exposure.shape[0]
        per_haplotype = np.full(self._row.size, self._lengths.sum())
        return PathCounts(
            exposure=self._exposure.copy(),
            switches=self._switches.copy(),
            first=self._first.copy(),
            map_length=np.bincount(self._row, per_haplotype, G).astype(np.float64),
            gap_start=np.zeros(G + 1, np.int64),
            gap_from=np.zeros(0, np.int8),
            gap_to=np.zeros(0, np.int8),
            gap_length=np.zeros(0),
        )


def _rows(tracts: Tracts, by: str) -> tuple[IntArray, IntArray, int]:
    """Row of each haplotype plus row of each chromosome, and the number of rows."""
    return _rows_of(tracts.n_haplotypes, tracts.n_chromosomes, by)


def _rows_of(H: int, C: int, by: str) -> tuple[IntArray, IntArray, int]:
    haplotypes, chromosomes = np.arange(H), np.arange(C)
    match by:
        case "all":
            return 0 * haplotypes, 0 * chromosomes, 1
        case "haplotype":
            return haplotypes, 0 * chromosomes, H
        case "individual":
            return haplotypes // 2, 0 * chromosomes, (H + 1) // 2
        case "chromosome":
            return 0 * haplotypes, chromosomes, C
        case "cell":
            return haplotypes * C, chromosomes, H * C
    raise ValueError(f"by = {by!r} is not known; choose one of {', '.join(map(repr, GROUPS))}")


def _map_length(
    tracts: Tracts, of_haplotype: IntArray, of_chromosome: IntArray, G: int
) -> FloatArray:
    rows = np.add.outer(of_haplotype, of_chromosome)
    lengths = np.broadcast_to(tracts.lengths, rows.shape)
    return np.asarray(np.bincount(rows.ravel(), lengths.ravel(), G), np.float64)
