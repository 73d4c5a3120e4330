"""Small data sets of several samples, drawn from the log-linear model itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refsolve.methods.contact_expected import ContactTable

Stripe = tuple[int, int, float]  # condition, bin, factor
Block = tuple[int, int, int, float]  # condition or -1 for all, first and last bin, factor


def draw(
    seed: int = 1,
    *,
    n: int = 24,
    samples: Sequence[int] = (4, 4),
    depth: float = 300.0,
    dispersion: float = 0.002,
    stripes: Sequence[Stripe] = (),
    domains: Sequence[Block] = (),
    loops: Sequence[Block] = (),
    compartment: float = 0.0,
) -> ContactTable:
    """Counts with slopes of distance and GC by condition, and a shared one of sites."""
    rng = np.random.default_rng(seed)
    i, j = np.triu_indices(n, 1)
    gc, sites = rng.normal(0.45, 0.04, n), rng.poisson(6.0, n).astype(np.float64)
    side = np.where(np.arange(n) // 5 % 2 == 0, 1.0, -1.0)
    means, condition = [], []
    for c, (name, number) in enumerate(zip(("case", "control"), samples, strict=False)):
        level = np.zeros(n)
        for own, b, factor in stripes:
            level[b] += np.log(factor) * (own == c)
        eta = (-0.9, -1.0)[c] * np.log(j - i) + (2.0, 1.0)[c] * (gc[i] + gc[j] - 0.9) / 2
        eta += 0.05 * (sites[i] + sites[j] - 12.0) / 2 + level[i] + level[j]
        eta += compartment * side[i] * side[j]
        for own, a, b, factor in domains:
            eta += np.log(factor) * ((i >= a) & (j < b) & (own in (c, -1)))
        for own, a, b, factor in loops:
            eta += np.log(factor) * ((i == a) & (j == b) & (own in (c, -1)))
        for _ in range(number):
            means.append(depth * np.exp(eta + rng.normal(0.0, 0.15)))
            condition.append(name)
    mu = np.array(means)
    if dispersion > 0.0:
        mu = mu * rng.gamma(1.0 / dispersion, dispersion, mu.shape)
    counts = rng.poisson(mu).astype(np.float64)
    return ContactTable(counts, i, j, tuple(condition), {"gc": gc, "re_sites": sites})
