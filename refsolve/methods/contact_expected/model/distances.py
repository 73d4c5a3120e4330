"""Where the pairs of a view are: one element per pair of regions and distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refsolve.core.check import FloatArray, IntArray
from refsolve.methods.contact_expected.kernels import diagonals
from refsolve.methods.contact_expected.model.combine import Marks, Ranges, count_pairs
from refsolve.methods.contact_expected.model.views import View


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Elements of the pairs of regions of one chromosome, distance by distance.

    Attributes
    ----------
    region1, region2
        Regions of each pair (Q,), the first one to the left or the same.
    nearest
        Distance of the first element of each pair (Q,).
    first
        First element of each pair, and the number of elements (Q + 1,).
    pair
        First pair of each region (R,); its pairs with the regions behind it follow.
    stop
        Bin after the last region that a region is paired with (R,).
    """

    region1: IntArray
    region2: IntArray
    nearest: IntArray
    first: IntArray
    pair: IntArray
    stop: IntArray

    @property
    def origin(self) -> IntArray:
        """Element of distance zero of each pair (Q,); it may lie before the first one."""
        return self.first[:-1] - self.nearest

    @property
    def dist(self) -> IntArray:
        """Distance of each element."""
        size = np.diff(self.first)
        return np.arange(self.first[-1]) - np.repeat(self.origin, size)


def layout(view: View, inter: bool) -> Layout:
    """Pairs of regions of a view, within regions or also between those of one chromosome.

    Parameters
    ----------
    view
        The regions.
    inter
        Also pairs of two regions of one chromosome.
    """
    pairs, pair, stop = list[tuple[int, int]](), list[int](), list[int]()
    for r in range(view.n_regions):
        last = int(view.of_chromosome(int(view.chromosome[r]))[-1]) if inter else r
        pair.append(len(pairs))
        stop.append(int(view.high[last]))
        pairs += [(r, q) for q in range(r, last + 1)]
    one, two = np.array(pairs, np.int64).T.copy()
    nearest = np.where(one == two, 0, view.low[two] - view.high[one] + 1)
    size = view.high[two] - view.low[one] - nearest
    first = np.append(0, np.cumsum(size))
    return Layout(one, two, nearest, first, np.array(pair, np.int64), np.array(stop, np.int64))


def numbers_of_pairs(
    view: View, where: Layout, valid: Marks, rectangles: Ranges
) -> tuple[IntArray, IntArray]:
    """Number of all and of valid pairs of each element, eq. (2).

    Parameters
    ----------
    view
        The regions.
    where
        The pairs of regions.
    valid, rectangles
        What takes part, as in `Mask`.
    """
    total = np.zeros(int(where.first[-1]), np.int64)
    usable = np.zeros_like(total)
    for q, (r1, r2) in enumerate(zip(where.region1, where.region2, strict=True)):
        rows = (int(view.low[r1]), int(view.high[r1]))
        columns = (int(view.low[r2]), int(view.high[r2]))
        inside = slice(int(where.first[q]), int(where.first[q + 1]))
        near = int(where.nearest[q])
        diagonals.total_pairs(rows, columns, near, total[inside])
        usable[inside] = count_pairs(valid, rectangles, rows, columns, near)
    return total, usable


def ratio(total: FloatArray, number: IntArray | FloatArray) -> FloatArray:
    """Mean where there is a number, NaN elsewhere.

    Parameters
    ----------
    total, number
        Sums, and of how many.
    """
    out: FloatArray = np.full(total.shape, np.nan)
    np.divide(total, number, out=out, where=number > 0)
    return out
