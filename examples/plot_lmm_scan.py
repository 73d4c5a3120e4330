"""
A QTL among eight founders, beside batches and families
=======================================================

Lines that descend from eight founders are grown in four batches. The batches follow the founders
at one place of the genome, and lines of one family are alike. Find the QTL, and the founder whose
allele raises the trait.
"""

import matplotlib.pyplot as plt
import numpy as np

from refsolve.core.figure import VERMILION
from refsolve.methods.lmm_scan import (
    Genome,
    design,
    find_peak,
    fit_null,
    founder_effects,
    loco_kinship,
    permutation_scan,
    plot,
    refine_peak,
    scan,
    simulate_batches,
    simulate_mosaics,
    simulate_trait,
)

# %%
# The QTL is at 50 cM of chromosome 1, where founder F has the high allele; batches follow the
# founders at 20 cM of the same chromosome. The scan sees every fourth position.

lines = simulate_mosaics(
    n_lines=200, n_founders=8, lengths=[80, 80, 80], step=1.0, families=40, blur=0.05, rng=4
)
batch = simulate_batches(founder=lines.founder[0][:, 20], n_batches=4, alignment=0.7, rng=4)
genome = Genome(
    [block[:, ::4] for block in lines.probabilities], [place[::4] for place in lines.position]
)
kinships = loco_kinship(genome)
true = np.array([0.0, 0.2, -0.2, 0.0, 0.1, 1.1, -0.1, 0.0])
trait = simulate_trait(
    n_lines=200,
    qtl=[np.eye(8)[lines.founder[0][:, 50]]],
    effects=[true],
    kinship=kinships[0],
    polygenic=0.4,
    batch=batch,
    batch_effects=(0.0, 1.2, 2.4, 3.6),
    rng=5,
)

# %%
# The batch is a fixed effect, also where its labels are numbers. The kinship that a chromosome is
# tested against comes from the other chromosomes. The threshold comes from residuals that are
# exchanged within batches.

covariates = design(200, categorical={"batch": batch.tolist()})
result = scan(genome, trait.phenotype, covariates, kinship=kinships)
permuted = permutation_scan(
    genome, trait.phenotype, covariates, kinship=kinships, within=batch.tolist(), n=500
)
peak = find_peak(result)
print(f"LOD {peak.lod:.1f} at {peak.position:g} cM of chromosome {peak.chromosome}")
print(f"threshold at 5 %: {permuted.threshold():.2f}; p = {permuted.p_value(peak.lod):.3f}")

# %%
# Between the positions of the scan the peak is refined on a finer grid, and there the effects of
# all founders are estimated jointly.

null = fit_null(trait.phenotype, covariates, kinships[0])
refined = refine_peak(null, lines.probabilities[0], lines.position[0])
effects = founder_effects(null, lines.probabilities[0][:, refined.index], genome.founders)
print(f"refined: {refined.position:.1f} cM, {refined.support[0]:.1f} to {refined.support[1]:.1f}")
print(f"highest: {effects.highest}, leads by {effects.lead:.2f} ± {effects.lead_se:.2f}")
table = effects.to_frame()[["founder", "count", "blup", "contrast_se"]]
print(table.round(2).to_string(index=False))

# %%
# Left, the profile of the chromosome, and what it becomes when the batch is left out; right, the
# effects.

omitted = scan(genome, trait.phenotype, kinship=kinships)
figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
plot.plot_lod(
    result,
    chromosome="1",
    peak=refined,
    truth=50.0,
    threshold=permuted.threshold(),
    label="batch as fixed effect",
    ax=axes[0],
)
plot.plot_lod(omitted, chromosome="1", label="batch omitted", colour=VERMILION, ax=axes[0])
plot.plot_founder_effects(effects, truth=true, ax=axes[1])
plt.show()

# %%
# Without the batch the largest LOD moves to where batches follow the founders.

print(f"batch omitted: {find_peak(omitted).position:g} cM of {find_peak(omitted).chromosome}")
