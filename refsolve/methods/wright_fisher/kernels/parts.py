"""Compiled building blocks of the Wright–Fisher recursions: selection, interpolation, binomials.

A function of x that is smooth on [0, 1] is, with x = sin² z, an even function of z about 0 and
about π/2. So it is interpolated on the uniform grid z_i = iπ/(2K) with mirrored indices, and there
is no boundary to treat. Local interpolation keeps the relative accuracy of far tails.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]
Index = NDArray[np.int64]

STENCIL = 12  # points of the Lagrange interpolation; even
GAUSS = 8  # points of the Gauss–Krawtchouk rule
SUMMED_SIZE = 64.0  # up to this M the binomial is summed over its counts ...
SUMMED_SD = 4.0  # ... and where its standard deviation is below this number of counts ...
SUMMED_RESOLVED = 1.5  # ... or above this number of grid steps, as the data may be as sharp
SUMMED_CUT = 1e-20  # terms below this fraction of the largest are left out of such sums

HERMITE = np.polynomial.hermite_e.hermegauss(GAUSS)[0]
_DENOMINATOR = np.array(
    [
        (-1.0) ** (STENCIL - 1 - k) * math.factorial(k) * math.factorial(STENCIL - 1 - k)
        for k in range(STENCIL)
    ]
)


@kernel
def selected(
    x: float, y: float, s: float, h: float, diploid: bool
) -> tuple[float, float]:  # eq. (1)
    """Frequencies of the derived and the ancestral allele after selection."""
    if diploid:
        derived = x * (1.0 + h * s + s * (1.0 - h) * x)
        ancestral = y * (1.0 + h * s * x)
    else:
        derived = x * (1.0 + s)
        ancestral = y
    total = derived + ancestral
    return derived / total, ancestral / total


@kernel
def stencil(position: float, K: int, work: Array) -> int:
    """Interpolation weights at z = position · π/(2K); work (2·STENCIL,) holds them first.

    Returns the node of the first weight.
    """
    cell = math.floor(position)
    theta = position - cell
    half = STENCIL // 2
    product = 1.0
    for k in range(STENCIL):
        work[k] = product / _DENOMINATOR[k]
        product *= theta - (k + 1 - half)
    product = 1.0
    for k in range(STENCIL - 1, -1, -1):
        work[k] *= product
        product *= theta - (k + 1 - half)
    base = int(cell) + 1 - half
    if base >= 0 and base + STENCIL - 1 <= K:
        return base
    start = min(max(base, 0), K + 1 - STENCIL)
    for k in range(STENCIL):
        work[STENCIL + k] = work[k]
        work[k] = 0.0
    for k in range(STENCIL):
        node = abs(base + k)
        node = min(node, 2 * K - node)
        work[node - start] += work[STENCIL + k]
    return start


@kernel
def copied(values: Array, used: int, size: int) -> Array:
    """The first `used` values in a new array of another size."""
    out = np.empty(size)
    for k in range(used):
        out[k] = values[k]
    return out


@kernel
def binomial_row(M: float, p: float, q: float, cut: float, out: Array) -> tuple[int, int]:
    """Binomial(M, p) pmf without the terms below `cut` times the largest, into out; eq. (2).

    Returns the first count and the number of counts. The row sums to one.
    """
    mode = min(math.floor((M + 1.0) * p), M)
    low = int(mode)
    value = 1.0
    while low > 0:
        smaller = value * low * q / ((M - low + 1.0) * p)
        if smaller < cut:
            break
        value = smaller
        low -= 1
    n = 0
    total = 0.0
    count = float(low)
    while True:
        out[n] = value
        total += value
        n += 1
        if count >= M or n >= out.size:
            break
        value *= (M - count) * p / ((count + 1.0) * q)
        count += 1.0
        if value < cut and count > mode:
            break
    for k in range(n):
        out[k] /= total
    return low, n


@kernel
def gauss_rule(skew: float, root_beta: Array, nodes: Array, weights: Array) -> None:
    """Gauss–Krawtchouk rule in standardised counts, from starting nodes (replaced).

    Orthonormal recurrence with a_n = n·skew, b_n = root_beta[n]²; skew = (q − p)/sqrt(Mpq).
    """
    m = nodes.size
    for _ in range(50):
        worst = 0.0
        for k in range(m):
            y = nodes[k]
            older, old, d_older, d_old = 0.0, 1.0, 0.0, 0.0
            for n in range(m):
                new = ((y - n * skew) * old - root_beta[n] * older) / root_beta[n + 1]
                d_new = ((y - n * skew) * d_old + old - root_beta[n] * d_older) / root_beta[n + 1]
                older, old, d_older, d_old = old, new, d_old, d_new
            newton = old / d_old
            repulsion = 0.0
            for j in range(m):
                if j != k:
                    repulsion += 1.0 / (y - nodes[j])
            step = newton / (1.0 - newton * repulsion)
            nodes[k] = y - step
            worst = max(worst, abs(step))
        if worst < 1e-8:
            break
    for k in range(m):
        older, old, norm = 0.0, 1.0, 0.0
        for n in range(m):
            norm += old * old
            new = ((nodes[k] - n * skew) * old - root_beta[n] * older) / root_beta[n + 1]
            older, old = old, new
        weights[k] = 1.0 / norm


@kernel
def drift_rule(
    M: float,
    x: float,
    y: float,
    K: int,
    nodes: Array,
    root_beta: Array,
    count: Array,
    weight: Array,
) -> int:
    """Counts and weights of a quadrature rule for Binomial(M, x = 1 − y); returns its length.

    Sums over (every stride-th of) the counts where the grid resolves the binomial or M is small,
    the Gauss rule elsewhere. nodes are the standardised Gauss nodes of the row before (replaced).
    """
    sd = math.sqrt(M * x * y)
    resolved = K / (math.pi * math.sqrt(M))  # standard deviation in units of the grid
    if M > SUMMED_SIZE and sd > SUMMED_SD and resolved < SUMMED_RESOLVED:
        gauss_rule((y - x) / sd, root_beta, nodes, weight[:GAUSS])
        for j in range(GAUSS):
            count[j] = M * x + sd * nodes[j]
        return GAUSS
    low, n = binomial_row(M, x, y, SUMMED_CUT, weight)
    stride = 1
    if sd > SUMMED_SD:
        stride = max(1, int(min(0.8 * sd, sd / resolved)))
    used = 0
    total = 0.0
    for j in range(0, n, stride):
        weight[used], count[used] = weight[j], float(low + j)
        total += weight[j]
        used += 1
    for j in range(used):
        weight[j] /= total
    return used


@kernel
def drift_row(
    M: float, K: int, n: int, count: Array, weight: Array, row: Array
) -> tuple[int, int]:  # eq. (5)
    """Add a rule of n points to a row of B_M, row (K+1,); returns first node and end."""
    work = np.empty(2 * STENCIL)
    low, high = K, 0
    step = 0.5 * math.pi / K
    for j in range(n):
        z = math.atan2(math.sqrt(count[j]), math.sqrt(M - count[j]))
        start = stencil(z / step, K, work)
        for k in range(STENCIL):
            row[start + k] += weight[j] * work[k]
        low = min(low, start)
        high = max(high, start + STENCIL)
    return low, high
