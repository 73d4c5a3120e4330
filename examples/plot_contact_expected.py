"""
A loop beside a structural variant
==================================

Contact matrices of four cases and four controls. A variant among the cases changes one row and
column as a whole. It is found in the data and left out, and the loop is measured against what the
remaining pixels lead to expect of its own.
"""

import numpy as np

from refsolve.methods.contact_expected import (
    Background,
    ContactDesign,
    contact_table,
    difference,
    find_stripes,
    fit_expected,
    loop_strength,
    mask_low_mappability,
    simulate_contacts,
)
from refsolve.methods.contact_expected.plot import plot_decay, plot_ratio_map, plot_stripes

# %%
# Thirty bins of 20 kb. The loop is four times its expected in cases and absent in controls; the
# variant raises one bin of the cases to 2.3 times.

design = ContactDesign(
    bins=(30,), replicates=4, loop_log2=(2.0, 0.0), stripes=(1, 0), stripe_log2=(1.2,)
)
data = simulate_contacts(design, rng=3)
target = tuple(int(b) for b in data.loops.loc[0, ["bin1", "bin2"]])
data.stripes

# %%
# The counts as a table of samples and pixels; pixels that are not stored are zeros. Bins that
# reads hardly map to leave it, and so does the loop.

upper = data.pixels[data.pixels["bin1"] < data.pixels["bin2"]]
sample = upper["replicate"] - upper["replicate"].min() + 4 * (upper["condition"] == "control")
counts = contact_table(
    sample,
    upper["bin1"],
    upper["bin2"],
    upper["count"],
    condition=["case"] * 4 + ["control"] * 4,
    covariates={"gc": data.bins["gc_content"], "re_sites": data.bins["re_sites"]},
    n_bins=len(data.bins),
)
low = mask_low_mappability(data.bins["mappability"]).removed
background = counts.without(pixels=[target], masked=low)

# %%
# Every bin gets a level in every condition. One deviates, from its own condition and from the
# other.

stripes = find_stripes(background)
plot_stripes(stripes)
stripes.bins

# %%
# The expected is fitted to the rest: an intercept for every sample, slopes of distance and GC
# content for every condition, a common slope of restriction sites.

used = background.without(masked=stripes.masked)
fit = fit_expected(used)
plot_ratio_map(counts, fit, "case", masked=low | stripes.masked[0], target=target)

# %%
plot_decay(used, fit, target=target)

# %%
# The strength has two errors: that of the expected, given these counts, and that of the counts.

loop = loop_strength(fit, counts, target)
between = difference(loop, "case", "control")
print(f"case {loop.mean_of('case'):.2f}, control {loop.mean_of('control'):.2f}")
print(f"difference {between.value:.2f}, error of the expected {between.se_expected:.3f}, "
      f"of the counts {between.se_counts:.3f}")  # fmt: skip

# %%
# What other choices make of the difference:

choices = {
    "stripe kept": fit_expected(background),
    "loop kept": fit_expected(counts.without(masked=low | stripes.masked)),
    "one slope of distance": fit_expected(used, Background(by_condition=("gc",))),
}
for name, other in choices.items():
    value = difference(loop_strength(other, counts, target), "case", "control").value
    print(f"{name}: {value - between.value:+.2f}")
np.round(fit.dispersion[0], 4)
