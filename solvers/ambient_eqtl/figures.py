"""Figures of a solved case."""

from __future__ import annotations

from typing import Any

import numpy as np

from refsolve.contract.outcome import Outcome
from refsolve.methods.ambient.plot import plot_contamination, plot_states
from refsolve.methods.count_glm.plot import plot_effects, plot_rates, plot_sensitivity

from .design import GENOTYPE
from .solve import donor_totals, measured_donors
from .tables import TARGET


def figures(outcome: Outcome) -> dict[str, Any]:
    """States by their score, donors by contamination, rates by genotype, and what moves these."""
    found = outcome.artefacts
    compared, fit = found["compared"], found["fit"]
    drawn = {"Activated and resting cells": plot_states(found["score"], found["call"])}
    if found["soup"].share.any():
        measured = measured_donors(found["study"], found["soup"])
        drawn["Contamination of the donors"] = plot_contamination(measured, groups=found["groups"])
    title = f"Native rate of {TARGET} by genotype"
    g = compared.design.matrix[:, 1]
    if np.isfinite(fit.effect).all():
        drawn[title] = plot_rates(donor_totals(compared), g, fit)
    if found.get("sensitivity") is not None:
        drawn["What the contamination does to the effect"] = plot_sensitivity(found["sensitivity"])
    fits = {"donors": fit, "mixed model": found.get("mixed")}
    fits = {name: one for name, one in fits.items() if one is not None}
    drawn["Effect of the allele"] = plot_effects(fits, GENOTYPE)
    return {name: axes.figure for name, axes in drawn.items()}
