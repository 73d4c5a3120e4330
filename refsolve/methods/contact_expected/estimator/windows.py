"""Windows around pixels, read from memory or from a file in as few pieces as they allow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray, refuse
from refsolve.methods.contact_expected.estimator.expected import ExpectedCis
from refsolve.methods.contact_expected.estimator.taking_part import taking_part
from refsolve.methods.contact_expected.kernels import pileup
from refsolve.methods.contact_expected.model.combine import Mask
from refsolve.methods.contact_expected.model.contacts import PIECE, Pixels, bin_numbers

SKIP = 1 << 10  # pixels that are read rather than skipped
AT_ONCE = 512  # windows that are held at once

_NOWHERE = np.zeros(0, np.int64)


class Windows(NamedTuple):
    """Some windows, in memory at once.

    Attributes
    ----------
    number
        Which ones of those asked for (L,).
    observed
        Contacts (L, W, W), NaN where a pixel takes no part.
    mean
        What is expected of them on the same scale (L, W, W).
    """

    number: IntArray
    observed: FloatArray
    mean: FloatArray


class Scale(NamedTuple):
    """What turns contacts into ratios: weights, what takes part, and the expected values."""

    weight: FloatArray
    mask: Mask
    ignore_diags: int
    region: IntArray
    stop: IntArray
    pair: IntArray
    origin: IntArray
    value: FloatArray


def scale_of(
    pixels: Pixels,
    expected: ExpectedCis | None,
    weights: ArrayLike | None,
    mask: Mask | ArrayLike | None,
    ignore_diags: int,
) -> Scale:
    """The scale of an expected, or of weights alone.

    Parameters
    ----------
    pixels
        The contacts.
    expected
        It brings its weights, mask and ignored diagonals with it.
    weights, mask, ignore_diags
        What is used without an expected.
    """
    n_bins = pixels.start.size
    if expected is not None:
        if weights is not None or mask is not None:
            raise ValueError("expected has its own weights and mask; do not give them again")
        where, weight = expected.where, np.nan_to_num(expected.weight)
        region, used, least = expected.view.region_of(n_bins), expected.mask, expected.ignore_diags
        return Scale(
            weight, used, least, region, where.stop, where.pair, where.origin, expected.value
        )
    used, weight = taking_part(pixels, weights, mask)
    return Scale(weight, used, ignore_diags, *(_NOWHERE,) * 4, np.zeros(0))


def upper(pixels: Pixels, bin1: ArrayLike, bin2: ArrayLike) -> tuple[IntArray, IntArray]:
    """Pixels of the upper triangle by the numbers of their bins.

    Parameters
    ----------
    pixels
        The contacts.
    bin1, bin2
        Bins of each pixel (L,).
    """
    n_bins = pixels.start.size
    i, j = (bin_numbers(v, name, n_bins).ravel() for v, name in ((bin1, "bin1"), (bin2, "bin2")))
    if i.size != j.size:
        raise ValueError(f"bin1 has {i.size} elements and bin2 {j.size}; give one pair per pixel")
    refuse(i > j, "bin1", i, "must not exceed bin2", "exchange the bins of this pixel")
    return i, j


def read_windows(
    pixels: Pixels, bin1: IntArray, bin2: IntArray, flank: int, scale: Scale
) -> Iterator[Windows]:
    """Windows in the order of their first bin.

    Parameters
    ----------
    pixels
        The contacts.
    bin1, bin2
        Centre of each window (L,).
    flank
        Bins on each side of the centre.
    scale
        What turns contacts into ratios.
    """
    order = np.argsort(bin1, kind="stable")
    blocks = list(_blocks(pixels, bin1[order], flank))
    ends = [(int(pixels.bin1_offset[a]), int(pixels.bin1_offset[b])) for _, (a, b) in blocks]
    read = zip(blocks, ends, pixels.read_many(ends), strict=True)
    W = 2 * flank + 1
    for begin in range(0, order.size, AT_ONCE):
        number = order[begin : begin + AT_ONCE]
        observed, mean = np.empty((number.size, W, W)), np.empty((number.size, W, W))
        done = begin
        while done < begin + number.size:
            (few, _), (at, _), (columns, count) = next(read)
            here, mine = order[few], slice(done - begin, done - begin + few.stop - few.start)
            pileup.windows(
                bin1[here], bin2[here], flank, pixels.bin1_offset, at, columns, count,
                scale.weight, scale.mask.valid, scale.region, scale.stop, scale.pair,
                scale.origin, scale.value, scale.ignore_diags, scale.mask.rectangles,
                observed[mine], mean[mine],
            )  # fmt: skip
            done = few.stop
        yield Windows(number, observed, mean)


def _blocks(
    pixels: Pixels, centre: IntArray, flank: int
) -> Iterator[tuple[slice, tuple[int, int]]]:
    """Runs of windows whose rows are read together, and these rows; none across `AT_ONCE`."""
    n_bins, offset = pixels.start.size, pixels.bin1_offset
    low = np.clip(centre - flank, 0, n_bins)
    high = np.clip(centre + flank + 1, 0, n_bins)
    begin = 0
    for k in range(1, centre.size + 1):
        if k < centre.size and k % AT_ONCE:
            skipped = offset[low[k]] - offset[high[k - 1]]
            if skipped <= SKIP and offset[high[k]] - offset[low[begin]] <= PIECE:
                continue
        yield slice(begin, k), (int(low[begin]), int(high[k - 1]))
        begin = k
