"""Log-likelihoods: against stored exact values, between the two modes, and under symmetries."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import betabinom, binom, multinomial

from refsolve.methods.wright_fisher.model import likelihood as module
from refsolve.methods.wright_fisher.model.likelihood import Likelihood, log_likelihood
from refsolve.methods.wright_fisher.model.samples import Genotypes, Samples

GOLD = Path(__file__).parents[2] / "gold" / "wright_fisher"
with (GOLD / "wf_exact_oracle_meta.csv").open() as _lines:
    META = {row["name"]: row for row in csv.DictReader(_lines)}

SMALL = Samples([0, 3, 3, 8], [3, 6, 2, 9], [12, 10, 5, 11], e_da=0.1, e_ad=0.02)
EPOCHS = [30, 30, 30, 12, 12, 25, 25, 25, 25]


def gold_case(name: str) -> tuple[Samples, np.ndarray, dict[str, Any], np.ndarray, np.ndarray]:
    stored, row = np.load(GOLD / "wf_exact_oracle.npz"), META[name]
    times, n, d, two_n, ll = (
        stored[f"{name}__{key}"] for key in ("times", "n", "d", "two_n", "ll")
    )
    sizes = np.full(times[-1] + 1, two_n) if two_n.ndim == 0 else two_n
    start: Any = "uniform"
    if row["init"] != "uniform":
        start = np.zeros(sizes[0] + 1)
        if row["init"] == "point":
            start[round(float(row["x0"]) * sizes[0])] = 1.0
        else:
            start[1:-1] = 1.0 / (sizes[0] - 1)
    samples = Samples(times, d, n, e_da=float(row["e10"]), e_ad=float(row["e01"]))
    model = {"h": float(row["h"]), "ploidy": "diploid", "start": start}
    return samples, sizes, model, stored["s_grid"], ll


@pytest.mark.compiled
@pytest.mark.parametrize("name", META)
def test_exact_mode_has_the_stored_values(name: str) -> None:
    samples, sizes, model, s, ll = gold_case(name)
    pick = slice(None, None, 10) if sizes[0] > 500 else slice(None)
    curve = log_likelihood(samples, sizes, s[pick], mode="exact", **model)
    np.testing.assert_allclose(curve.log_likelihood, ll[pick], rtol=0, atol=1e-10)
    assert np.all(np.abs(curve.log_likelihood - ll[pick]) <= curve.error)
    assert curve.n_nodes == 0


@pytest.mark.compiled
@pytest.mark.parametrize("name", META)
def test_grid_mode_has_the_stored_values_within_its_error(name: str) -> None:
    samples, sizes, model, s, ll = gold_case(name)
    curve = log_likelihood(samples, sizes, s, mode="grid", **model)
    off = np.abs(curve.log_likelihood - ll)
    assert np.all(off <= curve.error)
    assert off[np.abs(s) <= 0.1].max() < 1e-5
    assert off[ll > ll.max() - module.FAR].max() < 1e-3


@pytest.mark.compiled
def test_many_loci_in_larger_populations_have_the_stored_values() -> None:
    stored = np.load(GOLD / "wf_exact_big.npz")
    samples = Samples(
        stored["times"], stored["d"], stored["n"], e_da=float(stored["e10"]),
        e_ad=float(stored["e01"]),
    )  # fmt: skip
    s, ll = stored["s_grid"], stored["ll"]
    grid = log_likelihood(samples, stored["two_n"], s, ploidy="diploid", mode="grid")
    near = ll > ll.max(axis=1, keepdims=True) - module.FAR
    assert np.all(np.abs(grid.log_likelihood - ll) <= grid.error)
    np.testing.assert_allclose(grid.log_likelihood[near], ll[near], rtol=0, atol=1e-5)
    exact = log_likelihood(samples, stored["two_n"], s[[3, 8]], ploidy="diploid", mode="exact")
    np.testing.assert_allclose(exact.log_likelihood, ll[:, [3, 8]], rtol=0, atol=1e-10)


@pytest.mark.compiled
@pytest.mark.parametrize("M", [500, 2000])
@pytest.mark.parametrize("h", [0.0, 0.5, 1.2])
def test_grid_agrees_with_exact_in_large_populations(M: int, h: float) -> None:
    samples = Samples([0, 10, 25], [4, 14, 40], [40, 40, 60], e_da=0.05)
    s = np.array([-0.05, 0.0, 0.08])
    sizes = np.full(26, M)
    model = {"h": h, "ploidy": "diploid"}
    exact = log_likelihood(samples, sizes, s, mode="exact", **model)
    grid = log_likelihood(samples, sizes, s, mode="grid", **model)
    np.testing.assert_allclose(grid.log_likelihood, exact.log_likelihood, rtol=0, atol=1e-4)


@pytest.mark.parametrize("mode", ["exact", "grid"])
@pytest.mark.parametrize("ploidy, h", [("haploid", 0.5), ("diploid", 0.5), ("diploid", 0.1)])
def test_exchanging_the_alleles_changes_nothing(mode: str, ploidy: str, h: float) -> None:
    s = np.array([-0.3, 0.0, 0.05, 0.4])
    start = np.linspace(1.0, 3.0, EPOCHS[0] + 1)
    start /= start.sum()
    model: dict[str, Any] = {"ploidy": ploidy, "mode": mode}
    one = log_likelihood(SMALL, EPOCHS, s, h=h, start=start, **model)
    other = log_likelihood(
        SMALL.mirrored(), EPOCHS, -s / (1 + s), h=1 - h, start=start[::-1], **model
    )
    np.testing.assert_allclose(one.log_likelihood, other.log_likelihood, rtol=0, atol=1e-10)


def test_modes_agree_and_auto_takes_the_exact_one_where_it_is_cheap() -> None:
    s = np.array([-0.1, 0.0, 0.2])
    exact, grid, auto = (
        log_likelihood(SMALL, EPOCHS, s, mode=mode) for mode in ("exact", "grid", "auto")
    )
    assert (auto.mode, grid.mode) == ("exact", "grid")
    assert np.all(np.abs(grid.log_likelihood - exact.log_likelihood) <= grid.error + exact.error)
    assert log_likelihood(SMALL, np.multiply(EPOCHS, 100), [0.0]).mode == "grid"


@pytest.mark.parametrize("mode", ["exact", "grid"])
def test_two_chromosomes_are_a_sum_over_few_paths(mode: str) -> None:
    s, reads = 0.3, Samples([0, 1], [1, 3], [4, 4], e_da=0.1, e_ad=0.05)
    q = np.array([0.0, 0.5, 1.0]) * 0.9 + np.array([1.0, 0.5, 0.0]) * 0.05
    step = np.array([binom.pmf(np.arange(3), 2, x * (1 + s) / (1 + s * x)) for x in (0, 0.5, 1)])
    want = np.log(binom.pmf(1, 4, q) @ step @ binom.pmf(3, 4, q) / 3.0)
    got = log_likelihood(reads, [2, 2], [s], mode=mode)
    np.testing.assert_allclose(got.log_likelihood, want, rtol=0, atol=1e-7)


@pytest.mark.parametrize("mode", ["exact", "grid"])
def test_samples_without_reads_carry_no_information(mode: str) -> None:
    s = np.array([-0.2, 0.1])
    without = log_likelihood(Samples([0, 4], [3, 5], [9, 8]), [20] * 9, s, mode=mode)
    empty = Samples([0, 2, 4, 8], [3, 0, 5, 0], [9, 0, 8, 0])
    with_ = log_likelihood(empty, [20] * 9, s, mode=mode)
    np.testing.assert_allclose(with_.log_likelihood, without.log_likelihood, rtol=0, atol=1e-8)
    nothing = log_likelihood(Samples([3], [0], [0]), [20] * 9, s, mode=mode)
    np.testing.assert_allclose(nothing.log_likelihood, 0.0, rtol=0, atol=1e-11)


def test_genotypes_and_overdispersed_reads_have_their_probabilities() -> None:
    x = np.array([0.0, 0.2, 0.7, 1.0])
    calls = Genotypes([0], [3], [4], [2])
    want = [multinomial.pmf([3, 4, 2], 9, [(1 - a) ** 2, 2 * a * (1 - a), a * a]) for a in x]
    np.testing.assert_allclose(np.exp(calls.log_emission(0, x, 1 - x))[0], want, rtol=1e-12, atol=0)
    phi = [5.0, 1e7, np.inf]
    reads = Samples([0, 0, 0], [4] * 3, [9] * 3, e_da=0.1, e_ad=0.02, precision=phi)
    q = x * 0.9 + (1 - x) * 0.02
    for k in range(2):
        want = betabinom.pmf(4, 9, q * phi[k], (1 - q) * phi[k])
        got = np.exp(reads.log_emission(k, x, 1 - x))[0]
        np.testing.assert_allclose(got, want, rtol=1e-7, atol=0)
    got = np.exp(reads.log_emission(2, x, 1 - x))[0]
    np.testing.assert_allclose(got, binom.pmf(4, 9, q), rtol=1e-12, atol=0)
    sure = Samples([0], [0], [9], precision=5.0).log_emission(
        0, np.array([0.0, 1.0]), 1 - x[[0, 3]]
    )
    np.testing.assert_array_equal(sure[0], [0.0, -np.inf])


def test_mirrored_genotypes_are_mirrored() -> None:
    calls = Genotypes([0, 2], [3, 1], [4, 0], [2, 6])
    x = np.linspace(0, 1, 5)
    for k in range(2):
        np.testing.assert_allclose(
            calls.mirrored().log_emission(k, x, 1 - x), calls.log_emission(k, 1 - x, x),
            rtol=1e-12, atol=0,
        )  # fmt: skip
    assert calls.select(slice(0, 1)).stacked


@pytest.mark.parametrize("start", ["uniform", "stationary", "profile"])
def test_starts_mean_the_same_on_counts_and_on_the_grid(start: str) -> None:
    mutation = (0.7, 0.3) if start == "stationary" else None
    late = Samples([1, 5], [3, 7], [9, 9])  # the profile over counts is that over frequencies
    model: dict[str, Any] = {"start": start, "mutation": mutation}
    exact, grid = (
        log_likelihood(late, [2000, *[20] * 5], [0.1], mode=mode, **model)
        for mode in ("exact", "grid")
    )
    np.testing.assert_allclose(exact.log_likelihood, grid.log_likelihood, rtol=0, atol=1e-5)


@pytest.mark.parametrize("start, mutation", [("uniform", None), ("stationary", (1.0, 1.0))])
def test_an_infinite_population_starts_from_a_density(start: str, mutation: Any) -> None:
    reads = Samples([0], [2], [5])
    got = log_likelihood(reads, [np.inf], [0.0], start=start, mutation=mutation)
    np.testing.assert_allclose(got.log_likelihood, np.log(1 / 6), rtol=0, atol=1e-6)


def test_loci_together_are_loci_alone() -> None:
    rng = np.random.default_rng(2)
    total = rng.integers(0, 20, (2, 3))
    loci = Samples([0, 4, 9], rng.binomial(total, 0.4), total, e_da=0.05)
    sizes, s = [30] * 5 + [20] * 5, np.array([-0.1, 0.3])
    for mode in ("grid", "exact"):
        together = log_likelihood(loci, sizes, s, mode=mode)
        for i in range(2):
            alone = Samples([0, 4, 9], loci.derived[i], total[i], e_da=0.05)
            want = log_likelihood(alone, sizes, s, mode=mode)
            got, bound = together.log_likelihood[i], together.error[i] + want.error
            assert np.all(np.abs(got - want.log_likelihood) <= bound)


def test_more_loci_than_nodes_use_operators_of_whole_intervals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(3)
    total = rng.integers(5, 20, (40, 2))
    loci = Samples([0, 3], rng.binomial(total, 0.5), total)
    model = Likelihood(loci, [60] * 4, mode="grid")
    s = np.array([0.2])
    whole = model.at(s, 32)
    few = np.concatenate([model.only(np.arange(i, i + 10)).at(s, 32) for i in range(0, 40, 10)])
    np.testing.assert_allclose(whole, few, rtol=1e-10, atol=0)
    monkeypatch.setattr(module, "LOCI_AT_ONCE", 15)
    np.testing.assert_allclose(
        Likelihood(loci, [60] * 4, mode="grid").at(s, 32), whole, rtol=1e-10, atol=0
    )


def test_without_samples_for_long_every_generation_costs_the_same() -> None:
    # Polymorphism is lost at a constant rate; 10^-110 of it is left after 500 generations.
    def at(T: int) -> float:
        reads = Samples([0, T], [5, 5], [10, 10])
        return Likelihood(reads, [3] * (T + 1), mode="exact").at(np.array([-0.5]), 0)[0, 0]

    first, second, third = at(500), at(510), at(520)
    assert first < -250
    assert third - second == pytest.approx(second - first, rel=1e-9)


@pytest.mark.compiled
def test_a_long_series_neither_underflows_nor_overflows() -> None:
    T = 100_000
    generation = np.linspace(0, T, 11).astype(int)
    reads = Samples(generation, np.full(11, 5), np.full(11, 10))
    ll = Likelihood(reads, np.full(T + 1, 200), mode="grid").at(np.array([0.0]), 32)[0, 0]
    # The chance to stay polymorphic shrinks by 1 − 1/M every generation.
    exact = Likelihood(reads, np.full(T + 1, 200), mode="exact").at(np.array([0.0]), 0)[0, 0]
    assert ll == pytest.approx(exact, rel=1e-3)
    assert -T / 200 - 30 < ll < -T / 200


def reversed_map(fn: Any, tasks: Any) -> Iterator[Any]:
    return map(fn, list(tasks)[::-1])


def test_the_mapper_does_not_change_a_bit() -> None:
    s = np.random.default_rng(5).uniform(-0.2, 0.2, 40)
    one = log_likelihood(SMALL, EPOCHS, s, mode="grid")
    with ThreadPoolExecutor(2) as pool:
        for map_ in (reversed_map, pool.map):
            other = log_likelihood(SMALL, EPOCHS, s, mode="grid", map_=map_)
            np.testing.assert_array_equal(one.log_likelihood, other.log_likelihood)


@pytest.mark.compiled
def test_error_shrinks_with_the_tolerance() -> None:
    reads = Samples([0, 6], [10, 90], [200, 200])
    s = np.array([0.3, 0.5])
    loose, tight = (
        log_likelihood(reads, [800] * 7, s, mode="grid", tolerance=t) for t in (1.0, 1e-10)
    )
    assert tight.n_nodes > loose.n_nodes
    assert tight.error.max() <= 1e-10


def test_another_dominance_shares_the_operators() -> None:
    model = Likelihood(SMALL, EPOCHS, ploidy="diploid", mode="grid")
    other = model.with_dominance(1.3)
    want = log_likelihood(SMALL, EPOCHS, [0.2], h=1.3, ploidy="diploid", mode="grid")
    np.testing.assert_allclose(other.curve([0.2]).log_likelihood, want.log_likelihood, rtol=1e-12)
    assert other.drift(64) is model.drift(64)


CONTRADICTION = {  # derived reads of 100 by generation that no path explains
    0: 50, 8: 100, 10: 4, 12: 48, 13: 3, 17: 50, 18: 4, 22: 0, 24: 5, 27: 2, 28: 10, 29: 100, 33: 4,
    35: 0, 36: 0, 37: 100, 44: 100, 47: 0, 54: 45, 55: 46, 60: 2, 61: 0, 62: 5, 64: 100, 77: 1,
    82: 0, 84: 0, 87: 2, 89: 56, 91: 54, 92: 7, 94: 55,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("size", [np.inf, 50_000.0])
@pytest.mark.parametrize("loci", [1, 2])
def test_contradictory_reads_are_unlikely_but_never_undefined(size: float, loci: int) -> None:
    """Negative noise of the interpolation, scaled up again and again, once overflowed here."""
    derived = np.tile(list(CONTRADICTION.values()), (loci, 1))
    samples = Samples(list(CONTRADICTION), derived, np.full_like(derived, 100), 0.01, 0.01)
    model = Likelihood(samples, np.full(95, size), mode="grid")
    s = np.array([*np.linspace(-0.9, 0.9, 16), *np.linspace(1.0, 3.0, 8)])
    for K in (64, 128, 256):
        assert np.all(model.at(s, K) < -300.0)
    assert not np.isnan(model.curve(s, 0.02).error).any()


def test_impossible_data_have_no_likelihood() -> None:
    fixed = np.zeros(21)
    fixed[0] = 1.0
    for mode, K in (("exact", 0), ("grid", 16)):
        model = Likelihood(Samples([0, 2], [0, 3], [5, 5]), [20] * 3, start=fixed, mode=mode)
        assert model.at(np.array([0.1]), K)[0, 0] == -np.inf


GOOD: dict[str, Any] = {"samples": SMALL, "sizes": EPOCHS, "s": [0.1]}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"s": [0.1, -1.0]}, r"s\[1\] = -1.0 must be finite and above -1; fitness"),
    (
        {"s": [0.9], "h": -2.0, "ploidy": "diploid"},
        r"s\[0\] = 0.9 gives heterozygotes the negative",
    ),
    ({"h": np.nan}, r"h = nan must be a finite number; use 0.5"),
    ({"ploidy": "triploid"}, r"ploidy = 'triploid' is not known; choose one of 'haploid'"),
    ({"mode": "fast"}, r"mode = 'fast' is not known; choose one of 'auto', 'exact', 'grid'"),
    ({"start": "zero"}, r"start = 'zero' is not known; choose one of 'uniform'"),
    ({"start": "stationary"}, r"mutation = None with start = 'stationary'.*pass mutation="),
    ({"mutation": (1, 1)}, r"mutation = \(1, 1\) with start = 'uniform'"),
    ({"start": "stationary", "mutation": (1, -1)}, r"mutation\[1\] = -1.0 must be positive"),
    ({"start": np.ones(3) / 3}, r"start has 3 elements; .* sizes\[0\] \+ 1 = 31; spread"),
    ({"start": np.ones(31)}, r"start sums to 31.0; a pmf must sum to 1; divide"),
    ({"start": -np.ones(31)}, r"start\[0\] = -1.0 is a negative probability"),
    ({"sizes": [30] * 5}, r"generation\[3\] = 8 lies outside the schedule of sizes.*ends at 4"),
    ({"sizes": [*EPOCHS[:-1], 2.5]}, r"sizes\[8\] = 2.5 must be a whole number of chromosomes"),
    ({"sizes": [0, *EPOCHS[1:]]}, r"sizes\[0\] = 0.0 must be a whole number of chromosomes"),
    ({"sizes": [*EPOCHS[:-1], np.inf], "mode": "exact"}, r"sizes\[8\] = inf has no counts"),
    ({"sizes": [*EPOCHS[:-1], 1e5], "mode": "exact"}, r"sizes\[8\] = 100000.0 is too large for"),
    ({"tolerance": 0.0}, r"tolerance = 0.0 must be positive; try 1e-3"),
]


@pytest.mark.parametrize("change, message", BAD, ids=[message[:24] for _, message in BAD])
def test_bad_arguments_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        log_likelihood(**{**GOOD, **change})


BAD_SAMPLES: list[tuple[dict[str, Any], str]] = [
    ({"generation": [[0, 3]]}, r"generation has shape \(1, 2\); expected one value per sample"),
    ({"generation": []}, r"generation has shape \(0,\); expected .* at least one sample"),
    ({"generation": [0, -3]}, r"generation\[1\] = -3 must be at least 0"),
    ({"derived": [1, 2, 3]}, r"derived has shape \(3,\); expected \(2,\) or \(loci, 2\)"),
    ({"derived": [[1, 2]]}, r"derived has shape \(1, 2\) and total \(2,\); expected equal shapes"),
    ({"derived": [1, 12]}, r"derived\[1\] = 12 exceeds total of the same sample; swap"),
    ({"derived": [1, 1.5]}, r"derived\[1\] = 1.5 must be a whole number"),
    ({"e_da": 1.0}, r"e_da = 1.0 must lie in \[0, 1\)"),
    ({"e_ad": [0.1, 0.1, 0.1]}, r"e_ad has shape \(3,\), which does not fit derived \(2,\)"),
    ({"e_da": 0.6, "e_ad": 0.4}, r"e_da\[0\] = 0.6 plus e_ad must be below 1; .* exchange"),
    ({"precision": [1.0, 0.0]}, r"precision\[1\] = 0.0 must be positive; use inf"),
]


@pytest.mark.parametrize("change, message", BAD_SAMPLES, ids=[m[:24] for _, m in BAD_SAMPLES])
def test_bad_samples_are_named(change: dict[str, Any], message: str) -> None:
    good = {"generation": [0, 3], "derived": [1, 2], "total": [10, 10]}
    with pytest.raises(ValueError, match=message):
        Samples(**{**good, **change})


def test_bad_genotypes_are_named() -> None:
    with pytest.raises(ValueError, match=r"genotype counts have different shapes .*het \(1, 2\)"):
        Genotypes([0, 1], [1, 2], [[1, 2]], [1, 2])
