"""Expected by distance: eqs. (2) to (7)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsolve.methods.contact_expected import textbook

MASK = st.lists(st.booleans(), min_size=1, max_size=40)


def symmetric(n: int, seed: int) -> np.ndarray:
    values = np.triu(np.random.default_rng(seed).poisson(5.0, (n, n)).astype(np.float64))
    return values + np.triu(values, 1).T


def power_law(n: int, exponent: float) -> np.ndarray:
    d = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    return np.maximum(d, 1.0) ** -exponent


# --- numbers of pairs ----------------------------------------------------------------------------


@given(MASK)
def test_autocorrelation_counts_the_pairs_one_by_one(valid: list[bool]) -> None:
    usable = textbook.usable_pixels(valid)
    np.testing.assert_array_equal(textbook.pair_counts(valid), textbook.count_pairs(usable))
    enumerated = np.zeros(len(valid), dtype=int)
    for i, one in enumerate(valid):
        for j in range(i, len(valid)):
            enumerated[j - i] += one and valid[j]
    np.testing.assert_array_equal(textbook.pair_counts(valid), enumerated)


@given(MASK, MASK, st.integers(0, 10))
def test_cross_correlation_counts_the_pairs_of_two_regions(
    left: list[bool], right: list[bool], apart: int
) -> None:
    offset = len(left) + apart
    enumerated = np.zeros(offset + len(right), dtype=int)
    for i, one in enumerate(left):
        for j, other in enumerate(right):
            enumerated[offset + j - i] += one and other
    counted = textbook.pair_counts_between(left, right, offset)
    np.testing.assert_array_equal(counted, enumerated)
    assert counted.sum() == sum(left) * sum(right)


@given(MASK, st.integers(0, 10_000))
def test_excluded_pixels_leave_the_number_of_their_distance(valid: list[bool], seed: int) -> None:
    n = len(valid)
    rng = np.random.default_rng(seed)
    excluded = {tuple(sorted(rng.integers(0, n, 2).tolist())) for _ in range(5)}
    fewer = textbook.pair_counts(valid)
    for i, j in excluded:
        fewer[j - i] -= valid[i] and valid[j]
    usable = textbook.usable_pixels(valid, excluded=excluded)
    np.testing.assert_array_equal(textbook.count_pairs(usable), fewer)


@given(MASK, st.integers(1, 39))
def test_two_arms_and_the_block_between_them_are_the_chromosome(
    valid: list[bool], cut: int
) -> None:
    cut = min(cut, len(valid))
    whole = textbook.pair_counts(valid)
    parts = np.zeros_like(whole)
    for arm in (valid[:cut], valid[cut:]):
        if arm:
            parts[: len(arm)] += textbook.pair_counts(arm)
    if cut < len(valid):
        parts += textbook.pair_counts_between(valid[:cut], valid[cut:], cut)
    np.testing.assert_array_equal(whole, parts)


# --- means ---------------------------------------------------------------------------------------


def test_zeros_count_and_masked_pixels_do_not() -> None:
    values = np.array([[0.0, 4, 0], [4, 0, 2], [0, 2, 0]])
    part = textbook.diagonals(values, textbook.usable_pixels([1, 1, 1]))
    assert part.total.tolist() == [0, 6, 0]
    assert part.n.tolist() == [3, 2, 1]
    np.testing.assert_array_equal(textbook.mean_by_distance(part, 1), [np.nan, 3, 0])
    masked = textbook.diagonals(values, textbook.usable_pixels([1, 1, 0]))
    np.testing.assert_array_equal(textbook.mean_by_distance(masked, 1), [np.nan, 4, np.nan])


@given(st.integers(0, 10_000))
def test_whatever_masked_bins_hold_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, valid = symmetric(25, seed), rng.random(25) < 0.7
    garbage = values.copy()
    garbage[~valid] = rng.choice([1e9, np.nan, -3.0], (int((~valid).sum()), 25))
    garbage[:, ~valid] = garbage[~valid].T
    usable = textbook.usable_pixels(valid)
    clean, dirty = textbook.diagonals(values, usable), textbook.diagonals(garbage, usable)
    np.testing.assert_array_equal(clean.total, dirty.total)
    # bins that are removed altogether would shift the distances; masked ones do not
    np.testing.assert_array_equal(clean.n, dirty.n)


@given(st.integers(0, 10_000))
def test_pooled_arms_are_weighted_by_their_numbers_of_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [
        textbook.diagonals(symmetric(n, seed + n), textbook.usable_pixels(rng.random(n) < 0.8))
        for n in (20, 12)
    ]
    pooled = textbook.mean_by_distance(textbook.pool(parts))
    n = np.zeros((2, 20))
    mean = np.zeros((2, 20))
    for k, part in enumerate(parts):
        n[k, : part.n.size] = part.n
        mean[k, : part.n.size] = np.nan_to_num(textbook.mean_by_distance(part))
    with np.errstate(invalid="ignore"):
        weighted = (n * mean).sum(axis=0) / n.sum(axis=0)
    np.testing.assert_allclose(pooled[2:], weighted[2:], rtol=1e-12, atol=0)


def test_scaling_and_reversing_the_matrix() -> None:
    values, valid = symmetric(30, 1), np.random.default_rng(2).random(30) < 0.8
    part = textbook.diagonals(values, textbook.usable_pixels(valid))
    scaled = textbook.diagonals(7 * values, textbook.usable_pixels(valid))
    turned = textbook.diagonals(values[::-1, ::-1], textbook.usable_pixels(valid[::-1]))
    np.testing.assert_array_equal(scaled.total, 7 * part.total)
    np.testing.assert_array_equal(turned.total, part.total)
    np.testing.assert_array_equal(turned.n, part.n)


@given(st.integers(0, 10_000))
def test_ratios_have_the_mean_one_at_every_distance(seed: int) -> None:
    values = symmetric(20, seed) + 1
    usable = textbook.usable_pixels(np.random.default_rng(seed).random(20) < 0.8)
    mean = textbook.mean_by_distance(textbook.diagonals(values, usable), 0)
    ratio = textbook.observed_over_expected(values, usable, mean)
    assert np.isnan(ratio[~usable]).all()
    again = textbook.mean_by_distance(textbook.diagonals(np.nan_to_num(ratio), usable), 0)
    np.testing.assert_allclose(again[np.isfinite(again)], 1.0, rtol=1e-12, atol=0)


def test_between_chromosomes_the_number_of_pairs_is_a_product() -> None:
    values, valid = symmetric(30, 5), np.random.default_rng(6).random(30) < 0.7
    block = textbook.usable_pixels(valid, excluded=[(3, 25)])
    block[:, :18] = block[18:] = False
    found = textbook.expected_trans(values, block)
    assert found.n == valid[:18].sum() * valid[18:].sum() - (valid[3] and valid[25])
    assert found.mean == pytest.approx(values[block].mean(), rel=1e-14)
    assert np.isnan(textbook.expected_trans(values, np.zeros((30, 30), dtype=bool)).mean)


def test_weights_multiply_from_both_sides_and_nan_masks() -> None:
    value = textbook.balanced(np.full((2, 2), 3.0), np.array([0.5, np.nan]))
    np.testing.assert_array_equal(value, [[0.75, np.nan], [np.nan, np.nan]])


# --- smoothing -----------------------------------------------------------------------------------


def law(n: int, exponent: float) -> textbook.Diagonals:
    return textbook.diagonals(power_law(n, exponent), textbook.usable_pixels(np.ones(n)))


def test_a_constant_stays_and_units_pass_through() -> None:
    flat = textbook.smooth(law(200, 0.0))
    assert np.isnan(flat[:2]).all()
    np.testing.assert_allclose(flat[2:], 1.0, rtol=1e-12, atol=0)
    part = law(200, 0.8)
    np.testing.assert_allclose(
        textbook.smooth(part._replace(total=9 * part.total)),
        9 * textbook.smooth(part),
        rtol=1e-12,
        atol=0,
    )


@pytest.mark.parametrize("exponent", (0.5, 1.0, 1.5, 2.0))
def test_a_power_is_returned_times_a_known_factor(exponent: float) -> None:
    # equal numbers of pairs at every distance, far from both ends of the kernel
    n = 6_000
    d = np.maximum(np.arange(n), 1.0)
    part = textbook.Diagonals(1_000 * d**-exponent, np.full(n, 1_000))
    factor = np.exp((0.1 * np.log(10)) ** 2 * exponent * (exponent - 2) / 2)
    smoothed = textbook.smooth(part)
    inside = slice(200, 1_500)
    np.testing.assert_allclose(smoothed[inside], factor * d[inside] ** -exponent, rtol=2e-4, atol=0)


def test_noise_is_smaller_after_smoothing() -> None:
    rng = np.random.default_rng(4)
    part = law(400, 0.0)
    drawn = part._replace(total=rng.poisson(part.n).astype(np.float64))
    raw, smoothed = textbook.mean_by_distance(drawn)[100:300], textbook.smooth(drawn)[100:300]
    assert np.abs(smoothed - 1).max() < np.abs(raw - 1).max() / 3


def test_distances_without_usable_pixels_are_bridged() -> None:
    valid = np.ones(120, dtype=bool)
    valid[30:70] = False
    part = textbook.diagonals(power_law(120, 1.0), textbook.usable_pixels(valid))
    part.n[40], part.total[40] = 0, 0.0
    assert np.isnan(textbook.mean_by_distance(part)[40])
    assert np.isfinite(textbook.smooth(part)[2:]).all()


def test_knots_are_every_bin_at_first_and_a_hundredth_of_log10_apart_later() -> None:
    knots = textbook.smooth_knots(1, 500)
    assert knots[:43].tolist() == list(range(1, 44))
    assert knots[[43, -1]].tolist() == [45, 500]
    step = np.diff(np.log10(knots))
    assert step[:-1].min() >= 0.01
    assert step.max() <= 0.31
    assert textbook.smooth_knots(2, 2).tolist() == [2]


def test_between_knots_the_smoothed_value_lies_on_the_line_in_log_log() -> None:
    part = law(200, 1.2)
    rough, fine = textbook.smooth(part), textbook.smooth(part, step=0.0)
    knots = textbook.smooth_knots(2, 199)
    np.testing.assert_allclose(rough[knots], fine[knots], rtol=1e-12, atol=0)
    np.testing.assert_allclose(rough[2:], fine[2:], rtol=2e-4, atol=0)
