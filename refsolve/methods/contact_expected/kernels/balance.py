"""Compiled row sums of balanced contacts, eqs. (11) and (12).

A pixel is used when its bins are of one chromosome (cis), of two (trans), or either, as the scope
says, and not closer than the ignored diagonals. The diagonal counts once in its row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Counts = NDArray[np.int32] | NDArray[np.float64]

GENOME, CIS, TRANS = 0, 1, 2


@kernel
def columns_used(
    i: int, begin: int, end: int, bin2: NDArray[np.int32], stop: int, scope: int, least: int
) -> tuple[int, int]:
    """Pixels begin, ..., end - 1 of row i that are used; `stop` is the end of its chromosome."""
    low = i + least
    if scope == TRANS:
        low = max(low, stop)
    while begin < end and bin2[begin] < low:
        begin += 1
    if scope == CIS:
        while end > begin and bin2[end - 1] >= stop:
            end -= 1
    return begin, end


@kernel
def add_coverage(
    bin1_offset: Codes,
    rows: tuple[int, int],
    at: int,
    bin2: NDArray[np.int32],
    count: Counts,
    stop: Codes,
    scope: int,
    least: int,
    total: Array,
    nonzero: Codes,
) -> None:
    """Add contacts, and pixels that have any, to the sums of both bins (N,)."""
    for i in range(rows[0], rows[1]):
        begin = max(bin1_offset[i] - at, 0)
        end = min(bin1_offset[i + 1] - at, bin2.size)
        begin, end = columns_used(i, begin, end, bin2, stop[i], scope, least)
        for k in range(begin, end):
            j = bin2[k]
            if count[k] == 0:
                continue
            total[j] += count[k]
            nonzero[j] += 1
            if j != i:
                total[i] += count[k]
                nonzero[i] += 1


@kernel
def add_product(
    bin1_offset: Codes,
    rows: tuple[int, int],
    at: int,
    bin2: NDArray[np.int32],
    count: Counts,
    stop: Codes,
    scope: int,
    least: int,
    x: Array,
    out: Array,
) -> None:
    """Add C x to out (N,), C symmetric."""
    for i in range(rows[0], rows[1]):
        begin = max(bin1_offset[i] - at, 0)
        end = min(bin1_offset[i + 1] - at, bin2.size)
        begin, end = columns_used(i, begin, end, bin2, stop[i], scope, least)
        xi, mine = x[i], 0.0
        for k in range(begin, end):
            j = bin2[k]
            c = count[k]
            mine += c * x[j]
            if j != i:
                out[j] += c * xi
        out[i] += mine
