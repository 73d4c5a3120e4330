"""Tracts of many haplotypes in columns, and what every simulation checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import real_vector, refuse, within
from refsolve.core.result import Result

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
COLUMNS = ("haplotype", "chromosome", "start", "end", "ancestry", "lengths")


class Observable(Result):
    """Simulated tracts, of which an analyst may see the columns only."""

    __slots__ = ()

    @property
    def observed(self) -> dict[str, Any]:
        """All that an analyst may see, under the argument names of `Tracts`."""
        return {name: getattr(self, name) for name in COLUMNS}


class OfSources(Observable):
    """Simulated tracts of a history, whose number of sources is known."""

    __slots__ = ()

    @property
    def observed(self) -> dict[str, Any]:
        """All that an analyst may see, under the argument names of `Tracts`."""
        columns = {name: getattr(self, name) for name in COLUMNS}
        return columns | {"n_ancestries": self.migration.shape[1]}  # type: ignore[attr-defined]


def columns(
    haplotype: ArrayLike,
    chromosome: ArrayLike,
    cut: ArrayLike,
    label: ArrayLike,
    lengths: FloatArray,
) -> dict[str, Any]:
    """Columns from the left ends of pieces; pieces that continue one label are joined."""
    h, c, label = (np.asarray(a, dtype=np.int64) for a in (haplotype, chromosome, label))
    cut = np.asarray(cut, dtype=np.float64)
    begins = np.ones(h.size, dtype=bool)
    begins[1:] = (h[1:] != h[:-1]) | (c[1:] != c[:-1])
    kept = begins.copy()
    kept[1:] |= label[1:] != label[:-1]
    last = np.append(begins[kept][1:], True)
    h, c, start, label = h[kept], c[kept], cut[kept], label[kept]
    end = np.where(last, lengths[c], np.append(start[1:], 0.0))
    return dict(zip(COLUMNS, (h, c, start, end, label, lengths), strict=True))


def stack(
    cells: Sequence[tuple[int, int, Sequence[float], Sequence[int]]], lengths: FloatArray
) -> dict[str, Any]:
    """Columns from (haplotype, chromosome, left ends, labels) of every path."""
    sizes = [len(cut) for _, _, cut, _ in cells]
    h = np.repeat([cell[0] for cell in cells], sizes)
    c = np.repeat([cell[1] for cell in cells], sizes)
    cut = np.concatenate([np.asarray(cell[2], dtype=np.float64) for cell in cells])
    label = np.concatenate([np.asarray(cell[3], dtype=np.int64) for cell in cells])
    return columns(h, c, cut, label, lengths)


def checked_lengths(lengths: ArrayLike) -> FloatArray:
    """Lengths of the chromosomes: finite, above 0, and at least one."""
    found = real_vector(lengths, "lengths")
    if found.size == 0:
        raise ValueError("lengths is empty; give the Morgans of at least one chromosome")
    bad = ~((found > 0) & np.isfinite(found))
    refuse(bad, "lengths", found, "must be above 0 and finite", "give Morgans")
    return found


def checked_migration(migration: ArrayLike) -> FloatArray:
    """Migration matrix of eq. (13): fractions, none in generation 0, all in the last one."""
    matrix = within(migration, "migration", 0, 1)
    if matrix.ndim != 2 or matrix.shape[0] < 2:
        raise ValueError(
            f"migration has shape {matrix.shape}; expected one row per generation 0..T and one "
            "column per source; see textbook.pulses"
        )
    total = matrix.sum(axis=1)
    refuse(total > 1 + 1e-12, "migration row sum", total, "must be at most 1", "lower the row")
    if total[0] != 0:
        raise ValueError("migration[0] must be 0: nobody arrives after the sample; shift the rows")
    if not np.isclose(total[-1], 1, rtol=0, atol=1e-12):
        raise ValueError(
            f"migration[{total.size - 1}] sums to {total[-1]}; the founding generation must sum "
            "to 1; end the matrix with the generation that founded the population"
        )
    return matrix
