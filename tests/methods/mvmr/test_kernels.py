"""Compiled kernels: equal to the textbook, to their Python originals, and to what must hold."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from refsolve.core import jit
from refsolve.methods.mvmr import self_check
from refsolve.methods.mvmr.kernels import regression, robust, selection
from refsolve.methods.mvmr.textbook import pleiotropy, winners
from refsolve.methods.mvmr.textbook import regression as textbook
from refsolve.methods.mvmr.textbook import selection as signals


def rows(seed: int, j: int = 12, k: int = 2, direct: int = 0) -> tuple[np.ndarray, ...]:
    """Whitened exposures, outcome, noise of the exposures, and eigenvalues of LD."""
    rng = np.random.default_rng(seed)
    x = 5.0 * rng.standard_normal((j, k))
    y = x @ np.linspace(0.4, -0.2, k) + 1.3 * rng.standard_normal(j)
    y[:direct] += 25.0
    root = 0.5 * rng.standard_normal((k, k))
    return x, y, root @ root.T + 0.1 * np.eye(k), np.linspace(0.1, 3.0, j)


def correlation(j: int, r: float = 0.7) -> np.ndarray:
    return r ** np.abs(np.subtract.outer(np.arange(j), np.arange(j)))


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_closed_form_is_the_textbook_one(seed: int, k: int) -> None:
    x, y, noise, _ = rows(seed, 14, k)
    theta, q = regression.refits(x[None], y[None], noise)
    want = textbook.liml(y, x, noise)
    assert_allclose(theta[0], want.theta, rtol=1e-9, atol=1e-12)
    assert_allclose(q[0], want.q, rtol=1e-9)


def test_without_noise_it_is_least_squares() -> None:
    x, y, noise, _ = rows(1)
    theta, q = regression.refits(x[None], y[None], 0.0 * noise)
    want = textbook.gls(x, y, np.eye(y.size))
    assert_allclose(theta[0], want.theta, rtol=1e-9)
    assert_allclose(q[0], want.q, rtol=1e-9)


def test_refits_do_not_depend_on_each_other() -> None:
    sets = [rows(seed) for seed in range(5)]
    x, y = np.stack([s[0] for s in sets]), np.stack([s[1] for s in sets])
    noise = sets[0][2]
    together = regression.refits(x, y, noise)
    alone = [regression.refits(x[[i]], y[[i]], noise) for i in range(5)]
    assert_allclose(together[0], [a[0][0] for a in alone], rtol=1e-13)
    assert_allclose(together[1], [a[1][0] for a in alone], rtol=1e-13)


def test_turning_an_exposure_turns_its_effect() -> None:
    x, y, noise, _ = rows(2)
    turn = np.diag([1.0, -3.0])
    theta, q = regression.refits(x[None], y[None], noise)
    turned, q_turned = regression.refits((x @ turn)[None], y[None], turn @ noise @ turn)
    assert_allclose(turned[0], theta[0] / np.diag(turn), rtol=1e-9)
    assert_allclose(q_turned, q, rtol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_eigenvalues_of_small_matrices(n: int) -> None:
    root = np.random.default_rng(n).standard_normal((n, n))
    values, vectors = regression.eigen(root @ root.T)
    assert_allclose(np.sort(values), np.linalg.eigvalsh(root @ root.T), rtol=1e-10, atol=1e-12)
    assert_allclose((vectors * values) @ vectors.T, root @ root.T, rtol=1e-10, atol=1e-12)
    assert_allclose(vectors.T @ vectors, np.eye(n), rtol=0, atol=1e-13)


def test_eigenvalues_of_a_diagonal_and_of_zero() -> None:
    assert_allclose(regression.eigen(np.diag([3.0, 1.0, 2.0]))[0], [3, 1, 2], rtol=0, atol=0)
    assert_allclose(regression.eigen(np.zeros((2, 2)))[0], [0, 0], rtol=0, atol=0)


@pytest.mark.parametrize("seed", [0, 3, 7])
def test_balanced_effects_are_the_textbook_ones(seed: int) -> None:
    x, y, noise, lam = rows(seed)
    y = y + 2.0 * np.sqrt(lam) * np.random.default_rng(seed).standard_normal(y.size)
    per_row = np.broadcast_to(noise, (y.size, 2, 2)).copy()
    theta, tau2, converged = regression.balanced(x, y, per_row, lam, np.zeros(2), True)
    want = pleiotropy.balanced(y, x, lam, noise)
    assert converged
    assert_allclose(theta, want.theta, rtol=1e-6)
    assert_allclose(tau2, want.tau2, rtol=1e-6, atol=1e-8)


def test_a_direct_effect_variance_is_never_negative() -> None:
    x, _, noise, lam = rows(4)
    quiet = 0.1 * np.random.default_rng(1).standard_normal(lam.size)
    per_row = np.broadcast_to(noise, (lam.size, 2, 2)).copy()
    assert regression.balanced(x, quiet, per_row, lam, np.zeros(2), True)[1] == 0.0


def test_uneven_noise_has_its_minimum_where_no_neighbour_is_lower() -> None:
    x, y, noise, lam = rows(5)
    per_row = noise * np.linspace(0.5, 2.0, y.size)[:, None, None]
    theta, converged = regression.minimum(x, y, per_row, 1.0 + lam, np.zeros(2))
    least = regression.weighted_squares(x, y, per_row, 1.0 + lam, theta)
    assert converged
    for step in 1e-4 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, 1]]):
        assert regression.weighted_squares(x, y, per_row, 1.0 + lam, theta + step) > least


@pytest.mark.parametrize("direct", [0, 3])
def test_redescending_fit_is_the_textbook_one(direct: int) -> None:
    x, y, noise, _ = rows(5, direct=direct)
    pairs = np.array(list(itertools.combinations(range(y.size), 2)), dtype=np.int64)
    start = robust.trimmed_start(x, y, pairs, 7)
    assert_allclose(start, pleiotropy.least_trimmed(y, x, 7), rtol=1e-10)
    theta, scale, weight, converged = robust.redescending(x, y, noise, start, 4.685)
    want = pleiotropy.robust(y, x, noise, start)
    assert converged
    assert_allclose(theta, want.theta, rtol=1e-7)
    assert_allclose(scale, want.scale, rtol=1e-12)
    assert_allclose(weight, want.weights, rtol=0, atol=1e-6)
    assert np.all(weight[:direct] == 0.0)


def test_half_of_the_rows_cannot_spoil_the_start() -> None:
    x, y, _, _ = rows(6, j=30)
    spoiled = y.copy()
    spoiled[:13] = 1e4 * x[:13, 0]
    pairs = np.array(list(itertools.combinations(range(30), 2)), dtype=np.int64)
    start = robust.trimmed_start(x, spoiled, pairs, 16)
    assert_allclose(start, [0.4, -0.2], rtol=0, atol=0.3)


def added(x: np.ndarray, y: np.ndarray, columns: np.ndarray, members: list[int]) -> Any:
    basis = np.linalg.qr(x)[0]
    free, e = columns - basis @ (basis.T @ columns), y - basis @ (basis.T @ y)
    before = (columns**2).sum(axis=0)
    chosen = np.array(members, dtype=np.int64)
    return robust.additions(free.T @ free, free.T @ e, before, float(e @ e), chosen)


@pytest.mark.parametrize("members", [[], [3], [2, 9]])
def test_adding_a_unit_column_is_leaving_a_row_out(members: list[int]) -> None:
    x, y, _, _ = rows(7)
    q, after = added(x, y, np.eye(y.size), members)
    for i in np.setdiff1d(np.arange(y.size), members):
        keep = np.setdiff1d(np.arange(y.size), [*members, i])
        want = textbook.gls(x[keep], y[keep], np.eye(keep.size)).q
        assert_allclose(after[i], want, rtol=1e-8)
    assert np.all(after <= q)


def test_columns_in_the_span_add_nothing() -> None:
    x, y, _, _ = rows(8)
    columns = np.column_stack([np.eye(y.size)[:, :3], x[:, 0], 2.0 * np.eye(y.size)[:, 1]])
    q, after = added(x, y, columns, [1])
    assert_allclose(after[[1, 3, 4]], q, rtol=0, atol=0)
    assert after[0] < q


def test_a_set_that_spans_itself_is_never_the_best() -> None:
    x, y, _, _ = rows(8)
    columns = np.column_stack([np.eye(y.size)[:, 0], np.eye(y.size)[:, 0]])
    columns[:, 1] *= -1.0
    q, after = added(x, y, columns, [0, 1])
    assert not q < np.inf or np.all(after <= q)


@pytest.mark.parametrize("seed", range(6))
def test_stepwise_signals_are_the_textbook_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    R = correlation(15, 0.8)
    joint = np.zeros(15)
    joint[rng.choice(15, 4, replace=False)] = 9.0 * rng.choice([-1, 1], 4)
    z = R @ joint + np.linalg.cholesky(R) @ rng.standard_normal(15)
    got = selection.stepwise(z, R, 4.0, 0.1)
    assert got.tolist() == sorted(signals.stepwise(z, R, 4.0, 0.9))


def test_conditional_scores_are_the_textbook_ones() -> None:
    z = np.linspace(-5.0, 8.0, 10)
    R = correlation(10)
    got, free = selection.conditional_z(z, R, np.array([2, 7]))
    rest = np.setdiff1d(np.arange(10), [2, 7])
    want = signals.conditional_z(z, R, [2, 7])
    assert_allclose(got[rest], want[rest], rtol=1e-10)
    explained = [signals.explained(R, int(j), [2, 7]) for j in rest]
    assert_allclose(1.0 - free[rest], explained, rtol=1e-10)


def test_truncated_means_are_those_of_the_orthants() -> None:
    mean, cov = np.array([3.0, 2.0]), np.array([[1.0, 0.6], [0.6, 1.2]])
    bound = np.array([2.5, 2.5])
    got = selection.truncated_mean(
        mean, np.linalg.inv(cov), bound, np.array([3.0, 3.0]), 40_000, np.random.default_rng(2)
    )
    # Standard error of 40,000 correlated draws of conditional means: below 0.01.
    assert_allclose(got, winners.outside_mean(mean, cov, bound), rtol=0, atol=0.03)


def test_draws_lie_beyond_the_bound() -> None:
    rng = np.random.default_rng(3)
    for bound in (-2.0, 0.3, 4.0):
        draws = np.array([selection.upper_normal(bound, rng) for _ in range(2000)])
        assert draws.min() > bound
        want = norm.pdf(bound) / norm.sf(bound)
        assert_allclose(draws.mean(), want, rtol=0, atol=0.08)


@pytest.mark.compiled
@pytest.mark.parametrize(
    "name", ["smallest_ratio", "floored_step", "lower_root", "gram", "eigen", "in_units_of"]
)
def test_the_python_original_agrees(name: str) -> None:
    x, y, noise, _ = rows(9)
    G = regression.gram(x, y, np.ones(y.size))
    arguments = {
        "smallest_ratio": (G, noise),
        "floored_step": (G[1:, 1:].copy(), noise, y[:2].copy()),
        "lower_root": (G,),
        "gram": (x, y, np.ones(y.size)),
        "eigen": (G,),
        "in_units_of": (np.linalg.cholesky(G), np.eye(3)),
    }[name]
    compiled = getattr(regression, name)
    got, want = compiled(*arguments), compiled.py_func(*arguments)
    pairs = zip(got, want, strict=True) if isinstance(got, tuple) else [(got, want)]
    for compiled_part, python_part in pairs:
        assert_allclose(compiled_part, python_part, rtol=1e-10, atol=1e-12)


def test_every_kernel_has_a_check_that_passes() -> None:
    checks = {name: (gap, limit) for name, gap, limit in self_check.self_check()}
    known = {n for n in jit.registered_kernels() if n.startswith("refsolve.methods.mvmr.")}
    assert set(checks) == known
    assert [name for name, (gap, limit) in checks.items() if not gap <= limit] == []
