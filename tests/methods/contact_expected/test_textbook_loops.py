"""Strength of loops: eqs. (20) to (24)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from refsolve.methods.contact_expected import textbook


def test_a_zero_has_a_finite_strength_and_large_counts_do_not_feel_the_pseudocount() -> None:
    assert textbook.pixel_strength(0, 7.5) == pytest.approx(-4, rel=1e-12)
    assert textbook.pixel_strength(8e6, 1e6) == pytest.approx(3, abs=1e-6)


def test_expected_counts_undo_the_weights() -> None:
    rng = np.random.default_rng(1)
    weight, mean = rng.uniform(0.5, 2, 12), 1 / np.arange(1, 13.0)
    counts = textbook.expected_counts(mean, weight)
    back = textbook.balanced(counts, weight)
    distance = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    np.testing.assert_allclose(back, mean[distance], rtol=1e-12, atol=0)


@given(st.integers(0, 4), st.integers(1, 5))
def test_donut_leaves_out_the_peak_its_row_and_its_column(inner: int, more: int) -> None:
    outer = inner + more
    donut = textbook.donut_mask(inner, outer)
    # the arms of the cross lie outside the peak on four sides
    assert donut.sum() == (2 * outer + 1) ** 2 - (2 * inner + 1) ** 2 - 4 * (outer - inner)
    np.testing.assert_array_equal(donut, donut.T)
    np.testing.assert_array_equal(donut, donut[::-1])


def test_local_background_follows_its_surroundings_and_ignores_the_peak() -> None:
    expected = np.full((40, 40), 3.0)
    counts = 3 * expected.copy()
    counts[15:18, 24:27] = 500.0
    assert textbook.donut_ratio(counts, expected, 16, 25, 1, 4) == pytest.approx(3, rel=1e-12)
    counts[14, 28] = np.nan
    assert textbook.donut_ratio(counts, expected, 16, 25, 1, 4) == pytest.approx(3, rel=1e-12)
    assert textbook.donut_ratio(counts, expected, 0, 39, 1, 4) == pytest.approx(3, rel=1e-12)


def test_windows_at_the_border_are_filled_with_nan() -> None:
    values = np.arange(25.0).reshape(5, 5)
    window = textbook.snippet(values, 0, 4, 1)
    np.testing.assert_array_equal(
        window, [[np.nan, np.nan, np.nan], [3, 4, np.nan], [8, 9, np.nan]]
    )
    np.testing.assert_array_equal(textbook.snippet(values, 2, 2, 1), values[1:4, 1:4])


def test_pile_up_means_over_the_windows_that_have_the_pixel() -> None:
    a = np.array([[1.0, np.nan], [3.0, np.nan]])
    b = np.array([[5.0, 2.0], [np.nan, np.nan]])
    np.testing.assert_array_equal(textbook.pile_up([a, b]), [[3, 2], [3, np.nan]])


@given(st.integers(0, 10_000))
def test_pile_up_does_not_depend_on_the_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    windows = rng.random((6, 3, 3))
    windows[rng.random(windows.shape) < 0.2] = np.nan
    np.testing.assert_allclose(
        textbook.pile_up(list(windows)), textbook.pile_up(list(windows[::-1])), rtol=1e-13, atol=0
    )


def test_aggregate_strength_is_that_of_the_sums_and_masked_pixels_leave_both() -> None:
    observed = [np.array([[4.0, np.nan]]), np.array([[12.0, 0.0]])]
    mean = [np.array([[1.0, 50.0]]), np.array([[2.0, np.nan]])]
    assert textbook.aggregate_strength(observed, mean, 0.0) == pytest.approx(
        np.log2(16 / 3), rel=1e-12
    )
    one = textbook.aggregate_strength(observed[:1], mean[:1])
    assert one == pytest.approx(float(textbook.pixel_strength(4, 1)), rel=1e-12)


def test_difference_has_the_interval_of_welch() -> None:
    rng = np.random.default_rng(2)
    case, control = rng.normal(2, 0.1, 4), rng.normal(0.5, 0.3, 3)
    value, low, high = textbook.difference(case, control)
    test = ttest_ind(case, control, equal_var=False)
    interval = test.confidence_interval(0.95)
    assert value == pytest.approx(case.mean() - control.mean(), rel=1e-12)
    np.testing.assert_allclose([low, high], [interval.low, interval.high], rtol=1e-10, atol=0)
