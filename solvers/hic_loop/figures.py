"""Figures of a solved case."""

from __future__ import annotations

from typing import Any

from refsolve.contract.outcome import Outcome
from refsolve.methods.contact_expected.plot import plot_decay, plot_ratio_map, plot_stripes


def figures(outcome: Outcome) -> dict[str, Any]:
    """Observed over expected in both conditions, the fall-off with distance, and the stripes."""
    view, fit = outcome.artefacts["view"], outcome.artefacts["fit"]
    mappable, masked = outcome.artefacts["mappable"], outcome.artefacts["masked"]
    found = {}
    if masked.stripes is not None:
        found["Bins that deviate as a whole"] = plot_stripes(masked.stripes)
    if fit is not None:
        for word, bins in masked.bins.items():
            found[f"Observed over expected, {word}s"] = plot_ratio_map(
                view.table, fit, word, masked=mappable.leave | bins, target=view.target
            )
        found["Contacts by distance"] = plot_decay(view.table, fit, target=view.target)
    return {title: axes.figure for title, axes in found.items()}
