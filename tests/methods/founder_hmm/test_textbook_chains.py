"""Emissions, posteriors and paths of the textbook against enumeration and closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import quad

from refsolve.methods.founder_hmm import textbook as tb

ROUNDING = {"rtol": 1e-11, "atol": 1e-13}
ALLELES = np.array([0, 1, -1, 1])
HAPLOID = np.arange(4)[:, np.newaxis]
PAIRS = tb.diplotypes(tb.intercross(4, 3)).states


def tiny(seed: int, design: tb.Design, n_loci: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start, steps and random emissions, so small that all paths can be enumerated."""
    rng = np.random.default_rng(seed)
    steps = tb.steps(design, rng.uniform(0.01, 0.4, n_loci - 1))
    return design.initial, steps, rng.uniform(0.01, 1.0, (n_loci, len(design.states)))


CASES = [
    (tb.ril(8, "self", [3, 1, 0, 2, 7, 5, 6, 4]), 4),
    (tb.ril(4, "sib"), 5),
    (tb.general_ril([0.7, 0.2, 0.1], 5), 6),
    (tb.diplotypes(tb.intercross(3, 4)), 4),
]


# --- emissions -----------------------------------------------------------------------------------


def test_call_of_an_inbred_line() -> None:
    np.testing.assert_allclose(tb.call_emission(1, ALLELES, 0.01), [0.01, 0.99, 0.5, 0.99])
    np.testing.assert_allclose(tb.call_emission(0, ALLELES, 0.01), [0.99, 0.01, 0.5, 0.01])
    np.testing.assert_allclose(
        tb.call_emission(1, ALLELES, 0.01, 0.25)[2], 0.25 * 0.99 + 0.75 * 0.01
    )
    for call in (tb.MISSING, tb.HET):
        np.testing.assert_allclose(tb.call_emission(call, ALLELES, 0.01), 1.0)


def test_the_peer_favours_founders_without_a_call() -> None:
    np.testing.assert_allclose(tb.call_emission(1, ALLELES, 0.01, "peer"), [0.01, 0.99, 1.0, 0.99])
    np.testing.assert_allclose(tb.call_emission(tb.HET, ALLELES, 0.01, "peer"),
                               [0.01, 0.01, 1.0, 0.01])  # fmt: skip


@pytest.mark.parametrize("unknown", [0.5, 0.2])
def test_probabilities_of_all_calls_sum_to_one(unknown: float) -> None:
    two = sum(tb.call_emission(c, ALLELES, 0.03, unknown) for c in (0, 1))
    np.testing.assert_allclose(two, 1.0, **ROUNDING)
    three = sum(tb.diplotype_emission(c, ALLELES, 0.03, PAIRS, unknown) for c in (0, 1, 2))
    np.testing.assert_allclose(three, 1.0, **ROUNDING)
    for n in (0, 1, 5):
        for states in (HAPLOID, PAIRS):
            reads = [tb.read_emission((n - x, x), ALLELES, 0.02, states, unknown)
                     for x in range(n + 1)]  # fmt: skip
            np.testing.assert_allclose(sum(reads), 1.0, **ROUNDING)


def test_dosages_integrate_to_one() -> None:
    for states in (HAPLOID, PAIRS):
        for s in (0, 1, 2, len(states) - 1):
            area = quad(lambda x, g=states, s=s: tb.dosage_emission(x, ALLELES, 0.2, g)[s], -3, 5,
                        points=[0, 1, 2])  # fmt: skip
            np.testing.assert_allclose(area[0], 1.0, rtol=1e-6)
    np.testing.assert_allclose(tb.dosage_emission(np.nan, ALLELES, 0.2, PAIRS), 1.0)


def test_copies_of_an_unknown_founder_go_together() -> None:
    """Two haplotypes of one founder carry the same allele, whichever it is."""
    names = {tuple(p.tolist()): s for s, p in enumerate(PAIRS)}
    weights = tb.dosage_weights(ALLELES, PAIRS, 0.3)
    np.testing.assert_allclose(weights[names[2, 2]], [0.7, 0.0, 0.3], **ROUNDING)
    np.testing.assert_allclose(weights[names[1, 2]], [0.0, 0.7, 0.3], **ROUNDING)
    np.testing.assert_allclose(weights[names[0, 1]], [0.0, 1.0, 0.0], **ROUNDING)


def test_genotype_of_an_outbred_individual() -> None:
    names = {tuple(p.tolist()): s for s, p in enumerate(PAIRS)}
    seen = [tb.diplotype_emission(c, ALLELES, 0.02, PAIRS) for c in (0, 1, 2)]
    np.testing.assert_allclose([e[names[0, 0]] for e in seen], [0.98, 0.01, 0.01], **ROUNDING)
    np.testing.assert_allclose([e[names[0, 1]] for e in seen], [0.01, 0.98, 0.01], **ROUNDING)
    np.testing.assert_allclose([e[names[2, 2]] for e in seen], [0.495, 0.01, 0.495], **ROUNDING)
    np.testing.assert_allclose(tb.diplotype_emission(-1, ALLELES, 0.02, PAIRS), 1.0)


def test_reads_and_intensities_come_near_the_call_when_they_are_clear() -> None:
    clear = tb.read_emission((30, 0), [0, 1, 1], 0.01, np.arange(3)[:, np.newaxis])
    assert clear[0] / clear[1] > 1e50
    half = tb.read_emission((8, 8), [0, 1], 0.01, np.array([[0, 0], [0, 1], [1, 1]]))
    assert half.argmax() == 1
    np.testing.assert_allclose(half[0], half[2], **ROUNDING)
    np.testing.assert_allclose(tb.read_emission((0, 0), [0, 1], 0.01, HAPLOID[:2]), 1.0)
    means, cov = [[2.0, 0.2], [1.2, 1.1], [0.1, 2.1]], [np.eye(2) * 0.04] * 3
    seen = tb.intensity_emission(
        [1.25, 1.0], means, cov, [0, 1], np.array([[0, 0], [0, 1], [1, 1]])
    )
    assert seen.argmax() == 1
    np.testing.assert_allclose(seen[1], np.exp(-(0.05**2 + 0.1**2) / 0.08) / (2 * np.pi * 0.04))
    np.testing.assert_allclose(
        tb.intensity_emission([np.nan, 1.0], means, cov, [0, 1], PAIRS[:3]), 1.0
    )


# --- posteriors and paths ------------------------------------------------------------------------


@pytest.mark.parametrize("design, n_loci", CASES)
@pytest.mark.parametrize("seed", [1, 2])
def test_everything_equals_the_sum_over_all_paths(
    design: tb.Design, n_loci: int, seed: int
) -> None:
    initial, steps, emission = tiny(seed, design, n_loci)
    n_states = len(design.states)
    total, by_state = 0.0, np.zeros((n_loci, n_states))
    best: tuple[float, tuple[int, ...]] = (0.0, ())
    for path in itertools.product(range(n_states), repeat=n_loci):
        p = initial[path[0]] * emission[0, path[0]]
        for k in range(1, n_loci):
            p *= steps[k - 1, path[k - 1], path[k]] * emission[k, path[k]]
        total += p
        by_state[np.arange(n_loci), path] += p
        best = max(best, (p, path))
    posterior, log_likelihood = tb.forward_backward(initial, steps, emission)
    np.testing.assert_allclose(posterior, by_state / total, **ROUNDING)
    np.testing.assert_allclose(log_likelihood, np.log(total), **ROUNDING)
    path, log_p = tb.viterbi(initial, steps, emission)
    assert tuple(path.tolist()) == best[1]
    np.testing.assert_allclose(log_p, np.log(best[0]), **ROUNDING)
    again = tb.path_log_probability(path, initial, steps, emission)
    np.testing.assert_allclose(again, log_p, **ROUNDING)


def test_sampled_paths_have_the_posterior_of_paths() -> None:
    """20,000 paths see a probability that is wrong by 0.015 in at least 99 % of runs."""
    initial, steps, emission = tiny(3, tb.ril(4), 3)
    paths = tb.sample_paths(initial, steps, emission, 20_000, np.random.default_rng(5))
    _, log_likelihood = tb.forward_backward(initial, steps, emission)
    for path in itertools.product(range(4), repeat=3):
        p = np.exp(tb.path_log_probability(np.array(path), initial, steps, emission)
                   - log_likelihood)  # fmt: skip
        seen = (paths == path).all(axis=1).mean()
        assert abs(seen - p) < 4.5 * np.sqrt(p * (1 - p) / 20_000) + 1e-4


def test_founders_may_be_named_in_any_way() -> None:
    rng, name = np.random.default_rng(7), np.array([4, 2, 7, 1, 0, 3, 6, 5])
    order = rng.permutation(8)
    calls, founders = rng.integers(0, 2, (1, 9)), rng.integers(-1, 2, (9, 8))
    r = rng.uniform(0.0, 0.3, 8)
    renamed = tb.ril(8, "self", name[order]), founders[:, np.argsort(name)]
    found = []
    for design, alleles in ((tb.ril(8, "self", order), founders), renamed):
        emission = tb.emission_table(calls, alleles, 0.01)
        found.append(tb.posteriors(design.initial, tb.steps(design, r), emission)[0][0])
    np.testing.assert_allclose(found[1][:, name], found[0], **ROUNDING)


def test_a_chromosome_read_backwards_is_the_same() -> None:
    initial, steps, emission = tiny(4, tb.ril(8), 7)
    one, ll = tb.forward_backward(initial, steps, emission)
    two, again = tb.forward_backward(initial, steps[::-1], emission[::-1])
    np.testing.assert_allclose(two[::-1], one, **ROUNDING)
    np.testing.assert_allclose(again, ll, **ROUNDING)


def test_a_locus_without_data_takes_nothing_away_where_steps_are_a_chain() -> None:
    design = tb.exchangeable(8, 4.0)
    at = np.array([0.0, 3.0, 9.0, 14.0])
    rng = np.random.default_rng(6)
    emission = rng.uniform(0.01, 1, (4, 8))
    some, ll = tb.forward_backward(design.initial, tb.steps(design, tb.recombination(np.diff(at))),
                                   emission)  # fmt: skip
    more = np.insert(at, 2, 5.5)
    blank = np.insert(emission, 2, 1.0, axis=0)
    got, again = tb.forward_backward(
        design.initial, tb.steps(design, tb.recombination(np.diff(more))), blank
    )
    np.testing.assert_allclose(np.delete(got, 2, axis=0), some, **ROUNDING)
    np.testing.assert_allclose(again, ll, **ROUNDING)


def test_long_chromosomes_do_not_underflow() -> None:
    rng, n_loci = np.random.default_rng(8), 3000
    steps = np.broadcast_to(tb.ril(8).step(1e-4), (n_loci - 1, 8, 8))
    emission = np.where(rng.random((n_loci, 8)) < 0.5, 1e-4, 1 - 1e-4)
    posterior, log_likelihood = tb.forward_backward(np.full(8, 1 / 8), steps, emission)
    assert np.isfinite(posterior).all()
    np.testing.assert_allclose(posterior.sum(axis=1), 1.0, **ROUNDING)
    assert log_likelihood < -5000


def test_a_path_that_cannot_be_has_no_probability() -> None:
    initial, steps, emission = tiny(1, tb.ril(4), 3)
    emission[1, 2] = 0.0
    assert tb.path_log_probability(np.array([2, 2, 2]), initial, steps, emission) == -np.inf
    assert tb.viterbi(initial, steps, emission)[0][1] != 2


def test_pairs_give_the_probability_of_each_founder() -> None:
    states = tb.diplotypes(tb.intercross(3, 4)).states
    posterior = np.array([[0.5, 0.25, 0.0, 0.0, 0.25, 0.0]])
    got = tb.founder_probability(posterior, states, 3)
    np.testing.assert_allclose(got, [[0.625, 0.25, 0.125]], **ROUNDING)
    alone = np.array([[0.2, 0.3, 0.5]])
    np.testing.assert_allclose(tb.founder_probability(alone, HAPLOID[:3], 3), alone, **ROUNDING)
