"""Compiled kernels: equal to the textbook, to their Python originals, and to what must hold."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refsolve.core import jit
from refsolve.methods.founder_hmm import Genotypes, textbook
from refsolve.methods.founder_hmm.kernels import orientation, passes, paths, steps
from refsolve.methods.founder_hmm.model import designs
from refsolve.methods.founder_hmm.model.chains import Chain, pieces
from refsolve.methods.founder_hmm.model.designs import Design
from refsolve.methods.founder_hmm.model.emissions import call_emissions, state_genotypes
from refsolve.methods.founder_hmm.model.maps import recombination
from refsolve.methods.founder_hmm.self_check import self_check

POSITION = np.array([0.0, 0.5, 3.0, 3.1, 12.0, 30.0])
R = recombination(np.diff(POSITION))

PAIRS: dict[str, tuple[Design, textbook.Design]] = {
    **{
        f"ril {mating} {k}": (designs.ril(k, mating), textbook.ril(k, mating))
        for mating, k in product(("self", "sib"), (2, 4, 8, 16))
    },
    "ril of an order": (
        designs.ril(8, order=[5, 2, 0, 1, 7, 6, 3, 4]),
        textbook.ril(8, "self", [5, 2, 0, 1, 7, 6, 3, 4]),
    ),
    "ril of unknown order": (
        designs.ril(8, order="unknown"),
        textbook.over_orders(textbook.ril(8)),
    ),
    "exchangeable": (designs.exchangeable(5, 3.5), textbook.exchangeable(5, 3.5)),
    "general": (
        designs.general_ril(3, 6.5, fractions=[0.2, 0.5, 0.3]),
        textbook.general_ril([0.2, 0.5, 0.3], 6.5),
    ),
    "intercross": (designs.intercross(2, 9), textbook.intercross(2, 9)),
    "stock": (designs.intercross(8, 30), textbook.intercross(8, 30)),
    "outbred": (designs.outbred(12), textbook.outbred(12)),
    "two haplotypes": (
        designs.diplotypes(designs.intercross(4, 5)),
        textbook.diplotypes(textbook.intercross(4, 5)),
    ),
    "two of unequal founders": (
        designs.diplotypes(designs.general_ril(3, 2.0, fractions=[0.2, 0.5, 0.3])),
        textbook.diplotypes(textbook.general_ril([0.2, 0.5, 0.3], 2.0)),
    ),
}
FEW = [
    "ril self 8",
    "ril sib 8",
    "ril of an order",
    "general",
    "two haplotypes",
    "two of unequal founders",
]


def lines(design: Design, n: int = 3, seed: int = 1) -> Genotypes:
    """Calls at random, some of them missing, and founders of which some were not called."""
    rng = np.random.default_rng(seed)
    founders = rng.integers(-1, 2, (POSITION.size, design.n_founders))
    return Genotypes(rng.integers(-1, design.ploidy + 1, (n, POSITION.size)), founders, POSITION)


def chain_of(design: Design, error: float = 0.03, n: int = 3) -> tuple[Chain, np.ndarray]:
    (piece,) = pieces(lines(design, n), design, np.full(POSITION.size, error))
    return piece.chain, piece.founder


def emission_of(design: textbook.Design, genotypes: Genotypes, error: float = 0.03) -> np.ndarray:
    """Emissions (n, M, S) of the textbook."""
    calls, founders = np.asarray(genotypes.calls, np.int64), genotypes.founders.astype(np.int64)
    if design.states.shape[1] == 1:
        return textbook.emission_table(calls, founders, error)
    return np.array(
        [
            [
                textbook.diplotype_emission(int(c), a, error, design.states)
                for c, a in zip(row, founders, strict=True)
            ]
            for row in calls
        ]
    )


@pytest.mark.parametrize("name", PAIRS)
def test_steps_are_the_textbook_ones(name: str) -> None:
    ours, theirs = PAIRS[name]
    want = textbook.steps(theirs, R)
    weight = designs.step_weights(ours, POSITION)[1:]
    place = np.arange(ours.n_states) if ours.ploidy == 2 else np.argsort(ours.order)
    for w, matrix in zip(weight, want, strict=True):
        shown = np.array([np.empty(ours.n_states) for _ in range(ours.n_states)])
        back = shown.copy()
        for s, unit in enumerate(np.eye(ours.n_states)):
            steps.forward_step(unit, w, ours.sizes, ours.share, shown[s])
            steps.backward_step(unit, w, ours.sizes, ours.share, back[s])
        assert_allclose(shown[np.ix_(place, place)], matrix, rtol=1e-11, atol=1e-14)
        assert_allclose(back.T[np.ix_(place, place)], matrix, rtol=1e-11, atol=1e-14)
        one_by_one = [
            [
                steps.move(s, t, ours.n_states, w, ours.sizes, ours.share, ours.pairs)
                for t in range(ours.n_states)
            ]
            for s in range(ours.n_states)
        ]
        assert_allclose(one_by_one, shown, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("name", PAIRS)
def test_shares_are_kept_by_every_step(name: str) -> None:
    ours, _ = PAIRS[name]
    start = np.ascontiguousarray(ours.start)
    for w in designs.step_weights(ours, POSITION)[1:]:
        out = np.empty_like(start)
        steps.forward_step(start, w, ours.sizes, ours.share, out)
        assert_allclose(out, start, rtol=1e-12)
        steps.backward_step(np.ones_like(start), w, ours.sizes, ours.share, out)
        assert_allclose(out, 1.0, rtol=1e-12)


@pytest.mark.parametrize("name", FEW)
def test_passes_are_the_textbook_ones(name: str) -> None:
    ours, theirs = PAIRS[name]
    genotypes = lines(ours)
    seen = emission_of(theirs, genotypes)
    want, values = textbook.posteriors(theirs.initial, textbook.steps(theirs, R), seen)
    chain, founder = chain_of(ours)
    out, value = np.empty(want.shape), np.empty(3)
    passes.posteriors(*chain, out, value)
    place = np.argsort(founder)
    assert_allclose(out[:, :, place], want, rtol=1e-11, atol=1e-14)
    assert_allclose(value, values, rtol=1e-12)
    passes.likelihoods(*chain, value)
    assert_allclose(value, values, rtol=1e-12)


@pytest.mark.parametrize("name", FEW)
def test_left_out_markers_are_predicted_as_in_the_textbook(name: str) -> None:
    ours, theirs = PAIRS[name]
    genotypes = lines(ours)
    seen = emission_of(theirs, genotypes)
    posterior, _ = textbook.posteriors(theirs.initial, textbook.steps(theirs, R), seen)
    others = textbook.leave_out(posterior, seen)
    states = state_genotypes(genotypes.founders, ours, 0.5)
    chain, founder = chain_of(ours)
    out, value = np.empty((3, POSITION.size, ours.ploidy + 1)), np.empty(3)
    passes.predictions(*chain, np.ascontiguousarray(states[:, founder]), False, out, value)
    assert_allclose(out, np.einsum("nms,msg->nmg", others, states), rtol=1e-10, atol=1e-14)
    passes.predictions(*chain, np.ascontiguousarray(states[:, founder]), True, out, value)
    assert_allclose(out, np.einsum("nms,msg->nmg", posterior, states), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", FEW)
def test_likeliest_paths_are_the_textbook_ones(name: str) -> None:
    ours, theirs = PAIRS[name]
    genotypes = lines(ours, 6)
    chain, founder = chain_of(ours, n=6)
    path, value = np.empty((6, POSITION.size), np.int16), np.empty(6)
    paths.viterbi(*chain, path, value)
    moves = textbook.steps(theirs, R)
    for i, seen in enumerate(emission_of(theirs, genotypes)):
        _, best = textbook.viterbi(theirs.initial, moves, seen)
        mine = textbook.path_log_probability(founder[path[i]], theirs.initial, moves, seen)
        assert_allclose([mine, value[i]], best, rtol=1e-11)


@pytest.mark.parametrize("name", PAIRS)
def test_best_predecessors_are_the_best_of_all(name: str) -> None:
    ours, theirs = PAIRS[name]
    place = np.arange(ours.n_states) if ours.ploidy == 2 else ours.order
    S, weight = ours.n_states, designs.step_weights(ours, POSITION)[1:]
    rng = np.random.default_rng(2)
    for w, matrix in zip(weight, textbook.steps(theirs, R), strict=True):
        v = rng.random(S) ** 8
        out, back = np.empty(S), np.empty(S, np.int16)
        if ours.ploidy == 2:
            paths.best_into_pairs(v, w, ours.share, out, back)
        else:
            paths.best_into(v, w, ours.sizes, ours.share, out, back)
        every = v[:, None] * matrix[np.ix_(place, place)]
        assert_allclose(out, every.max(axis=0), rtol=1e-11)
        assert_allclose(every[back, np.arange(S)], out, rtol=1e-11)


@pytest.mark.parametrize("name", ["ril self 8", "two haplotypes"])
def test_samples_are_the_textbook_ones(name: str) -> None:
    ours, theirs = PAIRS[name]
    genotypes = lines(ours)
    chain, _ = chain_of(ours)
    uniform = np.random.default_rng(3).random((20, 3, POSITION.size))
    path = np.empty(uniform.shape, np.int16)
    paths.sample_paths(*chain, ours.pairs, uniform, path)
    moves = textbook.steps(theirs, R)
    for i, seen in enumerate(emission_of(theirs, genotypes)):

        class Given:
            def __init__(self, numbers: np.ndarray) -> None:
                self.left = iter(numbers[:, ::-1].ravel())

            def random(self) -> float:
                return float(next(self.left))

        want = textbook.sample_paths(theirs.initial, moves, seen, 20, Given(uniform[:, i]))  # type: ignore[arg-type]
        assert_array_equal(path[:, i], want)


def test_nothing_underflows_on_100_000_markers() -> None:
    """Every call contradicts its neighbours; half of the markers coincide with another."""
    M = 100_000 if jit_is_on() else 2_000
    founders = np.tile([[0, 1], [1, 0]], (M // 2, 1))
    position = np.repeat(np.linspace(0.0, 1.0, M // 2), 2)
    genotypes = Genotypes(np.zeros((1, M)), founders, position)
    (piece,) = pieces(genotypes, designs.ril(2), np.full(M, 1e-12))
    out, value = np.empty((1, M, 2)), np.empty(1)
    passes.posteriors(*piece.chain, out, value)
    assert np.isfinite(value[0])
    assert_allclose(out.sum(axis=2), 1.0, rtol=1e-12)


def test_blocks_of_contradicting_markers_at_one_place_leave_probabilities() -> None:
    founders = np.tile([[0, 1]], (2_000, 1))
    calls = np.repeat([[0, 1]], 1_000, axis=1)
    genotypes = Genotypes(calls, founders, np.full(2_000, 7.0))
    (piece,) = pieces(genotypes, designs.ril(2), np.full(2_000, 1e-4))
    out, value = np.empty((1, 2_000, 2)), np.empty(1)
    passes.posteriors(*piece.chain, out, value)
    assert np.isfinite(value[0])
    assert_allclose(out[0, [0, -1]], [[1.0, 0.0], [0.0, 1.0]], atol=1e-9)


def jit_is_on() -> bool:
    return hasattr(passes.posteriors, "py_func")


@pytest.mark.parametrize("name", ["ril self 8", "general", "two haplotypes"])
def test_gain_of_a_run_is_the_difference_of_likelihoods(name: str) -> None:
    ours, _ = PAIRS[name]
    genotypes = lines(ours, 4)
    chain, _ = chain_of(ours, n=4)
    mirror = np.array([1, 0, 2, 3]) if ours.ploidy == 1 else np.array([2, 1, 0, 3])
    gain, M = np.zeros((3, POSITION.size)), POSITION.size
    orientation.run_gains(chain.code, chain.emission, mirror, *chain[2:], gain)
    base = total(genotypes, ours)
    for r, t in product(range(3), range(M)):
        if t + r < M:
            marks = (np.arange(M) >= t) & (np.arange(M) <= t + r)
            assert_allclose(gain[r, t], total(genotypes.flipped(marks), ours) - base, atol=1e-10)


@pytest.mark.parametrize("name", ["ril self 8", "two haplotypes"])
def test_gain_of_a_pattern_is_the_difference_of_likelihoods(name: str) -> None:
    ours, _ = PAIRS[name]
    genotypes = lines(ours, 4)
    chain, _ = chain_of(ours, n=4)
    mirror = np.array([1, 0, 2, 3]) if ours.ploidy == 1 else np.array([2, 1, 0, 3])
    M, anchor = POSITION.size, np.array([0, 2, 3, 5])
    gain = np.zeros((anchor.size, 8))
    orientation.pattern_gains(chain.code, chain.emission, mirror, *chain[2:], anchor, gain)
    base = total(genotypes, ours)
    for a, p in product(range(anchor.size), range(8)):
        markers = anchor[a] + np.array([0, *(k + 1 for k in range(3) if p >> k & 1)])
        if markers[-1] < M:
            marks = np.isin(np.arange(M), markers)
            assert_allclose(gain[a, p], total(genotypes.flipped(marks), ours) - base, atol=1e-10)


def total(genotypes: Genotypes, design: Design) -> float:
    (piece,) = pieces(genotypes, design, np.full(POSITION.size, 0.03))
    value = np.empty(genotypes.n_lines)
    passes.likelihoods(*piece.chain, value)
    return float(value.sum())


def test_gain_of_an_exchange_is_the_difference_of_likelihoods() -> None:
    ours = designs.ril(4)
    genotypes = lines(ours, 4)
    chain, _ = chain_of(ours, n=4)
    gain = np.zeros(POSITION.size - 1)
    orientation.exchange_gains(*chain, gain)
    for t in range(POSITION.size - 1):
        order = np.arange(POSITION.size)
        order[[t, t + 1]] = t + 1, t
        moved = Genotypes(
            np.asarray(genotypes.calls)[:, order], genotypes.founders[order], POSITION
        )
        assert_allclose(gain[t], total(moved, ours) - total(genotypes, ours), atol=1e-10)


def test_flip_ratio_at_a_given_error_is_the_textbook_one() -> None:
    """The run of one marker gives the same ratio as the left-out posterior."""
    ours, theirs = PAIRS["ril self 8"]
    genotypes = lines(ours, 5)
    seen = emission_of(theirs, genotypes)
    posterior, _ = textbook.posteriors(theirs.initial, textbook.steps(theirs, R), seen)
    matches = textbook.match_matrix(
        np.asarray(genotypes.calls, np.int64), genotypes.founders.astype(np.int64)
    )
    want = textbook.flip_log_ratio(textbook.leave_out(posterior, seen), matches, 0.03)
    chain, _ = chain_of(ours, n=5)
    gain = np.zeros((1, POSITION.size))
    orientation.run_gains(chain.code, chain.emission, np.array([1, 0, 2, 3]), *chain[2:], gain)
    assert_allclose(gain[0], want, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_error_rate_of_a_marker_is_its_maximum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    match = np.append(rng.beta(0.4, 0.3 + seed % 2, 60), np.nan)
    best, low, high = orientation.mismatch_fit(match)
    grid = np.linspace(0.0, 1.0, 2001)
    p = match[:-1, None]
    value = np.log(p * (1 - grid) + (1 - p) * grid).sum(axis=0)
    assert_allclose(best, grid[value.argmax()], atol=1e-3)
    assert_allclose(low, value[grid <= 0.5].max(), atol=1e-4)
    assert_allclose(high, value[grid >= 0.5].max(), atol=1e-4)


def test_certain_calls_have_the_share_of_mismatches_as_error() -> None:
    match = np.array([1.0] * 9 + [0.0])
    assert_allclose(orientation.mismatch_fit(np.clip(match, 1e-12, 1 - 1e-12))[0], 0.1, atol=1e-9)


def test_peer_convention_favours_founders_that_were_not_called() -> None:
    genotypes = Genotypes([[2, 0]], [[0, -1], [1, -1]], [0.0, 1.0], unknown="peer")
    emission = call_emissions(genotypes, designs.ril(2), np.array([0.01, 0.01]))
    for t, call in enumerate((2, 0)):
        want = textbook.call_emission(call, genotypes.founders[t], 0.01, "peer")
        assert_allclose(emission[t, call], want, rtol=1e-14)


@pytest.mark.compiled
def test_compiled_and_python_versions_agree() -> None:
    chain, _ = chain_of(designs.ril(8))
    out = [np.empty((3, POSITION.size, 8)) for _ in range(2)]
    value = [np.empty(3) for _ in range(2)]
    passes.posteriors(*chain, out[0], value[0])
    passes.posteriors.py_func(*chain, out[1], value[1])
    assert_allclose(out[0], out[1], rtol=1e-13)
    assert_allclose(value[0], value[1], rtol=1e-13)


def test_every_self_check_passes() -> None:
    checks = {name: (gap, limit) for name, gap, limit in self_check()}
    kernels = [name for name in jit.registered_kernels() if ".founder_hmm." in name]
    assert sorted(checks) == sorted(kernels)
    assert {name: pair for name, pair in checks.items() if not pair[0] <= pair[1]} == {}
