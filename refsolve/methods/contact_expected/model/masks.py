"""Bins and pixels that take no part: how they are chosen, one reason at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray, refuse, whole_numbers
from refsolve.methods.contact_expected.model.contacts import Pixels
from refsolve.methods.contact_expected.model.views import bin_range

Marks = NDArray[np.bool_]

# Of a visible gap: width at least, in units of the widest gap above it, and of how far the values
# above it reach below their median: the tail of a skewed distribution has gaps too.
LEAST, RATIO, SPREAD = 0.05, 3.0, 1.5
Rectangle = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BinMask:
    """Bins removed for one reason.

    Attributes
    ----------
    name
        The reason in a word.
    removed
        Marks (N,).
    threshold
        Value below which a bin is removed; NaN where the reason has none.
    edges
        The values on both sides of the threshold, the lower first; NaN where there is none.
    found
        Whether the data themselves show the threshold.
    reason
        What was found, in words.
    """

    name: str
    removed: Marks
    threshold: float = math.nan
    edges: tuple[float, float] = (math.nan, math.nan)
    found: bool = False
    reason: str = ""

    def __repr__(self) -> str:
        return f"BinMask({self.name}: {self.n_removed} of {self.removed.size} bins)"

    @property
    def n_removed(self) -> int:
        """Number of bins removed."""
        return int(self.removed.sum())


@dataclass(frozen=True, slots=True, eq=False)
class PixelMask:
    """Rectangles of pixels removed for one reason.

    Attributes
    ----------
    name
        The reason in a word.
    rectangles
        (K, 4) bins [low1, high1) x [low2, high2); a pixel is removed in either order of its bins.
    """

    name: str
    rectangles: IntArray


def mask_low_mappability(
    mappability: ArrayLike, *, threshold: float | None = None, fallback: float | None = None
) -> BinMask:
    """Remove bins of low mappability: below a given threshold, or below a visible gap.

    A gap between neighbouring values is visible when at least half of the bins lie above it, it is
    at least 0.05 wide, three times as wide as the widest gap above it, and 1.5 times as wide as the
    distance from the values above it to their median. The most conspicuous one counts, and the
    threshold is its middle. A bin of unknown mappability is removed.

    Parameters
    ----------
    mappability
        One value per bin (N,), NaN where unknown.
    threshold
        Take this one and look for no gap.
    fallback
        Threshold where there is no visible gap; by default nothing is removed then.

    Examples
    --------
    >>> from refsolve.methods.contact_expected import mask_low_mappability
    >>> mask_low_mappability([0.95, 0.97, 0.4, 0.96, 0.99]).removed
    array([False, False,  True, False, False])
    """
    value = np.asarray(mappability, np.float64)
    if value.ndim != 1 or value.size == 0:
        raise ValueError(f"mappability has shape {value.shape}; give one value per bin")
    unknown = np.isnan(value)
    refuse(np.isinf(value), "mappability", value, "must be finite", "mark unknown values as NaN")
    gap = None if threshold is not None else visible_gap(value[~unknown])
    if gap is not None:
        at = 0.5 * (gap[0] + gap[1])
        reason = f"a gap between {gap[0]:.4g} and {gap[1]:.4g}"
    else:
        given = threshold if threshold is not None else fallback
        at = -math.inf if given is None else float(given)
        reason = "no visible gap" if threshold is None else "the threshold that was given"
    low = unknown | (value < at)
    edges = (_top(value[~unknown & low]), _bottom(value[~low]))
    shown = at if math.isfinite(at) else math.nan
    return BinMask("low mappability", low, shown, edges, gap is not None, reason)


def visible_gap(
    values: ArrayLike, *, ratio: float = RATIO, spread: float = SPREAD
) -> tuple[float, float] | None:
    """Edges of the gap that sets low values apart, eq. (8), or None.

    Parameters
    ----------
    values
        Numbers (N,).
    ratio
        How many times as wide as the widest gap above it a gap must be.
    spread
        How many times as wide as the distance from the values above it to their median.
    """
    u = np.sort(np.asarray(values, np.float64))
    if u.size < 2:
        return None
    gap, k = np.diff(u), np.arange(u.size - 1)
    above = np.append(np.maximum.accumulate(gap[::-1])[::-1][1:], 0.0)
    n_above = u.size - 1 - k
    median = 0.5 * (u[k + 1 + (n_above - 1) // 2] + u[k + 1 + n_above // 2])
    with np.errstate(divide="ignore", invalid="ignore"):
        size = gap / above
    seen = (2 * n_above >= u.size) & (gap >= LEAST) & (gap >= spread * (median - u[1:]))
    size[~(seen & (size >= ratio))] = -1.0
    # Of equals the last one: it has the most values below it.
    best = gap.size - 1 - int(np.argmax(size[::-1]))
    return (float(u[best]), float(u[best + 1])) if size[best] > 0.0 else None


def mask_low_coverage(
    coverage: ArrayLike,
    *,
    mad_max: float = 5.0,
    minimum: float = 0.0,
    chrom_offset: ArrayLike | None = None,
) -> BinMask:
    """Remove bins whose log coverage lies far below the median, and those without contacts.

    Parameters
    ----------
    coverage
        Contacts of each bin (N,), as `coverage` returns them.
    mad_max
        How many median absolute deviations (of the log, not scaled) a bin may lie below the
        median.
    minimum
        Contacts that a bin must have.
    chrom_offset
        First bin of each chromosome and the number of bins (C + 1,): coverage is then taken
        relative to the median of its chromosome.
    """
    total = np.asarray(coverage, np.float64)
    low = (total < minimum) | ~(total > 0.0)
    relative = total if chrom_offset is None else relative_coverage(total, chrom_offset)
    at = coverage_cut(relative, mad_max)
    low |= relative < at
    return BinMask("low coverage", low, at, (_top(relative[low]), _bottom(relative[~low])), True)


def relative_coverage(coverage: FloatArray, chrom_offset: ArrayLike) -> FloatArray:
    """Coverage (N,) divided by the median of the covered bins of its chromosome.

    Parameters
    ----------
    coverage
        Contacts of each bin (N,).
    chrom_offset
        First bin of each chromosome and the number of bins (C + 1,).
    """
    out = np.array(coverage, np.float64)
    offset = np.asarray(chrom_offset, np.int64)
    for low, high in pairwise(offset):
        covered = out[low:high][out[low:high] > 0.0]
        if covered.size:
            out[low:high] /= np.median(covered)
    return out


def coverage_cut(coverage: FloatArray, mad_max: float) -> float:
    """Coverage that lies `mad_max` median absolute deviations below the median, in logs.

    Parameters
    ----------
    coverage
        Contacts of each bin (N,).
    mad_max
        The number of deviations.
    """
    logs = np.log(coverage[coverage > 0.0])
    if logs.size == 0:
        return 0.0
    centre = np.median(logs)
    return float(np.exp(centre - mad_max * np.median(np.abs(logs - centre))))


def mask_unweighted(weights: ArrayLike) -> BinMask:
    """Remove bins without a balancing weight; a bin without one never takes part.

    Parameters
    ----------
    weights
        Weight of each bin (N,), NaN or zero where it has none.
    """
    weight = np.asarray(weights, np.float64)
    if weight.ndim != 1:
        raise ValueError(f"weights has shape {weight.shape}; give one per bin")
    return BinMask("no weight", ~(np.isfinite(weight) & (weight > 0.0)))


def mask_bins(n_bins: int, bins: ArrayLike, *, name: str = "user bins") -> BinMask:
    """Remove bins by their numbers.

    Parameters
    ----------
    n_bins
        Number of bins of the genome.
    bins
        Numbers of the bins.
    name
        The reason in a word.
    """
    number = whole_numbers(bins, "bins", minimum=0).ravel()
    refuse(number >= n_bins, "bins", number, f"must be below {n_bins}", "number bins from 0")
    removed = np.zeros(n_bins, np.bool_)
    removed[number] = True
    return BinMask(name, removed)


def mask_regions(
    pixels: Pixels, regions: Iterable[tuple[str, int, int]], *, name: str = "user regions"
) -> BinMask:
    """Remove every bin that overlaps one of some regions.

    Parameters
    ----------
    pixels
        The contacts.
    regions
        Chromosome, first base and base after the last of each region.
    name
        The reason in a word.
    """
    removed = np.zeros(pixels.start.size, np.bool_)
    for chrom, start, end in regions:
        low, high = _overlapping(pixels, chrom, start, end)
        removed[low:high] = True
    return BinMask(name, removed)


def mask_rectangles(
    n_bins: int, rectangles: Sequence[Rectangle] | ArrayLike, *, name: str = "user rectangles"
) -> PixelMask:
    """Remove the pixels of rectangles, such as those around the breakpoints of a rearrangement.

    Parameters
    ----------
    n_bins
        Number of bins of the genome.
    rectangles
        Bins [low1, high1) x [low2, high2) of each (K, 4).
    name
        The reason in a word.
    """
    box = whole_numbers(rectangles, "rectangles", minimum=0)
    if box.ndim != 2 or box.shape[1] != 4:
        raise ValueError(
            f"rectangles has shape {box.shape}; expected (K, 4): low1, high1, low2, high2"
        )
    refuse(box > n_bins, "rectangles", box, f"must be at most {n_bins}", "number bins from 0")
    empty = (box[:, [0]] >= box[:, [1]]) | (box[:, [2]] >= box[:, [3]])
    refuse(empty & np.ones(4, bool), "rectangles", box, "is of an empty one", "low below high")
    return PixelMask(name, box)


def rectangle(
    pixels: Pixels, first: tuple[str, int, int], second: tuple[str, int, int]
) -> Rectangle:
    """Bins of a rectangle that is given by two regions in bp.

    Parameters
    ----------
    pixels
        The contacts.
    first, second
        Chromosome, first base and base after the last.
    """
    return (*_overlapping(pixels, *first), *_overlapping(pixels, *second))


def _overlapping(pixels: Pixels, chrom: str, start: int, end: int) -> tuple[int, int]:
    low, high = bin_range(pixels, chrom, start, end)
    c = pixels.names.index(chrom)
    if low > pixels.chrom_offset[c] and pixels.end[low - 1] > start:
        low -= 1
    return low, high


def _top(values: FloatArray) -> float:
    return float(values.max()) if values.size else math.nan


def _bottom(values: FloatArray) -> float:
    return float(values.min()) if values.size else math.nan
