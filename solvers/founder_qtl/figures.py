"""Figures of a solved case."""

from __future__ import annotations

from typing import Any

import numpy as np

from refsolve.contract.outcome import Outcome
from refsolve.methods.founder_hmm import reconstruct
from refsolve.methods.founder_hmm.plot import plot_mosaic, plot_orientation
from refsolve.methods.lmm_scan.plot import plot_founder_effects, plot_lod

from .solve import repaired
from .tables import FOUNDERS, TARGET


def figures(outcome: Outcome) -> dict[str, Any]:
    """Markers against neighbours, founders along the lines, LOD with interval, founder effects."""
    data, oriented, found = (outcome.artefacts[key] for key in ("data", "oriented", "found"))
    fit, peak = oriented.fit, found.peak
    profile = {
        "chromosome": np.full(peak.grid.size, TARGET),
        "position": peak.grid,
        "lod": peak.profile,
    }
    place = {"position": found.position, "support": peak.support}
    lines = reconstruct(oriented.genotypes, fit.design, fit.error)
    axes = {
        "Founder alleles against calls": plot_orientation(repaired(data)),
        "Founders along chromosome 1": plot_mosaic(lines, chromosome=TARGET, names=FOUNDERS),
        "LOD along chromosome 1": plot_lod(profile, chromosome=TARGET, peak=place),
        "Effects of the founders": plot_founder_effects(found.effects),
    }
    return {title: one.figure for title, one in axes.items()}
