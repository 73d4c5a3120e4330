"""Local ancestry by windows as RFMix 2 and others write it (.msp.tsv), streamed as tracts.

The first line names the codes, `#Subpopulation order/codes: AFR=0<tab>EUR=1`, the second the
columns: chromosome, ends in bases, ends in centimorgans, number of markers, then one column per
haplotype. Windows of one haplotype that touch and have one code are one tract.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsolve.io.called import (
    CalledTracts,
    CodeArray,
    Extents,
    Faults,
    Names,
    fields,
    opened,
    stacked,
)
from refsolve.io.sniff import Found, refuse

FIXED = 6  # columns before those of the haplotypes
CHUNK = 1 << 20  # tracts of a batch, about
SLACK = 1e-8  # Morgans between windows that touch
_ZERO, _TAB = ord("0"), ord("\t")


def read_msp(paths: Path | str | Sequence[Path | str]) -> CalledTracts:
    """Read one file, or one per chromosome of the same haplotypes.

    Parameters
    ----------
    paths
        The files, plain or gzip-compressed.

    Raises
    ------
    InputError
        Everything in a file that breaks the format; of one kind the first, and how many more.
    """
    return stacked(iter_msp(paths))


def iter_msp(
    paths: Path | str | Sequence[Path | str], *, chunk: int = CHUNK
) -> Iterator[CalledTracts]:
    """Stream the tracts of one file, or of one per chromosome.

    Parameters
    ----------
    paths
        The files, plain or gzip-compressed.
    chunk
        Tracts of a batch, at least; what one line adds is never divided.

    Yields
    ------
    Batches in the order of the files; those of one haplotype are in map order across batches.

    Raises
    ------
    InputError
        At the end of the file that breaks the format; batches before then are of sound lines.
    """
    files = [paths] if isinstance(paths, (str, Path)) else list(paths)
    if not files:
        raise ValueError("paths is empty; expected at least one file; give .msp.tsv files")
    stream = _Stream(chunk)
    for file in files:
        yield from stream.read(Path(file))
    yield stream.batch()


@dataclass(slots=True)
class _Runs:
    """Current tract of every haplotype."""

    ancestry: CodeArray
    start: NDArray[np.float64]
    chromosome: int = -1
    end: float = math.nan


@dataclass(slots=True)
class _Stream:
    chunk: int
    names: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    chromosomes: Names = field(default_factory=Names)
    extents: Extents = field(default_factory=Extents)
    parts: list[
        tuple[CodeArray, CodeArray, NDArray[np.float64], NDArray[np.float64], CodeArray]
    ] = field(default_factory=list)
    size: int = 0
    empty: int = 0

    def read(self, path: Path) -> Iterator[CalledTracts]:
        faults = Faults(path.name)
        with opened(path) as text:
            self._header(path, text.readline(), text.readline())
            runs = _Runs(np.full(len(self.names), -1, np.int32), np.zeros(len(self.names)))
            lines = 0
            for row, line in enumerate(text, start=3):
                bare = line.rstrip(b"\r\n")
                if bare.strip():
                    lines += 1
                    self._window(bare, row, runs, faults)
                if self.size >= self.chunk and not faults.first:
                    yield self.batch()
        if lines == 0:
            refuse(path, "no window", "at least one window", "export the calls again")
        faults.raise_any()
        self._close(runs, np.ones(len(self.names), np.bool_))

    def _header(self, path: Path, codes: bytes, columns: bytes) -> None:
        first, second = codes.decode(errors="replace"), columns.decode(errors="replace")
        lead, _, pairs = first.partition(":")
        found = dict(pair.rpartition("=")[::2] for pair in pairs.split())
        wanted = [str(k) for k in range(len(found))]
        if not lead.startswith("#") or not found or list(found.values()) != wanted:
            refuse(
                path, repr(first.strip()[:60]), "'#Subpopulation order/codes: NAME=0<tab>NAME=1'",
                "the first line names the codes 0, 1, ...", 1,
            )  # fmt: skip
        names = tuple(name.strip() for name in second.rstrip("\r\n").split("\t"))
        if not names[0].startswith("#") or len(names) <= FIXED:
            refuse(
                path, fields(len(names)), f"{FIXED} columns and one per haplotype, tab-separated",
                "the second line names the columns and begins with #chm", 2,
            )  # fmt: skip
        names = names[FIXED:]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            refuse(path, f"{twice!r} twice", "haplotypes with names of their own", "rename it", 2)
        for known, new, what in (
            (self.names, names, "haplotypes"),
            (self.codes, tuple(found), "codes"),
        ):
            if known and known != new:
                refuse(path, f"other {what}", f"the {what} of the first file", "read it by itself")
        self.names, self.codes = names, tuple(found)

    def _window(self, line: bytes, row: int, runs: _Runs, faults: Faults) -> None:
        parts = line.split(b"\t", FIXED)
        H = len(self.names)
        if len(parts) <= FIXED:
            expected = f"{FIXED + H} as in the header"
            faults.note("", row, fields(len(parts)), expected, "check the tabs of that line")
            return
        low, high = (_morgans(parts[i], ("sgpos", "egpos")[i - 3], row, faults) for i in (3, 4))
        found = _codes(parts[FIXED], H)
        if isinstance(found, int):
            expected = f"{FIXED + H} as in the header"
            faults.note("", row, fields(FIXED + found), expected, "check the tabs of that line")
            return
        bad = (found < 0) | (found >= len(self.codes))
        if bad.any():
            h = int(np.argmax(bad))
            value = parts[FIXED].split(b"\t")[h].decode(errors="replace")
            expected = f"a code from 0 to {len(self.codes) - 1}"
            faults.note(self.names[h], row, value, expected, "the first line names the codes")
            return
        chromosome = self.chromosomes.of(parts[0].decode(errors="replace").strip())
        if high < low:
            faults.note("egpos", row, _shown(parts[4]), "an end not before the start", "")
        if chromosome == runs.chromosome and low < runs.end - SLACK:
            faults.note("sgpos", row, _shown(parts[3]), "windows in map order", "sort the windows")
        if not faults.first:
            self._extend(chromosome, low, high, found, runs)

    def _extend(
        self, chromosome: int, low: float, high: float, found: CodeArray, runs: _Runs
    ) -> None:
        self.extents.widen(chromosome, low, high)
        if chromosome != runs.chromosome or low > runs.end + SLACK:
            changed = np.ones(found.size, np.bool_)
        else:
            changed = found != runs.ancestry
        self._close(runs, changed)
        runs.ancestry[changed], runs.start[changed] = found[changed], low
        runs.chromosome, runs.end = chromosome, high

    def _close(self, runs: _Runs, changed: NDArray[np.bool_]) -> None:
        if runs.chromosome < 0 or not changed.any():
            return
        which = np.flatnonzero(changed & (runs.start < runs.end)).astype(np.int32)
        self.empty += int(changed.sum()) - which.size
        here = np.full(which.size, runs.chromosome, np.int32)
        ends = np.full(which.size, runs.end)
        self.parts.append((which, here, runs.start[which], ends, runs.ancestry[which]))
        self.size += which.size

    def batch(self) -> CalledTracts:
        none = np.zeros(0, np.int32)
        parts = self.parts or [(none, none, np.zeros(0), np.zeros(0), none)]
        haplotype, chromosome, start, end, ancestry = zip(*parts, strict=True)
        aside = self.empty
        self.parts, self.size, self.empty = [], 0, 0
        return CalledTracts(
            haplotype=np.concatenate(haplotype),
            chromosome=np.concatenate(chromosome),
            start=np.concatenate(start),
            end=np.concatenate(end),
            ancestry=np.concatenate(ancestry),
            haplotype_names=self.names,
            chromosome_names=self.chromosomes.listed(),
            ancestry_names=self.codes,
            extent=self.extents.listed(),
            set_aside=aside,
        )


def _morgans(text: bytes, column: str, row: int, faults: Faults) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        faults.note(column, row, _shown(text), "a position in centimorgans")
        return math.nan
    return 0.01 * value


def _shown(text: bytes) -> Found | str:
    return text.decode(errors="replace").strip() or Found("an empty field")


def _codes(text: bytes, H: int) -> CodeArray | int:
    """Codes of one window (H,), -1 where there is none; the number of fields when it is not H."""
    if len(text) == 2 * H - 1:
        raw = np.frombuffer(text, np.uint8)
        if (raw[1::2] == _TAB).all():
            digits = raw[::2].astype(np.int32) - _ZERO
            return np.where((digits >= 0) & (digits <= 9), digits, -1).astype(np.int32)
    parts = text.split(b"\t")
    if len(parts) != H:
        return len(parts)
    return np.array([int(p) if p.strip().isdigit() else -1 for p in parts], np.int32)
