"""Compiled passes along a chromosome, eq. (9); every line on its own.

Axes: n lines, T positions, C codes of observations, S states, G genotypes, L levels of a step.
`code` (n, T) chooses the row of `emission` (T, C, S); `weight` (T, L) holds the step into each
position, of which the first is not used. `start` (S,) is the law of the first state, `size` (L,)
and `share` (K,) are those of the steps. All values are scaled to sum to one at every position.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel
from refsolve.methods.founder_hmm.kernels.steps import backward_step, forward_step

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Code = NDArray[np.int32]


@kernel
def forward(
    code: Code,
    emission: Array,
    weight: Array,
    size: Index,
    share: Array,
    start: Array,
    ahead: Array,
) -> float:
    """Fill ahead (T, S) with the law of each state given what is before; log-likelihood of a line.

    What is seen at the position itself is not in it.
    """
    T, S = ahead.shape
    a = np.empty(S)
    value, product = 0.0, 1.0
    for s in range(S):
        ahead[0, s] = start[s]
    for t in range(T):
        seen = emission[t, code[t]]
        total = 0.0
        for s in range(S):
            a[s] = ahead[t, s] * seen[s]
            total += a[s]
        product *= total
        if product < 1e-200 or product > 1e200:
            value += math.log(product)
            product = 1.0
        if t + 1 < T:
            inverse = 1.0 / total
            for s in range(S):
                a[s] *= inverse
            forward_step(a, weight[t + 1], size, share, ahead[t + 1])
    return value + math.log(product)


@kernel
def backward(
    code: Code,
    emission: Array,
    weight: Array,
    size: Index,
    share: Array,
    own: bool,
    law: Array,
) -> None:
    """Turn law (T, S) from `forward` into posteriors; without `own`, as if not seen at itself."""
    T, S = law.shape
    b, c = np.ones(S), np.empty(S)
    for t in range(T - 1, -1, -1):
        seen = emission[t, code[t]]
        total, scale = 0.0, 0.0
        for s in range(S):
            c[s] = b[s] * seen[s]
            scale += c[s]
            law[t, s] *= c[s] if own else b[s]
            total += law[t, s]
        inverse = 1.0 / total
        for s in range(S):
            law[t, s] *= inverse
        if t > 0:
            inverse = 1.0 / scale
            for s in range(S):
                c[s] *= inverse
            backward_step(c, weight[t], size, share, b)


@kernel
def posteriors(
    code: Code,
    emission: Array,
    weight: Array,
    size: Index,
    share: Array,
    start: Array,
    out: NDArray[np.floating],
    value: Array,
) -> None:
    """Probabilities of states out (n, T, S), in its own precision, and log-likelihoods (n,)."""
    n, T, S = out.shape
    law = np.empty((T, S))
    for i in range(n):
        value[i] = forward(code[i], emission, weight, size, share, start, law)
        backward(code[i], emission, weight, size, share, True, law)
        for t in range(T):
            for s in range(S):
                out[i, t, s] = law[t, s]


@kernel
def predictions(
    code: Code,
    emission: Array,
    weight: Array,
    size: Index,
    share: Array,
    start: Array,
    genotype: Array,
    own: bool,
    out: Array,
    value: Array,
) -> None:
    """Genotype probabilities out (n, T, G) from genotype (T, S, G), without what is seen there.

    With `own` it counts too.
    """
    n, T, G = out.shape
    law = np.empty((T, start.size))
    for i in range(n):
        value[i] = forward(code[i], emission, weight, size, share, start, law)
        backward(code[i], emission, weight, size, share, own, law)
        for t in range(T):
            for g in range(G):
                total = 0.0
                for s in range(start.size):
                    total += law[t, s] * genotype[t, s, g]
                out[i, t, g] = total


@kernel
def matches(
    code: Code,
    emission: Array,
    weight: Array,
    size: Index,
    share: Array,
    start: Array,
    genotype: Array,
    out: Array,
    value: Array,
) -> None:
    """Probability out (n, T) of what was called without the call itself; NaN without a call."""
    n, T = out.shape
    S, G = genotype.shape[1:]
    law = np.empty((T, S))
    for i in range(n):
        value[i] = forward(code[i], emission, weight, size, share, start, law)
        backward(code[i], emission, weight, size, share, False, law)
        for t in range(T):
            g = code[i, t]
            out[i, t] = np.nan
            if g < G:
                total = 0.0
                for s in range(S):
                    total += law[t, s] * genotype[t, s, g]
                out[i, t] = min(total, 1.0)


@kernel
def likelihoods(
    code: Code,
    emission: Array,
    weight: Array,
    size: Index,
    share: Array,
    start: Array,
    value: Array,
) -> None:
    """Log-likelihoods (n,) alone."""
    a, b = np.empty(start.size), np.empty(start.size)
    for i in range(code.shape[0]):
        value[i], product = 0.0, 1.0
        b[:] = start
        for t in range(code.shape[1]):
            if t > 0:
                forward_step(a, weight[t], size, share, b)
            seen = emission[t, code[i, t]]
            total = 0.0
            for s in range(start.size):
                a[s] = b[s] * seen[s]
                total += a[s]
            inverse = 1.0 / total
            for s in range(start.size):
                a[s] *= inverse
            product *= total
            if product < 1e-200 or product > 1e200:
                value[i] += math.log(product)
                product = 1.0
        value[i] += math.log(product)
