"""Populations bred by meioses against the transition matrices, and calls against their truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import chi2

from refsolve.methods.founder_hmm import textbook as tb
from refsolve.methods.founder_hmm.simulate import (
    SimulatedLines,
    genotypes,
    simulate_calls,
    simulate_founders,
    simulate_intensities,
    simulate_intercross,
    simulate_map,
    simulate_outbred,
    simulate_reads,
    simulate_ril,
)

N = 12_000
FUNNELS = [(k, mating) for k in (2, 4, 8, 16) for mating in ("self", "sib")]
ORDER = [5, 0, 7, 2, 1, 4, 3, 6]


def counts(lines: SimulatedLines) -> np.ndarray:
    """(K, K) founders at two loci over all haplotypes that are independent."""
    pair = lines.haplotype[:, 0] if lines.inbred else lines.haplotype.reshape(-1, 2)
    table = np.zeros((lines.n_founders, lines.n_founders))
    np.add.at(table, (pair[:, 0], pair[:, 1]), 1)
    return table


def statistic(table: np.ndarray, step: np.ndarray) -> float:
    expected = table.sum(axis=1, keepdims=True) * step
    return float(np.sum((table - expected) ** 2 / expected))


# --- breeding ------------------------------------------------------------------------------------


@pytest.mark.parametrize("k, mating", FUNNELS)
@pytest.mark.parametrize("cm", [5.0, 40.0])
def test_inbred_lines_follow_the_closed_form(k: int, mating: tb.Mating, cm: float) -> None:
    """A design that is 1.25 times too long fails; so does a sib design for lines by selfing."""
    lines = simulate_ril(n_lines=N, n_founders=k, position=[0, cm], mating=mating, rng=k)
    assert (lines.haplotype[:, 0] == lines.haplotype[:, 1]).all()
    table, limit = counts(lines), chi2.isf(1e-4, k * (k - 1))
    assert statistic(table, tb.ril(k, mating).step(float(tb.recombination(cm)))) < limit
    wrong = tb.ril(k, mating).step(float(tb.recombination(1.25 * cm)))
    if cm < 10 and k < 16:
        assert statistic(table, wrong) > limit
    other: tb.Mating = "sib" if mating == "self" else "self"
    assert statistic(table, tb.ril(k, other).step(float(tb.recombination(cm)))) > limit


@pytest.mark.parametrize("k, mating", [(8, "self"), (16, "self"), (16, "sib")])
def test_lines_follow_their_funnel_order(k: int, mating: tb.Mating) -> None:
    order = ORDER if k == 8 else np.random.default_rng(1).permutation(16)
    lines = simulate_ril(
        n_lines=N, n_founders=k, position=[0, 20], mating=mating, order=order, rng=2
    )
    r, limit = float(tb.recombination(20)), chi2.isf(1e-4, k * (k - 1))
    assert statistic(counts(lines), tb.ril(k, mating, order).step(r)) < limit
    assert statistic(counts(lines), tb.ril(k, mating).step(r)) > limit


def test_generations_of_selfing_follow_their_recursion() -> None:
    r = float(tb.recombination(25))
    for t in (0, 1, 3):
        lines = simulate_ril(n_lines=40_000, n_founders=4, position=[0, 25], generations=t, rng=t)
        one, two = lines.haplotype[:, 0], lines.haplotype[:, 1]
        seen = [np.mean(one[:, 0] == one[:, 1]), np.mean(one[:, 0] == two[:, 1])]
        np.testing.assert_allclose(seen, tb.two_locus_self(4, t, r)[:2], rtol=0, atol=0.01)


def test_generations_of_sib_mating_follow_their_recursion() -> None:
    r = float(tb.recombination(25))
    for t in (1, 4):
        lines = simulate_ril(n_lines=40_000, n_founders=8, position=[0, 25], mating="sib",
                             generations=t, rng=t)  # fmt: skip
        one, two = lines.haplotype[:, 0], lines.haplotype[:, 1]
        seen = [np.mean(one[:, 0] == one[:, 1]), np.mean(one[:, 0] == two[:, 1])]
        np.testing.assert_allclose(seen, tb.two_locus_sib(8, t, r)[:2], rtol=0, atol=0.01)


STOCKS: dict[str, tuple[Callable[[int], SimulatedLines], tb.Design]] = {
    "two-way intercross": (
        lambda n: simulate_intercross(n_individuals=n, n_founders=2, generations=6,
                                      position=[0, 20], population_size=n, rng=3),
        tb.intercross(2, 6),
    ),
    "F2": (
        lambda n: simulate_intercross(n_individuals=n, n_founders=8, generations=2,
                                      position=[0, 20], population_size=n, rng=4),
        tb.intercross(8, 2),
    ),
    "heterogeneous stock": (
        lambda n: simulate_intercross(n_individuals=n, n_founders=8, generations=7,
                                      position=[0, 20], population_size=n, rng=5),
        tb.intercross(8, 7),
    ),
    "outbred": (
        lambda n: simulate_outbred(n_individuals=n, generations=4, position=[0, 20],
                                   population_size=n, rng=6),
        tb.outbred(4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STOCKS)
def test_stocks_follow_random_mating(name: str) -> None:
    """Relatives widen the spread; 0.01 is seen, one generation more or less is 0.015 to 0.1."""
    breed, design = STOCKS[name]
    table = counts(breed(30_000))
    same = np.trace(table) / table.sum()
    step = design.step(float(tb.recombination(20)))
    assert abs(same - step[0, 0]) < 0.01
    np.testing.assert_allclose(table.sum(axis=1) / table.sum(), design.initial, rtol=0, atol=0.015)


def test_both_haplotypes_of_a_stock_are_independent() -> None:
    lines = STOCKS["outbred"][0](30_000)
    pairs = tb.diplotypes(tb.outbred(4))
    found = np.sort(lines.haplotype[:, :, 0], axis=1)
    seen = [np.mean((found == state).all(axis=1)) for state in pairs.states]
    np.testing.assert_allclose(seen, pairs.initial, rtol=0, atol=0.006)


def test_many_loci_have_the_density_of_changes_of_the_design() -> None:
    chromosome, position = np.repeat([0, 1], 200), np.tile(np.linspace(0, 100, 200), 2)
    for k, mating, density in ((8, "self", 4), (8, "sib", 7), (2, "self", 2), (2, "sib", 4)):
        lines = simulate_ril(n_lines=150, n_founders=k, position=position, chromosome=chromosome,
                             mating=mating, rng=7)  # fmt: skip
        per_morgan = lines.crossovers / 2 / 2  # two haplotypes, two Morgans
        error = per_morgan.std() / np.sqrt(150)
        missed = 0.0025 * density**2  # two changes between two loci
        assert abs(per_morgan.mean() - density) < 4.5 * error + missed


def test_chromosomes_are_independent() -> None:
    lines = simulate_ril(n_lines=N, n_founders=4, position=[0, 0], chromosome=[3, 1], rng=8)
    assert statistic(counts(lines), np.full((4, 4), 0.25)) < chi2.isf(1e-4, 12)


def test_one_seed_is_one_population() -> None:
    one, two = (simulate_ril(n_lines=5, n_founders=8, position=[0, 9, 50], order="random", rng=9)
                for _ in range(2))  # fmt: skip
    np.testing.assert_array_equal(one.haplotype, two.haplotype)
    np.testing.assert_array_equal(one.order, two.order)
    assert (np.sort(one.order, axis=1) == np.arange(8)).all()


# --- measuring -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lines() -> SimulatedLines:
    chromosome, position = simulate_map(lengths=[60, 40], n_markers=150, rng=1)
    return simulate_ril(n_lines=100, n_founders=8, position=position, chromosome=chromosome, rng=2)


@pytest.fixture(scope="module")
def stock() -> SimulatedLines:
    return simulate_intercross(n_individuals=100, n_founders=4, generations=4,
                               position=np.linspace(0, 80, 200), rng=3)  # fmt: skip


def test_founders_differ_at_every_marker() -> None:
    alleles = simulate_founders(n_markers=4000, n_founders=8, rng=4)
    carriers = alleles.sum(axis=1)
    assert set(carriers.tolist()) == set(range(1, 8))
    np.testing.assert_allclose(alleles.mean(axis=0), 0.5, rtol=0, atol=0.04)


def test_calls_without_trouble_are_the_genotypes(lines: SimulatedLines) -> None:
    seen = simulate_calls(lines, error=0, missing=0, rng=5)
    expected = seen.alleles[np.arange(300), lines.haplotype[:, 0]]
    np.testing.assert_array_equal(seen.calls, expected)
    np.testing.assert_array_equal(seen.founders, seen.alleles)
    assert not seen.wrong.any()
    assert sorted(seen.observed) == ["calls", "chromosome", "founders", "position"]


def test_every_trouble_is_where_it_says(lines: SimulatedLines) -> None:
    seen = simulate_calls(lines, error=0.02, missing=0.05, founder_missing=0.1, flipped=(3, 200),
                          swapped=((4, 9),), misplaced=((10, 250),), rng=6)  # fmt: skip
    true = genotypes(lines, seen.alleles)
    given = true[seen.line][:, seen.place]
    there = seen.calls != tb.MISSING
    np.testing.assert_array_equal((seen.calls != given)[there],
                                  seen.wrong[seen.line][:, seen.place][there])  # fmt: skip
    np.testing.assert_allclose(seen.wrong.mean(), 0.02, rtol=0, atol=0.004)
    np.testing.assert_allclose((~there).mean(), 0.05, rtol=0, atol=0.006)
    known = seen.founders != tb.MISSING
    np.testing.assert_allclose(known.mean(), 0.9, rtol=0, atol=0.03)
    turned = (seen.founders != seen.alleles[seen.place]) & known
    np.testing.assert_array_equal(turned.any(axis=1), seen.flipped)
    assert np.flatnonzero(seen.flipped).tolist() == [3, 200]
    assert seen.line[[4, 9]].tolist() == [9, 4]
    assert seen.place[[10, 250]].tolist() == [250, 10]


def test_wrong_calls_of_a_stock_are_either_wrong_genotype(stock: SimulatedLines) -> None:
    seen = simulate_calls(stock, error=0.3, missing=0, rng=7)
    true = genotypes(stock, seen.alleles)
    for g in (0, 1, 2):
        share = np.bincount(seen.calls[true == g], minlength=3) / np.sum(true == g)
        expected = np.full(3, 0.15)
        expected[g] = 0.7
        np.testing.assert_allclose(share, expected, rtol=0, atol=0.025)


def test_lines_that_are_not_fixed_have_heterozygous_calls() -> None:
    lines = simulate_ril(n_lines=50, n_founders=2, position=np.linspace(0, 90, 100),
                         generations=2, rng=8)  # fmt: skip
    seen = simulate_calls(lines, error=0, missing=0, rng=9)
    het = lines.haplotype[:, 0] != lines.haplotype[:, 1]
    np.testing.assert_array_equal(seen.calls == tb.HET, het)
    assert 0.15 < het.mean() < 0.35


def test_reads_and_intensities_follow_the_genotype(stock: SimulatedLines) -> None:
    alleles = simulate_founders(n_markers=200, n_founders=4, rng=10)
    true = genotypes(stock, alleles)
    reads = simulate_reads(stock, alleles=alleles, depth=6, error=0.02, rng=11)
    np.testing.assert_allclose(reads.sum(axis=2).mean(), 6, rtol=0, atol=0.1)
    for g, p in ((0, 0.02), (1, 0.5), (2, 0.98)):
        share = reads[true == g].sum(axis=0)
        np.testing.assert_allclose(share[1] / share.sum(), p, rtol=0, atol=0.01)
    means = np.array([[2.0, 0.1], [1.1, 1.0], [0.2, 1.9]])
    xy = simulate_intensities(stock, alleles=alleles, means=means, sd=0.1, missing=0.1, rng=12)
    gone = np.isnan(xy)
    np.testing.assert_array_equal(gone[..., 0], gone[..., 1])
    for g in (0, 1, 2):
        mine = xy[(true == g) & ~gone[..., 0]]
        np.testing.assert_allclose(mine.mean(axis=0), means[g], rtol=0, atol=0.01)
        np.testing.assert_allclose(mine.std(axis=0), 0.1, rtol=0, atol=0.01)


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, message",
    [
        ({"n_founders": 6}, "a funnel has 2, 4, 8 or 16 founders"),
        ({"mating": "half sib"}, "mating is 'half sib'; expected self or sib"),
        ({"position": []}, "position is empty"),
        ({"position": [3.0, 1.0]}, "position\\[1\\] = 1.0 lies before its neighbour"),
        ({"position": [1.0, 3.0], "chromosome": [0]}, "chromosome has shape"),
        ({"position": [0.0, 1.0, 2.0], "chromosome": [0, 1, 0]}, "comes back after another"),
        ({"order": "shuffled"}, "order is 'shuffled'; expected founders, None or 'random'"),
        ({"order": [0, 1]}, "order has shape"),
        ({"order": [0, 1, 2, 2]}, "must hold each of 0 ... 3 once"),
        ({"n_lines": 0}, "n_lines = 0 must be at least 1"),
    ],
)
def test_populations_that_cannot_be_are_refused(change: dict[str, object], message: str) -> None:
    given = {"n_lines": 3, "n_founders": 4, "position": [0.0, 5.0], "rng": 1} | change
    with pytest.raises(ValueError, match=message):
        simulate_ril(**given)  # type: ignore[arg-type]


def test_measurements_that_cannot_be_are_refused(stock: SimulatedLines) -> None:
    with pytest.raises(ValueError, match="alleles has shape"):
        simulate_calls(stock, alleles=[[0, 1, 1, 0]], rng=1)
    with pytest.raises(ValueError, match="must be 0 or 1"):
        simulate_calls(stock, alleles=np.full((200, 4), 3), rng=1)
    with pytest.raises(ValueError, match="error"):
        simulate_calls(stock, error=1.5, rng=1)
    with pytest.raises(ValueError, match="means has shape"):
        simulate_intensities(stock, alleles=np.ones((200, 4), dtype=int), means=[1, 2], sd=1, rng=1)
    with pytest.raises(ValueError, match="lengths"):
        simulate_map(lengths=[0], n_markers=3, rng=1)
