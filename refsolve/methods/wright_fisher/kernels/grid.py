"""Compiled Wright–Fisher recursion on a grid: backward vectors on Chebyshev–Lobatto nodes.

Axes: node i = 0..K with z_i = iπ/(2K), x_i = sin² z_i, y_i = 1 − x_i; generation t = 0..T; locus l;
lane c = 0..LANES−1 (neighbouring values of s, side by side for the vector unit).
One generation of eq. (4) is u_t = e_t · C_s (B_M u_{t+1}): rows of B_M average the interpolant over
the binomial of eq. (5), rows of C_s interpolate at the frequency after selection, eq. (1).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from refsolve.core.jit import kernel
from refsolve.methods.wright_fisher.kernels.parts import (
    GAUSS,
    HERMITE,
    STENCIL,
    Array,
    Index,
    copied,
    drift_row,
    drift_rule,
    selected,
    stencil,
)

LANES = 8  # values of s advanced together
TINY = 1e-100  # vectors are rescaled when their maximum falls below this
SMALLEST = 1e-300  # a vector whose maximum is not above this counts as nothing


class Drift(NamedTuple):
    """Rows of B_M of several sizes: row i of size m is band[where[m, i] : + width[m, i]]."""

    start: Index
    where: Index
    width: Index
    band: Array


@kernel
def drift_rows(sizes: Array, K: int) -> Drift:
    """B_M for every size; row K − i mirrors row i, so that alleles are treated alike."""
    start = np.empty((sizes.size, K + 1), np.int64)
    where = np.empty((sizes.size, K + 1), np.int64)
    width = np.empty((sizes.size, K + 1), np.int64)
    band = np.empty(sizes.size * (K + 1) * 3 * STENCIL)
    row = np.zeros(K + 1)
    count = np.empty(16 * K + 256)  # a summed row has at most 20 standard deviations
    weight = np.empty(16 * K + 256)
    nodes = np.empty(GAUSS)
    root_beta = np.ones(GAUSS + 1)
    step = 0.5 * math.pi / K
    used = 0
    for m in range(sizes.size):
        M = sizes[m]
        for n in range(GAUSS):
            nodes[n] = HERMITE[n]
        for n in range(1, GAUSS):
            root_beta[n] = math.sqrt(n * max(M - n + 1.0, 1.0) / M)
        for i in range(K // 2, -1, -1):
            x = math.sin(i * step) ** 2
            y = math.sin((K - i) * step) ** 2
            points = drift_rule(M, x, y, K, nodes, root_beta, count, weight)
            low, high = drift_row(M, K, points, count, weight, row)
            n = high - low
            if used + 2 * n > band.size:
                band = copied(band, used, 2 * band.size + 2 * n)
            start[m, i], where[m, i], width[m, i] = low, used, n
            start[m, K - i], where[m, K - i], width[m, K - i] = K + 1 - high, used + n, n
            for k in range(n):
                band[used + k] = row[low + k]
                band[used + 2 * n - 1 - k] = row[low + k]
                row[low + k] = 0.0
            used += 2 * n
    return Drift(start, where, width, copied(band, used, used))


@kernel
def selection_rows(s: float, h: float, diploid: bool, K: int) -> tuple[Index, Array]:
    """C_s: first node (K+1,) and weights (K+1, STENCIL) of every row."""
    start = np.empty(K + 1, np.int64)
    band = np.empty((K + 1, STENCIL))
    work = np.empty(2 * STENCIL)
    step = 0.5 * math.pi / K
    for i in range(K + 1):
        x = math.sin(i * step) ** 2
        y = math.sin((K - i) * step) ** 2
        p, q = selected(x, y, s, h, diploid)
        start[i] = stencil(math.atan2(math.sqrt(p), math.sqrt(q)) / step, K, work)
        for k in range(STENCIL):
            band[i, k] = work[k]
    return start, band


@kernel
def lane_selection(s: Array, h: float, diploid: bool, K: int) -> tuple[Index, Array]:
    """C_s of LANES values of s: first node (K+1,) and weights (K+1, width, LANES), common width."""
    low = np.full(K + 1, K, np.int64)
    high = np.zeros(K + 1, np.int64)
    first = np.empty((LANES, K + 1), np.int64)
    rows = np.empty((LANES, K + 1, STENCIL))
    for c in range(LANES):
        start, band = selection_rows(s[c], h, diploid, K)
        for i in range(K + 1):
            first[c, i] = start[i]
            low[i] = min(low[i], start[i])
            high[i] = max(high[i], start[i] + STENCIL)
            for k in range(STENCIL):
                rows[c, i, k] = band[i, k]
    width = 0
    for i in range(K + 1):
        width = max(width, high[i] - low[i])
    merged = np.zeros((K + 1, width, LANES))
    for i in range(K + 1):
        low[i] = min(low[i], K + 1 - width)
        for c in range(LANES):
            for k in range(STENCIL):
                merged[i, first[c, i] - low[i] + k, c] = rows[c, i, k]
    return low, merged


@kernel
def lanes_step(drift: Drift, m: int, u: Array, out: Array) -> None:
    """B_M u into out, both (K+1, LANES)."""
    for i in range(out.shape[0]):
        first, j = drift.where[m, i], drift.start[m, i]
        for c in range(LANES):
            out[i, c] = 0.0
        n = drift.width[m, i]
        # In pairs: the sums then pass through memory half as often.
        for k in range(0, n - 1, 2):
            even, odd = drift.band[first + k], drift.band[first + k + 1]
            for c in range(LANES):
                out[i, c] += even * u[j + k, c] + odd * u[j + k + 1, c]
        if n % 2 == 1:
            for c in range(LANES):
                out[i, c] += drift.band[first + n - 1] * u[j + n - 1, c]


@kernel
def selection_lanes(start: Index, band: Array, u: Array, out: Array) -> None:
    """C_s u into out, both (K+1, LANES), every lane with its own s."""
    for i in range(out.shape[0]):
        j = start[i]
        for c in range(LANES):
            out[i, c] = 0.0
        for k in range(band.shape[1]):
            for c in range(LANES):
                out[i, c] += band[i, k, c] * u[j + k, c]


@kernel
def rescale_lanes(u: Array, below: float, logs: Array) -> None:
    """Scale lanes whose maximum is under `below` to maximum one; add the logs of their scales.

    Values below zero, which interpolation leaves beside a peak, become zero: where an emission
    excludes the peak they would be scaled up, and overflow.
    """
    top = np.zeros(LANES)
    for i in range(u.shape[0]):
        for c in range(LANES):
            u[i, c] = 0.0 if u[i, c] < 0.0 else u[i, c]
            top[c] = u[i, c] if u[i, c] > top[c] else top[c]
    for c in range(LANES):
        if top[c] < below:
            # The reciprocal of anything smaller overflows.
            alive = top[c] > SMALLEST
            logs[c] += math.log(top[c]) if alive else -math.inf
            factor = 1.0 / top[c] if alive else 0.0
            for i in range(u.shape[0]):
                u[i, c] *= factor


@kernel
def backward_lanes(
    s: Array,
    h: float,
    diploid: bool,
    drift: Drift,
    drift_of: Index,
    emission: Array,
    emission_of: Index,
) -> tuple[Array, Array]:  # eq. (4)
    """u_0 of one locus at LANES values of s, (K+1, LANES), and the logs of its scale (LANES,).

    drift_of (T+1,) and emission_of (T+1,) name the operator and the row of `emission`, -1 for none.
    """
    K = drift.start.shape[1] - 1
    start, band = lane_selection(s, h, diploid, K)
    logs = np.zeros(LANES)
    u = np.ones((K + 1, LANES))
    v = np.empty_like(u)
    for t in range(drift_of.size - 1, -1, -1):
        if emission_of[t] >= 0:
            for i in range(K + 1):
                for c in range(LANES):
                    u[i, c] *= emission[emission_of[t], i]
            rescale_lanes(u, math.inf, logs)
        elif t % 4 == 0:
            rescale_lanes(u, TINY, logs)
        if t > 0:
            if drift_of[t] >= 0:
                lanes_step(drift, drift_of[t], u, v)
                selection_lanes(start, band, v, u)
            else:
                selection_lanes(start, band, u, v)
                u, v = v, u
    return u, logs


@kernel
def selection_operator(s: float, h: float, diploid: bool, K: int) -> Drift:
    """C_s in the form of an operator of drift."""
    first, weights = selection_rows(s, h, diploid, K)
    start = np.empty((1, K + 1), np.int64)
    where = np.empty((1, K + 1), np.int64)
    width = np.empty((1, K + 1), np.int64)
    band = np.empty((K + 1) * STENCIL)
    for i in range(K + 1):
        start[0, i], where[0, i], width[0, i] = first[i], i * STENCIL, STENCIL
        for k in range(STENCIL):
            band[i * STENCIL + k] = weights[i, k]
    return Drift(start, where, width, band)


@kernel
def propagate_block(
    s: float, h: float, diploid: bool, drift: Drift, drift_of: Index, high: int, low: int, u: Array
) -> Array:
    """C_s B_M of generations high, high − 1, …, low + 1 applied to the columns of u (K+1, C)."""
    rows, columns = u.shape
    selection = selection_operator(s, h, diploid, rows - 1)
    out = np.empty((rows, columns))
    tile = np.zeros((rows, LANES))
    other = np.empty((rows, LANES))
    for first in range(0, columns, LANES):
        n = min(LANES, columns - first)
        for i in range(rows):
            for c in range(n):
                tile[i, c] = u[i, first + c]
        for t in range(high, low, -1):
            if drift_of[t] >= 0:
                lanes_step(drift, drift_of[t], tile, other)
                lanes_step(selection, 0, other, tile)
            else:
                lanes_step(selection, 0, tile, other)
                tile, other = other, tile
        for i in range(rows):
            for c in range(n):
                out[i, first + c] = tile[i, c]
    return out


@kernel
def drift_step_transposed(drift: Drift, m: int, measure: Array, out: Array) -> None:
    """B_M transposed: the measure of one generation carried to the next."""
    for i in range(out.size):
        out[i] = 0.0
    for i in range(out.size):
        first, n, j = drift.where[m, i], drift.width[m, i], drift.start[m, i]
        for k in range(n):
            out[j + k] += drift.band[first + k] * measure[i]


@kernel
def backward_path(
    s: float,
    h: float,
    diploid: bool,
    drift: Drift,
    drift_of: Index,
    emission: Array,
    emission_of: Index,
) -> Array:
    """u_t of every generation (T+1, K+1), each scaled to maximum one."""
    start, band = selection_rows(s, h, diploid, emission.shape[1] - 1)
    path = np.ones((drift_of.size, emission.shape[1]))
    v = np.empty(emission.shape[1])
    for t in range(drift_of.size - 1, -1, -1):
        if t + 1 < drift_of.size:
            m = drift_of[t + 1]
            for i in range(v.size):
                v[i] = 0.0 if m >= 0 else path[t + 1, i]
                for k in range(drift.width[m, i] if m >= 0 else 0):
                    v[i] += drift.band[drift.where[m, i] + k] * path[t + 1, drift.start[m, i] + k]
            for i in range(v.size):
                path[t, i] = 0.0
                for k in range(STENCIL):
                    path[t, i] += band[i, k] * v[start[i] + k]
        top = 0.0
        for i in range(v.size):
            if emission_of[t] >= 0:
                path[t, i] *= emission[emission_of[t], i]
            top = max(top, path[t, i])
        for i in range(v.size):
            path[t, i] /= top
    return path


@kernel
def posterior_nodes(
    s: float,
    h: float,
    diploid: bool,
    drift: Drift,
    drift_of: Index,
    emission: Array,
    emission_of: Index,
    prior: Array,
    u: Array,
) -> Array:
    """Posterior node measure (T+1, K+1): the measure before e_t, carried forward, times u_t."""
    posterior = np.empty_like(u)
    forward = prior.copy()
    middle = np.empty_like(forward)
    start, band = selection_rows(s, h, diploid, prior.size - 1)
    for t in range(u.shape[0]):
        if t > 0:
            for i in range(prior.size):
                middle[i] = 0.0
                if emission_of[t - 1] >= 0:
                    forward[i] *= emission[emission_of[t - 1], i]
            for i in range(prior.size):
                for k in range(STENCIL):
                    middle[start[i] + k] += band[i, k] * forward[i]
            if drift_of[t] >= 0:
                drift_step_transposed(drift, drift_of[t], middle, forward)
            else:
                forward, middle = middle, forward
        total = 0.0
        for i in range(prior.size):
            posterior[t, i] = forward[i] * u[t, i]
            total += posterior[t, i]
        for i in range(prior.size):
            posterior[t, i] /= total
            forward[i] /= total
    return posterior


@kernel
def point_measure(position: Array, weight: Array, K: int) -> Array:
    """Node measure (K+1,) of weights at z = position · π/(2K)."""
    work = np.empty(2 * STENCIL)
    measure = np.zeros(K + 1)
    for j in range(position.size):
        start = stencil(position[j], K, work)
        for k in range(STENCIL):
            measure[start + k] += weight[j] * work[k]
    return measure


@kernel
def interpolated(u: Array, position: float, work: Array) -> float:
    """The interpolant of u (K+1,) at z = position · π/(2K)."""
    start = stencil(position, u.size - 1, work)
    total = 0.0
    for k in range(STENCIL):
        total += work[k] * u[start + k]
    return total


@kernel
def interpolated_maximum(u: Array) -> tuple[float, float]:
    """Position and value of the maximum of u between nodes, near its largest node."""
    K = u.size - 1
    work = np.empty(2 * STENCIL)
    best = 0
    for i in range(K + 1):
        if u[i] > u[best]:
            best = i
    position, value = float(best), u[best]
    low, high = max(best - 1.0, 0.0), min(best + 1.0, float(K))
    for _ in range(60):
        left, right = low + (high - low) / 3.0, high - (high - low) / 3.0
        if interpolated(u, left, work) < interpolated(u, right, work):
            low = left
        else:
            high = right
    middle = interpolated(u, 0.5 * (low + high), work)
    if middle > value:
        position, value = 0.5 * (low + high), middle
    return position, value
