"""Compiled sums and numbers of valid pairs by distance, eqs. (1)-(6).

Axes: N bins of the genome; p runs over pixels (i, j), i <= j, row by row; a region is a range of
bins. Excluded rectangles are given by rows: `band` (N,) numbers the set of excluded column ranges
of a row, -1 for none, and set b holds the disjoint ranges [low[k], high[k]) of
first[b] <= k < first[b + 1].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int32] | NDArray[np.float64]


@kernel
def excluded(j: int, b: int, first: Codes, low: Codes, high: Codes) -> bool:
    """Whether column j lies in a range of set b."""
    for k in range(first[b], first[b + 1]):
        if low[k] <= j < high[k]:
            return True
    return False


@kernel
def add_cis(
    bin1_offset: Codes,
    rows: tuple[int, int],
    at: int,
    bin2: NDArray[np.int32],
    count: Counts,
    weight: Array,
    valid: Flags,
    region: Codes,
    stop: Codes,
    pair: Codes,
    origin: Codes,
    least: int,
    ranges: tuple[Codes, Codes, Codes, Codes],
    counts: Array,
    balanced: Array,
) -> None:
    """Add c and c w_i w_j of valid pixels to their distance, eq. (3).

    Pixels `at`, `at + 1`, ... are given. A row of region r reaches up to bin stop[r]; its pairs
    with region r + k are number pair[r] + k, at distance d in element origin[pair] + d.
    """
    band, first, low, high = ranges
    for i in range(rows[0], rows[1]):
        r = region[i]
        if r < 0 or not valid[i]:
            continue
        end, shift, w, b = stop[r], pair[r] - r, weight[i], band[i]
        for k in range(max(bin1_offset[i] - at, 0), min(bin1_offset[i + 1] - at, bin2.size)):
            j = bin2[k]
            if j >= end:
                break
            if j - i < least or not valid[j] or region[j] < 0:
                continue
            if b >= 0 and excluded(j, b, first, low, high):
                continue
            e = origin[shift + region[j]] + j - i
            counts[e] += count[k]
            balanced[e] += count[k] * w * weight[j]


@kernel
def add_trans(
    bin1_offset: Codes,
    rows: tuple[int, int],
    at: int,
    bin2: NDArray[np.int32],
    count: Counts,
    weight: Array,
    valid: Flags,
    region: Codes,
    chromosome: Codes,
    ranges: tuple[Codes, Codes, Codes, Codes],
    counts: Array,
    balanced: Array,
) -> None:
    """Add c and c w_i w_j of valid pixels between chromosomes to (region, region), eq. (6)."""
    band, first, low, high = ranges
    for i in range(rows[0], rows[1]):
        r = region[i]
        if r < 0 or not valid[i]:
            continue
        w, b = weight[i], band[i]
        for k in range(max(bin1_offset[i] - at, 0), min(bin1_offset[i + 1] - at, bin2.size)):
            j = bin2[k]
            q = region[j]
            if q < 0 or not valid[j] or chromosome[r] == chromosome[q]:
                continue
            if b >= 0 and excluded(j, b, first, low, high):
                continue
            counts[r, q] += count[k]
            balanced[r, q] += count[k] * w * weight[j]


@kernel
def total_pairs(rows: tuple[int, int], columns: tuple[int, int], nearest: int, out: Codes) -> None:
    """Number of pairs i <= j of two ranges at distance nearest + e, added to out[e]."""
    for e in range(out.size):
        d = nearest + e
        low = max(rows[0], columns[0] - d)
        high = min(rows[1], columns[1] - d)
        out[e] += max(high - low, 0)


@kernel
def valid_pairs(
    valid: Flags, rows: tuple[int, int], columns: tuple[int, int], nearest: int, out: Codes
) -> None:
    """Number of pairs i <= j with both bins valid at distance nearest + e, added to out[e].

    Eq. (2) by inclusion and exclusion over invalid bins, or directly where these are the majority:
    whole numbers throughout, and as many operations as the smaller product of bins.
    """
    i, j = np.arange(rows[0], rows[1]), np.arange(columns[0], columns[1])
    good_i, good_j = i[valid[rows[0] : rows[1]]], j[valid[columns[0] : columns[1]]]
    bad_i, bad_j = i[~valid[rows[0] : rows[1]]], j[~valid[columns[0] : columns[1]]]
    if good_i.size * good_j.size <= bad_i.size * bad_j.size:
        add_differences(good_i, good_j, nearest, out)
        return
    total_pairs(rows, columns, nearest, out)
    add_differences(bad_i, bad_j, nearest, out)
    step = np.zeros(out.size + 1, np.int64)
    for b in bad_i:
        step[min(max(columns[0] - b - nearest, 0), out.size)] -= 1
        step[min(max(columns[1] - b - nearest, 0), out.size)] += 1
    for b in bad_j:
        step[min(max(b - rows[1] + 1 - nearest, 0), out.size)] -= 1
        step[min(max(b - rows[0] + 1 - nearest, 0), out.size)] += 1
    out += np.cumsum(step[:-1])


@kernel
def add_differences(low: Codes, high: Codes, nearest: int, out: Codes) -> None:
    """Add one to out[j - i - nearest] for all i of `low` and j of `high` (both rising), j >= i."""
    begin = 0
    for i in low:
        while begin < high.size and high[begin] - i < nearest:
            begin += 1
        for k in range(begin, high.size):
            out[high[k] - i - nearest] += 1


@kernel
def drop_rectangles(
    valid: Flags,
    rows: tuple[int, int],
    columns: tuple[int, int],
    nearest: int,
    ranges: tuple[Codes, Codes, Codes, Codes],
    out: Codes,
) -> None:
    """Take the valid pairs of excluded rectangles off their distances."""
    band, first, low, high = ranges
    for i in range(rows[0], rows[1]):
        b = band[i]
        if b < 0 or not valid[i]:
            continue
        for k in range(first[b], first[b + 1]):
            begin = max(low[k], columns[0], i + nearest)
            for j in range(begin, min(high[k], columns[1])):
                if valid[j]:
                    out[j - i - nearest] -= 1


@kernel
def smooth(x: Array, values: Array, centres: Array, sigma: float, reach: float) -> Array:
    """Gaussian averages (C, K) of values (D, K) at rising x (D,) around `centres`, eq. (5)."""
    out = np.zeros((centres.size, values.shape[1]))
    begin = 0
    for c in range(centres.size):
        while x[begin] < centres[c] - reach:
            begin += 1
        norm = 0.0
        for d in range(begin, x.size):
            if x[d] > centres[c] + reach:
                break
            g = np.exp(-0.5 * ((x[d] - centres[c]) / sigma) ** 2)
            norm += g
            for k in range(values.shape[1]):
                out[c, k] += g * values[d, k]
        out[c] /= norm
    return out
