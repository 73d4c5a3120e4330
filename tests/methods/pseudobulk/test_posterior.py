"""Dispersions towards a trend and the Wald test: kernels, stored values of DESeq2, behaviour."""

from __future__ import annotations

import numpy as np
import pytest

from refsolve.core.errors import AnalysisError
from refsolve.methods.pseudobulk.estimator import posterior as estimator
from refsolve.methods.pseudobulk.estimator.posterior import posterior_dispersions, shrink, wald_test
from refsolve.methods.pseudobulk.kernels import posterior as kernels
from refsolve.methods.pseudobulk.textbook import posterior as textbook
from tests.methods.pseudobulk.stored import OUTLIER, SETS, counts, design, table

X = np.column_stack([np.ones(8), np.repeat([0.0, 1.0], 4)])
SIZE = np.array([0.7, 1.0, 1.3, 0.9, 1.1, 1.0, 0.8, 1.2])
Y = np.array([[0, 3, 1, 0, 9, 4, 6, 2], [80, 120, 95, 60, 300, 280, 190, 410]], dtype=float)


def test_ridge_fits_are_the_textbook_ones() -> None:
    phi = np.array([0.5, 0.1])
    start = np.log(Y / SIZE + 0.1) @ np.linalg.pinv(X).T
    beta, mu, covariance = kernels.ridge_fits(Y, X, SIZE, phi, start, estimator.RIDGE)
    for g in range(2):
        want = textbook.ridge_fit(Y[g], X, SIZE, phi[g])
        np.testing.assert_allclose(beta[g], want[0], rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(mu[g], want[1], rtol=1e-6)
        np.testing.assert_allclose(covariance[g], want[2], rtol=1e-6)


def test_profiles_and_their_modes_are_the_textbook_ones() -> None:
    mu = np.maximum(SIZE * np.array([[2.0], [150.0]]), 0.5)
    log_phi, work = np.log(np.array([0.3, 0.2])), np.empty((6, 8))
    for g in range(2):
        # The kernel leaves out a constant of the counts.
        change = textbook.profile(log_phi[g], Y[g], mu[g], X) - textbook.profile(-1, Y[g], mu[g], X)
        got = [kernels.profile_at(a, Y[g], mu[g], X, work) for a in (log_phi[g], -1.0)]
        assert got[0] - got[1] == pytest.approx(change, rel=1e-9)
    centre = np.array([-1.0, -3.0])
    got = kernels.modes(Y, X, mu, centre, 0.5, *textbook.SPAN)
    for g in range(2):
        want = textbook.peak(Y[g], mu[g], X, centre[g], 0.5, 10.0)
        assert got[g] == pytest.approx(want, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["ratio", "poscounts"])
@pytest.mark.parametrize("name", SETS)
def test_dispersions_against_stored_values(name: str, form: str) -> None:
    stored = table(f"{name}_deseq2_{form}")
    size = table(f"{name}_deseq2_{form}_sf")["sizeFactor"].to_numpy()
    found = posterior_dispersions(counts(name), design(name), size)
    planted = np.isin(np.arange(len(stored)), [OUTLIER])  # the peer replaces its outlying count
    scarce = counts(name).sum(axis=1) < 2
    fine = ~planted & ~scarce & stored["dispersion"].notna().to_numpy()
    np.testing.assert_allclose(found.trend[fine], stored["dispFit"][fine], rtol=1e-3)
    gap = np.abs(found.used[fine] / stored["dispersion"][fine] - 1.0)
    assert np.mean(gap < 1e-3) > 0.995  # the peer's line search stops early
    assert gap.max() < 2e-3


@pytest.mark.slow
def test_dispersions_are_the_textbook_ones() -> None:
    y, x = counts("batch")[5:205], design("batch")
    size = table("batch_deseq2_ratio_sf")["sizeFactor"].to_numpy()
    got, want = posterior_dispersions(y, x, size), textbook.estimate(y, x, size)
    np.testing.assert_allclose(got.own, want.own, rtol=1e-4)
    np.testing.assert_allclose(got.used, want.used, rtol=1e-4)
    np.testing.assert_allclose(got.coefficients, want.coefficients, rtol=1e-4)
    np.testing.assert_array_equal(got.outlier, want.outlier)


@pytest.mark.parametrize("name", SETS)
def test_wald_against_stored_values(name: str) -> None:
    stored, x = table(f"{name}_deseq2_ratio"), design(name)
    size = table(f"{name}_deseq2_ratio_sf")["sizeFactor"].to_numpy()
    phi = stored["dispersion"].to_numpy()
    found = wald_test(counts(name), x, size, dispersions=phi)
    fine = ~np.isin(np.arange(len(stored)), [OUTLIER]) & stored["pvalue.nocooks"].notna()
    gap = np.abs(found.log2_estimate - stored["log2FC"])[fine]
    assert gap.median() < 2e-5
    assert gap.max() < 2e-3  # the peer stops early
    log = np.abs(np.log10(found.p[fine]) - np.log10(stored["pvalue.nocooks"][fine]))
    assert log.max() < 1e-3
    np.testing.assert_array_equal(np.isnan(found.p), counts(name).sum(axis=1) == 0)


def test_trend_with_one_term_where_two_do_not_fit() -> None:
    mean = np.exp(np.linspace(1.0, 8.0, 200))
    wobble = np.exp(0.2 * np.sin(np.arange(200.0)))
    a0, a1 = estimator.parametric_trend(mean, 0.05 * mean**0.2 * wobble)
    assert a0 == pytest.approx(np.mean(0.05 * mean**0.2 * wobble), rel=0.05)
    assert a1 == 0.0
    a0, a1 = estimator.parametric_trend(mean, 2.0 * wobble * mean**-1.2)
    assert a0 == 0.0
    assert a1 > 0.0
    a0, a1 = estimator.parametric_trend(mean, (0.1 + 2.0 / mean) * wobble / wobble.mean())
    np.testing.assert_allclose([a0, a1], [0.1, 2.0], rtol=0.1)


def test_shrunken_fold_changes_keep_sign_and_order_by_precision() -> None:
    rng = np.random.default_rng(4)
    true = np.where(rng.random(2000) < 0.1, rng.normal(0.0, 2.0, 2000), 0.0)
    se = rng.gamma(4.0, 0.1, 2000)
    estimate = true + se * rng.normal(size=2000)
    small = shrink(estimate, se)
    assert (small * estimate >= 0).all()
    assert (np.abs(small) <= np.abs(estimate) + 1e-9).all()
    assert np.mean((small - true) ** 2) < 0.5 * np.mean((estimate - true) ** 2)
    large = np.abs(estimate) > 8.0 * se
    np.testing.assert_allclose(small[large], estimate[large], rtol=0.1)


def test_shrinking_noise_leaves_next_to_nothing() -> None:
    noise = np.random.default_rng(5).normal(size=3000)
    assert np.abs(shrink(noise, np.ones(3000))).max() < 0.5


def test_what_is_refused() -> None:
    y = np.random.default_rng(1).poisson(20.0, (30, 8)).astype(float)
    with pytest.raises(ValueError, match="one at a time"):
        wald_test(y, X, SIZE, np.eye(2), dispersions=0.1)
    with pytest.raises(ValueError, match="must be positive"):
        wald_test(y, X, SIZE, dispersions=0.0)
    with pytest.raises(AnalysisError, match="fewer than three genes"):
        posterior_dispersions(np.full((5, 8), 10.0), X, np.ones(8))
