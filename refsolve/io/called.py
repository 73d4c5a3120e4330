"""Called local ancestry of many haplotypes as columns of tracts, whatever file it came from."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from refsolve.core.errors import InputError, Violation
from refsolve.io.sniff import Found, readable, refuse

FloatArray = NDArray[np.float64]
CodeArray = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class CalledTracts:
    """Tracts by code, with the names behind the codes.

    Attributes
    ----------
    haplotype, chromosome, ancestry
        Codes of each tract (N,).
    start, end
        Morgans (N,), positions on the map of the chromosome.
    haplotype_names, chromosome_names, ancestry_names
        Names by code.
    extent
        Morgans at which the calls of each chromosome begin and end (C, 2).
    set_aside
        Calls without an ancestry or without length, which are in no tract.
    """

    haplotype: CodeArray
    chromosome: CodeArray
    start: FloatArray
    end: FloatArray
    ancestry: CodeArray
    haplotype_names: tuple[str, ...]
    chromosome_names: tuple[str, ...]
    ancestry_names: tuple[str, ...]
    extent: FloatArray
    set_aside: int


COLUMNS = ("haplotype", "chromosome", "start", "end", "ancestry")


def stacked(batches: Iterable[CalledTracts]) -> CalledTracts:
    """All batches of one stream as one.

    Parameters
    ----------
    batches
        Batches as a reader yields them: names and extents only grow.
    """
    parts = list(batches)
    last = parts[-1]
    columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in COLUMNS}
    return CalledTracts(
        **columns,
        haplotype_names=last.haplotype_names,
        chromosome_names=last.chromosome_names,
        ancestry_names=last.ancestry_names,
        extent=last.extent,
        set_aside=sum(p.set_aside for p in parts),
    )


@dataclass(slots=True)
class Names:
    """Codes by name, in the order of first appearance."""

    code: dict[str, int] = field(default_factory=dict)

    def of(self, name: str) -> int:
        """Code of a name, new or known."""
        return self.code.setdefault(name, len(self.code))

    def listed(self) -> tuple[str, ...]:
        """Names by code."""
        return tuple(self.code)


@dataclass(slots=True)
class Extents:
    """Where the calls of each chromosome begin and end."""

    ends: dict[int, list[float]] = field(default_factory=dict)

    def widen(self, chromosome: int, low: float, high: float) -> None:
        """Take in a stretch of calls."""
        known = self.ends.setdefault(chromosome, [low, high])
        known[0], known[1] = min(known[0], low), max(known[1], high)

    def listed(self) -> FloatArray:
        """Extents by code (C, 2)."""
        return np.array([self.ends[c] for c in sorted(self.ends)]).reshape(-1, 2)


@dataclass(slots=True)
class Faults:
    """Violations of one file: of each kind the first, and how many more there are."""

    file: str
    first: dict[tuple[str, str], Violation] = field(default_factory=dict)
    more: dict[tuple[str, str], int] = field(default_factory=dict)

    def note(
        self, column: str, row: int, value: object, expected: str, remedy: str = "", count: int = 1
    ) -> None:
        """Record a violation, or `count` of one kind of which this is the first."""
        key = (column, expected)
        if key in self.first:
            self.more[key] += count
            return
        self.first[key] = Violation(self.file, column, row, value, expected, remedy)
        self.more[key] = count - 1

    def raise_any(self) -> None:
        """Raise InputError when there are violations."""
        if self.first:
            raise InputError([self._told(key) for key in self.first])

    def _told(self, key: tuple[str, str]) -> Violation:
        one, more = self.first[key], self.more[key]
        if not more:
            return one
        tail = f"{more} more row{'s' * (more > 1)} like it"
        remedy = f"{one.remedy}; {tail}" if one.remedy else tail
        return Violation(one.file, one.column, one.row, one.value, one.expected, remedy)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A text file as bytes, plain or gzip-compressed; its first bytes tell which.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        It is absent, a folder, cannot be read, or is damaged.
    """
    with readable(path), path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not packed:
            yield raw
            return
        try:
            with gzip.open(raw) as text:
                yield text  # type: ignore[misc]
        except (gzip.BadGzipFile, EOFError, zlib.error):
            refuse(
                path, "damaged compressed data", "an intact gzip file", "copy or export it again"
            )


def fields(number: int) -> Found:
    """Number of fields, in words.

    Parameters
    ----------
    number
        How many.
    """
    return Found("1 field" if number == 1 else f"{number} fields")
