"""Linear models and exact tests of donors: closed forms, scipy, enumeration, simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import false_discovery_control, mannwhitneyu, ttest_ind

from refsolve.methods.pseudobulk.textbook import donors, moderated

TREATED = np.array([True, False, True, False, False, True, False])


def test_without_a_prior_the_moderated_t_is_the_t_test() -> None:
    rng = np.random.default_rng(0)
    y = rng.standard_normal((1, 9))
    x = np.column_stack([np.ones(9), np.arange(9) < 4])
    fit = moderated.least_squares(y, x)
    t = fit.beta[0, 1] / np.sqrt(fit.unscaled[0, 1, 1] * fit.variance[0])
    assert t == pytest.approx(ttest_ind(y[0, :4], y[0, 4:]).statistic, rel=1e-12)


def test_weights_and_blocks_are_generalised_least_squares() -> None:
    rng = np.random.default_rng(1)
    y, w = rng.standard_normal((1, 6)), rng.uniform(0.5, 2.0, (1, 6))
    x = np.column_stack([np.ones(6), [0, 1, 0, 1, 0, 1]])
    v = moderated.block_matrix(np.array([0, 0, 1, 1, 2, 2]), 0.4)
    precision = np.linalg.inv(v / np.sqrt(np.outer(w, w)))
    beta = np.linalg.solve(x.T @ precision @ x, x.T @ precision @ y[0])
    fit = moderated.least_squares(y, x, w, v)
    np.testing.assert_allclose(fit.beta[0], beta, rtol=1e-10)
    np.testing.assert_allclose(fit.unscaled[0], np.linalg.inv(x.T @ precision @ x), rtol=1e-10)


def test_the_robust_line_is_a_line_where_there_is_one() -> None:
    x = np.linspace(0.0, 1.0, 60) ** 2
    y = 3.0 - 2.0 * x + 1e-3 * np.sin(40.0 * np.arange(60))
    y[30] += 50.0
    found = moderated.robust_local_line(x, y)
    np.testing.assert_allclose(found, 3.0 - 2.0 * x, atol=2e-3)


def test_a_noisy_sample_loses_weight() -> None:
    rng = np.random.default_rng(2)
    y = rng.standard_normal((2000, 8))
    y[:, 5] *= 3.0
    x = np.column_stack([np.ones(8), np.arange(8) < 4])
    weight = moderated.sample_weights(y, x, np.ones_like(y))
    assert np.log(weight).sum() == pytest.approx(0.0, abs=1e-9)
    assert np.median(np.delete(weight, 5)) / weight[5] == pytest.approx(9.0, rel=0.25)


def test_correlation_in_blocks_is_recovered() -> None:
    rng = np.random.default_rng(4)
    block = np.repeat(np.arange(8), 2)
    shared = rng.standard_normal((1500, 8))[:, block]
    y = np.sqrt(0.5) * shared + np.sqrt(0.5) * rng.standard_normal((1500, 16))
    x = np.column_stack([np.ones(16), np.arange(16) % 2])
    assert moderated.block_correlation(y, x, block) == pytest.approx(0.5, abs=0.04)


def test_relabellings_are_all_and_once() -> None:
    found = {tuple(np.flatnonzero(m)) for m in donors.relabellings(TREATED)}
    assert found == set(itertools.combinations(range(7), 3))
    block = np.array([0, 0, 1, 1, 2, 2])
    pairs = np.array([True, False, True, False, False, True])
    inside = list(donors.relabellings(pairs, block))
    assert len(inside) == donors.number_of_relabellings(pairs, block) == 8
    assert all((np.bincount(block, m) == 1).all() for m in inside)


def test_the_rank_test_is_exact() -> None:
    y = np.array([3.1, 0.2, 5.0, 1.1, 0.9, 2.2, 1.9])
    other = mannwhitneyu(y[TREATED], y[~TREATED], method="exact").pvalue
    assert donors.rank_sum_p(y, TREATED) == pytest.approx(other, rel=1e-12)
    apart = np.where(TREATED, 10.0, 0.0) + np.arange(7)
    assert donors.rank_sum_p(apart, TREATED) == pytest.approx(donors.smallest_p(3, 4), rel=1e-12)


def test_three_against_five_can_hardly_be_significant() -> None:
    assert donors.smallest_p(3, 5) == pytest.approx(2 / 56)
    assert donors.smallest_p(2, 2) > 0.05


def test_a_count_of_significant_genes_has_its_own_null() -> None:
    rng = np.random.default_rng(5)
    y = rng.standard_normal((200, 8)) + 2.0 * rng.standard_normal(8)  # all genes move together
    treated = np.arange(8) < 3

    def p_of(mark: np.ndarray) -> np.ndarray:
        return ttest_ind(y[:, mark], y[:, ~mark], axis=1).pvalue

    shares = [donors.significant_genes_p(p_of, m, 0.05)[1] for m in donors.relabellings(treated)]
    assert np.mean(np.array(shares) <= 0.05) <= 0.05


@pytest.mark.parametrize("rho", [0.0, 0.1, 0.5])
def test_intraclass_correlation_is_recovered(rho: float) -> None:
    rng = np.random.default_rng(6)
    donor = np.repeat(np.arange(400), rng.integers(5, 40, 400))
    y = np.sqrt(rho) * rng.standard_normal(400)[donor]
    y = y + np.sqrt(1 - rho) * rng.standard_normal(donor.size)
    assert donors.intraclass_correlation(y, donor) == pytest.approx(rho, abs=0.04)


def test_cells_as_replicates_reject_as_often_as_the_design_effect_says() -> None:
    rng = np.random.default_rng(7)
    cells, treated, rho = np.array([60.0, 90, 40, 70, 120, 50, 80, 90]), np.arange(8) < 3, 0.08
    donor = np.repeat(np.arange(8), cells.astype(int))
    n = 4000
    y = np.sqrt(rho) * rng.standard_normal((n, 8))[:, donor]
    y = y + np.sqrt(1 - rho) * rng.standard_normal((n, donor.size))
    seen = (ttest_ind(y[:, treated[donor]], y[:, ~treated[donor]], axis=1).pvalue < 0.05).mean()
    effect = donors.design_effect(cells, treated, rho)
    assert effect > 5
    assert seen == pytest.approx(donors.false_positive_rate(effect), abs=0.03)
    assert donors.false_positive_rate(1.0) == pytest.approx(0.05, rel=1e-12)


def test_adjusted_p_values_are_those_of_scipy() -> None:
    p = np.random.default_rng(8).uniform(size=50) ** 2
    np.testing.assert_allclose(donors.adjusted(p), false_discovery_control(p), rtol=1e-12)
    with_gap = np.insert(p, 10, np.nan)
    np.testing.assert_allclose(np.delete(donors.adjusted(with_gap), 10), donors.adjusted(p))
