"""Cells as if they were replicates: moments by group and sums of ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
FlagArray = NDArray[np.bool_]


@kernel
def group_moments(
    pointer: IntArray, column: IntArray, value: Array, group: IntArray, sums: Array, squares: Array
) -> None:
    """Sums and sums of squares (groups, genes), zero before, of a CSR matrix (cells, genes)."""
    for i in range(group.size):
        k = group[i]
        for j in range(pointer[i], pointer[i + 1]):
            v = float(value[j])
            sums[k, column[j]] += v
            squares[k, column[j]] += v * v


@kernel
def rank_sums(
    pointer: IntArray, row: IntArray, value: Array, marked: FlagArray
) -> tuple[Array, Array]:  # CSC (cells, genes), marked (cells,) -> (genes,), (genes,)
    """Sum of the ranks of the marked cells, and sum of t^3 - t over ties of t cells."""
    n, n_genes = marked.size, pointer.size - 1
    sums, ties = np.zeros(n_genes), np.zeros(n_genes)
    n_marked = marked.sum()
    for g in range(n_genes):
        values = value[pointer[g] : pointer[g + 1]]
        rows = row[pointer[g] : pointer[g + 1]]
        order = np.argsort(values)
        m, zeros, marked_zeros = values.size, n, n_marked
        for j in range(m):
            if values[j] != 0.0:
                zeros -= 1
                marked_zeros -= marked[rows[j]]
        before, i, placed = 0, 0, False
        while i < m or not placed:
            if not placed and (i == m or values[order[i]] >= 0.0):
                size, inside, placed = zeros, marked_zeros, True
                while i < m and values[order[i]] == 0.0:
                    i += 1
            else:
                v, size, inside = values[order[i]], 0, 0
                while i < m and values[order[i]] == v:
                    inside += marked[rows[order[i]]]
                    size, i = size + 1, i + 1
            t = float(size)
            sums[g] += inside * (before + 0.5 * (t + 1.0))
            ties[g] += t * t * t - t
            before += size
    return sums, ties
