"""
Expression QTL with the ambient part inside the mean
====================================================

Some RNA that is counted for a donor is not its own. Where a variant goes along with the share of
ambient RNA, because carriers happened to be processed in a dirtier batch, every gene that is common
in the ambient RNA seems to have a QTL there.
"""

import matplotlib.pyplot as plt
import numpy as np

from refsolve.methods.count_glm import (
    ScanDesign,
    make_genotypes,
    map_cis,
    plot,
    simulate_scan,
)

# %%
# 300 genes in 100 donors; in a third of them one variant acts. The first variant of every gene
# follows the contamination of the donors.

data = simulate_scan(ScanDesign(genes=300, variants=30, confounding=0.9, rho=0.2), rng=4)
genotypes = make_genotypes(data.genotypes, data.variant_chromosome, data.variant_position)
where = {
    "gene_chromosome": data.gene_chromosome, "gene_position": data.gene_position,
    "window": 1_000_000,
}  # fmt: skip

# %%
# One null fit per gene, then a score test of every variant within a million bases; permutations of
# the donors give one p value per gene. Once with the ambient part, once without.

inside = map_cis(
    data.counts, genotypes, data.covariates, exposure=data.exposure, ambient=data.ambient,
    permutations=500, **where,
)  # fmt: skip
naive = map_cis(
    data.counts, genotypes, data.covariates, exposure=data.total, permutations=500, **where
)
print(inside.summary())

# %%
# How many of the genes that are called have an effect?

real = data.effect != 0.0
for name, scan in (("ambient part inside", inside), ("without", naive)):
    called = scan.q < 0.05
    print(
        f"{name}: {called.sum()} genes called, {np.mean(~real[called]):.0%} of them without effect"
    )

# %%
# Genes without an effect: the p values should lie on the line. Right, the gene with the largest
# effect.

best = str(int(np.argmax(np.abs(data.effect))))
figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
plot.plot_quantiles(
    {"ambient part inside": inside.p_beta[~real], "without": naive.p_beta[~real]}, ax=axes[0]
)
plot.plot_locus(inside, best, ax=axes[1])
plt.show()
