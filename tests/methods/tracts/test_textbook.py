"""The textbook against closed forms, enumeration, finite differences and invariants."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.linalg import expm

from refsolve.methods.tracts import textbook as tb

ROUNDING = {"rtol": 1e-11, "atol": 1e-12}
COUNTS = tb.Statistics(np.array([2.1, 5.4]), np.array([[0, 9], [7, 0]]), np.array([3, 2]))
HISTORIES: dict[str, Any] = {
    "one pulse": tb.pulses([(8, [0.3, 0.7])]),
    "two pulses": tb.pulses([(15, [0.3, 0.7]), (5, [0.1, 0.0])]),
    "three sources": tb.pulses([(12, [0.5, 0.5, 0.0]), (6, [0.0, 0.0, 0.2])]),
    "continuous": tb.continuous(7, 2, [0.4, 0.6], [0.05, 0.02]),
    "latest possible": tb.pulses([(4, [0.4, 0.6]), (1, [0.2, 0.0])]),
}
CONVENTIONS: list[tb.Convention] = ["founders", "coalescent"]


def path(*tracts: tuple[float, float, int]) -> tb.Path:
    start, end, label = zip(*tracts, strict=True)
    return tb.Path(np.array(start), np.array(end), np.array(label))


def long_path(rate: float, m: float, length: float, seed: int) -> tb.Path:
    """Alternating exponential tracts: nothing but the holding times of the chain."""
    rng = np.random.default_rng(seed)
    mean = np.array([1 / (rate * (1 - m)), 1 / (rate * m)])
    label = np.arange(int(3 * length / mean.sum())) % 2
    end = np.cumsum(rng.exponential(mean[label]))
    kept = end < length
    end = end[kept]
    return tb.Path(np.concatenate([[0], end[:-1]]), end, label[kept])


# --- counting and repair -------------------------------------------------------------------------

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


# --- one pulse -----------------------------------------------------------------------------------


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


# --- inverted labels -----------------------------------------------------------------------------


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


# --- missing and false tracts --------------------------------------------------------------------


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


# --- chains --------------------------------------------------------------------------------------


def test_every_likelihood_of_one_pulse_is_the_same() -> None:
    one, rate, m = path((0, 0.2, 1), (0.2, 0.25, 0), (0.25, 0.6, 1)), 6.0, 0.3
    chain = tb.pulse_chain(rate, [m, 1 - m])
    want = tb.pulse_log_likelihood(tb.statistics(one), rate, m)
    np.testing.assert_allclose(tb.aggregated_log_likelihood(one, chain), want, **ROUNDING)
    np.testing.assert_allclose(
        tb.observed_log_likelihood(tb.statistics(one), chain), want, **ROUNDING
    )
    history = tb.demography_chain(tb.pulses([(7, [m, 1 - m])]))
    np.testing.assert_allclose(tb.aggregated_log_likelihood(one, history), want, **ROUNDING)


def test_three_ancestries_are_a_chain_of_their_own() -> None:
    fractions, rate = [0.2, 0.5, 0.3], 4.0
    one = path((0, 0.2, 1), (0.2, 0.25, 2), (0.25, 0.6, 0))
    chain = tb.pulse_chain(rate, fractions)
    want = np.log(np.prod(fractions) * rate**2) - rate * (0.2 * 0.5 + 0.05 * 0.7 + 0.35 * 0.8)
    np.testing.assert_allclose(tb.aggregated_log_likelihood(one, chain), want, **ROUNDING)
    np.testing.assert_allclose(
        tb.observed_log_likelihood(tb.statistics(one, 3), chain), want, **ROUNDING
    )


@pytest.mark.parametrize("labels", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_gap_is_summed_over_what_may_have_happened(labels: tuple[int, int]) -> None:
    rate, m, gap = 6.0, 0.3, 0.2
    one = path((0.1, 0.3, labels[0]), (0.3 + gap, 0.8, labels[1]))
    share, leave = [m, 1 - m], [rate * (1 - m), rate * m]
    kept = np.exp(-rate * gap)
    across = share[labels[1]] * (1 - kept) + kept * (labels[0] == labels[1])
    want = np.log(share[labels[0]] * across) - 0.2 * leave[labels[0]] - 0.3 * leave[labels[1]]
    got = tb.aggregated_log_likelihood(one, tb.pulse_chain(rate, share))
    np.testing.assert_allclose(got, want, **ROUNDING)


@pytest.mark.parametrize("copies", [(0, 1, 2), (1, 0, 1, 2, 1), (1, 2, 1)])
@pytest.mark.parametrize("equal", [True, False])
def test_unphased_likelihood_sums_over_the_phases(copies: tuple[int, ...], equal: bool) -> None:
    rates, fractions = ((5.0, 5.0), (0.3, 0.3)) if equal else ((3.0, 8.0), (0.2, 0.6))
    chains = [tb.pulse_chain(r, [m, 1 - m]) for r, m in zip(rates, fractions, strict=True)]
    ends = np.linspace(0.1, 0.7, len(copies))
    genotypes = tb.Path(np.concatenate([[0.0], ends[:-1]]), ends, np.array(copies))
    phases = {0: [(0, 0)], 1: [(0, 1), (1, 0)], 2: [(1, 1)]}
    total = 0.0
    for choice in itertools.product(*(phases[k] for k in copies)):
        pairs = np.array(choice)
        if any(np.abs(np.diff(pairs, axis=0)).sum(axis=1) != 1):
            continue  # both parents would have to switch at one place
        density = 1.0
        for h, chain in enumerate(chains):
            joined = tb.merge_islands(genotypes._replace(label=pairs[:, h]), [False] * len(copies))
            density *= np.exp(tb.aggregated_log_likelihood(joined, chain))
        total += density
    got = tb.aggregated_log_likelihood(genotypes, tb.diploid_chain(rates, fractions))
    np.testing.assert_allclose(got, np.log(total), **ROUNDING)
    if equal:
        stats = tb.statistics(genotypes, 3)
        closed = tb.diploid_log_likelihood(stats, rates[0], fractions[0])
        np.testing.assert_allclose(closed, got, **ROUNDING)


def test_both_parents_never_switch_at_one_place() -> None:
    stats = tb.statistics(path((0, 0.5, 0), (0.5, 1, 2)), 3)
    assert tb.diploid_log_likelihood(stats, 5.0, 0.3) == -np.inf
    both = path((0, 0.5, 0), (0.5, 1, 2))
    chain = tb.diploid_chain((5.0, 3.0), (0.3, 0.4))
    assert tb.aggregated_log_likelihood(both, chain) == -np.inf


def test_unphased_rate_is_the_maximum_and_ignores_the_phase() -> None:
    one, two = long_path(6.0, 0.4, 3, 1), long_path(6.0, 0.4, 3, 2)
    length = min(one.end[-1], two.end[-1])
    genotypes = tb.diploid_path(one, two)
    np.testing.assert_allclose(genotypes.end[-1], length, **ROUNDING)
    stats = tb.statistics(genotypes, 3)
    best = tb.fit_diploid_rate(stats, 0.4)
    around = [tb.diploid_log_likelihood(stats, best * k, 0.4) for k in (0.999, 1, 1.001)]
    assert around[1] == max(around)
    exchanged = tb.statistics(tb.diploid_path(two, one), 3)
    np.testing.assert_array_equal(exchanged.switches, stats.switches)


def test_genotypes_are_called_where_both_haplotypes_are() -> None:
    one = path((0.0, 0.4, 0), (0.5, 1.0, 1))
    two = path((0.1, 0.8, 1), (0.8, 0.9, 0))
    got = tb.diploid_path(one, two)
    np.testing.assert_allclose(got.start, [0.1, 0.5, 0.8], **ROUNDING)
    np.testing.assert_allclose(got.end, [0.4, 0.8, 0.9], **ROUNDING)
    assert got.label.tolist() == [1, 2, 1]


# --- histories and tract lengths -----------------------------------------------------------------


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("name", HISTORIES)
def test_histories_are_stationary_and_reversible(name: str, convention: tb.Convention) -> None:
    chain = tb.demography_chain(HISTORIES[name], convention)
    np.testing.assert_allclose(chain.stationary.sum(), 1, **ROUNDING)
    np.testing.assert_allclose(chain.generator.sum(axis=1), 0, atol=1e-12)
    flow = chain.stationary[:, np.newaxis] * chain.generator
    np.testing.assert_allclose(flow, flow.T, **ROUNDING)


@pytest.mark.parametrize("name", HISTORIES)
def test_tracts_of_all_lengths_cover_the_chromosome(name: str) -> None:
    chain, length = tb.demography_chain(HISTORIES[name]), 1.3
    for label in np.unique(chain.label):
        covered = quad(lambda x, k=label: tb.tail(chain, k, x, length), 0, length)[0]
        share = chain.stationary[chain.label == label].sum()
        np.testing.assert_allclose(covered, share * length, rtol=1e-9)


def test_tract_counts_of_one_pulse_have_the_closed_form() -> None:
    rate, m, length = 19.0, 0.1, 2.86
    a = rate * (1 - m)
    np.testing.assert_allclose(tb.pulse_tail(0, length, rate, m), m * (1 + a * length), **ROUNDING)
    whole = tb.pulse_tail([length, length + 1e-9], length, rate, m)
    np.testing.assert_allclose(whole, [m * np.exp(-a * length), 0], **ROUNDING)
    edges, lengths = np.linspace(0, 3, 31), [2.86, 1.2]
    density = [
        sum(
            quad(
                lambda x, n=n: m * a * np.exp(-a * x) * ((n - x) * a + 2) * (x < n),
                low,
                high,
                points=[p for p in (n,) if low < p < high] or None,
            )[0]
            + m * np.exp(-a * n) * (low <= n < high)
            for n in lengths
        )
        for low, high in itertools.pairwise(edges)
    ]
    got = tb.pulse_histogram(edges, lengths, rate, m)
    np.testing.assert_allclose(got, density, rtol=1e-8, atol=1e-12)
    chain = tb.demography_chain(tb.pulses([(20, [m, 1 - m])]))
    np.testing.assert_allclose(
        tb.histogram(chain, 0, edges, lengths, 4), 4 * got, rtol=1e-10, atol=1e-13
    )


def test_the_coalescent_is_one_generation_older() -> None:
    chain = tb.demography_chain(tb.pulses([(5, [0.3, 0.7])]), "coalescent")
    np.testing.assert_allclose(
        chain.generator, tb.pulse_chain(5.0, [0.3, 0.7]).generator, **ROUNDING
    )


def test_a_pulse_that_replaces_everybody_is_the_founding() -> None:
    replaced = tb.demography_chain(tb.pulses([(9, [0.5, 0.5]), (4, [0.3, 0.7])]))
    young = replaced.stationary > 0
    founded = tb.demography_chain(tb.pulses([(4, [0.3, 0.7])]))
    np.testing.assert_allclose(replaced.stationary[young], founded.stationary, **ROUNDING)
    np.testing.assert_allclose(
        replaced.generator[np.ix_(young, young)], founded.generator, **ROUNDING
    )


def test_migrants_of_the_last_generation_have_whole_chromosomes() -> None:
    chain = tb.demography_chain(HISTORIES["latest possible"])
    youngest = int(np.argmin(np.where(chain.stationary > 0, -np.diag(chain.generator), np.inf)))
    assert chain.generator[youngest, youngest] == 0
    np.testing.assert_allclose(chain.stationary[youngest], 0.2, **ROUNDING)


def test_histogram_likelihood_is_poisson() -> None:
    got = tb.histogram_log_likelihood([[3, 0], [1, 2]], [[2.0, 0.5], [1.5, 2.5]])
    want = (
        3 * np.log(2) - 2 - np.log(6) - 0.5 + np.log(1.5) - 1.5 + 2 * np.log(2.5) - 2.5 - np.log(2)
    )
    np.testing.assert_allclose(got, want, **ROUNDING)
