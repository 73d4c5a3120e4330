"""Which bins and pixels count: eqs. (1), (8), (9)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsolve.methods.contact_expected import textbook


def test_a_pixel_needs_two_valid_bins_of_one_region() -> None:
    usable = textbook.usable_pixels([1, 1, 0, 1, 1], [0, 0, 0, 1, -1], excluded=[(1, 0)])
    kept = np.argwhere(np.triu(usable)).tolist()
    assert kept == [[0, 0], [1, 1], [3, 3]]
    np.testing.assert_array_equal(usable, usable.T)


def test_masks_multiply_and_exclusions_add_up() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 30)) < 0.8
    both = textbook.usable_pixels(a & b, excluded=[(2, 9), (4, 4)])
    apart = textbook.usable_pixels(a, excluded=[(2, 9)]) & textbook.usable_pixels(
        b, excluded=[(4, 4)]
    )
    np.testing.assert_array_equal(both, apart)


# --- low mappability -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "low, high",
    [((0.45,), (0.85, 1.0)), ((0.2, 0.33, 0.4), (0.6, 0.75)), ((0.85, 0.86), (0.95, 1.0))],
)
def test_a_visible_gap_is_found_wherever_it_lies(
    low: tuple[float, ...], high: tuple[float, float]
) -> None:
    for seed in range(20):
        values = np.append(np.random.default_rng(seed).uniform(*high, 24), low)
        cut = textbook.gap_threshold(values)
        assert cut is not None
        assert max(low) < cut < high[0] + 0.1
        assert (values < cut).sum() == len(low)


@pytest.mark.parametrize("a, b, most", [(40, 2, 0.08), (15, 1.5, 0.09), (1, 1, 0.02)])
def test_a_column_without_a_gap_rarely_shows_one(a: float, b: float, most: float) -> None:
    found = [
        textbook.gap_threshold(np.random.default_rng(seed).beta(a, b, 24)) is not None
        for seed in range(500)
    ]
    assert np.mean(found) < most


def test_no_gap_among_equal_values_or_above_the_majority() -> None:
    assert textbook.gap_threshold([1.0] * 12) is None
    assert textbook.gap_threshold([0.9]) is None
    assert textbook.gap_threshold([0.3] * 7 + [0.9] * 6) is None
    assert textbook.gap_threshold([0.3] * 6 + [0.9] * 6) == pytest.approx(0.6, rel=1e-12)


# --- low coverage --------------------------------------------------------------------------------


def test_low_coverage_counts_mads_below_the_median_of_the_logarithm() -> None:
    marginal = np.exp([0.0, 1, 2, 3, 4, -2.5, -np.inf])
    # the logarithms have the median 1.5 and the deviations 1.5, .5, .5, 1.5, 2.5, 4
    assert np.flatnonzero(textbook.low_coverage(marginal, 2.0)).tolist() == [5, 6]
    assert np.flatnonzero(textbook.low_coverage(marginal, 3.0)).tolist() == [6]


@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_low_coverage_has_no_unit(seed: int, unit: float) -> None:
    marginal = np.random.default_rng(seed).lognormal(0, 1, 30)
    np.testing.assert_array_equal(
        textbook.low_coverage(marginal, 1.3), textbook.low_coverage(marginal * unit, 1.3)
    )


def test_chromosomes_are_compared_with_themselves() -> None:
    marginal = np.array([1.0, 2, 3, 0, 10, 20, 30, 0])
    relative = textbook.per_chromosome_median(marginal, [0, 0, 0, 0, 1, 1, 1, 1])
    np.testing.assert_allclose(relative, [0.5, 1, 1.5, 0, 0.5, 1, 1.5, 0], rtol=1e-15, atol=0)
