"""Strength of loops: eqs. (20) to (24)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from refsolve.methods.contact_expected.textbook.masks import BoolArray, FloatArray


def pixel_strength(observed: ArrayLike, mean: ArrayLike, pseudocount: float = 0.5) -> FloatArray:
    """log2 of observed over expected contacts, both on the scale of counts, eq. (20)."""
    o, m = (np.asarray(v, dtype=np.float64) for v in (observed, mean))
    return np.asarray(np.log2((o + pseudocount) / (m + pseudocount)))


def expected_counts(expected_by_distance: FloatArray, weight: FloatArray) -> FloatArray:
    """(N, N) expected balanced contacts taken back to the scale of counts, eq. (20)."""
    i, j = np.indices((weight.size, weight.size))
    return np.asarray(expected_by_distance[np.abs(i - j)] / np.multiply.outer(weight, weight))


def donut_mask(inner: int, outer: int) -> BoolArray:
    """(2·outer+1, 2·outer+1) pixels of the local background, eq. (21)."""
    a = np.arange(-outer, outer + 1)
    row, column = np.meshgrid(a, a, indexing="ij")
    peak = (np.abs(row) <= inner) & (np.abs(column) <= inner)
    return np.asarray(~peak & (row != 0) & (column != 0))


def snippet(values: FloatArray, i: int, j: int, flank: int) -> FloatArray:
    """(2·flank+1, 2·flank+1) window around pixel (i, j), NaN outside the matrix."""
    framed = np.pad(np.asarray(values, dtype=np.float64), flank, constant_values=np.nan)
    return framed[i : i + 2 * flank + 1, j : j + 2 * flank + 1]


def donut_ratio(
    observed: FloatArray, mean: FloatArray, i: int, j: int, inner: int, outer: int
) -> float:
    """Observed over expected in the donut around pixel (i, j), eq. (21).

    Parameters
    ----------
    observed, mean
        (N, N) contacts and their expected, both as counts or both balanced, NaN where a pixel is
        not usable.
    i, j
        The pixel.
    inner, outer
        Half-widths of the donut in bins.
    """
    o, e = snippet(observed, i, j, outer), snippet(mean, i, j, outer)
    around = donut_mask(inner, outer) & np.isfinite(o) & np.isfinite(e)
    return float(o[around].sum() / e[around].sum())


def pile_up(snippets: Sequence[FloatArray]) -> FloatArray:
    """Mean of windows pixel by pixel, over those that have the pixel, eq. (22)."""
    stack = np.stack(snippets)
    n = np.isfinite(stack).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nansum(stack, axis=0) / np.where(n > 0, n, np.nan))


def aggregate_strength(
    observed: Sequence[FloatArray], mean: Sequence[FloatArray], pseudocount: float = 0.5
) -> float:
    """log2 of all contacts over all expected ones in patches of many loops, eq. (23)."""
    seen = [np.isfinite(o) & np.isfinite(m) for o, m in zip(observed, mean, strict=True)]
    o_sum = sum(float(o[s].sum()) for o, s in zip(observed, seen, strict=True))
    m_sum = sum(float(m[s].sum()) for m, s in zip(mean, seen, strict=True))
    return float(pixel_strength(o_sum, m_sum, pseudocount))


def difference(
    case: ArrayLike, control: ArrayLike, level: float = 0.95
) -> tuple[float, float, float]:
    """Difference of the means over replicates, and Welch's interval, eq. (24)."""
    a, b = (np.asarray(v, dtype=np.float64) for v in (case, control))
    parts = np.array([a.var(ddof=1) / a.size, b.var(ddof=1) / b.size])
    df = parts.sum() ** 2 / np.sum(parts**2 / np.array([a.size - 1, b.size - 1]))
    half = float(student.ppf(0.5 + level / 2, df) * np.sqrt(parts.sum()))
    middle = float(a.mean() - b.mean())
    return middle, middle - half, middle + half
