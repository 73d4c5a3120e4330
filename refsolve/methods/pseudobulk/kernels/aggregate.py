"""Sums of cells by sample; each returns how many values were no counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Values = NDArray[Any]


@kernel
def not_counts(values: Values) -> int:  # values (n,)
    """Values that are negative or not whole."""
    odd = 0
    for k in range(values.size):
        v = values[k]
        odd += int(v < 0) | int(v != np.floor(v))
    return odd


@kernel
def add_rows(
    data: Values,
    indices: Values,
    indptr: Values,
    order: IntArray,
    group: IntArray,
    weight: Array,
    out: Array,
) -> int:
    """Rows of compressed sparse cells into out (S, G); negative groups are left out.

    order lists the cells so that neighbours go into the same row of out, which then stays near
    the processor.
    """
    odd = 0
    for c in order:
        s = group[c]
        if s < 0:
            continue
        w, row = weight[c], out[s]
        values, places = data[indptr[c] : indptr[c + 1]], indices[indptr[c] : indptr[c + 1]]
        odd += not_counts(values)
        for k in range(values.size):
            row[np.uint64(places[k])] += w * values[k]
    return odd


@kernel
def add_columns(
    data: Values, indices: Values, indptr: Values, group: IntArray, weight: Array, out: Array
) -> int:
    """Columns of compressed sparse genes into out (S, G)."""
    odd = 0
    column = np.zeros(out.shape[0])
    for g in range(out.shape[1]):
        column[:] = 0.0
        for k in range(indptr[g], indptr[g + 1]):
            c = indices[k]
            s = group[c]
            if s < 0:
                continue
            v = float(data[k])
            column[s] += weight[c] * v
            odd += not (v >= 0.0 and v == np.floor(v))
        for s in range(out.shape[0]):
            out[s, g] += column[s]
    return odd


@kernel
def add_dense(values: Values, group: IntArray, weight: Array, out: Array) -> int:
    """Dense cells (C, G) into out (S, G)."""
    odd = 0
    for c in range(values.shape[0]):
        s = group[c]
        if s < 0:
            continue
        w, row = weight[c], out[s]
        odd += not_counts(values[c])
        for g in range(values.shape[1]):
            row[g] += w * values[c, g]
    return odd
