"""Figures of effects, of a fit, of sensitivity to contamination, of residuals, and of scans.

Every result may be an object with the attributes that are named, or a dict with these keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray
from refsolve.core.figure import BLUE, GREEN, GREY, ORANGE, VERMILION, array_of, finish, value_of

SIZE = (6.4, 3.6)
SPREAD = 0.12  # of points around a genotype


def plot_effects(
    fits: Mapping[str, object],
    coefficient: str,
    *,
    truth: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """One coefficient of several fits with its intervals.

    Parameters
    ----------
    fits
        `names`, `effect`, `interval` of each, by its label.
    coefficient
        Its name in all of them.
    truth
        Drawn as a line.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    for k, fit in enumerate(fits.values()):
        names = list(value_of(fit, "names"))
        if coefficient not in names:
            raise ValueError(f"coefficient {coefficient!r} is not in {', '.join(names)}")
        j = names.index(coefficient)
        low, high = array_of(fit, "interval")[j]
        ax.plot([low, high], [k, k], color=BLUE, lw=2)
        ax.plot(array_of(fit, "effect")[j], k, "o", color=BLUE)
    ax.axvline(0.0, color=GREY, lw=0.8)
    if truth is not None:
        ax.axvline(truth, color=GREEN, ls="--", lw=1, label=f"truth {truth:g}")
    ax.set_yticks(range(len(fits)), list(fits))
    ax.invert_yaxis()
    ax.set(xlabel=f"Log rate ratio of {coefficient}")
    return finish(ax, int(truth is not None))


def plot_rates(y: ArrayLike, g: ArrayLike, fit: object, *, ax: Axes | None = None) -> Axes:
    """Native rate of every row against a covariate: of its counts, and of the fit.

    Rows with fewer counts than their ambient part have no rate of their own and stand at the
    bottom.

    Parameters
    ----------
    y
        Counts (n,).
    g
        Covariate (n,), a genotype for example.
    fit
        `native`, `exposure` with `native` and `ambient`.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    exposure = value_of(fit, "exposure")
    own, ambient = array_of(exposure, "native"), array_of(exposure, "ambient")
    counts, x = np.asarray(y, np.float64), np.asarray(g, np.float64)
    rate, left = array_of(fit, "native") / own, (counts - ambient) / own
    around = x + SPREAD * np.sin(7.0 * np.arange(x.size))  # the same every time
    seen = left > 0
    bottom = 0.5 * min(left[seen].min(initial=np.inf), rate.min())
    ax.plot(around[seen], left[seen], ".", color=BLUE, label="counts less ambient")
    if (~seen).any():
        label = f"{int((~seen).sum())} below their ambient part"
        ax.plot(
            around[~seen], np.full(int((~seen).sum()), bottom), "v", color=VERMILION, label=label
        )
    ax.plot(around, rate, "_", color=ORANGE, ms=9, mew=2, label="fit")
    ax.set_yscale("log")
    ax.set(xlabel="Covariate", ylabel="Native rate")
    return finish(ax, 3)


def plot_sensitivity(sensitivity: object, *, ax: Axes | None = None) -> Axes:
    """An effect against the contamination that is assumed.

    Parameters
    ----------
    sensitivity
        `factors`, `effect`, `interval`, `coefficient`.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    x, effect = array_of(sensitivity, "factors"), array_of(sensitivity, "effect")
    ends = array_of(sensitivity, "interval")
    ax.fill_between(x, ends[:, 0], ends[:, 1], color=BLUE, alpha=0.2, label="interval")
    ax.plot(x, effect, "o-", color=BLUE, label="effect")
    ax.axhline(0.0, color=GREY, lw=0.8)
    ax.axvline(1.0, color=GREY, ls="--", lw=1)
    name = value_of(sensitivity, "coefficient", "")
    ax.set(xlabel="Contamination over its estimate", ylabel=f"Log rate ratio of {name}")
    return finish(ax, 2)


def plot_residuals(
    diagnostics: object, ambient_share: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Pearson residuals against the ambient share of the mean.

    Parameters
    ----------
    diagnostics
        `residual`, `ambient_correlation`.
    ambient_share
        (n,), ambient over whole mean.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    r = float(array_of(diagnostics, "ambient_correlation"))
    x: FloatArray = np.asarray(ambient_share, np.float64)
    ax.plot(x, array_of(diagnostics, "residual"), ".", color=BLUE, label=f"correlation {r:.2f}")
    ax.axhline(0.0, color=GREY, lw=0.8)
    ax.set(xlabel="Ambient share of the mean", ylabel="Pearson residual")
    return finish(ax, 1)


def plot_quantiles(p: Mapping[str, ArrayLike], *, ax: Axes | None = None) -> Axes:
    """P values of several scans against those of scans without any effect.

    Parameters
    ----------
    p
        P values by label; NaN is no test.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax, top = _axes(ax), 0.0
    for color, (label, values) in zip(cycle((BLUE, VERMILION, ORANGE, GREEN)), p.items()):
        seen = np.asarray(values, np.float64)
        seen = np.sort(np.maximum(seen[~np.isnan(seen)], 1e-300))
        expected = -np.log10((np.arange(seen.size) + 0.5) / max(seen.size, 1))
        top = max(top, float(expected.max(initial=0.0)))
        ax.plot(expected, -np.log10(seen), ".", ms=3, color=color, label=label)
    ax.plot([0.0, top], [0.0, top], color=GREY, lw=0.8)
    ax.set(xlabel="Expected -log10 p", ylabel="-log10 p")
    return finish(ax, len(p))


def plot_locus(scan: object, gene: str, *, ax: Axes | None = None) -> Axes:
    """Score tests of one gene along the chromosome.

    Parameters
    ----------
    scan
        `gene`, `lead`, `position`, `test_gene`, `test_variant`, `test_p`, `test_flag`.
    gene
        Its name.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    names = [str(name) for name in value_of(scan, "gene")]
    if gene not in names:
        raise ValueError(
            f"gene {gene!r} was not tested; there are {len(names)}, {names[0]!r} first"
        )
    ax, g = _axes(ax), names.index(gene)
    here = array_of(scan, "test_gene") == g
    variant = array_of(scan, "test_variant")[here].astype(np.int64)
    place = array_of(scan, "position")[variant] / 1e6
    height = -np.log10(array_of(scan, "test_p")[here])
    counts = array_of(scan, "test_flag")[here] == 0
    ax.plot(place[counts], height[counts], ".", color=BLUE, label="counts for the gene")
    ax.plot(place[~counts], height[~counts], "x", color=GREY, label="flagged")
    best = variant == int(array_of(scan, "lead")[g])
    ax.plot(place[best], height[best], "o", mfc="none", color=VERMILION, label="best")
    ax.set(xlabel=f"Position of variants around {gene} (Mb)", ylabel="-log10 p")
    return finish(ax, 3)


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots(figsize=SIZE, layout="constrained")[1] if ax is None else ax
