"""Estimators of donors that differ in their native rate against the textbook."""

from __future__ import annotations

import numpy as np
import pytest

from refsolve.methods.count_glm import ambient_exposure, fit_counts, fit_donors
from refsolve.methods.count_glm.simulate import CountDesign, simulate_counts
from refsolve.methods.count_glm.textbook import native, spread


@pytest.mark.parametrize("change", [{}, {"rho": 0.3, "ambient_share": 5e-3}, {"donor_sd": 0.0}])
def test_quasi_fits_are_those_of_the_textbook(change: dict) -> None:
    data = simulate_counts(CountDesign(donors=24, cells=20, batches=3, **change), rng=1)
    x = np.column_stack([data.covariates, data.genotype])
    y = data.of_donors(data.y)
    e = ambient_exposure(data.of_donors(data.total), rho=data.rho, share=data.design.ambient_share)
    found = fit_counts(y, x, e, family="quasi_native")
    alpha = native.quasi_dispersion(y, x, e.native, e.ambient)
    one = native.quasi_fit(y, x, e.native, e.ambient, alpha)
    assert found.dispersion == pytest.approx(alpha, rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(found.effect, one.beta, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.covariance, one.covariance, rtol=1e-5)


def test_the_adjusted_spread_is_that_of_the_textbook() -> None:
    data = simulate_counts(CountDesign(donors=9, cells=20), rng=2)
    x = np.column_stack([data.covariates, data.genotype])
    y, donor = data.of_donors(data.y), np.arange(9)
    e = ambient_exposure(data.of_donors(data.total), rho=data.rho, share=data.design.ambient_share)
    found = fit_donors(y, x, e, donor, nodes=3)
    known = spread.adjusted_sd(y, x, e.native, e.ambient, donor, found.effect, nodes=3)
    assert found.sd == pytest.approx(known, rel=1e-4)
