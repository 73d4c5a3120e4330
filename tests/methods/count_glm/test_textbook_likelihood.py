"""Counts with an ambient part: closed forms, numerical derivatives, statsmodels, invariants."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import nbinom, poisson

from refsolve.methods.count_glm.simulate import CountDesign, simulate_counts
from refsolve.methods.count_glm.textbook import likelihood as glm

N = 12
RNG = np.random.default_rng(0)
X = np.column_stack([np.ones(N), np.arange(N) % 3, RNG.standard_normal(N)])
EXPOSURE = RNG.uniform(500, 2000, N)
AMBIENT = RNG.uniform(0, 6, N)
NOTHING = np.zeros(N)
BETA = np.array([-4.5, 0.3, -0.2])
Y = RNG.poisson(AMBIENT + EXPOSURE * np.exp(X @ BETA)).astype(np.float64)


def value(beta: np.ndarray, alpha: float, y: np.ndarray = Y) -> float:
    return glm.log_likelihood(y, glm.mean(X @ beta, EXPOSURE, AMBIENT)[1], alpha)


def gradient(f, at: np.ndarray, h: float = 1e-5) -> np.ndarray:
    steps = h * np.eye(at.size)
    return np.array([(f(at + s) - f(at - s)) / (2 * h) for s in steps])


@pytest.mark.parametrize("alpha", [0.0, 0.05, 2.0])
def test_the_likelihood_is_the_distribution(alpha: float) -> None:
    mu = AMBIENT + EXPOSURE * np.exp(X @ BETA)
    law = poisson(mu) if alpha == 0 else nbinom(1 / alpha, 1 / (1 + alpha * mu))
    assert glm.log_likelihood(Y, mu, alpha) == pytest.approx(law.logpmf(Y).sum(), rel=1e-12)


def test_variance_is_mean_and_alpha_times_its_square() -> None:
    k, mu, alpha = np.arange(4000.0), 9.0, 0.3
    p = np.exp([glm.log_likelihood(np.array([v]), np.array([mu]), alpha) for v in k])
    assert p.sum() == pytest.approx(1.0, rel=1e-9)
    assert (p * (k - mu) ** 2).sum() == pytest.approx(mu + alpha * mu**2, rel=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.2])
def test_scores_are_derivatives_and_the_information_their_variance(alpha: float) -> None:
    native, mu = glm.mean(X @ BETA, EXPOSURE, AMBIENT)
    each, weight, score = glm.derivatives(Y, X, native, mu, alpha)
    np.testing.assert_allclose(score, gradient(lambda b: value(b, alpha), BETA), rtol=1e-6)
    np.testing.assert_allclose(X.T @ each, score, rtol=1e-12)
    law = poisson(mu) if alpha == 0 else nbinom(1 / alpha, 1 / (1 + alpha * mu))
    y = np.arange(3000.0)[:, np.newaxis]
    squares = (law.pmf(y) * (native * (y - mu) / (mu * (1 + alpha * mu))) ** 2).sum(axis=0)
    np.testing.assert_allclose(weight, squares, rtol=1e-8)


def test_the_observed_information_can_be_negative_below_the_ambient_part() -> None:
    """Why scoring takes the expected one: y < A."""
    f = lambda b: glm.log_likelihood(np.ones(1), 5.0 + 3.0 * np.exp(b), 0.0)  # noqa: E731
    h = 1e-3
    curvature = (f(h) - 2 * f(0.0) + f(-h)) / h**2
    assert curvature < 0  # far above the maximum, which is at minus infinity
    assert (f(-3 + h) - 2 * f(-3.0) + f(-3 - h)) / h**2 < 0
    g = lambda b: glm.log_likelihood(np.array([20.0]), 5.0 + 3.0 * np.exp(b), 0.0)  # noqa: E731
    assert (g(-1 + h) - 2 * g(-1.0) + g(-1 - h)) / h**2 > 0


@pytest.mark.parametrize("alpha", [0.0, 0.2, 1.5])
def test_without_ambient_part_the_fit_is_that_of_statsmodels(alpha: float) -> None:
    family = sm.families.NegativeBinomial(alpha=alpha) if alpha else sm.families.Poisson()
    other = sm.GLM(Y, X, offset=np.log(EXPOSURE), family=family).fit(tol=1e-14, maxiter=200)
    found = glm.fit(Y, X, EXPOSURE, NOTHING, alpha)
    np.testing.assert_allclose(found.beta, other.params, rtol=1e-7)
    np.testing.assert_allclose(found.mu, other.fittedvalues, rtol=1e-7)
    information = (X.T * (found.mu / (1 + alpha * found.mu))) @ X
    np.testing.assert_allclose(found.covariance, np.linalg.inv(information), rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.2])
def test_the_fit_is_the_maximum_that_a_general_search_finds(alpha: float) -> None:
    found = glm.fit(Y, X, EXPOSURE, AMBIENT, alpha)
    other = minimize(
        lambda b: -value(b, alpha), BETA, method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000},
    )  # fmt: skip
    np.testing.assert_allclose(found.beta, other.x, atol=1e-6)
    assert found.log_likelihood >= -other.fun - 1e-10


def test_one_group_has_the_rate_that_is_left_after_the_ambient_part() -> None:
    found = glm.fit(Y[:1], np.ones((1, 1)), EXPOSURE[:1], AMBIENT[:1])
    assert found.beta[0] == pytest.approx(np.log((Y[0] - AMBIENT[0]) / EXPOSURE[0]), rel=1e-9)
    assert found.beta[0] == pytest.approx(glm.native_rate(Y[0], EXPOSURE[0], AMBIENT[0]), rel=1e-9)
    assert glm.native_rate(2.0, 100.0, 2.0) == -np.inf
    same = glm.fit(Y, np.ones((N, 1)), np.full(N, 700.0), np.full(N, 3.0))
    assert same.beta[0] == pytest.approx(np.log((Y.mean() - 3.0) / 700.0), rel=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(7, 80), min_size=N, max_size=N), st.sampled_from([0.0, 0.1, 1.0]))
def test_at_the_fit_the_score_vanishes(values: list[int], alpha: float) -> None:
    y = np.array(values, dtype=np.float64)
    found = glm.fit(y, X, EXPOSURE, AMBIENT, alpha)
    score = glm.derivatives(y, X, found.native, found.mu, alpha)[2]
    assert np.abs(score).max() < 1e-5 * y.sum()


def test_units_order_and_coding_do_not_matter() -> None:
    one = glm.fit(Y, X, EXPOSURE, AMBIENT, 0.1)
    order = RNG.permutation(N)
    moved = glm.fit(Y[order], X[order], EXPOSURE[order], AMBIENT[order], 0.1)
    np.testing.assert_allclose(moved.beta, one.beta, rtol=1e-8)
    scaled = glm.fit(Y, X, 1e-3 * EXPOSURE, AMBIENT, 0.1)
    np.testing.assert_allclose(scaled.beta[1:], one.beta[1:], rtol=1e-7)
    assert scaled.beta[0] - one.beta[0] == pytest.approx(np.log(1e3), rel=1e-8)
    other_allele = X.copy()
    other_allele[:, 1] = 2 - X[:, 1]
    np.testing.assert_allclose(
        glm.fit(Y, other_allele, EXPOSURE, AMBIENT, 0.1).beta[1], -one.beta[1], rtol=1e-7
    )


def test_the_penalty_keeps_a_group_without_counts_finite() -> None:
    """Two groups of Poisson counts: half a count is added to each, the classical result."""
    y = np.array([0.0, 0.0, 0.0, 4.0, 6.0, 5.0])
    x = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]])
    found = glm.fit(y, x, np.full(6, 10.0), np.zeros(6), firth=True)
    np.testing.assert_allclose(
        found.beta, [np.log(0.5 / 30), np.log(15.5 / 30) - np.log(0.5 / 30)], atol=1e-5
    )


def test_the_penalised_fit_is_less_biased_for_rare_genes() -> None:
    rng = np.random.default_rng(5)
    x = np.column_stack([np.ones(30), np.arange(30) % 3])
    plain, less = [], []
    for _ in range(60):
        y = rng.poisson(np.exp(x @ [-1.0, 0.5])).astype(np.float64)
        plain.append(glm.fit(y, x, np.ones(30), np.zeros(30)).beta[0])
        less.append(glm.fit(y, x, np.ones(30), np.zeros(30), firth=True).beta[0])
    assert np.mean(plain) < np.mean(less)
    assert abs(np.mean(less) + 1.0) < abs(np.mean(plain) + 1.0)


def test_dispersion_of_one_group_without_covariates_is_that_of_a_grid() -> None:
    rng = np.random.default_rng(6)
    s = rng.uniform(0.5, 2.0, 80)
    y = rng.poisson(2.0 + 20 * s * rng.gamma(4.0, 0.25, 80)).astype(np.float64)
    x, a = np.ones((80, 1)), np.full(80, 2.0)
    found = glm.dispersion(y, x, s, a)
    near = [glm.fit(y, x, s, a, found * f).log_likelihood for f in (0.99, 1.0, 1.01)]
    assert near[1] > max(near[0], near[2])
    assert glm.dispersion(y, x, s, a, adjusted=True) > found


def test_counts_that_vary_less_than_poisson_have_no_dispersion() -> None:
    y = np.full(12, 10.0)
    assert glm.dispersion(y, np.ones((12, 1)), np.ones(12), np.zeros(12)) == 0.0


def test_adjusted_dispersions_are_less_biased_when_covariates_are_many() -> None:
    rng = np.random.default_rng(7)
    x = np.column_stack([np.ones(16), rng.standard_normal((16, 5))])
    found = []
    for _ in range(25):
        y = rng.poisson(200 * rng.gamma(5.0, 0.2, 16)).astype(np.float64)
        found.append([glm.dispersion(y, x, np.ones(16), np.zeros(16), adjusted=a) for a in (0, 1)])
    plain, adjusted = np.mean(found, axis=0)
    assert plain == pytest.approx(0.2 * 10 / 16, rel=0.2)
    assert adjusted == pytest.approx(0.2, rel=0.2)


def test_pearson_scale_of_poisson_counts_is_one() -> None:
    rng = np.random.default_rng(8)
    y = rng.poisson(30.0, 4000).astype(np.float64)
    assert glm.pearson_dispersion(y, np.full(4000, y.mean()), 1) == pytest.approx(1.0, abs=0.09)


def test_robust_errors_see_that_cells_of_a_donor_are_alike() -> None:
    """Copied cells: the naive error shrinks with the copies, the robust one does not."""
    x, cluster = np.tile(X, (5, 1)), np.tile(np.arange(N), 5)
    one = glm.fit(np.tile(Y, 5), x, np.tile(EXPOSURE, 5), np.tile(AMBIENT, 5))
    single = glm.fit(Y, X, EXPOSURE, AMBIENT)
    np.testing.assert_allclose(one.covariance, single.covariance / 5, rtol=1e-7)
    np.testing.assert_allclose(
        glm.clustered(np.tile(Y, 5), x, one, 0.0, cluster),
        glm.clustered(Y, X, single, 0.0, np.arange(N)), rtol=1e-6,
    )  # fmt: skip


def test_the_ambient_part_removes_the_bias_that_it_causes() -> None:
    """A quick form of the table on the method's page."""
    naive, additive = [], []
    for seed in range(25):
        data = simulate_counts(CountDesign(cells=20), rng=seed)
        x = np.column_stack([data.covariates, data.genotype])
        y, total = data.of_donors(data.y), data.of_donors(data.total)
        nothing = np.zeros(y.size)
        ambient, exposure = data.of_donors(data.ambient), data.of_donors(data.exposure)
        naive.append(glm.fit(y, x, total, nothing, 0.1).beta[-1])
        additive.append(glm.fit(y, x, exposure, ambient, 0.1).beta[-1])
    assert np.mean(naive) == pytest.approx(0.27, abs=0.03)
    assert np.mean(additive) == pytest.approx(0.35, abs=0.04)
