"""Expected of one pixel from the pixels at its distance, in tables of several samples."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, whole_numbers


def same_distance(
    counts: ArrayLike,
    distance: ArrayLike,
    use: ArrayLike,
    at: int,
    *,
    how: Literal["mean", "median"] = "mean",
) -> FloatArray:
    """Mean or median of the pixels at one distance, by sample (S,); NaN without any.

    It takes nothing but distance into account: with few pixels it is noisy, and neither GC nor
    mappability is corrected for.

    Parameters
    ----------
    counts
        Contacts of each sample and pixel (S, P).
    distance
        Distance of each pixel in bins (P,).
    use
        Pixels that take part, by sample (S, P).
    at
        The distance.
    how
        Which average.
    """
    values = np.asarray(counts, np.float64)
    there = np.asarray(use, np.bool_) & (whole_numbers(distance, "distance") == at)
    if values.shape != there.shape:
        raise ValueError(f"counts has shape {values.shape} and use {there.shape}; give one of both")
    if how not in ("mean", "median"):
        raise ValueError(f"how = {how!r} must be 'mean' or 'median'")
    average = np.mean if how == "mean" else np.median
    out = np.full(len(values), np.nan)
    for s in np.flatnonzero(there.any(axis=1)):
        out[s] = average(values[s, there[s]])
    return out
