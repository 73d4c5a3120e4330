"""Compiled passes over tracts in order of haplotype, chromosome and start: faults and counts.

Axes: N tracts, G groups, K labels, C chromosomes. A gap shorter than `slack` is none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Code = NDArray[np.int32]
Label = NDArray[np.int8]

CUT, CARRY, INTEGRATE = 0, 1, 2  # what a gap does
SOUND, NOT_FINITE, EMPTY, BEFORE_MAP, BEYOND_MAP, OVERLAP, DISORDER = 0, 1, 2, 3, 4, 5, 6


@kernel
def first_fault(
    haplotype: Code,
    chromosome: Code,
    start: Array,
    end: Array,
    map_length: Array,
    slack: float,
) -> tuple[int, int]:
    """First tract that is empty or outside its map; else whether one is out of order."""
    ordered = True
    for i in range(start.size):
        c = chromosome[i]
        if not (np.isfinite(start[i]) and np.isfinite(end[i])):
            return NOT_FINITE, i
        if end[i] <= start[i]:
            return EMPTY, i
        if start[i] < -slack:
            return BEFORE_MAP, i
        if end[i] > map_length[c] + slack:
            return BEYOND_MAP, i
        if i > 0 and (
            haplotype[i] < haplotype[i - 1]
            or (
                haplotype[i] == haplotype[i - 1]
                and (c < chromosome[i - 1] or (c == chromosome[i - 1] and start[i] < start[i - 1]))
            )
        ):
            ordered = False
    return (SOUND if ordered else DISORDER), -1


@kernel
def first_overlap(haplotype: Code, chromosome: Code, start: Array, end: Array, slack: float) -> int:
    """First tract that begins before the end of its predecessor; -1 for none."""
    for i in range(1, start.size):
        same = haplotype[i] == haplotype[i - 1] and chromosome[i] == chromosome[i - 1]
        if same and start[i] < end[i - 1] - slack:
            return i
    return -1


@kernel
def count_paths(
    haplotype: Code,
    chromosome: Code,
    start: Array,
    end: Array,
    ancestry: Label,
    row_of_haplotype: Index,
    row_of_chromosome: Index,
    gaps: int,
    slack: float,
    last_chromosome: Code,
    last_ancestry: Label,
    last_end: Array,
    exposure: Array,
    switches: Array,
    first: Array,
) -> tuple[int, int]:
    """Add the sufficient statistics of eq. (3); exposure, first (G, K), switches (G, K, K).

    The row of a tract is row_of_haplotype + row_of_chromosome. Tracts of one haplotype come in
    order; `last_*` (H,) hold where each one stands (chromosome -1 before its first tract). Returns
    the number of gaps, and the first tract that lies before its predecessor, -1 for none.
    """
    n_gaps = 0
    for i in range(start.size):
        h, c, k = haplotype[i], chromosome[i], ancestry[i]
        row = row_of_haplotype[h] + row_of_chromosome[c]
        begins = last_chromosome[h] != c
        apart = 0.0 if begins else start[i] - last_end[h]
        if apart < -slack:
            return n_gaps, i
        if apart > slack:
            n_gaps += 1
        if begins or (apart > slack and gaps == CUT):
            first[row, k] += 1.0
        elif last_ancestry[h] != k and (apart <= slack or gaps == CARRY):
            switches[row, last_ancestry[h], k] += 1.0
        exposure[row, k] += end[i] - start[i]
        last_chromosome[h], last_ancestry[h], last_end[h] = c, k, end[i]
    return n_gaps, -1


@kernel
def list_gaps(
    haplotype: Code,
    chromosome: Code,
    start: Array,
    end: Array,
    slack: float,
    after: Index,
) -> None:
    """Fill `after` with the positions of the tracts that follow a gap."""
    n = 0
    for i in range(1, start.size):
        same = haplotype[i] == haplotype[i - 1] and chromosome[i] == chromosome[i - 1]
        if same and start[i] - end[i - 1] > slack:
            after[n] = i
            n += 1
