"""Levels of bins: what every bin multiplies the counts of its row and column with.

The pooled counts of one condition are fitted by intercept, distance and one level per bin. A level
holds everything that belongs to a bin (GC content, mappability, a structural variant), so that
nothing that deviates in one bin contaminates another, however many deviate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import ndtr

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.errors import AnalysisError
from refsolve.methods.contact_expected.model.background import Background, distance_features
from refsolve.methods.contact_expected.model.table import ContactTable

CLIPPED = 1.5  # standard deviations beyond which a pixel counts less
REJECTED = 4.685  # and beyond which it does not count
RIDGE = 0.04  # precision of the levels: a row of zeros keeps a finite one
ROUNDS = 60
ROUGH, DIGITS = 1e-2, 1e-5  # last step of a level
FEWEST = 3  # pixels with contacts
WIDEST = 5.0  # step of a level


@dataclass(frozen=True, slots=True)
class Levels:
    """Log levels of the bins of one condition.

    Attributes
    ----------
    level
        Natural log (B,); NaN without pixels.
    inflation
        Variance of a level times its information with everything else known (B,).
    mean
        Expected pooled counts (P,); NaN where not used.
    weight
        Of the pixels (P,); zero where not used.
    omega
        Dispersion of the pooled counts: their variance is M + ωM².
    df
        Pixels less coefficients.
    """

    level: FloatArray
    inflation: FloatArray
    mean: FloatArray
    weight: FloatArray
    omega: float
    df: int


@dataclass(frozen=True, slots=True)
class _Pool:
    """Pooled counts y, log exposure, features and bins of the used pixels `where`, their df."""

    where: NDArray[np.bool_]
    y: FloatArray
    offset: FloatArray
    features: FloatArray
    first: IntArray
    second: IntArray
    n_bins: int
    df: int


def fit_levels(table: ContactTable, background: Background) -> list[Levels]:
    """Robust fit of the levels of every condition.

    Pixels that fit badly in any condition lose weight in all of them: a domain or compartment
    that the conditions share then enters their levels alike, and cancels in contrasts.

    Parameters
    ----------
    table, background
        The data, and the model whose distance terms are used.
    """
    pools = [_pooled(table, background, c) for c in range(len(table.conditions))]
    rough = [_iterate(pool, _start(pool), None) for pool in pools]
    weight = np.ones(table.bin1.size)
    for pool, fit in zip(pools, rough, strict=True):
        weight[pool.where] = np.minimum(weight[pool.where], fit.weight)
    fits = [
        _iterate(pool, fit.theta, weight[pool.where])
        for pool, fit in zip(pools, rough, strict=True)
    ]
    return [_levels(table, pool, fit) for pool, fit in zip(pools, fits, strict=True)]


@dataclass(frozen=True, slots=True)
class _Fit:
    """Coefficients and levels, their information, weights of the pixels, and dispersion."""

    theta: FloatArray
    hessian: FloatArray
    weight: FloatArray
    omega: float


def _start(pool: _Pool) -> FloatArray:
    theta = np.zeros(pool.features.shape[1] + pool.n_bins)
    theta[0] = np.log(pool.y.sum() / np.exp(pool.offset).sum())
    return theta


def _iterate(pool: _Pool, theta: FloatArray, known: FloatArray | None) -> _Fit:
    """Fisher scoring with known weights; or with clipped pixels first, then rejected ones."""
    stages = ((False, ROUGH), (True, DIGITS)) if known is None else ((True, DIGITS),)
    for redescend, close in stages:
        for _ in range(ROUNDS):
            eta = _eta(pool, theta)
            omega = _dispersion(pool.y, np.exp(eta), pool.df)
            weight = _pixel_weight(pool.y, np.exp(eta), omega, redescend)
            weight = weight if known is None else known
            step, hessian = _step(pool, theta, eta, omega, weight)
            theta = theta + np.clip(step, -WIDEST, WIDEST)
            if np.abs(step).max() < close:
                break
    return _Fit(theta, hessian, weight, omega)


def _pooled(table: ContactTable, background: Background, c: int) -> _Pool:
    mine = table.code == c
    use, y = table.used[mine], np.where(table.used[mine], table.counts[mine], 0.0)
    if int((y.sum(axis=0) > 0.0).sum()) < FEWEST:
        raise AnalysisError(
            f"condition {table.conditions[c]} has contacts on fewer than {FEWEST} used pixels.",
            hint="Mask fewer bins, or leave the condition out.",
        )
    common = use.all(axis=0)
    seen = y[:, common].sum(axis=1)
    depth = seen if seen.all() else y.sum(axis=1) / np.maximum(use.sum(axis=1), 1)
    known = np.zeros(y.shape) if table.offset is None else table.offset[mine]
    exposure = np.sum(use * (depth / depth.sum())[:, None] * np.exp(known), axis=0)
    any_ = use.any(axis=0) & (exposure > 0.0)
    distance, _ = distance_features(background, table.log_distance, any_)
    features = np.column_stack([np.ones(any_.sum()), distance[any_]])
    offset = np.log(exposure[any_])
    first, second = table.bin1[any_], table.bin2[any_]
    known = np.unique([first, second]).size
    df = max(int(first.size - features.shape[1] - known + 1), 1)
    return _Pool(any_, y.sum(axis=0)[any_], offset, features, first, second, table.n_bins, df)


def _eta(pool: _Pool, theta: FloatArray) -> FloatArray:
    q = pool.features.shape[1]
    level = theta[q:]
    fixed = pool.offset + pool.features @ theta[:q]
    return np.asarray(np.minimum(fixed + level[pool.first] + level[pool.second], 50.0))


def _clip(mean: FloatArray, at: float) -> FloatArray:
    """Standard deviations at which a pixel is clipped: further out where counts are skewed."""
    return np.asarray(at * (1.0 + 2.0 / np.sqrt(mean)))


def _pixel_weight(y: FloatArray, mean: FloatArray, omega: float, redescend: bool) -> FloatArray:
    size = np.abs(y - mean) / np.sqrt(mean * (1.0 + omega * mean))
    if redescend:
        return np.asarray(np.clip(1.0 - (size / _clip(mean, REJECTED)) ** 2, 0.0, None) ** 2)
    return np.asarray(np.minimum(1.0, _clip(mean, CLIPPED) / np.maximum(size, 1e-300)))


def _dispersion(y: FloatArray, mean: FloatArray, df: int) -> float:
    """ω at which the clipped squares of the residuals are as large as those of normal ones."""
    at = _clip(mean, CLIPPED)
    tail = ndtr(-at)
    density = np.exp(-0.5 * at**2) / np.sqrt(2.0 * np.pi)
    target = df / y.size * np.sum(1.0 - 2.0 * tail - 2.0 * at * density + 2.0 * at**2 * tail)
    squares = (y - mean) ** 2 / mean

    def excess(omega: float) -> float:
        return float(np.minimum(squares / (1.0 + omega * mean), at**2).sum() - target)

    if excess(0.0) <= 0.0:
        return 0.0
    low, high = 0.0, 1.0
    while excess(high) > 0.0 and high < 1e6:
        low, high = high, 4.0 * high
    while high - low > 1e-3 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) > 0.0 else (low, middle)
    return high


def _step(
    pool: _Pool, theta: FloatArray, eta: FloatArray, omega: float, weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Step of Fisher scoring, and the expected information with the prior of the levels."""
    q, mean = pool.features.shape[1], np.exp(eta)
    rest = weight * (pool.y - mean) / (1.0 + omega * mean)
    w = weight * mean / (1.0 + omega * mean)
    out = np.zeros((theta.size, theta.size))
    out[:q, :q] = (pool.features * w[:, None]).T @ pool.features
    for k in range(q):
        column = _by_bin(pool, w * pool.features[:, k])
        out[k, q:], out[q:, k] = column, column
    inner = out[q:, q:]
    inner[pool.first, pool.second] = w
    inner += inner.T
    np.fill_diagonal(inner, _by_bin(pool, w) + RIDGE)
    score = np.concatenate([pool.features.T @ rest, _by_bin(pool, rest) - RIDGE * theta[q:]])
    return np.asarray(cho_solve(cho_factor(out), score)), out


def _by_bin(pool: _Pool, values: FloatArray) -> FloatArray:
    n = pool.n_bins
    both = np.bincount(pool.first, values, n) + np.bincount(pool.second, values, n)
    return both.astype(np.float64)


def _levels(table: ContactTable, pool: _Pool, fit: _Fit) -> Levels:
    q = pool.features.shape[1]
    present = _by_bin(pool, np.ones(pool.y.size)) > 0.0
    # The mean level is the intercept's: neither estimate nor variance of it is asked for.
    covariance = cho_solve(cho_factor(fit.hessian), np.eye(fit.theta.size))[q:, q:]
    inside = covariance[np.ix_(present, present)]
    centred = np.diag(inside) - 2.0 * inside.mean(axis=0) + inside.mean()
    level, inflation = np.full(table.n_bins, np.nan), np.full(table.n_bins, np.nan)
    level[present] = fit.theta[q:][present]
    alone = np.diag(fit.hessian)[q:][present]
    inflation[present] = np.maximum(centred * alone, 1.0) * _inefficiency(pool, fit)
    mean, weight = np.full(pool.where.size, np.nan), np.zeros(pool.where.size)
    mean[pool.where] = np.exp(_eta(pool, fit.theta))
    weight[pool.where] = fit.weight
    return Levels(level, inflation, mean, weight, fit.omega, pool.df)


def _inefficiency(pool: _Pool, fit: _Fit) -> float:
    """Variance of the robust estimate over the inverse of its information."""
    mean = np.exp(_eta(pool, fit.theta))
    w = mean / (1.0 + fit.omega * mean)
    r = (pool.y - mean) / np.sqrt(mean * (1.0 + fit.omega * mean))
    u2 = np.minimum((r / _clip(mean, REJECTED)) ** 2, 1.0)
    slope = np.sum(w * (1.0 - u2) * (1.0 - 5.0 * u2)) / np.sum(w * (1.0 - u2) ** 2)
    squares = np.sum(w * fit.weight**2 * r**2) / np.sum(w * fit.weight)
    return float(squares * pool.y.size / pool.df / slope**2)
