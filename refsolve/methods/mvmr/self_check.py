"""Every kernel of the method held against the textbook, on a locus of nine variants."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from refsolve.core.agreement import Check, checked, gap
from refsolve.methods.mvmr.kernels import regression, robust, selection
from refsolve.methods.mvmr.kernels.regression import Array
from refsolve.methods.mvmr.textbook import pleiotropy, winners
from refsolve.methods.mvmr.textbook import regression as textbook
from refsolve.methods.mvmr.textbook import selection as chosen

ROUNDING = 1e-9
ITERATED = 1e-6
SAMPLED = 1e-12  # draws are compared at equal seeds, or where they do not matter

J, K = 9, 2
_rng = np.random.default_rng(5)
R = 0.7 ** np.abs(np.subtract.outer(np.arange(J), np.arange(J)))
LAM: Array = np.asarray(np.linalg.eigvalsh(R), dtype=np.float64)
ROOT: Array = np.asarray(np.linalg.cholesky(R), dtype=np.float64)
X = 6.0 * _rng.standard_normal((J, K))
NOISE = np.array([[0.5, 0.1], [0.1, 0.4]])
Y = X @ np.array([0.4, -0.2]) + 1.5 * _rng.standard_normal(J)
ROWS = np.broadcast_to(NOISE, (J, K, K)).copy()
G = np.column_stack([Y, X]).T @ np.column_stack([Y, X])
THETA = np.array([0.3, -0.1])
Z = np.array([9.0, 7.5, 2.0, -1.0, -6.0, -8.0, 0.5, 1.0, 6.5])


def self_check() -> Iterator[tuple[str, float, float]]:
    """Check every kernel.

    Yields
    ------
    Qualified name of the kernel, largest absolute difference, and the difference that passes.
    """
    yield from checked(_CHECKS)


def _columns() -> Array:
    return np.asarray(np.linalg.inv(ROOT))


# Fits: regression


def _forward_solve() -> float:
    return gap(regression.forward_solve(ROOT, X), textbook.cholesky_whiten(X, R))


def _lower_root() -> float:
    return gap(regression.lower_root(R), ROOT)


def _eigen() -> float:
    values, vectors = regression.eigen(G)
    rebuilt = (vectors * values) @ vectors.T
    return max(gap(np.sort(values), np.linalg.eigvalsh(G)), gap(rebuilt, G)) / float(G.max())


def _gram() -> float:
    return gap(regression.gram(X, Y, np.ones(J)), G)


def _in_units_of() -> float:
    root = np.linalg.inv(np.linalg.cholesky(G))
    want = root @ np.diag([1.0, 2.0, 3.0]) @ root.T
    return gap(
        regression.in_units_of(np.asarray(np.linalg.cholesky(G)), np.diag([1.0, 2.0, 3.0])), want
    )


def _back_solve() -> float:
    v = Y.copy()
    regression.back_solve(ROOT, v)
    return gap(v, np.linalg.solve(ROOT.T, Y))


def _smallest_ratio() -> float:
    theta, q = regression.smallest_ratio(G, NOISE)
    want = textbook.liml(Y, X, NOISE)
    return max(gap(theta, want.theta), abs(q - want.q))


def _refits() -> float:
    theta, q = regression.refits(X[None], Y[None], np.zeros((K, K)))
    want = textbook.gls(X, Y, np.eye(J))
    return max(gap(theta[0], want.theta), abs(float(q[0]) - want.q))


def _variances() -> float:
    v, along = regression.variances(THETA, ROWS, 0.7, LAM)
    want = pleiotropy.residual_variance(THETA, 0.7, LAM, NOISE)
    return max(gap(v, want), gap(along[0], NOISE @ THETA))


def _moments() -> float:
    v, along = regression.variances(THETA, ROWS, 0.0, LAM)
    M, A, P = regression.moments(X, ROWS, v, along)
    bread = np.linalg.inv(A)
    return gap(bread @ (M - P) @ bread, textbook.sandwich(X, v, THETA, NOISE, -1.0))


def _floored_step() -> float:
    M = X.T @ X
    return gap(regression.floored_step(M, M - NOISE, THETA), np.linalg.solve(M - NOISE, THETA))


def _pleiotropy_excess() -> float:
    theta = pleiotropy.theta_given(0.7, Y, X, LAM, NOISE)
    base = np.full(J, 1.0 + theta @ NOISE @ theta)
    got = regression.pleiotropy_excess(X, Y - X @ theta, base, LAM, 0.7)
    return abs(got - pleiotropy.tau2_equation(0.7, Y, X, LAM, NOISE))


def _excess_at() -> float:
    theta = pleiotropy.theta_given(0.7, Y, X, LAM, NOISE)
    got = regression.excess_at(X, Y, ROWS, LAM, theta, 0.7)
    return abs(got - pleiotropy.tau2_equation(0.7, Y, X, LAM, NOISE))


def _weighted_squares() -> float:
    v = pleiotropy.residual_variance(THETA, 0.7, LAM, NOISE)
    got = regression.weighted_squares(X, Y, ROWS, 1.0 + 0.7 * LAM, THETA)
    return abs(got - float(np.sum((Y - X @ THETA) ** 2 / v)))


def _minimum() -> float:
    theta, converged = regression.minimum(X, Y, ROWS, 1.0 + 0.7 * LAM, THETA)
    want = pleiotropy.theta_given(0.7, Y, X, LAM, NOISE)
    return max(gap(theta, want), float(not converged))


def _balanced() -> float:
    theta, tau2, converged = regression.balanced(X, Y, ROWS, LAM, THETA, True)
    want = pleiotropy.balanced(Y, X, LAM, NOISE)
    return max(gap(theta, want.theta), abs(tau2 - want.tau2), float(not converged))


# Outliers: robust


def _ascending() -> float:
    return gap(robust.ascending(Y), np.sort(Y))


def _residuals() -> float:
    return gap(robust.residuals(X, Y, THETA), Y - X @ THETA)


def _least_squares() -> float:
    return gap(robust.least_squares(X, Y, np.ones(J)), textbook.gls(X, Y, np.eye(J)).theta)


def _concentrated() -> float:
    theta, squares = robust.concentrated(X, Y, THETA, J, 5)
    want = textbook.gls(X, Y, np.eye(J))
    return max(gap(theta, want.theta), abs(squares - want.q))


def _trimmed_start() -> float:
    pairs = np.array(list(itertools.combinations(range(J), K)), dtype=np.int64)
    return gap(robust.trimmed_start(X, Y, pairs, 6), pleiotropy.least_trimmed(Y, X, 6))


def _robust_scale() -> float:
    want = max(1.0, float(np.median(np.abs(Y))) / pleiotropy.MAD_OF_NORMAL)
    return abs(robust.robust_scale(Y) - want)


def _bisquare() -> float:
    return gap(robust.bisquare(Y, 2.0), pleiotropy.tukey_weight(Y, 2.0))


def _redescending() -> float:
    start = pleiotropy.least_trimmed(Y, X, 6)
    theta, scale, weight, converged = robust.redescending(X, Y, NOISE, start, 4.685)
    want = pleiotropy.robust(Y, X, NOISE, start)
    gaps = (gap(theta, want.theta), abs(scale - want.scale), gap(weight, want.weights))
    return max(*gaps, float(not converged))


def _additions() -> float:
    basis = np.linalg.qr(X)[0]
    free = _columns() - basis @ (basis.T @ _columns())
    e = Y - basis @ (basis.T @ Y)
    before = (_columns() ** 2).sum(axis=0)
    total = float(e @ e)
    q, after = robust.additions(free.T @ free, free.T @ e, before, total, np.array([4]))
    beside = np.column_stack([X, _columns()[:, 4]])
    fit = textbook.gls(beside, Y, np.eye(J))
    rest = [j for j in range(J) if j != 4]
    z = pleiotropy.shift_z(fit.projector, Y, _columns()[:, rest])
    return max(abs(q - fit.q), gap(after[rest], fit.q - z**2))


# Signals: selection


def _conditional_z() -> float:
    out, free = selection.conditional_z(Z, R, np.array([0, 5]))
    rest = [1, 2, 3, 4, 6, 7, 8]
    explained = [chosen.explained(R, j, [0, 5]) for j in rest]
    want = chosen.conditional_z(Z, R, [0, 5])
    return max(gap(out[rest], want[rest]), gap(1.0 - free[rest], explained))


def _stepwise() -> float:
    got = selection.stepwise(Z, R, 3.0, 0.1)
    want = np.sort(chosen.stepwise(Z, R, 3.0))
    return float(got.size != want.size) or gap(got, want)


def _upper_normal() -> float:
    rng = np.random.default_rng(1)
    draws = [selection.upper_normal(a, rng) - a for a in (-1.0, 0.0, 3.0) for _ in range(50)]
    return max(0.0, -min(draws))


def _truncated_mean() -> float:
    # With an uncorrelated vector the conditional means do not depend on the draws.
    mean, bound = np.array([2.0, -1.0]), np.array([2.5, 2.0])
    rng = np.random.default_rng(1)
    got = selection.truncated_mean(mean, np.eye(2), bound, np.array([3.0, -3.0]), 50, rng)
    want = [winners.selected_mean(m, b) for m, b in zip(mean, bound, strict=True)]
    return gap(got, want)


_CHECKS: tuple[Check, ...] = (
    (regression.forward_solve, _forward_solve, ROUNDING),
    (regression.lower_root, _lower_root, ROUNDING),
    (regression.eigen, _eigen, ROUNDING),
    (regression.gram, _gram, ROUNDING),
    (regression.in_units_of, _in_units_of, ROUNDING),
    (regression.back_solve, _back_solve, ROUNDING),
    (regression.smallest_ratio, _smallest_ratio, ROUNDING),
    (regression.refits, _refits, ROUNDING),
    (regression.variances, _variances, ROUNDING),
    (regression.moments, _moments, ROUNDING),
    (regression.floored_step, _floored_step, ROUNDING),
    (regression.pleiotropy_excess, _pleiotropy_excess, ITERATED),
    (regression.weighted_squares, _weighted_squares, ROUNDING),
    (regression.minimum, _minimum, ITERATED),
    (regression.excess_at, _excess_at, ITERATED),
    (regression.balanced, _balanced, ITERATED),
    (robust.ascending, _ascending, ROUNDING),
    (robust.residuals, _residuals, ROUNDING),
    (robust.least_squares, _least_squares, ROUNDING),
    (robust.concentrated, _concentrated, ROUNDING),
    (robust.trimmed_start, _trimmed_start, ROUNDING),
    (robust.robust_scale, _robust_scale, ROUNDING),
    (robust.bisquare, _bisquare, ROUNDING),
    (robust.redescending, _redescending, ITERATED),
    (robust.additions, _additions, ROUNDING),
    (selection.conditional_z, _conditional_z, ROUNDING),
    (selection.stepwise, _stepwise, ROUNDING),
    (selection.upper_normal, _upper_normal, SAMPLED),
    (selection.truncated_mean, _truncated_mean, ROUNDING),
)
