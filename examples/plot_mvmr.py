"""
Direct effects of two proteins at one locus
===========================================

Two proteins are encoded at one locus and their variants are in LD. A disease follows from both. A
few variants also act on the disease by themselves. Find the effect of each protein, the other held
constant.
"""

import matplotlib.pyplot as plt
import numpy as np

from refsolve.methods.mvmr import (
    Design,
    Summary,
    fit_gls,
    fit_pleiotropy,
    marginal_instruments,
    plot,
    simulate_locus,
)

# %%
# A screening phase chooses the instruments, a replication phase gives their effects: the winner's
# curse of the first does not enter. Three variants have direct effects on the disease.

locus = simulate_locus(Design(theta=(0.3, 0.2), n_direct=3, direct_effect=0.1), rng=24)
chosen = marginal_instruments(locus.exposure_beta[0], locus.exposure_se[0]).index
data = Summary(
    locus.exposure_beta[1],
    locus.exposure_se[1],
    locus.outcome_beta,
    locus.outcome_se,
    locus.ld,
    locus.exposure_correlation,
    exposures=("protein A", "protein B"),
).select(chosen)

# %%
# The search for direct effects decides which variants have one, and whether it stays on its own
# variant or spreads through LD. The fit beside them carries the noise of the exposures.

found = fit_pleiotropy(data)
print(f"shape: {found.shape}, variants: {', '.join(found.variants)}")
print(found.fit.to_frame().round(3).to_string(index=False))

# %%
# Left, associations along the locus; middle, evidence for a direct effect of every instrument;
# right, the joint estimate against what each protein says alone.

figure, axes = plt.subplots(1, 3, figsize=(15, 4), layout="constrained")
z = np.column_stack(
    [locus.exposure_beta[1] / locus.exposure_se[1], locus.outcome_beta / locus.outcome_se]
)
labels = ("protein A", "protein B", "disease")
plot.plot_locus(locus.position, z, labels, selected=chosen, aside=chosen[found.index], ax=axes[0])
plot.plot_residuals(found, ax=axes[1])
clean = data.select(np.setdiff1d(np.arange(data.n_variants), found.index))
alone = [fit_gls(clean.only(k)) for k in (0, 1)]
plot.plot_regions(found.fit, alone, truth=locus.theta, ax=axes[2])
plt.show()

# %%
# Leaving the direct effects in, or LD out, moves the answer.

for name, fit in {
    "as above": found.fit,
    "direct effects ignored": fit_gls(data),
    "LD ignored": fit_gls(data.independent()),
}.items():
    print(f"{name:24}", fit.theta.round(3), "±", fit.se.round(3))
