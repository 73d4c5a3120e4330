"""The container, its counts and demographies: what they accept, and what they conserve."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from refsolve.methods.tracts import (
    Demography,
    LengthCounts,
    PathAccumulator,
    Tracts,
    chain_log_likelihood,
    continuous,
    count_lengths,
    count_paths,
    expected_histogram,
    expected_tail,
    length_log_likelihood,
    migration_matrix,
    pulse_log_likelihood,
    pulses,
    rate_of_time,
    simulate_tracts,
    textbook,
    time_of_rate,
)

LENGTHS = [1.0, 0.5]
GOOD: dict[str, Any] = {
    "haplotype": [0, 0, 1, 0],
    "chromosome": [0, 0, 0, 1],
    "start": [0.0, 0.4, 0.0, 0.1],
    "end": [0.4, 0.9, 1.0, 0.5],
    "ancestry": [0, 1, 1, 0],
    "lengths": LENGTHS,
}


def simulated(n: int = 4, seed: int = 1, **how: Any) -> Tracts:
    data = simulate_tracts(
        time=how.get("time", 8), fraction=how.get("fraction", 0.3), lengths=[1.5, 1.1, 0.7],
        n_haplotypes=n, rng=seed,
    )  # fmt: skip
    return Tracts(**data.observed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": [], "end": []}, "start is empty"),
        ({"end": [0.4, 0.9, 1.0]}, "end has 3 elements and start 4"),
        ({"start": [0.0, np.nan, 0.0, 0.1]}, "start[1] = nan must not be NaN"),
        ({"end": [0.4, 0.4, 1.0, 0.5]}, "start[1] = 0.4 (end 0.4, start 0.4) does not lie before"),
        ({"end": [0.4, np.inf, 1.0, 0.5]}, "must be finite"),
        ({"start": [-0.1, 0.4, 0.0, 0.1]}, "is below 0, where the map begins"),
        ({"end": [0.4, 0.9, 1.2, 0.5]}, "ends beyond the map of its chromosome"),
        ({"start": [0.0, 0.3, 0.0, 0.1]}, "start[1] = 0.3 lies inside tract 0"),
        ({"ancestry": [0, 1, 2, 0]}, "ancestry[2] = 2 must lie in [0, 1]"),
        ({"ancestry": [0, 1, -1, 0]}, "ancestry[2] = -1 must lie in [0, 1]"),
        ({"ancestry": [0.0, 1.0, 1.0, 0.0]}, "ancestry has shape (4,) and type float64"),
        ({"chromosome": [0, 0, 2, 1]}, "chromosome[2] = 2 must lie in [0, 1]"),
        ({"n_haplotypes": 1}, "haplotype[2] = 1 must lie in [0, 0]"),
        ({"lengths": []}, "lengths is empty"),
        ({"lengths": [1.0, 0.0]}, "lengths[1] = 0.0 must be positive and finite"),
        ({"posterior": [0.9, 0.9]}, "posterior has shape (2,)"),
        ({"low_complexity": [0.9, 0.9, 1.9, 0.1]}, "low_complexity[2] = 1.9 must lie in [0, 1]"),
        ({"n_ancestries": 1}, "n_ancestries = 1 must lie in [2, 127]"),
    ],
)
def test_container_names_the_first_offender(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Tracts(**GOOD | change)


def test_container_sorts_and_remembers_rows() -> None:
    tracts = Tracts(**GOOD | {"posterior": [0.9, np.nan, 0.7, 0.8]})
    np.testing.assert_array_equal(tracts.row, [0, 1, 3, 2])
    np.testing.assert_array_equal(tracts.posterior, [0.9, np.nan, 0.8, 0.7])
    np.testing.assert_array_equal(tracts.follows, [False, True, False, False])
    one = tracts.of_haplotypes([1])
    assert (one.n_haplotypes, one.n_tracts, one.row.tolist()) == (1, 1, [2])
    assert "4 of 2 haplotypes" in repr(tracts)


@pytest.mark.parametrize(
    ("haplotypes", "message"), [([2], "haplotypes[0] = 2 must lie in [0, 1]"), ([1], "no tracts")]
)
def test_haplotypes_must_exist(haplotypes: list[int], message: str) -> None:
    tracts = Tracts(**GOOD | {"haplotype": [0, 0, 0, 0], "start": [0, 0.4, 0.9, 0.1],
                              "n_haplotypes": 2})  # fmt: skip
    with pytest.raises(ValueError, match=re.escape(message)):
        tracts.of_haplotypes(haplotypes)


def test_joined_makes_one_tract_of_touching_neighbours() -> None:
    tracts = Tracts([0] * 4, [0] * 4, [0, 0.2, 0.5, 0.7], [0.2, 0.4, 0.7, 1], [1, 1, 1, 0], [1.0])
    whole = tracts.joined()
    np.testing.assert_allclose(whole.end, [0.4, 0.7, 1.0], rtol=0)
    np.testing.assert_array_equal(whole.ancestry, [1, 1, 0])


def test_groups_add_up() -> None:
    tracts = simulated(6)
    whole = count_paths(tracts, by="all", gaps="integrate")
    for by, groups in (("haplotype", 6), ("individual", 3), ("chromosome", 3), ("cell", 18)):
        counts = count_paths(tracts, by=by, gaps="integrate")
        assert counts.n_groups == groups
        pooled = counts.pooled()
        for name in ("exposure", "switches", "first", "map_length"):
            np.testing.assert_allclose(getattr(pooled, name), getattr(whole, name), rtol=1e-12)


@pytest.mark.parametrize(("name", "value"), [("by", "person"), ("gaps", "ignore")])
def test_unknown_words_are_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{name} = '{value}' is not known"):
        count_paths(simulated(), **{name: value})


@pytest.mark.parametrize("gaps", ["carry", "cut"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_batches_add_up_wherever_they_are_cut(gaps: str, size: int) -> None:
    tracts = simulated()
    tracts = tracts.kept(np.arange(tracts.n_tracts) % 5 > 0)
    order = np.lexsort((tracts.haplotype, tracts.start, tracts.chromosome))
    cohort = PathAccumulator(4, tracts.lengths, gaps=gaps)
    for at in range(0, order.size, size):
        rows = order[at : at + size]
        cohort.add(tracts.haplotype[rows], tracts.chromosome[rows], tracts.start[rows],
                   tracts.end[rows], tracts.ancestry[rows])  # fmt: skip
    got, want = cohort.total(), count_paths(tracts, gaps=gaps)
    for name in ("exposure", "switches", "first", "map_length"):
        np.testing.assert_allclose(getattr(got, name), getattr(want, name), rtol=1e-12)


def test_accumulator_refuses_disorder() -> None:
    cohort = PathAccumulator(1, [1.0])
    cohort.add([0], [0], [0.5], [0.8], [1])
    with pytest.raises(ValueError, match="start\\[0\\] = 0.6 lies before the end"):
        cohort.add([0], [0], [0.6], [0.7], [1])
    with pytest.raises(ValueError, match="must lie before the end"):
        cohort.add([0], [0], [0.9], [0.9], [1])


@pytest.mark.parametrize("convention", ["founders", "coalescent"])
@pytest.mark.parametrize("size", [50.0, np.inf])
def test_times_and_rates_are_inverse_and_those_of_the_textbook(
    convention: Any, size: float
) -> None:
    for time in (1.0, 2.0, 20.0, 60.0):
        rate = float(rate_of_time(time, convention, size))
        assert rate == pytest.approx(textbook.rate_of_time(time, convention, size), rel=1e-12)
        assert float(time_of_rate(rate, convention, size)) == pytest.approx(time, rel=1e-12)


def test_times_have_bounds() -> None:
    with pytest.raises(ValueError, match="time = 0.5 must be at least 1 generations"):
        rate_of_time(0.5)
    with pytest.raises(ValueError, match="population_size = 0 must be positive"):
        rate_of_time(3.0, population_size=0)
    with pytest.raises(ValueError, match="convention = 'wf' is not known"):
        time_of_rate(3.0, "wf")
    assert float(time_of_rate(200.0, population_size=50)) == np.inf


def test_likelihood_broadcasts_and_relabels() -> None:
    tracts = simulated()
    counts = count_paths(tracts, gaps="integrate")
    grid = pulse_log_likelihood(counts, np.arange(2.0, 6.0)[:, None], np.array([0.2, 0.7]))
    assert grid.shape == (4, 2)
    mirrored = count_paths(tracts.relabelled(1 - tracts.ancestry), gaps="integrate")
    turned = pulse_log_likelihood(mirrored, np.arange(2.0, 6.0)[:, None], np.array([0.8, 0.3]))
    np.testing.assert_allclose(turned, grid, rtol=1e-12)
    three = count_paths(Tracts(**GOOD | {"n_ancestries": 3}))
    with pytest.raises(ValueError, match="counts has 3 ancestries"):
        pulse_log_likelihood(three, 3.0, 0.5)


# Demographies


@pytest.mark.parametrize("source", [0, 1])
def test_expected_tracts_are_those_of_the_textbook(source: int) -> None:
    edges, lengths = [0.0, 0.1, 0.25, 0.6, 1.3], [1.2, 0.7]
    rates = np.where(np.arange(2) == source, 0.03, 0.0)
    migration = np.vstack([[0.0, 0.0], np.tile(rates, (6, 1)), [0.4, 0.6]])
    links = textbook.demography_chain(migration, "founders")
    for demography in (migration_matrix(migration), continuous(7, [0.4, 0.6], rates)):
        got = expected_histogram(demography, lengths, edges, n_haplotypes=3)
        for label in (0, 1):
            want = textbook.histogram(links, label, edges, lengths, 3)
            np.testing.assert_allclose(got[label], want, rtol=1e-9, atol=1e-12)


def test_tail_at_zero_is_the_mean_number_of_tracts() -> None:
    # One pulse: m (1 + a L) tracts of A on a chromosome.
    tail = expected_tail(pulses([(9, [0.3, 0.7])]), [2.0], [0.0])[:, 0]
    want = [0.3 * (1 + 8 * 0.7 * 2.0), 0.7 * (1 + 8 * 0.3 * 2.0)]
    np.testing.assert_allclose(tail, want, rtol=1e-12)


def test_an_empty_pulse_changes_nothing() -> None:
    tracts = simulated()
    one = chain_log_likelihood(tracts, pulses([(8, [0.3, 0.7])]))
    two = chain_log_likelihood(tracts, pulses([(8, [0.3, 0.7]), (3, [0.0, 0.0])]))
    assert two == pytest.approx(one, rel=1e-12)


def test_proportions_are_diluted() -> None:
    demography = pulses([(15, [0.3, 0.7]), (5, [0.2, 0.1])])
    np.testing.assert_allclose(demography.proportions, [0.41, 0.59], rtol=1e-12)


def test_tasks_of_any_order_give_one_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    from refsolve.methods.tracts.model import likelihood

    tracts, history = simulated(8), pulses([(8, [0.3, 0.7]), (3, [0.1, 0.0])])
    whole = chain_log_likelihood(tracts, history)
    monkeypatch.setattr(likelihood, "CHUNK", 20)

    def backwards(fn: Any, tasks: Any) -> Any:
        return iter([fn(task) for task in reversed(list(tasks))])

    parts = chain_log_likelihood(tracts, history)
    assert parts == pytest.approx(whole, rel=1e-12)
    assert chain_log_likelihood(tracts, history, map_=backwards) == parts


def test_three_sources() -> None:
    tracts = Tracts(**GOOD | {"ancestry": [0, 2, 1, 0], "n_ancestries": 3})
    history = pulses([(9, [0.5, 0.5, 0.0]), (4, [0.0, 0.0, 0.2])])
    assert np.isfinite(chain_log_likelihood(tracts, history))
    assert expected_histogram(history, LENGTHS, [0.0, 0.5, 1.0]).shape == (3, 2)
    with pytest.raises(ValueError, match="2 sources and tracts 3 ancestries"):
        chain_log_likelihood(tracts, pulses([(4, [0.5, 0.5])]))


@pytest.mark.parametrize(
    ("times", "fractions", "message"),
    [
        ([3.0, 2.0], [[0.1, 0.0], [0.5, 0.5]], "times[1] = 2.0 must increase"),
        ([0.5], [[0.5, 0.5]], "times[0] = 0.5 must be at least 1"),
        ([3.0], [[0.5, 0.6]], "founding sum to 1.1"),
        ([2.0, 3.0], [[0.5, 0.5], [0.5, 0.5]], "replaces everybody"),
        ([3.0], [[-0.5, 1.5]], "fractions[0, 0] = -0.5 must be at least 0"),
        ([3.0], [0.5, 0.5], "fractions has shape (2,)"),
    ],
)
def test_demography_names_the_first_offender(
    times: list[float], fractions: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Demography(np.array(times), np.array(fractions))


def test_migration_matrix_begins_today() -> None:
    with pytest.raises(ValueError, match="is of today"):
        migration_matrix([[0.1, 0.0], [0.5, 0.5]])
    with pytest.raises(ValueError, match="migration has shape"):
        migration_matrix([0.5, 0.5])


def test_length_counts_add_and_have_a_likelihood() -> None:
    edges = np.linspace(0.0, 1.5, 16)
    first, second = (count_lengths(simulated(20, seed), edges) for seed in (1, 2))
    both = first + second
    assert both.n_haplotypes == 40
    assert both.counts.sum() == first.counts.sum() + second.counts.sum()
    right, wrong = (length_log_likelihood(both, pulses([(t, [0.3, 0.7])])) for t in (8, 14))
    assert right > wrong + 10
    other = LengthCounts(edges + 0.1, first.counts, first.lengths, 20)
    with pytest.raises(ValueError, match="edges of the two cohorts differ"):
        first + other
