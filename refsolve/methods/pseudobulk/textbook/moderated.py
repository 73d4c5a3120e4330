"""Linear models of log counts or scores: precision weights, sample weights, blocks, moderated t."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import t as t_distribution

from refsolve.methods.pseudobulk.textbook.dispersion import scaled_f, squeezed

Array = NDArray[np.float64]


class LinearFit(NamedTuple):
    """Weighted least squares by gene: coefficients, unscaled covariance, variance, df."""

    beta: Array
    unscaled: Array
    variance: Array
    df: Array


def least_squares(
    y: Array, x: Array, weight: Array | None = None, v: Array | None = None
) -> LinearFit:
    """Fit of each row of y; errors have the correlation v and precision `weight`."""
    w = np.ones_like(y) if weight is None else np.broadcast_to(weight, y.shape)
    n, p = x.shape
    beta, unscaled, variance = np.empty((len(y), p)), np.empty((len(y), p, p)), np.empty(len(y))
    for i, (row, one) in enumerate(zip(y, w, strict=True)):
        root = 1.0 / np.sqrt(one)
        covariance = np.diag(root**2) if v is None else v * np.outer(root, root)
        half = np.linalg.cholesky(covariance)
        a, b = np.linalg.solve(half, x), np.linalg.solve(half, row)
        unscaled[i] = np.linalg.inv(a.T @ a)
        beta[i] = unscaled[i] @ (a.T @ b)
        variance[i] = ((b - a @ beta[i]) ** 2).sum() / (n - p)
    return LinearFit(beta, unscaled, variance, np.full(len(y), float(n - p)))


def robust_local_line(x: Array, y: Array, share: float = 0.5, rounds: int = 3) -> Array:
    """Cleveland's local line with tricube and then bisquare weights, at each x.

    Lines are fitted at points more than a hundredth of the range apart, and joined.
    """
    order = np.argsort(x, kind="stable")
    a, b = x[order], y[order]
    n = a.size
    k = min(max(int(share * n + 1e-7), 2), n)
    step = 0.01 * (a[-1] - a[0])
    robust, fitted = np.ones(n), np.zeros(n)
    for round_ in range(rounds + 1):
        left, last, i = 0, -1, 0
        while True:
            right = left + k - 1
            while right < n - 1 and a[i] - a[left] > a[right + 1] - a[i]:
                left, right = left + 1, right + 1
            value = _line_at(a, b, a[i], left, right, robust)
            fitted[i] = b[i] if value is None else value
            if last < i - 1:
                part = (a[last + 1 : i] - a[last]) / (a[i] - a[last])
                fitted[last + 1 : i] = part * fitted[i] + (1.0 - part) * fitted[last]
            last, cut = i, a[i] + step
            i = last + 1
            while i < n and a[i] <= cut:
                if a[i] == a[last]:
                    fitted[i], last = fitted[last], i
                i += 1
            i = max(last + 1, i - 1)
            if last >= n - 1:
                break
        if round_ == rounds:
            break
        away = np.abs(b - fitted)
        scale = 6.0 * np.median(away)
        if scale < 1e-7 * away.mean():
            break
        robust = np.where(away <= 0.001 * scale, 1.0, (1.0 - (away / scale) ** 2) ** 2)
        robust[away > 0.999 * scale] = 0.0
    out = np.empty(n)
    out[order] = fitted
    return out


def _line_at(a: Array, b: Array, at: float, left: int, right: int, robust: Array) -> float | None:
    width = max(at - a[left], a[right] - at)
    stop = right + 1
    while stop < a.size and abs(a[stop] - at) <= 0.999 * width:
        stop += 1
    away = np.abs(a[left:stop] - at)
    weight = np.where(away <= 0.001 * width, 1.0, (1.0 - (away / width) ** 3) ** 3)
    weight = np.where(away <= 0.999 * width, weight, 0.0) * robust[left:stop]
    if weight.sum() <= 0.0:
        return None
    weight = weight / weight.sum()
    centre = float(weight @ a[left:stop])
    spread = float(weight @ (a[left:stop] - centre) ** 2)
    if np.sqrt(spread) > 0.001 * (a[-1] - a[0]):
        weight = weight * (1.0 + (at - centre) * (a[left:stop] - centre) / spread)
    return float(weight @ b[left:stop])


class Voom(NamedTuple):
    """Log2 counts per million and their precision."""

    values: Array
    weight: Array


def voom(
    counts: Array,
    x: Array,
    library: Array,
    *,
    sample: Array | None = None,
    correlation: Array | None = None,
) -> Voom:
    """Precision of log counts from the trend of their spread, eq. (11)."""
    values = np.log2((counts + 0.5) / (library + 1.0) * 1e6)
    weight = None if sample is None else np.broadcast_to(sample, values.shape)
    fit = least_squares(values, x, weight, correlation)
    level = values.mean(axis=1) + np.log2(library + 1.0).mean() - np.log2(1e6)
    root = fit.variance**0.25
    trend = robust_local_line(level, root)
    order = np.argsort(level, kind="stable")
    expected = fit.beta @ x.T + np.log2(library + 1.0) - np.log2(1e6)
    spread = np.interp(expected, level[order], trend[order])
    return Voom(values, spread**-4.0)


class Moderated(NamedTuple):
    """Moderated t of one coefficient."""

    t: Array
    p: Array
    df: Array
    prior_variance: float
    prior_df: float
    variance: Array


def moderated(fit: LinearFit, k: int) -> Moderated:
    """Moderated t test of coefficient k, eq. (12)."""
    scale, prior = scaled_f(fit.variance, fit.df)
    posterior = squeezed(fit.variance, fit.df, scale, prior)
    t = fit.beta[:, k] / np.sqrt(fit.unscaled[:, k, k] * posterior)
    df = np.minimum(fit.df + prior, fit.df.sum())
    return Moderated(
        t, 2.0 * t_distribution.sf(np.abs(t), df), df, float(scale[0]), prior, posterior
    )


def sample_weights(y: Array, x: Array, weight: Array, prior: float = 10.0) -> Array:
    """Precision of whole samples, product one, updated gene by gene, eq. (13)."""
    n = x.shape[0]
    z = np.vstack([np.eye(n - 1), -np.ones(n - 1)])
    both = np.column_stack([np.ones(n), z])
    gamma, information = np.zeros(n - 1), prior * z.T @ z
    for row, one in zip(y, weight, strict=True):
        w = np.exp(-z @ gamma) * one
        root = np.sqrt(w)
        q, _ = np.linalg.qr(x * root[:, np.newaxis])
        hat = (q**2).sum(axis=1)
        residual = root * row - q @ (q.T @ (root * row))
        s2 = (residual**2).sum() / (n - x.shape[1])
        if s2 < 1e-15:
            continue
        full = both.T @ ((1.0 - hat)[:, np.newaxis] * both)
        information = information + full[1:, 1:] - np.outer(full[1:, 0], full[0, 1:]) / full[0, 0]
        gamma = gamma + np.linalg.solve(information, z.T @ (residual**2 / s2 - (1.0 - hat)))
    return np.asarray(np.exp(-z @ gamma))


def block_matrix(block: Array, rho: float) -> Array:
    """Correlation matrix of samples that share blocks."""
    same = np.equal.outer(block, block).astype(float)
    return np.asarray(rho * same + (1.0 - rho) * np.eye(block.size))


def block_correlation(y: Array, x: Array, block: Array, weight: Array | None = None) -> float:
    """Correlation within blocks, common to all genes: trimmed mean of Fisher's z, eq. (14)."""
    w = np.ones_like(y) if weight is None else weight
    z = np.equal.outer(block, np.unique(block)).astype(float)
    rho = np.array([_one_correlation(row, x, z, one) for row, one in zip(y, w, strict=True)])
    smallest = 1.0 / (1.0 - z.sum(axis=0).max()) + 0.01
    angle = np.sort(np.arctanh(np.clip(rho[np.isfinite(rho)], smallest, 0.99)))
    cut = int(0.15 * angle.size)
    return float(np.tanh(angle[cut : angle.size - cut].mean()))


def _one_correlation(row: Array, x: Array, z: Array, weight: Array) -> float:
    """REML share of the variance between blocks; negative where blocks differ less than chance."""
    root = np.sqrt(weight)
    a, b, y = x * root[:, np.newaxis], z, row * root
    u, s, _ = np.linalg.svd(a)
    free = u[:, (s > 1e-10 * s[0]).sum() :]
    value, vector = np.linalg.eigh(free.T @ b @ b.T @ free)
    square = (vector.T @ (free.T @ y)) ** 2

    def loss(rho: float) -> float:
        scale = 1.0 - rho + rho * value
        if (scale <= 0).any():
            return np.inf
        return float(np.log(scale).sum() + square.size * np.log((square / scale).mean()))

    low = max(-1.0 / (value.max() - 1.0), -10.0) if value.max() > 1 else -1.0
    grid = np.linspace(low + 1e-6, 1.0 - 1e-6, 201)
    k = int(np.argmin([loss(r) for r in grid]))
    found = minimize_scalar(
        loss,
        bounds=(grid[max(k - 1, 0)], grid[min(k + 1, 200)]),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(found.x)
