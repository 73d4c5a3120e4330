"""Marginal likelihood of donor intercepts and its exact gradient, eqs. (7) and (8).

The intercept is u = sd z with z standard normal: smooth and even in sd, so that sd = 0 is a point
like others. Rows of a donor stand together: donor d has the rows start[d] to start[d + 1].
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel
from refsolve.methods.count_glm.kernels.likelihood import rising, rising_slope

Array = NDArray[np.float64]
Index = NDArray[np.int64]

STEPS, STILL = 200, 1e-12  # of the search for a mode, in standard deviations of donors
FURTHEST = 2.0  # step of it
FLATTEST = 1e-8  # curvature at a mode
FAINTEST, LARGEST = 1e-290, 600.0


@kernel
def derivatives(y: float, m: float, a: float, alpha: float) -> tuple[float, float, float]:
    """First three derivatives of one log-likelihood in eta."""
    mu = max(a + m, FAINTEST)
    v = m / mu
    ratio = y / mu
    if alpha == 0.0:
        one, two, three = v * (y - mu), -ratio * v * m, 2.0 * ratio * v * v * m
    else:
        over = 1.0 / (1.0 + alpha * mu)
        tail = alpha * (1.0 + alpha * y) * over * over * m * m
        one = v * (y - mu) * over
        two = tail - ratio * v * m
        three = 2.0 * (ratio * v * v * m - alpha * over * m * tail)
    return one, one + two, one + 3.0 * two + three


@kernel
def value_of_rows(y: Array, m: Array, a: Array, scale: float, alpha: float) -> float:
    """Log-likelihood of rows (n,) whose native means are scaled, without terms of y alone."""
    total = 0.0
    for c in range(y.size):
        mu = max(a[c] + scale * m[c], FAINTEST)
        if y[c] > 0.0:
            total += y[c] * math.log(mu)
        if alpha == 0.0:
            total -= mu
        else:
            total -= (y[c] + 1.0 / alpha) * math.log1p(alpha * mu)
    return total


@kernel
def mode(y: Array, m: Array, a: Array, sd: float, alpha: float, z: float) -> float:
    """Standardised intercept of the largest joint density; y, m, a (n,) of one donor."""
    for _ in range(STEPS):
        scale, first, second, expected = math.exp(sd * z), 0.0, 0.0, 0.0
        for c in range(y.size):
            mc = scale * m[c]
            one, two, _ = derivatives(y[c], mc, a[c], alpha)
            mu = max(a[c] + mc, FAINTEST)
            first += one
            second += two
            expected += mc * mc / (mu * (1.0 + alpha * mu))
        slope, bend = sd * first - z, 1.0 - sd * sd * second
        if bend < 0.5:  # not concave here: the expected information points uphill
            bend = 1.0 + sd * sd * expected
        step = min(max(slope / bend, -FURTHEST), FURTHEST)
        z += step
        if abs(step) < STILL:
            break
    return z


@kernel
def at_mode(y: Array, m: Array, a: Array, sd: float, alpha: float, z: float, out: Array) -> None:
    """Sums over rows at the mode, out (5,): l', l'', l''', and the alpha part of l' and l''."""
    scale = math.exp(sd * z)
    out[:] = 0.0
    for c in range(y.size):
        mc = scale * m[c]
        one, two, three = derivatives(y[c], mc, a[c], alpha)
        out[0] += one
        out[1] += two
        out[2] += three
        if alpha > 0.0:
            mu = a[c] + mc
            over = 1.0 / (1.0 + alpha * mu)
            tilt = -mc * (y[c] - mu) * over * over
            out[3] += tilt
            out[4] += tilt + mc * mc * (1.0 + 2.0 * alpha * y[c] - alpha * mu) * over**3


@kernel
def node_weights(
    y: Array,
    m: Array,
    a: Array,
    sd: float,
    alpha: float,
    z: float,
    width: float,
    nodes: Array,
    log_weights: Array,
    share: Array,
) -> float:  # nodes, log_weights, share (K,)
    """Log integral over one intercept; share becomes the weight of every node in it."""
    top = -np.inf
    for k in range(nodes.size):
        v = z + width * nodes[k]
        share[k] = value_of_rows(y, m, a, math.exp(sd * v), alpha) - 0.5 * v * v + log_weights[k]
        top = max(top, share[k])
    total = 0.0
    for k in range(nodes.size):
        share[k] = math.exp(share[k] - top)
        total += share[k]
    for k in range(nodes.size):
        share[k] /= total
    return top + math.log(total) + math.log(width) - 0.5 * math.log(2.0 * math.pi)


@kernel
def node_slopes(
    y: Array,
    m: Array,
    a: Array,
    sd: float,
    alpha: float,
    z: float,
    width: float,
    nodes: Array,
    share: Array,
    each: Array,
    out: Array,
) -> None:  # each (n,), out (4,)
    """Averages over nodes: l' of every row; slope in z, it times the node, slopes in sd, alpha."""
    each[:] = 0.0
    out[:] = 0.0
    for k in range(nodes.size):
        v = z + width * nodes[k]
        scale, first, tilt = math.exp(sd * v), 0.0, 0.0
        for c in range(y.size):
            mu = max(a[c] + scale * m[c], FAINTEST)
            over = 1.0 / (1.0 + alpha * mu)
            one = scale * m[c] / mu * (y[c] - mu) * over
            each[c] += share[k] * one
            first += one
            if alpha > 0.0:
                tilt += math.log1p(alpha * mu) / alpha**2 - (y[c] + 1.0 / alpha) * mu * over
        slope = sd * first - v
        out[0] += share[k] * slope
        out[1] += share[k] * slope * nodes[k]
        out[2] += share[k] * v * first
        out[3] += share[k] * tilt


@kernel
def native_means(
    x: Array, native: Array, beta: Array, out: Array
) -> None:  # x (n, p), native, out (n,)
    """S exp(x'beta)."""
    for c in range(x.shape[0]):
        eta = 0.0
        for k in range(x.shape[1]):
            eta += x[c, k] * beta[k]
        out[c] = native[c] * math.exp(min(max(eta, -LARGEST), LARGEST))


@kernel
def one_donor(
    y: Array,
    x: Array,
    m: Array,
    a: Array,
    sd: float,
    alpha: float,
    z: float,
    nodes: Array,
    log_weights: Array,
    gradient: Array,
) -> float:  # gradient (p + 2,): coefficients, sd, alpha; is added to
    """Log integral of one donor about the mode z, with the gradient of the quadrature itself."""
    p = x.shape[1]
    sums, slopes = np.empty(5), np.empty(4)
    share, each = np.empty(nodes.size), np.empty(y.size)
    at_mode(y, m, a, sd, alpha, z, sums)
    curvature = max(1.0 - sd * sd * sums[1], FLATTEST)
    s = 1.0 / math.sqrt(curvature)
    width = math.sqrt(2.0) * s
    value = node_weights(y, m, a, sd, alpha, z, width, nodes, log_weights, share)
    node_slopes(y, m, a, sd, alpha, z, width, nodes, share, each, slopes)
    by_width = math.sqrt(2.0) * slopes[1] + 1.0 / s  # derivative in s, times its own in curvature
    by_width *= 0.5 * s**3
    by_mode = (slopes[0] + by_width * sd**3 * sums[2]) / curvature
    scale = math.exp(sd * z)
    for c in range(y.size):
        _, two, three = derivatives(y[c], scale * m[c], a[c], alpha)
        w = each[c] + by_mode * sd * two + by_width * sd * sd * three
        for k in range(p):
            gradient[k] += w * x[c, k]
    gradient[p] += slopes[2] + by_mode * (sums[0] + sd * z * sums[1])
    gradient[p] += by_width * (2.0 * sd * sums[1] + sd * sd * z * sums[2])
    gradient[p + 1] += slopes[3] + by_mode * sd * sums[3] + by_width * sd * sd * sums[4]
    return value


@kernel
def marginal(
    y: Array,
    x: Array,
    native: Array,
    ambient: Array,
    start: Index,
    beta: Array,
    sd: float,
    alpha: float,
    nodes: Array,
    log_weights: Array,
    z: Array,
    gradient: Array,
) -> float:  # start (D + 1,), z (D,) starts and becomes the modes, gradient (p + 2,)
    """Log-likelihood without log y!, and its gradient in coefficients, sd, and alpha."""
    m = np.empty(y.size)
    native_means(x, native, beta, m)
    gradient[:] = 0.0
    total = 0.0
    for d in range(start.size - 1):
        i, j = start[d], start[d + 1]
        z[d] = mode(y[i:j], m[i:j], ambient[i:j], sd, alpha, z[d])
        total += one_donor(
            y[i:j], x[i:j], m[i:j], ambient[i:j], sd, alpha, z[d], nodes, log_weights, gradient
        )
    if alpha > 0.0:
        for c in range(y.size):
            if y[c] > 1.0:
                total += rising(y[c], alpha)
                gradient[-1] += rising_slope(y[c], alpha)
    return total
