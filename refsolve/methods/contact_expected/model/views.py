"""Regions of a genome within which distances are compared: chromosomes, arms, or any others."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from refsolve.core.check import IntArray
from refsolve.methods.contact_expected.model.contacts import Pixels


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Regions that do not overlap, each a range of bins of one chromosome, in order.

    Attributes
    ----------
    name
        Name of each region (R,).
    chromosome
        Number of the chromosome of each region (R,).
    low, high
        Bins of each region (R,), half open.
    """

    name: tuple[str, ...]
    chromosome: IntArray
    low: IntArray
    high: IntArray

    @property
    def n_regions(self) -> int:
        """Number of regions."""
        return len(self.name)

    def region_of(self, n_bins: int) -> IntArray:
        """Region of each bin (N,), -1 for none.

        Parameters
        ----------
        n_bins
            Number of bins of the genome.
        """
        out = np.full(n_bins, -1, np.int64)
        for r in range(self.n_regions):
            out[self.low[r] : self.high[r]] = r
        return out

    def of_chromosome(self, chromosome: int) -> IntArray:
        """Numbers of the regions on one chromosome.

        Parameters
        ----------
        chromosome
            Its number.
        """
        return np.flatnonzero(self.chromosome == chromosome)


def whole_chromosomes(pixels: Pixels) -> View:
    """Every chromosome that has bins is a region.

    Parameters
    ----------
    pixels
        The contacts.
    """
    offset = np.asarray(pixels.chrom_offset, np.int64)
    kept = np.flatnonzero(np.diff(offset))
    names = tuple(pixels.names[c] for c in kept)
    return View(names, kept, offset[kept], offset[kept + 1])


def arms(pixels: Pixels, centromeres: Mapping[str, int]) -> View:
    """Arms of the chromosomes; one without a centromere stays whole.

    Parameters
    ----------
    pixels
        The contacts.
    centromeres
        Position of the centromere in bp by chromosome. The bin that holds it belongs to the long
        arm.
    """
    unknown = sorted(set(centromeres) - set(pixels.names))
    if unknown:
        raise ValueError(f"centromeres names {unknown[0]!r}, which is none of {pixels.names}")
    rows = []
    for c, name in enumerate(pixels.names):
        low, high = (int(b) for b in pixels.chrom_offset[c : c + 2])
        cut = low
        if name in centromeres:
            cut += int(np.searchsorted(pixels.end[low:high], centromeres[name], side="right"))
        if low < cut < high:
            rows += [(f"{name}_p", c, low, cut), (f"{name}_q", c, cut, high)]
        elif low < high:
            rows.append((name, c, low, high))
    return _view(rows)


def regions(pixels: Pixels, table: pd.DataFrame) -> View:
    """Regions of a table.

    Parameters
    ----------
    pixels
        The contacts.
    table
        Columns `chrom`, `start`, `end` in bp, and `name` where wanted. A bin belongs to the region
        that its first base is in.
    """
    number = {name: c for c, name in enumerate(pixels.names)}
    rows = []
    columns = (table["chrom"].astype(str), table["start"].astype(int), table["end"].astype(int))
    for k, (chrom, start, end) in enumerate(zip(*columns, strict=True)):
        low, high = bin_range(pixels, chrom, start, end)
        if low == high:
            raise ValueError(f"table row {k} holds the start of no bin; give a wider region")
        name = table["name"].iloc[k] if "name" in table.columns else f"{chrom}:{start}-{end}"
        rows.append((str(name), number[chrom], low, high))
    rows.sort(key=lambda row: row[2])
    for before, after in itertools.pairwise(rows):
        if after[2] < before[3]:
            raise ValueError(f"regions {before[0]!r} and {after[0]!r} overlap; cut one of them")
    return _view(rows)


def bin_range(pixels: Pixels, chrom: str, start: int, end: int) -> tuple[int, int]:
    """Bins whose first base lies in a range of one chromosome, half open.

    Parameters
    ----------
    pixels
        The contacts.
    chrom
        Name of the chromosome.
    start, end
        The range in bp, half open.
    """
    if chrom not in pixels.names:
        raise ValueError(f"chromosome {chrom!r} is none of {pixels.names}; check the names")
    c = pixels.names.index(chrom)
    low, high = (int(b) for b in pixels.chrom_offset[c : c + 2])
    first, last = np.searchsorted(pixels.start[low:high], [start, end])
    return low + int(first), low + max(int(last), int(first))


def _view(rows: list[tuple[str, int, int, int]]) -> View:
    if not rows:
        raise ValueError("there is no region; give at least one")
    names, chromosome, low, high = zip(*rows, strict=True)
    return View(names, *(np.array(v, np.int64) for v in (chromosome, low, high)))
