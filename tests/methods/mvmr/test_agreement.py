"""What users call against the textbook on random small loci, each from its own seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from refsolve.methods.mvmr import (
    Summary,
    fit_constrained,
    fit_egger,
    fit_gls,
    fit_liml,
    fit_pleiotropy,
    influence,
    ld_mismatch,
    strand_log_odds,
)
from refsolve.methods.mvmr.textbook import alleles, diagnostics, pleiotropy, regression

J, K = 14, 2


def locus(seed: int, *, j: int = J, even: bool = True) -> Summary:
    """Strong instruments with LD of either sign; `even`: a common ratio of standard errors."""
    rng = np.random.default_rng(seed)
    position = np.cumsum(rng.uniform(0.1, 0.8, j))
    sign = rng.choice([-1.0, 1.0], j)
    r = np.exp(-np.abs(np.subtract.outer(position, position))) * np.outer(sign, sign)
    se_y = rng.uniform(0.005, 0.01, j)
    ratio = rng.uniform(1.0, 2.0, (1 if even else j, K))
    se_x = se_y[:, np.newaxis] * ratio
    root = np.linalg.cholesky(r)
    c = np.array([[1.0, 0.4], [0.4, 1.0]])
    x = root @ (20 * rng.standard_normal((j, K)))
    e_x = root @ rng.standard_normal((j, K)) @ np.linalg.cholesky(c).T
    b_x = se_x * (x + e_x)
    b_y = (se_x * x) @ [0.4, -0.3] + se_y * (root @ rng.standard_normal(j))
    return Summary(b_x, se_x, b_y, se_y, r, exposure_correlation=c)


def added(data: Summary, extra: np.ndarray) -> Summary:
    parts = (data.exposure_beta, data.exposure_se, data.outcome_beta + extra, data.outcome_se)
    return Summary(*parts, data.ld, exposure_correlation=data.exposure_correlation)


def whitened(data: Summary) -> tuple[Any, ...]:
    lam, y = regression.whiten(data.outcome_beta, data.outcome_se, data.ld)
    x = regression.whiten(data.exposure_beta, data.outcome_se, data.ld)[1]
    sigma = regression.exposure_noise(data.exposure_se, data.outcome_se, data.exposure_correlation)
    return y, x, lam, sigma


@pytest.mark.parametrize("seed", range(6))
def test_least_squares(seed: int) -> None:
    data = locus(seed)
    omega = regression.covariance(data.outcome_se, data.ld)
    want = regression.gls(data.exposure_beta, data.outcome_beta, omega)
    got = fit_gls(data, overdispersion="fixed")
    np.testing.assert_allclose(got.theta, want.theta, rtol=1e-9)
    np.testing.assert_allclose(got.covariance, want.cov, rtol=1e-8)
    assert got.q == pytest.approx(want.q, rel=1e-8)
    p, i2 = diagnostics.heterogeneity(want.q, J - K)
    assert (got.q_p_value, got.i_squared) == (pytest.approx(p, rel=1e-7), pytest.approx(i2))
    egger = regression.egger(data.exposure_beta, data.outcome_beta, data.outcome_se, data.ld)
    assert fit_egger(data).intercept == pytest.approx(egger.theta[0], rel=1e-7, abs=1e-10)


@pytest.mark.parametrize("seed", range(6))
def test_noise_in_the_exposures(seed: int) -> None:
    data = locus(seed)
    y, x, _, sigma = whitened(data)
    got, want = fit_liml(data, overdispersion="fixed"), regression.liml(y, x, sigma)
    np.testing.assert_allclose(got.theta, want.theta, rtol=1e-8)
    np.testing.assert_allclose(got.se, np.sqrt(np.diag(want.cov)), rtol=1e-6)
    assert got.q == pytest.approx(want.q, rel=1e-7)
    assert got.conditional_f == pytest.approx(regression.conditional_f(x, sigma), rel=1e-8)
    np.testing.assert_allclose(got.partial_f, regression.partial_f(x, sigma), rtol=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_uneven_standard_errors(seed: int) -> None:
    data = locus(seed, even=False)
    noise = regression.summary_noise(data.exposure_se, data.exposure_correlation, data.ld)
    omega = regression.covariance(data.outcome_se, data.ld)
    want, _ = regression.cue(data.outcome_beta, data.exposure_beta, omega, noise)
    got = fit_liml(data, overdispersion="fixed")
    # rows of the eigenbasis are not quite independent then: 0.2 standard errors in these loci
    np.testing.assert_array_less(np.abs(got.theta - want), 0.3 * got.se)


@pytest.mark.parametrize("shape", ["ld", "variant"])
@pytest.mark.parametrize("seed", range(3))
def test_balanced_direct_effects(seed: int, shape: Any) -> None:
    data = locus(seed)
    rng = np.random.default_rng(seed)
    columns = pleiotropy.shift_columns(data.outcome_se, data.ld, shape)
    data = added(data, columns @ (4 * rng.standard_normal(J)))
    y, x, lam, sigma = whitened(data)
    want = pleiotropy.balanced(y, x, lam if shape == "ld" else 1 / lam, sigma)
    got = fit_liml(data, overdispersion="additive", shape=shape)
    np.testing.assert_allclose(got.theta, want.theta, rtol=1e-5)
    assert got.tau2 == pytest.approx(want.tau2, rel=1e-4)
    np.testing.assert_allclose(got.se, np.sqrt(np.diag(want.cov)), rtol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_factor_of_the_variance(seed: int) -> None:
    data = locus(seed)
    root = np.linalg.cholesky(data.ld)
    noise = 3 * (root @ np.random.default_rng(seed).standard_normal(J))
    data = added(data, data.outcome_se * noise)
    y, x, _, sigma = whitened(data)
    want = pleiotropy.balanced(y, x, np.ones(J), sigma)
    got = fit_liml(data, overdispersion="multiplicative")
    np.testing.assert_allclose(got.theta, want.theta, rtol=1e-7)
    assert got.overdispersion == pytest.approx(1 + want.tau2, rel=1e-7)
    np.testing.assert_allclose(got.se, np.sqrt(np.diag(want.cov)), rtol=1e-6)


@pytest.mark.parametrize("shape", ["ld", "variant"])
@pytest.mark.parametrize("seed", range(8))
def test_search_is_as_good_as_trying_every_set(seed: int, shape: Any) -> None:
    rng = np.random.default_rng(100 + seed)
    first = rng.integers(0, J - 1)  # two neighbours and another one
    members = np.unique([first, first + 1, (first + 6) % J])
    data = locus(seed)
    columns = pleiotropy.shift_columns(data.outcome_se, data.ld, shape)
    data = added(data, columns[:, members] @ rng.choice([-20.0, 20.0], members.size))
    variance = float(1 + np.array([0.4, -0.3]) @ whitened(data)[3] @ [0.4, -0.3])
    rows = (
        data.exposure_beta,
        data.outcome_beta,
        variance * regression.covariance(data.outcome_se, data.ld),
    )
    best = {
        one: pleiotropy.best_direct_effects(
            *rows, pleiotropy.shift_columns(data.outcome_se, data.ld, one), most=4
        )
        for one in ("variant", "ld")
    }
    got = fit_pleiotropy(data)
    assert got.shape == min(best, key=lambda one: best[one].criterion)
    chosen = pleiotropy.shift_columns(data.outcome_se, data.ld, got.shape)[:, list(got.index)]
    q = regression.gls(np.hstack([rows[0], chosen]), *rows[1:]).q
    found = pleiotropy.set_criterion(q, J, J, len(got.index))
    # the search judges by the variance at its robust start, here it is the true one
    assert found < best[got.shape].criterion + 1.5


def test_constrained_likelihood() -> None:
    data = locus(0, j=7)
    extra = np.where(np.arange(7) == 3, 25 * data.outcome_se, 0.0)
    data = added(data, extra)
    want = pleiotropy.constrained_likelihood(
        data.exposure_beta,
        data.outcome_beta,
        data.exposure_se,
        data.outcome_se,
        data.ld,
        data.exposure_correlation,
        n=10_000,
        most=1,
    )
    got = fit_constrained(data, 10_000)
    assert tuple(got.index) == want.invalid == (3,)


def test_influence_and_mismatch() -> None:
    data = locus(3)
    omega_free = (data.exposure_beta, data.outcome_beta, data.outcome_se, data.ld)
    want = diagnostics.leave_one_out(*omega_free)
    x = regression.whiten(data.exposure_beta, data.outcome_se, data.ld)[1]
    assert influence(data).leverage.sum() == pytest.approx(diagnostics.leverage(x).sum())
    np.testing.assert_allclose(influence(data).without, want, rtol=1e-7)
    z = data.outcome_beta / data.outcome_se
    got = ld_mismatch(z, data.ld, ridge=0.05)
    t, turned = diagnostics.ld_mismatch(z, data.ld, epsilon=0.05)
    np.testing.assert_allclose(got.t, t, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(got.t_flipped, turned, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_strands_of_a_palindrome(seed: int) -> None:
    rng = np.random.default_rng(seed)
    f, v, prior = rng.uniform(0.3, 0.7, 4), rng.uniform(0.001, 0.01, 4), rng.uniform(0.05, 0.5, 4)
    want = alleles.strand_posterior(f, v, prior)
    got = strand_log_odds(f, v, prior)
    np.testing.assert_allclose(alleles.strand_probability(got), want, rtol=1e-8)
