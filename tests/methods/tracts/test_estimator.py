"""Estimates: recovery, invariance, flags, intervals and messages."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from refsolve.core.errors import AnalysisError
from refsolve.methods.tracts import (
    Tracts,
    called_fraction,
    called_span,
    compare_haplotypes,
    continuous,
    count_lengths,
    count_paths,
    count_switches,
    estimate_switch_rate,
    exchanged,
    fit_contaminated,
    fit_continuous,
    fit_demography,
    fit_diploid,
    fit_merged,
    fit_pulse,
    fit_truncated,
    fit_two_pulses,
    infer_inversions,
    merged_rate,
    pulse_log_likelihood,
    pulses,
    repair_labels,
    simulate_history,
    simulate_tracts,
    switch_time,
    textbook,
    time_profile,
)

HUMAN = [
    2.86, 2.69, 2.23, 2.14, 2.04, 1.92, 1.87, 1.68, 1.66, 1.81, 1.58,
    1.75, 1.26, 1.20, 1.41, 1.34, 1.29, 1.18, 1.08, 1.08, 0.63, 0.74,
]  # fmt: skip


def simulated(n: int = 2, seed: int = 1, lengths: Any = HUMAN, **how: Any) -> Tracts:
    data = simulate_tracts(
        time=how.get("time", 9), fraction=how.get("fraction", 0.3), lengths=lengths,
        n_haplotypes=n, rng=seed, convention=how.get("convention", "founders"),
    )  # fmt: skip
    return Tracts(**data.observed)


ONE_ANCESTRY = Tracts([0, 0], [0, 1], [0.0, 0.0], [1.0, 1.0], [1, 1], [1.0, 1.0])


# Switch rate


def test_switch_rate_is_the_published_formula() -> None:
    # 14 and 28 switches on 11.6 Morgans, with the published fractions.
    got = switch_time([14, 28], [0.27338, 0.72479], 11.6)
    np.testing.assert_allclose(got, [3.0378, 6.0506], rtol=0, atol=1e-4)


def test_switch_rate_uses_the_called_span_and_the_whole_map() -> None:
    tracts = Tracts(
        [0] * 3, [0] * 3, [0.1, 0.5, 1.2], [0.4, 1.0, 1.5], [0, 1, 0], [2.0], n_haplotypes=2
    )
    rates = estimate_switch_rate(tracts)
    np.testing.assert_allclose(called_span(tracts), [1.1, 0.0], rtol=1e-12)
    np.testing.assert_allclose(called_fraction(tracts), [0.6 / 1.1, np.nan], rtol=1e-12)
    assert count_switches(tracts).tolist() == [2.0, 0.0]
    assert count_switches(tracts, gaps="cut").tolist() == [0.0, 0.0]
    m = 0.6 / 1.1
    assert rates.time[0] == pytest.approx(2 / (2 * m * (1 - m) * 2.0))
    assert rates.identified.tolist() == [True, False]
    assert rates.interval[0, 0] < rates.time[0] < rates.interval[0, 1]
    assert estimate_switch_rate(tracts, convention="founders").time[0] == rates.time[0] + 1


def test_switch_rate_without_switches_has_a_one_sided_interval() -> None:
    tracts = Tracts([0, 0], [0, 1], [0.0, 0.0], [1.0, 1.0], [0, 1], [1.0, 1.0])
    rates = estimate_switch_rate(tracts)
    assert rates.time[0] == rates.interval[0, 0] == 0.0
    assert np.isfinite(rates.interval[0, 1])


def test_switch_time_needs_a_map() -> None:
    with pytest.raises(ValueError, match="map_length = 0.0 must be positive"):
        switch_time(3, 0.5, 0.0)
    with pytest.raises(ValueError, match="gaps = 'integrate' is not known"):
        count_switches(simulated(), gaps="integrate")


# One pulse


def test_pulse_recovers_the_truth_and_relabels() -> None:
    tracts = simulated(60, time=12, fraction=0.2)
    fit = fit_pulse(tracts, by="all")
    assert abs(fit.time[0] - 12) < 4 * fit.se_time[0]
    assert abs(fit.fraction[0] - 0.2) < 4 * fit.se_fraction[0]
    mirrored = fit_pulse(tracts.relabelled(1 - tracts.ancestry), by="all")
    assert mirrored.time[0] == pytest.approx(fit.time[0], rel=1e-10)
    assert mirrored.fraction[0] == pytest.approx(1 - fit.fraction[0], rel=1e-10)
    np.testing.assert_allclose(1 - mirrored.fraction_interval[0, ::-1], fit.fraction_interval[0],
                               rtol=1e-8)  # fmt: skip


def test_interval_ends_lie_at_the_drop() -> None:
    tracts = simulated(4)
    counts = count_paths(tracts, by="all", gaps="integrate")
    fit = fit_pulse(counts)
    for end in fit.interval[0]:
        m = np.linspace(0.15, 0.45, 2001)
        top = pulse_log_likelihood(counts, end, m).max()
        assert fit.log_likelihood[0] - top == pytest.approx(1.9207, abs=1e-3)


def test_conventions_differ_by_a_generation() -> None:
    tracts = simulated()
    founders, coalescent = (fit_pulse(tracts, convention=c) for c in ("founders", "coalescent"))
    np.testing.assert_allclose(founders.time, coalescent.time + 1, rtol=1e-12)
    small = fit_pulse(tracts, population_size=50.0)
    assert (small.time > founders.time).all()
    assert (small.se_time > founders.se_time).all()


def test_one_ancestry_is_not_identified() -> None:
    fit = fit_pulse(ONE_ANCESTRY)
    assert not fit.identified[0]
    assert fit.at_bound[0]
    assert np.isnan(fit.time[0])
    assert fit.interval[0].tolist() == [1.0, np.inf]
    assert fit.fraction_interval[0, 0] == 0.0


def test_no_switch_bounds_the_time_from_above() -> None:
    tracts = Tracts([0, 0], [0, 1], [0.0, 0.0], [1.0, 1.0], [0, 1], [1.0, 1.0])
    fit = fit_pulse(tracts, convention="coalescent")
    assert fit.at_bound[0]
    assert fit.identified[0]
    assert fit.time[0] == fit.interval[0, 0] == 0.0
    assert 0.5 < fit.interval[0, 1] < 20.0


def test_gaps_at_random_leave_the_estimate() -> None:
    tracts = simulated(100, lengths=[2.0, 1.5])
    rng = np.random.default_rng(3)
    low = rng.uniform(0.0, 1.4, 200)  # one uncalled interval on every haplotype of chromosome 0
    lost = (tracts.chromosome == 0) & (tracts.end > low[tracts.haplotype])
    lost &= tracts.start < low[tracts.haplotype] + 0.1
    cut = []
    for i in np.flatnonzero(lost):
        a, b = low[tracts.haplotype[i]], low[tracts.haplotype[i]] + 0.1
        for start, end in (
            (tracts.start[i], min(a, tracts.end[i])),
            (max(b, tracts.start[i]), tracts.end[i]),
        ):
            if end > start + 1e-5:
                cut.append((tracts.haplotype[i], start, end, tracts.ancestry[i]))
    h, start, end, ancestry = (np.array(column) for column in zip(*cut, strict=True))
    kept = tracts.kept(~lost)
    holed = Tracts(
        np.concatenate([kept.haplotype, h]), np.concatenate([kept.chromosome, 0 * h]),
        np.concatenate([kept.start, start]), np.concatenate([kept.end, end]),
        np.concatenate([kept.ancestry, ancestry]), tracts.lengths,
    )  # fmt: skip
    whole, exact = fit_pulse(tracts, by="all"), fit_pulse(holed, by="all")
    carried = fit_pulse(holed, by="all", gaps="carry")
    assert abs(exact.time[0] - whole.time[0]) < 2 * whole.se_time[0]
    # What a gap hides adds no exposure when it is carried over: the pulse looks older.
    assert carried.time[0] > exact.time[0]


def test_coverage_of_the_interval_is_about_nominal() -> None:
    hits = 0
    for seed in range(200):
        low, high = fit_pulse(simulated(2, seed, [2.0, 1.5, 1.0]), by="all").interval[0]
        hits += low <= 9 <= high
    assert 180 <= hits <= 198  # 0.95 ± 3 standard errors


def test_pulse_names_bad_arguments() -> None:
    with pytest.raises(ValueError, match="confidence = 1.0 must lie strictly between 0 and 1"):
        fit_pulse(simulated(), confidence=1.0)


def test_profile_curve_peaks_at_the_estimate() -> None:
    tracts = simulated()
    fit = fit_pulse(tracts)
    time, value = time_profile(tracts, fit, 1)
    assert value.max() == pytest.approx(0.0, abs=1e-3)
    assert time[np.argmax(value)] == pytest.approx(fit.time[1], rel=0.02)
    with pytest.raises(ValueError, match="group 0 has no finite interval"):
        time_profile(ONE_ANCESTRY, fit_pulse(ONE_ANCESTRY))


# Two haplotypes


def test_comparison_tells_parents_apart() -> None:
    same = compare_haplotypes(simulated(2, 4))
    assert min(same.p_fraction, same.p_time, same.p_both) > 0.01
    other = compare_haplotypes(simulated(2, 4, time=[6, 18], fraction=[0.2, 0.7]))
    assert max(other.p_fraction, other.p_time, other.p_both) < 1e-3
    assert other.fit.time[0] < other.time < other.fit.time[1]
    assert other.lrt_both >= max(other.lrt_fraction, other.lrt_time)


@pytest.mark.parametrize(
    ("tracts", "message"),
    [
        (ONE_ANCESTRY, "shows one ancestry only or no switch"),
        (simulated(1), "There is one haplotype"),
    ],
)
def test_comparison_needs_two_with_switches(tracts: Tracts, message: str) -> None:
    with pytest.raises(AnalysisError, match=message):
        compare_haplotypes(tracts)


# Labels


@pytest.mark.parametrize("inverted", [(), (0,), (5,), (0, 1), (1, 3, 4)])
def test_labels_are_found_and_exchanged_back(inverted: tuple[int, ...]) -> None:
    tracts = simulated(2, 8, HUMAN[:8], time=[9, 12], fraction=[0.12, 0.8])
    marks = np.isin(np.arange(8), inverted)
    repair = repair_labels(exchanged(tracts, marks))
    np.testing.assert_array_equal(repair.inverted, marks)
    np.testing.assert_array_equal(repair.tracts.ancestry, tracts.ancestry)
    assert not repair.uncertain.any()
    assert not repair.tied
    assert (repair.log_ratio[marks] > 3).all()
    assert (repair.log_ratio[~marks] < -3).all()
    np.testing.assert_allclose(repair.log_ratio_of_haplotype.sum(axis=0), repair.log_ratio,
                               rtol=1e-12)  # fmt: skip


def test_order_of_haplotypes_and_chromosomes_does_not_matter() -> None:
    tracts = exchanged(
        simulated(2, 8, HUMAN[:8], time=[9, 12], fraction=[0.12, 0.8]), np.arange(8) == 2
    )
    turned = Tracts(
        1 - tracts.haplotype, 7 - tracts.chromosome, tracts.start, tracts.end, tracts.ancestry,
        tracts.lengths[::-1],
    )  # fmt: skip
    np.testing.assert_allclose(
        infer_inversions(turned).log_ratio[::-1], infer_inversions(tracts).log_ratio, rtol=1e-9
    )


def test_half_of_the_chromosomes_inverted_is_a_tie() -> None:
    tracts = simulated(2, 8, HUMAN[:6], time=[9, 12], fraction=[0.12, 0.8])
    called = exchanged(tracts, np.arange(6) < 3)
    repair = repair_labels(called)
    assert repair.tied
    assert repair.uncertain.all()
    np.testing.assert_array_equal(repair.tracts.ancestry, called.ancestry)


def test_a_chromosome_without_calls_says_nothing() -> None:
    tracts = simulated(2, 8, HUMAN[:6], time=[9, 12], fraction=[0.12, 0.8])
    repair = repair_labels(tracts.kept(tracts.chromosome != 2))
    assert repair.log_ratio[2] == 0.0
    assert repair.uncertain.tolist() == [False, False, True, False, False, False]
    assert infer_inversions(tracts.kept(tracts.chromosome == 2)).tied


def test_one_haplotype_can_be_exchanged_alone() -> None:
    tracts = simulated(2, 8, HUMAN[:3])
    marks = np.zeros((2, 3), np.bool_)
    marks[1, 2] = True
    changed = exchanged(tracts, marks).ancestry != tracts.ancestry
    np.testing.assert_array_equal(changed, (tracts.haplotype == 1) & (tracts.chromosome == 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: exchanged(t, [True]), "inverted has shape (1,); expected (22,) or (2, 22)"),
        (lambda t: repair_labels(t, threshold=-1.0), "threshold = -1.0 must be at least 0"),
        (lambda t: infer_inversions(_three(t)), "tracts has 3 ancestries; labels of two"),
        (lambda t: fit_diploid(t), "unphased calls have 3"),
        (lambda t: fit_truncated(t, 5.0), "length = 5.0 must lie in [0, longest chromosome"),
        (lambda t: fit_truncated(_three(t), 0.1), "tracts has 3 ancestries; expected 2"),
    ],
)
def test_arguments_are_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        call(simulated())


def _three(tracts: Tracts) -> Tracts:
    return Tracts(tracts.haplotype, tracts.chromosome, tracts.start, tracts.end, tracts.ancestry,
                  tracts.lengths, n_ancestries=3)  # fmt: skip


# Defects


def test_truncation_keeps_the_time() -> None:
    tracts = simulated(60, time=20)
    fit = fit_truncated(tracts.kept(tracts.length > 0.02), 0.02)
    assert abs(fit.time - 20) < 4 * fit.se_time
    assert abs(fit.fraction - 0.3) < 4 * fit.se_fraction
    pairs = [textbook.truncated_statistics(p, 0.02) for p in _paths(tracts)]
    events, exposure = (np.sum(column, axis=0) for column in zip(*pairs, strict=True))
    rate, m = textbook.fit_truncated(events, exposure)
    whole = fit_truncated(tracts, 0.02, convention="coalescent")
    assert (whole.time, whole.fraction) == pytest.approx((rate, m), rel=1e-9)


def _paths(tracts: Tracts) -> list[textbook.Path]:
    cell = tracts.haplotype * tracts.n_chromosomes + tracts.chromosome
    return [
        textbook.Path(tracts.start[cell == k], tracts.end[cell == k], tracts.ancestry[cell == k])
        for k in np.unique(cell)
    ]


def _merged(tracts: Tracts, shortest: float) -> Tracts:
    """Drop short tracts; each one's Morgans go to the tract before it."""
    few = tracts.kept(tracts.length > shortest)
    end = few.end.copy()
    follows = np.append(few.follows[1:], False)
    end[:-1] = np.where(follows[:-1], few.start[1:], end[:-1])
    return Tracts(few.haplotype, few.chromosome, few.start, end, few.ancestry, few.lengths).joined()


def test_merging_is_undone() -> None:
    tracts = simulated(60, time=20)
    fit = fit_merged(_merged(tracts, 0.01), 0.01)
    assert abs(fit.time - 20) < 4 * fit.se_time
    assert fit.time_naive < 18
    assert fit_merged(tracts, 0.0).time == pytest.approx(fit_merged(tracts, 0.0).time_naive)
    for rate, m, c in ((19.0, 0.3, 0.01), (5.0, 0.5, 0.1)):
        assert merged_rate(rate, m, c) == pytest.approx(textbook.merged_rate(rate, m, c), rel=1e-12)


def test_more_switches_than_any_time_leaves_are_refused() -> None:
    with pytest.raises(AnalysisError, match="more than any time leaves above 0.2 M"):
        fit_merged(simulated(20, time=20), 0.2)


def test_false_tracts_are_taken_out() -> None:
    tracts = simulated(40, time=20)
    rng = np.random.default_rng(5)
    rows = []
    for i in range(tracts.n_tracts):
        x, end, k = tracts.start[i], tracts.end[i], tracts.ancestry[i]
        for cut in np.sort(rng.uniform(x, end, rng.poisson(3.0 * (end - x)))):
            if x < cut and cut + 0.002 < end:
                rows += [(i, x, cut, k), (i, cut, cut + 0.002, 1 - k)]
                x = cut + 0.002
        rows.append((i, x, end, k))
    i, start, end, ancestry = (np.array(column) for column in zip(*rows, strict=True))
    dirty = Tracts(tracts.haplotype[i], tracts.chromosome[i], start, end, ancestry, tracts.lengths)
    fit = fit_contaminated(dirty, 0.003)
    assert abs(fit.time - 20) < 4 * fit.se_time
    assert fit.time_naive > 28
    assert abs(fit.false_rate - 2.85) < 4 * fit.se_false_rate + 0.1
    clean = fit_contaminated(tracts, 0.003)
    assert abs(clean.false_rate) < 4 * clean.se_false_rate


def test_defects_need_switches() -> None:
    with pytest.raises(AnalysisError, match="or no switch"):
        fit_truncated(ONE_ANCESTRY, 0.1)


def test_diploid_calls_lose_the_phase_only() -> None:
    tracts = simulated(2, 3, HUMAN[:6])
    paths = _paths(tracts)
    one, two = paths[:6], paths[6:]
    rows = []
    for c, (first, second) in enumerate(zip(one, two, strict=True)):
        joint = textbook.diploid_path(first, second)
        rows += [(0, c, *row) for row in zip(joint.start, joint.end, joint.label, strict=True)]
    h, c, start, end, genotype = (np.array(column) for column in zip(*rows, strict=True))
    called = Tracts(h.astype(int), c.astype(int), start, end, genotype.astype(int), HUMAN[:6],
                    n_ancestries=3)  # fmt: skip
    # Genotypes count copies of A in the textbook and are AA, AB, BB here.
    if textbook.diploid_path(one[0], two[0]).label[0] != one[0].label[0] + two[0].label[0]:
        called = called.relabelled(2 - called.ancestry)
    fit, phased = fit_diploid(called), fit_pulse(tracts, by="all")
    assert fit.time[0] == pytest.approx(phased.time[0], rel=1e-8)
    assert fit.fraction[0] == pytest.approx(phased.fraction[0], rel=1e-8)
    np.testing.assert_allclose(fit.interval, phased.interval, rtol=1e-8)


# Demographies


def two_pulses(seed: int, n: int = 30) -> Tracts:
    migration = textbook.pulses([(15, [0.3, 0.7]), (5, [0.25, 0.0])])
    data = simulate_history(migration=migration, lengths=HUMAN[:10], n_haplotypes=n, rng=seed)
    return Tracts(**data.observed)


@pytest.mark.slow
def test_two_pulses_are_told_from_one() -> None:
    fit = fit_two_pulses(two_pulses(2))
    assert fit.p_value < 1e-6
    assert fit.source == 0
    assert abs(fit.time_old - 15) < 4 * fit.se_old
    assert abs(fit.time_young - 5) < 4 * fit.se_young
    assert abs(fit.migrants - 0.25) < 4 * fit.se_migrants
    assert fit.fit.identified


@pytest.mark.slow
def test_one_pulse_is_not_two() -> None:
    fit = fit_two_pulses(simulated(10, 6, HUMAN[:6]), source=1)
    assert fit.p_value > 0.01
    assert fit.log_likelihood >= fit.log_likelihood_one - 1e-4


def test_two_pulses_need_a_switch() -> None:
    with pytest.raises(AnalysisError, match="not even one pulse"):
        fit_two_pulses(ONE_ANCESTRY)


@pytest.mark.slow
def test_continuous_migration_is_recovered_from_lengths() -> None:
    truth = continuous(12, [0.2, 0.8], [0.02, 0.0])
    migration = np.zeros((13, 2))
    migration[truth.times.astype(int)] = truth.fractions
    data = simulate_history(migration=migration, lengths=HUMAN, n_haplotypes=400, rng=3)
    counts = count_lengths(Tracts(**data.observed), np.linspace(0.0, 2.9, 30))
    fit = fit_continuous(counts, most_time=20)
    assert fit.names == ("start", "fraction", "rate")
    assert abs(fit.estimate[0] - 12) <= 2
    assert fit.estimate[2] == pytest.approx(0.02, rel=0.35)


def test_any_demography_can_be_fitted() -> None:
    tracts = simulated(10, 6, HUMAN[:6])
    one = fit_pulse(tracts, by="all")
    fit = fit_demography(
        tracts,
        lambda x: pulses([(x[0], [x[1], 1 - x[1]])]),
        [5.0, 0.5],
        [(1.01, 100.0), (0.01, 0.99)],
        names=("time", "fraction"),
    )
    assert fit.estimate[0] == pytest.approx(one.time[0], rel=1e-4)
    assert fit.estimate[1] == pytest.approx(one.fraction[0], rel=1e-4)
    assert fit.se[0] == pytest.approx(one.se_time[0], rel=0.01)
    assert fit.se[1] == pytest.approx(one.se_fraction[0], rel=0.01)
    assert fit.log_likelihood == pytest.approx(one.log_likelihood[0], abs=1e-6)
    assert not fit.at_bound.any()


def test_bounds_are_flagged() -> None:
    fit = fit_demography(
        simulated(4, 6, HUMAN[:6]),
        lambda x: pulses([(x[0], [0.3, 0.7])]),
        [3.0],
        [(1.01, 4.0)],
    )
    assert fit.at_bound.tolist() == [True]
    assert np.isnan(fit.se[0])


def test_an_impossible_demography_is_refused() -> None:
    with pytest.raises(AnalysisError, match="impossible under the demography"):
        fit_demography(simulated(), lambda x: pulses([(x[0], [1.0, 0.0])]), [5.0], [(1.01, 100.0)])


def test_diploid_likelihood_is_that_of_the_textbook() -> None:
    path = textbook.Path(
        np.array([0.0, 0.4, 0.7, 1.3]), np.array([0.4, 0.7, 1.3, 2.0]), np.array([1, 0, 1, 2])
    )
    tracts = Tracts([0] * 4, [0] * 4, path.start, path.end, path.label, [2.0], n_ancestries=3)
    fit = fit_diploid(tracts, convention="coalescent")
    want = textbook.diploid_log_likelihood(
        textbook.statistics(path, 3), float(fit.time[0]), float(fit.fraction[0])
    )
    assert fit.log_likelihood[0] == pytest.approx(want, rel=1e-10)
