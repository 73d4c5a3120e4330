"""Compiled kernels: equal to the textbook, to their Python originals, and to what must hold."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from refsolve.core import jit
from refsolve.methods.lmm_scan import fit_null, textbook
from refsolve.methods.lmm_scan.estimator.positions import whitened
from refsolve.methods.lmm_scan.kernels import positions, variance
from refsolve.methods.lmm_scan.self_check import self_check
from tests.methods.lmm_scan.population import population

RNG = np.random.default_rng(8)
N, C, K, M = 30, 2, 3, 4
D = RNG.uniform(0.1, 3.0, N)
X = np.linalg.qr(RNG.standard_normal((N, C)))[0]
Y = RNG.standard_normal(N)
Y -= X @ (X.T @ Y)
Z = RNG.standard_normal((N, K, M))


def triangles(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pairs = np.empty((N, K * (K + 1) // 2, M))
    positions.pair_products(Z, pairs)
    C_ = np.tensordot(X.T, Z, 1)[None]
    return positions.whitening(pairs.sum(axis=0)[None], np.ascontiguousarray(C_))


def free(Z: np.ndarray, m: int) -> np.ndarray:
    return Z[:, :, m] - X @ (X.T @ Z[:, :, m])


def test_every_self_check_passes() -> None:
    found = {name: (gap, limit) for name, gap, limit in self_check()}
    assert {name: pair for name, pair in found.items() if not pair[0] <= pair[1]} == {}


def test_every_kernel_has_a_self_check() -> None:
    mine = {name for name in jit.registered_kernels() if ".methods.lmm_scan." in name}
    assert mine == {name for name, _, _ in self_check()}


@pytest.mark.compiled
@pytest.mark.parametrize("share", [0.0, 0.4, 0.95])
@pytest.mark.parametrize("restricted", [True, False])
def test_python_originals_agree(share: float, restricted: bool) -> None:
    compiled = variance.log_likelihood(share, D, X, Y, restricted)
    assert compiled == pytest.approx(
        variance.log_likelihood.py_func(share, D, X, Y, restricted), rel=1e-13
    )
    climbed = variance.climb(0.0, 0.9, D, X, Y, restricted)
    assert_allclose(climbed, variance.climb.py_func(0.0, 0.9, D, X, Y, restricted), rtol=1e-9)


@pytest.mark.compiled
def test_python_originals_of_positions_agree() -> None:
    T, rank, doubt = triangles(Z)
    columns = np.ascontiguousarray(Z[:, :, 0])
    assert_allclose(positions.careful_whitening.py_func(columns, X)[0], T[0, :, :, 0], rtol=1e-10)
    B = np.tensordot(Y, Z, 1)[None]
    assert_allclose(positions.explained(T, B), positions.explained.py_func(T, B), rtol=1e-13)
    largest = [np.zeros(1), np.zeros(1)]
    positions.largest_explained(T[0], B, largest[0])
    positions.largest_explained.py_func(T[0], B, largest[1])
    assert_allclose(largest[0], largest[1], rtol=1e-13)
    assert_array_equal(rank, K)
    assert not doubt.any()


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_share_is_that_of_a_fine_grid(seed: int, restricted: bool) -> None:
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.0, 1.0)
    y = np.sqrt(share * D + 1.0 - share) * rng.standard_normal(N)
    y -= X @ (X.T @ y)
    got, value = variance.best_share(D, X, y, restricted, 12)
    grid = np.linspace(0.0, 1.0 - 1e-9, 2001)
    values = [variance.log_likelihood(g, D, X, y, restricted) for g in grid]
    assert value >= max(values) - 1e-10
    assert abs(got - grid[int(np.argmax(values))]) <= 1e-3


def test_likelihood_does_not_depend_on_scale_or_fixed_part() -> None:
    base = variance.log_likelihood(0.4, D, X, Y, True)
    moved = variance.log_likelihood(0.4, D, X, Y + X @ [3.0, -2.0], True)
    assert moved == pytest.approx(base, rel=1e-12)
    assert variance.log_likelihood(0.4, D, X, 10.0 * Y, True) == pytest.approx(
        base - (N - C) * np.log(10.0), rel=1e-12
    )


def test_repeated_columns_are_passed_over() -> None:
    twice = np.column_stack([X, X[:, 0] - 2.0 * X[:, 1]])
    got = variance.eliminate(variance.moments(D, 0.3, twice, Y)[0])
    want = variance.eliminate(variance.moments(D, 0.3, X, Y)[0])
    assert got[1] == want[1] == C
    assert_allclose(got, want, rtol=1e-10)


def test_squares_are_those_of_least_squares() -> None:
    T, _rank, _doubt = triangles(Z)
    got = positions.explained(T, np.tensordot(Y, Z, 1)[None])[0]
    for m in range(M):
        left = np.linalg.lstsq(np.column_stack([X, Z[:, :, m]]), Y, rcond=None)[1][0]
        assert got[m] == pytest.approx(Y @ Y - left, rel=1e-10)


@pytest.mark.parametrize("column", range(K))
def test_a_column_in_the_span_of_others_has_no_part(column: int) -> None:
    spoiled = Z.copy()
    others = [a for a in range(K) if a != column]
    spoiled[:, column, 1] = spoiled[:, others, 1] @ [2.0, -1.0] + X[:, 0]
    spoiled[:, column, 2] = 0.0
    T, rank, _doubt = triangles(spoiled)
    assert_array_equal(rank[0], [K, K - 1, K - 1, K])
    for m in range(M):
        careful, kept = positions.careful_whitening(np.ascontiguousarray(spoiled[:, :, m]), X)
        assert kept == rank[0, m]
        assert_allclose(careful, T[0, :, :, m], atol=1e-9)
    got = positions.explained(T, np.tensordot(Y, spoiled, 1)[None])[0]
    for m in (1, 2):
        columns = np.column_stack([X, spoiled[:, others, m]])
        left = np.linalg.lstsq(columns, Y, rcond=None)[1][0]
        assert got[m] == pytest.approx(Y @ Y - left, rel=1e-9)


@pytest.mark.parametrize("apart", [1e-3, 1e-4, 1e-5])
def test_nearly_equal_columns_are_told_apart(apart: float) -> None:
    near = Z.copy()
    near[:, 2, 0] = near[:, 1, 0] + apart * near[:, 2, 0]
    T, _rank, doubt = triangles(near)
    assert doubt[0, 0] == (apart < 3e-4)
    T, rank = positions.careful_whitening(np.ascontiguousarray(near[:, :, 0]), X)
    assert rank == K
    got = T.T @ (near[:, :, 0].T @ Y)
    want = np.linalg.qr(free(near, 0))[0].T @ Y
    assert got @ got == pytest.approx(want @ want, rel=1e-9)


def test_scan_is_careful_where_moments_lose_digits() -> None:
    one = population()
    block = one.genome.probabilities[0].copy()
    block[:, :, 1] = block[:, :, 0] * (1.0 + 1e-5 * np.sin(np.arange(60.0)))[:, None]
    block /= block.sum(axis=2, keepdims=True)
    null = fit_null(one.y, one.covariates)
    T, rank = whitened([null], null.rotation.founder_columns(block))
    want = textbook.scan(one.y, block, one.x)
    B = np.tensordot(null.error, null.rotation.founder_columns(block), 1)[None]
    share = positions.explained(T, B)[0] / null.rss
    assert_allclose(-30.0 * np.log10(1.0 - share), want.lod, rtol=1e-6)
    assert_array_equal(rank[0], want.rank)


@pytest.mark.parametrize("seed", range(5))
def test_shrinkage_is_where_the_slope_vanishes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    s, b = rng.uniform(0.0, 5.0, 6), 2.0 * rng.standard_normal(6)
    total = float(b @ (b / np.maximum(s, 1e-9))) + 20.0
    ratio = variance.best_ratio(s, b, total, 40)
    values = [variance.ridge_likelihood(r, s, b, total, 40) for r in np.geomspace(1e-6, 1e6, 2000)]
    best = variance.ridge_likelihood(ratio, s, b, total, 40)
    assert best >= max([*values, variance.ridge_likelihood(0.0, s, b, total, 40)]) - 1e-9
    if ratio > 0.0:
        assert variance.ridge_slope(ratio, s, b, total, 40) * ratio == pytest.approx(0.0, abs=1e-6)


def test_no_columns_no_shrinkage() -> None:
    assert variance.best_ratio(np.zeros(3), np.zeros(3), 5.0, 20) == 0.0
