"""
Many loci under one schedule
============================

Loci that share samples and sizes are fitted in one call, which shares the transitions.
"""

import matplotlib.pyplot as plt
import numpy as np

from refsolve.methods.wright_fisher import Samples, fit_loci, simulate_loci

# %%
# Two hundred neutral loci and twenty under selection.

selection = np.r_[np.zeros(200), np.full(20, 0.05)]
loci = simulate_loci(
    selection=selection,
    sizes=np.full(61, 3_000),
    generation=[0, 15, 30, 45, 60],
    total=40,
    start_frequency=0.25,
    rng=11,
)
fit = fit_loci(Samples(**loci.observed), loci.sizes)
print(fit.to_frame().round(4).tail())

# %%
# Under neutrality p-values are uniform; about 5 % of the intervals miss the truth.

neutral = selection == 0
missed = (fit.lower > selection) | (fit.upper < selection)
print(f"neutral loci with p < 0.05: {np.mean(fit.p_value[neutral] < 0.05):.1%}")
print(f"selected loci with p < 0.05: {np.mean(fit.p_value[~neutral] < 0.05):.1%}")
print(f"intervals without the truth: {missed.mean():.1%}")

# %%
# Estimates in order, with their intervals.

order = np.argsort(fit.s)
rank = np.arange(order.size)
colour = np.where(neutral[order], "#7f7f7f", "#D55E00")
figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
ax.vlines(rank, fit.lower[order], fit.upper[order], color=colour, lw=0.8, alpha=0.5)
for label, mask, one in (("neutral", neutral, "#7f7f7f"), ("s = 0.05", ~neutral, "#D55E00")):
    chosen = mask[order]
    ax.plot(rank[chosen], fit.s[order][chosen], ".", color=one, label=label)
ax.axhline(0, color="black", lw=0.8)
ax.set(xlabel="Locus, by estimate", ylabel="Selection coefficient $s$, 95 % interval")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
plt.show()
