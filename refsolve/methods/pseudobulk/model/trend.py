"""Averages over genes of similar abundance, and maxima of splines, eqs. (7)-(8)."""

from __future__ import annotations

import numpy as np

from refsolve.core.check import FloatArray
from refsolve.methods.pseudobulk.kernels import profiles
from refsolve.methods.pseudobulk.model.regression import GRID, SCALE

CUT = 0.8  # of the bandwidth, above which a cell of the local fit is halved


def default_share(n: int) -> float:
    """Share of n genes that a local mean looks at.

    Parameters
    ----------
    n
        Number of genes.
    """
    return 1.0 if n <= 50 else 0.25 + 0.75 * (50.0 / n) ** 0.5


def local_mean(values: FloatArray, covariate: FloatArray, share: float) -> FloatArray:
    """Mean (G, m) of rows near in the covariate (G,), tricube weights on the nearest share.

    Parameters
    ----------
    values
        (G, m).
    covariate
        What nearness is measured in.
    share
        Part of the rows that are near.
    """
    # A whole number of genes must not be lost to rounding.
    nearest = max(int(np.floor(covariate.size * share * (1.0 + 1e-12))), 1)
    fitted: dict[float, tuple[FloatArray, float]] = {}

    def width(at: float) -> float:
        if at not in fitted:
            away = np.abs(covariate - at)
            reach = np.partition(away, nearest - 1)[nearest - 1]
            weight = np.where(away < reach, (1.0 - (away / max(reach, 1e-300)) ** 3) ** 3, 0.0)
            if not weight.any():
                weight = (away <= reach).astype(np.float64)
            fitted[at] = weight @ values / weight.sum(), float(reach)
        return fitted[at][1]

    cells = [(float(covariate.min()), float(covariate.max()))]
    while cells:
        low, high = cells.pop()
        middle = 0.5 * (low + high)
        if high - low > CUT * min(width(low), width(high)) and low < middle < high:
            cells += [(low, middle), (middle, high)]
    where = np.array(sorted(fitted))
    at_vertex = np.array([fitted[v][0] for v in where])
    if where.size == 1:
        return np.tile(at_vertex[0], (covariate.size, 1))
    cell = np.clip(np.searchsorted(where, covariate, side="right") - 1, 0, where.size - 2)
    part = ((covariate - where[cell]) / np.diff(where)[cell])[:, np.newaxis]
    return np.asarray((1.0 - part) * at_vertex[cell] + part * at_vertex[cell + 1])


def dispersion_at_maximum(profile: FloatArray) -> FloatArray:
    """Dispersion (G,) where the spline through each profile (G, 21) is largest.

    Parameters
    ----------
    profile
        Log-likelihoods on the grid.
    """
    profile = np.ascontiguousarray(profile)
    top = profiles.spline_maxima(GRID, profile, np.ascontiguousarray(profile @ _bending().T))
    return np.asarray(SCALE * 2.0**top)


def _bending() -> FloatArray:
    """Matrix that turns values at the grid into second derivatives of their spline.

    At both ends the third derivative is that of the cubic through the four points there.
    """
    n, h = GRID.size, np.diff(GRID)
    first = np.diff(np.eye(n), axis=0) / h[:, np.newaxis]
    second = np.diff(first, axis=0) / (GRID[2:] - GRID[:-2])[:, np.newaxis]
    third = np.diff(second, axis=0) / (GRID[3:] - GRID[:-3])[:, np.newaxis]
    a, b = np.zeros((n, n)), np.zeros((n, n))
    a[0, :2], b[0] = [-1.0, 1.0], 6.0 * h[0] * third[0]
    a[-1, -2:], b[-1] = [-1.0, 1.0], 6.0 * h[-1] * third[-1]
    for i in range(1, n - 1):
        a[i, i - 1 : i + 2] = h[i - 1], 2.0 * (h[i - 1] + h[i]), h[i]
        b[i] = 6.0 * (first[i] - first[i - 1])
    return np.asarray(np.linalg.solve(a, b))
