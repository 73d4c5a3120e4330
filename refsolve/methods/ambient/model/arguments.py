"""Checks of what is handed in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray, real_vector, refuse, within


def totals(total: ArrayLike, n: int | None = None) -> FloatArray:
    """Counts of every cell (n,), positive or 0.

    Parameters
    ----------
    total
        Numbers.
    n
        How many there must be.
    """
    out = within(real_vector(total, "total"), "total", 0.0, np.inf, open_high=True)
    if n is not None and out.size != n:
        raise ValueError(f"total has {out.size} values for {n} cells; give one per cell")
    return out


def fractions(rho: ArrayLike, n: int) -> FloatArray:
    """Contamination of every cell (n,), between 0 and 1.

    Parameters
    ----------
    rho
        One number, or one per cell.
    n
        Number of cells.
    """
    out = within(rho, "rho", 0.0, 1.0)
    if out.ndim > 1 or (out.ndim == 1 and out.size != n):
        raise ValueError(f"rho has the shape {out.shape}; give one number, or one for {n} cells")
    return np.ascontiguousarray(np.broadcast_to(out, (n,)))


def shares(share: Any, n: int | None = None) -> FloatArray:
    """Ambient shares of the genes (n,), from an array or a profile.

    Parameters
    ----------
    share
        Shares, one per gene, or a profile that holds them.
    n
        Number of genes.
    """
    out = within(getattr(share, "share", share), "share", 0.0, 1.0)
    if out.ndim != 1 or (n is not None and out.size != n):
        raise ValueError(f"share has the shape {out.shape}; give one per gene, {n} in all")
    refuse(np.array(out.sum() > 1.0 + 1e-9), "sum of share", out.sum(), "is above 1",
           "divide counts by totals")  # fmt: skip
    return out


def labels(values: ArrayLike, n: int, name: str) -> tuple[Any, Any]:
    """Sorted distinct labels, and the place of each cell's label (n,).

    Parameters
    ----------
    values
        One label per cell.
    n
        Number of cells.
    name
        Argument name for messages.
    """
    given = np.asarray(values)
    if given.shape != (n,):
        raise ValueError(f"{name} has the shape {given.shape}; give one label for {n} cells")
    refuse(np.asarray(pd.isna(given)), name, given, "is missing", "leave the cell out")
    if given.dtype.kind == "O":
        given = given.astype(str) if any(isinstance(v, str) for v in given.tolist()) else given
    found, code = np.unique(given, return_inverse=True)
    return found, code.astype(np.int64)


def sums_by(code: IntArray, values: FloatArray, n: int) -> FloatArray:
    """Sums (n,) of values by the place of their label.

    Parameters
    ----------
    code, values
        Places, and what is added up.
    n
        Number of labels.
    """
    return np.bincount(code, values, n).astype(np.float64)
