"""Figures of droplets, of contamination, of states, and of groups of donors.

Every result may be an object with the attributes that are named, or a dict with these keys.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray
from refsolve.core.figure import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    array_of,
    finish,
    value_of,
)

COLOURS = (BLUE, VERMILION, GREEN, ORANGE)
SIZE = (6.4, 3.6)
BINS = 60


def plot_droplets(call: Any, *, ax: Axes | None = None) -> Axes:
    """Totals of the droplets by rank, cells and empty droplets apart, with knee and inflection.

    Parameters
    ----------
    call
        `total`, `cell`, `empty` (droplets,), `knee`, `inflection`: a `DropletCall`.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    total = array_of(call, "total")
    order = np.argsort(-total, kind="stable")
    order = order[total[order] > 0]
    rank = np.arange(1, order.size + 1)
    cell, empty = (array_of(call, name).astype(bool)[order] for name in ("cell", "empty"))
    for label, mark, colour in (
        ("neither", ~cell & ~empty, GREY),
        ("in the profile", empty, ORANGE),
        ("cell", cell, BLUE),
    ):
        ax.plot(rank[mark], total[order][mark], ".", ms=3, color=colour, label=label)
    for name, style in (("knee", "--"), ("inflection", ":")):
        at = float(value_of(call, name, np.nan))
        if np.isfinite(at):
            ax.axhline(at, color=VERMILION, ls=style, lw=1, label=f"{name}: {at:.0f}")
    ax.set(xscale="log", yscale="log", xlabel="Rank of the droplet", ylabel="Counts")
    return finish(ax, 3)


def plot_contamination(
    fit: Any, *, groups: Any = None, truth: ArrayLike | None = None, ax: Axes | None = None
) -> Axes:
    """Contamination of donors in ascending order, with intervals, groups, and gaps between them.

    Parameters
    ----------
    fit
        `rho`, `low`, `high` (donors,): a `Contamination` or `Shrunk`.
    groups
        `code` (donors,), `low`, `high` of the gaps: a `DonorGroups`.
    truth
        (donors,) true values.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    rho, low, high = (array_of(fit, name) for name in ("rho", "low", "high"))
    order = np.argsort(rho, kind="stable")
    x = np.arange(rho.size)
    code = np.zeros(rho.size, int) if groups is None else array_of(groups, "code").astype(int)
    for k in range(int(code.max(initial=0)) + 1):
        here = x[code[order] == k]
        rows = order[here]
        bars = np.abs(np.array([rho[rows] - low[rows], high[rows] - rho[rows]]))
        ax.errorbar(here, rho[rows], bars, fmt="o", ms=4, lw=1, color=COLOURS[k % len(COLOURS)],
                    label="donors" if groups is None else f"group {k + 1}")  # fmt: skip
    if groups is not None:
        for bottom, top in zip(array_of(groups, "low"), array_of(groups, "high"), strict=True):
            ax.axhspan(bottom, top, color=GREY, alpha=0.15, lw=0)
    if truth is not None:
        ax.plot(x, np.asarray(truth)[order], "_", color="black", ms=9, label="truth")
    ax.set(xlabel="Donor, by contamination", ylabel="Contamination", ylim=(0, None))
    return finish(ax, 3)


def plot_states(score: ArrayLike, call: Any, *, ax: Axes | None = None) -> Axes:
    """Histogram of a score, activated cells apart, with the valley between the states.

    Parameters
    ----------
    score
        (cells,) values.
    call
        `active` (cells,), `cut`, `low`, `high`: a `StateCall`.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    values = np.asarray(score, dtype=np.float64)
    active = array_of(call, "active").astype(bool)
    edges = np.linspace(values.min(), values.max() + 1e-9, BINS + 1)
    for label, mark, colour in (("resting", ~active, BLUE), ("activated", active, VERMILION)):
        if mark.any():
            counts = np.histogram(values[mark], edges)[0]
            ax.stairs(counts, edges, fill=True, color=colour, alpha=0.7,
                      label=f"{label}: {mark.sum()} cells")  # fmt: skip
    cut, low, high = (float(value_of(call, name, np.nan)) for name in ("cut", "low", "high"))
    if np.isfinite(cut):
        ax.axvspan(low, high, color=GREY, alpha=0.2, lw=0, label="valley")
        ax.axvline(cut, color="black", lw=1, ls="--", label=f"boundary {cut:.1f}")
    ax.set(xlabel="Score (counts)", ylabel="Cells")
    return finish(ax, 2)


def plot_posterior(found: Any, *, truth: float | None = None, ax: Axes | None = None) -> Axes:
    """Density of the contamination from genes that populations do not express.

    Parameters
    ----------
    found
        `grid`, `density` (points,), `rho`, `low`, `high`, and `ratio` of the pairs: an
        `UnexpressedGenes`.
    truth
        True value.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    grid, density = array_of(found, "grid"), array_of(found, "density")
    rho, low, high = (float(value_of(found, name)) for name in ("rho", "low", "high"))
    ax.plot(grid, density, color=BLUE, lw=1.6, label="mean of the posterior densities")
    ax.axvspan(
        low, high, color=BLUE, alpha=0.15, lw=0, label=f"{rho:.3f} ({low:.3f} to {high:.3f})"
    )
    ratio = array_of(found, "ratio")
    ax.plot(ratio, np.full(ratio.size, -0.02 * density.max()), "|", color=GREY, ms=6, alpha=0.5,
            label="gene in a population")  # fmt: skip
    if truth is not None:
        ax.axvline(truth, color=VERMILION, lw=1.4, label="truth")
    ax.set(xlabel="Contamination", ylabel="Density", xlim=(0, _reach(grid, density, ratio)))
    return finish(ax, 2)


def _reach(grid: FloatArray, density: FloatArray, ratio: FloatArray) -> float:
    """End of the axis: all of the density and of the ratios."""
    seen = grid[density > 1e-3 * density.max()]
    return min(1.1 * max(float(seen.max()), float(ratio.max(initial=0.0))), 1.0)


def _axes(ax: Axes | None) -> Axes:
    return ax if ax is not None else plt.subplots(figsize=SIZE, layout="constrained")[1]
