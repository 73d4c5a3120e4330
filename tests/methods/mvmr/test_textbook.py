"""The textbook against closed forms, other algorithms, brute force and symmetries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.optimize import minimize, minimize_scalar
from scipy.special import logit
from scipy.stats import chi2, multivariate_normal, norm

from refsolve.methods.mvmr.textbook import (
    alleles,
    diagnostics,
    pleiotropy,
    regression,
    scale,
    selection,
    winners,
)

ROUNDING = {"rtol": 1e-10, "atol": 1e-12}
SEARCHED = {"rtol": 1e-6, "atol": 1e-7}

CASE = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def locus(j: int = 12, k: int = 2, seed: int = 0, ratio: float = 2.0, noise: float = 1.0) -> CASE:
    """b_x, b_y, se_x, se_y, r, c of a small locus with a common ratio of standard errors."""
    rng = np.random.default_rng(seed)
    lag = np.abs(np.subtract.outer(np.arange(j), np.arange(j)))
    sign = rng.choice([-1.0, 1.0], j)
    r = 0.6**lag * np.outer(sign, sign)
    se_y = rng.uniform(0.01, 0.02, j)
    se_x = ratio * se_y[:, np.newaxis] * rng.uniform(0.8, 1.2, k)
    c = np.full((k, k), 0.3) + 0.7 * np.eye(k)
    root = np.linalg.cholesky(r)
    x = 6 * rng.standard_normal((j, k))
    theta = np.linspace(0.4, -0.2, k)
    mean_x, mean_y = se_x * (r @ x), se_y * (r @ ((se_x / se_y[:, np.newaxis] * x) @ theta))
    e_x = se_x * (root @ rng.standard_normal((j, k)) @ np.linalg.cholesky(c).T)
    e_y = se_y * (root @ rng.standard_normal(j))
    return mean_x + noise * e_x, mean_y + noise * e_y, se_x, se_y, r, c


def whitened(case: CASE) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """y, x, eigenvalues and noise of a row of x."""
    b_x, b_y, se_x, se_y, r, c = case
    lam, y = regression.whiten(b_y, se_y, r)
    return y, regression.whiten(b_x, se_y, r)[1], lam, regression.exposure_noise(se_x, se_y, c)


# --- alleles -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pair, kind",
    [
        (("A", "G"), "same"),
        (("G", "A"), "swapped"),
        (("T", "C"), "strand"),
        (("C", "T"), "strand_swapped"),
        (("A", "C"), "incompatible"),
        (("", "G"), "missing"),
    ],
)
def test_a_pair_lies_on_the_reference_in_one_of_four_ways(pair: tuple[str, str], kind: str) -> None:
    assert alleles.relation(*pair, "A", "G") == kind


def test_palindromes_are_their_own_complement() -> None:
    assert alleles.relation("C", "G", "C", "G") == "palindrome"
    assert alleles.relation("G", "C", "C", "G") == "palindrome_swapped"
    assert alleles.relation("A", "T", "C", "G") == "incompatible"


def test_indels_are_read_from_the_other_strand_backwards() -> None:
    assert alleles.complement("AAG") == "CTT"
    assert alleles.relation("CTT", "C", "AAG", "G") == "strand"
    assert alleles.recode_indel("I", "D", "A", "AT") == ("AT", "A")
    assert alleles.recode_indel("I", "D", "A", "G") == ("I", "D")


def test_strand_evidence_is_linear_in_the_distance_from_one_half() -> None:
    f, f_ref, n, n_ref = 0.27, 0.2, 500, 900
    v = 0.16 * (1 / 1000 + 1 / 1800) + 0.02**2
    want = logit(0.01) + (1 - 2 * f_ref) * (2 * f - 1) / (2 * v)
    np.testing.assert_allclose(
        alleles.strand_log_odds(f, f_ref, n, n_ref, 0.01), want, rtol=1e-12, atol=0
    )
    assert alleles.strand_log_odds(0.5, 0.2, n, n_ref, 0.5) == pytest.approx(0, abs=1e-12)


def test_strand_prior_stays_inside_zero_and_one() -> None:
    assert alleles.strand_prior(0, 0) == 0.5
    assert 0 < alleles.strand_prior(0, 50) < 0.01
    assert alleles.strand_prior(50, 50) == 1 - alleles.strand_prior(0, 50)


def test_enumeration_over_two_studies_is_the_pairwise_rule_when_one_is_trusted() -> None:
    f, f_ref, v = 0.55, 0.3, 0.002
    got = alleles.strand_posterior([f, f_ref], [v, 1e-9], [0.1, 1e-30])[0]
    sd = np.sqrt(v + 1e-9)
    odds = logit(0.1) + norm.logpdf(f, 1 - f_ref, sd) - norm.logpdf(f, f_ref, sd)
    np.testing.assert_allclose(logit(got), odds, rtol=1e-6, atol=0)


def test_enumeration_knows_only_what_frequencies_and_rates_say() -> None:
    flat = alleles.strand_posterior([0.5, 0.5], [0.001, 0.001], [0.2, 0.4])
    np.testing.assert_allclose(flat, [0.2, 0.4], **ROUNDING)
    apart = alleles.strand_posterior([0.2, 0.21, 0.79], [0.001] * 3, [0.02] * 3)
    assert apart[2] > 0.95 > 0.05 > apart[:2].max()
    turned = alleles.strand_posterior([0.8, 0.79, 0.21], [0.001] * 3, [0.02] * 3)
    np.testing.assert_allclose(turned, apart, **ROUNDING)


@pytest.mark.parametrize("strand", [False, True])
@pytest.mark.parametrize("swap", [False, True])
def test_harmonised_signs_undo_what_was_done(swap: bool, strand: bool) -> None:
    reference = [("A", "G"), ("T", "C"), ("A", "T"), ("G", "C"), ("G", "T")]
    f_ref = np.array([0.1, 0.4, 0.15, 0.8, 0.55])
    pairs = [tuple(map(alleles.complement, p)) if strand else p for p in reference]
    pairs = [p[::-1] if swap else p for p in pairs]
    f = 1 - f_ref if swap else f_ref
    done = alleles.harmonise(
        *zip(*pairs, strict=True), f, *zip(*reference, strict=True), f_ref, 1e4, 1e4
    )
    assert [row.sign for row in done] == [-1 if swap else 1] * 5
    np.testing.assert_allclose([row.frequency for row in done], f_ref, **ROUNDING)
    assert not any(row.conflict for row in done)


def test_what_cannot_be_oriented_is_set_aside_and_conflicts_are_marked() -> None:
    done = alleles.harmonise(
        ["A", "C", "C", "A", ""],
        ["G", "G", "G", "G", "G"],
        [0.9, 0.49, np.nan, 0.12, 0.1],
        ["A", "C", "C", "A", "A"],
        ["G", "G", "G", "G", "G"],
        [0.1, 0.49, 0.1, 0.1, 0.1],
        1e4,
        1e4,
    )
    assert [row.conflict for row in done] == [True, False, False, False, False]
    assert [row.kept for row in done] == [True, False, False, True, False]
    assert [row.sign for row in done] == [1, 0, 0, 1, 0]


# --- scale ---------------------------------------------------------------------------------------


def test_units_of_a_logarithm() -> None:
    value = 7.3
    for unit, log in (("ln", np.log), ("log2", np.log2), ("log10", np.log10)):
        assert log(value) * scale.to_log10(unit) == pytest.approx(np.log10(value), rel=1e-14)


def test_pooled_sd_is_the_residual_of_a_fit_of_batch_means() -> None:
    rng = np.random.default_rng(1)
    batch = rng.integers(0, 4, 60)
    value = rng.standard_normal(60) + 5 * batch
    design = (batch[:, np.newaxis] == np.arange(4)).astype(float)
    left = value - design @ np.linalg.lstsq(design, value, rcond=None)[0]
    want = np.sqrt(left @ left / (60 - 4))
    assert scale.pooled_sd(value, batch) == pytest.approx(want, rel=1e-12)
    means = [value[batch == b].mean() for b in range(4)]
    total = scale.total_sd(want, means, np.bincount(batch))
    # total_sd counts n - B degrees of freedom within batches, as pooled_sd does
    assert total == pytest.approx(value.std(ddof=1), rel=1e-12)


def test_log_spread_has_the_stated_error() -> None:
    rng = np.random.default_rng(2)
    batch = np.repeat(np.arange(3000), 20)
    log_sd, error = scale.log_spread(rng.standard_normal(batch.size), batch)
    # SD of an SD from 3,000 batches: 1.3 %; the formula is first order in 1/n
    assert log_sd.std() == pytest.approx(error[0], rel=0.07)


def test_allele_sd_from_its_standard_error() -> None:
    f, n = np.array([0.1, 0.5]), 1000
    se = 2.5 / (np.sqrt(n) * scale.allele_sd(f))
    np.testing.assert_allclose(scale.allele_sd_from_se(se, n, 2.5), [np.sqrt(0.18), np.sqrt(0.5)])


@pytest.mark.parametrize("prevalence", [0.01, 0.2, 0.5, 0.9])
def test_liability_factor_is_the_slope_of_the_log_odds(prevalence: float) -> None:
    threshold, step = norm.isf(prevalence), 1e-5
    slope = (logit(norm.sf(threshold - step)) - logit(norm.sf(threshold + step))) / (2 * step)
    assert 1 / scale.liability_factor(prevalence) == pytest.approx(slope, rel=1e-6)
    assert scale.observed_factor(prevalence) == prevalence * (1 - prevalence)


# --- selection -----------------------------------------------------------------------------------


def test_conditional_scores_are_those_of_a_joint_regression() -> None:
    rng = np.random.default_rng(3)
    n = 400
    g = rng.standard_normal((n, 4)) @ np.linalg.cholesky(locus(4)[4]).T
    g = (g - g.mean(0)) / g.std(0)
    y = g @ [0.1, 0.0, 0.2, 0.0] + rng.standard_normal(n)
    y = y - y.mean()
    z, r = g.T @ y / np.sqrt(n), g.T @ g / n  # noise of SD 1
    inverse = np.linalg.inv(g.T @ g)
    joint = inverse @ g.T @ y / np.sqrt(np.diag(inverse))
    np.testing.assert_allclose(selection.joint_z(z, r, [0, 1, 2, 3]), joint, **ROUNDING)
    np.testing.assert_allclose(selection.conditional_z(z, r, []), z, **ROUNDING)
    np.testing.assert_array_equal(selection.conditional_z(z, r, [1])[1], 0)


def test_stepwise_finds_two_signals_and_drops_their_shadow() -> None:
    r = np.array([[1.0, 0.5, -0.1], [0.5, 1.0, 0.5], [-0.1, 0.5, 1.0]])
    z = r @ [15.0, 0.0, 15.0]  # the variant between carries the largest marginal score
    assert np.argmax(z) == 1
    assert selection.stepwise(z, r, limit=5.0) == [0, 2]
    assert selection.clump(z, r, r2=0.2, threshold=1e-6) == [1]


def test_stepwise_leaves_out_what_is_nearly_determined() -> None:
    r = np.array([[1.0, 0.99], [0.99, 1.0]])
    assert selection.stepwise([20.0, 8.0], r, limit=5.0, collinear=0.9) == [0]
    assert selection.stepwise([20.0, 8.0], r, limit=5.0, collinear=0.999) == [0, 1]


def test_union_and_clumps_use_two_sided_p() -> None:
    z = np.array([[-6.0, 0.0], [1.0, 6.0], [5.0, 5.0]])
    assert selection.marginal_union(z, 5e-8).tolist() == [True, True, False]
    assert selection.clump(z[:, 0], np.eye(3), 0.1, 1e-6) == [0, 2]


# --- effects -------------------------------------------------------------------------------------


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


# --- direct effects ------------------------------------------------------------------------------


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


# --- winner's curse ------------------------------------------------------------------------------


@pytest.mark.parametrize("mu", [-6.5, -1.0, 0.0, 2.0, 5.0, 9.0])
def test_selected_moments_are_integrals(mu: float) -> None:
    c = 5.45
    weight = [
        quad(lambda z, k=k: z**k * norm.pdf(z - mu), *span, epsabs=1e-300, epsrel=1e-12)[0]
        for k in (0, 1)
        for span in ((c, c + 12), (-c - 12, -c))
    ]
    total, first = sum(weight[:2]), sum(weight[2:])
    assert np.exp(winners.log_selected(mu, c)) == pytest.approx(total, rel=1e-6)
    assert winners.selected_mean(mu, c) == pytest.approx(first / total, rel=1e-6, abs=1e-9)
    assert winners.selected_cdf(-c, mu, c) == pytest.approx(weight[1] / total, rel=1e-6, abs=1e-12)
    assert winners.selected_cdf(50.0, mu, c) == 1


@pytest.mark.parametrize("z", [5.5, -5.6, 6.5, 12.0])
@pytest.mark.parametrize("se", [1.0, 0.003])
def test_conditional_mle_is_the_maximum_at_any_scale(z: float, se: float) -> None:
    c = 5.45
    got = winners.conditional_mle(z * se, se, c) / se
    best = minimize_scalar(
        lambda mu: 0.5 * (z - mu) ** 2 + winners.log_selected(mu, c),
        bounds=sorted((0, z)),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert got == pytest.approx(best.x, rel=1e-5, abs=1e-6)
    assert abs(got) <= abs(z)


def test_conditional_interval_covers_as_stated() -> None:
    rng, c = np.random.default_rng(23), 5.45
    for mu in (0.0, 4.0, 7.0):
        tail = norm.sf(c - mu), norm.cdf(-c - mu)
        u = rng.random(600) * sum(tail)
        z = np.where(u < tail[0], mu + norm.isf(u), mu + norm.ppf(np.maximum(u - tail[0], 1e-300)))
        z = z[np.abs(z) > c]
        inside = [lo <= mu <= hi for lo, hi in (winners.conditional_interval(v, 1, c) for v in z)]
        # binomial SD of a coverage of 0.95 from 600: 0.009
        assert np.mean(inside) == pytest.approx(0.95, abs=0.035)


def test_far_from_the_threshold_nothing_is_corrected() -> None:
    assert winners.conditional_mle(20, 1, 5.45) == pytest.approx(20, abs=1e-8)
    assert winners.conditional_mean(20, 1, 5.45) == pytest.approx(20, abs=1e-8)
    low, high = winners.conditional_interval(20, 1, 5.45)
    np.testing.assert_allclose([low, high], [20 - 1.959964, 20 + 1.959964], atol=1e-5)


def test_two_phases_reduce_to_each_phase_alone() -> None:
    alone = winners.conditional_mle(5.8, 1.0, 5.45)
    assert winners.two_phase_mle(5.8, 1, 3, 1e5, 5.45) == pytest.approx(alone, abs=1e-4)
    assert winners.two_phase_mle(5.8, 1, 3, 1e-4, 5.45) == pytest.approx(3, abs=1e-6)
    assert winners.two_phase_mle(5.8, 1, -5.8, 1, 5.45) == 0


def scalar_rao_blackwell(b1: float, s1: float, b2: float, s2: float, c: float) -> float:
    """The published formula for one variant."""
    pooled = (s2**2 * b1 + s1**2 * b2) / (s1**2 + s2**2)
    q = np.hypot(s1, s2)
    up, down = ((pooled - sign * s1 * c) * q / s1**2 for sign in (1, -1))
    share = (norm.pdf(up) - norm.pdf(down)) / (norm.cdf(up) + norm.sf(down))
    return float(pooled - s2**2 / q * share)


def test_rao_blackwell_of_one_variant_is_the_published_formula() -> None:
    for b1, b2 in ((5.9, 4.1), (-6.0, -3.0), (5.5, -1.0)):
        got = winners.rao_blackwell(
            np.array([b1]), np.eye(1), np.array([b2]), np.array([[1.3]]), 5.45, [0]
        )
        want = scalar_rao_blackwell(b1, 1.0, b2, np.sqrt(1.3), 5.45)
        np.testing.assert_allclose(got, [want], rtol=1e-9)


def test_orthant_moments_are_integrals() -> None:
    mean, cov = np.array([0.3, -0.4]), np.array([[1.0, 0.5], [0.5, 2.0]])
    bound = np.array([0.5, 0.2])
    law = multivariate_normal(mean, cov)
    probability, first = winners.orthant_moment(mean, cov, bound)
    spans = (bound[1], 12, bound[0], 12)
    want = [
        dblquad(lambda x, y, f=f: f(x, y) * law.pdf([x, y]), *spans, epsabs=1e-9)[0]
        for f in (lambda x, y: 1.0, lambda x, y: x, lambda x, y: y)
    ]
    np.testing.assert_allclose([probability, *first], want, rtol=1e-6)
    np.testing.assert_allclose(winners.outside_mean(mean, cov, np.zeros(2)), mean, atol=1e-9)


def test_rao_blackwell_stays_unbiased_when_several_variants_were_required() -> None:
    rng = np.random.default_rng(24)
    r = np.array([[1.0, 0.6, 0.2], [0.6, 1.0, 0.4], [0.2, 0.4, 1.0]])
    beta, s2, c = np.array([2.2, 1.8, 0.5]), 1.5 * r, 2.0
    root = np.linalg.cholesky(r)
    b1 = beta + rng.standard_normal((900, 3)) @ root.T
    b1 = b1[(np.abs(b1[:, :2]) > c).all(axis=1)]
    b2 = beta + np.sqrt(1.5) * rng.standard_normal(b1.shape) @ root.T
    pairs = zip(b1, b2, strict=True)
    got = np.array([winners.rao_blackwell(x, r, y, s2, c, [0, 1]) for x, y in pairs])
    error = got.std(axis=0) / np.sqrt(len(got))
    np.testing.assert_array_less(np.abs(got.mean(axis=0) - beta), 4 * error)
    assert (got.std(axis=0)[:2] < b2.std(axis=0)[:2]).all()
    assert (b1.mean(axis=0)[:2] - beta[:2] > 10 * error[:2]).all()  # what it corrects


def test_overlapping_phases_are_made_independent_without_bias() -> None:
    r = locus(4)[4]
    s1, s2, s12 = r, 0.5 * r, 0.3 * r
    beta, rng = np.array([1.0, -2.0, 0.5, 0.0]), np.random.default_rng(25)
    both = np.block([[s1, s12], [s12.T, s2]])
    draws = rng.multivariate_normal(np.tile(beta, 2), both, size=4000)
    new = np.array([winners.independent_part(d[:4], s1, d[4:], s2, s12)[0] for d in draws])
    cov = winners.independent_part(beta, s1, beta, s2, s12)[1]
    np.testing.assert_allclose(new.mean(axis=0), beta, atol=0.06)
    np.testing.assert_allclose(np.cov(new.T), cov, atol=0.06)
    np.testing.assert_allclose(np.cov(draws[:, :4].T, new.T)[:4, 4:], 0, atol=0.06)


# --- diagnostics ---------------------------------------------------------------------------------


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
