"""Normalisation and negative-binomial fits: closed forms, statsmodels, invariants."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import polygamma
from scipy.stats import nbinom, poisson

from refsolve.methods.pseudobulk.textbook import counts as nb
from refsolve.methods.pseudobulk.textbook import dispersion, normalisation

X = np.column_stack([np.ones(8), [0, 0, 0, 0, 1, 1, 1, 1], [0, 1, 0, 1, 0, 1, 0, 1]])
OFFSET = np.log([1.0, 2.0, 0.5, 1.5, 1.0, 0.7, 1.2, 0.9])
Y = np.array([12.0, 30.0, 5.0, 22.0, 31.0, 18.0, 44.0, 19.0])


def genes(seed: int = 0, n: int = 300, samples: int = 8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.normal(3.0, 1.5, (n, 1)))
    return rng.poisson(mean * rng.gamma(10.0, 0.1, (n, samples))).astype(np.float64)


@pytest.mark.parametrize(
    "factor", [normalisation.tmm, normalisation.relative_log, normalisation.upper_quartile]
)
def test_factors_have_the_product_one_and_ignore_depth(factor) -> None:
    y = genes()
    found = factor(y)
    assert np.log(found).sum() == pytest.approx(0.0, abs=1e-12)
    order = np.random.default_rng(1).permutation(y.shape[1])
    np.testing.assert_allclose(factor(y[:, order]), found[order], rtol=1e-12)
    deeper = y * np.array([1, 2, 1, 4, 1, 1, 8, 1])
    np.testing.assert_allclose(
        normalisation.relative_log(deeper), normalisation.relative_log(y), rtol=1e-12
    )


def test_a_few_genes_that_take_over_a_library_do_not_move_the_others() -> None:
    y = genes(n=1000)
    taken = y.copy()
    taken[:20, 0] *= 50
    library = taken.sum(axis=0) * normalisation.tmm(taken)
    share = np.median(taken[20:] / library, axis=0)
    assert share[0] == pytest.approx(np.median(share[1:]), rel=0.05)
    naive = np.median(taken[20:] / taken.sum(axis=0), axis=0)
    assert naive[0] < 0.8 * np.median(naive[1:])


def test_size_factors_of_multiples_are_the_multiples() -> None:
    depth = np.array([1.0, 2.0, 0.5])
    y = np.outer([4.0, 20.0, 100.0], depth)
    found = normalisation.size_factors(y)
    np.testing.assert_allclose(found / found[0], depth, rtol=1e-12)
    y[0, 0] = 0.0
    positive = normalisation.size_factors(y, positive_only=True)
    np.testing.assert_allclose(positive / positive[0], depth, rtol=1e-9)


def test_enough_counts_in_the_smaller_group() -> None:
    design = np.column_stack([np.ones(7), [0, 0, 0, 0, 1, 1, 1]])
    library = np.full(7, 1e6)
    y = np.zeros((3, 7))
    y[0, :3] = 10.0
    y[1, :2] = 1000.0
    y[2, :3] = 9.0
    np.testing.assert_array_equal(
        normalisation.expressed_enough(y, library, design), [True, False, False]
    )


def test_the_rate_of_one_group_is_a_ratio_for_poisson_counts() -> None:
    found = normalisation.one_group(Y, OFFSET, 0.0)
    assert found == pytest.approx(np.log(Y.sum() / np.exp(OFFSET).sum()), rel=1e-12)


@pytest.mark.parametrize("phi", [0.0, 0.1, 2.0])
def test_the_likelihood_is_the_distribution(phi: float) -> None:
    mu = np.exp(OFFSET) * 17
    law = poisson(mu) if phi == 0 else nbinom(1 / phi, 1 / (1 + phi * mu))
    assert nb.log_likelihood(Y, mu, phi) == pytest.approx(law.logpmf(Y).sum(), rel=1e-12)
    deviance = 2 * (nb.log_likelihood(Y, Y, phi) - nb.log_likelihood(Y, mu, phi))
    assert nb.unit_deviance(Y, mu, phi).sum() == pytest.approx(deviance, rel=1e-10)


@pytest.mark.parametrize("phi", [0.0, 0.2, 1.5])
def test_fits_are_those_of_statsmodels(phi: float) -> None:
    family = sm.families.NegativeBinomial(alpha=phi) if phi else sm.families.Poisson()
    other = sm.GLM(Y, X, offset=OFFSET, family=family).fit(tol=1e-14, maxiter=200)
    beta, mu = nb.fit(Y, X, OFFSET, phi)
    np.testing.assert_allclose(beta, other.params, rtol=1e-7)
    np.testing.assert_allclose(mu, other.fittedvalues, rtol=1e-7)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 60), min_size=8, max_size=8), st.floats(0.01, 3.0))
def test_at_the_fit_the_score_vanishes(values: list[int], phi: float) -> None:
    y = np.array(values, dtype=np.float64)
    _, mu = nb.fit(y, X, OFFSET, phi)
    score = X.T @ ((y - mu) / (1 + phi * mu))
    assert np.abs(score).max() < 1e-6 * max(1.0, y.sum())


def test_a_group_without_counts_is_fitted_by_zero_and_leaves_the_profile() -> None:
    y = np.array([0.0, 0.0, 0.0, 0.0, 31.0, 18.0, 44.0, 19.0])
    _, mu = nb.fit(y, X, OFFSET, 0.2)
    assert mu[:4].max() < nb.VANISHED
    alone = X[4:][:, [0, 2]]
    gaps = [
        nb.adjusted_profile(y, X, OFFSET, phi) - nb.adjusted_profile(y[4:], alone, OFFSET[4:], phi)
        for phi in (0.05, 0.2, 1.0)
    ]
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-6)
    assert dispersion.residual_df(y, mu, X) == 2


def test_the_profile_is_corrected_for_the_coefficients() -> None:
    """For one group of Poisson counts the information is the sum of the means."""
    value = nb.adjusted_profile(Y, X[:, :1], OFFSET, 0.0)
    _, mu = nb.fit(Y, X[:, :1], OFFSET, 0.0)
    assert value == pytest.approx(nb.log_likelihood(Y, mu, 0.0) - 0.5 * np.log(Y.sum()), rel=1e-12)


def test_the_spline_is_exact_for_cubics() -> None:
    x = np.linspace(-2.0, 3.0, 7)
    np.testing.assert_allclose(
        dispersion.second_derivatives(x, x**3 - 2 * x**2), 6 * x - 4, atol=1e-9
    )
    top = dispersion.maximum(x, -((x - 0.7) ** 2) * (x + 4.0))
    assert top == pytest.approx(0.7, abs=1e-9)
    assert dispersion.maximum(x, x) == pytest.approx(3.0, abs=1e-12)


def test_the_local_mean_of_a_constant_is_the_constant() -> None:
    rng = np.random.default_rng(0)
    level = rng.normal(size=200)
    np.testing.assert_allclose(
        dispersion.local_mean(np.full((200, 2), 3.5), level, 0.3), 3.5, rtol=1e-12
    )


@pytest.mark.parametrize("y", [0.05, 1.0, 7.0, 400.0])
def test_trigamma_is_inverted(y: float) -> None:
    assert dispersion.trigamma_inverse(float(polygamma(1, y))) == pytest.approx(y, rel=1e-7)


def test_prior_degrees_of_freedom_are_recovered() -> None:
    rng = np.random.default_rng(3)
    df, prior, scale = 4.0, 12.0, 1.7
    truth = scale * prior / rng.chisquare(prior, 20_000)
    variance = truth * rng.chisquare(df, 20_000) / df
    found, d0 = dispersion.scaled_f(variance, np.full(20_000, df))
    assert d0 == pytest.approx(prior, rel=0.1)
    assert found[0] == pytest.approx(scale, rel=0.02)
    same = scale * rng.chisquare(df, 5000) / df
    assert dispersion.scaled_f(same, np.full(5000, df))[1] > 200
