"""Weighted least squares of many genes on one design, eqs. (11)-(13)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.jit import kernel

Array = NDArray[np.float64]

LEAST_VARIANCE = 1e-15  # a gene below it says nothing about the precision of samples


@kernel
def orthogonalise(a: Array, r: Array) -> None:
    """Gram-Schmidt twice: a (n, p) becomes orthonormal, r (p, p) upper triangular, a_old = a r."""
    n, p = a.shape
    r[:] = 0.0
    for k in range(p):
        for _ in range(2):
            for m in range(k):
                dot = 0.0
                for i in range(n):
                    dot += a[i, m] * a[i, k]
                r[m, k] += dot
                for i in range(n):
                    a[i, k] -= dot * a[i, m]
        square = 0.0
        for i in range(n):
            square += a[i, k] * a[i, k]
        r[k, k] = math.sqrt(square)
        for i in range(n):
            a[i, k] /= r[k, k]


@kernel
def inverse_upper(r: Array, out: Array) -> None:  # r, out (p, p)
    """Inverse of an upper triangular matrix."""
    p = r.shape[0]
    out[:] = 0.0
    for k in range(p):
        out[k, k] = 1.0 / r[k, k]
        for m in range(k - 1, -1, -1):
            total = 0.0
            for j in range(m + 1, k + 1):
                total += r[m, j] * out[j, k]
            out[m, k] = -total / r[m, m]


@kernel
def whiten(white: Array, root: Array, x: Array, row: Array, a: Array, b: Array) -> None:
    """Fills a (n, p) and b (n,): x and row times root (n,), then white (n, n), lower triangular."""
    n, p = x.shape
    for i in range(n):
        b[i] = 0.0
        for k in range(p):
            a[i, k] = 0.0
        for j in range(i + 1):
            v = white[i, j] * root[j]
            if v != 0.0:
                b[i] += v * row[j]
                for k in range(p):
                    a[i, k] += v * x[j, k]


@kernel
def weighted_fits(
    y: Array, x: Array, weight: Array, white: Array
) -> tuple[Array, Array, Array]:  # y, weight (G, n), x (n, p), white (n, n)
    """Coefficients (G, p), unscaled covariances (G, p, p), residual variances (G,).

    white is the inverse of the Cholesky factor of the correlation of samples.
    """
    n_genes, n, p = y.shape[0], x.shape[0], x.shape[1]
    beta, unscaled = np.empty((n_genes, p)), np.empty((n_genes, p, p))
    variance = np.empty(n_genes)
    a, b, root = np.empty((n, p)), np.empty(n), np.empty(n)
    r, inverse, along = np.empty((p, p)), np.empty((p, p)), np.empty(p)
    for g in range(n_genes):
        for i in range(n):
            root[i] = math.sqrt(weight[g, i])
        whiten(white, root, x, y[g], a, b)
        orthogonalise(a, r)
        inverse_upper(r, inverse)
        for k in range(p):
            along[k] = 0.0
            for i in range(n):
                along[k] += a[i, k] * b[i]
            for i in range(n):
                b[i] -= along[k] * a[i, k]
        square = 0.0
        for i in range(n):
            square += b[i] * b[i]
        variance[g] = square / (n - p)
        for k in range(p):
            beta[g, k] = 0.0
            for m in range(k, p):
                beta[g, k] += inverse[k, m] * along[m]
            for j in range(p):
                unscaled[g, k, j] = 0.0
                for m in range(max(k, j), p):
                    unscaled[g, k, j] += inverse[k, m] * inverse[j, m]
    return beta, unscaled, variance


@kernel
def sample_precisions(
    y: Array, x: Array, weight: Array, prior: float
) -> Array:  # y, weight (G, n), x (n, p) -> (n,)
    """Precision of whole samples, product one, updated gene by gene, eq. (13)."""
    n, p = x.shape
    gamma, z = np.zeros(n - 1), np.zeros((n, n - 1))
    for k in range(n - 1):
        z[k, k], z[n - 1, k] = 1.0, -1.0
    information = prior * (z.T @ z)
    a, b, root, one = np.empty((n, p)), np.empty(n), np.empty(n), np.eye(n)
    r, w = np.empty((p, p)), np.empty(n)
    for g in range(y.shape[0]):
        w[:] = np.exp(-(z @ gamma))
        for i in range(n):
            root[i] = math.sqrt(w[i] * weight[g, i])
        whiten(one, root, x, y[g], a, b)
        orthogonalise(a, r)
        free = 1.0 - (a * a).sum(axis=1)
        b -= a @ (a.T @ b)
        s2 = (b * b).sum() / (n - p)
        if s2 < LEAST_VARIANCE:
            continue
        total, last = free.sum(), n - 1
        for k in range(n - 1):
            for m in range(n - 1):
                part = free[last] + (free[k] if k == m else 0.0)
                lean = (free[k] - free[last]) * (free[m] - free[last])
                information[k, m] += part - lean / total
        gamma += np.linalg.solve(information, z.T @ (b * b / s2 - free))
    out: Array = np.exp(-(z @ gamma))
    return out
