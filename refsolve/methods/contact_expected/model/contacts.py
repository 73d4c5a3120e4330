"""Contacts of one sample: what every analysis reads, from memory or from a file in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray, real_vector, refuse, whole_numbers

Bins32 = NDArray[np.int32]
Counts = NDArray[np.int32] | NDArray[np.float64]
Progress = Callable[[int, int], object]
Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]

PIECE = 1 << 21  # pixels read at once


class Pixels(Protocol):
    """Contacts as every function takes them: bins of the genome and pixels row by row.

    A pixel is a pair of bins i <= j. `Contacts` is one in memory, a `.cool` file opened with
    `refsolve.io.cool.open_cool` is one on disk.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Chromosomes (C,)."""
        ...

    @property
    def chrom_offset(self) -> IntArray:
        """First bin of each chromosome, and the number of bins (C + 1,)."""
        ...

    @property
    def start(self) -> IntArray:
        """First base of each bin (N,), from 0."""
        ...

    @property
    def end(self) -> IntArray:
        """Base after the last one of each bin (N,)."""
        ...

    @property
    def bin1_offset(self) -> IntArray:
        """First pixel of each row, and the number of pixels (N + 1,)."""
        ...

    def read(self, low: int, high: int) -> tuple[Bins32, Counts]:
        """Column and count of pixels low, ..., high - 1."""
        ...

    def read_many(self, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[Bins32, Counts]]:
        """Column and count of the pixels of several ranges, one after the other."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Contacts:
    """Contacts in memory.

    Parameters
    ----------
    names
        Chromosomes (C,).
    chrom_offset
        First bin of each chromosome, and the number of bins (C + 1,).
    start, end
        Ends of each bin (N,), half open, from 0.
    bin1_offset
        First pixel of each row, and the number of pixels (N + 1,).
    bin2
        Column of each pixel (P,), rising within a row and at least the row.
    count
        Contacts of each pixel (P,), not negative.
    """

    names: tuple[str, ...]
    chrom_offset: IntArray
    start: IntArray
    end: IntArray
    bin1_offset: IntArray
    bin2: Bins32
    count: Counts

    def __post_init__(self) -> None:
        if self.bin2.shape != self.count.shape or self.bin1_offset[-1] != self.bin2.size:
            raise ValueError(
                f"bin2 {self.bin2.shape}, count {self.count.shape} and bin1_offset (last element "
                f"{self.bin1_offset[-1]}) disagree; use contacts_from_pixels"
            )

    def __repr__(self) -> str:
        return (
            f"Contacts({self.n_pixels} pixels, {self.n_bins} bins, {len(self.names)} chromosomes)"
        )

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return self.start.size

    @property
    def n_pixels(self) -> int:
        """Number of pixels with contacts."""
        return self.bin2.size

    @property
    def bin1(self) -> Bins32:
        """Row of each pixel (P,)."""
        return np.repeat(np.arange(self.n_bins, dtype=np.int32), np.diff(self.bin1_offset))

    def read(self, low: int, high: int) -> tuple[Bins32, Counts]:
        """Column and count of some pixels.

        Parameters
        ----------
        low, high
            The pixels, half open.
        """
        return self.bin2[low:high], self.count[low:high]

    def read_many(self, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[Bins32, Counts]]:
        """Column and count of the pixels of several ranges, one after the other.

        Parameters
        ----------
        ranges
            The pixels of each, half open.
        """
        return (self.read(low, high) for low, high in ranges)

    def dense(self, low: int, high: int) -> FloatArray:
        """Symmetric counts between bins low, ..., high - 1; absent pixels are zero.

        Parameters
        ----------
        low, high
            The bins, half open.
        """
        a, b = self.bin1_offset[[low, high]]
        i = np.repeat(np.arange(high - low), np.diff(self.bin1_offset[low : high + 1]))
        j, inside = self.bin2[a:b] - low, self.bin2[a:b] < high
        out = np.zeros((high - low, high - low))
        out[i[inside], j[inside]] = self.count[a:b][inside]
        return np.maximum(out, out.T)


def contacts_from_pixels(
    bins: pd.DataFrame, bin1: ArrayLike, bin2: ArrayLike, count: ArrayLike
) -> Contacts:
    """Put the pixels of a table in order.

    Parameters
    ----------
    bins
        Columns `chrom`, `start`, `end`; chromosomes in one piece, bins in order.
    bin1, bin2
        Rows of `bins`, counted from 0 (P,); either may be the smaller one.
    count
        Contacts (P,).

    Examples
    --------
    >>> import pandas as pd
    >>> from refsolve.methods.contact_expected import contacts_from_pixels
    >>> bins = pd.DataFrame({"chrom": "chr1", "start": [0, 10, 20], "end": [10, 20, 30]})
    >>> contacts_from_pixels(bins, [2, 0], [0, 0], [5, 9]).dense(0, 3)
    array([[9., 0., 5.],
           [0., 0., 0.],
           [5., 0., 0.]])
    """
    names, chrom_offset = _chromosomes(bins)
    i, j = bin_numbers(bin1, "bin1", len(bins)), bin_numbers(bin2, "bin2", len(bins))
    c = _counts(count, i.size)
    if i.size != j.size:
        raise ValueError(f"bin1 has {i.size} elements and bin2 {j.size}; give one pair per pixel")
    low, high = np.minimum(i, j), np.maximum(i, j)
    order = np.lexsort((high, low))
    low, high, c = low[order], high[order], c[order]
    again = (np.diff(low) == 0) & (np.diff(high) == 0)
    if again.any():
        k = int(np.argmax(again))
        raise ValueError(
            f"bins {low[k]} and {high[k]} occur in two pixels; a pixel (j, i) is the same as "
            "(i, j): add the counts, or keep the upper triangle"
        )
    offset = np.searchsorted(low, np.arange(len(bins) + 1)).astype(np.int64)
    start, end = bins["start"].to_numpy(np.int64), bins["end"].to_numpy(np.int64)
    return Contacts(names, chrom_offset, start, end, offset, high.astype(np.int32), c)


def pieces(pixels: Pixels, low: int, high: int) -> Iterator[tuple[tuple[int, int], int]]:
    """Rows low, ..., high - 1 in pieces of bounded size: the rows and the first pixel of each.

    A row may be cut: its pixels then come in several pieces, and the row with each of them.

    Parameters
    ----------
    pixels
        The contacts.
    low, high
        The rows, half open.
    """
    offset = pixels.bin1_offset
    end = int(offset[high])
    for at in range(int(offset[low]), end, PIECE):
        first = int(np.searchsorted(offset, at, side="right")) - 1
        last = int(np.searchsorted(offset, min(at + PIECE, end), side="left"))
        yield (max(first, low), min(last, high)), at


def read_piece(pixels: Pixels, high: int, at: int) -> tuple[Bins32, Counts]:
    """Pixels of a piece that begins at pixel `at` of rows below `high`.

    Parameters
    ----------
    pixels
        The contacts.
    high
        Row after the last one.
    at
        First pixel.
    """
    return pixels.read(at, min(at + PIECE, int(pixels.bin1_offset[high])))


def resolution_of(pixels: Pixels) -> int:
    """Length of a bin in bp, of the median one where they differ.

    Parameters
    ----------
    pixels
        The contacts.
    """
    return int(np.median(pixels.end - pixels.start))


def finite_weights(weights: ArrayLike, n_bins: int) -> FloatArray:
    """Balancing weights (N,), NaN where a bin has none.

    Parameters
    ----------
    weights
        They multiply counts.
    n_bins
        Number of bins of the genome.
    """
    array = np.array(weights, np.float64)
    if array.shape != (n_bins,):
        raise ValueError(f"weights has shape {array.shape}; expected ({n_bins},), one per bin")
    refuse(array < 0.0, "weights", array, "must not be negative", "give multiplicative weights")
    array[~(np.isfinite(array) & (array > 0.0))] = np.nan
    return array


def chromosome_of(pixels: Pixels) -> IntArray:
    """Number of the chromosome of each bin (N,).

    Parameters
    ----------
    pixels
        The contacts.
    """
    return np.repeat(np.arange(len(pixels.names)), np.diff(pixels.chrom_offset))


def _chromosomes(bins: pd.DataFrame) -> tuple[tuple[str, ...], IntArray]:
    absent = [name for name in ("chrom", "start", "end") if name not in bins.columns]
    if absent:
        raise ValueError(f"bins lacks the columns {absent}; name them chrom, start, end")
    if len(bins) == 0:
        raise ValueError("bins is empty; expected at least one bin")
    chrom = bins["chrom"].astype(str).to_numpy()
    first = np.flatnonzero(np.append(True, chrom[1:] != chrom[:-1]))
    names = tuple(str(name) for name in chrom[first])
    if len(set(names)) != len(names):
        raise ValueError("bins of one chromosome must be together; sort bins by chromosome")
    start = whole_numbers(bins["start"], "start", minimum=0)
    backwards = np.append(False, (np.diff(start) <= 0) & (chrom[1:] == chrom[:-1]))
    refuse(backwards, "start", start, "must rise within a chromosome", "sort the bins")
    return names, np.append(first, len(bins)).astype(np.int64)


def bin_numbers(values: ArrayLike, name: str, n_bins: int) -> IntArray:
    """Numbers of bins, checked.

    Parameters
    ----------
    values, name
        The numbers, and their name for messages.
    n_bins
        Number of bins of the genome.
    """
    array = whole_numbers(values, name, minimum=0)
    refuse(array >= n_bins, name, array, f"must be below {n_bins}", "number bins from 0")
    return array


def _counts(values: ArrayLike, size: int) -> Counts:
    count = real_vector(values, "count")
    if count.size != size:
        raise ValueError(f"count has {count.size} elements and bin1 {size}; give one per pixel")
    bad = ~((count >= 0.0) & np.isfinite(count))
    refuse(bad, "count", count, "must be finite and not negative", "give raw contacts")
    whole = np.rint(count)
    if np.array_equal(whole, count) and whole.max(initial=0) < 2**31:
        return whole.astype(np.int32)
    return count
