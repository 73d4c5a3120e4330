"""The textbook against enumeration, stored exact values, closed forms and symmetries."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import betabinom, binom, multinomial

from refsolve.methods.wright_fisher import textbook

GOLD = Path(__file__).parents[2] / "gold" / "wright_fisher"
ROUNDING = {"rtol": 1e-12, "atol": 1e-13}
STORED = {"rtol": 0.0, "atol": 1e-10}

SIZES = [4, 3, 5, 4]
READS = {"generation": [0, 2, 3], "derived": [1, 1, 3], "total": [3, 2, 4]}


def start_called(kind: str, size: int) -> np.ndarray:
    return {
        "uniform": lambda: textbook.start_uniform(size),
        "uniform_seg": lambda: textbook.start_segregating(size),
        "point": lambda: textbook.start_point(size, 0.3),
        "stationary": lambda: textbook.start_stationary(size, 0.7, 0.4),
    }[kind]()


# --- the parts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("s", [-0.4, 0.0, 0.03, 1.5])
def test_selection_is_the_closed_form(s: float) -> None:
    x, h = np.linspace(0, 1, 11), 0.2
    haploid = x * (1 + s) / (1 + s * x)
    diploid = x * (1 + h * s + s * (1 - h) * x) / (1 + 2 * h * s * x + s * (1 - 2 * h) * x**2)
    np.testing.assert_allclose(textbook.select(x, s), haploid, **ROUNDING)
    np.testing.assert_allclose(textbook.select(x, s, h, "diploid"), diploid, **ROUNDING)


def test_haploid_selection_adds_to_the_log_odds() -> None:
    x, s = np.array([0.01, 0.3, 0.9]), 0.07
    y = textbook.select(x, s)
    np.testing.assert_allclose(np.log(y / (1 - y)), np.log(x / (1 - x)) + np.log1p(s), **ROUNDING)


def test_multiplicative_diploids_are_haploids() -> None:
    t = 0.1  # heterozygote 1 + t, homozygote (1 + t)²
    s = (1 + t) ** 2 - 1
    x = np.linspace(0, 1, 11)
    diploid = textbook.select(x, s, t / s, "diploid")
    np.testing.assert_allclose(diploid, textbook.select(x, t), **ROUNDING)


def test_selection_keeps_loss_and_fixation_exactly() -> None:
    for ploidy in ("haploid", "diploid"):
        for s in (-0.99, -0.1, 0.3, 7.0):
            assert list(textbook.select([0.0, 1.0], s, 0.3, ploidy)) == [0.0, 1.0]


@pytest.mark.parametrize("ploidy", ["haploid", "diploid"])
@pytest.mark.parametrize("s", [-0.5, 0.0, 0.2])
def test_rows_sum_to_one_and_have_the_binomial_moments(ploidy: str, s: float) -> None:
    matrix = textbook.transition_matrix(12, 30, s, 0.1, ploidy)
    p, y = textbook.select(textbook.frequencies(12), s, 0.1, ploidy), textbook.frequencies(30)
    assert matrix.shape == (13, 31)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, **ROUNDING)
    np.testing.assert_allclose(matrix @ y, p, **ROUNDING)
    np.testing.assert_allclose(matrix @ y**2 - p**2, p * (1 - p) / 30, **ROUNDING)


def test_neutral_frequency_is_a_martingale_over_changing_sizes() -> None:
    sizes = [10, 4, 25, 7]
    expected = textbook.frequencies(sizes[-1])
    for step in reversed(textbook.transitions(sizes, s=0.0)):
        expected = step @ expected
    np.testing.assert_allclose(expected, textbook.frequencies(sizes[0]), **ROUNDING)


def test_neutral_heterozygosity_decays_by_the_size_of_the_generation_produced() -> None:
    sizes = [10, 4, 25, 7]
    y = textbook.frequencies(sizes[-1])
    expected = y * (1 - y)
    for step in reversed(textbook.transitions(sizes, s=0.0)):
        expected = step @ expected
    x = textbook.frequencies(sizes[0])
    decay = (1 - 1 / 4) * (1 - 1 / 25) * (1 - 1 / 7)
    np.testing.assert_allclose(expected, x * (1 - x) * decay, **ROUNDING)


def test_read_probability_is_directional() -> None:
    q = textbook.read_probability([0.0, 1.0, 0.25], e_da=0.3, e_ad=0.01)
    np.testing.assert_allclose(q, [0.01, 0.7, 0.25 * 0.7 + 0.75 * 0.01], **ROUNDING)


@pytest.mark.parametrize("n", [0, 1, 2, 30])
def test_emission_is_the_binomial(n: int) -> None:
    x = np.linspace(0, 1, 9)
    q = textbook.read_probability(x, 0.1, 0.02)
    got = [textbook.emission(x, d, n, 0.1, 0.02) for d in range(n + 1)]
    np.testing.assert_allclose(got, [binom.pmf(d, n, q) for d in range(n + 1)], **ROUNDING)
    np.testing.assert_allclose(np.sum(got, axis=0), 1, **ROUNDING)


def test_emission_with_precision_is_the_beta_binomial() -> None:
    q, n, precision = np.array([0.05, 0.4, 0.99]), 12, 3.5
    got = [textbook.emission(q, d, n, precision=precision) for d in range(n + 1)]
    want = [betabinom.pmf(d, n, q * precision, (1 - q) * precision) for d in range(n + 1)]
    np.testing.assert_allclose(got, want, rtol=1e-10)


def test_beta_binomial_becomes_the_binomial_at_rate_one_over_precision() -> None:
    x = np.linspace(0, 1, 9)
    binomial = textbook.emission(x, 3, 10)
    distance = [
        np.abs(textbook.emission(x, 3, 10, precision=v) - binomial).max() for v in (1e4, 1e8, 1e12)
    ]
    assert distance[0] < 1e-2
    np.testing.assert_allclose(np.divide(distance[0], distance[1]), 1e4, rtol=0.01)
    assert distance[2] < 1e-11


def test_impossible_reads_have_probability_zero() -> None:
    assert list(textbook.emission([0.0, 1.0], 1, 2)) == [0.0, 0.0]
    assert list(textbook.emission([0.0, 1.0], 1, 2, precision=5.0)) == [0.0, 0.0]


def test_genotypes_are_multinomial_under_hardy_weinberg() -> None:
    for x in (0.0, 0.2, 0.7, 1.0):
        cells = [(1 - x) ** 2, 2 * x * (1 - x), x**2]
        want = multinomial.pmf([3, 5, 2], 10, cells)
        np.testing.assert_allclose(textbook.genotype_emission([x], 3, 5, 2), want, **ROUNDING)


def test_genotypes_carry_the_information_of_their_chromosomes() -> None:
    x = np.linspace(0.05, 0.95, 7)
    ratio = textbook.genotype_emission(x, 3, 5, 2) / textbook.emission(x, 9, 20)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)


@pytest.mark.parametrize("kind", ["uniform", "uniform_seg", "point", "stationary"])
def test_start_distributions_sum_to_one(kind: str) -> None:
    np.testing.assert_allclose(start_called(kind, 20).sum(), 1, **ROUNDING)


def test_start_distributions_are_what_they_are_called() -> None:
    np.testing.assert_allclose(textbook.start_uniform(3), [0.25] * 4, **ROUNDING)
    np.testing.assert_allclose(textbook.start_segregating(4), [0, *[1 / 3] * 3, 0], **ROUNDING)
    assert list(textbook.start_point(5, 0.4)) == [0, 0, 1, 0, 0, 0]
    got, mean = textbook.start_stationary(30, 1.2, 0.3), 0.3 / 1.5
    np.testing.assert_allclose(got, betabinom.pmf(range(31), 30, 0.3, 1.2), rtol=1e-9)
    np.testing.assert_allclose(got @ textbook.frequencies(30), mean, **ROUNDING)
    np.testing.assert_allclose(textbook.start_stationary(30, 1, 1), [1 / 31] * 31, rtol=1e-12)


# --- the likelihood ------------------------------------------------------------------------------

ENUMERATED = [
    {},
    {"e_da": 0.1, "e_ad": 0.03},
    {"e_da": [0.1, 0.0, 0.2], "e_ad": [0.0, 0.3, 0.01]},
    {"precision": 4.0},
]


@pytest.mark.parametrize("extra", ENUMERATED, ids=["plain", "error", "errors", "beta-binomial"])
@pytest.mark.parametrize("kind", ["uniform", "uniform_seg", "point", "stationary"])
@pytest.mark.parametrize("ploidy", ["haploid", "diploid"])
@pytest.mark.parametrize("s", [-0.3, 0.4])
def test_forward_is_the_sum_over_all_paths(extra: dict, kind: str, ploidy: str, s: float) -> None:
    reads = textbook.emission_table(SIZES, **READS, **extra)
    start = start_called(kind, SIZES[0])
    arguments = (reads, SIZES, s, start, 0.2, ploidy)
    enumerated = textbook.log_likelihood_by_paths(*arguments)
    np.testing.assert_allclose(textbook.log_likelihood(*arguments), enumerated, **ROUNDING)


def test_backward_gives_the_likelihood_for_every_start() -> None:
    reads = textbook.emission_table(SIZES, **READS)
    values, log_scale = textbook.backward(reads, textbook.transitions(SIZES, 0.3))
    for count in range(SIZES[0] + 1):
        point = (np.arange(SIZES[0] + 1) == count).astype(float)
        want = np.exp(textbook.log_likelihood(reads, SIZES, 0.3, point))
        np.testing.assert_allclose(values[0][count] * np.exp(log_scale[0]), want, **ROUNDING)


def test_likelihood_is_a_distribution_of_the_data() -> None:
    start = textbook.start_uniform(SIZES[0])
    total = 0.0
    for a in range(3):
        for b in range(4):
            reads = textbook.emission_table(SIZES, [1, 3], [a, b], [2, 3], 0.1, 0.02, 6.0)
            total += np.exp(textbook.log_likelihood(reads, SIZES, 0.2, start))
    np.testing.assert_allclose(total, 1, **ROUNDING)


def stored_cases() -> list[dict[str, str]]:
    with (GOLD / "wf_exact_oracle_meta.csv").open() as handle:
        cases = list(csv.DictReader(handle))
    assert len(cases) == 14
    return cases


@pytest.mark.parametrize("case", stored_cases(), ids=lambda case: case["name"])
def test_log_likelihood_is_the_stored_exact_one(case: dict[str, str]) -> None:
    gold, name = np.load(GOLD / "wf_exact_oracle.npz"), case["name"]
    times, sizes = gold[f"{name}__times"], gold[f"{name}__two_n"]
    sizes = [int(m) for m in np.broadcast_to(sizes, times[-1] + 1)]
    errors = {"e_da": float(case["e10"]), "e_ad": float(case["e01"])}
    reads = textbook.emission_table(sizes, times, gold[f"{name}__d"], gold[f"{name}__n"], **errors)
    start = start_called(case["init"], sizes[0])
    every = 100 if max(sizes) > 500 else 20
    got = [
        textbook.log_likelihood(reads, sizes, s, start, float(case["h"]), "diploid")
        for s in gold["s_grid"][::every]
    ]
    np.testing.assert_allclose(got, gold[f"{name}__ll"][::every], **STORED)


def test_log_likelihood_is_the_stored_one_through_a_bottleneck() -> None:
    gold = np.load(GOLD / "wf_exact_big.npz")
    sizes, i = [int(m) for m in gold["two_n"]], 8
    errors = {"e_da": float(gold["e10"]), "e_ad": float(gold["e01"])}
    steps = textbook.transitions(sizes, gold["s_grid"][i], 0.5, "diploid")
    start = textbook.start_uniform(sizes[0])
    for locus, (d, n) in enumerate(zip(gold["d"], gold["n"], strict=True)):
        reads = textbook.emission_table(sizes, gold["times"], d, n, **errors)
        _, got = textbook.forward(reads, steps, start)
        np.testing.assert_allclose(got, gold["ll"][locus, i], **STORED)


@pytest.mark.parametrize("ploidy", ["haploid", "diploid"])
@pytest.mark.parametrize("s", [-0.3, 0.05, 0.8])
def test_naming_the_other_allele_derived_maps_s_and_h(ploidy: str, s: float) -> None:
    sizes, h, derived, total = [20, 30, 12, 12, 25], 0.1, np.array([3, 9, 7]), np.array([10, 12, 8])
    start = textbook.start_stationary(20, 0.3, 1.4)
    reads = textbook.emission_table(sizes, [0, 2, 4], derived, total, 0.2, 0.01, 15.0)
    flipped = textbook.emission_table(sizes, [0, 2, 4], total - derived, total, 0.01, 0.2, 15.0)
    want = textbook.log_likelihood(reads, sizes, s, start, h, ploidy)
    got = textbook.log_likelihood(flipped, sizes, -s / (1 + s), start[::-1], 1 - h, ploidy)
    np.testing.assert_allclose(got, want, **ROUNDING)


def test_no_reads_carry_no_information() -> None:
    start = textbook.start_uniform(SIZES[0])
    silent = textbook.emission_table(SIZES, [0, 1, 2, 3], [0] * 4, [0] * 4, 0.1, 0.02, 3.0)
    assert all((e == 1).all() for e in silent)
    np.testing.assert_allclose(textbook.log_likelihood(silent, SIZES, 0.3, start), 0, **ROUNDING)


def test_a_generation_that_repeats_is_two_samples() -> None:
    twice = textbook.emission_table([9, 9], [1, 1], [2, 3], [4, 9], e_da=[0.1, 0.3])
    one = textbook.emission_table([9, 9], 1, 2, 4, e_da=0.1)
    other = textbook.emission_table([9, 9], 1, 3, 9, e_da=0.3)
    np.testing.assert_allclose(twice[1], one[1] * other[1], **ROUNDING)
    pooled = textbook.emission_table([9, 9], 1, 5, 13)
    split = textbook.emission_table([9, 9], [1, 1], [2, 3], [4, 9])
    ratio = np.divide(split[1], pooled[1], where=pooled[1] > 0, out=np.ones(10))[1:-1]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)


def test_one_generation_is_the_mean_over_the_start() -> None:
    reads = textbook.emission_table([8], 0, 2, 5)
    got = textbook.log_likelihood(reads, [8], 0.4, textbook.start_uniform(8))
    want = np.log(binom.pmf(2, 5, textbook.frequencies(8)).mean())
    np.testing.assert_allclose(got, want, **ROUNDING)


def test_one_chromosome_never_changes() -> None:
    sizes = [1, 1, 1]
    reads = textbook.emission_table(sizes, [0, 2], [1, 4], [1, 5], 0.1, 0.05)
    got = textbook.log_likelihood(reads, sizes, 0.9, textbook.start_uniform(1))
    want = np.log((0.05 * binom.pmf(4, 5, 0.05) + 0.9 * binom.pmf(4, 5, 0.9)) / 2)
    np.testing.assert_allclose(got, want, **ROUNDING)


def test_impossible_data_have_log_likelihood_minus_infinity() -> None:
    reads = textbook.emission_table([4, 4], [1], [1], [1])
    lost = textbook.start_point(4, 0.0)
    assert textbook.log_likelihood(reads, [4, 4], 0.1, lost) == -np.inf
    assert textbook.log_likelihood_by_paths(reads, [4, 4], 0.1, lost) == -np.inf


def test_posterior_is_the_one_of_all_paths() -> None:
    sizes, s = [3, 2, 4], 0.3
    reads = textbook.emission_table(sizes, [0, 2], [1, 3], [3, 4], 0.1, 0.05)
    start = textbook.start_uniform(3)
    got = textbook.posterior(reads, sizes, s, start)
    evidence = textbook.log_likelihood_by_paths(reads, sizes, s, start)
    for t, pmf in enumerate(got):
        np.testing.assert_allclose(pmf.sum(), 1, **ROUNDING)
        for count in range(sizes[t] + 1):
            only = [e.copy() for e in reads]
            only[t] *= np.arange(sizes[t] + 1) == count
            through = textbook.log_likelihood_by_paths(only, sizes, s, start)
            np.testing.assert_allclose(pmf[count], np.exp(through - evidence), **ROUNDING)


def test_posterior_without_data_is_the_prior_carried_forward() -> None:
    sizes, start = [6, 8, 5], textbook.start_stationary(6, 0.5, 2.0)
    got = textbook.posterior([np.ones(m + 1) for m in sizes], sizes, 0.2, start)
    steps = textbook.transitions(sizes, 0.2)
    np.testing.assert_allclose(got[2], start @ steps[0] @ steps[1], **ROUNDING)


# --- fixation ------------------------------------------------------------------------------------


def fixation_in_the_chain(size: int, s: float, h: float, ploidy: str) -> np.ndarray:
    matrix = textbook.transition_matrix(size, size, s, h, ploidy)
    inner = slice(1, size)
    fixed = np.linalg.solve(np.eye(size - 1) - matrix[inner, inner], matrix[inner, size])
    return np.concatenate([[0], fixed, [1]])


@pytest.mark.parametrize(
    "s, h, ploidy",
    [
        (0.01, 0.5, "haploid"),
        (-0.01, 0.5, "haploid"),
        (0.02, 0.0, "diploid"),
        (0.02, 1.0, "diploid"),
    ],
)
def test_chain_fixes_alleles_as_often_as_kimura_says(s: float, h: float, ploidy: str) -> None:
    # The diffusion leaves out terms of order s: relative error of a few times |s| is expected,
    # far below what a wrong factor of two in M or s would do (40 % for the rarest allele here).
    size, counts = 200, [2, 20, 100, 180]
    chain = fixation_in_the_chain(size, s, h, ploidy)[counts]
    kimura = [textbook.fixation_probability(k / size, size, s, h, ploidy) for k in counts]
    np.testing.assert_allclose(chain, kimura, rtol=0.03)


def test_neutral_fixation_probability_is_the_frequency() -> None:
    np.testing.assert_allclose(textbook.fixation_probability(0.3, 50, 0.0), 0.3, **ROUNDING)
    chain = fixation_in_the_chain(50, 0.0, 0.5, "haploid")
    np.testing.assert_allclose(chain, textbook.frequencies(50), rtol=1e-9)


def test_haploid_fixation_probability_is_the_closed_form() -> None:
    got = textbook.fixation_probability(1 / 100, 100, 0.05)
    np.testing.assert_allclose(got, np.expm1(-0.1) / np.expm1(-10), rtol=1e-9)
