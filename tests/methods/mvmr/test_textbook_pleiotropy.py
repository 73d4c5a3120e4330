"""The textbook on direct effects: closed forms, other algorithms, brute force."""

from __future__ import annotations

import numpy as np
import pytest

from refsolve.methods.mvmr.textbook import (
    pleiotropy,
    regression,
)
from tests.methods.mvmr.loci import ROUNDING, SEARCHED, locus, whitened


def test_constant_eigenvalues_give_corrected_least_squares() -> None:
    y, x, _, sigma = whitened(locus(seed=11))
    y = y + 3 * np.random.default_rng(11).standard_normal(12)
    got = pleiotropy.balanced(y, x, np.ones(12), sigma)
    want = np.linalg.solve(x.T @ x - (12 - 2) * sigma, x.T @ y)
    np.testing.assert_allclose(got.theta, want, rtol=1e-8)
    v = np.sum((y - x @ want) ** 2) / 10
    assert got.tau2 == pytest.approx(v - 1 - want @ sigma @ want, rel=1e-7)


def test_quiet_data_have_no_balanced_effects_and_are_liml() -> None:
    case = locus(seed=12, noise=0.3)
    y, x, lam, sigma = whitened(case)
    got = pleiotropy.balanced(y, x, lam, sigma)
    assert got.tau2 == 0
    want = regression.liml(y, x, sigma)
    np.testing.assert_allclose(got.theta, want.theta, **SEARCHED)
    np.testing.assert_allclose(got.cov, want.cov, rtol=1e-5)


@pytest.mark.parametrize("power", [1, -1])
def test_balanced_estimates_solve_both_equations(power: int) -> None:
    y, x, lam, sigma = whitened(locus(seed=13))
    lam = lam**power
    y = y + 4 * np.sqrt(lam) * np.random.default_rng(13).standard_normal(12)
    got = pleiotropy.balanced(y, x, lam, sigma)
    assert got.tau2 > 0
    left = pleiotropy.theta_equation(got.theta, y, x, got.tau2, lam, sigma)
    np.testing.assert_allclose(left, 0, atol=1e-8)
    assert pleiotropy.tau2_equation(got.tau2, y, x, lam, sigma) == pytest.approx(0, abs=1e-8)


def test_standard_error_carries_the_estimated_variance() -> None:
    rng = np.random.default_rng(14)
    j, theta, sigma = 60, np.array([0.8]), np.array([[1.5]])
    signal = 2.0 * rng.standard_normal((j, 1))
    found, stated = [], []
    for _ in range(3000):
        x = signal + rng.standard_normal((j, 1)) * np.sqrt(sigma)
        y = signal @ theta + np.sqrt(1 + 3.0) * rng.standard_normal(j)
        estimate = np.linalg.solve(x.T @ x - (j - 1) * sigma, x.T @ y)  # tau² at its estimate
        v = np.full(j, np.sum((y - x @ estimate) ** 2) / (j - 1))
        found.append(estimate[0])
        stated.append(pleiotropy.balanced_covariance(x, v, estimate, np.ones(j), sigma)[0, 0])
    assert np.sqrt(np.median(stated)) == pytest.approx(np.std(found), rel=0.06)


def test_weights_are_the_derivatives_of_their_losses() -> None:
    u, step = np.linspace(-6, 6, 25), 1e-6

    def psi(t: np.ndarray) -> np.ndarray:
        return t * pleiotropy.tukey_weight(t)

    slope = (psi(u + step) - psi(u - step)) / (2 * step)
    np.testing.assert_allclose(pleiotropy.tukey_slope(u), slope, atol=1e-6)
    np.testing.assert_allclose(pleiotropy.huber_weight([0.5, -2.69]), [1, 0.5], **ROUNDING)
    assert pleiotropy.tukey_weight(5.0) == 0


def test_least_trimmed_squares_ignore_what_does_not_belong() -> None:
    y, x, _, _ = whitened(locus(j=11, seed=15))
    spoilt = y.copy()
    spoilt[[1, 4, 6]] += [100.0, -80.0, 60.0]
    got = pleiotropy.least_trimmed(spoilt, x, kept=7)
    best = np.argsort((spoilt - x @ got) ** 2)[:7]
    assert not {1, 4, 6} & set(best)
    np.testing.assert_allclose(got, np.linalg.lstsq(x[best], spoilt[best], rcond=None)[0])
    np.testing.assert_allclose(pleiotropy.least_trimmed(y, x, kept=11), np.linalg.pinv(x) @ y)


def test_robust_fit_ignores_rows_that_are_far_off() -> None:
    y, x, _, sigma = whitened(locus(j=12, seed=16))
    clean = pleiotropy.robust(y, x, 0 * sigma, pleiotropy.least_trimmed(y, x, 7))
    y_bad = y.copy()
    y_bad[[3, 8]] += 200
    got = pleiotropy.robust(y_bad, x, 0 * sigma, pleiotropy.least_trimmed(y_bad, x, 7))
    np.testing.assert_array_equal(got.weights[[3, 8]], 0)
    np.testing.assert_allclose(got.theta, clean.theta, atol=0.15)
    least = np.linalg.lstsq(x, y_bad, rcond=None)[0]
    assert np.abs(least - clean.theta).max() > 0.5


def test_robust_fit_with_wide_tuning_is_liml() -> None:
    y, x, _, sigma = whitened(locus(seed=17))
    want = regression.liml(y, x, sigma)
    got = pleiotropy.robust(y, x, sigma, np.zeros(2), c=1e7)
    np.testing.assert_allclose(got.theta, want.theta, rtol=1e-8)
    q = np.sum((y - x @ want.theta) ** 2) / (1 + want.theta @ sigma @ want.theta)
    np.testing.assert_allclose(got.cov, want.cov * q / 10, rtol=1e-8)


def test_removing_a_variant_is_modelling_its_effect() -> None:
    b_x, b_y, _, se_y, r, _ = locus(seed=18)
    omega, one = regression.covariance(se_y, r), np.eye(12)[:, [4]]
    modelled = regression.gls(np.hstack([b_x, one]), b_y, omega)
    keep = np.delete(np.arange(12), 4)
    removed = regression.gls(b_x[keep], b_y[keep], omega[np.ix_(keep, keep)])
    np.testing.assert_allclose(modelled.theta[:2], removed.theta, **ROUNDING)
    np.testing.assert_allclose(modelled.q, removed.q, **ROUNDING)
    whole = regression.gls(b_x, b_y, omega)
    z = pleiotropy.shift_z(whole.projector, b_y, pleiotropy.shift_columns(se_y, r, "variant"))
    assert whole.q - removed.q == pytest.approx(z[4] ** 2, rel=1e-8)


@pytest.mark.parametrize("shape", ["variant", "ld"])
def test_the_shape_that_was_planted_needs_fewest_effects(shape: pleiotropy.Shape) -> None:
    b_x, b_y, _, se_y, r, _ = locus(j=24, seed=19)
    columns = pleiotropy.shift_columns(se_y, r, shape)
    b_y = b_y + columns[:, [5, 14]] @ [25.0, -30.0]
    other: pleiotropy.Shape = "ld" if shape == "variant" else "variant"
    right, _ = pleiotropy.explain_residuals(b_x, b_y, se_y, r, shape, limit=4.0)
    wrong, _ = pleiotropy.explain_residuals(b_x, b_y, se_y, r, other, limit=4.0)
    assert sorted(right) == [5, 14]
    assert len(wrong) > 2


def test_outlier_removal_drops_what_was_planted_and_nothing_else() -> None:
    b_x, b_y, _, se_y, r, _ = locus(j=24, seed=20)
    kept, before = pleiotropy.remove_outliers(b_x, b_y, se_y, r, limit=4.0)
    assert kept.all()
    b_y = b_y + se_y * np.where(np.isin(np.arange(24), [3, 11]), 20.0, 0.0)
    kept, fit = pleiotropy.remove_outliers(b_x, b_y, se_y, r, limit=4.0)
    assert np.flatnonzero(~kept).tolist() == [3, 11]
    np.testing.assert_allclose(fit.theta, before.theta, atol=0.05)


def test_removal_stops_while_the_effects_are_identified() -> None:
    b_x, b_y, _, se_y, r, _ = locus(j=6, seed=21)
    kept, _ = pleiotropy.remove_outliers(b_x, b_y + 1e3 * se_y, se_y, r, limit=1e-9)
    assert kept.sum() == 3
    chosen, _ = pleiotropy.explain_residuals(b_x, b_y, se_y, r, "ld", limit=1e-9)
    assert len(chosen) == 3


@pytest.mark.parametrize("shape", ["variant", "ld"])
def test_every_set_is_tried_where_steps_would_go_astray(shape: pleiotropy.Shape) -> None:
    b_x, b_y, _, se_y, r, _ = locus(j=12, seed=22)
    omega = regression.covariance(se_y, r)
    columns = pleiotropy.shift_columns(se_y, r, shape)
    side = np.sign(r[4, 5])  # neighbours that push alike
    b_y = b_y + columns[:, [4, 5, 9]] @ [20.0, 20.0 * side, -15.0]
    got = pleiotropy.best_direct_effects(b_x, b_y, omega, columns, most=4)
    assert got.members == (4, 5, 9)
    fit = regression.gls(np.hstack([b_x, columns[:, [4, 5, 9]]]), b_y, omega)
    assert got.q == pytest.approx(fit.q, rel=1e-8)
    assert got.criterion == pytest.approx(
        fit.q + 3 * np.log(12) + 2 * np.log(220) if fit.q < 12 else got.criterion, rel=1e-8
    )
    other = pleiotropy.shift_columns(se_y, r, "ld" if shape == "variant" else "variant")
    wrong = pleiotropy.best_direct_effects(b_x, b_y, omega, other, most=4)
    assert wrong.criterion > got.criterion + 5


def test_quiet_data_have_no_direct_effects() -> None:
    b_x, b_y, _, se_y, r, _ = locus(j=10, seed=23)
    columns = pleiotropy.shift_columns(se_y, r, "ld")
    got = pleiotropy.best_direct_effects(b_x, b_y, regression.covariance(se_y, r), columns, most=2)
    assert got.members == ()
    assert got.criterion == pytest.approx(pleiotropy.set_criterion(got.q, 10, 10, 0), rel=1e-12)


def test_constrained_likelihood_tries_every_set() -> None:
    b_x, b_y, se_x, se_y, r, c = locus(j=7, seed=22)
    b_y = b_y + se_y * np.where(np.arange(7) == 2, 30.0, 0.0)
    got = pleiotropy.constrained_likelihood(b_x, b_y, se_x, se_y, r, c, n=1e4, most=2)
    assert got.invalid == (2,)
    assert got.bic == pytest.approx(got.q + np.log(1e4), rel=1e-12)
    keep = np.delete(np.arange(7), 2)
    case = (b_x[keep], b_y[keep], se_x[keep], se_y[keep], r[np.ix_(keep, keep)], c)
    y, x, _, sigma = whitened(case)
    np.testing.assert_allclose(got.theta, regression.liml(y, x, sigma).theta, rtol=1e-5, atol=1e-6)
