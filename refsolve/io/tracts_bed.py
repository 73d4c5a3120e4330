"""Tracts as text, one per line: a file per haplotype as in the BED pairs of tracts, or one for all.

A header names the columns: chromosome, ancestry, and both ends in centimorgans or Morgans; columns
of haplotype and individual are optional, and a file without them is one haplotype named like it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.io.called import CalledTracts, Extents, Faults, Names, fields, opened, stacked
from refsolve.io.sniff import Found, refuse

CHUNK = 1 << 24  # bytes of a batch
UNASSIGNED = frozenset({"", ".", "na", "nan", "unk", "unknown", "none", "-"})
_LINE_END = ord("\n")
_ALIASES = {
    "chromosome": ("chr", "chrom", "chromosome", "chm"),
    "ancestry": ("anc", "ancestry", "assignment", "label", "pop"),
    "start_cm": ("cmstart", "cmbegin", "startcm", "sgpos"),
    "end_cm": ("cmend", "endcm", "egpos"),
    "start_m": ("startmorgan", "startmorgans", "morganstart"),
    "end_m": ("endmorgan", "endmorgans", "morganend"),
    "haplotype": ("hap", "haplotype", "copy"),
    "individual": ("ind", "individual", "sample", "id", "iid"),
}
_WORDS = {
    "chromosome": "chrom",
    "ancestry": "anc",
    "start": "cM_start (or start_morgan)",
    "end": "cM_end (or end_morgan)",
}


def read_tracts_bed(
    paths: Path | str | Sequence[Path | str], *, ancestries: Sequence[str] = ()
) -> CalledTracts:
    """Read one file, or one per haplotype.

    Parameters
    ----------
    paths
        The files, plain or gzip-compressed.
    ancestries
        Names in the order of their codes; by default the order in which they appear.

    Raises
    ------
    InputError
        Everything in a file that breaks the format; of one kind the first, and how many more.
    """
    return stacked(iter_tracts_bed(paths, ancestries=ancestries))


def iter_tracts_bed(
    paths: Path | str | Sequence[Path | str],
    *,
    ancestries: Sequence[str] = (),
    chunk: int = CHUNK,
) -> Iterator[CalledTracts]:
    """Stream the tracts of one file, or of one per haplotype.

    Parameters
    ----------
    paths
        The files, plain or gzip-compressed.
    ancestries
        As in `read_tracts_bed`.
    chunk
        Bytes of a batch, about.

    Yields
    ------
    Batches in the order of the lines.

    Raises
    ------
    InputError
        After the lines of the batch that breaks the format.
    """
    files = [paths] if isinstance(paths, (str, Path)) else list(paths)
    if not files:
        raise ValueError("paths is empty; expected at least one file; give tables of tracts")
    stream = _Stream(ancestries)
    for file in files:
        yield from stream.read(Path(file), chunk)


class _Stream:
    """Names and extents over all files."""

    def __init__(self, ancestries: Sequence[str]) -> None:
        self.haplotypes, self.chromosomes, self.ancestries = Names(), Names(), Names()
        self.fixed = [self.ancestries.of(name) for name in ancestries]
        self.extents = Extents()

    def read(self, path: Path, chunk: int) -> Iterator[CalledTracts]:
        with opened(path) as text:
            header = text.readline().decode(errors="replace").rstrip("\r\n")
            delimiter = "\t" if "\t" in header else "," if "," in header else r"\s+"
            names = header.split() if delimiter == r"\s+" else header.split(delimiter)
            used, width, row = _columns(path, names), len(names), 2
            for frame in _frames(path, text, width, delimiter, chunk, used):
                yield self._batch(path, frame, used, row)
                row += len(frame)
            if row == 2:
                refuse(path, "no tract", "a header and tracts", "export the tracts again")

    def _batch(
        self, path: Path, frame: pd.DataFrame, used: dict[str, int], row: int
    ) -> CalledTracts:
        faults = Faults(path.name)
        start, end = _positions(frame, used, row, faults)
        chromosome = self._coded(self.chromosomes, frame[used["chromosome"]])
        self._require_names(frame[used["chromosome"]], row, faults)
        label, assigned = self._ancestries(frame[used["ancestry"]])
        self._require_known(frame[used["ancestry"]], label * assigned, row, faults)
        faults.raise_any()
        kept = assigned & (end > start)
        for c in np.unique(chromosome).tolist():
            here = chromosome == c
            self.extents.widen(c, float(start[here].min()), float(end[here].max()))
        return CalledTracts(
            haplotype=self._haplotype(path, frame, used)[kept],
            chromosome=chromosome[kept],
            start=start[kept],
            end=end[kept],
            ancestry=label[kept],
            haplotype_names=self.haplotypes.listed(),
            chromosome_names=self.chromosomes.listed(),
            ancestry_names=self.ancestries.listed(),
            extent=self.extents.listed(),
            set_aside=int((~kept).sum()),
        )

    def _haplotype(
        self, path: Path, frame: pd.DataFrame, used: dict[str, int]
    ) -> NDArray[np.int32]:
        named = [frame[used[c]].astype("str") for c in ("individual", "haplotype") if c in used]
        if not named:
            stem = path.name.removesuffix(".gz").rpartition(".")[0] or path.name
            return np.full(len(frame), self.haplotypes.of(stem), np.int32)
        return self._coded(
            self.haplotypes, named[0] if len(named) == 1 else named[0] + "." + named[1]
        )

    def _ancestries(self, column: pd.Series[Any]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        codes, names = pd.factorize(column.astype("str"))
        known = np.array([str(n).strip().lower() not in UNASSIGNED for n in names], np.bool_)
        code = [
            self.ancestries.of(str(n).strip()) if yes else 0
            for n, yes in zip(names, known, strict=True)
        ]
        return np.array(code, np.int32)[codes], known[codes]

    @staticmethod
    def _coded(names: Names, column: pd.Series[Any]) -> NDArray[np.int32]:
        codes, found = pd.factorize(column.astype("str"))
        return np.array([names.of(str(n).strip()) for n in found], np.int32)[codes]

    def _require_known(
        self, column: pd.Series[Any], label: NDArray[np.int32], row: int, faults: Faults
    ) -> None:
        strange = np.flatnonzero(label >= len(self.fixed)) if self.fixed else label[:0]
        if strange.size:
            at = int(strange[0])
            expected = "one of " + ", ".join(list(self.ancestries.code)[: len(self.fixed)])
            faults.note("ancestry", row + at, _shown(column, at), expected, count=strange.size)

    @staticmethod
    def _require_names(column: pd.Series[Any], row: int, faults: Faults) -> None:
        blank = np.flatnonzero(column.isna() | (column.astype("str").str.strip() == ""))
        if blank.size:
            faults.note("chromosome", row + int(blank[0]), Found("an empty field"), "a name",
                        count=blank.size)  # fmt: skip


def _columns(path: Path, names: list[str]) -> dict[str, int]:
    plain = ["".join(ch for ch in name.lower() if ch.isalnum()) for name in names]
    found = {
        key: plain.index(next(alias for alias in aliases if alias in plain))
        for key, aliases in _ALIASES.items()
        if any(alias in plain for alias in aliases)
    }
    centi = "start_cm" in found and "end_cm" in found
    drop = ("start_m", "end_m") if centi else ("start_cm", "end_cm")
    found = {key: at for key, at in found.items() if key not in drop}
    have = {key.partition("_")[0] for key in found}
    missing = [word for key, word in _WORDS.items() if key not in have]
    if missing:
        seen = Found(f"the columns {', '.join(names)[:120]}")
        refuse(
            path, seen, f"a header with {', '.join(missing)}",
            "rename the columns; positions in bases say nothing about time", 1,
        )  # fmt: skip
    return found


def _blocks(text: BinaryIO, size: int) -> Iterator[bytes]:
    """Whole lines of about a size, with one kind of line end and none after the last line."""
    while block := text.read(size) + text.readline():
        yield block.replace(b"\r\n", b"\n")


def _frames(
    path: Path, text: BinaryIO, width: int, delimiter: str, chunk: int, used: dict[str, int]
) -> Iterator[pd.DataFrame]:
    texts = {at: "str" for key, at in used.items() if not key.startswith(("start", "end"))}
    row = 2
    for block in _blocks(text, chunk):
        lines = block.rstrip(b"\n")
        if not lines:
            continue
        if delimiter != r"\s+":
            _require_width(path, lines, width, delimiter, row)
        try:
            frame = pd.read_csv(
                io.BytesIO(lines),
                sep=delimiter,
                header=None,
                names=range(width),
                index_col=False,
                usecols=sorted(used.values()),
                na_filter=False,
                skip_blank_lines=False,
                dtype=texts,
                low_memory=False,
            )
        except (pd.errors.ParserError, UnicodeDecodeError) as broken:
            what = Found(str(broken).strip()[:120])
            refuse(path, what, f"UTF-8 text of {width} fields", "check that file", row)
        yield frame
        row += len(frame)


def _require_width(path: Path, lines: bytes, width: int, delimiter: str, row: int) -> None:
    raw = np.frombuffer(lines + b"\n", np.uint8)
    marks = raw[(raw == ord(delimiter)) | (raw == _LINE_END)]
    ends = np.flatnonzero(marks == _LINE_END)
    found = np.diff(ends, prepend=-1)
    wrong = np.flatnonzero(found != width)
    if wrong.size:
        first = int(wrong[0])
        remedy = "check the delimiters of that line"
        if wrong.size > 1:
            remedy += f"; {wrong.size} rows differ"
        expected = f"{width} as in the header"
        refuse(path, fields(int(found[first])), expected, remedy, row + first)


def _positions(
    frame: pd.DataFrame, used: dict[str, int], row: int, faults: Faults
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Starts and ends in Morgans."""
    unit, scale = ("_cm", 0.01) if "start_cm" in used else ("_m", 1.0)
    start, end = (
        scale * _numbers(frame[used[side + unit]], side + unit, row, faults)
        for side in ("start", "end")
    )
    backwards = np.flatnonzero(end < start)
    if backwards.size:
        at, column = int(backwards[0]), "end" + unit
        found, expected = _shown(frame[used[column]], at), "an end not before the start"
        faults.note(column, row + at, found, expected, count=backwards.size)
    return start, end


def _numbers(column: pd.Series[Any], name: str, row: int, faults: Faults) -> NDArray[np.float64]:
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        at = int(bad[0])
        text = str(column.iloc[at]).strip() or Found("an empty field")
        unit = "centimorgans" if name.endswith("cm") else "Morgans"
        faults.note(name, row + at, text, f"a position in {unit}", count=bad.size)
    return np.where(np.isfinite(values), values, np.nan)


def _shown(column: pd.Series[Any], at: int) -> str:
    value = column.iloc[at]
    return value if isinstance(value, str) else f"{value:g}"
