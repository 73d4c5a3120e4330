"""Contamination and its removal: closed forms, enumeration, calibration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import chi2, gamma, nbinom, poisson

from refsolve.methods.ambient.textbook import correction, fraction

TOTAL = np.array([1000.0, 2000.0, 1500.0, 800.0])
SHARE = 0.02

# --- fraction ----------------------------------------------------------------------------------


def test_ratio_is_exact_for_expected_counts_and_is_cut() -> None:
    rho = np.array([0.1, 0.3, 0.02, 0.9])
    found = fraction.ratio(rho * TOTAL * SHARE, TOTAL, SHARE)
    np.testing.assert_allclose(found, [0.1, 0.3, 0.02, 0.5], rtol=1e-12)


def test_one_value_for_all_is_the_ratio_of_sums() -> None:
    y = np.array([2.0, 7.0, 3.0, 0.0])
    found = fraction.pooled(y, TOTAL, SHARE)
    assert found.rho == pytest.approx(y.sum() / (TOTAL.sum() * SHARE), rel=1e-14)
    grid = np.linspace(1e-4, 0.4, 4001)
    values = [poisson.logpmf(y, r * TOTAL * SHARE).sum() for r in grid]
    assert grid[np.argmax(values)] == pytest.approx(found.rho, abs=1e-4)
    for end in (found.low, found.high):
        lost = poisson.logpmf(y, found.rho * TOTAL * SHARE).sum()
        lost -= poisson.logpmf(y, end * TOTAL * SHARE).sum()
        assert 2 * lost == pytest.approx(chi2.ppf(0.95, 1), rel=1e-8)


def test_without_counts_the_interval_begins_at_zero() -> None:
    found = fraction.pooled(np.zeros(4), TOTAL, SHARE)
    assert (found.rho, found.low) == (0.0, 0.0)
    assert found.high * TOTAL.sum() * SHARE == pytest.approx(chi2.ppf(0.95, 1) / 2, rel=1e-6)


@pytest.mark.parametrize("relative", [0.05, 0.3, 3.0])
def test_errors_of_the_share_widen_the_interval_as_on_a_grid(relative: float) -> None:
    """Profiling over the log error of the share by brute force."""
    y = np.array([12.0, 20.0, 11.0, 9.0])
    found = fraction.pooled(y, TOTAL, SHARE, share_se=relative * SHARE)
    plain = fraction.pooled(y, TOTAL, SHARE)
    assert found.rho == plain.rho
    assert found.low < plain.low < plain.high < found.high
    b = np.linspace(-8, 8, 200_001) * relative

    def profile(rho: float) -> float:
        mean = rho * found.expected * np.exp(b)
        return float((found.observed * np.log(mean) - mean - b**2 / (2 * relative**2)).max())

    for end in (found.low, found.high):
        assert 2 * (profile(found.rho) - profile(end)) == pytest.approx(3.841459, abs=1e-4)


def test_the_interval_covers() -> None:
    rng, hits = np.random.default_rng(0), 0
    for _ in range(400):
        share = SHARE * np.exp(0.1 * rng.standard_normal())  # seen with an error
        found = fraction.pooled(
            rng.poisson(0.08 * TOTAL * SHARE), TOTAL, share, share_se=0.1 * share
        )
        hits += found.low <= 0.08 <= found.high
    assert 0.925 < hits / 400 < 0.985


@settings(deadline=None, max_examples=50)
@given(st.floats(0.005, 0.5), st.floats(0.01, 3.0))
def test_the_prior_has_the_mode_and_the_standard_deviation(mode: float, ratio: float) -> None:
    shape, scale = fraction.prior_shape(mode, ratio * mode)
    assert (shape - 1) * scale == pytest.approx(mode, rel=1e-9)
    assert gamma.std(shape, scale=scale) == pytest.approx(ratio * mode, rel=1e-9)


def test_the_posterior_is_prior_times_likelihood() -> None:
    grid = np.linspace(1e-4, 2.0, 40_001)
    shape, scale = fraction.prior_shape(0.05, 0.1)
    found = fraction.averaged_posterior(np.array([4.0]), np.array([30.0]), shape, scale, grid)
    joint = gamma.pdf(grid, shape, scale=scale) * poisson.pmf(4, 30.0 * grid)
    step = grid[1] - grid[0]
    np.testing.assert_allclose(found, joint / (joint.sum() * step), atol=1e-3 * found.max())
    both = fraction.averaged_posterior(
        np.array([4.0, 9.0]), np.array([30.0, 25.0]), shape, scale, grid
    )
    assert both.sum() * step == pytest.approx(1.0, abs=1e-3)


def test_groups_borrow_by_a_negative_binomial_likelihood() -> None:
    rng = np.random.default_rng(1)
    expected = rng.uniform(20, 200, 60)
    rho = rng.gamma(4.0, 0.025, 60)
    observed = rng.poisson(rho * expected).astype(np.float64)
    found = fraction.shrunk(observed, expected)

    def value(k: float, m: float) -> float:
        return float(nbinom.logpmf(observed, k, k / (k + m * expected)).sum())

    best = value(found.shape, found.mean)
    for k, m in ((1.02, 1.0), (0.98, 1.0), (1.0, 1.02), (1.0, 0.98)):
        assert value(found.shape * k, found.mean * m) < best
    weight = expected / (expected + found.shape / found.mean)
    raw = observed / expected
    np.testing.assert_allclose(found.rho, weight * raw + (1 - weight) * found.mean, rtol=1e-9)
    errors = [
        np.sqrt(np.mean((r - rho) ** 2)) for r in (found.rho, raw, observed.sum() / expected.sum())
    ]
    assert errors[0] < errors[1] < errors[2]


def test_equal_groups_share_one_value() -> None:
    expected = np.array([50.0, 80.0, 120.0, 60.0])
    found = fraction.shrunk(0.1 * expected, expected)
    np.testing.assert_allclose(found.rho, 0.1, rtol=1e-4)


def test_cells_that_make_the_marker_stand_out() -> None:
    marker = np.array([0.0, 20.0, 60.0])
    p = fraction.cannot_express(marker, np.full(3, 1000.0), SHARE)
    np.testing.assert_allclose(p, [1.0, poisson.sf(19, 20.0), poisson.sf(59, 20.0)], rtol=1e-12)
    assert p[2] < 1e-9


# --- correction --------------------------------------------------------------------------------

COUNTS = np.array([[5.0, 0.0, 2.0], [1.0, 4.0, 0.0], [30.0, 9.0, 12.0], [0.0, 1.0, 1.0]])
PROFILE = np.array([0.5, 0.3, 0.15, 0.05])


def test_expected_counts_add_up_to_the_share_of_the_total() -> None:
    rho = np.array([0.1, 0.2, 0.0])
    found = correction.expected_ambient(COUNTS.sum(axis=0), rho, PROFILE)
    np.testing.assert_allclose(found.sum(axis=0), rho * COUNTS.sum(axis=0), rtol=1e-12)


def test_clipped_subtraction_is_biased_upward_by_what_was_cut() -> None:
    rng = np.random.default_rng(2)
    native, ambient = 0.3, 1.0
    y = rng.poisson(native + ambient, 200_000).astype(np.float64)
    k = np.arange(60)
    exact = (np.maximum(k - ambient, 0.0) * poisson.pmf(k, native + ambient)).sum()
    found = correction.subtract(y, np.full_like(y, ambient)).mean()
    assert found == pytest.approx(exact, abs=0.01)
    assert exact > 1.8 * native


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 40), min_size=4, max_size=4),
    st.floats(0.0, 1.0),
)
def test_removal_takes_the_amount_and_no_gene_more_than_it_has(
    values: list[int], part: float
) -> None:
    y = np.array(values, dtype=np.float64)
    left = correction.fill(y, PROFILE, part * y.sum())
    assert (y - left).sum() == pytest.approx(part * y.sum(), abs=1e-9)
    assert (left >= -1e-12).all()
    assert (left <= y).all()
    taken = y - left
    level = np.divide(taken, PROFILE)
    full = left < 1e-9
    if (~full).any():  # eq. (10): one level for all that are not used up
        np.testing.assert_allclose(level[~full], level[~full][0], rtol=1e-9, atol=1e-9)
        assert (level[full] <= level[~full][0] + 1e-6).all()


def test_removal_is_the_most_even_one() -> None:
    """The largest counts per share that any gene gives is as small as can be: a linear program."""
    y, amount = COUNTS[:, 0], 9.0
    n = y.size
    program = linprog(
        np.append(np.zeros(n), 1.0),
        A_ub=np.column_stack([np.diag(1 / PROFILE), -np.ones(n)]), b_ub=np.zeros(n),
        A_eq=[np.append(np.ones(n), 0.0)], b_eq=[amount],
        bounds=[*((0, v) for v in y), (0, None)],
    )  # fmt: skip
    taken = y - correction.fill(y, PROFILE, amount)
    assert (taken / PROFILE).max() == pytest.approx(program.fun, rel=1e-8)


def test_more_than_there_is_leaves_nothing_and_a_gene_outside_the_profile_stays() -> None:
    share = np.array([0.6, 0.4, 0.0, 0.0])
    np.testing.assert_allclose(correction.fill(COUNTS[:, 0], share, 1e6), [0, 0, 30, 0], atol=1e-12)


def test_clusters_of_one_cell_are_cells_and_totals_are_those_of_cells() -> None:
    amount = np.array([4.0, 3.0, 0.0])
    alone = correction.by_cluster(COUNTS, PROFILE, amount, np.arange(3))
    np.testing.assert_allclose(alone, correction.filled(COUNTS, PROFILE, amount), atol=1e-12)
    joint = correction.by_cluster(COUNTS, PROFILE, amount, np.zeros(3))
    assert (COUNTS - joint).sum() == pytest.approx(7.0, rel=1e-12)
    assert (joint >= -1e-12).all()


def test_clean_clusters_are_left_alone() -> None:
    found = correction.by_cluster(COUNTS, PROFILE, np.array([0.0, 0.0, 3.0]), np.array([0, 0, 1]))
    np.testing.assert_array_equal(found[:, :2], COUNTS[:, :2])


def test_whole_numbers_keep_the_expectation() -> None:
    values = np.tile([0.0, 0.25, 1.0, 3.9], (20_000, 1))
    found = correction.whole(values, np.random.default_rng(0))
    np.testing.assert_array_equal(found, np.rint(found))
    assert (np.abs(found - values) < 1).all()
    np.testing.assert_allclose(found.mean(axis=0), values[0], atol=0.015)


def test_probability_of_a_native_count_is_that_of_thinning() -> None:
    rng = np.random.default_rng(4)
    native, ambient = rng.poisson(0.6, 400_000), rng.poisson(0.9, 400_000)
    for y in (1, 2, 3):
        seen = (native[native + ambient == y] > 0).mean()
        found = correction.native_probability(np.array([y]), np.array([0.6]), np.array([0.9]))[0]
        assert found == pytest.approx(seen, abs=0.01)
