"""The released files as arrays, and the checks that need more than one row or file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refsolve.contract.outcome import Case
from refsolve.core.errors import InputError, Violation
from refsolve.io import Table, read_tables

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

LOCI = ("A", "B")
SCHEDULE = "Ne_schedule"


@dataclass(frozen=True, slots=True)
class Locus:
    """One locus as released: its alleles, and one entry per sample in order of time."""

    name: str
    ref: str
    alt: str
    ancestral: str
    generation: IntArray
    alt_reads: IntArray
    total: IntArray
    seq_error: FloatArray


@dataclass(frozen=True, slots=True)
class Schedule:
    """Chromosomes of the generations `first`, `first` + 1, …; not a number where none is needed."""

    first: int
    sizes: FloatArray
    repeated: int = 0

    def at(self, generations: IntArray) -> FloatArray:
        """Sizes of some generations."""
        return self.sizes[generations - self.first]


@dataclass(frozen=True, slots=True)
class Study:
    """Everything the analyst is given."""

    loci: tuple[Locus, ...]
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class _Spans:
    """Rows of the schedule in order of their first generation, whichever form the file has."""

    file: str
    columns: tuple[str, str]
    start: IntArray
    end: IntArray
    size: IntArray
    rows: IntArray

    @property
    def reach(self) -> IntArray:
        """Last generation covered by a row or any before it."""
        return np.maximum.accumulate(self.end)

    def holder(self) -> IntArray:
        """For each row, which of the rows up to it reaches farthest."""
        new = self.end > np.r_[-1, self.reach[:-1]]
        return np.maximum.accumulate(np.where(new, np.arange(new.size), 0))


def load(case: Case) -> Study:
    """Read the files of a case and check them against each other."""
    tables = read_tables(case.folder, case.spec.file)
    series = {name: tables[f"locus_{name}_timeseries"] for name in LOCI}
    spans = _spans(tables[SCHEDULE])
    violations = [*_allele_violations(tables["variant_info"]), *_span_violations(spans)]
    if not violations:
        violations = [v for t in series.values() for v in _coverage_violations(t, spans)]
    if violations:
        raise InputError(violations)
    alleles = tables["variant_info"].frame.astype(str).set_index("locus")
    loci = tuple(_locus(name, series[name], alleles.loc[name]) for name in LOCI)
    return Study(loci, _schedule(spans, loci))


def _locus(name: str, table: Table, alleles: Mapping[str, str]) -> Locus:
    frame = table.frame.sort_values(["generation", "total_reads", "alt_reads", "seq_error"])
    columns = ("generation", "alt_reads", "total_reads", "seq_error")
    bases = (alleles[key] for key in ("ref", "alt", "ancestral"))
    return Locus(name, *bases, *(frame[column].to_numpy() for column in columns))


def _allele_violations(table: Table) -> Iterator[Violation]:
    file, frame = table.path.name, table.frame.astype(str)
    for name in sorted(set(LOCI) - set(frame["locus"])):
        yield Violation(file, "locus", None, None, f"a row for locus {name}", "add the row")
    for row, line in zip(table.rows.tolist(), frame.to_dict("records"), strict=True):
        ref, alt, ancestral = line["ref"], line["alt"], line["ancestral"]
        if ref == alt:
            expected = f"an allele other than ref {ref!r}"
            yield Violation(file, "alt", row, alt, expected, "correct one of the two alleles")
        elif ancestral not in (ref, alt):
            expected = f"ref {ref!r} or alt {alt!r} of locus {line['locus']}"
            remedy = "with a third allele neither can be called derived; use another outgroup"
            yield Violation(file, "ancestral", row, ancestral, expected, remedy)


def _spans(table: Table) -> _Spans:
    frame = table.frame
    columns = ("generation", "generation")
    if "generation" not in frame:
        columns = ("generation_start", "generation_end")
    order = np.lexsort([frame[c].to_numpy() for c in ("Ne", *columns[::-1])])
    start, end = (frame[c].to_numpy()[order] for c in columns)
    size = np.rint(frame["Ne"].to_numpy()[order]).astype(np.int64)
    return _Spans(table.path.name, columns, start, end, size, table.rows[order])


def _span_violations(spans: _Spans) -> Iterator[Violation]:
    reversed_ = np.flatnonzero(spans.end < spans.start)
    for i in reversed_:
        expected = f"at least the {spans.columns[0]!r} of the row, {spans.start[i]}"
        yield _blame(spans, spans.columns[1], int(i), spans.end[i], expected, "exchange the ends")
    if reversed_.size:
        return
    earlier = np.r_[0, spans.holder()[:-1]]
    overlap = spans.start <= spans.end[earlier]
    overlap[0] = False
    for i in np.flatnonzero(overlap & (spans.size != spans.size[earlier])):
        j = earlier[i]
        expected = f"one size for generation {spans.start[i]}, and row {spans.rows[j]} says "
        remedy = "correct one of the rows, or end the earlier interval before"
        yield _blame(spans, "Ne", int(i), spans.size[i], f"{expected}{spans.size[j]}", remedy)


def _blame(
    spans: _Spans, column: str, i: int, value: int, expected: str, remedy: str = ""
) -> Violation:
    return Violation(spans.file, column, int(spans.rows[i]), int(value), expected, remedy)


def _coverage_violations(table: Table, spans: _Spans) -> Iterator[Violation]:
    """Samples outside the schedule, and holes in the schedule between samples."""
    generation = table.frame["generation"].to_numpy()
    last = np.searchsorted(spans.start, generation, side="right") - 1
    outside = (last < 0) | (spans.reach[last] < generation)
    if outside.any():
        i = int(np.argmax(outside))
        expected = f"a generation that {spans.file} lists"
        remedy = f"it covers {spans.start[0]} to {spans.reach[-1]}; complete it"
        more = int(outside.sum()) - 1
        remedy += f"; {more} more rows lie outside" if more else ""
        row, value = int(table.rows[i]), int(generation[i])
        yield Violation(table.path.name, "generation", row, value, expected, remedy)
        return
    hole = spans.start[1:] > spans.reach[:-1] + 1
    hole &= (generation.min() <= spans.reach[:-1]) & (spans.start[1:] <= generation.max())
    for i in np.flatnonzero(hole)[:1]:
        expected = f"generation {spans.reach[i] + 1} to follow {spans.reach[i]}"
        remedy = f"list every generation between the first and last sample of {table.name}"
        yield _blame(spans, spans.columns[0], int(i) + 1, spans.start[i + 1], expected, remedy)


def _schedule(spans: _Spans, loci: tuple[Locus, ...]) -> Schedule:
    first = min(int(locus.generation[0]) for locus in loci)
    last = max(int(locus.generation[-1]) for locus in loci)
    sizes = np.full(last - first + 1, np.nan)
    for start, end, size in zip(spans.start, spans.end, spans.size, strict=True):
        sizes[max(start - first, 0) : max(end - first + 1, 0)] = size
    earlier = np.r_[0, spans.holder()[:-1]]
    repeated = int((spans.start <= spans.end[earlier])[1:].sum())
    return Schedule(first, sizes, repeated)
