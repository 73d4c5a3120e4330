"""Figures of a solved case."""

from __future__ import annotations

from typing import Any

from refsolve.contract.outcome import Outcome
from refsolve.methods.tracts.plot import plot_label_evidence, plot_profile, plot_tracts

PAINTED = 30  # chromosomes that fit into a painting


def figures(outcome: Outcome) -> dict[str, Any]:
    """Tracts before and after repair, evidence for the labels, and profiles of the times."""
    study, cleaned, labelled, fits = (
        outcome.artefacts[name] for name in ("study", "cleaned", "labelled", "fits")
    )
    chromosomes = study.chromosomes
    names = {"chromosomes": chromosomes, "haplotypes": study.haplotypes, "ancestries": "AB"}
    found = {}
    if len(chromosomes) <= PAINTED:
        found["Tracts as called"] = plot_tracts(study.tracts, island=cleaned.island, **names)
        found["Tracts after repair"] = plot_tracts(labelled.tracts, **names)
    found["Labels of every chromosome"] = plot_label_evidence(
        labelled, threshold=outcome.artefacts["label_ratio"], chromosomes=chromosomes
    )
    found["Likelihood of the times"] = plot_profile(labelled.tracts, fits, labels=study.haplotypes)
    return {title: axes.figure for title, axes in found.items()}
