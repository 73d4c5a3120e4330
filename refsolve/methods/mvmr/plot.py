"""Figures of a locus, of whitened residuals, and of the joint estimate.

Every fit may be an object with the attributes that are named, or a dict with these keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.special import chdtri, ndtri

from refsolve.core.check import FloatArray
from refsolve.core.figure import BLUE, GREEN, GREY, PURPLE, VERMILION, array_of, finish, value_of

COLOURS = (BLUE, GREEN, PURPLE, GREY)
MARKERS = ("o", "s", "^", "v")
SIZE = (6.4, 3.6)
BASES = 1e6  # per unit of the axis
ANGLES = 181


def plot_locus(
    position: ArrayLike,
    z: ArrayLike,
    labels: Sequence[str],
    *,
    selected: ArrayLike | None = None,
    aside: ArrayLike | None = None,
    threshold: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """z-scores of every trait along the locus; instruments filled, variants set aside crossed.

    Parameters
    ----------
    position
        Base pairs (J,).
    z
        Scores (J, S), one column per trait.
    labels
        Names of the traits (S,).
    selected
        Rows that are instruments; all when None.
    aside
        Rows that were set aside for a direct effect.
    threshold
        Absolute score above which a variant is an instrument.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    x, scores = np.asarray(position, dtype=np.float64) / BASES, np.asarray(z, dtype=np.float64)
    if scores.shape != (x.size, len(labels)):
        raise ValueError(f"z has the shape {scores.shape}; expected {(x.size, len(labels))}")
    inside = np.zeros(x.size, dtype=bool)
    inside[np.arange(x.size) if selected is None else np.asarray(selected)] = True
    for s, label in enumerate(labels):
        colour, marker = COLOURS[s % len(COLOURS)], MARKERS[s % len(MARKERS)]
        style: dict[str, Any] = {"ls": "", "marker": marker, "color": colour, "ms": 5}
        ax.plot(x[~inside], scores[~inside, s], mfc="none", alpha=0.5, **style)
        ax.plot(x[inside], scores[inside, s], mec="white", mew=0.5, label=label, **style)
    if aside is not None and np.size(aside):
        rows = np.asarray(aside)
        ax.plot(x[rows], scores[rows, -1], "x", color=VERMILION, ms=9, mew=2, label="direct effect")
    ax.axhline(0.0, color=GREY, lw=0.8)
    for end in () if threshold is None else (-threshold, threshold):
        ax.axhline(end, color=GREY, lw=1, ls="--", label="_" if end < 0 else "threshold")
    ax.set(xlabel="Position (Mb)", ylabel="Association (z per counted allele)")
    return finish(ax, columns=len(labels) + 2)


def plot_residuals(fit: object, *, limit: float | None = None, ax: Axes | None = None) -> Axes:
    """Evidence for a direct effect of every instrument, in order of position.

    Parameters
    ----------
    fit
        `score` (J,) and `index` of the variants that are set aside, as of a pleiotropy fit; or
        `residual` and `weight` (J,), as of a robust fit.
    limit
        Absolute score that is expected once among all variants by chance; computed when None.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    score = value_of(fit, "score")
    if score is None:
        values, weight = array_of(fit, "residual"), array_of(fit, "weight")
        aside = np.flatnonzero(weight < 0.5)
        name = "Whitened residual (SD)"
    else:
        values, aside = array_of(fit, "score"), np.asarray(value_of(fit, "index"), dtype=np.int64)
        weight = np.ones(values.size)
        name = "Direct effect (z)"
    rank = np.arange(1, values.size + 1)
    kept = np.setdiff1d(np.arange(values.size), aside)
    ax.vlines(rank, 0.0, values, color=GREY, lw=0.8)
    area = 10.0 + 25.0 * weight
    ax.scatter(rank[kept], values[kept], s=area[kept], color=BLUE, label="kept", zorder=3)
    if aside.size:
        label = "set aside" if score is not None else "weight below one half"
        ax.scatter(
            rank[aside], values[aside], s=45, marker="X", color=VERMILION, label=label, zorder=3
        )
    bound = float(-ndtri(0.5 / values.size)) if limit is None else limit
    for end in (-bound, bound):
        ax.axhline(end, color=GREY, lw=1, ls="--", label="_" if end < 0 else "one by chance")
    ax.axhline(0.0, color="black", lw=0.8)
    ax.set(xlabel="Instrument, in order of position", ylabel=name)
    return finish(ax, columns=3)


def plot_regions(
    fit: object,
    univariable: Sequence[object] = (),
    *,
    truth: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Joint confidence region of two exposures against what each says alone.

    Parameters
    ----------
    fit
        `theta` (2,), `covariance` (2, 2), `confidence`, and `exposures`.
    univariable
        Fits of each exposure alone: `theta` and `interval` of one element.
    truth
        True effects (2,).
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    theta, covariance = array_of(fit, "theta"), array_of(fit, "covariance")
    if theta.size != 2:
        raise ValueError(f"fit has {theta.size} exposures; expected two for a region")
    confidence = float(array_of(fit, "confidence"))
    ends = region(theta, covariance, confidence)
    ax.fill(*ends, color=BLUE, alpha=0.2, lw=0, label=f"{100 * confidence:g} % region, joint")
    ax.plot(*theta, "o", color=BLUE, ms=6, mec="white", label="joint estimate")
    for k, one in enumerate(univariable):
        _draw_alone(ax, one, k, theta)
    if truth is not None:
        ax.plot(*np.asarray(truth, dtype=np.float64), "*", color=VERMILION, ms=12, label="truth")
    first, second = value_of(fit, "exposures") or ("exposure 1", "exposure 2")
    ax.set(xlabel=f"Effect of {first}", ylabel=f"Effect of {second}")
    return finish(ax, columns=2)


def region(theta: ArrayLike, covariance: ArrayLike, confidence: float) -> FloatArray:
    """Outline of a joint confidence region (2, 181).

    Parameters
    ----------
    theta, covariance
        Estimate (2,) and its covariance (2, 2).
    confidence
        Nominal coverage.
    """
    angle = np.linspace(0.0, 2.0 * np.pi, ANGLES)
    radius = np.sqrt(chdtri(2, 1.0 - confidence))
    root = np.linalg.cholesky(np.asarray(covariance, dtype=np.float64))
    circle = np.stack([np.cos(angle), np.sin(angle)])
    return np.asarray(np.asarray(theta)[:, None] + radius * root @ circle)


def _draw_alone(ax: Axes, one: object, k: int, theta: FloatArray) -> None:
    """A univariable estimate as a bar along its own axis, level with the joint estimate."""
    value, (low, high) = float(array_of(one, "theta")[0]), array_of(one, "interval")[0]
    label = "each exposure alone" if k == 0 else "_"
    x, y = (value, theta[1]) if k == 0 else (theta[0], value)
    bar = np.array([[value - low], [high - value]])
    ax.errorbar(
        x,
        y,
        xerr=bar if k == 0 else None,
        yerr=bar if k == 1 else None,
        fmt="D",
        color=GREEN,
        ms=5,
        capsize=3,
        label=label,
    )


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots(figsize=SIZE, layout="constrained")[1] if ax is None else ax
