"""Every kernel of the method held against the textbook, on two lines of a few markers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from refsolve.core.agreement import Check, checked, gap
from refsolve.methods.founder_hmm import textbook
from refsolve.methods.founder_hmm.kernels import orientation, passes, paths, steps
from refsolve.methods.founder_hmm.model.chains import Chain, pieces
from refsolve.methods.founder_hmm.model.designs import (
    Design,
    diplotypes,
    intercross,
    ril,
    step_weights,
)
from refsolve.methods.founder_hmm.model.emissions import state_genotypes
from refsolve.methods.founder_hmm.model.genotypes import Genotypes
from refsolve.methods.founder_hmm.model.maps import recombination

ROUNDING = 1e-11
SEARCH = 1e-8

ERROR = 0.03
POSITION = np.array([0.0, 0.4, 2.0, 9.0])
CALLS = np.array([[0, 1, -1, 0], [1, 1, 0, 0]])
FOUNDERS = np.array(
    [
        [0, 1, 0, 0, 1, 1, 0, 1],
        [1, 1, 0, 1, 0, 0, -1, 1],
        [0, 0, 1, 1, 0, 1, 0, 1],
        [1, 0, 0, 0, 1, 0, 1, 0],
    ]
)
DESIGN, MODEL = ril(8), textbook.ril(8)
TWO, TWO_MODEL = diplotypes(intercross(3, 4)), textbook.diplotypes(textbook.intercross(3, 4))
FRACTIONS = recombination(np.diff(POSITION))
MOVES, TWO_MOVES = textbook.steps(MODEL, FRACTIONS), textbook.steps(TWO_MODEL, FRACTIONS)

Array = steps.Array


def self_check() -> Iterator[tuple[str, float, float]]:
    """Check every kernel.

    Yields
    ------
    Qualified name of the kernel, largest absolute difference, and the difference that passes.
    """
    return checked(_CHECKS)


def _genotypes() -> Genotypes:
    return Genotypes(CALLS, FOUNDERS, POSITION)


def _chain(genotypes: Genotypes | None = None) -> Chain:
    (piece,) = pieces(genotypes or _genotypes(), DESIGN, np.full(POSITION.size, ERROR))
    return piece.chain


def _seen() -> Array:
    return textbook.emission_table(CALLS, FOUNDERS, ERROR)


def _posterior() -> tuple[Array, Array]:
    posterior, value = textbook.posteriors(MODEL.initial, MOVES, _seen())
    return posterior, value


def _weight(design: Design) -> Array:
    return np.asarray(step_weights(design, POSITION)[2])


# One step


def _by_units(forward: bool, design: Design) -> Array:
    """The matrix of a step, from the images of unit vectors."""
    S = design.n_states
    shown = np.empty((S, S))
    step = steps.forward_step if forward else steps.backward_step
    for s, unit in enumerate(np.eye(S)):
        step(unit, _weight(design), design.sizes, design.share, shown[s])
    return shown if forward else np.ascontiguousarray(shown.T)


def _forward_step() -> float:
    return gap(_by_units(True, DESIGN), MOVES[1])


def _backward_step() -> float:
    return gap(_by_units(False, DESIGN), MOVES[1])


def _pairs(forward: bool) -> float:
    S = TWO.n_states
    shown = np.empty((S, S))
    step = steps.forward_pairs if forward else steps.backward_pairs
    for s, unit in enumerate(np.eye(S)):
        step(unit, _weight(TWO), TWO.share, shown[s])
    return gap(shown if forward else shown.T, TWO_MOVES[1])


def _add_blocks() -> float:
    out = np.ones(4)
    steps.add_blocks(np.array([1.0, 2.0, 5.0, 7.0]), 0.5, 2, out)
    return gap(out, [2.5, 2.5, 7.0, 7.0])


def _haplotype_move() -> float:
    w = _weight(DESIGN)
    got = [
        [steps.haplotype_move(f, g, w, DESIGN.sizes, DESIGN.share) for g in range(8)]
        for f in range(8)
    ]
    return gap(got, MOVES[1])


def _move() -> float:
    w, S = _weight(TWO), TWO.n_states
    got = [
        [steps.move(s, t, S, w, TWO.sizes, TWO.share, TWO.pairs) for t in range(S)]
        for s in range(S)
    ]
    return gap(got, TWO_MOVES[1])


# Passes


def _forward() -> float:
    chain, ahead = _chain(), np.empty((POSITION.size, 8))
    value = passes.forward(chain.code[0], *chain[1:], ahead)
    law = MODEL.initial
    gaps = [gap(value, _posterior()[1][0])]
    for t, seen in enumerate(_seen()[0]):
        gaps.append(gap(ahead[t], law))
        if t + 1 < POSITION.size:
            law = (law * seen / (law * seen).sum()) @ MOVES[t]
    return max(gaps)


def _backward() -> float:
    chain, law = _chain(), np.empty((POSITION.size, 8))
    passes.forward(chain.code[0], *chain[1:], law)
    passes.backward(chain.code[0], *chain[1:5], True, law)
    return gap(law, _posterior()[0][0])


def _posteriors() -> float:
    want, values = _posterior()
    out, value = np.empty(want.shape), np.empty(len(want))
    passes.posteriors(*_chain(), out, value)
    return max(gap(out, want), gap(value, values))


def _predictions() -> float:
    states = state_genotypes(_genotypes().founders, DESIGN, 0.5)
    out, value = np.empty((*CALLS.shape, 2)), np.empty(len(CALLS))
    passes.predictions(*_chain(), states, False, out, value)
    others = textbook.leave_out(_posterior()[0], _seen())
    return gap(out, np.einsum("nms,msg->nmg", others, states))


def _matches() -> float:
    states = state_genotypes(_genotypes().founders, DESIGN, 0.5)
    out, value = np.empty(CALLS.shape), np.empty(len(CALLS))
    passes.matches(*_chain(), states, out, value)
    others = textbook.leave_out(_posterior()[0], _seen())
    want = np.sum(others * textbook.match_matrix(CALLS, FOUNDERS), axis=2)
    return gap(np.nan_to_num(out, nan=-1.0), np.nan_to_num(want, nan=-1.0))


def _likelihoods() -> float:
    value = np.empty(len(CALLS))
    passes.likelihoods(*_chain(), value)
    return gap(value, _posterior()[1])


# Paths


def _best_into() -> float:
    v = np.array([0.3, 0.01, 0.2, 0.0, 1.0, 0.4, 0.02, 0.7])
    out, back = np.empty(8), np.empty(8, np.int16)
    paths.best_into(v, _weight(DESIGN), DESIGN.sizes, DESIGN.share, out, back)
    want = v[:, None] * MOVES[1]
    return max(gap(out, want.max(axis=0)), gap(back, want.argmax(axis=0)))


def _best_into_pairs() -> float:
    v = np.array([0.3, 0.01, 0.2, 0.05, 1.0, 0.4])
    out, back = np.empty(6), np.empty(6, np.int16)
    paths.best_into_pairs(v, _weight(TWO), TWO.share, out, back)
    want = v[:, None] * TWO_MOVES[1]
    return max(gap(out, want.max(axis=0)), gap(back, want.argmax(axis=0)))


def _keep_better() -> float:
    v, out, back = np.array([3.0, 5.0]), np.array([1.0, 1.0]), np.zeros(2, np.int16)
    paths.keep_better(v, 1, 0.5, out, back, 0)
    paths.keep_better(v, 1, 0.1, out, back, 1)
    return gap([*out, *back], [2.5, 1.0, 1.0, 0.0])


def _viterbi() -> float:
    path, value = np.empty(CALLS.shape, np.int16), np.empty(len(CALLS))
    paths.viterbi(*_chain(), path, value)
    best = [textbook.viterbi(MODEL.initial, MOVES, seen)[1] for seen in _seen()]
    mine = [
        textbook.path_log_probability(p.astype(np.int64), MODEL.initial, MOVES, seen)
        for p, seen in zip(path, _seen(), strict=True)
    ]
    return max(gap(value, best), gap(mine, best))


def _drawn() -> float:
    law = np.array([1.0, 3.0, 4.0])
    return gap([paths.drawn(law, u) for u in (0.1, 0.13, 0.49, 0.51, 0.999)], [0, 1, 1, 2, 2])


def _sample_paths() -> float:
    uniform = np.random.default_rng(1).random((3, *CALLS.shape))
    path = np.empty(uniform.shape, np.int16)
    paths.sample_paths(*_chain(), DESIGN.pairs, uniform, path)
    gaps = []
    for i, seen in enumerate(_seen()):
        for k in range(3):
            given = np.full(8, np.nan)
            for t in range(POSITION.size - 1, -1, -1):
                law = textbook.forward_backward(MODEL.initial, MOVES[:t], seen[: t + 1])[0][t]
                given = law if t + 1 == POSITION.size else law * MOVES[t][:, path[k, i, t + 1]]
                below = np.cumsum(given) / given.sum()
                gaps.append(gap(path[k, i, t], np.searchsorted(below, uniform[k, i, t])))
    return max(gaps)


# Orientation


def _value(genotypes: Genotypes) -> float:
    founders = genotypes.founders.astype(np.int64)
    seen = textbook.emission_table(np.asarray(genotypes.calls, np.int64), founders, ERROR)
    return float(textbook.posteriors(MODEL.initial, MOVES, seen)[1].sum())


def _run_gains() -> float:
    chain, gain = _chain(), np.zeros((2, POSITION.size))
    orientation.run_gains(chain.code, chain.emission, np.array([1, 0, 2, 3]), *chain[2:], gain)
    flipped = _genotypes().flipped([False, True, True, False])
    return gap(gain[1, 1], _value(flipped) - _value(_genotypes()))


def _pattern_gains() -> float:
    chain, gain = _chain(), np.zeros((2, 4))
    mirror, anchor = np.array([1, 0, 2, 3]), np.array([0, 1])
    orientation.pattern_gains(chain.code, chain.emission, mirror, *chain[2:], anchor, gain)
    flipped = [
        _genotypes().flipped(m) for m in ([True, False, True, False], [False, True, True, True])
    ]
    want = [_value(one) - _value(_genotypes()) for one in flipped]
    return gap([gain[0, 2], gain[1, 3]], want)


def _multiply() -> float:
    state, scale = np.array([0.2, 0.8]), np.array([0.0, 1.0])
    orientation.multiply(state, np.array([0.5, 0.25]), 0.1, scale, 1)
    return gap([*state, scale[1]], [1.0 / 3.0, 2.0 / 3.0, 1.0 + np.log(3.0)])


def _exchange_gains() -> float:
    gain = np.zeros(POSITION.size - 1)
    orientation.exchange_gains(*_chain(), gain)
    order = [0, 2, 1, 3]
    moved = Genotypes(CALLS[:, order], FOUNDERS[order], POSITION)
    return gap(gain[1], _value(moved) - _value(_genotypes()))


def _future() -> float:
    chain, behind = _chain(), np.empty((POSITION.size, 8))
    orientation.future(chain.code[0], *chain[1:5], behind)
    value, gaps = np.ones(8), []
    for t in range(POSITION.size - 1, -1, -1):
        gaps.append(gap(behind[t] / behind[t].sum(), value / value.sum()))
        value = MOVES[t - 1] @ (_seen()[0, t] * value)
    return max(gaps)


MATCH = np.array([0.99, 0.9, 0.7, 0.05, np.nan, 0.97])


def _mismatch_value() -> float:
    p = MATCH[:, None, None]
    others, matches = np.concatenate([p, 1.0 - p], axis=2), np.array([[[1.0, 0.0]]])
    want = textbook.flip_log_ratio(others, matches, 0.2)
    # Exchanged alleles at one error are recorded alleles at its complement.
    got = orientation.mismatch_value(MATCH, 0.8) - orientation.mismatch_value(MATCH, 0.2)
    return gap(got, want)


def _mismatch_slope() -> float:
    step = 1e-6
    ends = [orientation.mismatch_value(MATCH, 0.2 + s) for s in (-step, step)]
    got = orientation.mismatch_slope(MATCH, 0.2)
    return 1e-3 * gap(got, (ends[1] - ends[0]) / (2.0 * step))


def _mismatch_fit() -> float:
    best, low, high = orientation.mismatch_fit(MATCH)
    flat = orientation.mismatch_slope(MATCH, best)
    ends = [orientation.mismatch_value(MATCH, e) for e in (best, 0.5)]
    return max(abs(flat), gap([low, high], ends))


def _mismatch_fits() -> float:
    out = np.empty((2, 3))
    both = np.stack([MATCH, 1.0 - MATCH], axis=1)
    orientation.mismatch_fits(both, out)
    want = orientation.mismatch_fit(MATCH)
    return gap(out, [want, (1.0 - want[0], want[2], want[1])])


_CHECKS: tuple[Check, ...] = (
    (steps.forward_step, _forward_step, ROUNDING),
    (steps.backward_step, _backward_step, ROUNDING),
    (steps.add_blocks, _add_blocks, ROUNDING),
    (steps.forward_pairs, lambda: _pairs(True), ROUNDING),
    (steps.backward_pairs, lambda: _pairs(False), ROUNDING),
    (steps.haplotype_move, _haplotype_move, ROUNDING),
    (steps.move, _move, ROUNDING),
    (passes.forward, _forward, ROUNDING),
    (passes.backward, _backward, ROUNDING),
    (passes.posteriors, _posteriors, ROUNDING),
    (passes.predictions, _predictions, ROUNDING),
    (passes.matches, _matches, ROUNDING),
    (passes.likelihoods, _likelihoods, ROUNDING),
    (paths.best_into, _best_into, ROUNDING),
    (paths.best_into_pairs, _best_into_pairs, ROUNDING),
    (paths.keep_better, _keep_better, ROUNDING),
    (paths.viterbi, _viterbi, ROUNDING),
    (paths.drawn, _drawn, ROUNDING),
    (paths.sample_paths, _sample_paths, ROUNDING),
    (orientation.run_gains, _run_gains, ROUNDING),
    (orientation.pattern_gains, _pattern_gains, ROUNDING),
    (orientation.multiply, _multiply, ROUNDING),
    (orientation.exchange_gains, _exchange_gains, ROUNDING),
    (orientation.future, _future, ROUNDING),
    (orientation.mismatch_value, _mismatch_value, ROUNDING),
    (orientation.mismatch_slope, _mismatch_slope, SEARCH),
    (orientation.mismatch_fit, _mismatch_fit, SEARCH),
    (orientation.mismatch_fits, _mismatch_fits, ROUNDING),
)
