"""The textbook on counts, one pulse and labels: closed forms, enumeration, derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.linalg import expm

from refsolve.methods.tracts import textbook as tb
from tests.methods.tracts.paths import CONVENTIONS, COUNTS, ROUNDING, long_path, path

# --- counting and repair -----------------------------------------------------------------------

GAPPED = path((0.1, 0.4, 0), (0.4, 0.5, 1), (0.7, 0.9, 0), (1.0, 1.2, 0), (1.2, 1.5, 1))


def test_a_gap_carries_the_path_or_cuts_it() -> None:
    carried, cut = tb.statistics(GAPPED), tb.statistics(GAPPED, gaps="cut")
    for got in (carried, cut):
        np.testing.assert_allclose(got.exposure, [0.7, 0.4], **ROUNDING)
    assert carried.switches.tolist() == [[0, 2], [1, 0]]
    assert carried.first.tolist() == [1, 0]
    assert cut.switches.tolist() == [[0, 2], [0, 0]]
    assert cut.first.tolist() == [3, 0]
    assert tb.count_switches([GAPPED, GAPPED]) == 6


def test_pooled_statistics_are_sums() -> None:
    one, two = tb.statistics(GAPPED, 3), tb.statistics(path((0, 1, 2), (1, 3, 0)), 3)
    got = tb.pool([one, two])
    np.testing.assert_allclose(got.exposure, one.exposure + two.exposure, **ROUNDING)
    assert got.switches[2, 0] == 1
    assert got.first.tolist() == [1, 0, 1]


def test_fraction_is_of_the_called_span() -> None:
    np.testing.assert_allclose(tb.called_fraction([GAPPED]), 0.7 / 1.1, **ROUNDING)
    np.testing.assert_allclose(tb.called_fraction([GAPPED], 1), 0.4 / 1.1, **ROUNDING)


@pytest.mark.parametrize("n, m, t", [(14, 0.27338, 3.0378), (28, 0.72479, 6.0506)])
def test_switch_time_is_the_published_one(n: int, m: float, t: float) -> None:
    np.testing.assert_allclose(tb.switch_time(n, m, 11.6), t, rtol=0, atol=2e-4)


def relabelled(labels: str, suspects: str) -> str:
    n = len(labels)
    one = tb.Path(np.arange(n) * 1.0, np.arange(n) + 1.0, np.array(["AB".index(x) for x in labels]))
    chosen = tb.islands(one, [x == "?" for x in suspects])
    return "".join("x" if mark else "." for mark in chosen)


@pytest.mark.parametrize(
    "labels, suspects, expected",
    [
        ("ABA", " ? ", ".x."),  # flanked by the other ancestry
        ("ABA", "   ", "..."),  # a good call stays
        ("AAB", " ? ", "..."),  # agrees with one flank
        ("ABABA", " ??? ", ".x.x."),  # a run is judged by the nearest trusted calls
        ("BA", "? ", "x."),  # at an end there is one flank
        ("AB", " ?", ".x"),
        ("AA", " ?", ".."),
        ("BAB", "???", "..."),  # nobody to trust
        ("ABAAB", "  ?  ", "....."),  # between different flanks
        ("B", "?", "."),
    ],
)
def test_islands_are_suspects_that_their_flanks_contradict(
    labels: str, suspects: str, expected: str
) -> None:
    assert relabelled(labels, suspects) == expected


def test_merging_keeps_the_called_span_and_removes_two_switches() -> None:
    one = path((0.0, 0.4, 0), (0.4, 0.41, 1), (0.41, 0.9, 0), (0.95, 0.96, 1), (0.97, 1.2, 0))
    got = tb.merge_islands(one, [False, True, False, True, False])
    np.testing.assert_allclose(got.start, [0.0, 0.95, 0.97], **ROUNDING)
    np.testing.assert_allclose(got.end, [0.9, 0.96, 1.2], **ROUNDING)
    assert got.label.tolist() == [0, 0, 0]
    assert tb.count_switches([one]) - tb.count_switches([got]) == 4
    np.testing.assert_allclose((got.end - got.start).sum(), (one.end - one.start).sum(), **ROUNDING)


# --- one pulse ---------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("population_size", [np.inf, 50.0])
def test_time_and_rate_are_inverse(convention: tb.Convention, population_size: float) -> None:
    rate = tb.rate_of_time(21, convention, population_size)
    np.testing.assert_allclose(tb.time_of_rate(rate, convention, population_size), 21, rtol=1e-12)
    meioses = {"founders": 20, "coalescent": 21}[convention]
    want = meioses if np.isinf(population_size) else 100 * (1 - np.exp(-meioses / 100))
    np.testing.assert_allclose(rate, want, **ROUNDING)


def test_no_time_explains_a_rate_above_twice_the_population() -> None:
    assert tb.time_of_rate(100.0, "founders", 50) == np.inf


def test_likelihood_is_a_product_of_small_steps() -> None:
    dx, rate, m = 1e-5, 6.0, 0.3
    step = expm(tb.pulse_chain(rate, [m, 1 - m]).generator * dx)
    one = path((0, 0.2, 1), (0.2, 0.25, 0), (0.25, 0.6, 1))
    log_density = np.log(1 - m)
    for label, length in zip(one.label, one.end - one.start, strict=True):
        log_density += round(length / dx) * np.log(step[label, label])
    log_density += np.log(step[1, 0] / dx) + np.log(step[0, 1] / dx)
    got = tb.pulse_log_likelihood(tb.statistics(one), rate, m)
    np.testing.assert_allclose(got, log_density, rtol=0, atol=20 * rate * dx)


def test_likelihoods_of_all_paths_sum_to_one() -> None:
    length, m = 0.4, 0.3
    chain = tb.pulse_chain(5.0, [m, 1 - m])

    def density(*cuts: float, first: int) -> float:
        ends = np.array([*cuts, length])
        labels = (first + np.arange(ends.size)) % 2
        one = tb.Path(np.concatenate([[0.0], ends[:-1]]), ends, labels)
        return float(np.exp(tb.aggregated_log_likelihood(one, chain)))

    total = 0.0
    for first, share in ((0, m), (1, 1 - m)):
        total += density(first=first)
        total += quad(lambda x, f=first: density(x, first=f), 0, length)[0]
        a, b = (5 * (1 - m), 5 * m) if first == 0 else (5 * m, 5 * (1 - m))
        # two and more switches: what is left of the holding-time convolution
        total += (
            share
            * quad(
                lambda x, a=a, b=b: a * np.exp(-a * x) * -np.expm1(-b * (length - x)), 0, length
            )[0]
        )
    np.testing.assert_allclose(total, 1, rtol=1e-9)


def test_score_and_information_are_derivatives() -> None:
    rate, m, h = 4.0, 0.35, 1e-5

    def height(r: float, f: float) -> float:
        return tb.pulse_log_likelihood(COUNTS, r, f)

    by_rate = (height(rate + h, m) - height(rate - h, m)) / (2 * h)
    by_fraction = (height(rate, m + h) - height(rate, m - h)) / (2 * h)
    np.testing.assert_allclose(tb.pulse_score(COUNTS, rate, m), [by_rate, by_fraction], rtol=1e-7)
    above, below = (tb.pulse_score(COUNTS, rate + s * h, m) for s in (1, -1))
    right, left = (tb.pulse_score(COUNTS, rate, m + s * h) for s in (1, -1))
    second = -np.array([np.subtract(above, below), np.subtract(right, left)]) / (2 * h)
    np.testing.assert_allclose(tb.pulse_information(COUNTS, rate, m), second, rtol=1e-6)


counts = st.integers(0, 30)
lengths = st.floats(0.01, 50)


@given(lengths, lengths, counts, st.integers(-3, 3), counts, counts)
def test_closed_form_is_the_maximum(
    t_a: float, t_b: float, n_ab: int, more: int, f_a: int, f_b: int
) -> None:
    n_ba = max(n_ab + more, 0)
    stats = tb.Statistics(
        np.array([t_a, t_b]), np.array([[0, n_ab], [n_ba, 0]]), np.array([f_a + 1, f_b + 1])
    )
    fit = tb.fit_pulse(stats)
    assert 0 < fit.fraction < 1
    if fit.rate > 0:
        of_rate, of_fraction = tb.pulse_score(stats, fit.rate, fit.fraction)
        weight = (stats.first.sum() + n_ab + n_ba) / (fit.fraction * (1 - fit.fraction))
        assert abs(of_rate) < 1e-7 * (t_a + t_b)
        assert abs(of_fraction) < 1e-7 * weight
    again = tb.fit_fraction(stats, fit.rate)
    np.testing.assert_allclose(again, fit.fraction, rtol=1e-6)
    for m in np.linspace(0.01, 0.99, 25):
        assert tb.pulse_log_likelihood(stats, tb.fit_rate(stats, m), m) < fit.log_likelihood + 1e-9


@pytest.mark.parametrize("only", [0, 1])
def test_one_ancestry_alone_has_rate_zero(only: int) -> None:
    stats = tb.statistics(path((0.0, 2.0, only)))
    assert tb.fit_pulse(stats) == (0.0, 1.0 - only, 0.0)
    assert tb.profile_interval(stats) == (0.0, np.inf)


def test_no_switch_at_all_has_the_fraction_of_the_chromosomes() -> None:
    stats = tb.pool([tb.statistics(path((0.0, 1.0, k))) for k in (0, 0, 0, 1)])
    fit = tb.fit_pulse(stats)
    assert fit.rate == 0
    np.testing.assert_allclose(fit.fraction, 0.75, **ROUNDING)
    low, high = tb.profile_interval(stats)
    assert low == 0
    assert 0 < high < 5


@pytest.mark.parametrize("level, drop", [(0.95, 3.841458820694124), (0.5, 0.454936423119572)])
def test_interval_ends_where_the_profile_has_dropped(level: float, drop: float) -> None:
    best = tb.fit_pulse(COUNTS)
    low, high = tb.profile_interval(COUNTS, level)
    assert low < best.rate < high
    for rate in (low, high):
        profile = tb.pulse_log_likelihood(COUNTS, rate, tb.fit_fraction(COUNTS, rate))
        np.testing.assert_allclose(2 * (best.log_likelihood - profile), drop, rtol=1e-9)
    low, high = tb.profile_interval(COUNTS, level, parameter="fraction")
    assert low < best.fraction < high
    for m in (low, high):
        profile = tb.pulse_log_likelihood(COUNTS, tb.fit_rate(COUNTS, m), m)
        np.testing.assert_allclose(2 * (best.log_likelihood - profile), drop, rtol=1e-9)


def test_interval_of_a_single_switch_comes_close_to_zero() -> None:
    few = tb.Statistics(np.array([1.0, 2.0]), np.array([[0, 1], [0, 0]]), np.array([1, 0]))
    low, high = tb.profile_interval(few, 0.999)
    assert 0 < low < 0.002
    assert 5 < high < 20


def test_naming_the_other_ancestry_a_maps_the_fraction() -> None:
    turned = tb.Statistics(COUNTS.exposure[::-1], COUNTS.switches[::-1, ::-1], COUNTS.first[::-1])
    here, there = tb.fit_pulse(COUNTS), tb.fit_pulse(turned)
    np.testing.assert_allclose(there.rate, here.rate, **ROUNDING)
    np.testing.assert_allclose(there.fraction, 1 - here.fraction, **ROUNDING)
    np.testing.assert_allclose(there.log_likelihood, here.log_likelihood, **ROUNDING)


# --- inverted labels ---------------------------------------------------------------------------


def test_inversion_ratio_is_the_difference_of_two_likelihoods() -> None:
    one = GAPPED
    rate, m = 3.0, 0.2
    as_called, inverted = (
        tb.pulse_log_likelihood(tb.statistics(p), rate, m) for p in (one, tb.invert(one))
    )
    got = tb.inversion_log_ratio(tb.statistics(one), rate, m)
    np.testing.assert_allclose(got, inverted - as_called, **ROUNDING)
    np.testing.assert_allclose(
        tb.inversion_log_ratio(tb.statistics(tb.invert(one)), rate, m), -got, **ROUNDING
    )
    np.testing.assert_allclose(tb.inversion_log_ratio(tb.statistics(one), rate, 0.5), 0, **ROUNDING)


def test_enumeration_finds_the_planted_inversions() -> None:
    planted = np.array([False, True, False, False, True, False])
    haplotypes = []
    for h, (rate, m) in enumerate([(4.0, 0.15), (8.0, 0.8)]):
        paths = [long_path(rate, m, 2.0, 10 * h + c) for c in range(6)]
        turned = [tb.invert(p) if x else p for p, x in zip(paths, planted, strict=True)]
        haplotypes.append([tb.statistics(p) for p in turned])
    np.testing.assert_array_equal(tb.best_inversions(haplotypes), planted)
