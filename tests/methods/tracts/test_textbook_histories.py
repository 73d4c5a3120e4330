"""The textbook on chains, histories and tract lengths: enumeration and invariants."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import quad

from refsolve.methods.tracts import textbook as tb
from tests.methods.tracts.paths import CONVENTIONS, HISTORIES, ROUNDING, long_path, path

# --- chains ------------------------------------------------------------------------------------


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


# --- histories and tract lengths ---------------------------------------------------------------


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
