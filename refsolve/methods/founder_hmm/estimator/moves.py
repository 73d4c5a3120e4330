"""Steps of the search for exchanged founder alleles: runs, and patterns of near neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from refsolve.core.check import FloatArray, IntArray
from refsolve.methods.founder_hmm.estimator.fitting import FounderFit
from refsolve.methods.founder_hmm.kernels import orientation
from refsolve.methods.founder_hmm.model.chains import Mapper, by_chromosome, pieces
from refsolve.methods.founder_hmm.model.designs import Design
from refsolve.methods.founder_hmm.model.emissions import MISSING
from refsolve.methods.founder_hmm.model.genotypes import Genotypes, Marks

LONGEST = 6  # markers of a run
WINDOW = 5  # markers of a pattern
TOLERANT = 0.02  # least error while moves are sought: one bad marker must not bend its neighbours

Move = tuple[float, IntArray]


class _Task(NamedTuple):
    where: slice
    genotypes: Genotypes
    design: Design
    error: FloatArray
    extent: int
    anchors: IntArray


def _tasks(
    genotypes: Genotypes, fit: FounderFit, extent: int, doubtful: Marks | None = None
) -> Iterator[_Task]:
    """Chromosomes; with doubtful markers, those that have any, with the places before these."""
    error = np.maximum(fit.error, TOLERANT)
    for _, label, where in by_chromosome(genotypes):
        anchors = np.zeros(0, np.int64)
        if doubtful is not None:
            near = np.flatnonzero(doubtful[where])[:, None] - np.arange(extent)
            anchors = np.unique(near[near >= 0])
            if anchors.size == 0:
                continue
        yield _Task(where, genotypes.only(label), fit.design, error[where], extent, anchors)


def run_gains(
    genotypes: Genotypes, fit: FounderFit, *, longest: int = LONGEST, map_: Mapper = map
) -> FloatArray:
    """Gain (longest, M) in log-likelihood of exchanging markers k ... k + r together, eq. (13).

    Parameters
    ----------
    genotypes
        Calls.
    fit
        Error and expansion.
    longest
        Number of neighbouring markers at most.
    map_
        Mapper over chromosomes.
    """
    gain = np.empty((longest, genotypes.n_markers))
    for where, value in map_(_gains, _tasks(genotypes, fit, longest)):
        gain[:, where] = value
    return gain


def _gains(task: _Task) -> tuple[slice, FloatArray]:
    M = task.genotypes.n_markers
    gain = np.zeros((task.extent, M))
    for piece in pieces(task.genotypes, task.design, task.error):
        chain = piece.chain
        orientation.run_gains(
            chain.code, chain.emission, _mirror(task.design), chain.weight, chain.size,
            chain.share, chain.start, gain,
        )  # fmt: skip
    for r in range(1, task.extent):
        gain[r, max(M - r, 0) :] = -np.inf
    return task.where, gain


def _mirror(design: Design) -> IntArray:
    """Code (4,) that a call would have with both alleles exchanged."""
    mirror = np.arange(MISSING + 1)
    mirror[: design.ploidy + 1] = np.arange(design.ploidy, -1, -1)
    return mirror


def best_runs(
    genotypes: Genotypes, fit: FounderFit, threshold: float, refused: Marks, map_: Mapper
) -> Marks:
    """Markers (M,) of the best runs beyond the threshold that are not near each other."""
    gain = run_gains(genotypes, fit, map_=map_)
    moves = ((float(gain[r, k]), np.arange(k, k + r + 1)) for r, k in np.argwhere(gain > threshold))
    return _chosen(moves, refused)


def best_patterns(
    genotypes: Genotypes,
    fit: FounderFit,
    threshold: float,
    refused: Marks,
    doubtful: Marks,
    map_: Mapper,
) -> Marks:
    """The same of patterns of five neighbours, around doubtful markers (M,)."""
    moves: list[Move] = []
    bits = np.arange(1, WINDOW)
    for where, anchors, gain in map_(_patterns, _tasks(genotypes, fit, WINDOW, doubtful)):
        for a, p in np.argwhere(gain > threshold):
            behind = bits[(p >> (bits - 1)) & 1 == 1]
            markers = where.start + anchors[a] + np.concatenate([[0], behind])
            moves.append((float(gain[a, p]), markers))
    return _chosen(moves, refused)


def _patterns(task: _Task) -> tuple[slice, IntArray, FloatArray]:
    M, P = task.genotypes.n_markers, 2 ** (task.extent - 1)
    gain = np.zeros((task.anchors.size, P))
    for piece in pieces(task.genotypes, task.design, task.error):
        chain = piece.chain
        orientation.pattern_gains(
            chain.code, chain.emission, _mirror(task.design), chain.weight, chain.size,
            chain.share, chain.start, task.anchors, gain,
        )  # fmt: skip
    for p in range(1, P):
        gain[task.anchors + p.bit_length() >= M, p] = -np.inf
    return task.where, task.anchors, gain


def _chosen(moves: Iterable[Move], refused: Marks) -> Marks:
    """Markers (M,) of the best moves that touch nothing refused and are not near each other."""
    marks, near = np.zeros(refused.size, np.bool_), np.zeros(refused.size, np.bool_)
    for _, markers in sorted(moves, key=lambda move: (-move[0], move[1].tolist())):
        if not (near[markers] | refused[markers]).any():
            marks[markers] = True
            near[max(markers[0] - LONGEST, 0) : markers[-1] + LONGEST + 1] = True
    return marks
