"""Figures of allele-frequency time series and of likelihood profiles.

Every argument may be an object with the attributes that are named, or a dict with these keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from refsolve.core.check import FloatArray
from refsolve.core.figure import BLUE, GREEN, GREY, PURPLE, VERMILION, array_of, finish

LOCUS_COLOURS = (BLUE, VERMILION, GREEN, PURPLE)
SIZE = (5.6, 3.6)


def plot_trajectory(
    samples: object,
    posterior: object | None = None,
    truth: object | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Observed frequencies, the posterior of the true one, and the truth where it is known.

    Parameters
    ----------
    samples
        `generation`, `derived`, `total` (K,); optional `e_da`, `e_ad`, `precision`. Points are
        corrected for directional error, (d/n - e_ad) / (1 - e_da - e_ad) within [0, 1], and bars
        are 95 % Wilson intervals, corrected likewise. Samples without reads are ticks below.
    posterior
        `mean`, `lower`, `upper` (T+1,) of generations 0..T.
    truth
        True frequencies (T+1,), or an object that has them as `path`.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    if posterior is not None:
        mean, lower, upper = (array_of(posterior, name) for name in ("mean", "lower", "upper"))
        time = np.arange(mean.size)
        ax.fill_between(time, lower, upper, color=BLUE, alpha=0.2, lw=0, label="posterior interval")
        ax.plot(time, mean, color=BLUE, lw=1.8, label="posterior mean")
    if truth is not None:
        path = np.asarray(getattr(truth, "path", truth), dtype=np.float64)
        ax.plot(
            np.arange(path.size), path, color=VERMILION, lw=1.3, ls=(0, (4, 1.5)), label="truth"
        )
    _draw_samples(ax, samples)
    ax.set(xlabel="Time (generations)", ylabel="Derived allele frequency", ylim=(-0.04, 1.04))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    return finish(ax, columns=3)


def plot_profile(
    curve: object | Sequence[object],
    fit: object | Sequence[object] | None = None,
    truth: float | Sequence[float] | None = None,
    labels: Sequence[str] = (),
    confidence: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """Log-likelihood relative to its maximum against s, for one locus or several.

    Parameters
    ----------
    curve
        `s` and `log_likelihood` (S,); a list of such for several loci.
    fit
        `s` (the estimate), `interval` (low, high) and `log_likelihood` (the maximum) of each locus.
    truth
        True selection coefficient of each locus.
    labels
        Names of the loci; nothing by default.
    confidence
        Level of the likelihood-ratio interval that the horizontal line cuts off.
    ax
        Where to draw; None makes a figure.

    Returns
    -------
    The axes.
    """
    ax = _axes(ax)
    curves, fits, truths = _listed(curve), _listed(fit), _listed(truth)
    threshold = -(NormalDist().inv_cdf((1 + confidence) / 2) ** 2) / 2
    floor = 3.2 * threshold
    shown = list(truths)
    for i, one in enumerate(curves):
        label = labels[i] if i < len(labels) else ""
        colour = LOCUS_COLOURS[i % 4]
        shown += _draw_profile(ax, one, fits[i] if fits else None, colour, label, floor)
    for i, value in enumerate(truths):
        colour = LOCUS_COLOURS[i % 4] if len(truths) > 1 else "black"
        ax.axvline(value, color=colour, lw=1.4, ls=":", label="truth" if i == 0 else "_")
    ax.axhline(threshold, color=GREY, lw=1, ls="--", label=f"{100 * confidence:g} % threshold")
    margin = 0.03 * (max(shown) - min(shown))
    ax.set(
        xlabel="Selection coefficient $s$ (per generation)",
        ylabel="Log-likelihood relative to maximum",
        xlim=(min(shown) - margin, max(shown) + margin),
        ylim=(floor, -0.08 * floor),
    )
    return finish(ax, columns=2)


def _draw_samples(ax: Axes, samples: object) -> None:
    time, total = array_of(samples, "generation"), array_of(samples, "total")
    seen, gap = total > 0, total == 0
    point, low, high = corrected_frequencies(samples)
    ax.errorbar(
        time[seen],
        point[seen],
        yerr=np.clip([point - low, high - point], 0, None)[:, seen],
        fmt="o",
        color="black",
        ms=4.5,
        mec="white",
        mew=0.6,
        elinewidth=1,
        capsize=2,
        label="reads (95 % interval)",
        zorder=5,
    )
    if gap.any():
        ax.plot(
            time[gap], np.full(gap.sum(), -0.02), "|", color=GREY, ms=7, mew=1.2, label="no reads"
        )


def corrected_frequencies(samples: object) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Frequency that each sample shows, with a 95 % Wilson interval, corrected for error.

    Parameters
    ----------
    samples
        As in `plot_trajectory`.

    Returns
    -------
    Point, lower and upper end (K,) within [0, 1]; not a number where there are no reads.
    """
    derived, total = array_of(samples, "derived"), array_of(samples, "total")
    e_da, e_ad = array_of(samples, "e_da", 0.0), array_of(samples, "e_ad", 0.0)
    n = np.where(total > 0, total, np.nan)
    fraction = derived / n
    # A beta-binomial sample is worth fewer independent reads.
    n = n / (1 + (n - 1) / (array_of(samples, "precision", np.inf) + 1))
    z2 = NormalDist().inv_cdf(0.975) ** 2
    centre = (fraction + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (fraction * (1 - fraction) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    shown = np.array([fraction, centre - half, centre + half])
    point, low, high = np.clip((shown - e_ad) / (1 - e_da - e_ad), 0, 1)
    return point, low, high


def _draw_profile(
    ax: Axes, curve: object, fit: object | None, colour: str, label: str, floor: float
) -> list[float]:
    """Draws one curve and returns the two ends of its part above the floor."""
    s, values = array_of(curve, "s"), array_of(curve, "log_likelihood")
    relative = values - (values.max() if fit is None else array_of(fit, "log_likelihood"))
    ends = [float(end(s[relative > floor])) for end in (np.min, np.max)]
    if fit is None:
        ax.plot(s, relative, color=colour, lw=1.8, label=label or "_")
        return ends
    estimate, (low, high) = float(array_of(fit, "s")), array_of(fit, "interval")
    inside = np.unique(np.r_[low, s[(s > low) & (s < high)], high])
    height = np.interp(inside, s, relative)
    ax.fill_between(inside, floor, height, color=colour, alpha=0.18, lw=0)
    text = rf"$\hat s$ = {estimate:.3f} [{low:.3f}, {high:.3f}]".replace("-", "−")
    ax.plot(s, relative, color=colour, lw=1.8, label=f"{label}: {text}" if label else text)
    ax.plot(estimate, 0, "o", color=colour, ms=5, mec="white", mew=0.8, zorder=5)
    return ends


def _listed(values: Any) -> list[Any]:
    if values is None:
        return []
    return list(values) if isinstance(values, (list, tuple, np.ndarray)) else [values]


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots(figsize=SIZE, layout="constrained")[1] if ax is None else ax
