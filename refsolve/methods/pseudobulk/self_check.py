"""Every kernel of the method held against the textbook, on a dozen genes of eight samples."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.sparse import csc_array, csr_array
from scipy.special import gammaln
from scipy.stats import rankdata

from refsolve.core.agreement import Check, checked, gap
from refsolve.methods.pseudobulk.kernels import (
    aggregate,
    cells,
    counts,
    lanes,
    linear,
    lowess,
    posterior,
    profiles,
)
from refsolve.methods.pseudobulk.kernels.linear import Array
from refsolve.methods.pseudobulk.textbook import counts as nb
from refsolve.methods.pseudobulk.textbook import dispersion, moderated
from refsolve.methods.pseudobulk.textbook import posterior as trended

ROUNDING = 1e-9
ITERATED = 1e-6
LIKELIHOOD = 1e-7  # differences of log-gammas of large numbers

G, N, B = 12, 8, counts.LANES
_rng = np.random.default_rng(7)
X = np.column_stack([np.ones(N), np.tile([0.0, 1.0], 4), np.repeat([0.0, 1.0], 4)])
P = X.shape[1]
SIZE = np.exp(0.3 * _rng.standard_normal(N))
OFFSET = np.log(SIZE)
MEAN = np.exp(_rng.uniform(1.0, 5.0, (G, 1))) * SIZE
COUNTS = 1.0 + _rng.poisson(MEAN * _rng.gamma(5.0, 0.2, (G, N))).astype(np.float64)
PHI = _rng.uniform(0.05, 0.4, G)
Y = _rng.standard_normal((G, N))
WEIGHT = _rng.gamma(5.0, 0.2, (G, N))
LANE_WEIGHT = np.ascontiguousarray(_rng.gamma(5.0, 0.2, (N, B)))
Z = np.array([0.1, 0.9, 1.0, 3.7, 42.0, 1e3, 1e6])
CELLS = _rng.poisson(0.7, (30, 6)).astype(np.float64) - (np.arange(6) == 2)
SAMPLE = np.arange(30) % 4
MARK = SAMPLE > 1
ONES = np.ones(30)


def self_check() -> Iterator[tuple[str, float, float]]:
    """Check every kernel.

    Yields
    ------
    Qualified name of the kernel, largest absolute difference, and the difference that passes.
    """
    yield from checked(_CHECKS)


def _sums() -> Array:
    return np.array([CELLS[SAMPLE == s].sum(axis=0) for s in range(4)])


def _not_counts() -> float:
    return abs(aggregate.not_counts(np.array([0.0, 1.0, 2.5, -1.0], np.float32)) - 2.0)


def _add_rows() -> float:
    m, out, order = csr_array(CELLS), np.zeros((4, 6)), np.argsort(SAMPLE, kind="stable")
    aggregate.add_rows(m.data.astype(np.float32), m.indices, m.indptr, order, SAMPLE, ONES, out)
    return gap(out, _sums())


def _add_columns() -> float:
    m, out = csc_array(CELLS), np.zeros((4, 6))
    aggregate.add_columns(m.data, m.indices, m.indptr, SAMPLE, ONES, out)
    return gap(out, _sums())


def _add_dense() -> float:
    out = np.zeros((4, 6))
    aggregate.add_dense(CELLS, SAMPLE, ONES, out)
    return gap(out, _sums())


def _group_moments() -> float:
    m, sums, squares = csr_array(CELLS), np.zeros((4, 6)), np.zeros((4, 6))
    pointer, column = m.indptr.astype(np.int64), m.indices.astype(np.int64)
    cells.group_moments(pointer, column, m.data, SAMPLE, sums, squares)
    want = [(CELLS[SAMPLE == s] ** 2).sum(axis=0) for s in range(4)]
    return max(gap(sums, _sums()), gap(squares, want))


def _rank_sums() -> float:
    m = csc_array(CELLS)
    pointer, row = m.indptr.astype(np.int64), m.indices.astype(np.int64)
    sums, ties = cells.rank_sums(pointer, row, m.data, MARK)
    sizes = [np.unique(column, return_counts=True)[1].astype(float) for column in CELLS.T]
    want = [rankdata(column)[MARK].sum() for column in CELLS.T]
    return max(gap(sums, want), gap(ties, [(t**3 - t).sum() for t in sizes]))


def _exponentials() -> float:
    x, out, work = np.linspace(-30.0, 30.0, 17), np.empty(17), np.empty(17)
    lanes.exponentials(x, out, work)
    return gap(out / np.exp(x), 1.0)


def _logarithms() -> float:
    out, work = np.empty(Z.size), np.empty(Z.size)
    lanes.logarithms(Z, out, work)
    return gap(out, np.log(Z))


def _log_gammas() -> float:
    out, logs, work = np.empty(Z.size), np.empty(Z.size), np.empty(Z.size)
    lanes.log_gammas(Z, out, logs, work)
    return gap(out / np.maximum(1.0, np.abs(gammaln(Z))), gammaln(Z) / np.maximum(1.0, gammaln(Z)))


def _lanes() -> Array:
    out = np.empty((N, B))
    counts.load(COUNTS, 0, out)
    return out


def _load() -> float:
    return gap(_lanes(), COUNTS[:B].T)


def _predict() -> float:
    beta, eta = np.arange(P * B, dtype=np.float64).reshape(P, B) / 10.0, np.empty((N, B))
    counts.predict(X, OFFSET, beta, eta)
    return gap(eta, X @ beta + OFFSET[:, np.newaxis])


def _lane_information() -> Array:
    information = np.empty((P, P, B))
    counts.accumulate(X, LANE_WEIGHT, information)
    return information


def _accumulate() -> float:
    got = np.array([np.tril(_lane_information()[:, :, b]) for b in range(B)])
    return gap(got, [np.tril((X.T * w) @ X) for w in LANE_WEIGHT.T])


def _lane_factor() -> Array:
    a = _lane_information()
    counts.factorise(a)
    return a


def _factorise() -> float:
    got = np.array([np.tril(_lane_factor()[:, :, b]) for b in range(B)])
    return gap(got, [np.linalg.cholesky((X.T * w) @ X) for w in LANE_WEIGHT.T])


def _substitute() -> float:
    v = np.ones((P, B))
    counts.substitute(_lane_factor(), v)
    return gap(v.T, [np.linalg.solve((X.T * w) @ X, np.ones(P)) for w in LANE_WEIGHT.T])


def _gradient() -> float:
    y, mu = _lanes(), np.ascontiguousarray(MEAN[:B].T)
    weight, score = np.empty((N, B)), np.empty((P, B))
    counts.gradient(X, y, mu, PHI[:B], False, weight, score)
    want = X.T @ ((y - mu) / (1.0 + PHI[:B] * mu))
    return max(gap(weight, mu / (1.0 + PHI[:B] * mu)), gap(score, want))


def _start() -> Array:
    return np.ascontiguousarray((np.log(COUNTS) - OFFSET) @ np.linalg.pinv(X).T)


def _climb() -> float:
    beta, empty = np.ascontiguousarray(_start()[:B].T), np.empty((N, B))
    eta, mu, information, gain = empty.copy(), empty.copy(), np.empty((P, P, B)), np.empty(B)
    counts.climb(
        X, _lanes(), OFFSET, PHI[:B].copy(), beta, counts.furthest(X), 50, False, 1e-14,
        eta, mu, empty, information, gain,
    )  # fmt: skip
    return gap(mu.T / _fits()[:B], 1.0)


def _furthest() -> float:
    return gap(counts.furthest(X - 0.6), np.abs(X - 0.6).max(axis=0))


def _fits() -> Array:
    return np.array([nb.fit(y, X, OFFSET, f)[1] for y, f in zip(COUNTS, PHI, strict=True)])


def _fit_many() -> float:
    mu = counts.fit_many(COUNTS, X, OFFSET, PHI, _start(), 50, 1e-14)[0]
    return gap(mu / _fits(), 1.0)


def _kernel_of_likelihood() -> float:
    got = [counts.kernel_of_likelihood(COUNTS[0], np.log(m), 0.2) for m in (MEAN[0], MEAN[1])]
    want = [nb.log_likelihood(COUNTS[0], m, 0.2) for m in (MEAN[0], MEAN[1])]
    return abs((got[0] - got[1]) - (want[0] - want[1]))


def _fit_damped() -> float:
    mu = counts.fit_damped(COUNTS[0], X, OFFSET, PHI[0], _start()[0], 500)
    return gap(mu / _fits()[0], 1.0)


def _deviances() -> float:
    want = [nb.unit_deviance(y, m, f).sum() for y, m, f in zip(COUNTS, MEAN, PHI, strict=True)]
    return gap(counts.deviances(COUNTS, MEAN, PHI), want)


def _lane_likelihood() -> float:
    y, mu = _lanes(), np.ascontiguousarray(MEAN[:B].T)
    fixed, out = np.asarray(gammaln(y + 1.0).sum(axis=0)), np.empty(B)
    profiles.lane_likelihood(y, np.log(mu), mu, 0.3, fixed, np.empty((4, N * B)), out)
    return gap(out, [nb.log_likelihood(COUNTS[b], MEAN[b], 0.3) for b in range(B)])


def _profile_grid() -> float:
    phi = np.array([0.05, 0.1, 0.2])
    start = np.array([nb.fit(y, X, OFFSET, 0.1)[0] for y in COUNTS])
    got = profiles.profile_grid(COUNTS, X, OFFSET, phi, 1, start)
    want = [[nb.adjusted_profile(y, X, OFFSET, f) for f in phi] for y in COUNTS]
    return gap(got, want)


def _spline_maxima() -> float:
    x = np.linspace(-3.0, 3.0, 9)
    f = -((x - np.array([[0.4], [-1.3]])) ** 2) + 0.1 * np.sin(3.0 * x)
    bend = np.array([dispersion.second_derivatives(x, row) for row in f])
    return gap(profiles.spline_maxima(x, f, bend), [dispersion.maximum(x, row) for row in f])


def _orthogonalise() -> float:
    a, r = X * SIZE[:, np.newaxis], np.empty((P, P))
    linear.orthogonalise(a, r)
    return max(gap(a.T @ a, np.eye(P)), gap(a @ r, X * SIZE[:, np.newaxis]))


def _inverse_upper() -> float:
    r, out = np.triu(np.arange(1.0, 10.0).reshape(3, 3)), np.empty((3, 3))
    linear.inverse_upper(r, out)
    return gap(r @ out, np.eye(3))


def _whiten() -> float:
    white, a, b = np.tril(np.ones((N, N))), np.empty((N, P)), np.empty(N)
    linear.whiten(white, SIZE, X, Y[0], a, b)
    return max(gap(a, white @ (SIZE[:, np.newaxis] * X)), gap(b, white @ (SIZE * Y[0])))


def _weighted_fits() -> float:
    v = moderated.block_matrix(np.array([0.0, 0, 1, 1, 2, 2, 3, 3]), 0.4)
    white = np.linalg.inv(np.linalg.cholesky(v))
    beta, unscaled, variance = linear.weighted_fits(Y, X, WEIGHT, white)
    want = moderated.least_squares(Y, X, WEIGHT, v)
    spread = max(gap(unscaled, want.unscaled), gap(variance, want.variance))
    return max(gap(beta, want.beta), spread)


def _sample_precisions() -> float:
    got = linear.sample_precisions(Y, X, WEIGHT, 10.0)
    return gap(got, moderated.sample_weights(Y, X, WEIGHT))


def _local_line() -> tuple[Array, Array]:
    x = np.sort(np.append(_rng.uniform(0.0, 3.0, 25), [1.0, 1.0]))
    return x, np.sin(2.0 * x) + 0.2 * _rng.standard_t(2, x.size)


def _line_at() -> float:
    x, y = np.arange(6.0), 2.0 * np.arange(6.0) - 1.0
    return abs(lowess.line_at(x, y, 2.0, 0, 4, np.ones(6)) - 3.0)


def _local_lines() -> float:
    x, y = _local_line()
    out = np.empty(x.size)
    lowess.local_lines(x, y, x.size // 2, 0.01 * (x[-1] - x[0]), np.ones(x.size), out)
    return gap(out, moderated.robust_local_line(x, y, rounds=0))


def _robust_line() -> float:
    x, y = _local_line()
    return gap(lowess.robust_line(x, y, 0.5, 3), moderated.robust_local_line(x, y))


def _information() -> Array:
    return np.asarray((X.T * WEIGHT[0]) @ X)


def _factor() -> Array:
    a = _information()
    posterior.lower_factor(a)
    return a


def _lower_factor() -> float:
    return gap(np.tril(_factor()), np.linalg.cholesky(_information()))


def _solve_factored() -> float:
    b = np.ones(P)
    posterior.solve_factored(_factor(), b)
    return gap(b, np.linalg.solve(_information(), np.ones(P)))


def _information_of() -> float:
    out = np.empty((P, P))
    posterior.information_of(X, WEIGHT[0], out)
    return gap(out, _information())


def _minus_deviance() -> float:
    got = [posterior.minus_deviance(COUNTS[0], m, 0.2) for m in (MEAN[0], MEAN[1])]
    want = [2.0 * nb.log_likelihood(COUNTS[0], m, 0.2) for m in (MEAN[0], MEAN[1])]
    return abs((got[0] - got[1]) - (want[0] - want[1]))


def _ridge_fits() -> float:
    ridge = trended.RIDGE / math.log(2.0) ** 2
    mu = posterior.ridge_fits(COUNTS, X, SIZE, PHI, _start(), ridge)[1]
    want = [trended.ridge_fit(y, X, SIZE, f)[1] for y, f in zip(COUNTS, PHI, strict=True)]
    return gap(mu / np.array(want), 1.0)


def _profile_gap(got: list[float]) -> float:
    want = [trended.profile(a, COUNTS[0], MEAN[0], X) for a in (-1.0, -2.0)]
    return abs((got[0] - got[1]) - (want[0] - want[1]))


def _profile_at() -> float:
    work = np.empty((6, N))
    return _profile_gap(
        [posterior.profile_at(a, COUNTS[0], MEAN[0], X, work) for a in (-1.0, -2.0)]
    )


def _profiles_at() -> float:
    got = [posterior.profiles_at(np.full(G, a), COUNTS, MEAN, X)[0] for a in (-1.0, -2.0)]
    return _profile_gap([float(v) for v in got])


def _modes() -> float:
    got = posterior.modes(COUNTS[:2], X, MEAN[:2], np.array([-2.0, -1.0]), 0.5, *trended.SPAN)
    pairs = ((0, -2.0), (1, -1.0))
    return gap(got, [trended.peak(COUNTS[g], MEAN[g], X, at, 0.5, 10.0) for g, at in pairs])


_CHECKS: tuple[Check, ...] = (
    (aggregate.not_counts, _not_counts, ROUNDING),
    (aggregate.add_rows, _add_rows, ROUNDING),
    (aggregate.add_columns, _add_columns, ROUNDING),
    (aggregate.add_dense, _add_dense, ROUNDING),
    (cells.group_moments, _group_moments, ROUNDING),
    (cells.rank_sums, _rank_sums, ROUNDING),
    (lanes.exponentials, _exponentials, ROUNDING),
    (lanes.logarithms, _logarithms, ROUNDING),
    (lanes.log_gammas, _log_gammas, ROUNDING),
    (counts.load, _load, ROUNDING),
    (counts.predict, _predict, ROUNDING),
    (counts.accumulate, _accumulate, ROUNDING),
    (counts.factorise, _factorise, ROUNDING),
    (counts.substitute, _substitute, ROUNDING),
    (counts.gradient, _gradient, ROUNDING),
    (counts.climb, _climb, ITERATED),
    (counts.furthest, _furthest, ROUNDING),
    (counts.fit_many, _fit_many, ITERATED),
    (counts.kernel_of_likelihood, _kernel_of_likelihood, ROUNDING),
    (counts.fit_damped, _fit_damped, ITERATED),
    (counts.deviances, _deviances, ROUNDING),
    (profiles.lane_likelihood, _lane_likelihood, LIKELIHOOD),
    (profiles.profile_grid, _profile_grid, LIKELIHOOD),
    (profiles.spline_maxima, _spline_maxima, ITERATED),
    (linear.orthogonalise, _orthogonalise, ROUNDING),
    (linear.inverse_upper, _inverse_upper, ROUNDING),
    (linear.whiten, _whiten, ROUNDING),
    (linear.weighted_fits, _weighted_fits, ROUNDING),
    (linear.sample_precisions, _sample_precisions, ROUNDING),
    (lowess.line_at, _line_at, ROUNDING),
    (lowess.local_lines, _local_lines, ROUNDING),
    (lowess.robust_line, _robust_line, ROUNDING),
    (posterior.lower_factor, _lower_factor, ROUNDING),
    (posterior.solve_factored, _solve_factored, ROUNDING),
    (posterior.information_of, _information_of, ROUNDING),
    (posterior.minus_deviance, _minus_deviance, LIKELIHOOD),
    (posterior.ridge_fits, _ridge_fits, ITERATED),
    (posterior.profile_at, _profile_at, LIKELIHOOD),
    (posterior.profiles_at, _profiles_at, LIKELIHOOD),
    (posterior.modes, _modes, ITERATED),
)
