"""Other populations and other observations than calls of inbred lines."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from refsolve.methods.founder_hmm import (
    Design,
    Genotypes,
    diplotypes,
    dosage_likelihood,
    general_ril,
    intensity_likelihood,
    intercross,
    outbred,
    read_likelihood,
    recombination,
    reconstruct,
    ril,
    simulate_calls,
    simulate_founders,
    simulate_intensities,
    simulate_intercross,
    simulate_map,
    simulate_outbred,
    simulate_reads,
    step_weights,
    textbook,
)
from tests.methods.founder_hmm.lines import DATA, LINES, bred

# Other populations


@pytest.mark.slow
@pytest.mark.parametrize("n_founders", [2, 4])
def test_an_intercross_is_reconstructed_in_pairs(n_founders: int) -> None:
    code, position = simulate_map(lengths=[80.0], n_markers=120, rng=3)
    mice = simulate_intercross(
        n_individuals=40, n_founders=n_founders, generations=6, position=position,
        chromosome=code, population_size=120, rng=3,
    )  # fmt: skip
    data = simulate_calls(mice, rng=4)
    design = diplotypes(intercross(n_founders, 6))
    found = reconstruct(Genotypes(**data.observed), design, 0.005)
    share = found.founders()[0]
    truth = (data.haplotype[..., None] == np.arange(n_founders)).mean(axis=1)
    # Four founders with two alleles leave pairs of equal genotype; neighbours tell most of them.
    assert np.abs(share - truth).mean() < (0.01 if n_founders == 2 else 0.08)
    assert_allclose(share.sum(axis=2), 1.0, rtol=1e-12)


@pytest.mark.slow
def test_outbred_mice_have_36_pairs() -> None:
    code, position = simulate_map(lengths=[30.0], n_markers=150, rng=5)
    mice = simulate_outbred(
        n_individuals=6, generations=5, position=position, chromosome=code, population_size=40,
        rng=5,
    )  # fmt: skip
    data = simulate_calls(mice, rng=6)
    found = reconstruct(Genotypes(**data.observed), diplotypes(outbred(5)), 0.005)
    assert len(found.states) == 36
    share = found.founders()[0]
    truth = (data.haplotype[..., None] == np.arange(8)).mean(axis=1)
    assert np.abs(share - truth).mean() < 0.06


def test_generations_make_the_map_longer() -> None:
    position = np.array([0.0, 1.0])
    changes = [1.0 - step_weights(intercross(8, t), position)[1, 0] for t in (2, 5, 20)]
    assert np.all(np.diff(changes) > 0.0)
    short = general_ril(8, 7.0, expansion=0.5)
    assert_allclose(
        step_weights(short, 2.0 * position)[1], step_weights(short.with_expansion(1.0), position)[1]
    )


# Other observations


@pytest.mark.slow
def test_reads_intensities_and_dosages_say_what_calls_say() -> None:
    """Deep reads, narrow clusters and exact dosages leave no doubt about the allele."""
    lines = bred(n=12, per=40, seed=9)
    alleles = simulate_founders(n_markers=80, n_founders=8, rng=9)
    data = simulate_calls(lines, alleles=alleles, error=0.0, missing=0.0, rng=9)
    design = ril(8, order=data.order)
    genotypes = Genotypes(**data.observed)
    want = reconstruct(genotypes, design, 0.0).stacked()
    homozygous = (data.calls < 2).all(axis=0)
    reads = simulate_reads(lines, alleles=alleles, depth=60.0, error=0.01, rng=2)
    means = np.array([[1.0, 0.0], [0.6, 0.6], [0.0, 1.0]])
    intensity = simulate_intensities(lines, alleles=alleles, means=means, sd=0.05, rng=3)
    cov = np.tile(0.05**2 * np.eye(2), (2, 1, 1))
    dosage = np.where(data.calls == 2, np.nan, data.calls)
    rest = (data.founders, data.position, data.chromosome)
    for likelihood in (
        read_likelihood(reads[:, :, 0], reads[:, :, 1], 0.01),
        intensity_likelihood(intensity, means[[0, 2]], cov),
        dosage_likelihood(dosage, 0.05),
    ):
        got = reconstruct(Genotypes(None, *rest, likelihood=likelihood), design, 0.0).stacked()
        assert np.abs(got - want)[:, homozygous].mean() < 0.01


@pytest.mark.parametrize("ploidy", [1, 2])
def test_likelihoods_are_those_of_the_textbook(ploidy: int) -> None:
    K = 3
    model = textbook.general_ril(np.full(K, 1 / K), 4.0)
    design: Design = general_ril(K, 4.0)
    if ploidy == 2:
        model, design = textbook.diplotypes(model), diplotypes(design)
    rng = np.random.default_rng(8)
    founders, position = rng.integers(-1, 2, (5, K)), np.array([0.0, 1.0, 5.0, 6.0, 20.0])
    reads = rng.poisson(2.0, (1, 5, 2))
    dosage = np.append(rng.uniform(0, ploidy, (1, 4)), [[np.nan]], axis=1)
    xy = rng.normal(0.5, 0.3, (1, 5, 2))
    xy[0, 2] = np.nan
    means, cov = (
        rng.random((ploidy + 1, 2)),
        np.tile([[0.05, 0.01], [0.01, 0.04]], (ploidy + 1, 1, 1)),
    )
    alleles, states = list(founders), model.states
    cases = (
        (
            read_likelihood(reads[..., 0], reads[..., 1], 0.02, ploidy),
            [
                textbook.read_emission(tuple(reads[0, k]), alleles[k], 0.02, states)
                for k in range(5)
            ],
        ),
        (
            dosage_likelihood(dosage, 0.2, ploidy),
            [textbook.dosage_emission(dosage[0, k], alleles[k], 0.2, states) for k in range(5)],
        ),
        (
            intensity_likelihood(xy, means, cov),
            [
                textbook.intensity_emission(xy[0, k], list(means), list(cov), alleles[k], states)
                for k in range(5)
            ],
        ),
    )
    moves = textbook.steps(model, recombination(np.diff(position)))
    for likelihood, seen in cases:
        want, _ = textbook.forward_backward(model.initial, moves, np.array(seen))
        data = Genotypes(None, founders, position, likelihood=likelihood)
        assert_allclose(reconstruct(data, design, 0.0).probability[0][0], want, atol=1e-12)


def test_many_lines_without_calls_are_taken_a_few_at_a_time(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    likelihood = np.random.default_rng(1).random((7, LINES.n_markers, 2))
    data = Genotypes(None, LINES.founders, LINES.position, LINES.chromosome, likelihood=likelihood)
    whole = reconstruct(data, ril(8, order=DATA.order[:7]), 0.0).stacked()
    monkeypatch.setattr("refsolve.methods.founder_hmm.model.chains.AT_ONCE", 500)
    assert_allclose(reconstruct(data, ril(8, order=DATA.order[:7]), 0.0).stacked(), whole)
