"""Expected contacts between chromosomes, eq. (6)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.result import Result
from refsolve.methods.contact_expected.estimator.taking_part import taking_part
from refsolve.methods.contact_expected.kernels import diagonals
from refsolve.methods.contact_expected.model.combine import Mask
from refsolve.methods.contact_expected.model.contacts import (
    Mapper,
    Pixels,
    Progress,
    pieces,
    read_piece,
)
from refsolve.methods.contact_expected.model.distances import ratio
from refsolve.methods.contact_expected.model.views import View, whole_chromosomes


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedTrans(Result):
    """Mean contacts of pairs of regions on different chromosomes; one element per pair.

    Attributes
    ----------
    view
        The regions.
    region1, region2
        Regions of each pair (Q,), the first one to the left.
    n_valid
        Pairs of bins that take part, with contacts or not (Q,).
    count_sum
        Contacts of these (Q,).
    balanced_sum
        The same of contacts times both weights; None without weights.
    """

    view: View
    region1: IntArray
    region2: IntArray
    n_valid: IntArray
    count_sum: FloatArray
    balanced_sum: FloatArray | None

    @property
    def count_avg(self) -> FloatArray:
        """Mean contacts of valid pairs (Q,), NaN where there are none."""
        return ratio(self.count_sum, self.n_valid)

    @property
    def balanced_avg(self) -> FloatArray:
        """Mean of contacts times both weights (Q,); of contacts where there are no weights."""
        total = self.count_sum if self.balanced_sum is None else self.balanced_sum
        return ratio(total, self.n_valid)

    def to_frame(self) -> pd.DataFrame:
        """One row per pair of regions, with the column names of cooltools."""
        name = np.array(self.view.name, dtype=object)
        columns = {
            "region1": name[self.region1],
            "region2": name[self.region2],
            "n_valid": self.n_valid,
            "count.sum": self.count_sum,
            "count.avg": self.count_avg,
        }
        if self.balanced_sum is not None:
            columns |= {"balanced.sum": self.balanced_sum, "balanced.avg": self.balanced_avg}
        return pd.DataFrame(columns)


class _Job(NamedTuple):
    pixels: Pixels
    view: View
    weight: FloatArray
    mask: Mask


class _Part(NamedTuple):
    """Sums over the rows of one chromosome, of so many pixels."""

    chromosome: int
    counts: FloatArray
    balanced: FloatArray
    n_pixels: int


def expected_trans(
    pixels: Pixels,
    *,
    view: View | None = None,
    weights: ArrayLike | None = None,
    mask: Mask | ArrayLike | None = None,
    map_: Mapper = map,
    progress: Progress | None = None,
) -> ExpectedTrans:
    """Expected contacts between chromosomes, of raw or balanced counts.

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
    map_
        Map over chromosomes.
    progress
        Called with the numbers of pixels done and planned.
    """
    regions = whole_chromosomes(pixels) if view is None else view
    used, weight = taking_part(pixels, weights, mask)
    job = _Job(pixels, regions, weight, used)
    chromosomes = np.unique(regions.chromosome).tolist()
    size = (regions.n_regions, regions.n_regions)
    counts, balanced, done = np.zeros(size), np.zeros(size), 0
    planned = int(np.diff(np.asarray(pixels.bin1_offset)[pixels.chrom_offset])[chromosomes].sum())
    for part in map_(partial(_chromosome, job), chromosomes):
        rows = regions.of_chromosome(part.chromosome)
        counts[rows], balanced[rows] = part.counts[rows], part.balanced[rows]
        done += part.n_pixels
        if progress is not None:
            progress(done, planned)
    one, two = np.triu_indices(regions.n_regions, 1)
    apart = regions.chromosome[one] != regions.chromosome[two]
    one, two = one[apart], two[apart]
    number = np.array([_n_valid(job, r, q) for r, q in zip(one, two, strict=True)], np.int64)
    total = None if weights is None else balanced[one, two]
    return ExpectedTrans(regions, one, two, number, counts[one, two], total)


def _n_valid(job: _Job, r: int, q: int) -> int:
    """Valid pairs of two regions."""
    view, mask = job.view, job.mask
    rows, columns = (int(view.low[r]), int(view.high[r])), (int(view.low[q]), int(view.high[q]))
    number = int(mask.valid[slice(*rows)].sum()) * int(mask.valid[slice(*columns)].sum())
    if (mask.rectangles[0][slice(*rows)] < 0).all():
        return number
    nearest = columns[0] - rows[1] + 1
    out = np.zeros(columns[1] - rows[0] - nearest, np.int64)
    diagonals.drop_rectangles(mask.valid, rows, columns, nearest, mask.rectangles, out)
    return number + int(out.sum())


def _chromosome(job: _Job, chromosome: int) -> _Part:
    pixels, view = job.pixels, job.view
    low, high = (int(b) for b in pixels.chrom_offset[chromosome : chromosome + 2])
    size = (view.n_regions, view.n_regions)
    counts, balanced = np.zeros(size), np.zeros(size)
    region = view.region_of(pixels.start.size)
    for rows, at in pieces(pixels, low, high):
        bin2, count = read_piece(pixels, high, at)
        diagonals.add_trans(
            pixels.bin1_offset, rows, at, bin2, count, job.weight, job.mask.valid, region,
            view.chromosome, job.mask.rectangles, counts, balanced,
        )  # fmt: skip
    done = int(pixels.bin1_offset[high] - pixels.bin1_offset[low])
    return _Part(chromosome, counts, balanced, done)
