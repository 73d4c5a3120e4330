"""Bins that deviate as a whole: eq. (10)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from refsolve.methods.contact_expected import textbook

N = 24
BIN1, BIN2 = np.triu_indices(N, 1)
TERMS = np.column_stack([np.ones(BIN1.size), np.log(BIN2 - BIN1)])


def counts(
    seed: int,
    stripes: dict[int, float] | None = None,
    *,
    spread: float = 0.0,
    theta: float = 200.0,
    draw: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Counts of one condition, and the levels that made them."""
    rng = np.random.default_rng(seed)
    level = spread * rng.standard_normal(N)
    for bin_, size in (stripes or {}).items():
        level[bin_] += size
    mu = 600 * np.exp(-0.8 * TERMS[:, 1] + level[BIN1] + level[BIN2])
    rng = np.random.default_rng([seed, draw])
    return rng.poisson(mu * rng.gamma(theta, 1 / theta, mu.size)), level


def test_exact_counts_give_back_their_levels() -> None:
    level = np.random.default_rng(1).normal(0, 0.4, N)
    mu = np.exp(3 - 0.8 * TERMS[:, 1] + level[BIN1] + level[BIN2])
    found = textbook.bin_levels(mu, BIN1, BIN2, TERMS)
    np.testing.assert_allclose(found.level, level - level.mean(), rtol=0, atol=1e-9)
    assert found.level.sum() == pytest.approx(0, abs=1e-9)


def test_noise_of_the_levels_is_that_of_their_covariance() -> None:
    z = []
    for seed in range(40):
        y, level = counts(seed, spread=0.2)
        found = textbook.bin_levels(y, BIN1, BIN2, TERMS, theta=200.0)
        z.append((found.level - level + level.mean()) / np.sqrt(np.diag(found.cov)))
    assert np.std(z) == pytest.approx(1, abs=0.1)


def test_a_stripe_does_not_move_the_levels_of_other_bins() -> None:
    quiet, loud = (
        textbook.bin_levels(
            np.exp(5 - TERMS[:, 1] + size * ((BIN1 == 5) | (BIN2 == 5))), BIN1, BIN2, TERMS
        ).level
        for size in (0.0, 1.5)
    )
    shift = loud - quiet
    np.testing.assert_allclose(np.delete(shift, 5), shift[0], rtol=0, atol=1e-9)
    assert shift[5] - shift[0] == pytest.approx(1.5, abs=1e-9)


@pytest.mark.parametrize("size", (-1.0, 1.0))
def test_raised_and_depleted_stripes_are_found_among_bins_that_differ(size: float) -> None:
    for seed in range(10):
        y, _ = counts(seed, {5: size, 6: size, 17: size}, spread=0.05)
        found = textbook.bin_levels(y, BIN1, BIN2, TERMS, theta=200.0)
        scores = textbook.level_scores(found.level, np.diag(found.cov))
        marked = np.flatnonzero(textbook.deviating(scores.z, 0.01, N)).tolist()
        assert set(marked) >= {5, 6, 17}
        assert np.sign(scores.z[5]) == np.sign(size)


def test_a_contrast_cancels_what_both_conditions_share() -> None:
    _, shared = counts(3, spread=0.6)
    middle = int(np.argmin(np.abs(shared - np.median(shared))))
    case, control = (
        textbook.bin_levels(
            counts(3, stripes, spread=0.6, draw=draw)[0], BIN1, BIN2, TERMS, theta=200.0
        )
        for stripes, draw in (({middle: 0.5}, 1), ({}, 2))
    )
    variance = np.diag(case.cov) + np.diag(control.cov)
    within = textbook.level_scores(case.level, np.diag(case.cov))
    between = textbook.level_scores(case.level - control.level, variance)
    assert between.spread < within.spread / 5
    assert not textbook.deviating(within.z, 0.01, N)[middle]
    assert np.flatnonzero(textbook.deviating(between.z, 0.01, N)).tolist() == [middle]


def test_spread_is_estimated_beside_stripes() -> None:
    rng = np.random.default_rng(4)
    level = np.append(rng.normal(0, 0.3, 400), [5.0] * 20)
    scores = textbook.level_scores(level, np.full(420, 0.1**2))
    assert scores.spread == pytest.approx(0.3, abs=0.05)
    assert textbook.level_scores(level, np.full(420, 1.0)).spread == 0.0


def test_clean_scores_exceed_the_bound_no_more_often_than_the_rate() -> None:
    rng = np.random.default_rng(5)
    lost = [
        textbook.deviating(textbook.level_scores(z, np.ones(200)).z, 0.05, 200).any()
        for z in rng.standard_normal((400, 200))
    ]
    # 0.05, three standard errors, and a little for the spread, which is estimated
    assert np.mean(lost) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400) + 0.01


@given(st.floats(0.001, 0.5), st.integers(1, 500))
def test_the_bound_shares_the_rate_among_all_tests(rate: float, n_tests: int) -> None:
    bound = norm.isf(rate / n_tests / 2)
    near = np.array([bound - 1e-9, bound + 1e-9, -bound - 1e-9])
    assert textbook.deviating(near, rate, n_tests).tolist() == [False, True, True]
