"""Figures of tracts, of the evidence for exchanged labels, of profiles and of tract lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Patch, Rectangle
from numpy.typing import ArrayLike
from scipy.special import chdtri

from refsolve.core.check import FloatArray
from refsolve.core.figure import (
    ABOVE,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
    finish,
)
from refsolve.methods.tracts.estimator.labels import InversionFit, LabelRepair
from refsolve.methods.tracts.estimator.pulse import PulseFit, time_profile
from refsolve.methods.tracts.model.container import Tracts
from refsolve.methods.tracts.model.counts import PathCounts

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, YELLOW)
SIZE = (6.4, 3.8)
HEIGHT = 0.36  # of a haplotype, where chromosomes are one apart
MOST = 60  # paths that a figure of tracts can show


def plot_tracts(
    tracts: Tracts,
    *,
    island: ArrayLike | None = None,
    chromosomes: Sequence[str] = (),
    haplotypes: Sequence[str] = (),
    ancestries: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Chromosomes of a few haplotypes, painted by ancestry; gaps stay white.

    Parameters
    ----------
    tracts
        Tracts of at most 60 haplotypes and chromosomes.
    island
        Tracts (N,) to mark by a triangle.
    chromosomes, haplotypes, ancestries
        Names; numbers from 1 and letters by default.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    H, C = tracts.n_haplotypes, tracts.n_chromosomes
    if H * C > MOST:
        raise ValueError(
            f"tracts has {H} haplotypes × {C} chromosomes; a figure shows {MOST} at most; "
            "choose a few with of_haplotypes"
        )
    ax = _axes(ax, (6.4, 1.2 + 0.36 * C))
    base = tracts.chromosome + (tracts.haplotype + 0.5) / H - 0.5
    boxes = [
        Rectangle((x, y - HEIGHT / H), width, 2 * HEIGHT / H)
        for x, y, width in zip(tracts.start, base, tracts.length, strict=True)
    ]
    colours = [COLOURS[k % len(COLOURS)] for k in tracts.ancestry]
    ax.add_collection(PatchCollection(boxes, facecolor=colours, edgecolor="none"))
    _outline(ax, tracts)
    if island is not None:
        marks = np.asarray(island, np.bool_)
        middle = 0.5 * (tracts.start + tracts.end)[marks]
        top = base[marks] - HEIGHT / H - 0.05
        ax.plot(middle, top, "v", color="black", ms=4, mew=0, clip_on=False)
    ax.set_yticks(range(C), list(chromosomes) or [str(c + 1) for c in range(C)])
    ax.set(
        xlabel="Map position (Morgans)",
        ylabel="Chromosome" + (f" ({', '.join(haplotypes)})" if haplotypes else ""),
        xlim=(-0.01 * tracts.lengths.max(), 1.01 * tracts.lengths.max()),
        ylim=(C - 0.4, -0.7),
    )
    _ancestry_legend(ax, tracts, ancestries, island is not None)
    return finish(ax)


def _outline(ax: Axes, tracts: Tracts) -> None:
    H = tracts.n_haplotypes
    for c, length in enumerate(tracts.lengths):
        for h in range(H):
            corner = (0.0, c + (h + 0.5) / H - 0.5 - HEIGHT / H)
            ax.add_patch(Rectangle(corner, length, 2 * HEIGHT / H, fill=False, ec=GREY, lw=0.5))


def _ancestry_legend(ax: Axes, tracts: Tracts, names: Sequence[str], marked: bool) -> None:
    shown: list[Any] = [Patch(color=COLOURS[k % len(COLOURS)]) for k in range(tracts.n_ancestries)]
    labels = list(names) or [chr(ord("A") + k) for k in range(tracts.n_ancestries)]
    if marked:
        shown.append(ax.plot([], [], "v", color="black", ms=4, mew=0)[0])
        labels.append("island")
    ax.legend(shown, labels, **ABOVE, ncols=len(labels))


def plot_label_evidence(
    repair: LabelRepair | InversionFit,
    *,
    threshold: float = 3.0,
    chromosomes: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Log-likelihood ratio of exchanged against called labels, by chromosome.

    Parameters
    ----------
    repair
        What `repair_labels` or `infer_inversions` found.
    threshold
        Between minus and plus this value, nothing is identified; a repair has its own.
    chromosomes
        Names; numbers from 1 by default.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    limit = repair.threshold if isinstance(repair, LabelRepair) else threshold
    ratio, inverted = repair.log_ratio, repair.inverted
    where = np.arange(ratio.size)
    ax.axhspan(-limit, limit, color=GREY, alpha=0.15, lw=0, label="not identified")
    ax.axhline(0.0, color=GREY, lw=0.8)
    for marks, colour, word in ((~inverted, BLUE, "as called"), (inverted, VERMILION, "exchanged")):
        if marks.any():
            ax.vlines(where[marks], 0.0, ratio[marks], color=colour, lw=1.6)
            ax.plot(where[marks], ratio[marks], "o", color=colour, ms=5, label=word)
    ax.set_xticks(where, list(chromosomes) or [str(c + 1) for c in where])
    ax.set(xlabel="Chromosome", ylabel="Log-likelihood ratio,\nexchanged against as called")
    return finish(ax, columns=3)


def plot_profile(
    tracts: Tracts | PathCounts,
    fit: PulseFit,
    *,
    labels: Sequence[str] = (),
    truth: Sequence[float] = (),
    ax: Axes | None = None,
) -> Axes:
    """Log-likelihood relative to its maximum against the time, one curve per group.

    Parameters
    ----------
    tracts
        What was fitted by haplotype, or the counts that were.
    fit
        The fit; groups without an upper end of the interval are left out.
    labels
        Names of the groups.
    truth
        True times.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    drop = -0.5 * float(chdtri(1, 1.0 - fit.confidence))
    for g in np.flatnonzero(np.isfinite(fit.interval[:, 1]) & fit.identified).tolist():
        colour = COLOURS[g % len(COLOURS)]
        time, value = time_profile(tracts, fit, g)
        low, high = fit.interval[g]
        text = f"{fit.time[g]:.2f} [{low:.2f}, {high:.2f}]"
        name = f"{labels[g]}: {text}" if len(labels) > g else text
        ax.plot(time, value, color=colour, lw=1.8, label=name)
        inside = (time >= low) & (time <= high)
        ax.fill_between(time[inside], 3.2 * drop, value[inside], color=colour, alpha=0.18, lw=0)
        if len(truth) > g:
            ax.axvline(truth[g], color=colour, lw=1.4, ls=":")
    ax.axhline(drop, color=GREY, lw=1, ls="--", label=f"{100 * fit.confidence:g} % threshold")
    ax.set(
        xlabel="Time of the pulse (generations)",
        ylabel="Log-likelihood relative to maximum",
        ylim=(3.2 * drop, -0.1 * drop),
    )
    return finish(ax, columns=2)


def plot_lengths(
    edges: ArrayLike,
    counts: ArrayLike,
    expected: ArrayLike | None = None,
    *,
    ancestries: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Tracts by length for each ancestry, with what a model expects.

    Parameters
    ----------
    edges
        Edges of the bins (B + 1,) in Morgans.
    counts
        Tracts (K, B) of each ancestry.
    expected
        Expected tracts (K, B).
    ancestries
        Names; letters by default.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    edge = np.asarray(edges, np.float64)
    middle = 0.5 * (edge[1:] + edge[:-1])
    seen = np.atleast_2d(np.asarray(counts, np.float64))
    for k, row in enumerate(seen):
        name = ancestries[k] if len(ancestries) > k else chr(ord("A") + k)
        some = row > 0
        ax.errorbar(
            middle[some], row[some], yerr=_poisson_bars(row[some]), fmt="o", ms=4, lw=1,
            color=COLOURS[k % len(COLOURS)], label=name,
        )  # fmt: skip
        if expected is not None:
            line = np.atleast_2d(np.asarray(expected, np.float64))[k]
            ax.plot(middle, line, color=COLOURS[k % len(COLOURS)], lw=1.6, label=f"{name}, model")
    ax.set(xlabel="Tract length (Morgans)", ylabel="Tracts", yscale="log")
    ax.set_ylim(bottom=0.5)
    return finish(ax, columns=4)


def _poisson_bars(n: FloatArray) -> FloatArray:
    root = np.sqrt(n)
    return np.array([np.minimum(root, n - 0.5 * (n == 1)), root])


def _axes(ax: Axes | None, size: tuple[float, float] = SIZE) -> Axes:
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax
