"""Figures of p values, of cells against donors, of fold changes, and of relabelled donors.

Every result may be an object with the attributes that are named, or a dict with these keys.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray
from refsolve.core.figure import BLUE, GREEN, GREY, ORANGE, VERMILION, array_of, finish, value_of

COLOURS = (BLUE, VERMILION, GREEN, ORANGE)
SIZE = (6.4, 3.6)
BINS = 20
FURTHEST = 50.0  # minus log10 p; smaller p values are drawn there


def plot_p_values(p: Mapping[str, ArrayLike], *, ax: Axes | None = None) -> Axes:
    """Share of the genes in each twentieth of the p values, and what chance alone gives.

    Parameters
    ----------
    p
        P values by the name of the test; NaN is left out.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    edges = np.linspace(0.0, 1.0, BINS + 1)
    for colour, (name, values) in zip(COLOURS, p.items(), strict=False):
        known = np.asarray(values, dtype=np.float64)
        known = known[np.isfinite(known)]
        share = np.histogram(known, edges)[0] / max(known.size, 1)
        below = 100.0 * np.mean(known < 0.05) if known.size else np.nan
        ax.stairs(share, edges, color=colour, lw=1.6, label=f"{name}: {below:.1f} % below 0.05")
    ax.axhline(1.0 / BINS, color=GREY, ls="--", lw=1, label="chance")
    ax.set(xlabel="p value", ylabel="Share of genes", xlim=(0, 1))
    return finish(ax, 1)


def plot_cells_against_donors(
    cell_p: ArrayLike, donor_p: ArrayLike, *, level: float = 0.05, ax: Axes | None = None
) -> Axes:
    """Each gene's p value with cells as replicates against the one with donors.

    Parameters
    ----------
    cell_p, donor_p
        (g,) each, in one order of genes.
    level
        Of significance, drawn as lines.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    x, y = _minus_log10(donor_p), _minus_log10(cell_p)
    if x.shape != y.shape:
        raise ValueError(f"cell_p has {y.size} genes and donor_p {x.size}; pass the same genes")
    cut = -np.log10(level)
    false = (y > cut) & (x <= cut)
    rest = ~false
    label = f"cells only: {np.mean(false):.0%} of the genes"
    ax.plot(x[false], y[false], ".", color=VERMILION, ms=4, alpha=0.6, label=label)
    ax.plot(x[rest], y[rest], ".", color=GREY, ms=4, alpha=0.6, label="others")
    ax.axvline(cut, color=BLUE, ls="--", lw=1)
    ax.axhline(cut, color=BLUE, ls="--", lw=1, label=f"p = {level:g}")
    ax.set(xlabel="−log10 p, donors", ylabel="−log10 p, cells")
    return finish(ax, 3)


def plot_volcano(
    test: object, *, fdr: float = 0.05, chosen: ArrayLike | None = None, ax: Axes | None = None
) -> Axes:
    """Evidence against the log fold change.

    Parameters
    ----------
    test
        `log2_fold_change`, `p`, `q`.
    fdr
        Genes at this rate are coloured.
    chosen
        Positions of genes to ring.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    x, y = array_of(test, "log2_fold_change"), _minus_log10(array_of(test, "p"))
    _coloured(ax, x, y, array_of(test, "q") < fdr, fdr)
    if chosen is not None:
        at = np.asarray(chosen, dtype=np.int64)
        ax.plot(x[at], y[at], "o", mfc="none", color=GREEN, ms=7, label="chosen")
    ax.axvline(0.0, color=GREY, lw=0.8)
    ax.set(xlabel="log2 fold change", ylabel="−log10 p")
    return finish(ax, 3)


def plot_means(test: object, *, fdr: float = 0.05, ax: Axes | None = None) -> Axes:
    """Log fold change against abundance.

    Parameters
    ----------
    test
        `log2_fold_change`, `abundance`, `q`.
    fdr
        Genes at this rate are coloured.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    x, y = array_of(test, "abundance"), array_of(test, "log2_fold_change")
    _coloured(ax, x, y, array_of(test, "q") < fdr, fdr)
    ax.axhline(0.0, color=GREY, lw=0.8)
    ax.set(xlabel="Mean log2 counts per million", ylabel="log2 fold change")
    return finish(ax, 2)


def plot_null(null: object, *, ax: Axes | None = None) -> Axes:
    """Numbers of significant genes under relabelling, and the number seen.

    Parameters
    ----------
    null
        `counts`, `seen`, `p`, `level`.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    counts, seen = array_of(null, "counts"), float(array_of(null, "seen"))
    top = max(counts.max(), 1.0)
    edges = np.arange(-0.5, top + 1.5, max(1.0, np.ceil(top / 30.0)))
    edges = np.append(edges, edges[-1] + (edges[1] - edges[0]))
    ax.hist(
        counts, edges.tolist(), color=BLUE, alpha=0.7, label=f"{counts.size} labellings of donors"
    )
    label = f"true labels: {seen:.0f} genes, p = {value_of(null, 'p'):.3g}"
    ax.axvline(seen, color=VERMILION, lw=1.6, label=label)
    level = value_of(null, "level", 0.05)
    ax.set(xlabel=f"Genes with p < {level:g}", ylabel="Labellings")
    return finish(ax, 1)


def _coloured(ax: Axes, x: FloatArray, y: FloatArray, found: NDArray[np.bool_], fdr: float) -> None:
    ax.plot(x[~found], y[~found], ".", color=GREY, ms=4, alpha=0.5, label="others")
    label = f"FDR below {fdr:g}: {int(found.sum())}"
    ax.plot(x[found], y[found], ".", color=VERMILION, ms=6, label=label)


def _minus_log10(p: ArrayLike) -> FloatArray:
    values = np.asarray(p, dtype=np.float64)
    return np.asarray(np.minimum(-np.log10(np.maximum(values, 10.0**-FURTHEST)), FURTHEST))


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots(figsize=SIZE, layout="constrained")[1] if ax is None else ax
