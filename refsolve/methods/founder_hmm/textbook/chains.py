"""Inference along a chain by dense matrices, eqs. (9) and (10)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def forward_backward(
    initial: FloatArray, steps: FloatArray, emission: FloatArray
) -> tuple[FloatArray, float]:
    """(M, S) posterior probabilities of the states, and the log-likelihood, eq. (9).

    Parameters
    ----------
    initial
        (S,) probabilities at the first locus.
    steps
        (M-1, S, S) transition probabilities.
    emission
        (M, S) probability or density of what was observed at each locus.
    """
    forward, backward = np.empty_like(emission), np.empty_like(emission)
    scale = np.empty(len(emission))
    for k in range(len(emission)):
        before = initial if k == 0 else forward[k - 1] @ steps[k - 1]
        forward[k] = before * emission[k]
        scale[k] = forward[k].sum()
        forward[k] /= scale[k]
    backward[-1] = 1
    for k in range(len(emission) - 2, -1, -1):
        backward[k] = steps[k] @ (emission[k + 1] * backward[k + 1]) / scale[k + 1]
    posterior = forward * backward
    return posterior / posterior.sum(axis=1, keepdims=True), float(np.log(scale).sum())


def viterbi(initial: FloatArray, steps: FloatArray, emission: FloatArray) -> tuple[IntArray, float]:
    """(M,) most probable path and the log of its joint probability, eq. (10).

    Parameters
    ----------
    initial, steps, emission
        As in `forward_backward`; of several best states the first is taken.
    """
    with np.errstate(divide="ignore"):
        start, moves, seen = np.log(initial), np.log(steps), np.log(emission)
    best = start + seen[0]
    came_from = np.zeros(emission.shape, dtype=np.int64)
    for k in range(1, len(emission)):
        score = best[:, np.newaxis] + moves[k - 1]
        came_from[k] = score.argmax(axis=0)
        best = score.max(axis=0) + seen[k]
    path = np.empty(len(emission), dtype=np.int64)
    path[-1] = best.argmax()
    for k in range(len(emission) - 1, 0, -1):
        path[k - 1] = came_from[k, path[k]]
    return path, float(best.max())


def sample_paths(
    initial: FloatArray,
    steps: FloatArray,
    emission: FloatArray,
    n: int,
    rng: np.random.Generator,
) -> IntArray:
    """(n, M) paths drawn from their posterior distribution, eq. (10).

    Parameters
    ----------
    initial, steps, emission
        As in `forward_backward`.
    n
        Paths to draw.
    rng
        Generator; one uniform number per path and locus, the last locus first.
    """
    forward = np.empty_like(emission)
    for k in range(len(emission)):
        before = initial if k == 0 else forward[k - 1] @ steps[k - 1]
        forward[k] = before * emission[k] / np.sum(before * emission[k])
    paths = np.empty((n, len(emission)), dtype=np.int64)
    for row in paths:
        weight = forward[-1]
        for k in range(len(emission) - 1, -1, -1):
            if k < len(emission) - 1:
                weight = forward[k] * steps[k][:, row[k + 1]]
            below = np.cumsum(weight) / weight.sum()
            row[k] = min(int(np.searchsorted(below, rng.random(), side="right")), below.size - 1)
    return paths


def path_log_probability(
    path: IntArray, initial: FloatArray, steps: FloatArray, emission: FloatArray
) -> float:
    """Log of the joint probability of a path and the observations.

    Parameters
    ----------
    path
        (M,) states.
    initial, steps, emission
        As in `forward_backward`.
    """
    with np.errstate(divide="ignore"):
        total = np.log(initial[path[0]]) + np.log(emission[np.arange(len(path)), path]).sum()
        moves = steps[np.arange(len(path) - 1), path[:-1], path[1:]]
        return float(total + np.log(moves).sum())


def founder_probability(posterior: FloatArray, states: IntArray, n_founders: int) -> FloatArray:
    """(M, K) probability that one haplotype at random descends from each founder.

    Parameters
    ----------
    posterior
        (M, S) posterior of the states.
    states
        (S, 1) or (S, 2) founders of each state.
    n_founders
        Number of founders.
    """
    shares = np.array([np.bincount(pair, minlength=n_founders) for pair in states]) / len(states[0])
    return np.asarray(posterior @ shares)
