"""Balancing: eqs. (11) and (12)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from refsolve.methods.contact_expected import textbook

BOTH = pytest.mark.parametrize("balance", (textbook.ice, textbook.newton))


def matrix(n: int, seed: int, mean: float = 8.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    bias = rng.lognormal(0, 0.4, n)
    counts = np.triu(rng.poisson(mean * np.multiply.outer(bias, bias))).astype(np.float64)
    return counts + np.triu(counts, 1).T


@BOTH
def test_marginals_of_the_balanced_matrix_are_one(balance) -> None:
    counts, valid = matrix(40, 1), np.random.default_rng(1).random(40) < 0.8
    fit = balance(counts, valid, tol=1e-24)
    assert fit.converged
    np.testing.assert_array_equal(np.isfinite(fit.weight), valid)
    kept = textbook.without_diagonals(textbook.balanced(counts, fit.weight), 2)
    np.testing.assert_allclose(np.nansum(kept, axis=1)[valid], 1.0, rtol=1e-10, atol=0)


@BOTH
def test_a_matrix_of_rank_one_gives_the_inverse_of_its_factor(balance) -> None:
    bias = np.random.default_rng(2).lognormal(0, 0.5, 30)
    fit = balance(np.multiply.outer(bias, bias), np.ones(30), ignore_diags=0, tol=1e-26)
    np.testing.assert_allclose(fit.weight, 1 / (bias * np.sqrt(30)), rtol=1e-12, atol=0)


@BOTH
def test_units_order_and_masked_bins(balance) -> None:
    counts, valid = matrix(30, 3), np.arange(30) != 4
    fit = balance(counts, valid, ignore_diags=0, tol=1e-24)
    scaled = balance(16 * counts, valid, ignore_diags=0, tol=1e-24)
    np.testing.assert_allclose(4 * scaled.weight, fit.weight, rtol=1e-9, atol=0)
    order = np.random.default_rng(4).permutation(30)
    turned = balance(counts[np.ix_(order, order)], valid[order], ignore_diags=0, tol=1e-24)
    np.testing.assert_allclose(turned.weight, fit.weight[order], rtol=1e-9, atol=0)
    garbage = counts.copy()
    garbage[4], garbage[:, 4] = 1e6, 1e6
    dirty = balance(garbage, valid, ignore_diags=0, tol=1e-24)
    np.testing.assert_allclose(dirty.weight, fit.weight, rtol=1e-12, atol=0)


@given(st.integers(0, 10_000), st.sampled_from([0, 1, 2, 3]))
@settings(max_examples=25)
def test_both_ways_reach_the_same_weights(seed: int, ignore_diags: int) -> None:
    counts = matrix(25, seed)
    iterated = textbook.ice(counts, np.ones(25), ignore_diags, tol=1e-22, max_iters=2000)
    newton = textbook.newton(counts, np.ones(25), ignore_diags, tol=1e-24)
    np.testing.assert_allclose(newton.weight, iterated.weight, rtol=1e-9, atol=0)


def test_weights_are_the_stationary_point_of_the_convex_function() -> None:
    counts = textbook.without_diagonals(matrix(12, 6), 1)
    x = np.log(textbook.newton(counts, np.ones(12), 1, tol=1e-26).weight)
    assert np.abs(approx_fprime(x, lambda v: textbook.balance_objective(counts, v))).max() < 1e-5
    lowest = textbook.balance_objective(counts, x)
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = x + rng.standard_normal((2, 12))
        ends = textbook.balance_objective(counts, a), textbook.balance_objective(counts, b)
        assert textbook.balance_objective(counts, (a + b) / 2) <= sum(ends) / 2
        assert min(ends) >= lowest


def test_bins_without_contacts_are_left_out() -> None:
    counts = matrix(20, 7)
    counts[3] = counts[:, 3] = 0
    for fit in (
        textbook.ice(counts, np.ones(20), max_iters=5),
        textbook.newton(counts, np.ones(20)),
    ):
        assert fit.weight.size == 20
        others = np.delete(fit.weight, 3)
        assert np.isfinite(others).all()
    assert np.isnan(textbook.newton(counts, np.ones(20)).weight[3])


def test_filters_count_contacts_partners_and_deviations() -> None:
    counts = matrix(40, 8)
    counts[5] = counts[:, 5] = 0  # nothing
    counts[6, :] = counts[:, 6] = 0
    counts[6, 20:26] = counts[20:26, 6] = 50  # six partners
    counts[7] = counts[:, 7] = np.where(np.arange(40) % 2, 1.0, 0.0)  # few contacts
    chromosome = np.repeat([0, 1], 20)
    open_ = {"min_nnz": 0, "min_count": 0, "mad_max": 0}
    assert textbook.bins_to_balance(counts, chromosome, **open_).all()
    lost = textbook.bins_to_balance(counts, chromosome, **open_ | {"min_nnz": 10})
    assert np.flatnonzero(~lost).tolist() == [5, 6]
    lost = textbook.bins_to_balance(counts, chromosome, **open_ | {"min_count": 30})
    assert np.flatnonzero(~lost).tolist() == [5, 7]
    lost = textbook.bins_to_balance(counts, chromosome, **open_ | {"mad_max": 5})
    assert {5, 7} <= set(np.flatnonzero(~lost).tolist())


def test_the_ignored_diagonals_have_no_say() -> None:
    counts = matrix(20, 9)
    loud = counts + 1e5 * np.eye(20)
    np.testing.assert_allclose(
        textbook.newton(loud, np.ones(20), 1).weight,
        textbook.newton(counts, np.ones(20), 1).weight,
        rtol=1e-12,
        atol=0,
    )
    np.testing.assert_array_equal(textbook.without_diagonals(counts, 0), counts)
    assert not np.diag(textbook.without_diagonals(counts, 2), 1).any()


@pytest.mark.parametrize("ignore_diags", (0, 1, 2))
def test_weights_at_convergence_are_those_of_cooler(ignore_diags: int, tmp_path: Path) -> None:
    cooler = pytest.importorskip("cooler")
    n = (35, 25)
    start = np.concatenate([10 * np.arange(size) for size in n])
    bins = pd.DataFrame({"chrom": np.repeat(["a", "b"], n), "start": start, "end": start + 10})
    counts = matrix(60, 10)
    i, j = np.nonzero(np.triu(counts))
    pixels = pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": counts[i, j].astype(int)})
    uri = str(tmp_path / "small.cool")
    cooler.create_cooler(uri, bins, pixels, ordered=True)
    theirs, _ = cooler.balance_cooler(
        cooler.Cooler(uri),
        ignore_diags=ignore_diags,
        mad_max=3,
        min_nnz=10,
        min_count=5,
        tol=1e-20,
        max_iters=500,
    )
    valid = textbook.bins_to_balance(counts, np.repeat([0, 1], n), ignore_diags, 10, 5, 3)
    assert 0 < (~valid).sum() < 10
    ours = textbook.ice(counts, valid, ignore_diags, tol=1e-20, max_iters=500)
    np.testing.assert_allclose(ours.weight, theirs, rtol=1e-12, atol=0)
    newton = textbook.newton(counts, valid, ignore_diags, tol=1e-24)
    np.testing.assert_allclose(newton.weight, theirs, rtol=1e-8, atol=0)
