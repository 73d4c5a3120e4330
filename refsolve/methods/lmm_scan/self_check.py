"""Every kernel of the method held against the textbook, on forty lines and three positions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from refsolve.core.agreement import Check, checked, gap
from refsolve.methods.lmm_scan import textbook
from refsolve.methods.lmm_scan.estimator.positions import fixed_share_lod
from refsolve.methods.lmm_scan.kernels import positions, variance
from refsolve.methods.lmm_scan.kernels.variance import Array
from refsolve.methods.lmm_scan.model.design import Design
from refsolve.methods.lmm_scan.model.null import NullModel, fit_null

ROUNDING = 1e-9
ITERATED = 1e-6
SHARE = 0.3
N, M, FOUNDERS = 40, 3, 4
K = FOUNDERS - 1

_rng = np.random.default_rng(3)
P: Array = _rng.dirichlet(np.full(FOUNDERS, 0.3), (N, 20))
X: Array = np.column_stack([np.ones(N), _rng.standard_normal(N)])
KINSHIP: Array = textbook.kinship(P[:, M:])
D, V = np.linalg.eigh(2.0 * KINSHIP)
Y: Array = P[:, 0, 1] + V @ (np.sqrt(D) * _rng.standard_normal(N)) + 0.4 * _rng.standard_normal(N)
FIXED: Array = V.T @ np.linalg.qr(X)[0]
TURNED: Array = V.T @ Y
Z: Array = np.ascontiguousarray((V.T @ P[:, :M, 1:].reshape(N, -1)).reshape(N, M, K).swapaxes(1, 2))


def self_check() -> Iterator[tuple[str, float, float]]:
    """Check every kernel.

    Returns
    -------
    Qualified name of the kernel, largest absolute difference, and the difference that passes.
    """
    return checked(_CHECKS)


# Variance share


def _weights() -> Array:
    return np.asarray(1.0 / (SHARE * D + 1.0 - SHARE))


def _moments() -> float:
    got, logs = variance.moments(D, SHARE, FIXED, TURNED)
    columns = np.column_stack([FIXED, TURNED])
    want = columns.T @ (_weights()[:, None] * columns)
    v = textbook.covariance(SHARE, KINSHIP, N)
    return max(gap(np.tril(got), np.tril(want)), gap(-logs, np.linalg.slogdet(v)[1]))


def _eliminate() -> float:
    logs, rank, rest = variance.eliminate(variance.moments(D, SHARE, FIXED, TURNED)[0])
    v = textbook.covariance(SHARE, KINSHIP, N)
    x, y = textbook.whitened(X, v), textbook.whitened(Y, v)
    rss, want = textbook.residual(x, y)
    size = np.linalg.slogdet(x.T @ x)[1] - np.linalg.slogdet(X.T @ X)[1]
    return gap([logs, rank, rest], [size, want, rss])


def _log_likelihood() -> float:
    return max(
        gap(
            variance.log_likelihood(share, D, FIXED, TURNED, restricted),
            textbook.log_likelihood(share, Y, X, KINSHIP, "reml" if restricted else "ml"),
        )
        for share in (0.0, 0.3, 0.9)
        for restricted in (True, False)
    )


def _climb() -> float:
    share, value = variance.climb(0.0, 0.99, D, FIXED, TURNED, True)
    want = textbook.fit_null(Y, X, KINSHIP)
    return max(abs(share - want.heritability), abs(value - want.log_likelihood))


def _best_share() -> float:
    share, value = variance.best_share(D, FIXED, TURNED, False, 12)
    want = textbook.fit_null(Y, X, KINSHIP, "ml")
    return max(abs(share - want.heritability), abs(value - want.log_likelihood))


def _exact_positions() -> float:
    null = fit_null(Y, Design(X[:, 1:], ("x",)), KINSHIP, criterion="ml")
    value, _share, rank = variance.exact_positions(D, FIXED, TURNED, Z)
    want = textbook.scan(Y, P[:, :M], X, KINSHIP, exact=True)
    lod = (value - null.log_likelihood) / np.log(10.0)
    return max(gap(lod, want.lod), gap(rank, want.rank))


# Shrinkage


def _along() -> tuple[Array, Array, float, int]:
    """Eigenvalues, products, squares and spare lines of the founders of the first position."""
    free = P[:, 0] - X @ np.linalg.lstsq(X, P[:, 0], rcond=None)[0]
    rest = Y - X @ np.linalg.lstsq(X, Y, rcond=None)[0]
    values, vectors = np.linalg.eigh(free.T @ free)
    s = np.asarray(np.maximum(values, 0.0))
    return s, np.asarray(vectors.T @ (free.T @ rest)), float(rest @ rest), N - X.shape[1]


def _on_share(ratio: float) -> float:
    """Textbook likelihood of λ: that of the share λ/(1 + λ) with half of ZZ' as kinship."""
    half = P[:, 0] @ P[:, 0].T / 2.0
    return textbook.log_likelihood(ratio / (1.0 + ratio), Y, X, half)


def _ridge_likelihood() -> float:
    return max(abs(variance.ridge_likelihood(r, *_along()) - _on_share(r)) for r in (0.0, 0.2, 3.0))


def _ridge_slope() -> float:
    step = 1e-5
    want = (_on_share(0.2 + step) - _on_share(0.2 - step)) / (2.0 * step)
    return abs(variance.ridge_slope(0.2, *_along()) - want)


def _best_ratio() -> float:
    ratio = variance.best_ratio(*_along())
    share = textbook.blup(Y, P[:, 0], X).share
    return abs(ratio / (1.0 + ratio) - share)


def _polished_ratio() -> float:
    best = variance.best_ratio(*_along())
    return abs(variance.polished_ratio(1.01 * best, *_along()) - best)


# Positions


def _null() -> NullModel:
    return fit_null(Y, Design(X[:, 1:], ("x",)), KINSHIP)


def _whitened() -> tuple[Array, Array]:
    """Weighted founder columns of the first position, with and without the covariates' part."""
    null = _null()
    columns = null.weight[:, None] * Z[:, :, 0]
    return columns, columns - null.basis @ (null.basis.T @ columns)


def _pair_products() -> float:
    out = np.empty((N, K * (K + 1) // 2, M))
    positions.pair_products(Z, out)
    a, b = np.tril_indices(K)
    return gap(out, Z[:, a] * Z[:, b])


def _triangles() -> Array:
    null = _null()
    out = np.empty((N, K * (K + 1) // 2, M))
    positions.pair_products(Z, out)
    G = np.tensordot(null.weight**2, out, 1)[None]
    C = np.tensordot((null.weight[:, None] * null.basis).T, Z, 1)[None]
    return np.asarray(positions.whitening(G, C)[0][0])


def _whitening() -> float:
    free = _whitened()[1] @ _triangles()[:, :, 0]
    return gap(free.T @ free, np.eye(K))


def _careful_whitening() -> float:
    columns, free = _whitened()
    T, rank = positions.careful_whitening(np.ascontiguousarray(columns), _null().basis)
    return max(gap(T.T @ free.T @ free @ T, np.eye(K)), float(rank != K))


def _remove() -> float:
    column, Q = Y.copy(), np.linalg.qr(X)[0]
    part = positions.remove(column, Q, 1)
    return max(gap(part, Q[:, 1] @ Y), gap(column, Y - part * Q[:, 1]))


def _explained() -> float:
    lod = fixed_share_lod([_null()], P[:, :M])[0][0]
    return gap(lod, textbook.scan(Y, P[:, :M], X, KINSHIP).lod)


def _largest_explained() -> float:
    null, largest = _null(), np.zeros(1)
    B = np.tensordot(null.weight * null.error, Z, 1)[None]
    positions.largest_explained(_triangles(), B, largest)
    lod = -0.5 * N * np.log10(1.0 - largest[0] / null.rss)
    return gap(lod, textbook.scan(Y, P[:, :M], X, KINSHIP).lod.max())


_CHECKS: tuple[Check, ...] = (
    (variance.moments, _moments, ROUNDING),
    (variance.eliminate, _eliminate, ROUNDING),
    (variance.log_likelihood, _log_likelihood, ROUNDING),
    (variance.climb, _climb, ITERATED),
    (variance.best_share, _best_share, ITERATED),
    (variance.exact_positions, _exact_positions, ITERATED),
    (variance.ridge_likelihood, _ridge_likelihood, ROUNDING),
    (variance.ridge_slope, _ridge_slope, ITERATED),
    (variance.best_ratio, _best_ratio, ITERATED),
    (variance.polished_ratio, _polished_ratio, ITERATED),
    (positions.pair_products, _pair_products, ROUNDING),
    (positions.whitening, _whitening, ROUNDING),
    (positions.careful_whitening, _careful_whitening, ROUNDING),
    (positions.remove, _remove, ROUNDING),
    (positions.explained, _explained, ITERATED),
    (positions.largest_explained, _largest_explained, ITERATED),
)
