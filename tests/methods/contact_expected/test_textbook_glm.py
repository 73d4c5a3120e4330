"""The negative-binomial model: eqs. (13) to (19)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nbinom, poisson

from refsolve.methods.contact_expected import textbook

DRAWS = {"seed": st.integers(0, 10_000), "theta": st.floats(0.2, 200)}


def sample(seed: int, n: int = 400, theta: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.uniform(-1, 1, n), rng.integers(0, 2, n)])
    mu = np.exp(x @ [2.0, -0.8, 0.5])
    return x, rng.poisson(mu * rng.gamma(theta, 1 / theta, n)).astype(np.float64)


# --- likelihood ----------------------------------------------------------------------------------


@given(**DRAWS)
def test_likelihood_is_that_of_scipy_and_counts_times(seed: int, theta: float) -> None:
    rng = np.random.default_rng(seed)
    y, mu, times = rng.poisson(4, 20), rng.uniform(0.1, 9, 20), rng.integers(0, 5, 20)
    one = nbinom.logpmf(y, theta, theta / (theta + mu))
    got = textbook.nb_log_likelihood(y, mu, theta, times)
    assert got == pytest.approx(float(times @ one), rel=1e-10, abs=1e-8)
    assert textbook.nb_log_likelihood(y, mu, np.inf) == pytest.approx(
        float(poisson.logpmf(y, mu).sum()), rel=1e-12
    )


@given(**DRAWS)
def test_score_and_information_of_the_dispersion_are_derivatives(seed: int, theta: float) -> None:
    rng = np.random.default_rng(seed)
    y, mu = rng.poisson(4, 50).astype(float), rng.uniform(0.5, 9, 50)
    step = 1e-4 * theta

    def value(t: float) -> float:
        return textbook.nb_log_likelihood(y, mu, t)

    first, information = textbook.dispersion_score(y, mu, theta)
    central = (value(theta + step) - value(theta - step)) / (2 * step)
    assert first == pytest.approx(central, rel=1e-4, abs=1e-5)
    up, down = (textbook.dispersion_score(y, mu, t)[0] for t in (theta + step, theta - step))
    assert information == pytest.approx(-(up - down) / (2 * step), rel=1e-4, abs=1e-6)


def test_coefficients_are_where_the_gradient_vanishes() -> None:
    x, y = sample(1)
    fit = textbook.fit_nb(x, y)
    mu = np.exp(x @ fit.beta)
    gradient = x.T @ ((y - mu) / (1 + mu / fit.theta))
    np.testing.assert_allclose(gradient, 0, rtol=0, atol=1e-7)
    assert textbook.dispersion_score(y, mu, fit.theta)[0] == pytest.approx(0, abs=1e-7)
    for nudge in (0.9, 1.1):
        assert textbook.nb_log_likelihood(y, mu, nudge * fit.theta) < fit.log_likelihood


def test_means_of_groups_are_the_fit_of_an_intercept_each() -> None:
    x, y = sample(2)
    groups = np.column_stack([1 - x[:, 2], x[:, 2]])
    fit = textbook.fit_nb(groups, y)
    means = [y[x[:, 2] == code].mean() for code in (0, 1)]
    np.testing.assert_allclose(np.exp(fit.beta), means, rtol=1e-10, atol=0)


def test_underdispersed_counts_are_taken_as_poisson() -> None:
    rng = np.random.default_rng(3)
    x, y = np.ones((500, 1)), rng.binomial(20, 0.5, 500).astype(np.float64)
    fit = textbook.fit_nb(x, y)
    assert np.isinf(fit.theta)
    assert np.isnan(fit.theta_se)
    plain = textbook.fit_poisson(x, y)
    np.testing.assert_allclose(fit.beta, plain.beta, rtol=1e-12, atol=0)
    assert fit.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-14)
    assert plain.cov[0, 0] == pytest.approx(1 / y.sum(), rel=1e-9)


def test_estimates_come_back_within_their_standard_errors() -> None:
    z, relative = [], []
    for seed in range(60):
        fit = textbook.fit_nb(*sample(seed, theta=4.0))
        z.append((fit.beta - [2.0, -0.8, 0.5]) / np.sqrt(np.diag(fit.cov)))
        relative.append((fit.theta - 4.0) / fit.theta_se)
    # a mean of 60 has a standard error of 0.13, a standard deviation one of 0.09
    assert np.abs(np.mean(z, axis=0)).max() < 0.5
    assert 0.7 < np.std(z) < 1.3
    assert abs(np.mean(relative)) < 0.6


# --- invariances ---------------------------------------------------------------------------------


def test_depth_of_a_replicate_shifts_its_intercept_only() -> None:
    x, y = sample(4)
    rows = np.column_stack([1 - x[:, 2], x[:, 2], x[:, 1]])
    fit = textbook.fit_nb(rows, y)
    offset = np.where(x[:, 2] == 1, np.log(3.0), 0.0)
    moved = textbook.fit_nb(rows, y, offset=offset)
    np.testing.assert_allclose(moved.beta, fit.beta - [0, np.log(3.0), 0], rtol=1e-10, atol=1e-10)
    assert moved.theta == pytest.approx(fit.theta, rel=1e-9)
    deeper = textbook.fit_poisson(rows, 7 * y)
    plain = textbook.fit_poisson(rows, y)
    np.testing.assert_allclose(
        deeper.beta - plain.beta, [np.log(7), np.log(7), 0], rtol=1e-10, atol=1e-10
    )


def test_order_units_and_repetition_of_rows() -> None:
    x, y = sample(5)
    fit = textbook.fit_nb(x, y)
    order = np.random.default_rng(0).permutation(len(y))
    turned = textbook.fit_nb(x[order], y[order])
    np.testing.assert_allclose(turned.beta, fit.beta, rtol=1e-10, atol=0)
    wide = textbook.fit_nb(x * [1, 100, 1], y)
    np.testing.assert_allclose(wide.beta * [1, 100, 1], fit.beta, rtol=1e-9, atol=0)
    twice = textbook.fit_nb(x, y, times=np.full(len(y), 2.0))
    np.testing.assert_allclose(twice.beta, fit.beta, rtol=1e-9, atol=0)
    np.testing.assert_allclose(2 * twice.cov, fit.cov, rtol=1e-8, atol=0)
    none = textbook.fit_nb(
        np.vstack([x, x[:9]]),
        np.append(y, 1e4 * np.ones(9)),
        times=np.append(np.ones(len(y)), [0] * 9),
    )
    np.testing.assert_allclose(none.beta, fit.beta, rtol=1e-9, atol=0)


@given(st.integers(0, 10_000))
def test_stored_pixels_and_numbers_of_pairs_are_the_whole_table(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group_x = np.column_stack([np.ones(6), np.log(np.arange(1, 7))])
    group = rng.integers(0, 6, 80)
    y = rng.poisson(0.7, 80)
    rows = textbook.with_zeros(group_x, np.bincount(group, minlength=6), group[y > 0], y[y > 0])
    assert rows.times.sum() == 80
    assert rows.times @ rows.y == y.sum()
    mu = np.exp(group_x @ [0.3, -0.5])
    whole = textbook.nb_log_likelihood(y, mu[group], 2.5)
    packed = textbook.nb_log_likelihood(rows.y, np.exp(rows.x @ [0.3, -0.5]), 2.5, rows.times)
    assert packed == pytest.approx(whole, rel=1e-12)


# --- rows ----------------------------------------------------------------------------------------


def test_splines_hold_cubics_and_sum_to_one_with_the_first() -> None:
    d = np.linspace(2, 90, 60)
    basis = textbook.spline_basis(d, 6)
    assert basis.shape == (60, 6)
    first = 1 - basis.sum(axis=1)
    assert first[0] == pytest.approx(1, rel=1e-12)
    assert first.min() > -1e-12
    rows = np.column_stack([np.ones(60), basis])
    cubic = 3 - d + 0.2 * d**2 - 0.001 * d**3
    fitted = rows @ np.linalg.lstsq(rows, cubic)[0]
    np.testing.assert_allclose(fitted, cubic, rtol=1e-9, atol=1e-9)
    placed = textbook.spline_basis(d[5:9], 6, of=d)
    np.testing.assert_allclose(placed, basis[5:9], rtol=1e-12, atol=1e-15)


def test_design_has_an_intercept_per_replicate_and_slopes_per_condition() -> None:
    x = textbook.design(
        [0, 1, 2, 2],
        [0, 0, 1, 1],
        np.array([[1.0, 5], [2, 6], [3, 7], [4, 8]]),
        np.full((4, 1), 9.0),
    )
    np.testing.assert_array_equal(
        x,
        [
            [1, 0, 0, 1, 0, 5, 0, 9],
            [0, 1, 0, 2, 0, 6, 0, 9],
            [0, 0, 1, 0, 3, 0, 7, 9],
            [0, 0, 1, 0, 4, 0, 8, 9],
        ],
    )


# --- tails, residuals, strength ------------------------------------------------------------------


@given(st.integers(0, 40), st.floats(0.1, 20), st.floats(0.3, 100))
def test_upper_tail_is_a_sum(y: int, mu: float, theta: float) -> None:
    below = nbinom.pmf(np.arange(y), theta, theta / (theta + mu)).sum()
    assert textbook.upper_tail(y, mu, theta) == pytest.approx(1 - below, abs=1e-10)
    flat = poisson.pmf(np.arange(y), mu).sum()
    assert textbook.upper_tail(y, mu, np.inf) == pytest.approx(1 - flat, abs=1e-10)


@given(st.integers(0, 60), st.floats(0.1, 40), st.floats(0.3, 100))
def test_deviance_residual_is_the_likelihood_lost(y: int, mu: float, theta: float) -> None:
    for size in (theta, np.inf):
        lost = textbook.nb_log_likelihood(y, max(y, 1e-300), size) - textbook.nb_log_likelihood(
            y, mu, size
        )
        residual = textbook.deviance_residual(y, mu, size)
        assert residual**2 == pytest.approx(2 * lost, rel=1e-6, abs=1e-8)
        assert np.sign(residual) == np.sign(y - mu) or abs(residual) < 1e-6


def test_pearson_residuals_have_variance_one() -> None:
    x, y = sample(6, n=20_000, theta=2.0)
    residual = textbook.pearson_residual(y, np.exp(x @ [2.0, -0.8, 0.5]), 2.0)
    assert residual.var() == pytest.approx(1, abs=0.05)


def test_both_standard_errors_of_a_strength_are_standard_deviations() -> None:
    target = np.array([[1.0, 0.9, 0.0], [1.0, 0.9, 1.0]])
    contrast = np.array([-1.0, 1.0])
    truth = np.exp(target @ [2.0, -0.8, 0.5])
    given_counts, whole, model_se, whole_se = [], [], [], []
    for seed in range(300):
        x, y = sample(seed, n=120, theta=20.0)
        fit = textbook.fit_nb(x, y)
        rng = np.random.default_rng([seed, 1])
        seen = rng.poisson(40 * truth * rng.gamma(20.0, 1 / 20.0, 2)).astype(np.float64)
        fixed = textbook.strength_contrast(40 * truth, target, fit, contrast)
        drawn = textbook.strength_contrast(seen, target, fit, contrast)
        given_counts.append(fixed[0])
        whole.append(drawn[0])
        model_se.append(fixed[1])
        whole_se.append(drawn[2])
    # the standard deviation of 300 values is known to 4 %
    assert np.std(given_counts) == pytest.approx(np.mean(model_se), rel=0.15)
    assert np.std(whole) == pytest.approx(np.mean(whole_se), rel=0.15)
    assert np.mean(given_counts) == pytest.approx(0, abs=0.05)


def test_strength_of_pixels_without_contacts_needs_a_pseudocount() -> None:
    x, y = sample(7)
    fit = textbook.fit_nb(x, y)
    row, one = np.array([[1.0, 0.0, 0.0]]), np.array([1.0])
    mu = float(np.exp(fit.beta[0]))
    value, _, se = textbook.strength_contrast(np.zeros(1), row, fit, one, pseudocount=0.5)
    assert value == pytest.approx(np.log2(0.5 / (mu + 0.5)), rel=1e-12)
    assert np.isfinite(se)
    shifted = textbook.strength_contrast(np.ones(1), row, fit, one, offset=np.log(2.0))
    assert shifted[0] == pytest.approx(-np.log2(2 * mu), rel=1e-12)
