"""
Ambient RNA of two groups of donors
===================================

Droplets hold RNA of burst cells besides that of their own cell. Two groups of donors, processed
apart, have different shares of it. A marker that the cells cannot make tells how much, and which
donors were processed together.
"""

import matplotlib.pyplot as plt
import numpy as np

from refsolve.methods.ambient import (
    DropletDesign,
    activation_score,
    ambient_profile,
    call_states,
    confounding,
    donor_contamination,
    donor_groups,
    plot,
    simulate_droplets,
)

# %%
# Twenty donors in two technical groups; the genotype goes with the group.

design = DropletDesign(
    donors=20, cells=100, empties=3000, rho=(0.08, 0.25), donor_spread=0.12, confounding=0.7,
    state_share=0.35, state_log2=3.5, depth=4000.0, depth_spread=0.2,
)  # fmt: skip
data = simulate_droplets(design, rng=3)
profile = ambient_profile(data.empties)
print(f"share of the marker: {profile.share[0]:.4f} with the error {profile.se[0]:.4f}")

# %%
# Contamination of each donor, with the error of the profile, and the groups.

total = np.asarray(data.cells.sum(axis=1)).ravel()
marker = data.cells[:, [0]].toarray().ravel()
fit = donor_contamination(marker, total, data.donor, profile.share[0], share_se=profile.se[0])
groups = donor_groups(fit.rho, fit.se)
print(f"{groups.n_groups} groups, p = {groups.p:.4f}; wrong: {np.sum(groups.code != data.group)}")
print(confounding(groups.code, {"genotype": data.genotype}).to_frame())

# %%
# States from corrected markers.

markers = np.arange(design.genes - design.state_genes, design.genes)
score = activation_score(
    data.cells[:, markers].toarray(), total, fit.rho[fit.code], profile.share[markers],
    np.ones(markers.size), scaled=True,
)  # fmt: skip
states = call_states(score)
print(f"valley from {states.low:.1f} to {states.high:.1f}: "
      f"{np.mean(states.active != data.state):.2%} of the cells called wrongly")  # fmt: skip

figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
plot.plot_contamination(fit, groups=groups, truth=data.donor_rho, ax=axes[0])
plot.plot_states(score, states, ax=axes[1])
plt.show()
