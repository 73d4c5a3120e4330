"""Scan, intervals, permutations and founder effects of the textbook against other routes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import f as f_distribution
from scipy.stats import kstest

from refsolve.methods.lmm_scan import textbook as tb
from refsolve.methods.lmm_scan.simulate import simulate_mosaics, simulate_trait

ROUNDING = {"rtol": 1e-9, "atol": 1e-9}
N = 60


class Data(NamedTuple):
    y: np.ndarray
    p: np.ndarray
    x: np.ndarray
    related: np.ndarray
    position: np.ndarray


@pytest.fixture(scope="module")
def data() -> Data:
    lines = simulate_mosaics(n_lines=N, n_founders=4, lengths=[60, 60], step=5, blur=0.05, rng=1)
    p, others = lines.probabilities
    related = tb.kinship(others)
    x = np.column_stack([np.ones(N), np.arange(N) % 3 == 1, np.arange(N) % 3 == 2]).astype(float)
    y = simulate_trait(
        n_lines=N, qtl=[p[:, 6]], effects=[[1.0, -0.5, 0, 0.3]], kinship=related, polygenic=0.4,
        residual=0.6, rng=2,
    ).phenotype  # fmt: skip
    return Data(y, p, x, related, lines.position[0])


# --- scan ----------------------------------------------------------------------------------------


def test_lod_is_the_ratio_of_two_normal_densities(data: Data) -> None:
    """At the heritability of no QTL, with mean and variance at their maximum on either side."""
    profile = tb.scan(data.y, data.p, data.x, data.related)
    h2 = tb.fit_null(data.y, data.x, data.related).heritability
    null = tb.log_likelihood(h2, data.y, data.x, data.related, "ml")
    for k in (0, 6, 12):
        full = np.column_stack([data.x, data.p[:, k, 1:]])
        ll = tb.log_likelihood(h2, data.y, full, data.related, "ml")
        np.testing.assert_allclose(profile.lod[k], (ll - null) / np.log(10), **ROUNDING)
    np.testing.assert_allclose(profile.heritability, h2, **ROUNDING)


def test_f_and_lod_tell_the_same(data: Data) -> None:
    profile = tb.scan(data.y, data.p, data.x, data.related)
    assert (profile.rank == 3).all()
    expected = N / 2 * np.log10(1 + profile.f * 3 / (N - 6))
    np.testing.assert_allclose(profile.lod, expected, **ROUNDING)


def test_any_founder_may_be_the_one_left_out(data: Data) -> None:
    one = tb.scan(data.y, data.p, data.x, data.related)
    two = tb.scan(data.y, data.p[:, :, [2, 3, 1, 0]], data.x, data.related)
    np.testing.assert_allclose(two.lod, one.lod, **ROUNDING)


def test_exact_lod_is_never_below_that_of_a_kept_heritability(data: Data) -> None:
    kept = tb.scan(data.y, data.p, data.x, data.related, "ml")
    exact = tb.scan(data.y, data.p, data.x, data.related, exact=True)
    assert (exact.lod > kept.lod - 1e-9).all()
    assert (np.abs(exact.heritability - kept.heritability) > 1e-3).any()
    k = int(exact.lod.argmax())
    full = np.column_stack([data.x, data.p[:, k, 1:]])
    best = tb.fit_null(data.y, full, data.related, "ml").log_likelihood
    null = tb.fit_null(data.y, data.x, data.related, "ml").log_likelihood
    np.testing.assert_allclose(exact.lod[k], (best - null) / np.log(10), **ROUNDING)


def test_founders_that_covariates_explain_have_no_rank(data: Data) -> None:
    p = data.p[:, :2].copy()
    p[:, 0] = np.eye(4)[np.arange(N) % 3]  # each of three founders is a group of the covariates
    profile = tb.scan(data.y, p, data.x, data.related)
    assert profile.rank.tolist() == [0, 3]
    assert profile.f[0] == 0.0
    np.testing.assert_allclose(profile.lod[0], 0.0, atol=1e-9)


def test_f_has_its_distribution_without_a_qtl() -> None:
    """Kolmogorov's test of 400 traits sees a shift of the median to 0.42 or 0.58."""
    lines = simulate_mosaics(n_lines=40, n_founders=4, lengths=[1], step=5, rng=3)
    p, x = lines.probabilities[0], np.ones((40, 1))
    rng = np.random.default_rng(4)
    found = [tb.scan(rng.standard_normal(40), p, x).f[0] for _ in range(400)]
    assert kstest(f_distribution.sf(found, 3, 36), "uniform").pvalue > 1e-3


# --- intervals -----------------------------------------------------------------------------------


def test_support_interval_takes_in_one_more_position_on_either_side() -> None:
    lod, position = np.array([1, 3.4, 2.0, 5.0, 3.6, 3.5, 0]), np.arange(7) * 10.0
    assert tb.lod_interval(lod, position) == (20.0, 30.0, 50.0)
    assert tb.lod_interval(lod, position, 1.61) == (0.0, 30.0, 60.0)
    assert tb.lod_interval(lod, position, 100) == (0.0, 30.0, 60.0)
    assert tb.lod_interval([2.0, 2.0, 0.1], [0.0, 4.0, 9.0]) == (0.0, 2.0, 9.0)


def test_bayes_interval_holds_the_posterior_of_a_flat_prior() -> None:
    position = np.linspace(0, 100, 4001)
    lod = -((position - 40.0) ** 2) / (2 * 5.0**2) / np.log(10)
    low, high = tb.bayes_interval(lod, position)
    np.testing.assert_allclose([low, high], [40 - 1.959964 * 5, 40 + 1.959964 * 5], atol=0.05)
    shifted = tb.bayes_interval(lod + 300, position, 0.5)
    np.testing.assert_allclose(shifted, [40 - 0.67449 * 5, 40 + 0.67449 * 5], atol=0.05)


def test_bayes_interval_weighs_uneven_positions_by_their_width() -> None:
    position = np.array([0.0, 1.0, 2.0, 50.0, 98.0, 99.0, 100.0])
    assert tb.bayes_interval(np.zeros(7), position, 0.3) == (0.0, 50.0)


# --- permutations and several QTL ----------------------------------------------------------------


def test_lines_stay_within_their_group() -> None:
    groups = np.array(list("aabbbacb"))
    order = tb.permuted_within(groups, np.random.default_rng(5))
    assert sorted(order.tolist()) == list(range(8))
    assert (groups[order] == groups).all()
    np.testing.assert_array_equal(tb.permuted_within(np.arange(8), np.random.default_rng(5)),
                                  np.arange(8))  # fmt: skip


def test_the_identity_permutation_gives_the_scan_back(data: Data) -> None:
    got = tb.permutation_maxima(data.y, data.p, data.x, data.related, np.arange(N), 1,
                                np.random.default_rng(6))  # fmt: skip
    np.testing.assert_allclose(got, tb.scan(data.y, data.p, data.x, data.related).lod.max(),
                               **ROUNDING)  # fmt: skip


def test_permutations_have_the_lod_of_traits_without_a_qtl(data: Data) -> None:
    """Their 80th percentile is within 0.45 of that of 150 fresh traits of the same model."""
    rng = np.random.default_rng(7)
    got = tb.permutation_maxima(data.y, data.p, data.x, data.related, np.zeros(N), 150, rng)
    null = [tb.scan(rng.standard_normal(N), data.p, data.x).lod.max() for _ in range(150)]
    assert abs(np.quantile(got, 0.8) - np.quantile(null, 0.8)) < 0.45


def test_two_qtl_are_found_one_after_the_other() -> None:
    lines = simulate_mosaics(n_lines=200, n_founders=4, lengths=[200], step=5, rng=8)
    p, x = lines.probabilities[0], np.ones((200, 1))
    effects = [[1, 0, 0, -1], [0, 0.7, -0.7, 0]]
    y = simulate_trait(
        n_lines=200, qtl=[p[:, 6], p[:, 30]], effects=effects, residual=0.5, rng=9
    ).phenotype
    found = tb.forward_search(y, p, x, None, threshold=4.0)
    assert len(found) == 2
    places = [place for place, _ in found]
    assert abs(places[0] - 6) <= 1
    assert abs(places[1] - 30) <= 1
    alone = tb.scan(y, p, x).lod[places[1]]
    assert found[1][1] > alone
    assert tb.forward_search(y, p, x, None, threshold=4.0, most=1) == found[:1]
