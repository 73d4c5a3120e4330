"""Donors that differ in their native rate: the distribution, its moments, the quasi-score."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import nbinom, poisson

from refsolve.methods.count_glm.simulate import CountDesign, simulate_counts
from refsolve.methods.count_glm.textbook import likelihood, native

M, A, ALPHA = 9.0, 4.0, 0.3


def test_moments_of_the_sum_of_two_counts() -> None:
    k = np.arange(400.0)
    p = np.exp([native.delaporte(v, M, A, ALPHA) for v in k])
    assert p.sum() == pytest.approx(1.0, rel=1e-10)
    mu = (p * k).sum()
    assert mu == pytest.approx(A + M, rel=1e-10)
    seen = (p * (k - mu) ** 2).sum()
    assert seen == pytest.approx(native.variance(np.array(M), np.array(mu), ALPHA), rel=1e-9)


def test_limits_are_the_negative_binomial_and_poisson() -> None:
    for y in (0, 3, 20):
        law = nbinom(1 / ALPHA, 1 / (1 + ALPHA * M))
        assert native.delaporte(y, M, 0.0, ALPHA) == pytest.approx(law.logpmf(y), rel=1e-10)
        assert native.delaporte(y, M, A, 1e-7) == pytest.approx(poisson.logpmf(y, M + A), rel=1e-5)


def data(seed: int, **change) -> tuple[np.ndarray, ...]:
    one = simulate_counts(CountDesign(cells=20, **change), rng=seed)
    x = np.column_stack([one.covariates, one.genotype])
    return one.of_donors(one.y), x, one.of_donors(one.exposure), one.of_donors(one.ambient)


def test_without_dispersion_the_fit_is_poisson() -> None:
    y, x, s, a = data(0)
    one, other = native.quasi_fit(y, x, s, a, 0.0), likelihood.fit(y, x, s, a)
    np.testing.assert_allclose(one.beta, other.beta, rtol=1e-8)
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-7)


def test_without_ambient_part_it_is_the_negative_binomial_fit() -> None:
    y, x, s, a = data(0)
    one, other = native.quasi_fit(y, x, s, 0 * a, 0.2), likelihood.fit(y, x, s, 0 * a, 0.2)
    np.testing.assert_allclose(one.beta, other.beta, rtol=1e-7)
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-7)


def test_pearsons_statistic_is_its_degrees_of_freedom() -> None:
    y, x, s, a = data(1)
    alpha = native.quasi_dispersion(y, x, s, a)
    one = native.quasi_fit(y, x, s, a, alpha)
    v = native.variance(one.native, one.mu, alpha)
    assert ((y - one.mu) ** 2 / v).sum() == pytest.approx(98.0, rel=1e-9)
    np.testing.assert_allclose(x.T @ (one.native * (y - one.mu) / v), 0.0, atol=1e-6)
    even = np.full(8, 30.0)
    assert native.quasi_dispersion(even, np.ones((8, 1)), even, np.zeros(8)) == 0.0


def test_the_dispersion_is_that_of_the_donors_rates() -> None:
    """exp of a normal intercept has the squared coefficient of variation exp(sd^2) - 1."""
    found = [native.quasi_dispersion(*data(seed, rho=0.2)) for seed in range(20)]
    assert np.mean(found) == pytest.approx(np.expm1(0.35**2), abs=0.025)


def test_donors_with_much_ambient_rna_keep_their_weight() -> None:
    """As native counts grow a donor's weight is 1/alpha in (16); in (3) less by (m/mu)^2."""
    m, mu, alpha = np.array(1e7), np.array(5e7), 0.1
    kept = m**2 / native.variance(m, mu, alpha)
    lost = m**2 / (mu * (1 + alpha * mu))
    assert kept == pytest.approx(10.0, rel=1e-4)
    assert lost == pytest.approx(10.0 / 25, rel=1e-4)
