"""Genotypes in VCF files, plain or compressed (gzip, bgzip): called (GT) or expected copies (DS).

A record with several alternate alleles gives one row for each of them, which counts its copies.
The effect allele is the alternate one; the other allele is REF. Phase is not kept. No record is
left out because of FILTER or QUAL.
"""

from __future__ import annotations

import codecs
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from refsolve.io.called import Faults, fields, opened
from refsolve.io.genotypes import (
    CalledGenotypes,
    IntArray,
    Region,
    TextArray,
    as_region,
    first_repeated,
    require_chromosome,
    sample_columns,
)
from refsolve.io.sniff import readable, refuse

CHUNK = 10_000  # variants of a batch
FIXED = 9  # columns before the samples
LARGEST = 2.0  # expected copies
MOST_COPIES = 2  # of a call
SLACK = 1e-3  # that rounding may add to them
MISSING = -1
COUNTED = ("multiallelic", "without_alternate", "without_field", "haploid")
LAST_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
MOST_DIGITS = 15  # of a position
_REMEDY = "write it again, for example with bcftools view"


def read_vcf(
    path: Path | str,
    *,
    samples: Sequence[str] | None = None,
    region: str | tuple[str, int, int] | None = None,
    field: str | None = None,
) -> CalledGenotypes:
    """Read the genotypes of a file, or of a region and some samples, into memory.

    Calls take one byte, expected copies four.

    Parameters
    ----------
    path
        The file.
    samples
        Samples to read, in this order; None reads all.
    region
        Chromosome, or "7:1000-2000", "7:1000-", or a triple; both ends belong to it.
    field
        "GT" or "DS"; by default GT where the header or the first record has it, otherwise DS.

    Raises
    ------
    InputError
        Lines that break the format; of one kind the first, and how many more.
    """
    return stacked(iter_vcf(path, samples=samples, region=region, field=field))


def iter_vcf(
    path: Path | str,
    *,
    samples: Sequence[str] | None = None,
    region: str | tuple[str, int, int] | None = None,
    field: str | None = None,
    chunk: int = CHUNK,
) -> Iterator[CalledGenotypes]:
    """Stream the genotypes of a file in batches, in the order of its records.

    Parameters
    ----------
    path, samples, region, field
        As in `read_vcf`.
    chunk
        Variants of a batch, about.

    Yields
    ------
    Batches; the last may be empty. Counts are those of the batch.
    """
    if field not in (None, "GT", "DS"):
        raise ValueError(f"field = {field!r} is not known; choose one of 'GT', 'DS'")
    path, part = Path(path), as_region(region)
    _require_whole(path)
    with opened(path) as text:
        names, row, declared = _header(path, text)
        chosen = field or ("GT" if "GT" in declared else "DS" if "DS" in declared else "")
        columns = sample_columns(names, samples, path.name)
        reader = _Reader(chosen, part, columns, names.size, Faults(path.name))
        for number, line in enumerate(text, start=row + 1):
            reader.record(line.rstrip(b"\r\n"), number)
            if len(reader.rows) >= chunk:
                reader.faults.raise_any()
                yield reader.batch(names[columns])
        reader.faults.raise_any()
        require_chromosome(part, reader.chromosomes, path.name)
        if reader.lacking and not reader.found:
            remedy = "read the other field, or export it again"
            refuse(path, f"no record with {reader.key}", "the field that is read", remedy)
        yield reader.batch(names[columns])


def _require_whole(path: Path) -> None:
    """Refuse block-compressed files whose last block is missing."""
    with readable(path), path.open("rb") as stream:
        blocked = stream.read(18)[12:14] == b"BC" and not stream.seek(0)
        blocked = blocked and stream.read(2) == b"\x1f\x8b"
        size = stream.seek(0, io.SEEK_END)
        stream.seek(max(size - len(LAST_BLOCK), 0))
        if blocked and stream.read() != LAST_BLOCK:
            what = "compressed data cut off (the last block is missing)"
            refuse(path, what, "a complete bgzip file", "copy or export it again")


def stacked(batches: Iterable[CalledGenotypes]) -> CalledGenotypes:
    """All batches of one file as one.

    Parameters
    ----------
    batches
        What `iter_vcf` yields.
    """
    parts = list(batches)

    def column(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    return CalledGenotypes(
        dosage=column("dosage"),
        chromosome=column("chromosome"),
        position=column("position"),
        variant=column("variant"),
        effect_allele=column("effect_allele"),
        other_allele=column("other_allele"),
        sample=parts[0].sample,
        counts={name: sum(part.counts[name] for part in parts) for name in COUNTED},
    )


def _header(path: Path, text: BinaryIO) -> tuple[TextArray, int, set[str]]:
    """Samples, lines that were read, and fields declared for genotypes."""
    declared: set[str] = set()
    for row, line in enumerate(text, start=1):
        line = line.removeprefix(codecs.BOM_UTF8) if row == 1 else line
        if row == 1 and line.startswith(b"BCF"):
            refuse(path, "a BCF file", "VCF text", "convert it: bcftools view -Oz -o out.vcf.gz")
        if line.startswith(b"##"):
            if line.startswith(b"##FORMAT=<ID="):
                declared.add(line[13:].split(b",", 1)[0].decode(errors="replace"))
            continue
        if not line.startswith(b"#CHROM"):
            shown = repr(line[:30].decode(errors="replace").strip())
            refuse(path, shown, "a header line that begins with #CHROM", _REMEDY, row)
        names = np.array(line.decode(errors="replace").rstrip("\r\n").split("\t"), object)
        if names.size <= FIXED:
            refuse(path, "no samples", "genotypes of samples from column 10 on", _REMEDY, row)
        again = first_repeated(names[FIXED:])
        if again is not None:
            told = f"sample {names[FIXED + again]!r} a second time"
            refuse(path, told, "samples with names of their own", "rename one of the two", row)
        return names[FIXED:], row, declared
    refuse(path, "no header line", "a line that begins with #CHROM", _REMEDY)


@dataclass(slots=True)
class _Calls:
    """Every way in which a call was written so far, by code.

    Attributes
    ----------
    code
        Code of a text.
    alleles
        Alleles of each code; none where one of them is missing.
    wrong
        Codes that are no calls.
    """

    code: dict[bytes, int] = field(default_factory=dict)
    alleles: list[tuple[int, ...]] = field(default_factory=list)
    wrong: set[int] = field(default_factory=set)

    def codes(self, texts: list[bytes]) -> IntArray:
        """Code of every text."""
        code = self.code
        try:
            return np.array([code[text] for text in texts], np.int64)
        except KeyError:
            for text in set(texts) - code.keys():
                self._learn(text)
        return np.array([code[text] for text in texts], np.int64)

    def _learn(self, text: bytes) -> None:
        parts = text.replace(b"|", b"/").split(b"/")
        known = len(self.alleles)
        self.code[text] = known
        if not all(part == b"." or part.isdigit() for part in parts):
            self.wrong.add(known)
        if len(parts) > MOST_COPIES:
            self.wrong.add(known)
        called = all(part.isdigit() for part in parts)
        self.alleles.append(tuple(int(part) for part in parts) if called else ())

    def copies(self, allele: int) -> NDArray[np.int8]:
        """Copies of an allele, by code."""
        each = [found.count(allele) if found else MISSING for found in self.alleles]
        return np.array(each, np.int8)

    def refused(self, code: IntArray, alleles: int) -> IntArray:
        """Samples whose call is no call, or names an allele that the record has not."""
        most = np.array([max(found, default=0) for found in self.alleles])
        most[list(self.wrong)] = alleles + 1
        return np.flatnonzero(most[code] > alleles)


@dataclass(slots=True)
class _Reader:
    """Rows of the batch that is being filled."""

    key: str
    region: Region | None
    columns: IntArray
    n_samples: int
    faults: Faults
    calls: _Calls = field(default_factory=_Calls)
    rows: list[NDArray[Any]] = field(default_factory=list)
    about: list[tuple[str, int, str, str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    chromosomes: set[str] = field(default_factory=set)
    found: bool = False
    lacking: bool = False

    def record(self, line: bytes, row: int) -> None:
        """Take in one line."""
        if not line.strip():
            return
        fixed = line.split(b"\t", FIXED)
        if len(fixed) <= FIXED or fixed[FIXED].count(b"\t") + 1 != self.n_samples:
            told = f"{FIXED + self.n_samples} as in the header, separated by tabs"
            self.faults.note("", row, fields(line.count(b"\t") + 1), told, _REMEDY)
            return
        chromosome, place, name, ref, alternate = (f.decode(errors="replace") for f in fixed[:5])
        if not (place.isascii() and place.isdigit() and len(place) <= MOST_DIGITS):
            self.faults.note("POS", row, place, "a whole number of bases", _REMEDY)
            return
        self.chromosomes.add(chromosome)
        if self.region is not None and not self.region.has(chromosome, int(place)):
            return
        if alternate in (".", ""):
            self.counts["without_alternate"] += 1
            return
        alleles = alternate.split(",")
        self.counts["multiallelic"] += len(alleles) > 1
        for allele, values in zip(alleles, self._values(fixed, len(alleles), row), strict=True):
            own = name if name not in ("", ".") else f"{chromosome}:{place}:{ref}:{allele}"
            self.rows.append(values)
            self.about.append((chromosome, int(place), own, allele, ref))

    def _values(self, fixed: list[bytes], alleles: int, row: int) -> list[NDArray[Any]]:
        """Dosages (n,) of every alternate allele."""
        keys = fixed[8].split(b":")
        self.key = self.key or ("GT" if b"GT" in keys else "DS")
        wanted = self.key.encode()
        self.found, self.lacking = self.found or wanted in keys, self.lacking or wanted not in keys
        if wanted not in keys:
            self.counts["without_field"] += 1
            return [self._absent()] * alleles
        at = keys.index(wanted)
        if at == 0 and self.key == "GT":
            pairs = quick_pairs(fixed[FIXED], self.columns)
            if pairs is not None and pairs.max(initial=0) <= alleles:
                return _copies_of(pairs, alleles)
        texts = fixed[FIXED].split(b"\t")
        if self.columns.size < len(texts) or not self.in_order:
            texts = [texts[c] for c in self.columns.tolist()]
        if len(keys) > 1:
            texts = [_part(text, at) for text in texts]
        if self.key == "DS":
            return self._expected(texts, alleles, row)
        return self._copies(texts, alleles, row)

    @property
    def in_order(self) -> bool:
        """Samples are read as they stand in the file."""
        return bool((np.diff(self.columns) > 0).all())

    def _absent(self) -> NDArray[Any]:
        if self.key == "DS":
            return np.full(self.columns.size, np.nan, np.float32)
        return np.full(self.columns.size, MISSING, np.int8)

    def _copies(self, texts: list[bytes], alleles: int, row: int) -> list[NDArray[Any]]:
        code = self.calls.codes(texts)
        refused = self.calls.refused(code, alleles)
        if refused.size:
            shown = texts[int(refused[0])].decode(errors="replace")
            told = f"one or two alleles of 0 to {alleles} such as 0/1, or . where missing"
            self.faults.note("GT", row, shown, told, _REMEDY)
        single = np.array([len(found) == 1 for found in self.calls.alleles])
        self.counts["haploid"] += int(single[code].sum())
        return [self.calls.copies(a)[code] for a in range(1, alleles + 1)]

    def _expected(self, texts: list[bytes], alleles: int, row: int) -> list[NDArray[Any]]:
        out = np.full((alleles, len(texts)), np.nan, np.float32)
        for k, text in enumerate(texts):
            values = _numbers(text, alleles)
            if values is None:
                told = f"{alleles} number{'s' * (alleles > 1)} between 0 and 2"
                self.faults.note("DS", row, text.decode(errors="replace"), told, _REMEDY)
            else:
                out[:, k] = values
        return list(out)

    def batch(self, samples: TextArray) -> CalledGenotypes:
        """What was read since the last batch."""
        kind = np.float32 if self.key == "DS" else np.int8
        dosage = np.stack(self.rows) if self.rows else np.empty((0, self.columns.size), kind)
        chromosome, position, variant, effect, other = (
            np.array([line[k] for line in self.about], object) for k in range(5)
        )
        counts = {name: self.counts[name] for name in COUNTED}
        self.rows, self.about, self.counts = [], [], Counter()
        place = position.astype(np.int64)
        return CalledGenotypes(dosage, chromosome, place, variant, effect, other, samples, counts)


def quick_pairs(text: bytes, columns: IntArray) -> NDArray[np.int8] | None:
    """Both alleles (2, n) of calls such as 0/1 or .|., negative where missing; None for others.

    Parameters
    ----------
    text
        Fields of all samples; the call is the first part of each.
    columns
        Samples to read.
    """
    raw = np.frombuffer(text + b"\t", np.uint8)
    ends = np.flatnonzero(raw == ord("\t"))
    starts = np.concatenate([[0], ends[:-1] + 1])[columns]
    if (ends[columns] - starts < 3).any():
        return None
    after, between = raw[starts + 3], raw[starts + 1]
    closed = (after == ord("\t")) | (after == ord(":"))
    pairs = raw[np.stack([starts, starts + 2])].astype(np.int8) - np.int8(ord("0"))
    absent = np.int8(ord(".") - ord("0"))
    known = ((pairs >= 0) & (pairs <= 9)) | (pairs == absent)
    divided = (between == ord("/")) | (between == ord("|"))
    return pairs if (closed & divided).all() and known.all() else None


def _copies_of(pairs: NDArray[np.int8], alleles: int) -> list[NDArray[Any]]:
    missing = (pairs < 0).any(axis=0)
    each = ((pairs == a).sum(axis=0, dtype=np.int8) for a in range(1, alleles + 1))
    return [np.where(missing, np.int8(MISSING), copies) for copies in each]


def _part(text: bytes, at: int) -> bytes:
    """One of the fields of a sample; those at its end may be left out."""
    parts = text.split(b":", at + 1)
    return parts[at] if at < len(parts) else b"."


def _numbers(text: bytes, alleles: int) -> list[float] | None:
    """Expected copies of every alternate allele, NaN where missing; None if they are none."""
    if text in (b".", b""):
        return [np.nan] * alleles
    try:
        values = [np.nan if part == b"." else float(part) for part in text.split(b",")]
    except ValueError:
        return None
    outside = any(v < -SLACK or v > LARGEST + SLACK for v in values)
    return None if outside or len(values) != alleles else np.clip(values, 0.0, LARGEST).tolist()
