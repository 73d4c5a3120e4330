"""Figures of founder mosaics, of probabilities along a line, and of the orientation of markers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, one_of
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
from refsolve.methods.founder_hmm.estimator.orientation import OrientationRepair
from refsolve.methods.founder_hmm.estimator.probabilities import FounderProbabilities

FOUNDERS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, "#000000")
SIZE = (6.4, 3.8)
UNSURE = 0.5  # below this, a place of a mosaic stays white


def founder_colours(n: int) -> list[Any]:
    """Colours of n founders.

    Parameters
    ----------
    n
        Their number.
    """
    if n <= len(FOUNDERS):
        return list(FOUNDERS[:n])
    return [plt.get_cmap("turbo")((k + 0.5) / n) for k in range(n)]


def plot_mosaic(
    found: FounderProbabilities,
    *,
    chromosome: Any = None,
    lines: Sequence[str] = (),
    names: Sequence[str] = (),
    unsure: float = UNSURE,
    ax: Axes | None = None,
) -> Axes:
    """Lines by place, in the colour of their most likely founder.

    Parameters
    ----------
    found
        Probabilities of inbred lines.
    chromosome
        Its label; the first by default.
    lines, names
        Names of the lines and of the founders.
    unsure
        Places whose founder is less probable stay white.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    if len(found.states) != found.n_founders:
        raise ValueError(
            "found has pairs of founders; a mosaic shows one founder at a place; "
            "use plot_probabilities"
        )
    position, probability = found.of(found.chromosomes[0] if chromosome is None else chromosome)
    n = probability.shape[0]
    ax = _axes(ax, (6.4, 1.6 + min(0.12 * n, 5.0)))
    best = np.where(probability.max(axis=2) >= unsure, probability.argmax(axis=2), np.nan)
    K = found.n_founders
    ax.pcolormesh(
        cell_edges(position), np.arange(n + 1) - 0.5, best,
        cmap=ListedColormap(founder_colours(K)), vmin=-0.5, vmax=K - 0.5, rasterized=True,
    )  # fmt: skip
    if lines:
        ax.set_yticks(range(n), list(lines))
    ax.set(xlabel="Map position (cM)", ylabel="Line", ylim=(n - 0.5, -0.5))
    patches = [Patch(color=colour) for colour in founder_colours(K)]
    ax.legend(patches, list(names) or list(found.states), ncols=min(K, 8), **ABOVE)
    return finish(ax)


def cell_edges(position: FloatArray) -> FloatArray:
    """Edges (T + 1,) of cells around positions (T,).

    Parameters
    ----------
    position
        Centimorgans, ascending.
    """
    if position.size == 1:
        return np.array([position[0] - 0.5, position[0] + 0.5])
    middle = 0.5 * (position[1:] + position[:-1])
    return np.concatenate([position[:1], middle, position[-1:]])


def plot_probabilities(
    found: FounderProbabilities,
    line: int = 0,
    *,
    chromosome: Any = None,
    names: Sequence[str] = (),
    truth: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Share of every founder along one line, stacked to one.

    Parameters
    ----------
    found
        Probabilities.
    line
        Number of the line.
    chromosome
        Its label; the first by default.
    names
        Names of the founders.
    truth
        True founder (T,) at each position, drawn as a strip above.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    label = found.chromosomes[0] if chromosome is None else chromosome
    at = found.chromosomes.index(label)
    position, share = found.position[at], found.founders()[at][line]
    K = found.n_founders
    ax = _axes(ax, (6.4, 2.6))
    labels = list(names) or [chr(ord("A") + f) if K <= 26 else f"F{f + 1}" for f in range(K)]
    colours = founder_colours(K)
    ax.stackplot(position, share.T, colors=colours, labels=labels, lw=0)
    if truth is not None:
        ax.pcolormesh(
            cell_edges(position), [1.03, 1.1], np.asarray(truth)[None, :],
            cmap=ListedColormap(colours), vmin=-0.5, vmax=K - 0.5,
        )  # fmt: skip
    ax.set(xlabel="Map position (cM)", ylabel="Probability")
    ax.set_ylim(0.0, 1.0 if truth is None else 1.1)
    ax.set_xlim(position[0], max(position[-1], position[0] + 1e-9))
    return finish(ax, columns=min(K, 8))


def plot_orientation(
    repair: OrientationRepair, *, value: str = "disagreement", ax: Axes | None = None
) -> Axes:
    """How the calls at every marker contradict the recorded alleles, along the genome.

    Parameters
    ----------
    repair
        What `repair_orientation` found.
    value
        `disagreement`: with the inferred founders before the repair; `error_rate`: with what the
        other markers predict, after it, on the scale of the recorded alleles; `log_ratio`: of
        exchanged against recorded alleles.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    values, text = _shown(repair, value)
    x, ticks, labels = _along(repair.genotypes.chromosome, repair.genotypes.position)
    ax = _axes(ax)
    gap = {"disagreement": repair.gap, "error_rate": repair.error_gap}.get(value)
    if gap is not None and np.isfinite(gap).all() and gap[0] < gap[1]:
        ax.axhspan(*gap, color=GREY, alpha=0.15, lw=0, label="gap")
    if value == "log_ratio":
        ax.axhline(repair.threshold, color=GREY, lw=1, ls="--", label="threshold")
        ax.set_yscale("symlog", linthresh=10.0)
    for marks, colour, word in (
        (~repair.flipped, BLUE, "as recorded"),
        (repair.flipped, VERMILION, "exchanged"),
    ):
        if marks.any():
            ax.plot(x[marks], values[marks], "o", color=colour, ms=4, mew=0, label=word)
    ax.set_xticks(ticks, labels)
    ax.set(xlabel="Chromosome", ylabel=text)
    return finish(ax, columns=3)


def _shown(repair: OrientationRepair, value: str) -> tuple[FloatArray, str]:
    one_of(value, "value", ("disagreement", "error_rate", "log_ratio"))
    if value == "disagreement":
        return repair.before.disagreement, "Disagreement with inferred founders"
    if value == "error_rate":
        rate = repair.after.error_rate
        return np.where(repair.flipped, 1.0 - rate, rate), "Calls against recorded alleles"
    return repair.log_ratio, "Log-likelihood ratio,\nexchanged against recorded"


def _along(
    chromosome: NDArray[Any], position: FloatArray
) -> tuple[FloatArray, list[float], list[str]]:
    """Places of all markers on one axis, and the middle and name of every chromosome."""
    x, ticks, labels, shift = np.empty(position.size), [], [], 0.0
    for label in dict.fromkeys(chromosome.tolist()):
        here = chromosome == label
        own = position[here] - position[here].min()
        x[here] = own + shift
        ticks.append(shift + 0.5 * float(own.max()))
        labels.append(str(label))
        shift += float(own.max()) + 5.0
    return x, ticks, labels


def _axes(ax: Axes | None, size: tuple[float, float] = SIZE) -> Axes:
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax
