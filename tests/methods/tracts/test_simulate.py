"""Simulated tracts: seeds, closed forms, a pedigree without the Markov chain, artefacts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from refsolve.methods.tracts import Tracts
from refsolve.methods.tracts import textbook as tb
from refsolve.methods.tracts.simulate import (
    simulate_calls,
    simulate_history,
    simulate_pedigree,
    simulate_tracts,
)

LENGTHS = [1.5, 1.0, 0.4]
HALF = tb.pulses([(6, [0.3, 0.7])])


def paths(data: Any) -> dict[tuple[int, int], tb.Path]:
    """Path of every haplotype and chromosome."""
    found = {}
    for h in np.unique(data.haplotype).tolist():
        for c in range(data.lengths.size):
            mine = (data.haplotype == h) & (data.chromosome == c)
            found[h, c] = tb.Path(data.start[mine], data.end[mine], data.ancestry[mine])
    return found


def pooled(data: Any, n_labels: int = 2) -> tb.Statistics:
    return tb.pool([tb.statistics(one, n_labels) for one in paths(data).values()])


def drawn(kind: str, seed: int = 5) -> Any:
    if kind == "tracts":
        return simulate_tracts(time=9, fraction=[0.3, 0.6], lengths=LENGTHS, rng=seed)
    if kind == "history":
        return simulate_history(migration=HALF, lengths=LENGTHS, rng=seed)
    if kind == "pedigree":
        return simulate_pedigree(migration=HALF, lengths=LENGTHS, n_diploids=30, rng=seed)
    return simulate_calls(drawn("tracts"), island_rate=2, inverted=[1], gap_rate=2, rng=seed)


KINDS = ["tracts", "history", "pedigree", "calls"]

# --- what every simulation returns ---------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_tracts_and_another_seed_others(kind: str) -> None:
    one, again, other = drawn(kind), drawn(kind), drawn(kind, 6)
    assert one.to_dict() == again.to_dict()
    assert one.to_dict() != other.to_dict()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_in_order_and_inside_the_map(kind: str) -> None:
    data = drawn(kind)
    order = np.lexsort((data.start, data.chromosome, data.haplotype))
    np.testing.assert_array_equal(order, np.arange(order.size))
    assert (data.start < data.end).all()
    assert (data.start >= 0).all()
    assert (data.end <= data.lengths[data.chromosome]).all()
    extra = {
        "calls": {"posterior", "low_complexity"},
        "history": {"n_ancestries"},
        "pedigree": {"n_ancestries"},
    }.get(kind, set())
    columns = {"haplotype", "chromosome", "start", "end", "ancestry", "lengths"}
    assert set(data.observed) == columns | extra
    assert Tracts(**data.observed).start.size == data.start.size


@pytest.mark.parametrize("kind", KINDS[:3])
def test_tracts_tile_the_map_and_change_at_every_joint(kind: str) -> None:
    for (_, c), one in paths(drawn(kind)).items():
        assert one.start[0] == 0
        assert one.end[-1] == LENGTHS[c]
        np.testing.assert_array_equal(one.start[1:], one.end[:-1])
        assert (one.label[1:] != one.label[:-1]).all()


# --- Markov chains -------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", ["founders", "coalescent"])
def test_one_pulse_has_the_expected_tract_lengths(convention: tb.Convention) -> None:
    n, t, m = 1500, 9, 0.3
    data = simulate_tracts(
        time=t, fraction=m, lengths=LENGTHS, n_haplotypes=n, convention=convention, rng=1
    )
    rate, edges = tb.rate_of_time(t, convention), np.array([0, 0.03, 0.1, 0.3, 1.0, 1.6])
    for label, share in enumerate((m, 1 - m)):
        length = (data.end - data.start)[data.ancestry == label]
        expected = n * tb.pulse_histogram(edges, LENGTHS, rate, share)
        z = (np.histogram(length, edges)[0] - expected) / np.sqrt(expected)
        # 5 standard deviations see 6 % in the smallest bin of 6,000
        assert (np.abs(z) < 5).all()


def test_parents_have_their_own_time_and_fraction() -> None:
    data = simulate_tracts(
        time=[5, 25], fraction=[0.2, 0.6], lengths=[200.0], n_haplotypes=2, rng=3
    )
    for h, (t, m) in enumerate([(5, 0.2), (25, 0.6)]):
        fit = tb.fit_pulse(tb.statistics(paths(data)[h, 0]))
        np.testing.assert_allclose(fit.rate, t - 1, rtol=0.15)
        np.testing.assert_allclose(fit.fraction, m, atol=0.06)
    np.testing.assert_array_equal(data.time, [5, 25])
    np.testing.assert_array_equal(data.fraction, [0.2, 0.6])


def test_no_recombination_leaves_whole_chromosomes() -> None:
    data = simulate_tracts(time=1, fraction=0.5, lengths=LENGTHS, n_haplotypes=50, rng=3)
    assert data.start.size == 150
    pure = simulate_tracts(time=90, fraction=1.0, lengths=LENGTHS, n_haplotypes=50, rng=3)
    assert pure.start.size == 150
    assert (pure.ancestry == 0).all()


@pytest.mark.parametrize("convention", ["founders", "coalescent"])
def test_histories_have_the_expected_tract_lengths(convention: tb.Convention) -> None:
    n, migration = 600, tb.pulses([(9, [0.5, 0.5, 0.0]), (4, [0.0, 0.1, 0.2])])
    data = simulate_history(
        migration=migration, lengths=LENGTHS, n_haplotypes=n, convention=convention, rng=1
    )
    chain, edges = tb.demography_chain(migration, convention), [0, 0.05, 0.2, 0.5, 1.6]
    for label in range(3):
        length = (data.end - data.start)[data.ancestry == label]
        expected = tb.histogram(chain, label, edges, LENGTHS, n)
        z = (np.histogram(length, edges)[0] - expected) / np.sqrt(expected)
        assert (np.abs(z) < 5).all()


# --- pedigrees -----------------------------------------------------------------------------------


def test_children_of_founders_have_whole_chromosomes() -> None:
    data = simulate_pedigree(
        migration=tb.pulses([(1, [0.5, 0.5])]),
        lengths=LENGTHS,
        n_diploids=40,
        n_sampled=30,
        rng=2,
    )
    assert data.start.size == 30 * 2 * 3
    assert set(data.ancestry.tolist()) == {0, 1}


def test_one_meiosis_has_the_map_function_of_haldane() -> None:
    m, n = 0.4, 1500
    data = simulate_pedigree(
        migration=tb.pulses([(2, [m, 1 - m])]),
        lengths=[1.2],
        n_diploids=100_000,
        n_sampled=n,
        rng=2,
    )
    label = {
        x: np.array([one.label[np.searchsorted(one.end, x)] for one in paths(data).values()])
        for x in (0.1, 0.2, 0.9)
    }
    for x in (0.2, 0.9):
        differ = np.mean(label[0.1] != label[x])
        expected = 2 * m * (1 - m) * (1 - np.exp(-2 * (x - 0.1))) / 2
        se = np.sqrt(expected * (1 - expected) / (2 * n))
        assert abs(differ - expected) < 4 * se


def test_mothers_and_fathers_have_their_own_maps() -> None:
    data = simulate_pedigree(
        migration=tb.pulses([(2, [0.5, 0.5])]),
        lengths=[2.0],
        n_diploids=5_000,
        n_sampled=600,
        sexes=True,
        map_scale=(1.5, 0.0),
        rng=2,
    )
    switches = np.array([one.label.size - 1 for one in paths(data).values()])
    assert (switches[1::2] == 0).all()
    # 1.5 crossovers per Morgan over 2 Morgans, every second parent mixed: variance 3.75
    assert abs(switches[::2].mean() - 1.5) < 4 * np.sqrt(3.75 / 600)


def test_a_large_pedigree_has_the_rates_of_the_markov_chain() -> None:
    migration = tb.pulses([(8, [0.5, 0.5, 0.0]), (4, [0.0, 0.1, 0.2])])
    chain, counted = tb.demography_chain(migration), np.zeros(3)
    lengths, n = [1.0, 1.0], 150
    for seed in range(8):
        data = simulate_pedigree(
            migration=migration, lengths=lengths, n_diploids=3000, n_sampled=n, rng=seed
        )
        counted += np.bincount(data.ancestry, minlength=3)
    expected = [8 * 2 * n * 2 * tb.tail(chain, k, 0.0, 1.0) for k in range(3)]
    # 4 standard deviations over seeds: few ancestors make them large
    assert (np.abs(counted / expected - 1) < [0.05, 0.04, 0.10]).all()


def test_a_small_pedigree_has_fewer_switches() -> None:
    t, n, seeds = 20, 25, 40
    at_source, realised = np.empty(seeds), np.empty(seeds)
    for seed in range(seeds):
        data = simulate_pedigree(
            migration=tb.pulses([(t, [0.5, 0.5])]),
            lengths=[1.0] * 4,
            n_diploids=n,
            n_sampled=4,
            rng=seed,
        )
        switches = int(pooled(data).switches.sum())
        at_source[seed] = tb.switch_time(switches, 0.5, 32.0)
        m = tb.called_fraction(list(paths(data).values()))
        realised[seed] = tb.switch_time(switches, m, 32.0)
    low = tb.rate_of_time(t, "founders", n)
    se = at_source.std() / np.sqrt(seeds)
    assert abs(at_source.mean() - low) < 3 * se
    # drift has moved the fraction too, which gives part of the loss back
    assert low + 2 * se < realised.mean() < t - 1 - 2 * se


def test_migrants_arrive_as_the_matrix_says() -> None:
    migration = tb.continuous(6, 2, [0.4, 0.6], [0.1, 0.05])
    data = simulate_pedigree(migration=migration, lengths=[0.1], n_diploids=20_000, rng=1)
    se = np.sqrt(migration * (1 - migration) / 20_000)
    assert (np.abs(data.arrived / 20_000 - migration) <= 4.5 * se).all()
    assert data.arrived[-1].sum() == 20_000


# --- artefacts -----------------------------------------------------------------------------------


def test_calls_without_artefacts_are_the_tracts() -> None:
    truth = drawn("tracts")
    calls = simulate_calls(truth, rng=1)
    for name in truth.observed:
        np.testing.assert_array_equal(calls.observed[name], truth.observed[name])
    assert not calls.island.any()
    assert not calls.inverted.any()
    assert calls.truth is truth


def test_islands_add_two_switches_and_merging_takes_them_away() -> None:
    truth = simulate_tracts(time=6, fraction=0.3, lengths=LENGTHS, n_haplotypes=8, rng=2)
    calls = simulate_calls(truth, island_rate=4, reciprocal=0.5, rng=3)
    n_islands = int(calls.island.sum())
    assert n_islands > 30
    assert pooled(calls).switches.sum() == pooled(truth).switches.sum() + 2 * n_islands
    for key, one in paths(calls).items():
        mine = (calls.haplotype == key[0]) & (calls.chromosome == key[1])
        merged = tb.merge_islands(one, calls.island[mine])
        for got, want in zip(merged, paths(truth)[key], strict=True):
            np.testing.assert_array_equal(got, want)
    assert calls.posterior[calls.island].max() < calls.posterior[~calls.island].min()
    assert calls.low_complexity[calls.island].min() > calls.low_complexity[~calls.island].max()


def test_reciprocal_islands_come_in_pairs_of_opposite_labels() -> None:
    truth = simulate_tracts(time=6, fraction=0.5, lengths=LENGTHS, n_haplotypes=8, rng=2)
    calls = simulate_calls(truth, island_rate=4, reciprocal=1.0, rng=3)
    places: dict[tuple[int, int, float, float], list[int]] = {}
    columns = (calls.haplotype // 2, calls.chromosome, calls.start, calls.end, calls.ancestry)
    for i, c, start, end, label in zip(
        *(x[calls.reciprocal].tolist() for x in columns), strict=True
    ):
        places.setdefault((i, c, start, end), []).append(label)
    assert len(places) > 10
    assert all(sorted(pair) == [0, 1] for pair in places.values())
    assert not simulate_calls(truth, island_rate=4, reciprocal=0.0, rng=3).reciprocal.any()


def test_inverted_chromosomes_are_inverted_on_both_haplotypes() -> None:
    truth = drawn("tracts")
    calls = simulate_calls(truth, inverted=[2, 0], rng=3)
    assert calls.inverted.tolist() == [True, False, True]
    turned = calls.inverted[calls.chromosome]
    np.testing.assert_array_equal(
        calls.ancestry, np.where(turned, 1 - truth.ancestry, truth.ancestry)
    )


def test_gaps_take_away_span_and_nothing_else() -> None:
    truth = simulate_tracts(time=6, fraction=0.3, lengths=LENGTHS, n_haplotypes=8, rng=2)
    calls = simulate_calls(truth, gap_rate=3, gap_length=(0.01, 0.03), rng=3)
    before, after = paths(truth), paths(calls)
    lost = sum(LENGTHS) * 8 - float((calls.end - calls.start).sum())
    assert 0.3 < lost < 3 * sum(LENGTHS) * 8 * 0.03
    for key, one in after.items():
        middle = (one.start + one.end) / 2
        where = np.searchsorted(before[key].end, middle)
        np.testing.assert_array_equal(before[key].label[where], one.label)


def test_naive_answers_are_as_the_docstring_says() -> None:
    m, rate, length = 0.2, 8.0, 400.0
    truth = simulate_tracts(time=9, fraction=m, lengths=[length] * 4, n_haplotypes=2, rng=4)
    for false_rate in (0.0, 1.5):
        calls = simulate_calls(truth, island_rate=false_rate, reciprocal=0.0, rng=5)
        n = pooled(calls).switches.sum()
        got = tb.switch_time(int(n), m, 8 * length)
        want = tb.contaminated_rate(rate, m, false_rate)
        # islands that do not fit inside a tract are left out: 1 to 3 %
        np.testing.assert_allclose(got, want, rtol=0.06)
    calls = simulate_calls(truth, inverted=[0], rng=5)
    observed = tb.called_fraction(list(paths(calls).values()))
    np.testing.assert_allclose(observed, m + 0.25 * (1 - 2 * m), atol=0.03)
    got = tb.switch_time(int(pooled(calls).switches.sum()), observed, 8 * length)
    np.testing.assert_allclose(got, rate * m * (1 - m) / (observed * (1 - observed)), rtol=0.06)


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"lengths": []}, "lengths is empty"),
        ({"lengths": [1.0, 0.0]}, r"lengths\[1\] = 0.0 must be above 0"),
        ({"fraction": 1.2}, "fraction = 1.2 must lie in"),
        ({"time": 0.5}, r"time\[0\] = 0.5 is before the pulse"),
        ({"time": [1, 2, 3]}, r"time has shape \(3,\); expected one value or 2"),
    ],
)
def test_tracts_refuse(changes: dict[str, Any], message: str) -> None:
    arguments = {"time": 5, "fraction": 0.5, "lengths": [1.0], "rng": 1} | changes
    with pytest.raises(ValueError, match=message):
        simulate_tracts(**arguments)


@pytest.mark.parametrize(
    "migration, message",
    [
        ([0.5, 0.5], "migration has shape"),
        ([[0, 0], [0.5, 0.6]], r"migration row sum\[1\] = 1.1 must be at most 1"),
        ([[0.1, 0], [0.5, 0.5]], r"migration\[0\] must be 0"),
        ([[0, 0], [0.5, 0.4]], r"migration\[1\] sums to 0.9"),
        ([[0, 0], [1.5, -0.5]], r"migration\[1, 0\] = 1.5 must lie in"),
    ],
)
def test_histories_refuse(migration: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_history(migration=migration, lengths=[1.0], rng=1)
    with pytest.raises(ValueError, match=message):
        simulate_pedigree(migration=migration, lengths=[1.0], n_diploids=5, rng=1)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"n_diploids": 0}, "n_diploids = 0 must be at least 1"),
        ({"n_diploids": 1, "sexes": True}, "n_diploids = 1 must be at least 2"),
        ({"n_sampled": 0}, "n_sampled = 0 must be at least 1"),
        ({"map_scale": (1.2, 0.8)}, "map_scale differs between the sexes; set sexes=True"),
        ({"map_scale": (1.2,)}, r"map_scale has shape \(1,\)"),
    ],
)
def test_pedigrees_refuse(changes: dict[str, Any], message: str) -> None:
    arguments = {"migration": HALF, "lengths": [1.0], "n_diploids": 5, "rng": 1} | changes
    with pytest.raises(ValueError, match=message):
        simulate_pedigree(**arguments)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"inverted": [3]}, r"inverted\[0\] = 3 has no chromosome; there are 3"),
        ({"island_rate": -1}, "island_rate = -1.0 must lie in"),
        ({"island_length": (0.2, 0.1)}, r"island_length = \(0.2, 0.1\) must be the shortest"),
        ({"gap_length": (0.1, 0.5)}, r"gap_length\[1\] = 0.5 must lie in \[0, 0.4\)"),
        ({"reciprocal": 1.5}, "reciprocal = 1.5 must lie in"),
    ],
)
def test_calls_refuse(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_calls(drawn("tracts"), **changes, rng=1)


def test_calls_need_two_sources() -> None:
    three = simulate_history(migration=[[0, 0, 0], [0.2, 0.3, 0.5]], lengths=LENGTHS, rng=1)
    with pytest.raises(ValueError, match="= 2 must be 0 or 1; simulate two sources"):
        simulate_calls(three, rng=1)
