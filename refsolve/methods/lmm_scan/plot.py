"""Figures of a scan: LOD along the genome, founder effects, and permutations."""

from __future__ import annotations

from collections.abc import Sequence

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
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
    array_of,
    finish,
    value_of,
)

SIZE = (7.2, 3.2)
SPACE = 0.03  # between chromosomes, share of the genome
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, YELLOW, GREY)
STYLES = ("-", "--", ":")


def plot_lod(
    scan: object,
    *,
    trait: int = 0,
    chromosome: str | None = None,
    peak: object = None,
    threshold: float | None = None,
    truth: float | None = None,
    label: str = "LOD",
    colour: str = BLUE,
    ax: Axes | None = None,
) -> Axes:
    """LOD along one chromosome, or along all of them end to end.

    Parameters
    ----------
    scan
        `chromosome` (M,), `position` (M,) and `lod` (M, T) or (M,), as of a genome scan.
    trait
        Which trait.
    chromosome
        The only one to draw.
    peak
        `position` and `support`, as of a peak; drawn when a single chromosome is.
    threshold
        LOD that is enough.
    truth
        True position; drawn when a single chromosome is.
    label, colour
        Of the line; call again with the same axes to compare scans.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    again = ax is not None and bool(ax.lines)
    ax = _axes(ax)
    labels = np.asarray(value_of(scan, "chromosome")).astype(str)
    position = array_of(scan, "position")
    lod = array_of(scan, "lod").reshape(position.size, -1)[:, trait]
    names = list(dict.fromkeys(labels.tolist())) if chromosome is None else [chromosome]
    starts = _starts(labels, position, names)
    for name in names:
        mine = labels == name
        shown = label if name == names[0] else "_"
        ax.plot(position[mine] + starts[name], lod[mine], color=colour, lw=1.4, label=shown)
    if len(names) == 1:
        _mark(ax, peak, truth, colour)
        ax.set_xlabel(f"Position on chromosome {names[0]} (cM)")
    else:
        middles = [starts[n] + position[labels == n].mean() for n in names]
        ax.set_xticks(middles, names)
        ax.set_xlabel("Chromosome")
    if threshold is not None:
        ax.axhline(threshold, color=GREY, lw=1, ls="--", label="threshold")
    ax.set_ylabel("LOD")
    top = float(lod[np.isin(labels, names)].max(initial=0.0))
    ax.set_ylim(0.0, max(1.05 * top, ax.get_ylim()[1] if again else 0.1, 1.2 * (threshold or 0.0)))
    return finish(ax, columns=4)


def plot_founder_effects(
    effects: object, *, truth: ArrayLike | None = None, ax: Axes | None = None
) -> Axes:
    """Shrunken and fixed effect of every founder, with standard errors.

    Parameters
    ----------
    effects
        `founders`, `blup`, `contrast_se`, `blue`, `blue_se` (K,), as of founder effects.
    truth
        True effects (K,), drawn less their mean.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    names = [str(name) for name in value_of(effects, "founders")]
    x = np.arange(len(names))
    shrunken, fixed = array_of(effects, "blup"), array_of(effects, "blue")
    ax.errorbar(
        x - 0.1,
        shrunken,
        array_of(effects, "contrast_se"),
        fmt="o",
        color=BLUE,
        ms=6,
        capsize=3,
        label="shrunken (BLUP)",
    )
    ax.errorbar(
        x + 0.1,
        fixed,
        array_of(effects, "blue_se"),
        fmt="D",
        color=GREY,
        mfc="white",
        ms=5,
        capsize=3,
        label="fixed (BLUE)",
    )
    if truth is not None:
        true = np.asarray(truth, dtype=np.float64)
        ax.plot(x, true - true.mean(), "*", color=VERMILION, ms=11, label="truth")
    ax.axhline(0.0, color="black", lw=0.8)
    ax.set_xticks(x, names)
    ax.set(xlabel="Founder", ylabel="Effect less the mean of the founders")
    return finish(ax, columns=3)


def plot_effects_along(
    profile: object, *, founders: Sequence[str] = (), ax: Axes | None = None
) -> Axes:
    """Shrunken founder effects along a chromosome.

    Parameters
    ----------
    profile
        `position` (M,), `founders` (K,), `blup` (M, K), as of an effect profile.
    founders
        Those to draw; all when empty.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    names = [str(name) for name in value_of(profile, "founders")]
    unknown = set(founders) - set(names)
    if unknown:
        raise ValueError(f"founders names {min(unknown)!r}; the profile has {', '.join(names)}")
    position, effect = array_of(profile, "position"), array_of(profile, "blup")
    for k, name in enumerate(names):
        if founders and name not in founders:
            continue
        style = STYLES[k // len(COLOURS) % len(STYLES)]
        ax.plot(position, effect[:, k], style, color=COLOURS[k % len(COLOURS)], lw=1.4, label=name)
    ax.axhline(0.0, color="black", lw=0.8)
    ax.set(xlabel="Position (cM)", ylabel="Shrunken founder effect")
    return finish(ax, columns=min(len(names), 8))


def plot_permutations(
    permutations: object,
    *,
    observed: float | None = None,
    level: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    """Largest LODs of permuted phenotypes, and the threshold that they give.

    Parameters
    ----------
    permutations
        `largest_lod` (n,), as of a permutation scan.
    observed
        Largest LOD of the phenotype itself.
    level
        Error rate over the genome.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    largest = array_of(permutations, "largest_lod")
    threshold = float(np.quantile(largest, 1.0 - level, method="higher"))
    ax.hist(largest, bins="auto", color=SKY, edgecolor="white", lw=0.4, label="permuted")
    ax.axvline(threshold, color=GREY, lw=1.4, ls="--", label=f"{100 * level:g} % threshold")
    if observed is not None:
        ax.axvline(observed, color=VERMILION, lw=1.8, label="observed")
    ax.set(xlabel="Largest LOD of the genome", ylabel="Permutations")
    return finish(ax, columns=3)


def _mark(ax: Axes, peak: object, truth: float | None, colour: str) -> None:
    if peak is not None:
        low, high = value_of(peak, "support")
        ax.axvspan(low, high, color=colour, alpha=0.15, lw=0, label="support interval")
    if truth is not None:
        ax.axvline(truth, color="black", lw=1.0, ls=":", label="truth")


def _starts(labels: FloatArray, position: FloatArray, names: list[str]) -> dict[str, float]:
    """Place of every chromosome's zero on a common axis."""
    if len(names) == 1:
        return {names[0]: 0.0}
    ends = {name: float(position[labels == name].max(initial=0.0)) for name in names}
    space = SPACE * sum(ends.values())
    out, place = {}, 0.0
    for name in names:
        out[name] = place
        place += ends[name] + space
    return out


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots(figsize=SIZE, layout="constrained")[1] if ax is None else ax
