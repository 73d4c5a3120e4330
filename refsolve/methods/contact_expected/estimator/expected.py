"""Expected contacts by distance within regions, eqs. (2)-(5)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.result import Result
from refsolve.methods.contact_expected.estimator.smoothing import Smoothing, smooth_distance
from refsolve.methods.contact_expected.estimator.taking_part import taking_part
from refsolve.methods.contact_expected.kernels import diagonals
from refsolve.methods.contact_expected.model.combine import Mask
from refsolve.methods.contact_expected.model.contacts import (
    Mapper,
    Pixels,
    Progress,
    pieces,
    read_piece,
    resolution_of,
)
from refsolve.methods.contact_expected.model.distances import (
    Layout,
    layout,
    numbers_of_pairs,
    ratio,
)
from refsolve.methods.contact_expected.model.views import View, whole_chromosomes


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedCis(Result):
    """Expected contacts by distance; one element per pair of regions and distance.

    Attributes
    ----------
    view
        The regions.
    where
        Which element belongs to which pair of regions.
    dist
        Distance of each element in bins (E,).
    n_total, n_valid
        Pairs of bins, and those that take part, with contacts or not (E,).
    count_sum
        Contacts of valid pairs (E,); NaN at distances that are ignored.
    balanced_sum
        The same of contacts times both weights; None without weights.
    smoothed
        Sums over numbers, each smoothed over log distance, per pair of regions (E,); None where
        it was not asked for.
    aggregated
        The same after pooling all regions; pairs of two regions are pooled apart.
    weight
        Weight of each bin (N,), NaN where it takes no part; ones for raw contacts.
    mask
        What takes part.
    ignore_diags
        Distances below this one are ignored.
    resolution
        Length of a bin in bp.
    """

    view: View
    where: Layout
    dist: IntArray
    n_total: IntArray
    n_valid: IntArray
    count_sum: FloatArray
    balanced_sum: FloatArray | None
    smoothed: FloatArray | None
    aggregated: FloatArray | None
    weight: FloatArray
    mask: Mask
    ignore_diags: int
    resolution: int

    @property
    def count_avg(self) -> FloatArray:
        """Mean contacts of valid pairs (E,), NaN where there are none."""
        return ratio(self.count_sum, self.n_valid)

    @property
    def balanced_avg(self) -> FloatArray:
        """Mean of contacts times both weights (E,); of contacts where there are no weights."""
        total = self.count_sum if self.balanced_sum is None else self.balanced_sum
        return ratio(total, self.n_valid)

    @property
    def value(self) -> FloatArray:
        """What contacts are compared with (E,): aggregated, else smoothed, else the mean."""
        if self.aggregated is not None:
            return self.aggregated
        return self.balanced_avg if self.smoothed is None else self.smoothed

    def curve(self, region1: int = 0, region2: int | None = None) -> tuple[IntArray, FloatArray]:
        """Distances in bins and expected values of one pair of regions.

        Parameters
        ----------
        region1, region2
            Numbers of the regions, the left one first; by default the same.
        """
        inside = self._elements(region1, region1 if region2 is None else region2)
        return self.dist[inside], self.value[inside]

    def _elements(self, region1: int, region2: int) -> slice:
        q = np.flatnonzero((self.where.region1 == region1) & (self.where.region2 == region2))
        if q.size == 0:
            raise ValueError(
                f"regions {region1} and {region2} have no expected; pairs of regions need inter"
            )
        return slice(*(int(e) for e in self.where.first[q[0] : q[0] + 2]))

    def to_frame(self) -> pd.DataFrame:
        """One row per pair of regions and distance, with the column names of cooltools."""
        name = np.array(self.view.name, dtype=object)
        size = np.diff(self.where.first)
        columns = {
            "region1": np.repeat(name[self.where.region1], size),
            "region2": np.repeat(name[self.where.region2], size),
            "dist": self.dist,
            "dist_bp": self.dist * self.resolution,
            "n_total": self.n_total,
            "n_valid": self.n_valid,
            "count.sum": self.count_sum,
            "count.avg": self.count_avg,
        }
        kind = "count.avg"
        if self.balanced_sum is not None:
            kind = "balanced.avg"
            columns |= {"balanced.sum": self.balanced_sum, kind: self.balanced_avg}
        if self.smoothed is not None:
            columns[f"{kind}.smoothed"] = self.smoothed
        if self.aggregated is not None:
            columns[f"{kind}.smoothed.agg"] = self.aggregated
        return pd.DataFrame(columns)


class _Job(NamedTuple):
    """What is needed to sum the contacts of one chromosome."""

    pixels: Pixels
    view: View
    where: Layout
    weight: FloatArray
    mask: Mask
    ignore_diags: int


class _Part(NamedTuple):
    """Sums of one chromosome, from element `first` on, of so many pixels."""

    first: int
    counts: FloatArray
    balanced: FloatArray
    n_pixels: int


def expected_cis(
    pixels: Pixels,
    *,
    view: View | None = None,
    weights: ArrayLike | None = None,
    mask: Mask | ArrayLike | None = None,
    ignore_diags: int = 2,
    inter: bool = False,
    smoothing: Smoothing | None = None,
    aggregate: bool = False,
    map_: Mapper = map,
    progress: Progress | None = None,
) -> ExpectedCis:
    """Expected contacts by distance, of raw or balanced counts.

    A pair of bins counts when both take part, whether it has contacts or not.

    Parameters
    ----------
    pixels
        The contacts, in memory or in a file; a file is read chromosome by chromosome in pieces.
    view
        Regions; by default whole chromosomes.
    weights
        Balancing weight of each bin (N,); a bin whose weight is NaN takes no part. None for raw
        contacts.
    mask
        Bins and pixels that take part: of `combine`, or marks of valid bins (N,).
    ignore_diags
        Distances below this one are ignored.
    inter
        Also pairs of two regions of one chromosome.
    smoothing
        Smooth over log distance.
    aggregate
        Pool the regions after smoothing; `smoothing` is the default one where it is not given.
    map_
        Map over chromosomes.
    progress
        Called with the numbers of pixels done and planned.

    Examples
    --------
    >>> import pandas as pd
    >>> from refsolve.methods.contact_expected import contacts_from_pixels, expected_cis
    >>> bins = pd.DataFrame({"chrom": "chr1", "start": [0, 10, 20], "end": [10, 20, 30]})
    >>> contacts = contacts_from_pixels(bins, [0, 1], [1, 2], [6, 2])
    >>> expected_cis(contacts, ignore_diags=1).count_avg
    array([nan,  4.,  0.])
    """
    regions = whole_chromosomes(pixels) if view is None else view
    used, weight = taking_part(pixels, weights, mask)
    where = layout(regions, inter)
    job = _Job(pixels, regions, where, weight, used, ignore_diags)
    dist = where.dist
    total, usable = numbers_of_pairs(regions, where, used.valid, used.rectangles)
    counts, balanced = _sums(job, dist.size, map_, progress)
    counts[dist < ignore_diags] = np.nan
    balanced[dist < ignore_diags] = np.nan
    smoothed = pooled = None
    if smoothing is not None or aggregate:
        values = counts if weights is None else balanced
        smoothed = _smoothed(where, dist, values, usable, smoothing)
        pooled = _aggregated(where, dist, values, usable, smoothing) if aggregate else None
    return ExpectedCis(
        regions,
        where,
        dist,
        total,
        usable,
        counts,
        None if weights is None else balanced,
        smoothed,
        pooled,
        np.where(used.valid, weight, np.nan),
        used,
        ignore_diags,
        resolution_of(pixels),
    )


def _sums(
    job: _Job, size: int, map_: Mapper, progress: Progress | None
) -> tuple[FloatArray, FloatArray]:
    chromosomes = np.unique(job.view.chromosome).tolist()
    planned = sum(_n_pixels(job, c) for c in chromosomes)
    counts, balanced = np.zeros(size), np.zeros(size)
    done = 0
    for part in map_(partial(_chromosome, job), chromosomes):
        inside = slice(part.first, part.first + part.counts.size)
        counts[inside], balanced[inside] = part.counts, part.balanced
        done += part.n_pixels
        if progress is not None:
            progress(done, planned)
    return counts, balanced


def _rows(job: _Job, chromosome: int) -> tuple[int, int]:
    """Rows from the first to the last region of a chromosome."""
    r = job.view.of_chromosome(chromosome)
    return int(job.view.low[r].min()), int(job.view.high[r].max())


def _n_pixels(job: _Job, chromosome: int) -> int:
    low, high = _rows(job, chromosome)
    return int(job.pixels.bin1_offset[high] - job.pixels.bin1_offset[low])


def _chromosome(job: _Job, chromosome: int) -> _Part:
    """Sums of the pairs of regions of one chromosome."""
    low, high = _rows(job, chromosome)
    pixels, where = job.pixels, job.where
    mine = np.flatnonzero(job.view.chromosome[where.region1] == chromosome)
    first, end = int(where.first[mine[0]]), int(where.first[mine[-1] + 1])
    counts, balanced = np.zeros(end - first), np.zeros(end - first)
    region = job.view.region_of(pixels.start.size)
    for rows, at in pieces(pixels, low, high):
        bin2, count = read_piece(pixels, high, at)
        diagonals.add_cis(
            pixels.bin1_offset, rows, at, bin2, count, job.weight, job.mask.valid, region,
            where.stop, where.pair, where.origin - first, job.ignore_diags, job.mask.rectangles,
            counts, balanced,
        )  # fmt: skip
    return _Part(first, counts, balanced, _n_pixels(job, chromosome))


def _smoothed(
    where: Layout,
    dist: IntArray,
    values: FloatArray,
    usable: IntArray,
    smoothing: Smoothing | None,
) -> FloatArray:
    out = np.full(dist.size, np.nan)
    for first, end in zip(where.first[:-1], where.first[1:], strict=True):
        inside = slice(int(first), int(end))
        out[inside] = _smooth_used(dist[inside], values[inside], usable[inside], smoothing)
    return out


def _aggregated(
    where: Layout,
    dist: IntArray,
    values: FloatArray,
    usable: IntArray,
    smoothing: Smoothing | None,
) -> FloatArray:
    """Pool pairs within regions, and apart from them pairs of two regions."""
    out = np.full(dist.size, np.nan)
    same = np.repeat(where.region1 == where.region2, np.diff(where.first))
    for group in (same, ~same):
        d = dist[group]
        if d.size == 0:
            continue
        n = np.bincount(d, weights=usable[group]).astype(np.int64)
        total = np.bincount(d, weights=values[group]).astype(np.float64)
        out[group] = _smooth_used(np.arange(n.size), total, n, smoothing)[d]
    return out


def _smooth_used(
    dist: IntArray, values: FloatArray, usable: IntArray, smoothing: Smoothing | None
) -> FloatArray:
    """Smooth over the distances that are summed; the diagonal has no logarithm."""
    out = np.full(dist.size, np.nan)
    used = (dist > 0) & ~np.isnan(values)
    out[used] = smooth_distance(dist[used], values[used], usable[used], smoothing)
    return out
