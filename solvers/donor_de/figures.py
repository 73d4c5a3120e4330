"""Figures of a solved case."""

from __future__ import annotations

from typing import Any

from refsolve.contract.outcome import Outcome
from refsolve.methods.pseudobulk.plot import (
    plot_cells_against_donors,
    plot_means,
    plot_null,
    plot_p_values,
    plot_volcano,
)

from .solve import cells_compared


def figures(outcome: Outcome) -> dict[str, Any]:
    """Cells against donors, p values, fold changes, and the null of exchanged donors."""
    study, genes, test, tested, null = (
        outcome.artefacts[name] for name in ("study", "genes", "test", "tested", "null")
    )
    cells = cells_compared(study, "rank_sum")[tested.kept]
    found = {
        "Cells as replicates, which is wrong, against donors": plot_cells_against_donors(
            cells, test.p
        ),
        "P values": plot_p_values({"donors": genes["p"].to_numpy(), "cells, wrong": cells}),
        "Fold changes by abundance": plot_means(test),
        "Fold changes by significance": plot_volcano(test),
    }
    if null is not None:
        found["Donors with exchanged conditions"] = plot_null(null)
    return {title: axes.figure for title, axes in found.items()}
