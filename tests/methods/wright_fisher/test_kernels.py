"""Compiled building blocks: what each operator conserves, and what its Python original says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from refsolve.methods.wright_fisher.kernels import exact, grid, parts
from refsolve.methods.wright_fisher.kernels.grid import LANES, Drift
from refsolve.methods.wright_fisher.kernels.parts import GAUSS, HERMITE, STENCIL
from refsolve.methods.wright_fisher.model.evaluation import nodes
from refsolve.methods.wright_fisher.self_check import self_check

K = 32
# Sizes of every kind of row: a tiny one, a summed one, the Gauss rule, and next to no drift.
SIZES = np.array([1.0, 2.0, 40.0, 65.0, 300.0, 20_000.0, 1e9])


def dense(drift: Drift, m: int) -> np.ndarray:
    rows = drift.start.shape[1]
    out = np.zeros((rows, rows))
    for i in range(rows):
        j, where, n = drift.start[m, i], drift.where[m, i], drift.width[m, i]
        out[i, j : j + n] = drift.band[where : where + n]
    return out


def dense_selection(s: float, h: float = 0.5, diploid: bool = False, K: int = K) -> np.ndarray:
    start, band = grid.selection_rows(s, h, diploid, K)
    out = np.zeros((K + 1, K + 1))
    for i in range(K + 1):
        out[i, start[i] : start[i] + STENCIL] = band[i]
    return out


@pytest.mark.parametrize("K", [16, 32, 64])
def test_drift_stays_on_the_grid(K: int) -> None:
    drift = grid.drift_rows(SIZES, K)
    assert drift.start.min() >= 0
    assert (drift.start + drift.width).max() <= K + 1
    assert (drift.where + drift.width).max() == drift.band.size


def test_drift_keeps_constants_and_means() -> None:
    x = nodes(K)[0]
    drift = grid.drift_rows(SIZES, K)
    for m in range(SIZES.size):
        rows = dense(drift, m)
        np.testing.assert_allclose(rows.sum(axis=1), 1.0, rtol=0, atol=1e-13)
        # x is a cosine of z: neutral drift changes its mean by the interpolation error alone.
        np.testing.assert_allclose(rows @ x, x, rtol=0, atol=1e-9)


def test_drift_has_the_moments_of_the_binomial() -> None:
    K = 64
    x = nodes(K)[0]
    drift = grid.drift_rows(SIZES, K)
    for m, M in enumerate(SIZES):
        moments = [binom.moment(k, int(M), p) / M**k for p in (x[5], x[40]) for k in (1, 2, 3, 4)]
        got = [(dense(drift, m) @ x**k)[i] for i in (5, 40) for k in (1, 2, 3, 4)]
        np.testing.assert_allclose(got, moments, rtol=1e-8, atol=1e-12)


def test_alleles_are_treated_alike() -> None:
    drift = grid.drift_rows(SIZES, K)
    for m in range(SIZES.size):
        rows = dense(drift, m)
        np.testing.assert_allclose(rows, rows[::-1, ::-1], rtol=0, atol=1e-13)
    s = 0.3
    mirrored = dense_selection(-s / (1 + s), 0.8, True)[::-1, ::-1]
    np.testing.assert_allclose(dense_selection(s, 0.2, True), mirrored, rtol=0, atol=1e-10)


@pytest.mark.parametrize("s, h, diploid", [(0.0, 0.5, False), (0.7, 0.1, True), (-0.6, 1.4, True)])
def test_selection_rows_interpolate_at_the_selected_frequency(
    s: float, h: float, diploid: bool
) -> None:
    x = nodes(K)[0]
    rows = dense_selection(s, h, diploid)
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, rtol=0, atol=1e-13)
    after = [grid.selected(a, 1.0 - a, s, h, diploid)[0] for a in x]
    np.testing.assert_allclose(rows @ x, after, rtol=0, atol=1e-9)
    assert rows[0, 0] == rows[-1, -1] == 1.0


@pytest.mark.parametrize("M, p", [(20, 0.3), (20, 0.0), (20, 1.0), (400, 0.01), (1, 0.5)])
def test_binomial_row_is_the_pmf(M: int, p: float) -> None:
    out = np.empty(M + 1)
    low, n = parts.binomial_row(float(M), p, 1.0 - p, 1e-290, out)
    want = binom.pmf(np.arange(low, low + n), M, p)
    np.testing.assert_allclose(out[:n], want, rtol=1e-10, atol=0)
    assert binom.pmf(np.arange(low), M, p).sum() < 1e-280


@pytest.mark.parametrize("M, p", [(100, 0.5), (5000, 0.02)])
def test_gauss_rule_integrates_powers_of_the_count(M: int, p: float) -> None:
    drift_nodes, count, weight = HERMITE.copy(), np.empty(600), np.empty(600)
    beta = np.ones(GAUSS + 1)
    beta[1:GAUSS] = [np.sqrt(n * (M - n + 1) / M) for n in range(1, GAUSS)]
    n = parts.drift_rule(float(M), p, 1 - p, 16, drift_nodes, beta, count, weight)
    assert n == GAUSS
    mean, sd = M * p, np.sqrt(M * p * (1 - p))
    all_counts = np.arange(M + 1)
    pmf = binom.pmf(all_counts, M, p)
    for k in (0, 1, 2, 7, 12):
        got = weight[:n] @ ((count[:n] - mean) / sd) ** k
        want = pmf @ ((all_counts - mean) / sd) ** k
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-9)


def test_transposed_drift_is_the_adjoint() -> None:
    rng = np.random.default_rng(4)
    drift = grid.drift_rows(SIZES, K)
    measure, u, out = rng.random(K + 1), rng.random(K + 1), np.empty(K + 1)
    for m in range(SIZES.size):
        grid.drift_step_transposed(drift, m, measure, out)
        np.testing.assert_allclose(out @ u, measure @ dense(drift, m) @ u, rtol=1e-12, atol=0)


def test_maximum_between_nodes() -> None:
    x = nodes(K)[0]
    position, value = grid.interpolated_maximum(1.0 - (x - 0.37) ** 2)
    assert np.sin(position * np.pi / (2 * K)) ** 2 == pytest.approx(0.37, rel=1e-6)
    assert value == pytest.approx(1.0, rel=1e-9)
    assert grid.interpolated_maximum(x) == (K, 1.0)


def test_lost_vectors_are_reported_as_impossible() -> None:
    u, logs = np.zeros((3, LANES)), np.zeros(LANES)
    grid.rescale_lanes(u, np.inf, logs)
    assert np.all(logs == -np.inf)
    gone = np.zeros(3)
    assert exact.scale_to_one(gone, 0.0) == -np.inf


def test_what_interpolation_leaves_below_zero_is_not_scaled_up() -> None:
    """Beside a peak that an emission excludes it is all that is left, and would overflow."""
    u, logs = np.zeros((3, LANES)), np.zeros(LANES)
    u[0], u[1] = 1e-280, -1e40
    grid.rescale_lanes(u, np.inf, logs)
    np.testing.assert_array_equal(u[:, 0], [1.0, 0.0, 0.0])
    np.testing.assert_allclose(logs, np.log(1e-280), rtol=1e-12, atol=0)


def _pipeline(call: Callable[[Any], Callable[..., Any]]) -> list[np.ndarray]:
    """Every kernel on a small input, called through `call`."""
    sizes, s = np.array([12.0, 400.0, 50_000.0]), np.linspace(-0.2, 0.3, LANES)
    K, drift_of, seen = 16, np.array([0, 0, -1, 1, 2]), np.array([0, -1, -1, 1, 2])
    x = nodes(K)[0]
    emission = np.stack([x**2, 1 - x, x * (1 - x)])
    drift = call(grid.drift_rows)(sizes, K)
    lanes = call(grid.backward_lanes)(s, 0.3, True, drift, drift_of, emission, seen)
    u = np.ascontiguousarray(np.stack([x, x**2], axis=1))
    block = call(grid.propagate_block)(0.1, 0.3, True, drift, drift_of, 4, 0, u)
    path = call(grid.backward_path)(0.1, 0.3, False, drift, drift_of, emission, seen)
    prior = call(grid.point_measure)(np.array([0.0, 3.4, 16.0]), np.array([0.2, 0.5, 0.3]), K)
    posterior = call(grid.posterior_nodes)(
        0.1, 0.3, False, drift, drift_of, emission, seen, prior, path
    )
    counts = call(exact.backward_counts)(
        0.1, 0.5, False, np.array([5, 5, 5, 9]), np.full((1, 2, 10), 0.5), np.array([-1, -1, -1, 0])
    )
    maximum = np.array(call(grid.interpolated_maximum)(posterior[0]))
    return [*drift, *lanes, block, path, prior, posterior, *counts, maximum]


@pytest.mark.compiled
def test_compiled_kernels_are_their_python_originals() -> None:
    compiled = _pipeline(lambda kernel: kernel)
    python = _pipeline(lambda kernel: kernel.py_func)
    for a, b in zip(compiled, python, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_posterior_is_the_measure_carried_forward_times_the_vector_carried_back() -> None:
    K = 16
    x = nodes(K)[0]
    drift, drift_of = grid.drift_rows(SIZES, K), np.array([0, 2, -1, 3])
    emission, seen = np.stack([x, 1 - x * x]), np.array([-1, 0, -1, 1])
    prior = np.full(K + 1, 1.0 / (K + 1))
    u = grid.backward_path(0.2, 0.5, False, drift, drift_of, emission, seen)
    got = grid.posterior_nodes(0.2, 0.5, False, drift, drift_of, emission, seen, prior, u)
    select = dense_selection(0.2, K=K)
    steps = [select @ dense(drift, 2), select, select @ dense(drift, 3)]
    want = np.linalg.multi_dot([prior, steps[0], np.diag(emission[0]), steps[1], steps[2]])
    want = want * emission[1]
    np.testing.assert_allclose(got[3], want / want.sum(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(got.sum(axis=1), 1.0, rtol=1e-12, atol=0)
    assert np.all(u.max(axis=1) == 1.0)


def test_a_block_is_its_columns_one_by_one() -> None:
    drift = grid.drift_rows(SIZES, K)
    drift_of = np.array([0, 2, -1, 4, 1])
    u = np.random.default_rng(1).random((K + 1, LANES + 3))
    moved = grid.propagate_block(0.1, 0.5, False, drift, drift_of, 4, 1, u)
    select = dense_selection(0.1)
    want = select @ select @ dense(drift, 4) @ select @ dense(drift, 1) @ u
    np.testing.assert_allclose(moved, want, rtol=1e-11, atol=1e-13)


def test_every_self_check_passes() -> None:
    checks = list(self_check())
    assert len(checks) > 20
    assert [name for name, error, limit in checks if not error <= limit] == []
