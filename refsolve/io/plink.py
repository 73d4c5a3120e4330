"""Genotypes in PLINK 1 files: .bed (variants in rows, two bits per sample), .bim, .fam.

The allele that is counted is A1, column 5 of the .bim file; `effect_allele` holds it and
`other_allele` column 6. PLINK itself makes A1 the minor allele unless it is told otherwise.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.io.called import Faults
from refsolve.io.genotypes import (
    FloatArray,
    IntArray,
    TextArray,
    as_region,
    first_repeated,
    require_chromosome,
    sample_columns,
)
from refsolve.io.sniff import read_text, readable, refuse

MAGIC, BY_VARIANT, BY_SAMPLE = b"\x6c\x1b", 1, 0
HEADER = 3  # bytes before the genotypes
BLOCK = 4096  # variants decoded at once
FURTHEST = 1e15  # position
_BIM = ("chromosome", "variant", "centimorgan", "position", "allele 1", "allele 2")
_FAM = ("family", "sample", "father", "mother", "sex", "phenotype")
_TOGETHER = "use the .bed, .bim and .fam files of one export"


def _decoded() -> NDArray[np.float64]:
    """Copies of A1 of the four genotypes in a byte (256, 4); the lowest bits come first."""
    copies = np.array([2.0, np.nan, 1.0, 0.0])
    bits = (np.arange(256)[:, np.newaxis] >> np.array([0, 2, 4, 6])) & 3
    return np.asarray(copies[bits], np.float64)


_COPIES = _decoded()


@dataclass(frozen=True, slots=True, eq=False)
class PlinkGenotypes:
    """Genotypes of V variants in n samples, read from the file when they are asked for.

    Attributes
    ----------
    chromosome, position, variant
        Of every variant (V,), in the order of the file.
    effect_allele, other_allele
        Columns 5 (counted) and 6 of the .bim file (V,).
    sample
        Individual IDs (n,), column 2 of the .fam file.
    row, column
        Places of the variants (V,) and samples (n,) in the file.
    packed
        The file, two bits per genotype; it stays on disk.
    """

    chromosome: TextArray
    position: IntArray
    variant: TextArray
    effect_allele: TextArray
    other_allele: TextArray
    sample: TextArray
    row: IntArray
    column: IntArray
    packed: NDArray[np.uint8]

    @property
    def n_variants(self) -> int:
        """Number of variants."""
        return self.position.size

    def take(self, rows: IntArray) -> FloatArray:
        """Copies of the effect allele (v, n), NaN where missing.

        Parameters
        ----------
        rows
            Places of the variants.
        """
        rows = np.asarray(rows, np.int64)
        out = np.empty((rows.size, self.column.size))
        for at in range(0, rows.size, BLOCK):
            packed = self.packed[self.row[rows[at : at + BLOCK]]]
            out[at : at + BLOCK] = _COPIES[packed].reshape(packed.shape[0], -1)[:, self.column]
        return out


def open_plink(
    prefix: Path | str,
    *,
    samples: Sequence[str] | None = None,
    region: str | tuple[str, int, int] | None = None,
) -> PlinkGenotypes:
    """Open PLINK 1 files; genotypes are read in blocks later.

    Parameters
    ----------
    prefix
        Path of the three files without its ending, or of one of them.
    samples
        Individual IDs to read, in this order; None reads all.
    region
        Chromosome, or "7:1000-2000", "7:1000-", or a triple; both ends belong to it.

    Raises
    ------
    InputError
        What breaks the format: a .bed file by sample, sizes that do not agree, or wrong lines.
    """
    bed, bim, fam = _names(Path(prefix))
    variants, people = _columns(bim, _BIM), _columns(fam, _FAM)
    position = _positions(bim, variants)
    sample = np.asarray(people["sample"], object)
    again = first_repeated(sample)
    if again is not None:
        refuse(
            fam, f"individual {sample[again]!r} a second time", "individuals with IDs of their own",
            "rename one of the two; families are not told apart here", again + 1,
        )  # fmt: skip
    packed = _mapped(bed, len(variants), sample.size)
    kept, part = np.arange(len(variants)), as_region(region)
    if part is not None:
        require_chromosome(part, dict.fromkeys(variants["chromosome"]), bim.name)
        near = (position >= part.start) & (position <= part.end)
        kept = np.flatnonzero(near & (variants["chromosome"] == part.chromosome).to_numpy())
    column = sample_columns(sample, samples, fam.name)
    text = {name: np.asarray(variants[name], object)[kept] for name in _BIM if name[0] != "p"}
    return PlinkGenotypes(
        chromosome=text["chromosome"], position=position[kept], variant=text["variant"],
        effect_allele=text["allele 1"], other_allele=text["allele 2"], sample=sample[column],
        row=kept, column=column, packed=packed,
    )  # fmt: skip


def _names(prefix: Path) -> tuple[Path, Path, Path]:
    stem = prefix.stem if prefix.suffix in (".bed", ".bim", ".fam") else prefix.name
    bed, bim, fam = (prefix.with_name(stem + end) for end in (".bed", ".bim", ".fam"))
    return bed, bim, fam


def _columns(path: Path, names: tuple[str, ...]) -> pd.DataFrame:
    """Fields of a text file without header, as texts."""
    text = read_text(path).rstrip(b"\n")
    try:
        frame = pd.read_csv(
            io.BytesIO(text), sep=r"\s+", header=None, names=list(range(len(names) + 1)), dtype=str,
            na_filter=False, quoting=3, index_col=False, skip_blank_lines=False,
        )  # fmt: skip
    except pd.errors.ParserError as broken:
        refuse(path, str(broken).strip()[-60:], f"{len(names)} fields a line", _TOGETHER)
    told = f"{len(names)} fields: {', '.join(names)}"
    for column, what, wrong in ((-1, "more", frame.iloc[:, -1]), (-2, "fewer", frame.iloc[:, -2])):
        filled = (wrong.notna() & (wrong != "")).to_numpy()
        bad = np.flatnonzero(filled if column == -1 else ~filled)
        if bad.size:
            refuse(path, f"a line with {what} fields", told, "export it again", int(bad[0]) + 1)
    return frame.iloc[:, :-1].set_axis(list(names), axis=1)


def _positions(path: Path, variants: pd.DataFrame) -> IntArray:
    number = pd.to_numeric(variants["position"], errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~((number == np.floor(number)) & (np.abs(number) < FURTHEST)))
    if bad.size:
        faults, at = Faults(path.name), int(bad[0])
        found = variants["position"].iloc[at]
        faults.note("position", at + 1, found, "a whole number of bases", count=bad.size)
        faults.raise_any()
    return number.astype(np.int64)


def _mapped(path: Path, variants: int, samples: int) -> NDArray[np.uint8]:
    with readable(path), path.open("rb") as stream:
        head = stream.read(HEADER)
        size = stream.seek(0, io.SEEK_END)
    if head[:2] != MAGIC or len(head) < HEADER:
        shown = f"the first bytes {head[:2].hex(' ')}" if head else "an empty file"
        remedy = "make it again with plink --make-bed"
        refuse(path, shown, "the first bytes 6c 1b of a PLINK 1 .bed file", remedy)
    if head[2] != BY_VARIANT:
        kind = "genotypes by sample" if head[2] == BY_SAMPLE else f"the mode {head[2]}"
        refuse(path, kind, "genotypes by variant (mode 1)", "rewrite it with plink --make-bed")
    width = (samples + 3) // 4
    expected = HEADER + variants * width
    if size != expected:
        told = f"{expected} for {variants} variants in .bim and {samples} samples in .fam"
        refuse(path, f"{size} bytes", told, _TOGETHER)
    return np.memmap(path, np.uint8, "r", HEADER, (variants, width))
