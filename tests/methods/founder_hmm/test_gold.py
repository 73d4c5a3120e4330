"""Stored values: R/qtl2 against the textbook, and then against the estimators."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from refsolve.methods.founder_hmm import (
    Genotypes,
    most_likely_paths,
    reconstruct,
    repair_orientation,
    ril,
)
from refsolve.methods.founder_hmm import textbook as tb

GOLD = Path(__file__).parents[2] / "gold" / "founder_hmm"
EXACT = {"rtol": 0, "atol": 1e-12}
CARTER_FALCONER = {"rtol": 0, "atol": 2e-11}  # the peer finds the root no better
ERRORS = {"e0.0001": 0.0001, "e0.005": 0.005, "e0.05": 0.05}
CASES = [("in20x50", slice(None), error) for error in ERRORS]
CASES += [("in60x40_missF", slice(None, None, 3), error) for error in ("e0.0001", "e0.005")]


def load(name: str) -> Mapping[str, np.ndarray]:
    with np.load(GOLD / f"{name}.npz") as stored:
        return dict(stored)


def coded(peer: np.ndarray) -> np.ndarray:
    """Calls 0, 1, heterozygous and missing from 1, 3, 2 and 0."""
    return np.array([tb.MISSING, 0, tb.HET, 1])[peer.astype(int)]


class Case:
    """Lines of the peer with their own funnel orders."""

    def __init__(self, name: str) -> None:
        data = load(name)
        self.calls, self.founders = coded(data["G"]), coded(data["F"]).T
        self.position, self.chromosome = data["pos"], data["chrom"]
        self.designs = [tb.ril(8, "self", order) for order in data["order"]]
        self.data = data

    def posterior(
        self,
        error: float,
        map_function: tb.MapFunction = "haldane",
        unknown: tb.Unknown = "peer",
    ) -> np.ndarray:
        """(n, M, 8) of the textbook, chromosome by chromosome."""
        found = []
        for c in np.unique(self.chromosome):
            here = self.chromosome == c
            r = tb.recombination(np.diff(self.position[here]), map_function)
            steps = np.stack([tb.steps(design, r) for design in self.designs])
            emission = tb.emission_table(self.calls[:, here], self.founders[here], error, unknown)
            found.append(tb.posteriors(np.full(8, 1 / 8), steps, emission)[0])
        return np.concatenate(found, axis=1)


@pytest.mark.parametrize("name, lines, error", CASES)
def test_genotype_probabilities(name: str, lines: slice, error: str) -> None:
    gold = load(f"out_{name}")[f"genoprob_{error}"]
    np.testing.assert_allclose(Case(name).posterior(ERRORS[error])[lines], gold, **EXACT)


def test_genotype_probabilities_of_several_chromosomes() -> None:
    gold = load("out_in120x90")["genoprob_e0.005"]
    np.testing.assert_allclose(Case("in120x90").posterior(0.005)[::6], gold, **EXACT)


def test_genotype_probabilities_under_interference() -> None:
    gold = load("out_in20x50")["genoprob_e0.005_cf"]
    got = Case("in20x50").posterior(0.005, "carter-falconer")
    np.testing.assert_allclose(got, gold, **CARTER_FALCONER)
    assert np.abs(Case("in20x50").posterior(0.005) - gold).max() > 1e-3


def test_pseudomarkers_carry_no_call() -> None:
    gold, case = load("out_in20x50"), Case("in20x50")
    position = gold["pseudomap_step2"]
    place = np.searchsorted(position, case.position)
    np.testing.assert_array_equal(position[place], case.position)
    calls = np.full((20, position.size), tb.MISSING)
    calls[:, place] = case.calls
    founders = np.zeros((position.size, 8), dtype=int)
    founders[place] = case.founders
    r = tb.recombination(np.diff(position))
    steps = np.stack([tb.steps(design, r) for design in case.designs])
    emission = tb.emission_table(calls, founders, 0.005, "peer")
    got = tb.posteriors(np.full(8, 1 / 8), steps, emission)[0]
    np.testing.assert_allclose(got, gold["genoprob_step2_e0.005"], **EXACT)


def test_single_steps_and_emissions() -> None:
    gold, case = load("out_in20x50"), Case("in20x50")
    for r, one, two, log_p in gold["step_riself8_line1"]:
        got = case.designs[0].step(r)[int(one) - 1, int(two) - 1]
        np.testing.assert_allclose(np.log(got), log_p, **EXACT)
    for call, founder, log_p in gold["emit_riself8_e0.01"]:
        alleles = coded(np.array([founder, 1]))
        got = tb.call_emission(int(coded(np.array([call]))[0]), alleles, 0.01, "peer")[0]
        np.testing.assert_allclose(np.log(got), log_p, **EXACT)


@pytest.mark.parametrize("name", ["in20x50", "in60x40_missF"])
def test_viterbi_paths_are_as_probable_as_stored(name: str) -> None:
    """Equal founders leave ties: the paths may differ, their probabilities may not."""
    gold, case = load(f"out_{name}")["viterbi"] - 1, Case(name)
    r, same = tb.recombination(np.diff(case.position)), 0
    emission = tb.emission_table(case.calls, case.founders, 0.005, "peer")
    for i, design in enumerate(case.designs):
        chain = (design.initial, tb.steps(design, r), emission[i])
        path, log_p = tb.viterbi(*chain)
        stored = tb.path_log_probability(gold[i].astype(int), *chain)
        np.testing.assert_allclose(log_p, stored, rtol=0, atol=1e-9)
        same += np.array_equal(path, gold[i])
    assert same >= 0.9 * len(gold)


@pytest.mark.parametrize("name", ["in20x50", "in60x40_missF"])
def test_odds_of_wrong_calls(name: str) -> None:
    gold, case = load(f"out_{name}")["errorlod"], Case(name)
    matches = tb.match_matrix(case.calls, case.founders)
    unknown = (case.founders == tb.MISSING) & ~np.isnan(matches)
    matches = np.where(unknown, 1.0, matches)
    got = tb.error_log_odds(case.posterior(0.005), matches, 0.005)
    # where no founder has the other allele the peer reports its lowest value, and this one nothing
    got = np.where((matches == 1).all(axis=2), -5.0, got)
    np.testing.assert_allclose(got, gold, rtol=0, atol=1e-10)


# --- what the peer gets wrong --------------------------------------------------------------------


def truth_share(posterior: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    chosen = np.take_along_axis(posterior, truth[:, :, np.newaxis].astype(int), axis=2)
    return float(chosen.mean()), float((posterior.argmax(axis=2) == truth).mean())


def test_an_unknown_founder_allele_is_summed_over() -> None:
    case = Case("in60x40_missF")
    truth = case.data["H"]
    theirs = truth_share(case.posterior(0.005), truth)
    ours = truth_share(case.posterior(0.005, unknown=0.5), truth)
    np.testing.assert_allclose(theirs, [0.9177, 0.944], rtol=0, atol=1e-3)
    np.testing.assert_allclose(ours, [0.9226, 0.950], rtol=0, atol=1e-3)


def with_het_call(marker: int, unknown_founder: int, unknown: tb.Unknown) -> np.ndarray:
    """(8,) posterior of the first line at a marker: heterozygous, and a founder unknown."""
    case = Case("in20x50")
    calls, founders = case.calls[:1].copy(), case.founders.copy()
    calls[0, marker], founders[marker, unknown_founder] = tb.HET, tb.MISSING
    steps = tb.steps(case.designs[0], tb.recombination(np.diff(case.position)))
    emission = tb.emission_table(calls, founders, 1e-4, unknown)
    return tb.posteriors(np.full(8, 1 / 8), steps, emission)[0][0, marker]


def test_a_heterozygous_call_beside_an_unknown_founder_moves_nothing() -> None:
    """At 1e-4 the peer's emissions multiply the odds of the founder without a call by 10,000."""
    before = Case("in20x50").posterior(1e-4, unknown=0.5)[0, 24]
    right, wrong = int(before.argmax()), 2
    theirs, ours = (with_het_call(24, wrong, unknown) for unknown in ("peer", 0.5))
    np.testing.assert_allclose([before[right], before[wrong]], [0.9997, 0.0001], rtol=0, atol=1e-4)
    np.testing.assert_allclose([theirs[right], theirs[wrong]], [0.46, 0.54], rtol=0, atol=5e-3)
    np.testing.assert_allclose([ours[right], ours[wrong]], [0.9997, 0.0001], rtol=0, atol=1e-3)


def test_the_peer_mostly_takes_the_founder_without_a_call() -> None:
    case = Case("in20x50")
    best = case.posterior(1e-4, unknown=0.5)[0].argmax(axis=1)
    taken = []
    for marker in range(0, 50, 3):
        case.calls[0, marker], call = tb.MISSING, case.calls[0, marker]
        without = case.posterior(1e-4, unknown=0.5)[0, marker]
        case.calls[0, marker] = call
        for wrong in set(range(8)) - {best[marker]}:
            theirs, ours = (with_het_call(marker, wrong, unknown) for unknown in ("peer", 0.5))
            taken.append(theirs.argmax() == wrong)
            np.testing.assert_allclose(ours, without, **EXACT)
    assert 0.65 < np.mean(taken) < 0.85


def test_flips_are_all_found_and_none_is_false() -> None:
    case = Case("in300x300_flip5")
    steps = tb.steps(case.designs[0], tb.recombination(np.diff(case.position)))
    found = tb.find_flips(case.calls, case.founders, np.full(8, 1 / 8), steps)
    np.testing.assert_array_equal(found.flipped, case.data["flips"])
    assert found.flipped.sum() == 13
    assert found.rounds == 2
    truth = case.data["H"]
    shares = []
    for founders in (case.founders, found.founders):
        emission = tb.emission_table(case.calls, founders, 0.005)
        shares.append(truth_share(tb.posteriors(np.full(8, 1 / 8), steps, emission)[0], truth)[1])
    np.testing.assert_allclose(shares, [0.978, 0.990], rtol=0, atol=1e-3)


# --- the estimators ------------------------------------------------------------------------------


def genotypes_of(case: Case) -> Genotypes:
    return Genotypes(case.calls, case.founders, case.position, case.chromosome, unknown="peer")


@pytest.mark.parametrize("name, lines, error", CASES)
def test_reconstruction_gives_the_stored_probabilities(name: str, lines: slice, error: str) -> None:
    case, gold = Case(name), load(f"out_{name}")[f"genoprob_{error}"]
    design = ril(8, order=case.data["order"])
    got = reconstruct(genotypes_of(case), design, ERRORS[error]).stacked()
    np.testing.assert_allclose(got[lines], gold, **EXACT)


def test_reconstruction_of_several_chromosomes_interference_and_pseudomarkers() -> None:
    case, gold = Case("in120x90"), load("out_in120x90")
    found = reconstruct(genotypes_of(case), ril(8, order=case.data["order"]), 0.005)
    np.testing.assert_allclose(found.stacked()[::6], gold["genoprob_e0.005"], **EXACT)
    case, gold = Case("in20x50"), load("out_in20x50")
    design = ril(8, order=case.data["order"], map_function="carter-falconer")
    found = reconstruct(genotypes_of(case), design, 0.005)
    np.testing.assert_allclose(found.stacked(), gold["genoprob_e0.005_cf"], **CARTER_FALCONER)
    grid = {case.chromosome[0]: np.setdiff1d(gold["pseudomap_step2"], case.position)}
    found = reconstruct(genotypes_of(case), ril(8, order=case.data["order"]), 0.005, at=grid)
    np.testing.assert_array_equal(found.position[0], gold["pseudomap_step2"])
    np.testing.assert_allclose(found.stacked(), gold["genoprob_step2_e0.005"], **EXACT)


def test_most_likely_paths_are_as_probable_as_stored() -> None:
    case, gold = Case("in20x50"), load("out_in20x50")["viterbi"] - 1
    paths = most_likely_paths(genotypes_of(case), ril(8, order=case.data["order"]), 0.005)
    r = tb.recombination(np.diff(case.position))
    emission = tb.emission_table(case.calls, case.founders, 0.005, "peer")
    for i, design in enumerate(case.designs):
        chain = (design.initial, tb.steps(design, r), emission[i])
        stored = tb.path_log_probability(gold[i].astype(int), *chain)
        np.testing.assert_allclose(paths.log_probability[i].sum(), stored, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_repair_finds_all_flips_and_no_other() -> None:
    case = Case("in300x300_flip5")
    genotypes = Genotypes(case.calls, case.founders, case.position, case.chromosome)
    found = repair_orientation(genotypes, ril(8, order=case.data["order"]))
    np.testing.assert_array_equal(found.flipped, case.data["flips"])
    again = repair_orientation(found.genotypes, ril(8, order=case.data["order"]))
    assert not again.flipped.any()


def test_a_heterozygous_call_beside_an_unknown_founder_moves_no_estimate() -> None:
    case, shares = Case("in20x50"), {}
    calls, founders = case.calls.copy(), case.founders.copy()
    calls[0, 24], founders[24, 2] = tb.HET, tb.MISSING
    for unknown in ("peer", 0.5):
        genotypes = Genotypes(calls, founders, case.position, unknown=unknown)
        found = reconstruct(genotypes, ril(8, order=case.data["order"]), 1e-4)
        shares[unknown] = found.stacked()[0, 24, 2]
    np.testing.assert_allclose(shares["peer"], 0.54, rtol=0, atol=5e-3)
    assert shares[0.5] < 2e-4
