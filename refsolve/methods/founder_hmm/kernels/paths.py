"""Compiled paths: the likeliest one and samples of the posterior, eq. (10).

Axes as in `passes`; `pair` (S, 2) holds the founders of each state.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel
from refsolve.methods.founder_hmm.kernels.passes import forward
from refsolve.methods.founder_hmm.kernels.steps import move

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Code = NDArray[np.int32]
Path = NDArray[np.int16]


@kernel
def best_into(v: Array, weight: Array, size: Index, share: Array, out: Array, back: Path) -> None:
    """Best value out (K,) and predecessor of each founder after a step, one haplotype.

    Blocks are nested and a nearer founder is never less likely, so that the best founder of a
    block may stand for all of them: it counts at least with the weight of its own level.
    """
    K = share.size
    common = 0.0
    for level in range(size.size - 1):
        common += weight[level]
    for f in range(K):
        out[f] = v[f] * (common + weight[size.size - 1] * share[f])
        back[f] = f
    for level in range(1, size.size):
        common = 0.0
        for wider in range(level, size.size - 1):
            common += weight[wider]
        for start in range(0, K, size[level]):
            top = start
            for f in range(start + 1, start + size[level]):
                if v[f] > v[top]:
                    top = f
            for f in range(start, start + size[level]):
                value = v[top] * (common + weight[size.size - 1] * share[f])
                if value > out[f]:
                    out[f] = value
                    back[f] = top


@kernel
def best_into_pairs(v: Array, weight: Array, share: Array, out: Array, back: Path) -> None:
    """Best value and predecessor of every unordered pair of founders, in O(pairs).

    Pairs count by what they share with the next one: both founders, one of them twice or once, or
    none. A pair that shares more counts more, so the best of a wider class may stand for it.
    """
    K = share.size
    w, v2 = weight[0] * weight[1], weight[1] * weight[1]
    w2 = weight[0] * weight[0]
    single = np.full(K, -1, np.int16)  # the best pair of each founder with another one
    top, s = 0, 0
    for j in range(K):
        for i in range(j + 1):
            if v[s] > v[top]:
                top = s
            if i < j:
                for f in (i, j):
                    if single[f] < 0 or v[s] > v[single[f]]:
                        single[f] = s
            s += 1
    s = 0
    for j in range(K):
        for i in range(j):
            none = 2.0 * v2 * share[i] * share[j]
            out[s] = v[s] * (w2 + w * (share[i] + share[j]) + none)
            back[s] = s
            keep_better(v, i * (i + 3) // 2, 2.0 * w * share[j] + none, out, back, s)
            keep_better(v, j * (j + 3) // 2, 2.0 * w * share[i] + none, out, back, s)
            keep_better(v, single[i], w * share[j] + none, out, back, s)
            keep_better(v, single[j], w * share[i] + none, out, back, s)
            keep_better(v, top, none, out, back, s)
            s += 1
        none = v2 * share[j] * share[j]
        out[s] = v[s] * (w2 + 2.0 * w * share[j] + none)
        back[s] = s
        keep_better(v, single[j], w * share[j] + none, out, back, s)
        keep_better(v, top, none, out, back, s)
        s += 1


@kernel
def keep_better(v: Array, come: int, move: float, out: Array, back: Path, s: int) -> None:
    """Let `come` precede state s, where that is better."""
    if v[come] * move > out[s]:
        out[s] = v[come] * move
        back[s] = come


@kernel
def viterbi(
    code: Code,
    emission: Array,
    weight: Array,
    size: Index,
    share: Array,
    start: Array,
    path: Path,
    value: Array,
) -> None:
    """Likeliest path (n, T) of every line and its log-probability (n,)."""
    n, T = code.shape
    S = start.size
    back = np.empty((T, S), np.int16)
    v, best = np.empty(S), np.empty(S)
    for i in range(n):
        value[i] = 0.0
        best[:] = start
        for t in range(T):
            if t > 0 and share.size == S:
                best_into(v, weight[t], size, share, best, back[t])
            elif t > 0:
                best_into_pairs(v, weight[t], share, best, back[t])
            top = 0.0
            for s in range(S):
                v[s] = best[s] * emission[t, code[i, t], s]
                top = max(top, v[s])
            for s in range(S):
                v[s] /= top
            value[i] += math.log(top)
        path[i, T - 1] = np.argmax(v)
        for t in range(T - 1, 0, -1):
            path[i, t - 1] = back[t, path[i, t]]


@kernel
def drawn(law: Array, uniform: float) -> int:
    """Index with probability proportional to law (S,), from a number in [0, 1)."""
    left = uniform * law.sum()
    for s in range(law.size - 1):
        left -= law[s]
        if left < 0.0:
            return s
    return law.size - 1


@kernel
def sample_paths(
    code: Code,
    emission: Array,
    weight: Array,
    size: Index,
    share: Array,
    start: Array,
    pair: Index,
    uniform: Array,
    path: Path,
) -> None:
    """Paths (N, n, T) drawn from the posterior with uniform (N, n, T)."""
    N, n, T = path.shape
    S = start.size
    law, now = np.empty((T, S)), np.empty(S)
    for i in range(n):
        forward(code[i], emission, weight, size, share, start, law)
        for k in range(N):
            for t in range(T - 1, -1, -1):
                for s in range(S):
                    now[s] = law[t, s] * emission[t, code[i, t], s]
                    if t + 1 < T:
                        to = path[k, i, t + 1]
                        now[s] *= move(s, to, S, weight[t + 1], size, share, pair)
                path[k, i, t] = drawn(now, uniform[k, i, t])
