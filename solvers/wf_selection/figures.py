"""Figures of a solved case."""

from __future__ import annotations

from typing import Any

from refsolve.contract.outcome import Outcome
from refsolve.methods.wright_fisher import posterior_trajectory
from refsolve.methods.wright_fisher.plot import plot_profile, plot_trajectory


def figures(outcome: Outcome) -> dict[str, Any]:
    """Reads and posterior path of each locus, and the likelihood profiles of both."""
    fits, data = outcome.artefacts["fits"], outcome.artefacts["data"]
    schedule = outcome.artefacts["schedule"]
    found = {}
    for name, one in data.items():
        posterior = posterior_trajectory(one.samples, schedule.at(one.clock), fits[name].s)
        found[f"Locus {name}: reads and frequency"] = plot_trajectory(one.samples, posterior)
    labels = [f"locus {name}" for name in fits]
    curves = [fit.curve for fit in fits.values()]
    found["Likelihood of s"] = plot_profile(curves, list(fits.values()), labels=labels)
    return {title: axes.figure for title, axes in found.items()}
