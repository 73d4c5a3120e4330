"""Tests of variants: closed forms, error rates, propagation of errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta as beta_distribution
from scipy.stats import chi2, kstest

from refsolve.methods.count_glm.simulate import ScanDesign, simulate_scan
from refsolve.methods.count_glm.textbook import likelihood, testing

N = 60
RNG = np.random.default_rng(2)
X = np.column_stack([np.ones(N), RNG.standard_normal(N)])
G = RNG.binomial(2, 0.4, N).astype(np.float64)
EXPOSURE = RNG.uniform(500, 2000, N)
AMBIENT = RNG.uniform(0, 10, N)
ALPHA = 0.1


def counts(effect: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    native = EXPOSURE * np.exp(-3.5 + 0.2 * X[:, 1] + effect * G)
    return rng.poisson(AMBIENT + native * rng.gamma(1 / ALPHA, ALPHA, N)).astype(np.float64)


def test_the_score_is_that_of_the_larger_model_at_zero() -> None:
    """U^2 / V is the quadratic form of the whole score with the whole information."""
    y = counts(0.2, 0)
    null = likelihood.fit(y, X, EXPOSURE, AMBIENT, ALPHA)
    found = testing.score_test(y, X, null, ALPHA, G[np.newaxis])
    full = np.column_stack([X, G])
    _, weight, score = likelihood.derivatives(y, full, null.native, null.mu, ALPHA)
    whole = score @ np.linalg.solve((full.T * weight) @ full, score)
    assert found.statistic[0] == pytest.approx(whole, rel=1e-6)
    assert found.p[0] == pytest.approx(chi2.sf(whole, 1), rel=1e-6)
    assert found.effect[0] / found.se[0] == pytest.approx(np.sqrt(whole), rel=1e-6)


def test_covariates_added_to_a_variant_and_its_scale_change_nothing() -> None:
    y = counts(0.2, 1)
    null = likelihood.fit(y, X, EXPOSURE, AMBIENT, ALPHA)
    found = testing.score_test(y, X, null, ALPHA, np.array([G, 5 + 3 * X[:, 1] - 2 * G]))
    assert found.statistic[1] == pytest.approx(found.statistic[0], rel=1e-9)
    assert found.effect[1] == pytest.approx(-found.effect[0] / 2, rel=1e-9)


def test_score_wald_and_likelihood_ratio_agree_for_small_effects() -> None:
    y = counts(0.1, 2)
    null = likelihood.fit(y, X, EXPOSURE, AMBIENT, ALPHA)
    score = testing.score_test(y, X, null, ALPHA, G[np.newaxis])
    ratio, p = testing.likelihood_ratio(y, X, EXPOSURE, AMBIENT, ALPHA, G)
    full = likelihood.fit(y, np.column_stack([X, G]), EXPOSURE, AMBIENT, ALPHA)
    wald = full.beta[-1] ** 2 / full.covariance[-1, -1]
    assert ratio == pytest.approx(score.statistic[0], rel=0.1)
    assert ratio == pytest.approx(wald, rel=0.1)
    assert p == pytest.approx(chi2.sf(ratio, 1), rel=1e-12)


def test_the_error_rate_of_the_score_test() -> None:
    p = []
    for seed in range(500):
        y = counts(0.0, seed)
        null = likelihood.fit(y, X, EXPOSURE, AMBIENT, ALPHA)
        p.append(testing.score_test(y, X, null, ALPHA, G[np.newaxis]).p[0])
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.03)
    assert kstest(p, "uniform").pvalue > 1e-3


def test_genotype_that_follows_contamination_looks_causal_without_the_ambient_part() -> None:
    design = ScanDesign(
        genes=60, variants=1, causal=0.0, confounding=0.95, ambient_ratio=4.0, batches=1,
        dispersion=(0.05, 0.06), abundance_spread=0.3,
    )  # fmt: skip
    data = simulate_scan(design, rng=3)
    rejected = []
    for ambient, exposure in ((data.ambient, data.exposure), (0 * data.ambient, data.total)):
        hits = 0
        for j in range(60):
            y = data.counts[j].astype(np.float64)
            alpha = data.dispersion[j]
            null = likelihood.fit(y, data.covariates, exposure, ambient[j], alpha)
            test = testing.score_test(
                y, data.covariates, null, alpha, data.genotypes[j : j + 1].astype(float)
            )
            hits += test.p[0] < 0.05
        rejected.append(hits / 60)
    assert rejected[0] < 0.15
    assert rejected[1] > 0.4


def test_cauchy_combination_of_one_and_of_equal_p_values() -> None:
    assert testing.cauchy_combination(np.array([0.03])) == pytest.approx(0.03, rel=1e-9)
    assert testing.cauchy_combination(np.full(20, 0.03)) == pytest.approx(0.03, rel=1e-9)
    assert testing.cauchy_combination(np.array([1e-12, 0.5])) == pytest.approx(2e-12, rel=1e-3)
    rng = np.random.default_rng(4)
    null = [testing.cauchy_combination(rng.uniform(size=30)) for _ in range(2000)]
    assert kstest(null, "uniform").pvalue > 1e-3


def test_the_smallest_of_independent_p_values_is_beta() -> None:
    rng = np.random.default_rng(5)
    smallest = rng.uniform(size=(4000, 25)).min(axis=1)
    a, b = testing.beta_approximation(smallest)
    assert a == pytest.approx(1.0, abs=0.06)
    assert b == pytest.approx(25.0, abs=2.0)
    near = beta_distribution.logpdf(smallest, a, b).sum()
    for fa, fb in ((1.03, 1.0), (0.97, 1.0), (1.0, 1.03), (1.0, 0.97)):
        assert beta_distribution.logpdf(smallest, a * fa, b * fb).sum() < near


def test_errors_of_contamination_reach_the_effect() -> None:
    """Eq. (14) against the spread of the estimate when contamination is drawn anew."""
    rng = np.random.default_rng(6)
    total, rho, share = rng.uniform(2e4, 6e4, N), rng.uniform(0.05, 0.2, N), 1e-2
    x, se = np.column_stack([np.ones(N), G]), np.full(N, 0.005)
    native = (1 - rho) * total * np.exp(-6.5 + 0.3 * G)
    y = rng.poisson(native + rho * total * share).astype(np.float64)
    one = likelihood.fit(y, x, (1 - rho) * total, rho * total * share)
    slope = total * (share - np.exp(x @ one.beta))
    whole = testing.with_fraction_error(one.native, one.mu, x, 0.0, slope, se)
    np.testing.assert_allclose(
        testing.with_fraction_error(one.native, one.mu, x, 0.0, slope, 0 * se),
        one.covariance, rtol=1e-8,
    )  # fmt: skip
    drawn = []
    for _ in range(500):
        r = rho + se * rng.standard_normal(N)
        drawn.append(likelihood.fit(y, x, (1 - r) * total, r * total * share).beta)
    extra = np.cov(np.array(drawn).T)
    np.testing.assert_allclose(np.diag(extra), np.diag(whole - one.covariance), rtol=0.3)
