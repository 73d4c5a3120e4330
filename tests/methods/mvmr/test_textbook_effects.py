"""The textbook on effects and diagnostics: closed forms, other algorithms, symmetries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2

from refsolve.methods.mvmr.textbook import (
    diagnostics,
    pleiotropy,
    regression,
)
from tests.methods.mvmr.loci import ROUNDING, locus, whitened

# --- effects -----------------------------------------------------------------------------------


def test_gls_is_least_squares_after_either_whitening() -> None:
    case = locus()
    b_x, b_y, _, se_y, r, _ = case
    omega = regression.covariance(se_y, r)
    fit = regression.gls(b_x, b_y, omega)
    y, x, _, _ = whitened(case)
    for rows in (
        (x, y),
        (regression.cholesky_whiten(b_x, omega), regression.cholesky_whiten(b_y, omega)),
    ):
        theta, q, *_ = np.linalg.lstsq(*rows, rcond=None)
        np.testing.assert_allclose(theta, fit.theta, **ROUNDING)
        np.testing.assert_allclose(q, fit.q, **ROUNDING)


def test_projector_forgets_the_exposures() -> None:
    b_x, b_y, _, se_y, r, _ = locus()
    omega = regression.covariance(se_y, r)
    p = regression.gls(b_x, b_y, omega).projector
    np.testing.assert_allclose(p @ b_x, 0, atol=1e-8)
    np.testing.assert_allclose(p @ omega @ p, p, rtol=1e-8, atol=1e-8)
    assert np.trace(p @ omega) == pytest.approx(12 - 2, rel=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_counting_other_alleles_or_reordering_changes_nothing(seed: int) -> None:
    case = locus(seed=seed)
    b_x, b_y, se_x, se_y, r, c = case
    rng = np.random.default_rng(seed)
    sign, order = rng.choice([-1.0, 1.0], 12), rng.permutation(12)
    turned = (
        (sign[:, np.newaxis] * b_x)[order],
        (sign * b_y)[order],
        se_x[order],
        se_y[order],
        (r * np.outer(sign, sign))[np.ix_(order, order)],
        c,
    )
    for one in (
        lambda d: regression.gls(d[0], d[1], regression.covariance(d[3], d[4])).theta,
        lambda d: regression.egger(d[0], d[1], d[3], d[4]).theta,
        lambda d: regression.liml(*(whitened(d)[i] for i in (0, 1, 3))).theta,
        lambda d: regression.conditional_f(*(whitened(d)[i] for i in (1, 3))),
        lambda d: pleiotropy.balanced(*whitened(d)).theta,
    ):
        np.testing.assert_allclose(one(turned), one(case), rtol=1e-6, atol=1e-8)


def test_rescaled_exposures_rescale_their_effects_only() -> None:
    b_x, b_y, se_x, se_y, r, c = locus()
    unit = np.array([10.0, 0.3])
    case, other = (whitened(d) for d in (locus(), (unit * b_x, b_y, unit * se_x, se_y, r, c)))
    one, two = (regression.liml(y, x, s) for y, x, _, s in (case, other))
    np.testing.assert_allclose(two.theta * unit, one.theta, **ROUNDING)
    np.testing.assert_allclose(two.q, one.q, **ROUNDING)
    np.testing.assert_allclose(np.diag(two.cov) * unit**2, np.diag(one.cov), rtol=1e-8)


def test_without_noise_in_the_exposures_liml_is_gls() -> None:
    case = locus()
    y, x, _, sigma = whitened(case)
    fit = regression.gls(case[0], case[1], regression.covariance(case[3], case[4]))
    got = regression.liml(y, x, 0 * sigma)
    np.testing.assert_allclose(got.theta, fit.theta, **ROUNDING)
    np.testing.assert_allclose(got.cov, fit.cov, **ROUNDING)
    np.testing.assert_allclose(got.q, fit.q, **ROUNDING)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_liml_is_the_minimum_that_a_search_finds(k: int) -> None:
    b_x, b_y, se_x, se_y, r, c = case = locus(k=k, seed=4)
    y, x, _, sigma = whitened(case)
    got = regression.liml(y, x, sigma)
    noise = regression.summary_noise(se_x, c, r)
    theta, q = regression.cue(b_y, b_x, regression.covariance(se_y, r), noise)
    np.testing.assert_allclose(theta, got.theta, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(q, got.q, rtol=1e-9)


def test_searched_minimum_is_stationary_without_a_common_ratio() -> None:
    b_x, b_y, se_x, se_y, r, c = locus(seed=5)
    uneven = se_x * np.random.default_rng(5).uniform(0.6, 1.5, se_x.shape)
    parts = (b_y, b_x, regression.covariance(se_y, r), regression.summary_noise(uneven, c, r))
    theta, q = regression.cue(*parts)
    for step in (1e-3, -1e-3):
        for i in range(2):
            near = theta + step * np.eye(2)[i]
            assert regression.cue_objective(near, *parts) > q


def test_conditional_f_is_the_minimum_over_the_other_exposures_for_each() -> None:
    y, x, _, sigma = whitened(locus(k=3, seed=6))
    del y
    strength = regression.conditional_f(x, sigma)
    for i in range(3):
        others, root = np.delete(np.arange(3), i), 12 - 3 + 1

        def q(delta: np.ndarray, i: int = i, others: np.ndarray = others) -> float:
            a = np.zeros(3)
            a[i], a[others] = 1.0, -delta
            return float(np.sum((x @ a) ** 2) / (a @ sigma @ a))

        found = min(
            minimize(q, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9}).fun
            for start in itertools.product([-3.0, 0.0, 3.0], repeat=2)
        )
        assert found / root == pytest.approx(strength, rel=1e-6)
        assert regression.partial_f(x, sigma)[i] >= strength


def test_one_exposure_has_the_usual_f() -> None:
    _, x, _, sigma = whitened(locus(k=1))
    want = np.sum(x**2) / sigma[0, 0] / 12
    assert regression.conditional_f(x, sigma) == pytest.approx(want, rel=1e-12)
    np.testing.assert_allclose(regression.partial_f(x, sigma), [want])


def test_additive_variance_brings_q_to_its_degrees_of_freedom() -> None:
    b_x, b_y, _, se_y, r, _ = locus()
    omega = regression.covariance(se_y, r)
    noisy = b_y + 3 * se_y * np.random.default_rng(7).standard_normal(12)
    shape = np.diag(se_y**2)
    tau2 = regression.additive_variance(b_x, noisy, omega, shape)
    assert tau2 > 1
    assert regression.gls(b_x, noisy, omega + tau2 * shape).q == pytest.approx(10, rel=1e-8)
    calm = regression.gls(b_x, b_y, omega)
    exact = b_x @ calm.theta
    assert regression.additive_variance(b_x, exact, omega, shape) == 0
    assert regression.overdispersion(30.0, 10) == 3
    assert regression.overdispersion(3.0, 10) == 1


def test_egger_recovers_a_constant_direct_effect() -> None:
    b_x, _, _, se_y, r, _ = locus()
    turned = np.where(b_x[:, 1] < 0, -1.0, 1.0)
    got = regression.egger(b_x, b_x @ [0.4, -0.2] + 0.05 * turned, se_y, r, orient=1)
    np.testing.assert_allclose(got.theta, [0.05, 0.4, -0.2], **ROUNDING)


def test_all_components_are_all_the_data() -> None:
    b_x, b_y, se_x, se_y, r, c = locus(seed=8)
    w = regression.principal_components(b_x, se_y, r, share=1 - 1e-15)
    np.testing.assert_allclose(w.T @ w, np.eye(w.shape[1]), atol=1e-10)
    theta, q, n = regression.pc_gmm(b_x, b_y, se_x, se_y, r, c, share=1 - 1e-15)
    assert n == 12
    full = regression.cue(
        b_y, b_x, regression.covariance(se_y, r), regression.summary_noise(se_x, c, r)
    )
    np.testing.assert_allclose(theta, full[0], rtol=1e-5)
    np.testing.assert_allclose(q, full[1], rtol=1e-6)
    assert regression.pc_gmm(b_x, b_y, se_x, se_y, r, c, share=0.9)[2] < 12


def test_joint_effects_of_one_trait_are_those_of_a_joint_regression() -> None:
    rng = np.random.default_rng(9)
    n, j = 300, 4
    g = rng.standard_normal((n, j)) @ np.linalg.cholesky(locus(j)[4]).T * [1.0, 2.0, 0.5, 1.0]
    g -= g.mean(0)
    y = g @ [0.1, -0.1, 0.3, 0.0] + rng.standard_normal(n)
    y = (y - y.mean()) / y.std()
    squares = np.sum(g**2, axis=0)
    b = g.T @ y / squares
    se = np.sqrt((n - squares * b**2) / n / squares)  # n se² + b² = var(y) / var(g)
    got, cov = regression.joint_effects(b, se, n, np.corrcoef(g.T))
    want = np.linalg.solve(g.T @ g, g.T @ y)
    left = y - g @ want
    np.testing.assert_allclose(got, want, rtol=1e-9)
    np.testing.assert_allclose(cov, left @ left / (n - j + 1) * np.linalg.inv(g.T @ g), rtol=1e-8)
    blocks = regression.joint_noise(b[:, None], se[:, None], n, np.corrcoef(g.T), np.eye(1))
    np.testing.assert_allclose(blocks[0, 0], cov, rtol=1e-8)


def test_standard_error_of_liml_carries_the_noise_of_the_exposures() -> None:
    rng = np.random.default_rng(10)
    # a strong effect: the last term of B makes 15 % of the standard error, either way
    j, theta, sigma = 80, np.array([3.0, -1.5]), np.array([[1.0, 0.3], [0.3, 1.5]])
    signal = 2.0 * rng.standard_normal((j, 2))
    root = np.linalg.cholesky(sigma)
    fits = []
    for _ in range(3000):
        x = signal + rng.standard_normal((j, 2)) @ root.T
        fits.append(regression.liml(signal @ theta + rng.standard_normal(j), x, sigma))
    found = np.array([fit.theta for fit in fits])
    stated = np.array([np.diag(fit.cov) for fit in fits])
    sd = found.std(axis=0)
    # SD of an SD from 3,000 draws: 1.3 %; the formula is first order in 1 / strength
    np.testing.assert_allclose(np.sqrt(np.median(stated, axis=0)), sd, rtol=0.06)
    np.testing.assert_allclose(found.mean(axis=0), theta, rtol=0.02)


# --- diagnostics -------------------------------------------------------------------------------


def test_heterogeneity_and_leverage() -> None:
    assert diagnostics.heterogeneity(20.0, 10) == (pytest.approx(chi2.sf(20, 10)), 0.5)
    assert diagnostics.heterogeneity(5.0, 10)[1] == 0
    _, x, _, _ = whitened(locus())
    h = diagnostics.leverage(x)
    assert h.sum() == pytest.approx(2, rel=1e-12)
    assert ((h > 0) & (h < 1)).all()


def test_leaving_one_out_is_modelling_one_effect() -> None:
    b_x, b_y, _, se_y, r, _ = locus(seed=26)
    got = diagnostics.leave_one_out(b_x, b_y, se_y, r)
    for j in (0, 7):
        design = np.hstack([b_x, np.eye(12)[:, [j]]])
        want = regression.gls(design, b_y, regression.covariance(se_y, r)).theta[:2]
        np.testing.assert_allclose(got[j], want, **ROUNDING)


def test_a_turned_sign_stands_out() -> None:
    lag = np.abs(np.subtract.outer(np.arange(10), np.arange(10)))
    r = 0.9**lag
    rng = np.random.default_rng(27)
    z = r @ np.where(np.arange(10) == 4, 12.0, 0.0) + np.linalg.cholesky(r) @ rng.normal(size=10)
    fine, other = diagnostics.ld_mismatch(z, r)
    assert (fine**2 - other**2 < 10).all()
    z[4] *= -1
    t, turned = diagnostics.ld_mismatch(z, r)
    assert t[4] ** 2 - turned[4] ** 2 > 10
    inverse = np.linalg.inv(r)
    np.testing.assert_allclose(t, inverse @ z / np.sqrt(np.diag(inverse)), rtol=1e-8)


def test_deconvolved_exposures_have_the_moments_of_the_signal() -> None:
    _, x, _, sigma = whitened(locus())
    clean = diagnostics.deconvolved(x, sigma)
    np.testing.assert_allclose(clean.T @ clean, x.T @ x - 12 * sigma, rtol=1e-8)
    np.testing.assert_allclose(diagnostics.deconvolved(x, 0 * sigma), x, rtol=1e-8)
    assert np.linalg.eigvalsh(diagnostics.deconvolved(x, 1e6 * sigma).T @ x).min() > -1e-6
