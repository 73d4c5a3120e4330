"""
Differential expression between donors, not between cells
=========================================================

Cells of one donor resemble each other. A test that takes cells as replicates finds differences
between two groups of donors even where there are none; adding up the cells of each donor first
gives a test that does not.
"""

import matplotlib.pyplot as plt
import numpy as np

from refsolve.methods.pseudobulk import (
    CellDesign,
    audit,
    cell_test,
    differential_expression,
    log2_cpm,
    plot,
    significant_null,
    simulate_cells,
)

# %%
# Three donors against five, about 2,000 cells, and no gene that differs.

data = simulate_cells(CellDesign(donors=(3, 5), cells=250, genes=400), rng=8)
design = np.column_stack([np.ones(8), data.condition])
found = differential_expression(data.sums, design)

# %%
# The same genes with cells as replicates: the rank-sum test of log-normalised values.

dense = data.counts.toarray()
values = np.log1p(1e4 * dense / dense.sum(axis=1, keepdims=True))[:, found.tested]
cells = cell_test(values, data.condition[data.sample] == 1)
judged = audit(values, data.sample, data.condition == 1)
print(f"cells: {np.mean(cells < 0.05):.0%} of the genes have p < 0.05")
print(f"donors: {found.percent_p:.1f} %")
print(f"design effect: {judged.median_design_effect:.1f}")
print(f"false positives of a t test of cells, expected: {judged.expected_rate:.0%}")

# %%
# Left, each gene's two p values; middle, all p values; right, how many genes have p < 0.05 when
# donors change places.

log_counts = log2_cpm(data.sums, found.normalisation.effective)[found.tested]
null = significant_null(log_counts, design)
figure, axes = plt.subplots(1, 3, figsize=(15, 4), layout="constrained")
plot.plot_cells_against_donors(cells, found.result.p, ax=axes[0])
plot.plot_p_values({"donors": found.result.p, "cells": cells}, ax=axes[1])
plot.plot_null(null, ax=axes[2])
plt.show()
