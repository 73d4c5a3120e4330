"""Which bins and pixels count: eqs. (1), (8) and (9)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def usable_pixels(
    valid: ArrayLike,
    region: ArrayLike | None = None,
    excluded: Iterable[tuple[int, int]] = (),
) -> BoolArray:
    """(N, N) pixels between two valid bins of one region, without those excluded, eq. (1)."""
    v = np.asarray(valid, dtype=bool)
    usable = np.logical_and.outer(v, v)
    if region is not None:
        code = np.asarray(region)
        usable &= (code[:, np.newaxis] == code) & (code >= 0)
    for i, j in excluded:
        usable[i, j] = usable[j, i] = False
    return np.asarray(usable)


def gap_threshold(
    values: ArrayLike, ratio: float = 3.0, spread: float = 1.5, least: float = 0.05
) -> float | None:
    """Cut below which values are set apart by a visible gap, eq. (8); None without one.

    Parameters
    ----------
    values
        (N,) such as mappability.
    ratio
        How many times the widest gap among the values above it a gap must be.
    spread
        How many times the distance from the lowest value above it to their median.
    least
        Width that a gap must have.
    """
    u = np.sort(np.asarray(values, dtype=np.float64))
    gap = np.diff(u)
    best, cut = ratio, None
    for k in range(u.size - 1):
        above = gap[k + 1 :].max(initial=0.0)
        wide = gap[k] >= max(least, spread * (np.median(u[k + 1 :]) - u[k + 1]))
        if wide and 2 * (u.size - k - 1) >= u.size and gap[k] >= best * above:
            best = np.inf if above == 0 else float(gap[k] / above)
            cut = float((u[k] + u[k + 1]) / 2)
    return cut


def low_coverage(marginal: ArrayLike, n_mads: float) -> BoolArray:
    """(N,) bins whose log marginal lies `n_mads` MADs below the median, eq. (9); zeros too."""
    marginal = np.asarray(marginal, dtype=np.float64)
    seen = np.log(marginal[marginal > 0])
    centre = np.median(seen)
    mad = np.median(np.abs(seen - centre))
    return np.asarray(marginal < np.exp(centre - n_mads * mad))


def per_chromosome_median(marginal: ArrayLike, chromosome: ArrayLike) -> FloatArray:
    """(N,) marginals divided by the median of the positive ones of their chromosome, eq. (9)."""
    relative = np.array(marginal, dtype=np.float64)
    code = np.asarray(chromosome)
    for one in np.unique(code):
        inside = code == one
        relative[inside] /= np.median(relative[inside & (relative > 0)])
    return relative
