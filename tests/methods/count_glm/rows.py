"""Rows of one gene for tests."""

from __future__ import annotations

import numpy as np

from refsolve.methods.count_glm import Exposure, ambient_exposure

NAMES = ("Intercept", "g", "age")


def donors(
    seed: int = 1, n: int = 60, share: float = 4e-3, sd: float = 0.3
) -> tuple[np.ndarray, np.ndarray, Exposure]:
    """Counts, covariates and exposure of donor totals."""
    rng = np.random.default_rng(seed)
    g, age = rng.binomial(2, 0.4, n), rng.normal(50.0, 10.0, n)
    x = np.column_stack([np.ones(n), g, age]).astype(np.float64)
    exposure = ambient_exposure(np.exp(rng.normal(9.0, 0.4, n)), rng.gamma(4.0, 0.025, n), share)
    rate = np.exp(-6.5 + 0.4 * g + 0.005 * (age - 50.0) + sd * rng.standard_normal(n))
    y = rng.poisson(exposure.ambient + exposure.native * rate).astype(np.float64)
    return y, x, exposure


def cells(
    seed: int = 2, n_donors: int = 30, n_cells: int = 12, share: float = 1e-3, sd: float = 0.4
) -> tuple[np.ndarray, np.ndarray, Exposure, np.ndarray]:
    """Counts, covariates of donors, exposure, and donors of cells."""
    rng = np.random.default_rng(seed)
    donor = np.repeat(np.arange(n_donors), n_cells)
    g = rng.binomial(2, 0.4, n_donors)
    rho = rng.gamma(4.0, 0.025, n_donors)
    exposure = ambient_exposure(np.exp(rng.normal(8.0, 0.4, donor.size)), rho[donor], share)
    rate = np.exp(-7.0 + 0.35 * g + sd * rng.standard_normal(n_donors))[donor]
    y = rng.poisson(exposure.ambient + exposure.native * rate).astype(np.float64)
    return y, np.column_stack([np.ones(donor.size), g[donor]]), exposure, donor
