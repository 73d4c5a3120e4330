"""
Estimate selection from allele counts
=====================================

Simulate an allele through a bottleneck, estimate its selection coefficient, look at the likelihood
and at the path, and see what leaving out drift does.
"""

import matplotlib.pyplot as plt
import numpy as np

from refsolve.methods.wright_fisher import (
    Samples,
    fit_selection,
    plot,
    posterior_trajectory,
    simulate_trajectory,
)

# %%
# Sizes are haploid chromosomes, one number per generation. The simulator returns what an analyst
# may see (`observed`) and the truth.

sizes = np.full(81, 2_000)
sizes[30:40] = 100
series = simulate_trajectory(
    selection=0.06,
    sizes=sizes,
    generation=range(0, 81, 8),
    total=50,
    start_frequency=0.1,
    e_da=0.10,
    e_ad=0.01,
    rng=7,
)
samples = Samples(**series.observed)

# %%
# The estimate, its profile-likelihood interval, and the test against neutrality.

fit = fit_selection(samples, sizes)
print(fit.summary())

# %%
# Left, the reads corrected for miscalls, the posterior of the path and the truth; right, the
# likelihood of the selection coefficient.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
path = posterior_trajectory(samples, sizes, fit.s)
plot.plot_trajectory(samples, path, truth=series, ax=left)
plot.plot_profile(fit.curve, fit, truth=series.selection, ax=right)
plt.show()

# %%
# Without drift (`inf` chromosomes) every change of frequency is selection. The estimate follows
# the accidents of the bottleneck, and the interval is far too narrow.

no_drift = fit_selection(samples, np.full(81, np.inf))
for label, one in {"with drift": fit, "without": no_drift}.items():
    low, high = one.interval
    print(f"{label:10}  s = {one.s:.3f} [{low:.3f}, {high:.3f}]")
