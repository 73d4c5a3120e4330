"""
Founders of recombinant inbred lines, with four markers the wrong way round
===========================================================================

Lines of eight founders are bred by meioses and genotyped at markers with two alleles. At four
markers the alleles of the founders were recorded the other way round. They are found by what their
neighbours tell of the founders, and put right; then every place of every line has a probability
for each founder.
"""

import numpy as np

from refsolve.methods.founder_hmm import (
    Genotypes,
    exchangeable,
    fit_founders,
    most_likely_paths,
    reconstruct,
    repair_orientation,
    simulate_calls,
    simulate_map,
    simulate_ril,
)
from refsolve.methods.founder_hmm.plot import plot_mosaic, plot_orientation, plot_probabilities

# %%
# Eighty lines from funnels of random order, on two chromosomes of one Morgan.

chromosome, position = simulate_map(lengths=[100.0, 100.0], n_markers=90, rng=3)
lines = simulate_ril(
    n_lines=80, n_founders=8, position=position, chromosome=chromosome, order="random", rng=3
)
data = simulate_calls(lines, error=0.005, flipped=[30, 31, 77, 140], rng=4)
genotypes = Genotypes(**data.observed)

# %%
# The funnel orders are not known: all other founders are taken as equally likely after a change,
# and the density of changes is estimated, like the genotyping error. Exchanged alleles contradict
# the founders that are inferred around them, so that they also inflate the error.

design = exchangeable(8)
before = fit_founders(genotypes, design)
repair = repair_orientation(genotypes, design)
print(repair.reason)
print(f"error {before.common_error:.4f} before, {repair.fit.common_error:.4f} after")
print(f"changes of founder per Morgan: {repair.fit.expansion:.2f}")
plot_orientation(repair)

# %%
# What the other markers predict for each one tells both kinds apart more clearly still: the marker
# itself, and every exchanged neighbour, has no say.

plot_orientation(repair, value="error_rate")

# %%
# Probabilities on a grid of 1 cM, and the founder with the largest one:

found = reconstruct(repair.genotypes, repair.fit.design, repair.fit.error, step=1.0)
plot_mosaic(found, chromosome=0)

# %%
# One line with its true founders above. Between markers, and where founders are alike, the
# probability is shared.

markers = reconstruct(repair.genotypes, repair.fit.design, repair.fit.error)
plot_probabilities(markers, line=7, truth=data.haplotype[7, 0, chromosome == 0])

# %%
# The repair gives back what the wrong markers took:

truth = data.haplotype[:, 0]
spoilt = reconstruct(genotypes, before.design, before.error).stacked()
for name, p in (("before", spoilt), ("after", markers.stacked())):
    print(f"{name}: founder right at {(p.argmax(axis=2) == truth).mean():.1%} of all places")

# %%
# The likeliest path of each line as segments:

paths = most_likely_paths(repair.genotypes, repair.fit.design, repair.fit.error)
print(f"crossovers per line: {np.mean(paths.crossovers):.1f}")
paths.to_frame().head()
