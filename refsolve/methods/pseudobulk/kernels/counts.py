"""Negative-binomial regressions of many genes, several genes at once, eqs. (4)-(5)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel
from refsolve.methods.pseudobulk.kernels.lanes import LARGEST, exponentials

Array = NDArray[np.float64]
FlagArray = NDArray[np.bool_]

LANES = 8  # genes at once
SCORING = 3  # steps with the expected information, which does not overshoot; then the observed
REACH = 3.0  # largest change of a log mean in one step
FLAT = 1e-300  # smallest pivot


@kernel
def load(y: Array, at: int, out: Array) -> None:  # y (G, n), out (n, LANES)
    """Genes from `at` as lanes; the last gene fills lanes that are left."""
    for b in range(LANES):
        g = min(at + b, y.shape[0] - 1)
        for i in range(y.shape[1]):
            out[i, b] = y[g, i]


@kernel
def predict(x: Array, offset: Array, beta: Array, eta: Array) -> None:
    """Log means (n, LANES) of x (n, p), offset (n,), beta (p, LANES)."""
    for i in range(x.shape[0]):
        for b in range(LANES):
            eta[i, b] = offset[i]
        for k in range(x.shape[1]):
            v = x[i, k]
            if v != 0.0:
                for b in range(LANES):
                    eta[i, b] += v * beta[k, b]


@kernel
def accumulate(x: Array, weight: Array, information: Array) -> None:
    """X'WX: x (n, p), weight (n, LANES), lower triangle of information (p, p, LANES)."""
    information[:] = 0.0
    for i in range(x.shape[0]):
        for k in range(x.shape[1]):
            if x[i, k] != 0.0:
                for m in range(k + 1):
                    v = x[i, k] * x[i, m]
                    if v != 0.0:
                        for b in range(LANES):
                            information[k, m, b] += v * weight[i, b]


@kernel
def factorise(a: Array) -> None:  # a (p, p, LANES), lower triangle
    """Cholesky factors in place."""
    p = a.shape[0]
    for k in range(p):
        for m in range(k):
            for b in range(LANES):
                a[k, k, b] -= a[k, m, b] * a[k, m, b]
        for b in range(LANES):
            a[k, k, b] = math.sqrt(max(a[k, k, b], FLAT))
        for j in range(k + 1, p):
            for m in range(k):
                for b in range(LANES):
                    a[j, k, b] -= a[j, m, b] * a[k, m, b]
            for b in range(LANES):
                a[j, k, b] /= a[k, k, b]


@kernel
def substitute(a: Array, v: Array) -> None:  # a (p, p, LANES) factor, v (p, LANES)
    """Solve in place."""
    p = v.shape[0]
    for k in range(p):
        for m in range(k):
            for b in range(LANES):
                v[k, b] -= a[k, m, b] * v[m, b]
        for b in range(LANES):
            v[k, b] /= a[k, k, b]
    for k in range(p - 1, -1, -1):
        for m in range(k + 1, p):
            for b in range(LANES):
                v[k, b] -= a[m, k, b] * v[m, b]
        for b in range(LANES):
            v[k, b] /= a[k, k, b]


@kernel
def gradient(
    x: Array, y: Array, mu: Array, phi: Array, observed: bool, weight: Array, score: Array
) -> None:
    """Score (p, LANES) and weights (n, LANES) of counts and means (n, LANES), phi (LANES,)."""
    score[:] = 0.0
    residual = np.empty(LANES)
    for i in range(x.shape[0]):
        for b in range(LANES):
            d = 1.0 / (1.0 + phi[b] * mu[i, b])
            residual[b] = (y[i, b] - mu[i, b]) * d
            w = mu[i, b] * d
            weight[i, b] = w * (1.0 + phi[b] * y[i, b]) * d if observed else w
        for k in range(x.shape[1]):
            v = x[i, k]
            if v != 0.0:
                for b in range(LANES):
                    score[k, b] += v * residual[b]


@kernel
def climb(
    x: Array,
    y: Array,
    offset: Array,
    phi: Array,
    beta: Array,
    reach: Array,
    most: int,
    warm: bool,
    enough: float,
    eta: Array,
    mu: Array,
    weight: Array,
    information: Array,
    gain: Array,
) -> None:
    """Newton's steps until the expected gain (LANES,) is small; beta (p, LANES) is changed.

    A lane that is done stands still, so that a fit does not depend on its neighbours. On return
    eta and mu (n, LANES) belong to beta.
    """
    p = x.shape[1]
    score, step = np.empty((p, LANES)), np.empty((p, LANES))
    work = np.empty(eta.size)
    gain[:] = 1.0
    for t in range(most + 1):
        predict(x, offset, beta, eta)
        exponentials(eta.ravel(), mu.ravel(), work)
        if t == most:
            break
        gradient(x, y, mu, phi, warm or t >= SCORING, weight, score)
        accumulate(x, weight, information)
        factorise(information)
        step[:] = score
        substitute(information, step)
        busy = False
        for b in range(LANES):
            if gain[b] < enough:
                continue
            gain[b], far = 0.0, 0.0
            for k in range(p):
                gain[b] += score[k, b] * step[k, b]
                far += abs(step[k, b]) * reach[k]
            if gain[b] < enough:
                continue
            busy = True
            size = 1.0 if far <= REACH else REACH / far
            for k in range(p):
                beta[k, b] += size * step[k, b]
        if not busy:
            break


@kernel
def furthest(x: Array) -> Array:  # x (n, p) -> (p,)
    """Largest absolute value of each column."""
    out = np.zeros(x.shape[1])
    for i in range(x.shape[0]):
        for k in range(x.shape[1]):
            out[k] = max(out[k], abs(x[i, k]))
    return out


@kernel
def fit_many(
    y: Array, x: Array, offset: Array, phi: Array, beta: Array, most: int, enough: float
) -> tuple[Array, Array]:
    """Means (G, n) and expected gain (G,); beta (G, p) holds the start and then the coefficients.

    y (G, n), x (n, p), offset (n,), phi (G,) — eq. (4). A gene whose gain is not small has not
    arrived after `most` steps.
    """
    n_genes, n, p = y.shape[0], x.shape[0], x.shape[1]
    means, gains = np.empty((n_genes, n)), np.empty(n_genes)
    counts, eta, mu = np.empty((n, LANES)), np.empty((n, LANES)), np.empty((n, LANES))
    weight, information = np.empty((n, LANES)), np.empty((p, p, LANES))
    b_lane, phi_lane, gain = np.empty((p, LANES)), np.empty(LANES), np.empty(LANES)
    reach = furthest(x)
    for at in range(0, n_genes, LANES):
        load(y, at, counts)
        for b in range(LANES):
            g = min(at + b, n_genes - 1)
            phi_lane[b] = phi[g]
            for k in range(p):
                b_lane[k, b] = beta[g, k]
        climb(
            x, counts, offset, phi_lane, b_lane, reach, most, False, enough,
            eta, mu, weight, information, gain,
        )  # fmt: skip
        for b in range(min(LANES, n_genes - at)):
            gains[at + b] = gain[b]
            for i in range(n):
                means[at + b, i] = mu[i, b]
            for k in range(p):
                beta[at + b, k] = b_lane[k, b]
    return means, gains


@kernel
def kernel_of_likelihood(y: Array, eta: Array, phi: float) -> float:  # y (n,), eta (n,)
    """Log-likelihood without the terms that the mean does not enter."""
    total = 0.0
    for i in range(y.size):
        e = min(max(eta[i], -LARGEST), LARGEST)
        if phi == 0.0:
            total += y[i] * e - math.exp(e)
        else:
            total += y[i] * e - (y[i] + 1.0 / phi) * math.log1p(phi * math.exp(e))
    return total


@kernel
def fit_damped(
    y: Array, x: Array, offset: Array, phi: float, beta: Array, most: int
) -> Array:  # y (n,), x (n, p), beta (p,) -> means (n,)
    """One gene by scoring with damped steps; beta holds the start and then the coefficients."""
    p = x.shape[1]
    eta = x @ beta + offset
    value, damping = kernel_of_likelihood(y, eta, phi), 0.0
    for _ in range(most):
        mu = np.exp(np.minimum(np.maximum(eta, -LARGEST), LARGEST))
        weight = mu / (1.0 + phi * mu)
        score = x.T @ ((y - mu) / (1.0 + phi * mu))
        information = np.zeros((p, p))
        for i in range(y.size):
            for k in range(p):
                for m in range(p):
                    information[k, m] += x[i, k] * x[i, m] * weight[i]
        scale = 0.0
        for k in range(p):
            scale = max(scale, information[k, k])
        if scale < FLAT:
            break
        for k in range(p):
            information[k, k] += (damping + 1e-13) * scale
        step = np.linalg.solve(information, score)
        new_eta = x @ (beta + step) + offset
        new = kernel_of_likelihood(y, new_eta, phi)
        if not new >= value - 1e-12 * abs(value):
            damping = max(4.0 * damping, 1e-4)
            continue
        gain = score @ step
        done = gain < 1e-20 * max(1.0, abs(value)) or (new == value and damping == 0.0)
        for k in range(p):
            beta[k] += step[k]
        eta, value, damping = new_eta, new, damping / 4.0
        if damping < 1e-8:
            damping = 0.0
        if done:
            break
    return np.exp(np.minimum(np.maximum(eta, -LARGEST), LARGEST))


@kernel
def deviances(y: Array, mu: Array, phi: Array) -> Array:  # y, mu (G, n), phi (G,) -> (G,)
    """Deviance of every gene, eq. (5)."""
    out = np.empty(y.shape[0])
    for g in range(y.shape[0]):
        total, f = 0.0, phi[g]
        for i in range(y.shape[1]):
            c, m = y[g, i], mu[g, i]
            part = c * math.log(c / m) if c > 0.0 else 0.0
            if f == 0.0:
                total += part - (c - m)
            else:
                total += part - (c + 1.0 / f) * math.log1p(f * (c - m) / (1.0 + f * m))
        out[g] = 2.0 * total
    return out
