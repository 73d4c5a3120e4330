"""Figures of a solved case."""

from __future__ import annotations

from typing import Any

import numpy as np

from refsolve.contract.outcome import Outcome
from refsolve.methods.mvmr.plot import plot_locus, plot_regions, plot_residuals

from .tables import DISEASE, PROTEINS, dataset


def figures(outcome: Outcome) -> dict[str, Any]:
    """The locus, the instruments' residuals, and both direct effects with their joint region."""
    locus, chosen = outcome.artefacts["locus"], outcome.artefacts["chosen"]
    first = outcome.artefacts["estimates"][0]
    studies = {p: dataset(p, 2) for p in PROTEINS} | {"disease": DISEASE}
    columns = [locus.column(name) for name in studies.values()]
    z = np.column_stack([beta / se for beta, se, _ in columns])
    names = first.search.variants if first.search else ()
    aside = np.flatnonzero(np.isin(locus.variant, names))
    found = {
        "Associations along the locus": plot_locus(
            locus.position, z, list(studies), selected=chosen.index, aside=aside
        ),
        "Direct effects of variants": plot_residuals(first.search or first.fit),
    }
    fits = outcome.artefacts["fits"]
    if len(fits[0].theta) == len(PROTEINS):
        alone = tuple(outcome.artefacts["alone"])
        found["Direct effects of the proteins"] = plot_regions(fits[0], alone)
    return {title: axes.figure for title, axes in found.items()}
