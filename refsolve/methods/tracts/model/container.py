"""Called tracts of any number of haplotypes, checked once and kept in order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray, real_vector, refuse, within
from refsolve.methods.tracts.kernels import paths

CodeArray = NDArray[np.int32]
LabelArray = NDArray[np.int8]

SLACK = 1e-6  # Morgans: overlaps and gaps below this are rounding of positions


@dataclass(frozen=True, slots=True, eq=False)
class Tracts:
    """Local-ancestry tracts, one element per tract; put in order when they are not.

    Tracts of one haplotype and chromosome may leave gaps and may not overlap. Neighbours may have
    the same label.

    Parameters
    ----------
    haplotype
        Haplotype of each tract (N,), 0, 1, ...; the two of individual i are 2i and 2i + 1.
    chromosome
        Chromosome of each tract (N,), 0, 1, ...
    start, end
        Ends of each tract (N,) in Morgans.
    ancestry
        Ancestry of each tract (N,), 0, 1, ...; at most 127.
    lengths
        Map length of each chromosome (C,) in Morgans.
    posterior
        Posterior probability of the call (N,), NaN where unknown.
    low_complexity
        Fraction of low-complexity sequence under the tract (N,), NaN where unknown.
    n_haplotypes
        Number of haplotypes; by default those that have tracts.
    n_ancestries
        Number of ancestries.

    Attributes
    ----------
    row
        Position of each tract in the arrays that were given (N,).
    """

    haplotype: CodeArray
    chromosome: CodeArray
    start: FloatArray
    end: FloatArray
    ancestry: LabelArray
    lengths: FloatArray
    posterior: FloatArray | None = None
    low_complexity: FloatArray | None = None
    n_haplotypes: int = 0
    n_ancestries: int = 2
    row: IntArray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        lengths = _map_lengths(self.lengths)
        _assign(self, lengths=lengths)
        start = real_vector(self.start, "start")
        if start.size == 0:
            raise ValueError("start is empty; expected at least one tract; give called tracts")
        _assign(self, start=start, end=column(self.end, "end", start.size))
        _assign(self, chromosome=codes(self.chromosome, "chromosome", start.size, lengths.size))
        if not 2 <= self.n_ancestries <= 127:
            raise ValueError(
                f"n_ancestries = {self.n_ancestries} must lie in [2, 127]; count the ancestries"
            )
        ancestry = codes(self.ancestry, "ancestry", start.size, self.n_ancestries).astype(np.int8)
        haplotype = codes(self.haplotype, "haplotype", start.size, self.n_haplotypes)
        n = self.n_haplotypes or int(haplotype.max()) + 1
        _assign(self, ancestry=ancestry, haplotype=haplotype, n_haplotypes=n)
        for name in ("posterior", "low_complexity"):
            _assign(self, **{name: _quality(getattr(self, name), name, start.size)})
        self._settle()

    def _settle(self) -> None:
        fault, i = paths.first_fault(
            self.haplotype,
            self.chromosome,
            self.start,
            self.end,
            self.lengths,
            SLACK,
        )
        if fault not in {paths.SOUND, paths.DISORDER}:
            _refuse_tract(self, fault, i)
        row = np.arange(self.start.size) if self.row is None else self.row
        if fault == paths.DISORDER:
            order = np.lexsort((self.start, self.chromosome, self.haplotype))
            row = row[order]
            for name in ("haplotype", "chromosome", "start", "end", "ancestry"):
                _assign(self, **{name: getattr(self, name)[order]})
            for name in ("posterior", "low_complexity"):
                if getattr(self, name) is not None:
                    _assign(self, **{name: getattr(self, name)[order]})
        _assign(self, row=row)
        i = paths.first_overlap(self.haplotype, self.chromosome, self.start, self.end, SLACK)
        if i >= 0:
            _refuse_overlap(self, i)

    def __repr__(self) -> str:
        H, C, K = self.n_haplotypes, self.n_chromosomes, self.n_ancestries
        return f"Tracts({self.n_tracts} of {H} haplotypes, {C} chromosomes, {K} ancestries)"

    @property
    def n_tracts(self) -> int:
        """Number of tracts."""
        return self.start.size

    @property
    def n_chromosomes(self) -> int:
        """Number of chromosomes of the map."""
        return self.lengths.size

    @property
    def length(self) -> FloatArray:
        """Length of each tract (N,) in Morgans."""
        return self.end - self.start

    @property
    def follows(self) -> NDArray[np.bool_]:
        """Whether each tract (N,) has a predecessor on its haplotype and chromosome."""
        out = np.zeros(self.n_tracts, np.bool_)
        out[1:] = (np.diff(self.haplotype) == 0) & (np.diff(self.chromosome) == 0)
        return out

    def relabelled(self, ancestry: ArrayLike) -> Tracts:
        """The same tracts with other labels.

        Parameters
        ----------
        ancestry
            Ancestry of each tract (N,), in the order of this object.
        """
        return replace(self, ancestry=np.asarray(ancestry))

    def kept(self, keep: ArrayLike) -> Tracts:
        """Some of the tracts, on the same map and of as many haplotypes.

        Parameters
        ----------
        keep
            Marks (N,), in the order of this object.
        """
        marks = np.asarray(keep, np.bool_)
        columns = ("haplotype", "chromosome", "start", "end", "ancestry", "row")
        parts = {name: getattr(self, name)[marks] for name in columns}
        for name in ("posterior", "low_complexity"):
            values = getattr(self, name)
            parts[name] = None if values is None else values[marks]
        return replace(self, **parts)

    def joined(self) -> Tracts:
        """The same calls with touching neighbours of one ancestry as one tract.

        A tract keeps the row of its first part; qualities are left out.
        """
        same = np.zeros(self.n_tracts, np.bool_)
        same[1:] = self.ancestry[1:] == self.ancestry[:-1]
        same[1:] &= self.start[1:] - self.end[:-1] <= SLACK
        first = ~(same & self.follows)
        last = np.append(first[1:], True)
        bare = replace(self, posterior=None, low_complexity=None).kept(first)
        return replace(bare, end=self.end[last])

    def of_haplotypes(self, haplotypes: ArrayLike) -> Tracts:
        """Tracts of some haplotypes, numbered 0, 1, ... in the order given.

        Parameters
        ----------
        haplotypes
            Numbers of the haplotypes.
        """
        wanted = np.asarray(haplotypes, np.int64).ravel()
        refuse(
            (wanted < 0) | (wanted >= self.n_haplotypes),
            "haplotypes",
            wanted,
            f"must lie in [0, {self.n_haplotypes - 1}]",
            "count haplotypes from 0",
        )
        number = np.full(self.n_haplotypes, -1, np.int32)
        number[wanted] = np.arange(wanted.size)
        marks = number[self.haplotype] >= 0
        if not marks.any():
            raise ValueError(f"haplotypes = {wanted.tolist()} have no tracts; choose others")
        few = replace(self.kept(marks), n_haplotypes=self.n_haplotypes)
        return replace(few, haplotype=number[few.haplotype], n_haplotypes=wanted.size)


def _assign(target: object, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(target, name, value)


def _map_lengths(values: ArrayLike) -> FloatArray:
    lengths = real_vector(values, "lengths")
    if lengths.size == 0:
        raise ValueError("lengths is empty; expected one length per chromosome")
    refuse(
        ~((lengths > 0.0) & np.isfinite(lengths)),
        "lengths",
        lengths,
        "must be positive and finite",
        "give map lengths in Morgans",
    )
    return lengths


def column(values: ArrayLike, name: str, size: int) -> FloatArray:
    """One number per tract, or ValueError.

    Parameters
    ----------
    values
        Numbers.
    name
        Argument name for the message.
    size
        Number of tracts.
    """
    array = real_vector(values, name)
    if array.size != size:
        raise ValueError(f"{name} has {array.size} elements and start {size}; give one per tract")
    return array


def codes(values: ArrayLike, name: str, size: int, count: int) -> CodeArray:
    """One code 0, 1, ... per tract, or ValueError.

    Parameters
    ----------
    values
        Whole numbers.
    name
        Argument name for the message.
    size
        Number of tracts.
    count
        Number of codes; 0 for any.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iu" or array.shape != (size,):
        raise ValueError(
            f"{name} has shape {array.shape} and type {array.dtype}; expected ({size},) integers; "
            "number the names 0, 1, ..."
        )
    low, high = int(array.min()), int(array.max())
    top = count - 1 if count else np.iinfo(np.int32).max
    if low < 0 or high > top:
        refuse((array < 0) | (array > top), name, array, f"must lie in [0, {top}]", "recode it")
    return array.astype(np.int32, copy=False)


def _quality(values: ArrayLike | None, name: str, size: int) -> FloatArray | None:
    if values is None:
        return None
    array = np.asarray(values, np.float64)
    if array.shape != (size,):
        raise ValueError(f"{name} has shape {array.shape}; expected ({size},); give one per tract")
    known = ~np.isnan(array)
    within(np.where(known, array, 0.0), name, 0.0, 1.0)
    return array


_RULES = {
    paths.NOT_FINITE: ("must be finite", "remove the tract"),
    paths.EMPTY: ("does not lie before the end of the tract", "exchange the ends or drop it"),
    paths.BEFORE_MAP: ("is below 0, where the map begins", "subtract the start of the map"),
    paths.BEYOND_MAP: (
        "belongs to a tract that ends beyond the map of its chromosome",
        "are positions in centimorgans?",
    ),
}


def _refuse_tract(tracts: Tracts, fault: int, i: int) -> None:
    rule, remedy = _RULES[fault]
    bad = np.zeros(tracts.start.size, np.bool_)
    bad[i] = True
    low, high = tracts.start[i], tracts.end[i]
    refuse(bad, "start", tracts.start, f"(end {high:g}, start {low:g}) {rule}", remedy)


def _refuse_overlap(tracts: Tracts, i: int) -> None:
    a, b = tracts.row[i - 1], tracts.row[i]
    raise ValueError(
        f"start[{b}] = {tracts.start[i]:g} lies inside tract {a} "
        f"({tracts.start[i - 1]:g}-{tracts.end[i - 1]:g}) of the same haplotype and chromosome; "
        "merge or cut overlapping calls"
    )
