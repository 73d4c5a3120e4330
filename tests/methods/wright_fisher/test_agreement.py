"""The compiled likelihood against the textbook on random small designs, each from its own seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from refsolve.methods.wright_fisher import textbook
from refsolve.methods.wright_fisher.model.likelihood import log_likelihood
from refsolve.methods.wright_fisher.model.samples import Genotypes, Samples

# Exact mode is the same sum in another order.
SAME_SUM = {"rtol": 1e-11, "atol": 1e-11}
# Grid mode promises this within 15 units of the maximum ...
TOLERANCE = 1e-3
# ... and its own `error` everywhere. That is the change from the coarser grid, which is too small
# where the change happens to cross zero: by 6e-6 at most over some thousand such designs.
CROSSING = {"rtol": 0.0, "atol": 1e-5}
S = np.array([-0.4, -0.05, 0.0, 0.02, 0.1, 0.7])
KINDS = ("plain", "errors", "beta-binomial", "genotypes")
STARTS = ("uniform", "stationary", "segregating", "point", "profile")


@dataclass(frozen=True)
class Design:
    """One random data set, in the form of the estimator and of the textbook."""

    sizes: list[int]
    samples: Samples | Genotypes
    emissions: list[np.ndarray]
    h: float
    ploidy: str
    start: Any
    pmf: np.ndarray | None
    mutation: tuple[float, float] | None

    def textbook(self, s: float) -> float:
        if self.pmf is None:
            steps = textbook.transitions(self.sizes, s, self.h, self.ploidy)
            return float(textbook.backward(self.emissions, steps)[1][0])
        return textbook.log_likelihood(self.emissions, self.sizes, s, self.pmf, self.h, self.ploidy)

    def package(self, s: np.ndarray, mode: str) -> Any:
        return log_likelihood(
            self.samples, self.sizes, s, h=self.h, ploidy=self.ploidy, start=self.start,
            mutation=self.mutation, mode=mode, tolerance=TOLERANCE,
        )  # fmt: skip


def design(seed: int, kind: str, start: str, ploidy: str, low: int, high: int) -> Design:
    rng = np.random.default_rng([seed, KINDS.index(kind), STARTS.index(start)])
    n_samples = int(rng.integers(1, 6))
    generation = rng.integers(0, 13, n_samples)  # repeats happen
    sizes = [int(m) for m in rng.integers(low, high, generation.max() + 1)]
    if rng.random() < 0.5:  # a few epochs rather than a new size every generation
        sizes = sorted(sizes)[:: int(rng.choice([-1, 1]))]
    samples, emissions = data(rng, kind, generation, sizes)
    named, pmf, mutation = start_of(rng, start, sizes[0])
    h = float(rng.choice([-0.2, 0.0, 0.5, 1.0, 1.3]))
    return Design(sizes, samples, emissions, h, ploidy, named, pmf, mutation)


def data(
    rng: np.random.Generator, kind: str, generation: np.ndarray, sizes: list[int]
) -> tuple[Samples | Genotypes, list[np.ndarray]]:
    if kind == "genotypes":
        counts = rng.multinomial(rng.integers(0, 12, generation.size), [0.3, 0.3, 0.4]).T
        return Genotypes(generation, *counts), textbook.genotype_table(sizes, generation, *counts)
    total = rng.integers(0, 40, generation.size)
    derived = rng.binomial(total, rng.uniform(0, 1, generation.size))
    e_da = rng.uniform(0, 0.4, generation.size) if kind != "plain" else 0.0
    e_ad = rng.uniform(0, 0.1, generation.size) if kind != "plain" else 0.0
    precision = float(rng.uniform(2, 80)) if kind == "beta-binomial" else np.inf
    table = textbook.emission_table(sizes, generation, derived, total, e_da, e_ad, precision)
    return Samples(generation, derived, total, e_da, e_ad, precision), table


def start_of(
    rng: np.random.Generator, start: str, size: int
) -> tuple[Any, np.ndarray | None, tuple[float, float] | None]:
    if start == "uniform":
        return "uniform", textbook.start_uniform(size), None
    if start == "stationary":
        back, forward = rng.uniform(0.1, 2.0, 2)
        return start, textbook.start_stationary(size, back, forward), (back, forward)
    if start == "profile":
        return start, None, None
    if start == "point":
        pmf = textbook.start_point(size, rng.integers(1, size) / size)
    else:
        pmf = textbook.start_segregating(size)
    return pmf, pmf, None


@pytest.mark.parametrize("ploidy", ["haploid", "diploid"])
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_exact_mode_is_the_textbook(seed: int, kind: str, start: str, ploidy: str) -> None:
    case = design(seed, kind, start, ploidy, low=2, high=40)
    got = case.package(S, "exact").log_likelihood
    np.testing.assert_allclose(got, [case.textbook(s) for s in S], **SAME_SUM)


def assert_as_promised(curve: Any, want: np.ndarray) -> None:
    possible = np.isfinite(want)
    assert possible.any()
    off, error = np.abs(curve.log_likelihood[possible] - want[possible]), curve.error[possible]
    assert off[want[possible] > want.max() - 15].max() <= TOLERANCE
    np.testing.assert_allclose(np.maximum(off, error), error, **CROSSING)


@pytest.mark.parametrize("ploidy", ["haploid", "diploid"])
@pytest.mark.parametrize("start", [start for start in STARTS if start != "profile"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [(2, 40), (60, 250)], ids=["small", "larger"])
def test_grid_mode_is_inside_its_own_error(
    sizes: tuple[int, int], kind: str, start: str, ploidy: str
) -> None:
    case = design(7, kind, start, ploidy, *sizes)
    curve = case.package(S, "grid")
    want = np.array([case.textbook(s) for s in S])
    assert_as_promised(curve, want)


def test_profile_on_the_grid_is_the_largest_over_all_starting_frequencies() -> None:
    sizes = [6000, 80, 80, 80, 80]  # the size of generation 0 only names the starts of the textbook
    reads = {"generation": [0, 2, 4], "derived": [3, 9, 12], "total": [20, 20, 20]}
    table = textbook.emission_table(sizes, **reads)
    curve = log_likelihood(Samples(**reads), sizes, S, start="profile", mode="grid")
    want = [textbook.backward(table, textbook.transitions(sizes, s))[1][0] for s in S]
    np.testing.assert_allclose(curve.log_likelihood, want, rtol=0, atol=1e-5)


@pytest.mark.parametrize("mode", ["exact", "grid"])
def test_stacked_loci_are_single_loci(mode: str) -> None:
    rng = np.random.default_rng(21)
    sizes, generation = [90, 90, 30, 30, 120, 120], [0, 2, 5]
    total = rng.integers(0, 25, (5, 3))
    derived = rng.binomial(total, 0.4)
    e_da = rng.uniform(0, 0.3, (5, 3))
    curve = log_likelihood(Samples(generation, derived, total, e_da), sizes, S, mode=mode)
    start = textbook.start_uniform(sizes[0])
    for locus in range(5):
        table = textbook.emission_table(
            sizes, generation, derived[locus], total[locus], e_da[locus]
        )
        want = [textbook.log_likelihood(table, sizes, s, start) for s in S]
        np.testing.assert_allclose(curve.log_likelihood[locus], want, rtol=0, atol=1e-5)


@pytest.mark.parametrize("ploidy", ["haploid", "diploid"])
def test_without_drift_every_start_has_one_path(ploidy: str) -> None:
    sizes, h = [12, *[np.inf] * 8], 0.2
    reads = {"generation": [0, 3, 8], "derived": [4, 9, 17], "total": [20, 20, 20], "e_ad": 0.02}
    start = textbook.start_stationary(12, 1.5, 0.8)
    curve = log_likelihood(Samples(**reads), sizes, S, h=h, ploidy=ploidy, start=start, mode="grid")
    x, want = textbook.frequencies(12), np.empty(S.size)
    for i, s in enumerate(S):
        path = textbook.simulate_path(sizes, s, x, None, h, ploidy)
        seen = [
            textbook.emission(path[:, t], d, 20, e_ad=0.02)
            for t, d in zip(reads["generation"], reads["derived"], strict=True)
        ]
        want[i] = np.log(start @ np.prod(seen, axis=0))
    assert_as_promised(curve, want)


@pytest.mark.parametrize("n", [300, 500])
def test_exact_mode_is_exact_for_data_that_contradict_the_model(n: int) -> None:
    # all ancestral one generation after all derived, among 100 chromosomes
    sizes, reads = [100, 100], {"generation": [0, 1], "derived": [n, 0], "total": [n, n]}
    table = textbook.emission_table(sizes, **reads)
    want = textbook.log_likelihood(table, sizes, 0.0, textbook.start_uniform(100))
    curve = log_likelihood(Samples(**reads), sizes, [0.0], mode="exact")
    np.testing.assert_allclose(curve.log_likelihood, want, **SAME_SUM)
