"""Kernels of many genes held against the textbook, on three genes of two dozen donors."""

from __future__ import annotations

import numpy as np

from refsolve.core.agreement import Check, gap
from refsolve.methods.count_glm.kernels import many
from refsolve.methods.count_glm.kernels.linear import Array
from refsolve.methods.count_glm.textbook import likelihood as book
from refsolve.methods.count_glm.textbook import native as book_native

ROUNDING = 1e-9
DIFFERENCES = 1e-5  # of a likelihood, instead of its derivative
ITERATED = 1e-6

N, P, ALPHA, H = 24, 3, 0.3, 1e-5
_rng = np.random.default_rng(11)
X = np.column_stack([np.ones(N), np.tile([0.0, 1.0], N // 2), _rng.standard_normal(N)])
S = np.exp(_rng.normal(9.0, 0.4, (1, N)))
A = S * _rng.uniform(0.0, 2e-3, (3, N))
MU = A + S * np.exp(X @ np.array([-6.0, 0.4, 0.2]))
Y = _rng.poisson(MU * _rng.gamma(3.0, 1.0 / 3.0, MU.shape)).astype(np.float64)
ONES = np.array([1.0, 0.0, 0.0])
WAYS = (many.POISSON, many.PROFILE, many.ADJUSTED, many.NATIVE)


def _dispersion(g: int, how: int, x: Array = X) -> float:
    """Of a gene, by the textbook."""
    if how == many.POISSON:
        return 0.0
    if how == many.NATIVE:
        return book_native.quasi_dispersion(Y[g], x, S[0], A[g])
    return book.dispersion(Y[g], x, S[0], A[g], adjusted=how == many.ADJUSTED)


def _slope_in_log() -> float:
    mu = MU[0]
    up, down = (book.log_likelihood(Y[0], mu, ALPHA * np.exp(h)) for h in (H, -H))
    return float(abs(many.slope_in_log(Y[0], mu, ALPHA)[0] - (up - down) / (2.0 * H)))


def _moment_log() -> float:
    share = 1.0 / (MU[0] + 1.0)
    over = (((Y[0] - MU[0]) ** 2 - MU[0]) * share).sum() / (MU[0] ** 2 * share).sum()
    return float(abs(many.moment_log(Y[0], MU[0]) - np.log(np.clip(over, 0.01, 5.0))))


def _together() -> float:
    beta = np.array([-6.0, 0.0, 0.0])
    alpha, good = many.together(Y[0], X, S[0], A[0], True, beta, np.empty((4, N)), np.empty((P, P)))
    return abs(np.log(alpha / _dispersion(0, many.ADJUSTED))) if good else np.inf


def _native_rows() -> float:
    m, rows = MU[0] - A[0], np.empty((2, N))
    square, moving = many.native_rows(Y[0], m, MU[0], ALPHA, rows[0], rows[1])
    v = book_native.variance(m, MU[0], ALPHA)
    left = (Y[0] - MU[0]) ** 2 / v
    want = (m * (Y[0] - MU[0]) / v, m**2 / v)
    sums = [left.sum(), (left * ALPHA * m**2 / v).sum()]
    return max(gap(rows, want), gap([square, moving], sums))


def _together_native() -> float:
    beta = np.array([-6.0, 0.0, 0.0])
    alpha, good = many.together_native(
        Y[0], X, S[0], A[0], beta, np.empty((4, N)), np.empty((P, P))
    )
    return abs(np.log(alpha / _dispersion(0, many.NATIVE))) if good else np.inf


def _fit_gene() -> float:
    worst = 0.0
    for how in WAYS:
        beta, rows, square = np.empty(P), np.empty((4, N)), np.empty((P, P))
        alpha, _ = many.fit_gene(Y[1], X, S[0], A[1], how, ONES, beta, rows, square)
        worst = max(worst, abs(alpha - _dispersion(1, how)))
        part = rows[0] if how == many.NATIVE else rows[1]
        variance = rows[1] + alpha * part**2
        worst = max(worst, gap(rows[2], rows[0] * (Y[1] - rows[1]) / variance))
        worst = max(worst, gap(rows[3], rows[0] ** 2 / variance), gap(X.T @ rows[2], 0.0))
    return worst


def _fit_genes() -> float:
    g = len(Y)
    beta, alpha, code = np.empty((g, P)), np.empty(g), np.empty(g, np.int64)
    score, weight = np.empty((g, N)), np.empty((g, N))
    many.fit_genes(Y, X, S, A, many.PROFILE, ONES, beta, alpha, score, weight, code)
    want = [book.fit(Y[k], X, S[0], A[k], _dispersion(k, many.PROFILE)) for k in range(g)]
    return max(gap(beta, [one.beta for one in want]), float(np.abs(code).max()))


def _refit_gene() -> float:
    ones = np.array([0.0, 1.0, 0.0])
    x = np.ascontiguousarray(X[:, [1, 0, 2]])
    effect, se, alpha, pearson, _ = many.refit_gene(Y[2], x, S[0], A[2], many.ADJUSTED, ones)
    want = book.fit(Y[2], x, S[0], A[2], _dispersion(2, many.ADJUSTED, x))
    squares = ((Y[2] - want.mu) ** 2 / (want.mu * (1.0 + alpha * want.mu))).sum()
    own = [want.beta[2], np.sqrt(want.covariance[2, 2]), squares]
    return gap([effect, se, pearson], own)


MAPPING: tuple[Check, ...] = (
    (many.slope_in_log, _slope_in_log, DIFFERENCES),
    (many.moment_log, _moment_log, ROUNDING),
    (many.together, _together, ITERATED),
    (many.native_rows, _native_rows, ROUNDING),
    (many.together_native, _together_native, ITERATED),
    (many.fit_gene, _fit_gene, ITERATED),
    (many.fit_genes, _fit_genes, ITERATED),
    (many.refit_gene, _refit_gene, ITERATED),
)
