"""Figures of the studies: shares with their intervals against the band they must lie in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Dots:
    """One panel.

    Attributes
    ----------
    title
        What the shares are.
    labels, shares, intervals
        One per design.
    band
        Target (low, high); None for no target.
    nominal
        Value that theory expects; None for none.
    """

    title: str
    labels: Sequence[str]
    shares: Sequence[float]
    intervals: Sequence[tuple[float, float]]
    band: tuple[float, float] | None
    nominal: float | None


def dots(panels: Sequence[Dots]) -> Any:
    """Panels below each other.

    Parameters
    ----------
    panels
        What to show.

    Returns
    -------
    A matplotlib figure.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none"}):
        heights = [len(panel.labels) + 1.5 for panel in panels]
        figure = Figure(figsize=(6.4, 0.42 * sum(heights)), layout="constrained")
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for ax, panel in zip(axes, panels, strict=True):
            _draw(ax, panel)
    return figure


def _draw(ax: Any, panel: Dots) -> None:
    rows = range(len(panel.labels))
    if panel.band is not None:
        ax.axvspan(*panel.band, color="#d9ead3", zorder=0)
    if panel.nominal is not None:
        ax.axvline(panel.nominal, color="#5b7f4c", linewidth=1, zorder=1)
    for row, share, (low, high) in zip(rows, panel.shares, panel.intervals, strict=True):
        ax.plot([low, high], [row, row], color="#333333", linewidth=1.4)
        ax.plot([share], [row], "o", color="#1f4e8c", markersize=5)
    ax.set_yticks(rows, panel.labels)
    ax.set_ylim(len(panel.labels) - 0.5, -0.5)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    ax.set_title(panel.title, loc="left", fontsize="medium")
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.tick_params(axis="y", length=0)
