"""
Explain a wrong answer
======================

Someone reports a selected locus and a coefficient. Which judgment went wrong? `explain` solves the
case along every wrong turn and finds the one that leads there, without reading the truth.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import refsolve

# %%
# A small case, so that the example takes a few seconds.

folder = Path(tempfile.mkdtemp()) / "case"
case = refsolve.generate("wf_selection", folder, seed=1, knobs={"depth": 200, "size": 5_000})
outcome = refsolve.solve("wf_selection", case)
print(outcome.answer)

# %%
# The submitted answer comes from reads that were not corrected for damage. We keep its two values
# and forget the rest.

submitted = refsolve.solve("wf_selection", case, path={"error": "instrument_both_ways"}).answer
print(refsolve.grade("wf_selection", submitted, case).summary())

# %%
# The explanation ranks the paths by their distance from the submitted answer, in tolerances.

explanation = refsolve.explain("wf_selection", case, submitted, depth=1)
print(explanation.summary())

# %%
# All single turns of this case:

colours = {"reference": "black", "wrong": "#D55E00", "defensible": "#009E73"}
solved = [c for c in explanation.candidates if c.answer is not None]
solved.sort(key=lambda candidate: candidate.answer["s"])
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.scatter(
    [candidate.answer["s"] for candidate in solved],
    range(len(solved)),
    color=[colours[candidate.kind] for candidate in solved],
)
ax.axvline(submitted["s"], color="0.6", ls="--", zorder=0)
ax.annotate(" submitted", (submitted["s"], 0), color="0.4")
ax.set(yticks=range(len(solved)), yticklabels=[candidate.label for candidate in solved])
ax.set_xlabel("Estimate of $s$ (per generation)")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
