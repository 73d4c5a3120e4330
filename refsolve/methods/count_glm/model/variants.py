"""Genotypes of donors, and which variants lie near which gene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray, refuse, whole_numbers

TextArray = NDArray[Any]

LARGEST = 2.0  # copies
LONGEST = 10**12  # bases
OK, FEW, NOTHING_LEFT, ABSENT = 0, 1, 2, 3
FLAGS = np.array(["", "few copies", "no variation left", "no genotype"], object)


class Source(Protocol):
    """Genotypes of variants, in memory or in a file.

    Attributes
    ----------
    chromosome, position, variant, effect_allele, other_allele
        Of every variant (V,).
    sample
        Names of the columns of `take`, or None.
    """

    @property
    def chromosome(self) -> TextArray:
        """Of every variant."""
        ...

    @property
    def position(self) -> IntArray:
        """In bases."""
        ...

    @property
    def variant(self) -> TextArray:
        """Names."""
        ...

    @property
    def effect_allele(self) -> TextArray:
        """The allele that is counted."""
        ...

    @property
    def other_allele(self) -> TextArray:
        """What it is set against."""
        ...

    @property
    def sample(self) -> TextArray | None:
        """Names of the donors."""
        ...

    def take(self, rows: IntArray) -> FloatArray:
        """Copies of the effect allele (v, n), NaN where missing."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Genotypes:
    """Genotypes in memory.

    Attributes
    ----------
    dosage
        Copies of the effect allele (V, n): whole numbers with a negative one where missing, or
        floats with NaN.
    chromosome, position, variant
        Of every variant (V,).
    effect_allele, other_allele
        The allele that is counted, and the one it is set against (V,).
    sample
        Names (n,), or None where donors are in the order of the counts.
    """

    dosage: NDArray[Any]
    chromosome: TextArray
    position: IntArray
    variant: TextArray
    effect_allele: TextArray
    other_allele: TextArray
    sample: TextArray | None

    def take(self, rows: IntArray) -> FloatArray:
        """Copies of the effect allele (v, n), NaN where missing.

        Parameters
        ----------
        rows
            Places of the variants.
        """
        out = self.dosage[rows].astype(np.float64)
        if out.size and np.nanmin(out) < 0.0:
            out[out < 0.0] = np.nan
        return out


def make_genotypes(
    dosage: ArrayLike,
    chromosome: Sequence[object] | TextArray | str | int,
    position: ArrayLike,
    *,
    variant: Sequence[object] | None = None,
    effect_allele: Sequence[object] | None = None,
    other_allele: Sequence[object] | None = None,
    sample: Sequence[object] | None = None,
) -> Genotypes:
    """Genotypes from arrays.

    Parameters
    ----------
    dosage
        Copies of the effect allele, 0 to 2, variants by donors; NaN or -1 where missing.
    chromosome
        Of every variant, or one for all.
    position
        In bases.
    variant
        Names; by default chromosome:position.
    effect_allele, other_allele
        By default "1" and "0".
    sample
        Names of the donors.

    Raises
    ------
    ValueError
        Shapes that do not fit, or dosages outside 0 to 2.

    Examples
    --------
    >>> make_genotypes([[0, 1, 2], [1, -1, 0]], "1", [100, 250]).variant
    array(['1:100', '1:250'], dtype=object)
    """
    values = np.asarray(dosage)
    if values.ndim != 2 or values.dtype.kind not in "iuf":
        raise ValueError("dosage must be numbers, variants by donors; pass a matrix")
    v, n = values.shape
    bad = ~((values >= 0) & (values <= LARGEST)) & ~(values == -1) & ~np.isnan(values)
    refuse(bad, "dosage", values, "is no number of copies", "pass 0 to 2, or -1 where missing")
    place = whole_numbers(position, "position")
    of_each = [chromosome] * v if isinstance(chromosome, (str, int)) else list(chromosome)
    where = _texts(of_each, v, "chromosome")
    if place.shape != (v,):
        raise ValueError(f"position has the shape {place.shape}; expected one of {v} variants")
    if sample is not None and len({label(name) for name in sample}) < len(sample):
        raise ValueError("sample names a donor twice; leave one of the two out")
    named = [f"{c}:{p}" for c, p in zip(where, place, strict=True)]
    return Genotypes(
        values if values.dtype.kind != "u" else values.astype(np.int16), where, place,
        _texts(named if variant is None else variant, v, "variant"),
        _texts(["1"] * v if effect_allele is None else effect_allele, v, "effect_allele"),
        _texts(["0"] * v if other_allele is None else other_allele, v, "other_allele"),
        None if sample is None else _texts(sample, n, "sample"),
    )  # fmt: skip


def label(name: object) -> str:
    """Name as a text; whole numbers that a table with gaps has made floats are integers again.

    Parameters
    ----------
    name
        Of a donor or a chromosome.
    """
    if isinstance(name, (float, np.floating)) and float(name).is_integer():
        return str(int(name))
    return str(name)


def _texts(values: Sequence[object], n: int, name: str) -> TextArray:
    out = np.array([label(value) for value in values], object)
    if out.size != n:
        raise ValueError(f"{name} has {out.size} entries; expected {n}")
    return out


class Windows(NamedTuple):
    """Variants near genes: those of gene g are order[start[g]:stop[g]].

    Attributes
    ----------
    order
        Places of the variants by chromosome and position (V,).
    start, stop
        Of every gene (G,).
    """

    order: IntArray
    start: IntArray
    stop: IntArray


def cis_windows(
    gene_chromosome: Sequence[object] | TextArray,
    gene_position: ArrayLike,
    variant_chromosome: Sequence[object] | TextArray,
    variant_position: ArrayLike,
    window: int = 1_000_000,
) -> Windows:
    """Variants at most `window` bases from a gene; both ends belong to the window.

    Chromosomes are the same with and without "chr" before their name.

    Parameters
    ----------
    gene_chromosome, gene_position
        Of every gene (G,); the position is one (its start of transcription) or two (its ends, in
        any order) per gene.
    variant_chromosome, variant_position
        Of every variant (V,), in any order.
    window
        Bases to both sides.

    Raises
    ------
    ValueError
        Genes and variants have no chromosome in common.

    Examples
    --------
    >>> found = cis_windows(["1", "2"], [500, 500], ["chr1"] * 3, [400, 600, 601], window=100)
    >>> found.order[found.start[0] : found.stop[0]], found.stop[1] - found.start[1]
    (array([0, 1]), np.int64(0))
    """
    if not 0 <= window <= LONGEST:
        raise ValueError(f"window = {window} bases; expected 0 to {LONGEST:.0e}")
    ends = whole_numbers(gene_position, "gene_position")
    ends = ends[:, np.newaxis] if ends.ndim == 1 else ends
    place = whole_numbers(variant_position, "variant_position")
    genes, variants = _bare(gene_chromosome), _bare(variant_chromosome)
    if ends.shape[0] != genes.size or ends.shape[1] not in (1, 2) or place.shape != variants.shape:
        raise ValueError("give one chromosome and one position (or two ends) per gene and variant")
    if variants.size and genes.size and not set(genes) & set(variants):
        raise ValueError(
            f"genes lie on chromosomes such as {genes[0]!r} and variants on others such as "
            f"{variants[0]!r}; write both the same way"
        )
    code = {name: k for k, name in enumerate(dict.fromkeys([*variants, *genes]))}
    variant_code = np.array([code[name] for name in variants], np.int64)
    order = np.lexsort((place, variant_code))
    bounds = np.searchsorted(variant_code[order], np.arange(len(code) + 1))
    sorted_place, start, stop = place[order], np.empty(genes.size, np.int64), []
    for g, name in enumerate(genes):
        low, high = bounds[code[name]], bounds[code[name] + 1]
        here = sorted_place[low:high]
        start[g] = low + np.searchsorted(here, ends[g].min() - window, "left")
        stop.append(low + np.searchsorted(here, ends[g].max() + window, "right"))
    return Windows(order, start, np.array(stop, np.int64))


def _bare(names: Sequence[object] | TextArray) -> TextArray:
    known: dict[object, str] = {}
    for name in names:
        if name not in known:
            text = label(name)
            known[name] = text[3:] if text[:3].lower() == "chr" else text
    return np.array([known[name] for name in names], object)


class Described(NamedTuple):
    """Genotypes without gaps, and what is known of each variant.

    Attributes
    ----------
    dosage
        Copies (v, n); missing ones are the variant's mean.
    frequency
        Of the effect allele among donors with a genotype (v,).
    minor_count
        Copies of the rarer allele among them (v,).
    n_missing
        Donors without a genotype (v,).
    flag
        Codes of `FLAGS` (v,).
    """

    dosage: FloatArray
    frequency: FloatArray
    minor_count: FloatArray
    n_missing: IntArray
    flag: NDArray[np.int8]


def describe(dosage: FloatArray, least: float) -> Described:
    """Frequencies, and gaps filled with means.

    Parameters
    ----------
    dosage
        Copies (v, n) with NaN.
    least
        Copies of the rarer allele below which a variant is flagged.
    """
    gap = np.isnan(dosage)
    n_missing = gap.sum(axis=1)
    called = dosage.shape[1] - n_missing
    if n_missing.any():
        dosage = np.where(gap, 0.0, dosage)
    copies = dosage.sum(axis=1)
    mean = np.where(called > 0, copies / np.maximum(called, 1), np.nan)
    if n_missing.any():
        dosage = np.where(gap, np.nan_to_num(mean)[:, np.newaxis], dosage)
    minor = np.minimum(copies, LARGEST * called - copies)
    flag = np.where(minor < least, FEW, OK).astype(np.int8)
    flag[called == 0] = ABSENT
    return Described(dosage, 0.5 * mean, minor, n_missing, flag)
