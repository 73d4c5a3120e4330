"""Checks of what is handed in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, real_vector, refuse
from refsolve.methods.pseudobulk.model.samples import PseudoBulk


def count_matrix(counts: ArrayLike | PseudoBulk | Any) -> FloatArray:
    """Counts (genes, samples) as floats.

    Parameters
    ----------
    counts
        Matrix, or samples that were added up.

    Raises
    ------
    ValueError
        Values that are negative, not whole, or means.
    """
    if isinstance(counts, PseudoBulk):
        if counts.how != "sum":
            raise ValueError("these samples are means, not counts; take a model of scores")
        counts = counts.values
    array = np.ascontiguousarray(counts, np.float64)
    if array.ndim != 2:
        raise ValueError(f"counts have {array.ndim} dimensions; expected genes by samples")
    bad = ~((array >= 0) & (array == np.floor(array)) & np.isfinite(array))
    refuse(bad, "counts", array, "is no count", "hand in sums of raw counts, not of scores")
    return array


def libraries(library: ArrayLike, n: int) -> FloatArray:
    """Effective libraries (n,).

    Parameters
    ----------
    library
        Positive numbers.
    n
        Number of samples.
    """
    out = real_vector(library, "library")
    if out.size != n:
        raise ValueError(f"library has {out.size} values for {n} samples; give one per sample")
    refuse(~(out > 0), "library", out, "must be positive", "leave the sample out")
    return out
