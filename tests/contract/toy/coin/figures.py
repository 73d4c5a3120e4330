"""No method draws coins, so the figure is made here: share of eagles per session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refsolve.contract import Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figures(outcome: Outcome) -> dict[str, Figure]:
    from matplotlib.figure import Figure

    usable = outcome.artefacts["usable"]
    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.add_subplot()
    axes.hist(usable["eagles"] / usable["tosses"], bins=20, color="#0072B2")
    axes.axvline(outcome.answer["bias"], color="black")
    axes.set(xlabel="share of eagles", ylabel="sessions")
    return {"Sessions": figure}
