"""Compiled windows around pixels: contacts, and what is expected of them on the same scale.

Axes: L windows of (W, W) pixels, W = 2 flank + 1, around (centre1, centre2), centre1 <= centre2.
Pixels below the diagonal are those above it and take no part, so that none counts twice. For
regions, elements and excluded ranges see `diagonals`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel
from refsolve.methods.contact_expected.kernels.diagonals import excluded

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int32] | NDArray[np.float64]


@kernel
def expected_at(
    i: int,
    j: int,
    region: Codes,
    stop: Codes,
    pair: Codes,
    origin: Codes,
    expected: Array,
) -> float:
    """Expected value of pixel (i, j), i <= j; NaN where its regions are not paired."""
    r, q = region[i], region[j]
    if r < 0 or q < 0 or j >= stop[r]:
        return np.nan
    return float(expected[origin[pair[r] + q - r] + j - i])


@kernel
def first_at_least(j: int, low: int, high: int, bin2: NDArray[np.int32]) -> int:
    """First of the pixels low, ..., high - 1 of a row whose column is at least j."""
    while low < high:
        middle = (low + high) // 2
        if bin2[middle] < j:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def windows(
    centre1: Codes,
    centre2: Codes,
    flank: int,
    bin1_offset: Codes,
    at: int,
    bin2: NDArray[np.int32],
    count: Counts,
    weight: Array,
    valid: Flags,
    region: Codes,
    stop: Codes,
    pair: Codes,
    origin: Codes,
    expected: Array,
    least: int,
    ranges: tuple[Codes, Codes, Codes, Codes],
    observed: Array,
    mean: Array,
) -> None:
    """Contacts c and their expectation E / (w_i w_j) in windows (L, W, W), eqs. (20) and (22).

    Both are NaN where a pixel takes no part. Pixels `at`, `at + 1`, ... are given and hold all
    rows of the windows. With an empty `expected` E is one.
    """
    band, first, low, high = ranges
    observed[:] = np.nan
    mean[:] = np.nan
    for x in range(centre1.size):
        left = centre2[x] - flank
        for a in range(2 * flank + 1):
            i = centre1[x] - flank + a
            if i < 0 or i >= valid.size or not valid[i]:
                continue
            k, end = bin1_offset[i] - at, bin1_offset[i + 1] - at
            k = first_at_least(left, k, end, bin2)
            for j in range(max(left, i + least), min(left + 2 * flank + 1, valid.size)):
                while k < end and bin2[k] < j:
                    k += 1
                if not valid[j] or (band[i] >= 0 and excluded(j, band[i], first, low, high)):
                    continue
                e = 1.0
                if expected.size:
                    e = expected_at(i, j, region, stop, pair, origin, expected)
                if np.isnan(e):
                    continue
                observed[x, a, j - left] = count[k] if k < end and bin2[k] == j else 0.0
                mean[x, a, j - left] = e / (weight[i] * weight[j])


@kernel
def patch_sums(observed: Array, mean: Array, patch: Flags, out: Array, number: Codes) -> None:
    """Sums of contacts and expectations over patches (P, W, W): out (L, P, 2), number (L, P)."""
    W = patch.shape[1]
    for x in range(observed.shape[0]):
        for p in range(patch.shape[0]):
            for a in range(W):
                for b in range(W):
                    if patch[p, a, b] and not np.isnan(observed[x, a, b]):
                        out[x, p, 0] += observed[x, a, b]
                        out[x, p, 1] += mean[x, a, b]
                        number[x, p] += 1
