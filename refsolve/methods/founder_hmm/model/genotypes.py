"""Calls of lines and founders at markers in map order, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, real_vector, refuse, whole_numbers

Alleles = NDArray[np.int8]
Marks = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Genotypes:
    """What was seen of n lines at M markers, and the alleles of K founders there.

    Markers of a chromosome stand together, in ascending order; `map_order` brings them there.

    Parameters
    ----------
    calls
        Calls (n, M), -1 where missing. Inbred lines: allele 0 or 1, and 2 for a heterozygous call,
        which tells nothing. Diplotypes: number of alleles 1. None where `likelihood` is given.
    founders
        Alleles (M, K) 0 or 1, -1 where the founder was not called.
    position
        Centimorgans (M,).
    chromosome
        Labels (M,); one chromosome by default.
    likelihood
        Instead of calls: likelihoods (n, M, 2) of the alleles, or (n, M, 3) of the genotypes.
    unknown
        Probability of allele 1 in a founder that was not called. `peer` multiplies by one instead,
        as published software does: then such a founder is favoured by every mismatch of others.

    Attributes
    ----------
    calls, founders, position, chromosome, likelihood, unknown
        As given, as arrays.

    Examples
    --------
    >>> from refsolve.methods.founder_hmm import Genotypes
    >>> Genotypes([[0, 1, -1]], [[0, 1], [0, 1], [1, 0]], [1.0, 2.0, 5.0]).n_markers
    3
    """

    calls: Alleles | None
    founders: Alleles
    position: FloatArray
    chromosome: NDArray[Any]
    likelihood: FloatArray | None
    unknown: float | str

    def __init__(
        self,
        calls: ArrayLike | None,
        founders: ArrayLike,
        position: ArrayLike,
        chromosome: ArrayLike | None = None,
        *,
        likelihood: ArrayLike | None = None,
        unknown: float | str = 0.5,
    ) -> None:
        alleles = _codes(founders, "founders", 1)
        places = real_vector(position, "position")
        M = places.size
        labels = np.full(M, "1") if chromosome is None else np.asarray(chromosome)
        if alleles.ndim != 2 or alleles.shape[0] != M or labels.shape != (M,) or M == 0:
            raise ValueError(
                f"founders {alleles.shape}, position {places.shape} and chromosome {labels.shape} "
                "do not agree; expected (markers, founders), (markers,) and (markers,)"
            )
        _refuse_disorder(places, labels)
        if (calls is None) == (likelihood is None):
            raise ValueError("calls or likelihood must be given, and not both; leave one out")
        if not (unknown == "peer" or (not isinstance(unknown, str) and 0.0 < unknown < 1.0)):
            raise ValueError(f"unknown is {unknown!r}; expected a probability in (0, 1), or 'peer'")
        for name, value in {
            "calls": None if calls is None else _seen(_codes(calls, "calls", 2), M),
            "founders": alleles,
            "position": places,
            "chromosome": labels,
            "likelihood": None if likelihood is None else _weights(likelihood, M),
            "unknown": unknown,
        }.items():
            object.__setattr__(self, name, value)

    @property
    def n_lines(self) -> int:
        """Number n of lines."""
        return int(self._seen.shape[0])

    @property
    def n_markers(self) -> int:
        """Number M of markers."""
        return int(self.position.size)

    @property
    def n_founders(self) -> int:
        """Number K of founders."""
        return int(self.founders.shape[1])

    @property
    def chromosomes(self) -> tuple[Any, ...]:
        """Labels in the order of the markers."""
        return tuple(dict.fromkeys(self.chromosome.tolist()))

    @property
    def _seen(self) -> NDArray[Any]:
        seen = self.calls if self.likelihood is None else self.likelihood
        assert seen is not None
        return seen

    def kept(self, marks: ArrayLike) -> Genotypes:
        """Only the marked markers.

        Parameters
        ----------
        marks
            Marks (M,), or their numbers in ascending order.
        """
        chosen = np.asarray(marks)
        where = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        return self._changed(
            calls=None if self.calls is None else self.calls[:, where],
            founders=self.founders[where],
            position=self.position[where],
            chromosome=self.chromosome[where],
            likelihood=None if self.likelihood is None else self.likelihood[:, where],
        )

    def only(self, label: Any) -> Genotypes:
        """Only one chromosome.

        Parameters
        ----------
        label
            Its label.
        """
        marks = self.chromosome == label
        if not np.any(marks):
            raise ValueError(f"chromosome {label!r} is not among {list(self.chromosomes)}")
        first, count = int(np.argmax(marks)), int(marks.sum())
        here = slice(first, first + count)
        return self._changed(
            calls=None if self.calls is None else self.calls[:, here],
            founders=self.founders[here],
            position=self.position[here],
            chromosome=self.chromosome[here],
            likelihood=None if self.likelihood is None else self.likelihood[:, here],
        )

    def lines(self, which: ArrayLike) -> Genotypes:
        """Only some lines.

        Parameters
        ----------
        which
            Their numbers, or marks (n,).
        """
        rows = np.asarray(which)
        return self._changed(
            calls=None if self.calls is None else self.calls[rows],
            likelihood=None if self.likelihood is None else self.likelihood[rows],
        )

    def flipped(self, marks: ArrayLike) -> Genotypes:
        """The alleles of all founders exchanged at some markers.

        Parameters
        ----------
        marks
            Marks (M,).
        """
        flip = np.asarray(marks, np.bool_)[:, None] & (self.founders >= 0)
        return self._changed(founders=np.where(flip, 1 - self.founders, self.founders))

    def _changed(self, **fields: Any) -> Genotypes:
        """With fields replaced that were checked already."""
        new = object.__new__(Genotypes)
        for name in self.__slots__:
            object.__setattr__(new, name, fields.get(name, getattr(self, name)))
        return new

    def __replace__(self, **fields: Any) -> Genotypes:
        return self._changed(**fields)


def _codes(values: ArrayLike, name: str, largest: int) -> Alleles:
    array = np.asarray(values)
    if array.dtype != np.int8:
        array = whole_numbers(array, name)
    if array.size and (array.min() < -1 or array.max() > largest):
        allowed = "-1 (missing), 0 or 1" if largest == 1 else "-1 (missing), 0, 1 or 2"
        bad = (array < -1) | (array > largest)
        refuse(bad, name, array, f"must be {allowed}", "recode it")
    return np.ascontiguousarray(array, np.int8)


def _seen(calls: Alleles, M: int) -> Alleles:
    if calls.ndim != 2 or calls.shape[1] != M or calls.shape[0] == 0:
        raise ValueError(f"calls has shape {calls.shape}; expected (lines, {M}); transpose it?")
    return calls


def _weights(likelihood: ArrayLike, M: int) -> FloatArray:
    values = np.asarray(likelihood, np.float64)
    if values.ndim != 3 or values.shape[1] != M or values.shape[2] not in {2, 3}:
        raise ValueError(f"likelihood has shape {values.shape}; expected (lines, {M}, 2 or 3)")
    bad = ~(np.isfinite(values) & (values >= 0.0))
    refuse(bad, "likelihood", values, "must be finite and not negative", "set missing ones to 1")
    top = values.max(axis=2, keepdims=True)
    refuse(top[..., 0] <= 0.0, "likelihood", top[..., 0], "must be positive for one", "check it")
    return np.asarray(values / top)


def _refuse_disorder(position: FloatArray, chromosome: NDArray[Any]) -> None:
    labels = chromosome.tolist()
    new = [at for at in range(len(labels)) if at == 0 or labels[at] != labels[at - 1]]
    if len(new) != len(set(labels)):
        seen: set[Any] = set()
        for at in new:
            if labels[at] in seen:
                raise ValueError(
                    f"chromosome[{at}] = {labels[at]!r} comes back after another chromosome; "
                    "sort the markers with map_order"
                )
            seen.add(labels[at])
    falls = np.diff(position, prepend=position[:1]) < 0.0
    falls[new] = False
    refuse(falls, "position", position, "is before its neighbour", "sort with map_order")
