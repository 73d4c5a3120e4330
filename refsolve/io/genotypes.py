"""What the readers of genotypes share: regions, samples, and columns of variants."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TextArray = NDArray[Any]

_REGION = re.compile(r"([^:]+)(?::([\d,]+)-([\d,]*))?")
LAST = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Region:
    """Part of a chromosome; both ends belong to it.

    Attributes
    ----------
    chromosome
        Its name as the file has it.
    start, end
        Positions.
    """

    chromosome: str
    start: int = 0
    end: int = LAST

    def has(self, chromosome: str, position: int) -> bool:
        """The position lies in the region."""
        return chromosome == self.chromosome and self.start <= position <= self.end


def as_region(region: str | tuple[str, int, int] | None) -> Region | None:
    """Region from "7", "7:1,000-2,000" (both ends inclusive), "7:1,000-", or a triple.

    Parameters
    ----------
    region
        What the user wrote; None is the whole file.
    """
    if region is None:
        return None
    if isinstance(region, tuple):
        found = Region(str(region[0]), int(region[1]), int(region[2]))
    else:
        match = _REGION.fullmatch(region.strip())
        if match is None:
            raise ValueError(f"region = {region!r} is no region; write it like '7:1000-2000'")
        start, end = (int((g or "0").replace(",", "")) for g in match.groups()[1:])
        found = Region(match[1], start, end if match[3] else LAST)
    if found.end < found.start:
        raise ValueError(f"region = {region!r} ends before it starts; exchange its ends")
    return found


def require_chromosome(region: Region | None, known: Iterable[str], file: str) -> None:
    """Raise ValueError when a region lies on a chromosome that the file has not.

    Parameters
    ----------
    region
        What was asked for.
    known
        Chromosomes of the file.
    file
        Its name.
    """
    names = list(known)
    if region is not None and region.chromosome not in names:
        there = ", ".join(names[:10]) or "no record at all"
        raise ValueError(
            f"region: {file} has no chromosome {region.chromosome!r}; there is {there}"
        )


def sample_columns(names: TextArray, wanted: Sequence[str] | None, file: str) -> IntArray:
    """Columns of the samples asked for, in the order asked for; all by default.

    Parameters
    ----------
    names
        Samples of the file.
    wanted
        Samples to read.
    file
        Its name, for the message.
    """
    if wanted is None:
        return np.arange(names.size, dtype=np.int64)
    if isinstance(wanted, str) or len(wanted) == 0:
        raise ValueError(f"samples = {wanted!r}; expected a list of names, or None for all")
    place = {name: k for k, name in enumerate(names.tolist())}
    asked = [str(name) for name in wanted]
    absent = [name for name in asked if name not in place]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise ValueError(
            f"samples: {absent[0]!r}{more} not in {file}, which has {names.size} samples such as "
            f"{names[0]!r}; ask only for samples of the file"
        )
    if len(set(asked)) < len(asked):
        raise ValueError("samples names a sample twice; name each once")
    return np.array([place[name] for name in asked], np.int64)


def first_repeated(names: TextArray) -> int | None:
    """Place of the first name that stood before.

    Parameters
    ----------
    names
        Names.
    """
    first = np.unique(names.astype(str), return_index=True)[1]
    again = np.setdiff1d(np.arange(names.size), first)
    return int(again[0]) if again.size else None


@dataclass(frozen=True, slots=True, eq=False)
class CalledGenotypes:
    """Genotypes of V variants in n samples, in memory.

    Attributes
    ----------
    dosage
        Copies of the effect allele (V, n): int8 with -1 where missing, or float32 with NaN.
    chromosome, position, variant
        Of every variant (V,).
    effect_allele, other_allele
        The allele that is counted, and the reference it is set against (V,).
    sample
        Names (n,).
    counts
        "multiallelic": records with several alternate alleles, each of which is a row here;
        "without_alternate": records without one, set aside; "without_field": records without the
        field that is read, whose genotypes are missing; "haploid": calls of one copy.
    """

    dosage: NDArray[Any]
    chromosome: TextArray
    position: IntArray
    variant: TextArray
    effect_allele: TextArray
    other_allele: TextArray
    sample: TextArray
    counts: Mapping[str, int]

    @property
    def n_variants(self) -> int:
        """Number of rows."""
        return self.position.size

    def take(self, rows: IntArray) -> FloatArray:
        """Dosages of some variants (v, n), NaN where missing.

        Parameters
        ----------
        rows
            Their places.
        """
        return as_floats(self.dosage[rows])


def as_floats(dosage: NDArray[Any]) -> FloatArray:
    """Dosages as floats, NaN where missing.

    Parameters
    ----------
    dosage
        Whole numbers with a negative one where missing, or floats.
    """
    out = dosage.astype(np.float64)
    if dosage.dtype.kind == "i":
        out[dosage < 0] = np.nan
    return out
