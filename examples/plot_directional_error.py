"""
What a symmetric error rate does
================================

Damage turns one allele into the other and not back. Whoever averages the two rates gets the level
of the frequency wrong, and with it the coefficient, in a direction that can be predicted.
"""

import matplotlib.pyplot as plt
import numpy as np

from refsolve.methods.wright_fisher import Samples, fit_selection, simulate_trajectory

E_DA, E_AD = 0.31, 0.01  # derived read as ancestral, and the reverse
AVERAGE = (E_DA + E_AD) / 2
SIZES = np.full(41, 20_000)

# %%
# The same selection on an allele that begins rare, and on one that begins common. Each series is
# fitted with the two rates, with their average, and with none.


def estimates(start_frequency: float) -> list[float]:
    series = simulate_trajectory(
        selection=0.05,
        sizes=SIZES,
        generation=range(0, 41, 4),
        total=2_000,
        start_frequency=start_frequency,
        e_da=E_DA,
        e_ad=E_AD,
        rng=2,
    )
    reads = {"generation": series.generation, "derived": series.derived, "total": series.total}
    rates = [(E_DA, E_AD), (AVERAGE, AVERAGE), (0.0, 0.0)]
    return [fit_selection(Samples(**reads, e_da=da, e_ad=ad), SIZES).s for da, ad in rates]


labels = ("two rates", "their average", "none")
found = {start: estimates(start) for start in (0.1, 0.3, 0.5)}
for start, values in found.items():
    shown = ", ".join(f"{label} {s:.3f}" for label, s in zip(labels, values, strict=True))
    print(f"start at {start:.1f}: {shown}")

# %%
# Averaging keeps the slope of the corrected frequency and shifts its level by
# :math:`(e_{AD} - e_{DA}) / 2c` with :math:`c = 1 - e_{DA} - e_{AD}`. To first order the estimate
# is multiplied by :math:`x(1-x) / \hat x(1-\hat x)`: too large for a rare allele, too small for a
# common one.

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for i, (label, colour) in enumerate(zip(labels, ("#0072B2", "#D55E00", "#7f7f7f"), strict=True)):
    ax.plot(list(found), [values[i] for values in found.values()], "o-", color=colour, label=label)
ax.axhline(0.05, color="black", lw=1, ls=":", label="truth")
ax.set(xlabel="First frequency of the derived allele", ylabel="Estimate of $s$")
ax.set_xticks(list(found))
ax.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
ax.spines[["top", "right"]].set_visible(False)
plt.show()
