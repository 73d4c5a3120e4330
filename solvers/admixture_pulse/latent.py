"""True tracts of two haplotypes, and what calling them does: gaps, islands, inverted labels.

Likelihood ratios, fractions and switches are those of the textbook; nothing here is the solver's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from refsolve.core.errors import AnalysisError
from refsolve.methods.tracts import textbook
from refsolve.methods.tracts.simulate import simulate_tracts

DECIMALS = 6
SHORTEST = 1e-4  # Morgan: a shorter tract would vanish in rounding
ODD = 0.5  # log-likelihood ratio on one haplotype that speaks for inverted labels
ROUNDS = 4000
MARGIN = 0.02  # Morgan of a tract that stay called beside a gap or an island
OFF = 0.02  # fractions of the other chromosomes are kept this far from 0 and 1


class Piece(NamedTuple):
    """Part of a haplotype with one label; an island shows the other label than the true one."""

    start: float
    end: float
    label: int
    island: bool = False


Pieces = list[Piece]


class Parents(NamedTuple):
    """Fraction of A and generations since the pulse, for each of two haplotypes."""

    fraction: tuple[float, float]
    time: tuple[float, float]


def path(pieces: Sequence[Piece]) -> textbook.Path:
    """Pieces as the textbook has them."""
    columns = [np.array([getattr(p, name) for p in pieces]) for name in ("start", "end", "label")]
    return textbook.Path(*columns)


def draw_tracts(
    parents: Parents, lengths: Sequence[float], edge: float, odd: int, rng: np.random.Generator
) -> list[list[Pieces]]:
    """Tracts by haplotype and chromosome.

    Parameters
    ----------
    parents
        What the tracts are drawn with.
    lengths
        Of the chromosomes.
    edge
        Least log-likelihood ratio in favour of the true labels, both haplotypes together, given
        the other chromosomes: the chromosome farthest below is drawn again until none is. Minus
        infinity accepts every draw.
    odd
        Least number of chromosomes that look inverted on one haplotype alone.
    rng
        Random numbers.
    """
    drawn = [_chromosome(parents, length, rng) for length in lengths]
    for _ in range(ROUNDS):
        tracts = [[chromosome[h] for chromosome in drawn] for h in (0, 1)]
        ratios = label_ratios(tracts)
        again = int(np.argmax(ratios.sum(axis=0)))
        if ratios.sum(axis=0)[again] < -edge:
            if _identified(tracts) and looks_odd(ratios).sum() >= odd:
                return tracts
            again = int(rng.integers(len(lengths)))
        drawn[again] = _chromosome(parents, lengths[again], rng)
    raise AnalysisError("No set of chromosomes told its labels apart.", hint=HINT)


HINT = "Take fractions farther from 1/2 or longer chromosomes, or set separated=false."


def _chromosome(parents: Parents, length: float, rng: np.random.Generator) -> list[Pieces]:
    while True:
        both = [
            _haplotype(time, fraction, length, rng) for fraction, time in zip(*parents, strict=True)
        ]
        if min(piece.end - piece.start for pieces in both for piece in pieces) > SHORTEST:
            return both


def _haplotype(time: float, fraction: float, length: float, rng: np.random.Generator) -> Pieces:
    drawn = simulate_tracts(
        time=time, fraction=fraction, lengths=[length], n_haplotypes=1,
        convention="coalescent", rng=rng,
    )  # fmt: skip
    start, end = (np.round(x, DECIMALS).tolist() for x in (drawn.start, drawn.end))
    return [Piece(*one) for one in zip(start, end, drawn.ancestry.tolist(), strict=True)]


def _identified(tracts: list[list[Pieces]]) -> bool:
    """Both haplotypes switch, and their fractions differ."""
    paths = [[path(p) for p in haplotype] for haplotype in tracts]
    fractions = [textbook.called_fraction(p) for p in paths]
    return min(map(textbook.count_switches, paths)) > 0 and abs(np.diff(fractions)[0]) > 0.005


def label_ratios(tracts: list[list[Pieces]]) -> np.ndarray:
    """Log-likelihood ratio of inverted labels, given the other chromosomes as they are.

    One row per haplotype, one column per chromosome.
    """
    ratios = np.zeros((len(tracts), len(tracts[0])))
    for h, haplotype in enumerate(tracts):
        each = [textbook.statistics(path(p)) for p in haplotype]
        for c, own in enumerate(each):
            others = each[:c] + each[c + 1 :]
            if others:
                fit = textbook.fit_pulse(textbook.pool(others))
                m = float(np.clip(fit.fraction, OFF, 1 - OFF))
                ratios[h, c] = textbook.inversion_log_ratio(own, fit.rate, m)
    return ratios


def looks_odd(ratios: np.ndarray) -> np.ndarray:
    """Chromosomes on which one haplotype alone speaks for inverted labels."""
    return np.asarray((ratios > ODD).any(axis=0))


def cut(pieces: Pieces, low: float, high: float) -> Pieces:
    """What is left when an interval is not called."""
    left = [p._replace(end=min(p.end, low)) for p in pieces if p.start < low]
    right = [p._replace(start=max(p.start, high)) for p in pieces if p.end > high]
    return sorted(left + right)


def flip(pieces: Pieces, low: float, high: float) -> Pieces:
    """The pieces with an island of the other label within one of them."""
    inside = [
        Piece(max(p.start, low), min(p.end, high), 1 - p.label, True)
        for p in pieces
        if p.start < high and p.end > low
    ]
    return sorted(cut(pieces, low, high) + inside)


class GapPlan(NamedTuple):
    """Uncalled intervals of one haplotype: their number, sizes in Morgan, and those on switches."""

    within: int
    on_switches: int
    size: tuple[float, float]
    ends: float


def make_gaps(
    haplotype: list[Pieces], plan: GapPlan, rng: np.random.Generator
) -> tuple[list[Pieces], int]:
    """Called pieces of one haplotype, and how many switches are hidden in its gaps.

    Gaps at either end of a true tract take a quarter of it at most, gaps within it lie between.
    """
    least = plan.size[0]
    everywhere = [(c, p) for c, pieces in enumerate(haplotype) for p in pieces]
    within = [(c, p) for c, p in everywhere if p.end - p.start > 4 * least]
    switches = [
        (c, p, q)
        for c, pieces in enumerate(haplotype)
        for p, q in pairwise(pieces)
        if min(p.end - p.start, q.end - q.start) > 2 * least
    ]
    called = [_trimmed(pieces, plan.ends, rng) for pieces in haplotype]
    for c, p in _some(within, plan.within, rng):
        quarter = (p.end - p.start) / 4
        size = min(rng.uniform(*plan.size), quarter)
        low = p.start + quarter + rng.random() * (2 * quarter - size)
        called[c] = cut(called[c], *_rounded(low, low + size))
    hidden = _some(switches, plan.on_switches, rng)
    for c, p, q in hidden:
        left, right = np.minimum(rng.uniform(*plan.size, 2) / 2, [_quarter(p), _quarter(q)])
        called[c] = cut(called[c], *_rounded(p.end - left, p.end + right))
    return called, len(hidden)


def _quarter(piece: Piece) -> float:
    return (piece.end - piece.start) / 4


def _rounded(low: float, high: float) -> tuple[float, float]:
    return round(float(low), DECIMALS), round(float(high), DECIMALS)


def _trimmed(pieces: Pieces, longest: float, rng: np.random.Generator) -> Pieces:
    """Without what is not called at the ends of a chromosome."""
    first, last = pieces[0], pieces[-1]
    low, high = np.minimum(rng.uniform(0, longest, 2), [_quarter(first), _quarter(last)])
    inside = _rounded(first.start + low, last.end - high)
    return cut(cut(pieces, first.start, inside[0]), inside[1], last.end)


def _some(items: list, number: int, rng: np.random.Generator) -> list:
    chosen = rng.permutation(len(items))[:number]
    return [items[i] for i in sorted(chosen.tolist())]


class IslandPlan(NamedTuple):
    """Artefacts: their number, length, and the shares of pairs, at ends, and beside a gap."""

    number: int
    length: tuple[float, float]
    reciprocal: float
    at_ends: int
    beside_gap: float


Edit = Callable[[Pieces], Pieces]
Edits = list[tuple[int, int, Edit]]


def plan_islands(
    called: list[list[Pieces]], plan: IslandPlan, rng: np.random.Generator
) -> tuple[list[list[Pieces]], Edits]:
    """Called pieces with the small gaps beside islands, and the islands to be put on them."""
    called = [list(haplotype) for haplotype in called]
    edits: Edits = []
    taken: list[tuple[int, int, float, float]] = []
    for _ in range(ROUNDS):
        if len(edits) >= plan.number:
            break
        size = float(np.exp(rng.uniform(*np.log(plan.length))))
        c = int(rng.integers(len(called[0])))
        h = int(rng.integers(2))
        both = len(edits) + 2 <= plan.number and rng.random() < plan.reciprocal
        at_end = len(edits) < plan.at_ends
        spot = _spot(called, taken, (0, 1) if both and not at_end else (h,), c, size, at_end, rng)
        if spot is None:
            continue
        low, high, haplotypes = spot
        for one in haplotypes:
            if not at_end and rng.random() < plan.beside_gap:
                called[one][c] = cut(called[one][c], *_rounded(low - MARGIN / 4, low))
            edits.append((one, c, lambda pieces, a=low, b=high: flip(pieces, a, b)))
            taken.append((one, c, low, high))
    else:
        raise AnalysisError("The islands found no room.", hint="Ask for fewer or shorter islands.")
    return called, edits


def _spot(
    called: list[list[Pieces]],
    taken: list[tuple[int, int, float, float]],
    haplotypes: tuple[int, ...],
    c: int,
    size: float,
    at_end: bool,
    rng: np.random.Generator,
) -> tuple[float, float, tuple[int, ...]] | None:
    """An interval within one piece of every haplotype asked for, away from other islands."""
    pieces = called[haplotypes[0]][c]
    piece = pieces[0] if at_end else pieces[int(rng.integers(len(pieces)))]
    room = piece.end - piece.start - size - 2 * MARGIN
    if room <= 0:
        return None
    low = piece.start if at_end else piece.start + MARGIN + room * rng.random()
    low, high = _rounded(low, low + size)
    for one in haplotypes:
        near = [p for p in called[one][c] if p.start < high + MARGIN and p.end > low - MARGIN]
        near_taken = any(
            (h, k) == (one, c) and a < high + 2 * MARGIN and b > low - 2 * MARGIN
            for h, k, a, b in taken
        )
        whole = len(near) == 1 and near[0].end >= high + MARGIN
        if not whole or near_taken or (not at_end and near[0].start > low - MARGIN):
            return None
    return low, high, haplotypes
