"""Empty droplets and their profile: closed forms, enumeration, calibration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import chi2_contingency, dirichlet_multinomial, multinomial

from refsolve.methods.ambient.simulate import DropletDesign, simulate_droplets
from refsolve.methods.ambient.textbook import profile

SHARE = np.array([0.5, 0.3, 0.15, 0.05])


def empties(n: int, seed: int = 0, size: float = 40.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.poisson(np.outer(SHARE, rng.gamma(4.0, size / 4.0, n))).astype(np.float64)


def test_the_window_is_open_on_both_sides() -> None:
    found = profile.small_droplets(np.array([0.0, 1.0, 10.0, 11.0, 99.0, 100.0]), low=10)
    np.testing.assert_array_equal(found, [False, False, False, True, True, False])


def test_shares_sum_to_one_and_ignore_how_counts_are_split_over_droplets() -> None:
    y = empties(50)
    found = profile.profile(y)
    assert found.sum() == pytest.approx(1.0, rel=1e-14)
    halves = np.column_stack([y[:, :25].sum(axis=1), y[:, 25:].sum(axis=1)])
    np.testing.assert_allclose(profile.profile(halves), found, rtol=1e-14)


def test_overdispersion_is_the_statistic_of_a_contingency_table_over_its_degrees_of_freedom() -> (
    None
):
    y = empties(30)
    table = chi2_contingency(y, correction=False)
    found = profile.overdispersion(y, profile.profile(y))
    assert found == pytest.approx(table.statistic / table.dof, rel=1e-12)


def test_droplets_without_counts_and_genes_without_a_share_say_nothing() -> None:
    y = empties(30)
    padded = np.vstack([np.column_stack([y, np.zeros((4, 3))]), np.zeros((2, 33))])
    assert profile.overdispersion(padded, profile.profile(padded)) == pytest.approx(
        profile.overdispersion(y, profile.profile(y)), rel=1e-12
    )


@pytest.mark.parametrize("phi", [1.0, 3.0])
def test_overdispersion_and_error_are_those_of_the_simulator(phi: float) -> None:
    design = DropletDesign(cells=1, empties=400, genes=30, empty_depth=60.0, phi=phi)
    seen = []
    for seed in range(60):
        y = simulate_droplets(design, rng=seed).empties.toarray().T.astype(np.float64)
        share = profile.profile(y)
        seen.append((share[0], profile.overdispersion(y, share), y.sum()))
    marker, phis, totals = np.array(seen).T
    # exact for large droplets; with few counts the draw of a whole number of each hides some
    assert phis.mean() == pytest.approx(phi, rel=0.08)
    expected = profile.share_error(np.array([0.02]), totals.mean(), phi)[0]
    assert marker.std() == pytest.approx(expected, rel=0.25)  # 60 draws: 9 % standard error


def test_knee_of_a_curve_of_three_straight_stretches() -> None:
    """Cells fall slowly, then the curve drops, then empty droplets fall slowly again."""
    rank = np.arange(1.0, 2001.0)
    log = np.where(rank <= 100, 4.0 - 0.1 * np.log10(rank), 0.0)
    drop = (rank > 100) & (rank <= 130)
    log[drop] = 3.8 - 18.0 * (np.log10(rank[drop]) - 2.0)
    log[rank > 130] = log[drop][-1] - 0.3 * (np.log10(rank[rank > 130]) - np.log10(130.0))
    top, steep = profile.knee(10**log)
    assert top == pytest.approx(10**3.8, rel=1e-9)
    assert 10 ** log[drop][-1] <= steep < 10**3.8


def test_knee_counts_ties_at_their_mean_rank() -> None:
    totals = np.array([100.0] * 3 + [90.0] * 4 + [10.0] * 5)
    top, steep = profile.knee(totals)
    assert (top, steep) == (90.0, 10.0)


def test_probability_of_a_droplet_is_multinomial() -> None:
    y = np.array([3.0, 0.0, 2.0, 1.0])
    assert profile.multinomial_log_likelihood(y, SHARE) == pytest.approx(
        multinomial.logpmf(y, 6, SHARE), rel=1e-12
    )
    odd = np.array([3.0, 1.0])
    assert profile.multinomial_log_likelihood(odd, np.array([1.0, 0.0])) == -np.inf


def test_p_value_of_a_droplet_is_that_of_enumeration() -> None:
    y = np.array([1.0, 1.0, 2.0, 2.0])
    every = [v for v in itertools.product(range(7), repeat=4) if sum(v) == 6]
    logs = np.array([multinomial.logpmf(v, 6, SHARE) for v in every])
    exact = np.exp(logs[logs <= multinomial.logpmf(y, 6, SHARE) + 1e-9]).sum()
    found = profile.empty_p_value(y, SHARE, 4000, np.random.default_rng(1))
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 4000))


def test_small_cells_are_unusual_droplets_and_empty_ones_are_not() -> None:
    design = DropletDesign(cells=1, empties=60, leak=20, genes=300, type_spread=1.5)
    data = simulate_droplets(design, rng=2)
    rng = np.random.default_rng(3)
    y = data.empties.toarray().astype(np.float64)
    p = np.array([profile.empty_p_value(row, data.ambient, 200, rng) for row in y])
    assert np.median(p[60:]) < 0.05 < np.quantile(p[:60], 0.15)


def test_droplets_whose_profiles_vary_are_dirichlet_multinomial() -> None:
    alpha = 7.0
    every = np.array([v for v in itertools.product(range(7), repeat=4) if sum(v) == 6], float)
    logs = np.array([profile.droplet_log_likelihood(v, SHARE, alpha) for v in every])
    known = dirichlet_multinomial.logpmf(every.astype(int), alpha * SHARE, 6)
    np.testing.assert_allclose(logs, known, rtol=1e-10)
    p = np.exp(logs)
    variance = (p * every[:, 0] ** 2).sum() - (p * every[:, 0]).sum() ** 2
    phi = variance / (6 * 0.5 * 0.5)
    assert phi == pytest.approx((6 + alpha) / (1 + alpha), rel=1e-9)
    assert profile.concentration(phi, 6.0) == pytest.approx(alpha, rel=1e-9)
    assert profile.concentration(1.0, 6.0) == np.inf
    near = [profile.droplet_log_likelihood(v, SHARE, 1e8) for v in every]
    np.testing.assert_allclose(near, [multinomial.logpmf(v, 6, SHARE) for v in every], atol=1e-5)
    assert (
        profile.droplet_log_likelihood(np.array([1.0, 1.0]), np.array([1.0, 0.0]), 3.0) == -np.inf
    )


def test_large_empty_droplets_are_unusual_only_where_their_variation_is_left_out() -> None:
    rng = np.random.default_rng(6)
    share, alpha = rng.dirichlet(np.ones(100)), 500.0
    y = [rng.multinomial(1000, rng.dirichlet(alpha * share)) * 1.0 for _ in range(30)]
    wrong, right = (
        np.mean([profile.empty_p_value(v, share, 99, rng, a) <= 0.05 for v in y])
        for a in (np.inf, alpha)
    )
    assert wrong > 0.9
    assert right < 0.25
