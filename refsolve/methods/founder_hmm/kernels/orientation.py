"""Compiled evidence of exchanged founder alleles, eq. (13)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel
from refsolve.methods.founder_hmm.kernels.passes import forward
from refsolve.methods.founder_hmm.kernels.steps import backward_step, forward_step

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Code = NDArray[np.int32]


@kernel
def run_gains(
    code: Code,
    emission: Array,
    mirror: Index,
    weight: Array,
    size: Index,
    share: Array,
    start: Array,
    gain: Array,
) -> None:
    """Add to gain (R, T) what exchanging alleles at positions t ... t + r does to log-likelihoods.

    `mirror` (C,) gives the code that the other orientation would show.
    """
    n, T = code.shape
    R, S = gain.shape[0], start.size
    ahead, behind = np.empty((T, S)), np.empty((T, S))
    a, b, c = np.empty(S), np.empty(S), np.empty(S)
    for i in range(n):
        forward(code[i], emission, weight, size, share, start, ahead)
        future(code[i], emission, weight, size, share, behind)
        for t in range(T):
            b[:] = ahead[t]
            scale = 0.0
            for r in range(min(R, T - t)):
                if r > 0:
                    forward_step(a, weight[t + r], size, share, b)
                mirrored = emission[t + r, mirror[code[i, t + r]]]
                seen = emission[t + r, code[i, t + r]]
                total, there, here, ratio = 0.0, 0.0, 0.0, 0.0
                for s in range(S):
                    a[s] = b[s] * mirrored[s]
                    total += a[s]
                    there += a[s] * behind[t + r, s]
                    c[s] = ahead[t + r, s] * seen[s]
                    here += c[s] * behind[t + r, s]
                    ratio += c[s]
                gain[r, t] += scale + math.log(there / here)
                scale += math.log(total / ratio)
                for s in range(S):
                    a[s] /= total


@kernel
def future(
    code: Code, emission: Array, weight: Array, size: Index, share: Array, behind: Array
) -> None:
    """Fill behind (T, S) with the scaled likelihood of everything after each position."""
    T, S = behind.shape
    c = np.empty(S)
    for s in range(S):
        behind[T - 1, s] = 1.0
    for t in range(T - 1, 0, -1):
        total = 0.0
        for s in range(S):
            c[s] = behind[t, s] * emission[t, code[t], s]
            total += c[s]
        for s in range(S):
            c[s] /= total
        backward_step(c, weight[t], size, share, behind[t - 1])


@kernel
def mismatch_fit(match: Array) -> tuple[float, float, float]:
    """Error rate of one marker by maximum likelihood, from match (n,), NaN where nothing is known.

    The log-likelihood Σ log(p(1 - e) + (1 - p)e) is concave in e. Returns e in [0, 1], and the
    largest log-likelihoods with e at most and at least one half.
    """
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        if mismatch_slope(match, middle) > 0.0:
            low = middle
        else:
            high = middle
    best = 0.5 * (low + high)
    top, half = mismatch_value(match, best), mismatch_value(match, 0.5)
    return best, top if best <= 0.5 else half, top if best > 0.5 else half


@kernel
def mismatch_slope(match: Array, error: float) -> float:
    """Derivative of the log-likelihood of one marker by its error rate."""
    slope = 0.0
    for p in match:
        if p == p:  # NaN: not called
            slope += (1.0 - 2.0 * p) / (p * (1.0 - error) + (1.0 - p) * error)
    return slope


@kernel
def mismatch_value(match: Array, error: float) -> float:
    """Log-likelihood of one marker at an error rate."""
    value = 0.0
    for p in match:
        if p == p:  # NaN: not called
            value += math.log(p * (1.0 - error) + (1.0 - p) * error)
    return value


@kernel
def mismatch_fits(match: Array, out: Array) -> None:
    """`mismatch_fit` of every column of match (n, M) into out (M, 3)."""
    for k in range(match.shape[1]):
        out[k] = mismatch_fit(match[:, k])


@kernel
def exchange_gains(
    code: Code,
    emission: Array,
    weight: Array,
    size: Index,
    share: Array,
    start: Array,
    gain: Array,
) -> None:
    """Add to gain (T - 1,) what it does to log-likelihoods when t and t + 1 exchange places."""
    n, T = code.shape
    S = start.size
    ahead, behind = np.empty((T, S)), np.empty((T, S))
    a, b = np.empty(S), np.empty(S)
    for i in range(n):
        forward(code[i], emission, weight, size, share, start, ahead)
        future(code[i], emission, weight, size, share, behind)
        for t in range(T - 1):
            first, second = emission[t, code[i, t]], emission[t + 1, code[i, t + 1]]
            own, there, here = 0.0, 0.0, 0.0
            for s in range(S):
                own += ahead[t, s] * first[s]
                here += ahead[t + 1, s] * second[s] * behind[t + 1, s]
                a[s] = ahead[t, s] * second[s]
            forward_step(a, weight[t + 1], size, share, b)
            for s in range(S):
                there += b[s] * first[s] * behind[t + 1, s]
            gain[t] += math.log(there / (own * here))


@kernel
def pattern_gains(
    code: Code,
    emission: Array,
    mirror: Index,
    weight: Array,
    size: Index,
    share: Array,
    start: Array,
    anchor: Index,
    gain: Array,
) -> None:
    """Add to gain (A, P) what exchanging patterns of alleles does to log-likelihoods.

    Pattern p exchanges position `anchor[a]`, and the k-th after it where bit k - 1 of p is set;
    patterns that end beyond the last position are left alone.
    """
    n, T = code.shape
    P, S = gain.shape[1], start.size
    ahead, behind = np.empty((T, S)), np.empty((T, S))
    state, scale, b = np.empty((P, S)), np.empty(P), np.empty(S)
    for i in range(n):
        forward(code[i], emission, weight, size, share, start, ahead)
        future(code[i], emission, weight, size, share, behind)
        for at in range(anchor.size):
            t, known = anchor[at], 1
            state[0] = ahead[t]
            scale[0] = 0.0
            while t < T:
                seen, mirrored = emission[t, code[i, t]], emission[t, mirror[code[i, t]]]
                total, here = 0.0, 0.0
                for s in range(S):
                    total += ahead[t, s] * seen[s]
                    here += ahead[t, s] * seen[s] * behind[t, s]
                first = known == 1 and t == anchor[at]
                half = 0 if first else known
                for p in range(known):
                    if not first:
                        forward_step(state[p], weight[t], size, share, b)
                        state[p] = b
                        state[half + p] = b
                        scale[half + p] = scale[p]
                        multiply(state[p], seen, total, scale, p)
                    there = 0.0
                    for s in range(S):
                        there += state[half + p, s] * mirrored[s] * behind[t, s]
                    gain[at, half + p] += scale[half + p] + math.log(there / here)
                    multiply(state[half + p], mirrored, total, scale, half + p)
                known += half
                if 2 * known > P:
                    break
                t += 1


@kernel
def multiply(state: Array, seen: Array, usual: float, scale: Array, p: int) -> None:
    """State (S,) times what was seen, scaled to sum to one; scale[p] gains log(sum/usual)."""
    total = 0.0
    for s in range(state.size):
        state[s] *= seen[s]
        total += state[s]
    for s in range(state.size):
        state[s] /= total
    scale[p] += math.log(total / usual)
