"""The released files as arrays, and the checks that need more than one row or file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refsolve.contract.outcome import Case
from refsolve.core.errors import InputError, Violation
from refsolve.io import Table, read_tables
from refsolve.methods.tracts import Tracts

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LABELS = ("A", "B")
SLACK = 1e-4  # Morgan: what rounding may do to an end


@dataclass(frozen=True, slots=True)
class Study:
    """Everything the analyst is given; tracts in order of haplotype, chromosome and position.

    Positions count from the start of the map of their chromosome.
    """

    tracts: Tracts
    haplotypes: tuple[str, str]
    chromosomes: tuple[str, ...]
    clipped: int
    rows: IntArray

    @property
    def map_length(self) -> float:
        """Morgans of all chromosomes."""
        return float(self.tracts.lengths.sum())

    @property
    def without_quality(self) -> int:
        """Tracts of which neither quality is known."""
        known = [~np.isnan(self.tracts.posterior), ~np.isnan(self.tracts.low_complexity)]
        return int(np.sum(~(known[0] | known[1])))


@dataclass(frozen=True, slots=True)
class _Map:
    """Chromosomes in order of their names, where each begins and how long it is."""

    names: tuple[str, ...]
    start: FloatArray
    length: FloatArray


def load(case: Case) -> Study:
    """Read the files of a case and check them against each other."""
    tables = read_tables(case.folder, case.spec.file)
    segments, chart = tables["segments"], _map(tables["map_info"])
    violations = [*_haplotype_violations(segments), *_place_violations(segments, chart)]
    if not violations:
        violations = [*_overlap_violations(segments)]
    if violations:
        raise InputError(violations)
    return _study(segments, chart)


def _map(table: Table) -> _Map:
    frame = table.frame
    names = frame["chrom"].astype(str).tolist()
    order = sorted(range(len(names)), key=lambda i: _natural(names[i]))
    start = np.zeros(len(names))
    if "start_morgan" in frame:
        start = np.nan_to_num(frame["start_morgan"].to_numpy(), nan=0.0)
    length = frame["length_morgan"].to_numpy()
    return _Map(tuple(names[i] for i in order), start[order], length[order])


def _natural(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p]


def _haplotype_violations(table: Table) -> Iterator[Violation]:
    labels = table.frame["hap"].astype(str).to_numpy()
    names, first, counts = np.unique(labels, return_index=True, return_counts=True)
    if names.size == 2:
        return
    told = ", ".join(f"{n!r} on {c} rows" for n, c in zip(names, counts, strict=True))
    at = int(np.sort(first)[min(2, names.size - 1)])
    remedy = "remove what belongs to neither parent" if names.size > 2 else "add the other one"
    expected = f"two haplotype labels in the file, and there {'are' if names.size > 1 else 'is'} "
    row, value = int(table.rows[at]), str(labels[at])
    yield Violation(table.path.name, "hap", row, value, expected + told, remedy)


def _place_violations(table: Table, chart: _Map) -> Iterator[Violation]:
    """Tracts without length, and tracts outside of the map."""
    start, end = (table.frame[c].to_numpy() for c in ("start_morgan", "end_morgan"))
    chromosome = _codes(table, chart)
    low, high = chart.start[chromosome], (chart.start + chart.length)[chromosome]
    empty = end <= start
    checks = (
        ("end_morgan", end, empty, start, "more than the 'start_morgan' of the row, {:g}", ""),
        ("start_morgan", start, (start < low - SLACK) | (~empty & (end <= low)), low,
         "at least {:g}, where the map of chromosome {} starts", "correct one of the two files"),
        ("end_morgan", end, ((end > high + SLACK) | (start >= high)) & ~empty, high,
         "at most {:g}, where the map of chromosome {} ends",
         "positions and lengths are in Morgans, and 'length_morgan' is a length"),
    )  # fmt: skip
    for column, values, bad, limit, expected, remedy in checks:
        if bad.any():
            i = int(np.argmax(bad))
            name = chart.names[chromosome[i]]
            yield _blame(table, column, bad, values, expected.format(limit[i], name), remedy)


def _codes(table: Table, chart: _Map) -> IntArray:
    number = {name: code for code, name in enumerate(chart.names)}
    return table.frame["chrom"].astype(str).map(number).to_numpy(np.int64)


def _blame(
    table: Table, column: str, bad: BoolArray, values: FloatArray, expected: str, remedy: str
) -> Violation:
    marked = np.flatnonzero(bad)
    more = f"{marked.size - 1} more rows are wrong in the same way" if marked.size > 1 else ""
    advice = "; ".join(part for part in (remedy, more) if part)
    row, value = int(table.rows[marked[0]]), float(values[marked[0]])
    return Violation(table.path.name, column, row, value, expected, advice)


def _overlap_violations(table: Table) -> Iterator[Violation]:
    frame = table.frame.assign(chrom=table.frame["chrom"].astype(str))
    frame = frame.sort_values(["hap", "chrom", "start_morgan", "end_morgan"], kind="stable")
    start, end = frame["start_morgan"].to_numpy(), frame["end_morgan"].to_numpy()
    same = (frame[["hap", "chrom"]] == frame[["hap", "chrom"]].shift()).all(axis=1).to_numpy()
    before = np.r_[-np.inf, end[:-1]]
    # A tract that is shorter than what rounding may do would vanish.
    bad = same & (start < before - np.minimum(SLACK, (end - start) / 2))
    if bad.any():
        rows = table.rows[frame.index.to_numpy()]
        i = int(np.argmax(bad))
        where = f"haplotype {frame['hap'].iloc[i]} on chromosome {frame['chrom'].iloc[i]}"
        expected = f"at least {before[i]:g}, where the tract of row {rows[i - 1]} ends: {where}"
        more = f"; {int(bad.sum()) - 1} more tracts overlap" if bad.sum() > 1 else ""
        remedy = f"tracts of one haplotype may not overlap; correct one of the two rows{more}"
        yield Violation(
            table.path.name, "start_morgan", int(rows[i]), float(start[i]), expected, remedy
        )


def _study(table: Table, chart: _Map) -> Study:
    frame = table.frame
    chromosome = _codes(table, chart)
    names, haplotype = np.unique(frame["hap"].astype(str).to_numpy(), return_inverse=True)
    start, end = (frame[c].to_numpy() - chart.start[chromosome] for c in _ENDS)
    order = np.lexsort([start, chromosome, haplotype])
    haplotype, chromosome, start, end = (x[order] for x in (haplotype, chromosome, start, end))
    same = (np.diff(haplotype, prepend=-1) == 0) & (np.diff(chromosome, prepend=-1) == 0)
    begin = np.maximum(start, np.where(same, np.r_[0.0, end[:-1]], 0.0))
    stop = np.minimum(end, chart.length[chromosome])
    label = frame["anc"].cat.codes.to_numpy()[order].astype(np.int64)
    quality = {name: frame[column].to_numpy()[order] for name, column in _QUALITY.items()}
    tracts = Tracts(haplotype, chromosome, begin, stop, label, chart.length, **quality)
    clipped = int(np.sum((begin != start) | (stop != end)))
    labels = (str(names[0]), str(names[1]))
    return Study(tracts, labels, chart.names, clipped, table.rows[order])


_ENDS = ("start_morgan", "end_morgan")
_QUALITY = {"posterior": "posterior", "low_complexity": "low_complexity_frac"}
