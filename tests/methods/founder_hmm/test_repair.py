"""Repairs: exchanged founder alleles, markers at a wrong place, lines with a wrong name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refsolve.methods.founder_hmm import (
    Genotypes,
    SimulatedCalls,
    check_lines,
    check_order,
    diplotypes,
    exchangeable,
    fit_founders,
    general_ril,
    intercross,
    marker_evidence,
    reconstruct,
    repair_orientation,
    ril,
    run_gains,
    simulate_calls,
    simulate_founders,
    simulate_intercross,
    simulate_map,
    simulate_ril,
)
from refsolve.methods.founder_hmm.estimator.orientation import fewest

PER, N = 50, 60


def bred(
    seed: int, *, flipped: tuple[int, ...] = (), twins: float | None = None, **settings: object
) -> SimulatedCalls:
    """Lines of eight founders, one chromosome; with `twins`, A and B differ at that share."""
    rng = np.random.default_rng(seed)
    code, position = simulate_map(lengths=[60.0], n_markers=PER, rng=rng)
    lines = simulate_ril(
        n_lines=N, n_founders=8, position=position, chromosome=code, order="random", rng=rng
    )
    alleles = simulate_founders(n_markers=PER, n_founders=8, rng=rng)
    if twins is not None:
        alleles[:, 1] = np.where(rng.random(PER) < twins, 1 - alleles[:, 0], alleles[:, 0])
    return simulate_calls(lines, alleles=alleles, flipped=flipped, rng=rng, **settings)  # type: ignore[arg-type]


def genotypes(data: SimulatedCalls) -> Genotypes:
    return Genotypes(**data.observed)


def test_a_small_set_is_repaired_and_checked() -> None:
    code, position = simulate_map(lengths=[30.0, 30.0], n_markers=9, rng=2)
    lines = simulate_ril(n_lines=20, n_founders=2, position=position, chromosome=code, rng=2)
    data = simulate_calls(lines, flipped=(3, 5, 12), rng=2)
    repair = repair_orientation(Genotypes(**data.observed), ril(2))
    assert_array_equal(repair.flipped, data.flipped)
    assert check_order(repair.genotypes, repair.fit).marker.size == 0
    assert check_lines(repair.genotypes, repair.fit).swapped.size == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "flipped",
    [(17,), (0, 49), (10, 11), (20, 21, 22, 23), (3, 9, 15, 16, 30, 44), tuple(range(30, 38))],
    ids=["one", "ends", "neighbours", "four", "six", "more than a run"],
)
@pytest.mark.parametrize("twins", [None, 0.05], ids=["", "twins"])
def test_flips_are_found_and_put_right(flipped: tuple[int, ...], twins: float | None) -> None:
    data = bred(2, flipped=flipped, twins=twins)
    repair = repair_orientation(genotypes(data), exchangeable(8))
    assert_array_equal(repair.flipped, data.flipped)
    assert_array_equal(repair.genotypes.founders, data.alleles)
    assert repair.n_flipped == len(flipped)
    assert repair.log_ratio[repair.flipped].min() > repair.threshold
    assert repair.log_ratio[~repair.flipped].max() < repair.threshold
    assert repair.after.log_ratio[repair.flipped].max() < -5.0
    tied = repair.after.association > 0.5 * repair.after.log_ratio
    assert tied[repair.flipped].all()
    low, high = repair.error_gap
    assert low < 0.5 < high
    assert f"{len(flipped)} of 50 markers" in repair.reason


@pytest.mark.slow
def test_clean_data_stay_as_they_are() -> None:
    for seed in range(8):
        data = bred(seed, twins=0.1 if seed % 2 else None)
        repair = repair_orientation(genotypes(data), exchangeable(8))
        assert repair.n_flipped == 0
        assert repair.genotypes.founders is genotypes(data).founders or np.array_equal(
            repair.genotypes.founders, data.founders
        )
        assert np.isnan(repair.gap).all()
        assert repair.n_rounds == 1
        assert "no marker fits" in repair.reason


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])
def test_every_other_marker_of_few_lines_on_a_sparse_map(seed: int) -> None:
    """The first marker and every other one: no run of neighbours is an improvement."""
    rng = np.random.default_rng(seed)
    code, position = simulate_map(lengths=[100.0] * 3, n_markers=25, rng=rng)
    lines = simulate_ril(
        n_lines=60, n_founders=8, position=position, chromosome=code, order="random", rng=rng
    )
    data = simulate_calls(lines, error=0.01, missing=0.03, flipped=(0, 2, 4, 24), rng=rng)
    assert_array_equal(repair_orientation(genotypes(data), exchangeable(8)).flipped, data.flipped)


@pytest.mark.slow
def test_repair_helps_as_much_as_the_truth() -> None:
    data = bred(5, flipped=(5, 12, 13, 31))
    design = ril(8, order=data.order)
    repair = repair_orientation(genotypes(data), design)
    right = simulate_right(data)
    found, best, without = (
        reconstruct(g, design, repair.fit.error).stacked()
        for g in (repair.genotypes, right, genotypes(data))
    )
    assert_array_equal(found, best)
    truth = data.haplotype[:, 0, :, None]
    gain = np.take_along_axis(found, truth, 2).mean() - np.take_along_axis(without, truth, 2).mean()
    assert gain > 0.02


def simulate_right(data: SimulatedCalls) -> Genotypes:
    return genotypes(replace(data, founders=data.alleles))


@pytest.mark.slow
def test_a_repaired_set_has_nothing_left_to_repair() -> None:
    first = repair_orientation(genotypes(bred(3, flipped=(8, 20))), exchangeable(8))
    again = repair_orientation(first.genotypes, exchangeable(8))
    assert again.n_flipped == 0
    assert_allclose(again.fit.common_error, first.fit.common_error, rtol=1e-3)


@pytest.mark.slow
def test_noise_and_markers_from_elsewhere_are_not_flipped() -> None:
    """Calls at random agree with neither orientation."""
    for seed in range(6):
        data = bred(seed)
        calls = data.calls.copy()
        rng = np.random.default_rng(seed)
        calls[:, [7, 25]] = rng.integers(0, 2, (N, 2))
        calls[:, 40] = data.calls[rng.permutation(N), 3]
        repair = repair_orientation(genotypes(replace(data, calls=calls)), exchangeable(8))
        assert repair.n_flipped == 0


@pytest.mark.slow
def test_markers_that_tell_nothing_stay() -> None:
    data = bred(4, flipped=(30,))
    calls, founders = data.calls.copy(), data.founders.copy()
    calls[:, 5] = -1
    founders[10], calls[:, 10] = 1, 1
    founders[15] = -1
    repair = repair_orientation(
        genotypes(replace(data, calls=calls, founders=founders)), exchangeable(8)
    )
    assert np.flatnonzero(repair.flipped).tolist() == [30]
    assert repair.log_ratio[5] == 0.0
    assert np.isnan(repair.before.error_rate[5])
    assert abs(repair.log_ratio[15]) < 1e-6


@pytest.mark.slow
def test_calls_against_all_founders_look_like_a_flip_and_exchanging_it_changes_nothing() -> None:
    data = bred(4)
    calls, founders = data.calls.copy(), data.founders.copy()
    founders[10], calls[:, 10] = 1, 0
    changed = genotypes(replace(data, calls=calls, founders=founders))
    repair = repair_orientation(changed, exchangeable(8))
    assert np.flatnonzero(repair.flipped).tolist() == [10]
    a, b = (reconstruct(g, repair.fit.design, 0.01).stacked() for g in (changed, repair.genotypes))
    assert_allclose(a, b, atol=1e-12)


@pytest.mark.slow
def test_two_founders_are_exchangeable_and_the_minority_is_flipped() -> None:
    code, position = simulate_map(lengths=[60.0], n_markers=PER, rng=3)
    lines = simulate_ril(n_lines=N, n_founders=2, position=position, chromosome=code, rng=3)
    data = simulate_calls(lines, flipped=(4, 5, 20), rng=3)
    repair = repair_orientation(Genotypes(**data.observed), ril(2))
    assert_array_equal(repair.flipped, data.flipped)


@pytest.mark.slow
def test_two_founders_with_missing_calls_keep_their_names() -> None:
    """A chromosome of few markers could be exchanged as a whole, which renames its founders."""
    for seed in range(25):
        code, position = simulate_map(lengths=[30.0] * 4, n_markers=3 + seed % 4, rng=seed)
        lines = simulate_ril(
            n_lines=60, n_founders=2, position=position, chromosome=code, mating="sib", rng=seed
        )
        data = simulate_calls(lines, founder_missing=0.15, rng=seed)
        repair = repair_orientation(Genotypes(**data.observed), ril(2, "sib"))
        assert repair.n_flipped == 0
        assert_array_equal(repair.genotypes.founders, data.founders)


@pytest.mark.slow
def test_the_other_of_two_founders_is_known_where_lines_differ() -> None:
    code, position = simulate_map(lengths=[60.0], n_markers=30, rng=3)
    lines = simulate_ril(n_lines=N, n_founders=2, position=position, chromosome=code, rng=3)
    data = simulate_calls(lines, flipped=(4, 20), rng=3)
    founders = data.founders.copy()
    founders[[4, 11], [0, 1]] = -1
    repair = repair_orientation(genotypes(replace(data, founders=founders)), ril(2))
    assert_array_equal(repair.flipped, data.flipped)
    assert repair.genotypes.founders[4].tolist() == [-1, data.alleles[4, 1]]


def test_the_fewer_markers_of_a_chromosome_are_exchanged() -> None:
    data = Genotypes([[0] * 6], [[0, 1]] * 6, [0.0, 1.0, 2.0] * 2, [1, 1, 1, 2, 2, 2])
    flips = np.array([True, True, False, True, False, False])
    assert fewest(flips, data, ril(2)).tolist() == [False, False, True, True, False, False]
    uneven = general_ril(2, 3.0, fractions=[0.25, 0.75])
    assert fewest(flips, data, uneven).tolist() == flips.tolist()


@pytest.mark.slow
def test_flips_are_found_in_pairs_of_founders() -> None:
    code, position = simulate_map(lengths=[60.0], n_markers=PER, rng=3)
    mice = simulate_intercross(
        n_individuals=40, n_founders=3, generations=4, position=position, chromosome=code,
        population_size=100, rng=3,
    )  # fmt: skip
    data = simulate_calls(mice, flipped=(4, 20, 21), rng=3)
    repair = repair_orientation(Genotypes(**data.observed), diplotypes(intercross(3, 4)))
    assert_array_equal(repair.flipped, data.flipped)


@pytest.mark.slow
def test_evidence_is_the_gain_of_a_run_of_one() -> None:
    """At the error of the model; the likeliest error of the marker makes it less extreme."""
    data = genotypes(bred(6, flipped=(9,)))
    fit = fit_founders(data, exchangeable(8), error=0.02)
    gain, evidence = run_gains(data, fit, longest=1)[0], marker_evidence(data, fit)
    assert_array_equal(gain > 0, evidence.log_ratio > 0)
    assert evidence.log_ratio[9] > 11.0
    assert evidence.error_rate[9] > 0.5 > np.delete(evidence.error_rate, 9).max()
    assert evidence.disagreement[9] > 0.3
    assert_array_equal(evidence.n_calls, ((bred(6).calls >= 0) & (bred(6).calls < 2)).sum(axis=0))


@pytest.mark.slow
def test_repair_does_not_depend_on_the_order_of_work() -> None:
    data = genotypes(bred(3, flipped=(8, 20)))
    a = repair_orientation(data, exchangeable(8))
    b = repair_orientation(data, exchangeable(8), map_=lambda f, x: map(f, list(x)[::-1]))
    assert_array_equal(a.log_ratio, b.log_ratio)


# Order


def two_chromosomes(seed: int, **settings: object) -> SimulatedCalls:
    code, position = simulate_map(lengths=[50.0, 50.0], n_markers=60, rng=seed)
    lines = simulate_ril(
        n_lines=100, n_founders=8, position=position, chromosome=code, order="random", rng=seed
    )
    return simulate_calls(lines, rng=seed, **settings)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_right_order_raises_no_doubt() -> None:
    data = Genotypes(**two_chromosomes(1).observed)
    found = check_order(data, fit_founders(data, exchangeable(8)))
    assert found.marker.size == 0
    assert found.exchange_gain.max() < found.threshold
    assert found.to_frame().empty


@pytest.mark.slow
def test_markers_at_a_wrong_place_are_sent_where_they_belong() -> None:
    recorded = two_chromosomes(1, misplaced=[(10, 90)])
    data = Genotypes(**recorded.observed)
    found = check_order(data, fit_founders(data, exchangeable(8)))
    assert found.marker.tolist() == [10, 90]
    assert found.moved.all()
    assert found.best_chromosome.tolist() == [1, 0]
    places = recorded.position[[90, 10]]
    assert_allclose(found.best_position, places, atol=6.0)
    assert not found.best_flipped.any()
    assert len(found.to_frame()) == 2


@pytest.mark.slow
def test_a_misplaced_marker_with_exchanged_alleles_is_seen_in_both() -> None:
    recorded = two_chromosomes(1, misplaced=[(10, 90)], flipped=[10])
    data = repair_orientation(Genotypes(**recorded.observed), exchangeable(8)).genotypes
    found = check_order(data, fit_founders(data, exchangeable(8)))
    assert found.marker.tolist() == [10, 90]
    assert found.best_flipped.tolist() == [False, True]


@pytest.mark.slow
def test_neighbours_in_the_wrong_order_gain_by_an_exchange() -> None:
    data = two_chromosomes(2)
    gaps = np.diff(data.position, append=0.0)
    k = int(np.argsort(-np.where(data.chromosome == 0, gaps, 0.0))[0])
    order = np.arange(120)
    order[[k, k + 1]] = k + 1, k
    swapped = Genotypes(data.calls[:, order], data.founders[order], data.position, data.chromosome)
    found = check_order(swapped, fit_founders(swapped, exchangeable(8)))
    assert found.exchange_gain.argmax() == k
    assert found.exchange_gain[k] > 0


# Lines


@pytest.mark.slow
def test_duplicates_and_bad_lines_are_named() -> None:
    data = two_chromosomes(3)
    calls = data.calls.copy()
    calls[7] = calls[31]
    calls[50] = np.where(np.random.default_rng(1).random(120) < 0.2, 1 - calls[50], calls[50])
    calls[50] = np.clip(calls[50], -1, 1)
    lines = Genotypes(calls, data.founders, data.position, data.chromosome)
    found = check_lines(lines, fit_founders(lines, exchangeable(8)))
    assert found.duplicates.tolist() == [[7, 31]]
    assert found.error_rate.argmax() == 50
    assert found.swapped.shape == (0, 2)
    assert len(found.to_frame()) == 100


@pytest.mark.slow
def test_exchanged_lines_are_found_by_their_orders() -> None:
    """Long chromosomes of sixteen founders tell; fewer changes would not."""
    code, position = simulate_map(lengths=[150.0] * 10, n_markers=100, rng=4)
    lines = simulate_ril(
        n_lines=8, n_founders=16, position=position, chromosome=code, order="random", rng=4
    )
    data = simulate_calls(lines, swapped=[(2, 5)], rng=4)
    design = ril(16, order=data.order)
    named = Genotypes(**data.observed)
    found = check_lines(named, fit_founders(named, design))
    rest = (named.founders, named.position, named.chromosome)
    right = Genotypes(data.calls[data.line], *rest)
    clean = check_lines(right, fit_founders(right, design))
    assert found.swapped.tolist() == [[2, 5]]
    assert found.log_ratio[0] > found.threshold
    assert clean.swapped.shape == (0, 2)
