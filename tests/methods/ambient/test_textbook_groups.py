"""Gaps and mixtures: closed forms, error rates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, ttest_ind

from refsolve.methods.ambient.kernels import groups as kernels
from refsolve.methods.ambient.textbook import groups


def test_the_gap_and_its_edges() -> None:
    found = groups.widest_gap(np.array([0.2, 0.0, 1.2, 1.0, 0.1]))
    assert (found.low, found.high, found.cut) == pytest.approx((0.2, 1.0, 0.6))
    spread = np.sqrt((2 * 0.1**2 + 2 * 0.1**2) / 3)
    assert found.statistic == pytest.approx(0.8 / spread, rel=1e-12)


def test_a_gap_knows_no_unit_no_origin_and_no_order() -> None:
    x = np.random.default_rng(0).standard_normal(12)
    one = groups.widest_gap(x).statistic
    assert groups.widest_gap(3.0 - 7.0 * x[::-1]).statistic == pytest.approx(one, rel=1e-9)


def test_a_single_outlier_is_no_group() -> None:
    x = np.append(np.linspace(0, 1, 9), 40.0)
    assert groups.widest_gap(x).high < 40.0
    assert groups.widest_gap(x, least=1).high == 40.0


def test_equal_values_have_no_gap() -> None:
    """Clean cells: the contamination of all donors is zero."""
    assert groups.widest_gap(np.zeros(10)).statistic == 0.0
    assert groups.gap_p_value(np.zeros(10), 50, np.random.default_rng(0)) == 1.0
    two = groups.widest_gap(np.repeat([0.0, 1.0], 5))
    assert two.statistic == np.inf
    assert np.isnan(groups.widest_gap(np.arange(3.0)).cut)


def test_the_error_rate_is_the_level() -> None:
    rng = np.random.default_rng(1)
    null = np.array([groups.widest_gap(rng.standard_normal(16)).statistic for _ in range(1500)])
    seen = np.array(
        [groups.widest_gap(5 + 0.1 * rng.standard_normal(16)).statistic for _ in range(600)]
    )
    p = (1 + (null >= seen[:, np.newaxis]).sum(axis=1)) / 1501
    for level in (0.05, 0.2):
        assert (p <= level).mean() == pytest.approx(
            level, abs=4 * np.sqrt(level * (1 - level) / 600)
        )
    apart = np.concatenate([rng.normal(0, 1, 8), rng.normal(12, 1, 8)])
    assert groups.gap_p_value(apart, 200, rng) == pytest.approx(1 / 201)


def test_two_groups_are_found_again() -> None:
    rng = np.random.default_rng(2)
    upper = rng.random(2000) < 0.3
    x = np.where(upper, rng.normal(4.0, 1.0, 2000), rng.normal(0.0, 0.5, 2000))
    found = groups.two_normals(x)
    assert found.share == pytest.approx(0.3, abs=0.03)
    np.testing.assert_allclose(found.mean, [0.0, 4.0], atol=0.1)
    np.testing.assert_allclose(found.sd, [0.5, 1.0], atol=0.1)
    assert ((found.posterior > 0.5) == upper).mean() > 0.98


def test_the_likelihood_of_a_mixture_is_its_density_and_exceeds_that_of_one_group() -> None:
    x = np.random.default_rng(3).standard_normal(300)
    found = groups.two_normals(x)
    density = found.share * norm.pdf(x, found.mean[1], found.sd[1])
    density = density + (1 - found.share) * norm.pdf(x, found.mean[0], found.sd[0])
    assert found.log_likelihood == pytest.approx(np.log(density).sum(), rel=1e-6)
    assert found.log_likelihood >= norm.logpdf(x, x.mean(), x.std()).sum() - 1e-6


def test_separation_is_the_smaller_of_two_scales_at_the_best_cut() -> None:
    x = np.array([0.10, 0.11, 0.09, 0.30, 0.33, 0.36])
    found = groups.separation(x[::-1])
    assert (found.low, found.high) == (0.11, 0.30)
    above, even = np.arange(6) > 2, np.ones(6)
    plain = groups.distance(x, above, even)
    assert plain == pytest.approx(ttest_ind(x[3:], x[:3]).statistic * np.sqrt(2 / 3), rel=1e-12)
    root = groups.distance(np.sqrt(x), above, even)
    assert found.statistic == pytest.approx(min(plain, root), rel=1e-12)
    assert groups.separation(7.0 * x).statistic == pytest.approx(found.statistic, rel=1e-12)


def test_donors_without_contamination_and_few_donors_are_one_group() -> None:
    assert groups.separation(np.zeros(12)).statistic == -np.inf
    assert groups.separation_p_value(np.zeros(12), 20, np.random.default_rng(0)) == 1.0
    assert groups.separation(np.arange(3.0)).statistic == -np.inf


@pytest.mark.parametrize("shape", ["uniform", "normal", "gamma"])
def test_donors_of_one_group_are_rarely_split(shape: str) -> None:
    rng = np.random.default_rng(5)
    draw = {
        "uniform": lambda: rng.uniform(0.05, 0.2, 20),
        "normal": lambda: np.abs(rng.normal(0.15, 0.03, 20)),
        "gamma": lambda: rng.gamma(6.0, 0.02, 20),
    }[shape]
    hits = sum(groups.separation_p_value(draw(), 39, rng) <= 0.05 for _ in range(25))
    assert hits <= 5  # of 25 at 5 %


def test_two_groups_of_donors_are_found() -> None:
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.normal(0.10, 0.02, 12), rng.normal(0.25, 0.02, 12)])
    assert groups.separation_p_value(x, 99, rng) == pytest.approx(0.01)
    assert 0.12 < groups.separation(x).cut < 0.22


def test_a_valley_between_two_modes_and_none_in_one() -> None:
    rng = np.random.default_rng(7)
    two = np.concatenate([rng.normal(0, 1, 80), rng.normal(9, 1, 60)])
    found = groups.valley(two, np.array([0, 1, 2]))
    assert found.p < 1e-6
    assert 1.0 < found.low < found.high < 8.0
    null = [groups.valley(rng.exponential(1.0, 60), np.array([0, 1, 2])).p for _ in range(40)]
    assert np.mean(np.array(null) < 0.05) <= 0.05


def test_the_valley_is_that_of_the_coin() -> None:
    long = np.concatenate([np.linspace(0, 3, 40), np.linspace(13, 16, 40)])
    found = groups.valley(long, np.array([0]))
    assert (found.low, found.high) == (3.0, 13.0)
    assert found.p == pytest.approx(0.5**39 * 80 * 2, rel=1e-9)


def test_donors_that_differ_by_sampling_alone_are_alike() -> None:
    rng = np.random.default_rng(8)
    se = rng.uniform(0.005, 0.03, 20)
    p = [groups.alike(0.1 + se * rng.standard_normal(20), se) for _ in range(300)]
    assert np.mean(np.array(p) < 0.1) == pytest.approx(0.1, abs=0.06)
    assert groups.alike(np.repeat([0.1, 0.3], 10), se) < 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_kernels_find_the_same_cuts_and_valleys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.sort(np.concatenate([rng.gamma(6.0, 0.02, 10), rng.normal(0.3, 0.03, 8)]))
    weight, floor = rng.uniform(0.2, 2.0, 18), 1e-4 * seed
    below, statistic = kernels.best_split(x, weight, 2, floor)
    known = groups.separation(x, weight, floor)
    assert statistic == pytest.approx(known.statistic, rel=1e-12)
    assert (x[below - 1], x[below]) == (known.low, known.high)
    inside = np.array([0, 1, 3])
    low, high, log_p = kernels.deepest_valley(x, inside)
    valley = groups.valley(x, inside)
    if valley.p < 1.0:
        assert (x[low], x[high]) == (valley.low, valley.high)
    assert min(np.exp(log_p), 1.0) == pytest.approx(valley.p, rel=1e-9)
