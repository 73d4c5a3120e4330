"""
An effect on expression, with the ambient RNA inside the mean
=============================================================

Part of a droplet's counts is ambient RNA. It does not depend on the donor's genotype, so that a
regression without it finds a smaller effect than there is; and cells of one donor are not
replicates.
"""

import matplotlib.pyplot as plt
import numpy as np

from refsolve.methods.count_glm import (
    CountDesign,
    ambient_exposure,
    ambient_sensitivity,
    diagnose,
    fit_counts,
    fit_donors,
    plot,
    simulate_counts,
)

# %%
# A hundred donors with forty cells each. An allele raises the log rate by 0.35; the gene's share
# of the ambient RNA is four times its share of the cells'.

data = simulate_counts(CountDesign(donors=100, cells=40), rng=2)
names = ["Intercept", "genotype"]
x = np.column_stack([np.ones(100), data.genotype])
y, total = data.of_donors(data.y), data.of_donors(data.total)
exposure = ambient_exposure(total, data.rho, data.design.ambient_share)

# %%
# Donor totals without and with the ambient part, the same with an intercept of every donor, and
# cells as replicates.

cells = ambient_exposure(data.total, data.rho[data.donor], data.design.ambient_share)
fits = {
    "no ambient part": fit_counts(y, x, total, names=names),
    "donor totals": fit_counts(y, x, exposure, names=names),
    "donor intercepts": fit_donors(data.y, x[data.donor], cells, data.donor, names=names),
    "cells as replicates": fit_counts(
        data.y, x[data.donor], cells, names=names, family="negative_binomial"
    ),
}
for label, fit in fits.items():
    one = fit.row("genotype")
    print(f"{label:<20} {one.effect:.3f} ± {one.se:.3f}")

# %%
# Left, the four effects; middle, each donor's native rate; right, the effect if the contamination
# were otherwise.

found = ambient_sensitivity(y, x, exposure, "genotype", factors=np.linspace(0, 2, 9), names=names)
figure, axes = plt.subplots(1, 3, figsize=(15, 4), layout="constrained")
plot.plot_effects(fits, "genotype", truth=data.design.effect, ax=axes[0])
plot.plot_rates(y, data.genotype, fits["donor totals"], ax=axes[1])
plot.plot_sensitivity(found, ax=axes[2])
plt.show()

# %%
# Nothing of the ambient part is left in the residuals.

judged = diagnose(y, x, fits["donor totals"])
print(f"correlation with the ambient share: {judged.ambient_correlation:.2f}")
print(f"p = {judged.ambient_p:.2f}")
