"""Figures of observed over expected, of the fall-off with distance, and of deviating bins.

Every table, fit or search may be an object with the attributes that are named, or a dict with
these keys.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray, one_of
from refsolve.core.figure import (
    BLUE,
    FONT,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    VERMILION,
    array_of,
    finish,
    value_of,
)

COLOURS = (VERMILION, BLUE, GREEN, PURPLE)
MARKERS = ("o", "s", "^", "v")
SIZE = (6.4, 3.6)
SQUARE = (4.8, 4.2)
FOLD = 2.0  # log2 of the ratio at the ends of the colours


def plot_ratio_map(
    table: object,
    fit: object,
    condition: str,
    *,
    masked: ArrayLike | None = None,
    target: tuple[int, int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """log2 of observed over expected contacts of one condition, all samples together.

    Parameters
    ----------
    table
        `counts` (S, P), `bin1`, `bin2` (P,), and `condition` (S,).
    fit
        `mu` (S, P).
    condition
        Which condition.
    masked
        Marks of bins that took no part (B,); drawn grey.
    target
        Pixel to ring.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax, SQUARE)
    mine = _samples(table, condition)
    observed = np.nansum(array_of(table, "counts")[mine], axis=0)
    expected = array_of(fit, "mu")[mine].sum(axis=0)
    first, second = _bins(table)
    square = np.full((int(second.max()) + 1,) * 2, np.nan)
    with np.errstate(divide="ignore"):
        square[first, second] = np.log2(observed / expected)
    square[second, first] = square[first, second]
    out = np.zeros(square.shape[0], dtype=bool) if masked is None else np.asarray(masked)
    square[out[: square.shape[0]]] = np.nan
    square[:, out[: square.shape[0]]] = np.nan
    colours = plt.get_cmap("RdBu_r").with_extremes(bad="#BFBFBF")
    image = ax.imshow(square, cmap=colours, vmin=-FOLD, vmax=FOLD, interpolation="nearest")
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.85, extend="both")
    bar.set_label(f"log2 observed/expected, {condition}", fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT - 1)
    if target is not None:
        ends = np.array([min(target), max(target)])
        ax.plot(ends[::-1], ends, "o", ms=10, mfc="none", mec="black", mew=1.5)
    ax.set(xlabel="Bin", ylabel="Bin")
    return finish(ax)


def plot_decay(
    table: object, fit: object, *, target: tuple[int, int] | None = None, ax: Axes | None = None
) -> Axes:
    """Contacts against distance: used pixels, their expected, and a target pixel.

    Parameters
    ----------
    table
        `counts` and `use` (S, P), `bin1`, `bin2` (P,), and `condition` (S,).
    fit
        `mu` (S, P).
    target
        Pixel to mark.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax, SIZE)
    counts, use = array_of(table, "counts"), array_of(table, "use") > 0.0
    mu, (first, second) = array_of(fit, "mu"), _bins(table)
    distance = second - first
    steps = np.unique(distance)
    for k, name in enumerate(dict.fromkeys(value_of(table, "condition"))):
        mine, colour = _samples(table, name), COLOURS[k % len(COLOURS)]
        n = np.maximum(use[mine].sum(axis=0), 1)
        seen = use[mine].any(axis=0)
        mean = np.where(use[mine], counts[mine], 0.0).sum(axis=0) / n
        model = np.where(use[mine], mu[mine], 0.0).sum(axis=0) / n
        ax.plot(distance[seen], mean[seen], ".", color=colour, ms=3, alpha=0.3)
        line = [_mean(model, seen & (distance == d)) for d in steps]
        ax.plot(steps, line, color=colour, lw=1.5, label=f"expected, {name}")
        if target is not None:
            at = np.flatnonzero((first == min(target)) & (second == max(target)))
            height = counts[mine][:, at].mean(axis=0)
            style: dict[str, Any] = {
                "marker": MARKERS[k % len(MARKERS)],
                "color": colour,
                "ms": 8,
                "mec": "black",
            }
            ax.plot(distance[at], height, ls="", label=f"target, {name}", **style)
    ax.set_xscale("log")
    ax.set_yscale("symlog", linthresh=1.0)
    ax.set_ylim(bottom=0.0)
    ax.set(xlabel="Distance (bins)", ylabel="Contacts per pixel and sample")
    return finish(ax, columns=2)


def plot_stripes(found: object, *, ax: Axes | None = None) -> Axes:
    """Evidence that a bin deviates as a whole, by condition, with the bound.

    Parameters
    ----------
    found
        `z` and `masked` (C, B), `threshold`, and `conditions` (C,).
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax, SIZE)
    z, masked = array_of(found, "z"), array_of(found, "masked") > 0.0
    bound = float(array_of(found, "threshold"))
    conditions = value_of(found, "conditions")
    bins = np.arange(z.shape[1])
    for c, name in enumerate(conditions):
        at = bins + 0.16 * (c - 0.5 * (len(conditions) - 1))
        colour, marker = COLOURS[c % len(COLOURS)], MARKERS[c % len(MARKERS)]
        ax.vlines(at, 0.0, z[c], color=colour, lw=0.8, alpha=0.6)
        ax.plot(at, z[c], ls="", marker=marker, color=colour, ms=4, label=name)
        if masked[c].any():
            style: dict[str, Any] = {"mfc": "none", "mec": ORANGE, "ms": 11, "mew": 2}
            label = "_" if masked[:c].any() else "masked"
            ax.plot(at[masked[c]], z[c, masked[c]], "o", label=label, **style)
    for end in (-bound, bound):
        ax.axhline(end, color=GREY, lw=1, ls="--", label="_" if end < 0 else "bound")
    ax.axhline(0.0, color="black", lw=0.8)
    ax.set_yscale("symlog", linthresh=2.0 * bound)
    ax.set(xlabel="Bin", ylabel="Deviation of the bin (z)")
    return finish(ax, columns=len(conditions) + 2)


def _samples(table: object, condition: str) -> IntArray:
    names = list(value_of(table, "condition"))
    one_of(condition, "condition", tuple(dict.fromkeys(names)))
    return np.flatnonzero([name == condition for name in names])


def _bins(table: object) -> tuple[IntArray, IntArray]:
    return array_of(table, "bin1").astype(np.int64), array_of(table, "bin2").astype(np.int64)


def _mean(values: FloatArray, chosen: NDArray[np.bool_]) -> float:
    return float(values[chosen].mean()) if chosen.any() else float("nan")


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax
