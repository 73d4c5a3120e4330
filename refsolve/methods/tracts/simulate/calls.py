"""Calls of local ancestry with the artefacts of callers: islands, inverted labels, gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import refuse, whole_numbers, within
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.tracts.simulate.tables import COLUMNS, FloatArray, IntArray, Observable

BoolArray = NDArray[np.bool_]

REAL = {"posterior": (0.9, 1.0), "low_complexity": (0.0, 0.3)}
FALSE = {"posterior": (0.5, 0.75), "low_complexity": (0.6, 0.95)}


@dataclass(frozen=True, slots=True)
class SimulatedCalls(Observable):
    """Calls with artefacts, and the tracts they were made from.

    Attributes
    ----------
    haplotype, chromosome, start, end, ancestry, lengths
        As in `SimulatedTracts`, as called.
    posterior, low_complexity
        (N,) confidence of the call, and share of its span that is of low complexity.
    island
        (N,) false calls.
    reciprocal
        (N,) islands that stand on both haplotypes of an individual at once.
    inverted
        (C,) chromosomes whose labels are exchanged on all haplotypes.
    truth
        The tracts without artefacts.
    """

    haplotype: IntArray
    chromosome: IntArray
    start: FloatArray
    end: FloatArray
    ancestry: IntArray
    lengths: FloatArray
    posterior: FloatArray
    low_complexity: FloatArray
    island: BoolArray
    reciprocal: BoolArray
    inverted: BoolArray
    truth: Observable

    @property
    def observed(self) -> dict[str, Any]:
        """All that an analyst may see, under the argument names of `Tracts`."""
        names = (*COLUMNS, "posterior", "low_complexity")
        return {name: getattr(self, name) for name in names}


Row = tuple[float, float, int, bool, bool]  # start, end, label, island, reciprocal


def simulate_calls(
    truth: Observable,
    *,
    island_rate: float = 0.0,
    island_length: tuple[float, float] = (0.002, 0.01),
    reciprocal: float = 0.5,
    inverted: ArrayLike = (),
    gap_rate: float = 0.0,
    gap_length: tuple[float, float] = (0.005, 0.02),
    rng: RandomSource,
) -> SimulatedCalls:
    """Two-way tracts as a caller with artefacts would report them.

    Parameters
    ----------
    truth
        Simulated tracts of an even number of haplotypes; 2i and 2i+1 are one individual.
    island_rate, island_length
        False calls of the other ancestry per Morgan of haplotype, and their range of Morgans. One
        that does not fit inside a single tract is left out.
    reciprocal
        Share of the islands that stand on the other haplotype too, where its ancestry differs.
    inverted
        Codes of the chromosomes whose labels are exchanged.
    gap_rate, gap_length
        Uncalled stretches per Morgan of haplotype, and their range of Morgans. A tract inside one
        is lost.
    rng
        Seed or Generator.

    Returns
    -------
    The calls with their truth.

    Raises
    ------
    ValueError
        An argument breaks its rule.
    """
    columns, generator = truth.observed, as_generator(rng)
    sizes, ancestry = columns["lengths"], columns["ancestry"]
    marks = _marks(inverted, sizes.size)
    refuse(ancestry > 1, "ancestry", ancestry, "must be 0 or 1", "simulate two sources")
    for rate, span, kind in ((island_rate, island_length, "island"), (gap_rate, gap_length, "gap")):
        _check_artefact(rate, span, kind, sizes.min())
    share = float(within(reciprocal, "reciprocal", 0, 1))
    cells = _cells(columns)
    for (h, c), rows in cells.items():
        other = cells.get((h ^ 1, c), [])
        for width, where in _places(island_rate, island_length, sizes[c], generator):
            _insert_pair(rows, other, where, where + width, generator.random() < share)
    for (_, c), rows in cells.items():
        for width, where in _places(gap_rate, gap_length, sizes[c], generator):
            rows[:] = _without(rows, where, where + width)
    return _table(cells, marks, sizes, truth, generator)


def _check_artefact(rate: float, span: tuple[float, float], kind: str, shortest: float) -> None:
    within(rate, f"{kind}_rate", 0, np.inf, open_high=True)
    found = within(span, f"{kind}_length", 0, shortest, open_high=True)
    if found.shape != (2,) or found[0] > found[1]:
        raise ValueError(f"{kind}_length = {span} must be the shortest and the longest")


def _marks(inverted: ArrayLike, n: int) -> BoolArray:
    chosen = whole_numbers(np.asarray(inverted, dtype=np.int64), "inverted", minimum=0)
    refuse(chosen >= n, "inverted", chosen, f"has no chromosome; there are {n}", "count from 0")
    return np.isin(np.arange(n), chosen)


def _cells(columns: dict[str, Any]) -> dict[tuple[int, int], list[Row]]:
    cells: dict[tuple[int, int], list[Row]] = {}
    names = ("haplotype", "chromosome", "start", "end", "ancestry")
    for h, c, start, end, label in zip(*(columns[name].tolist() for name in names), strict=True):
        cells.setdefault((h, c), []).append((start, end, label, False, False))
    return cells


def _places(
    rate: float, span: tuple[float, float], length: float, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Width and left end of every artefact of one chromosome."""
    n = int(rng.poisson(rate * length))
    width = rng.uniform(*span, n)
    return list(zip(width.tolist(), (rng.random(n) * (length - width)).tolist(), strict=True))


def _insert_pair(rows: list[Row], other: list[Row], left: float, right: float, both: bool) -> None:
    """Put an island into one haplotype, and into the other one if both differ there."""
    here, there = _around(rows, left, right), _around(other, left, right)
    if here is None:
        return
    twin = both and there is not None and other[there][2] != rows[here][2]
    _insert(rows, here, left, right, twin)
    if twin and there is not None:
        _insert(other, there, left, right, twin)


def _around(rows: Sequence[Row], left: float, right: float) -> int | None:
    """Real tract that reaches over both ends of an interval."""
    for i, (start, end, _, island, _) in enumerate(rows):
        if start < left and right < end and not island:
            return i
    return None


def _insert(rows: list[Row], i: int, left: float, right: float, twin: bool) -> None:
    start, end, label, _, _ = rows[i]
    real = ((start, left, label, False, False), (right, end, label, False, False))
    rows[i : i + 1] = [real[0], (left, right, 1 - label, True, twin), real[1]]


def _without(rows: Sequence[Row], left: float, right: float) -> list[Row]:
    """Rows without an interval: cut, split or lost."""
    kept = []
    for start, end, label, island, twin in rows:
        for a, b in ((start, min(end, left)), (max(start, right), end)):
            if a < b:
                kept.append((a, b, label, island, twin))
    return kept


def _table(
    cells: dict[tuple[int, int], list[Row]],
    inverted: BoolArray,
    lengths: FloatArray,
    truth: Observable,
    rng: np.random.Generator,
) -> SimulatedCalls:
    keys = np.array([key for key, rows in cells.items() for _ in rows], dtype=np.int64).reshape(
        -1, 2
    )
    flat = [row for rows in cells.values() for row in rows]
    start, end, label, island, twin = (np.array(column) for column in zip(*flat, strict=True))
    quality = {}
    for name, (low, high) in REAL.items():
        real, false = rng.uniform(low, high, label.size), rng.uniform(*FALSE[name], label.size)
        quality[name] = np.where(island, false, real)
    return SimulatedCalls(
        haplotype=keys[:, 0],
        chromosome=keys[:, 1],
        start=start,
        end=end,
        ancestry=np.where(inverted[keys[:, 1]], 1 - label, label),
        lengths=lengths,
        **quality,
        island=island,
        reciprocal=twin,
        inverted=inverted,
        truth=truth,
    )
