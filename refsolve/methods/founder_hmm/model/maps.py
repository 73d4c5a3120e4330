"""Genetic maps: recombination from distance, order of markers, pseudomarkers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray, one_of, real_vector, refuse

MAP_FUNCTIONS = ("haldane", "kosambi", "carter-falconer", "morgan")
NEWTON = 60  # steps; the map of Carter and Falconer has no closed inverse


def recombination(distance: ArrayLike, map_function: str = "haldane") -> FloatArray:
    """Recombination fraction at one meiosis.

    Parameters
    ----------
    distance
        Centimorgans, of any shape.
    map_function
        `haldane` (no interference), `kosambi`, `carter-falconer` or `morgan`.

    Examples
    --------
    >>> from refsolve.methods.founder_hmm import recombination
    >>> recombination([1.0, 10.0, 1000.0]).round(5)
    array([0.0099 , 0.09063, 0.5    ])
    """
    morgan = np.asarray(distance, np.float64) / 100.0
    refuse(~(morgan >= 0.0), "distance", morgan, "must not be negative", "sort the positions")
    one_of(map_function, "map_function", MAP_FUNCTIONS)
    if map_function == "haldane":
        return np.asarray(-0.5 * np.expm1(-2.0 * morgan))
    if map_function == "kosambi":
        return np.asarray(0.5 * np.tanh(2.0 * morgan))
    if map_function == "morgan":
        return np.minimum(morgan, 0.5)
    return _carter_falconer(morgan)


def _carter_falconer(morgan: FloatArray) -> FloatArray:
    """Solve m = (artanh 2r + arctan 2r)/4 for r; its derivative is 1/(1 - 16 r⁴)."""
    r = 0.5 * np.tanh(2.0 * morgan)
    for _ in range(NEWTON):
        near = np.minimum(r, 0.5 - 1e-16)
        value = 0.25 * (np.arctanh(2.0 * near) + np.arctan(2.0 * near))
        step = (value - morgan) * (1.0 - 16.0 * near**4)
        r = np.clip(near - step, 0.5 * near, 0.5 * (near + 0.5))
        if np.all(np.abs(step) <= 1e-16):
            break
    return np.asarray(r)


def map_order(chromosome: ArrayLike, position: ArrayLike) -> IntArray:
    """Index that sorts markers by chromosome (1, 2, 10, X) and position; ties keep their order.

    Parameters
    ----------
    chromosome
        Labels (M,).
    position
        Centimorgans (M,).

    Examples
    --------
    >>> from refsolve.methods.founder_hmm import map_order
    >>> map_order(["10", "2", "2"], [0.0, 7.0, 3.0])
    array([2, 1, 0])
    """
    labels = np.asarray(chromosome)
    rank = {label: at for at, label in enumerate(sorted(set(labels.tolist()), key=natural))}
    number = np.array([rank[label] for label in labels.tolist()])
    return np.lexsort((np.asarray(position, np.float64), number))


def natural(label: Any) -> tuple[tuple[int, int, str], ...]:
    """Key that sorts numbers inside labels as numbers.

    Parameters
    ----------
    label
        Label of a chromosome.
    """
    parts = re.split(r"(\d+)", str(label))
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p.lower()) for p in parts if p)


def insert_pseudomarkers(
    position: ArrayLike, step: float, *, nearest: float = 0.01
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Markers of one chromosome and a grid that begins at the first of them.

    Parameters
    ----------
    position
        Centimorgans (M,), ascending.
    step
        Width of the grid.
    nearest
        Points of the grid at most this far from a marker are left out.

    Returns
    -------
    Positions and marks of those that are markers.
    """
    marker = real_vector(position, "position")
    if not step > 0.0:
        raise ValueError(f"step = {step} must be positive; pass a width in centimorgans")
    grid = np.arange(marker[0], marker[-1], step)
    after = np.searchsorted(marker, grid)
    gap = np.minimum(
        np.abs(marker[np.minimum(after, marker.size - 1)] - grid),
        np.abs(grid - marker[np.maximum(after - 1, 0)]),
    )
    return merged(marker, grid[gap > nearest])


def merged(marker: FloatArray, extra: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Positions of markers and of others in one order, and marks of the markers."""
    position = np.concatenate([marker, extra])
    order = np.argsort(position, kind="stable")
    return position[order], order < marker.size
