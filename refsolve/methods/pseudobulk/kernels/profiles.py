"""Adjusted profile likelihoods of dispersions and their maxima, eqs. (6)-(9)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel
from refsolve.methods.pseudobulk.kernels.counts import (
    LANES,
    accumulate,
    climb,
    factorise,
    furthest,
    load,
)
from refsolve.methods.pseudobulk.kernels.lanes import log_gammas, logarithms

Array = NDArray[np.float64]

MOST = 30  # steps from a neighbour on the grid
ENOUGH = 1e-13  # expected gain of a step that is not taken


@kernel
def lane_likelihood(
    y: Array, eta: Array, mu: Array, phi: float, fixed: Array, work: Array, out: Array
) -> None:
    """Log-likelihood (LANES,) of y, eta, mu (n, LANES); fixed (LANES,) sums lgamma(y + 1).

    work is (4, n * LANES).
    """
    r = 1.0 / phi
    flat = y.size
    one = np.full(1, r)
    base, spare, more = np.empty(1), np.empty(1), np.empty(1)
    log_gammas(one, base, spare, more)
    counts, means = y.ravel(), mu.ravel()
    for j in range(flat):
        work[0, j] = counts[j] + r
    log_gammas(work[0], work[1], work[2], work[3])
    for j in range(flat):
        work[2, j] = 1.0 + phi * means[j]
    logarithms(work[2], work[2], work[3])
    log_phi = math.log(phi)
    for b in range(LANES):
        out[b] = -fixed[b]
    for i in range(y.shape[0]):
        for b in range(LANES):
            j = i * LANES + b
            c = y[i, b]
            out[b] += c * (eta[i, b] + log_phi) - (c + r) * work[2, j] + (work[1, j] - base[0])


@kernel
def profile_grid(y: Array, x: Array, offset: Array, phi: Array, middle: int, start: Array) -> Array:
    """Adjusted profile likelihood (G, T) at the dispersions phi (T,), eq. (6).

    y (G, n), x (n, p), offset (n,), start (G, p) coefficients near those at phi[middle]. From
    there the fits walk to both ends of the grid, each from a line through the last two.
    """
    n_genes, n, p, points = y.shape[0], x.shape[0], x.shape[1], phi.size
    out = np.empty((n_genes, points))
    counts, eta, mu = np.empty((n, LANES)), np.empty((n, LANES)), np.empty((n, LANES))
    weight, information = np.empty((n, LANES)), np.empty((p, p, LANES))
    work, phi_lane, gain = np.empty((4, n * LANES)), np.empty(LANES), np.empty(LANES)
    fixed, value = np.empty(LANES), np.empty(LANES)
    beta, last, first = np.empty((p, LANES)), np.empty((p, LANES)), np.empty((p, LANES))
    reach = furthest(x)
    for at in range(0, n_genes, LANES):
        load(y, at, counts)
        flat = counts.ravel()
        for j in range(flat.size):
            work[0, j] = flat[j] + 1.0
        log_gammas(work[0], work[1], work[2], work[3])
        fixed[:] = 0.0
        for i in range(n):
            for b in range(LANES):
                fixed[b] += work[1, i * LANES + b]
        for b in range(LANES):
            for k in range(p):
                beta[k, b] = start[min(at + b, n_genes - 1), k]
        for move in range(points):
            t = middle + move if middle + move < points else points - 1 - move
            if move == 0 or t == middle - 1:
                if move > 0:
                    beta[:] = first
                last[:] = beta
            else:
                for k in range(p):
                    for b in range(LANES):
                        v = beta[k, b]
                        beta[k, b] = 2.0 * v - last[k, b] if abs(t - middle) > 1 else v
                        last[k, b] = v
            phi_lane[:] = phi[t]
            climb(
                x, counts, offset, phi_lane, beta, reach, MOST, True, ENOUGH,
                eta, mu, weight, information, gain,
            )  # fmt: skip
            if move == 0:
                first[:] = beta
            for i in range(n):
                for b in range(LANES):
                    weight[i, b] = mu[i, b] / (1.0 + phi[t] * mu[i, b])
            accumulate(x, weight, information)
            factorise(information)
            lane_likelihood(counts, eta, mu, phi[t], fixed, work, value)
            for k in range(p):
                for b in range(LANES):
                    value[b] -= math.log(information[k, k, b])
            for b in range(min(LANES, n_genes - at)):
                out[at + b, t] = value[b]
    return out


@kernel
def spline_maxima(x: Array, f: Array, bend: Array) -> Array:
    """Where splines are largest (G,): knots x (T,), values and second derivatives (G, T)."""
    out = np.empty(f.shape[0])
    for g in range(f.shape[0]):
        k = 0
        for t in range(1, x.size):
            if f[g, t] > f[g, k]:
                k = t
        best, top = x[k], f[g, k]
        for i in range(max(k - 1, 0), min(k + 1, x.size - 1)):
            h = x[i + 1] - x[i]
            c = bend[g, i] / 2.0
            d = (bend[g, i + 1] - bend[g, i]) / (6.0 * h)
            b = (f[g, i + 1] - f[g, i]) / h - h * (2.0 * bend[g, i] + bend[g, i + 1]) / 6.0
            inside = c * c - 3.0 * b * d
            if inside < 0.0:
                continue
            root = math.sqrt(inside)
            q = -(c + math.copysign(root, c))
            for s in range(2):
                lower, upper = (q, 3.0 * d) if s == 0 else (b, q)
                if upper == 0.0:
                    continue
                at = lower / upper
                height = f[g, i] + at * (b + at * (c + at * d))
                if 0.0 <= at <= h and height > top:
                    best, top = x[i] + at, height
        out[g] = best
    return out
