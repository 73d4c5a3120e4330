"""
Two parents and one pulse, from called tracts
=============================================

Local ancestry of one admixed individual, called on both haplotypes. The caller left short false
tracts and named the ancestries the wrong way round on one chromosome. Both defects are found in
the calls themselves and repaired; the tracts then date the pulse of each parent.
"""

import numpy as np

from refsolve.methods.tracts import (
    Tracts,
    compare_haplotypes,
    estimate_switch_rate,
    fit_pulse,
    repair_islands,
    repair_labels,
    simulate_calls,
    simulate_tracts,
)
from refsolve.methods.tracts.plot import plot_label_evidence, plot_profile, plot_tracts

# %%
# One parent has 25 % of ancestry A from 6 generations ago, the other 80 % from 18 generations ago.

LENGTHS = [2.86, 2.69, 2.23, 2.14, 2.04, 1.92, 1.87, 1.68]
TIMES, PARENTS = [6, 18], ["parent 1", "parent 2"]
truth = simulate_tracts(
    time=TIMES, fraction=[0.25, 0.8], lengths=LENGTHS, convention="coalescent", rng=4
)
calls = simulate_calls(truth, island_rate=0.4, inverted=[2], gap_rate=0.3, rng=5)
tracts = Tracts(**calls.observed)

# %%
# Islands are short, their posterior is low and they lie in low-complexity sequence; the others are
# not. Each one looks like two switches, and makes the pulse older.

islands = repair_islands(tracts)
plot_tracts(tracts, island=islands.island, haplotypes=PARENTS)
islands.reason

# %%
# What they do to the time of each parent:

before = estimate_switch_rate(tracts).time
after = estimate_switch_rate(islands.tracts).time
before.round(1), after.round(1)

# %%
# A chromosome with exchanged labels shows on both haplotypes at once. The ratio compares both
# readings of each chromosome, with rates and fractions from the other seven.

labels = repair_labels(islands.tracts)
plot_label_evidence(labels)

# %%
# The exact likelihood of the repaired tracts gives an interval of each time; gaps are crossed with
# their transition probability.

fit = fit_pulse(labels.tracts, convention="coalescent")
plot_profile(labels.tracts, fit, labels=PARENTS, truth=TIMES)

# %%
# The parents differ in fraction, and in time:

test = compare_haplotypes(labels.tracts, convention="coalescent")
print(f"same fraction: p = {test.p_fraction:.1g}, same time: p = {test.p_time:.1g}")
np.stack([fit.time, fit.fraction], axis=1).round(2)
