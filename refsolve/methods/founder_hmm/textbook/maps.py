"""Map functions: recombination fractions from map distances and back, eq. (1)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
MapFunction = Literal["haldane", "kosambi", "carter-falconer", "morgan"]


def recombination(distance: ArrayLike, map_function: MapFunction = "haldane") -> FloatArray:
    """Recombination fraction at one meiosis, eq. (1).

    Parameters
    ----------
    distance
        cM.
    map_function
        How crossovers interfere.
    """
    d = np.asarray(distance, dtype=np.float64) / 100
    if map_function == "haldane":
        return np.asarray(-np.expm1(-2 * d) / 2)
    if map_function == "kosambi":
        return np.asarray(np.tanh(2 * d) / 2)
    if map_function == "morgan":
        return np.minimum(d, 0.5)
    return _carter_falconer(d)


def _carter_falconer(d: FloatArray) -> FloatArray:
    """Root of 4 d = artanh 2r + arctan 2r by bisection on u = artanh 2r, which lies below 4 d."""
    low, high = np.zeros_like(d), 4 * d
    for _ in range(100):
        middle = (low + high) / 2
        over = middle + np.arctan(np.tanh(middle)) > 4 * d
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.asarray(np.tanh((low + high) / 2) / 2)


def distance(fraction: ArrayLike, map_function: MapFunction = "haldane") -> FloatArray:
    """Map distance in cM of a recombination fraction below 1/2, eq. (1).

    Parameters
    ----------
    fraction
        Recombination fraction at one meiosis.
    map_function
        As in `recombination`.
    """
    r = np.asarray(fraction, dtype=np.float64)
    if map_function == "haldane":
        return np.asarray(-50 * np.log1p(-2 * r))
    if map_function == "kosambi":
        return np.asarray(50 * np.arctanh(2 * r))
    if map_function == "morgan":
        return 100 * r
    return np.asarray(25 * (np.arctanh(2 * r) + np.arctan(2 * r)))
