"""The textbook on missing and false tracts: closed forms and simulation."""

from __future__ import annotations

import numpy as np
import pytest

from refsolve.methods.tracts import textbook as tb
from tests.methods.tracts.paths import ROUNDING, long_path, path


def test_truncated_statistics_are_counted_by_hand() -> None:
    one = path((0, 0.3, 0), (0.3, 0.35, 1), (0.35, 0.8, 0), (0.8, 1.0, 1))
    events, exposure = tb.truncated_statistics(one, 0.1)
    assert events.tolist() == [2, 0]
    np.testing.assert_allclose(exposure, [0.2 + 0.35, 0.1], **ROUNDING)


@pytest.mark.parametrize("c", [0.0, 0.01, 0.05])
def test_truncated_tracts_keep_the_rate_and_the_fraction(c: float) -> None:
    events, exposure = tb.truncated_statistics(long_path(9.0, 0.3, 4000, 3), c)
    rate, m = tb.fit_truncated(events, exposure)
    # 4 standard errors of a rate from 15,000 switches
    np.testing.assert_allclose([rate, m], [9.0, 0.3], rtol=0.04)


@pytest.mark.parametrize("rate, m, c", [(9.0, 0.3, 0.02), (9.0, 0.5, 0.05), (19.0, 0.5, 0.06)])
def test_joined_paths_have_the_exact_rate(rate: float, m: float, c: float) -> None:
    length = 4000.0
    joined = tb.drop_short(long_path(rate, m, length, 5), c)
    n = tb.count_switches([joined])
    expected = 2 * m * (1 - m) * (length - 2 * c) * tb.merged_rate(rate, m, c)
    # under-dispersed against Poisson, so 4 Poisson standard deviations are generous; the first
    # order is off by far more
    assert abs(n - expected) < 4 * np.sqrt(expected)
    first_order = 2 * m * (1 - m) * length * rate * np.exp(-rate * c)
    if rate * c > 1:
        assert abs(n - first_order) > 6 * np.sqrt(expected)


def test_dropped_tracts_leave_a_path_without_short_or_touching_equal_ones() -> None:
    one = path((0, 0.3, 0), (0.3, 0.35, 1), (0.35, 0.8, 0), (0.8, 1.0, 1))
    got = tb.drop_short(one, 0.1)
    np.testing.assert_allclose(got.start, [0, 0.8], **ROUNDING)
    np.testing.assert_allclose(got.end, [0.8, 1.0], **ROUNDING)
    assert got.label.tolist() == [0, 1]


@pytest.mark.parametrize("m", [0.1, 0.5])
@pytest.mark.parametrize("rate", [3.0, 20.0])
def test_joined_rate_is_inverted(rate: float, m: float) -> None:
    c = 0.03
    r = tb.merged_rate(rate, m, c)
    np.testing.assert_allclose(tb.rate_from_merged(r, m, c), rate, rtol=1e-9)
    assert tb.rate_from_merged(r, m, 0.0) == r
    lambert = tb.rate_from_merged_lambert(rate * np.exp(-rate * c), c)
    np.testing.assert_allclose(lambert, rate, rtol=1e-9)


def test_first_order_of_the_joined_rate() -> None:
    m, rate = 0.3, 10.0
    gap = [tb.merged_rate(rate, m, c) / (rate * np.exp(-rate * c)) - 1 for c in (1e-3, 1e-4)]
    np.testing.assert_allclose(gap[0], (rate * 1e-3) ** 2 * m * (1 - m), rtol=0.02)
    np.testing.assert_allclose(gap[0] / gap[1], 100, rtol=0.02)


def test_a_rate_above_the_peak_is_refused() -> None:
    with pytest.raises(ValueError, match=r"r = 40.* must be at most .* use a smaller c"):
        tb.rate_from_merged(40.0, 0.3, 0.03)
    with pytest.raises(ValueError, match=r"r = 40.* must be at most 12\.26.* use a smaller c"):
        tb.rate_from_merged_lambert(40.0, 0.03)


def test_false_tracts_add_two_switches_each() -> None:
    lengths, rate, m, false = [2.0, 1.5], 9.0, 0.3, 0.8
    n_tracts = float(tb.contaminated_tail(0.0, lengths, rate, m, false))
    n_switches = n_tracts - len(lengths)
    got = n_switches / (2 * m * (1 - m) * sum(lengths))
    np.testing.assert_allclose(got, tb.contaminated_rate(rate, m, false), **ROUNDING)


def test_long_tracts_separate_false_ones() -> None:
    lengths, rate, m, false, c = [2.0, 1.5] * 20, 9.0, 0.3, 0.8, 0.03
    counted = [float(tb.contaminated_tail(x, lengths, rate, m, false)) for x in (0.0, c)]
    got = tb.fit_contamination(counted[0], counted[1], lengths, m, c)
    np.testing.assert_allclose(got, (rate, false), rtol=1e-9)
    clean = [float(tb.contaminated_tail(x, lengths, rate, m, 0.0)) for x in (0.0, c)]
    np.testing.assert_allclose(
        tb.fit_contamination(clean[0], clean[1] + 1, lengths, m, c), (rate, 0.0), rtol=1e-9
    )
    assert tb.fit_contamination(60, 1, lengths, m, c)[0] == 0.0
