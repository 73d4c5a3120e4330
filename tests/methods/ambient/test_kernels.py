"""Every kernel is held against plain NumPy, and is what its Python original is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import multinomial

from refsolve.core.jit import registered_kernels
from refsolve.methods.ambient.kernels import groups, removal, sparse
from refsolve.methods.ambient.self_check import self_check
from refsolve.methods.ambient.textbook import correction

METHOD = "refsolve.methods.ambient."


def test_every_kernel_has_an_entry_that_passes() -> None:
    found = {name: (gap, limit) for name, gap, limit in self_check()}
    kernels = {name for name in registered_kernels() if name.startswith(METHOD)}
    assert kernels
    assert set(found) == kernels
    assert {name for name, (gap, limit) in found.items() if not gap <= limit} == set()


@pytest.mark.compiled
def test_compiled_kernels_are_their_python_originals() -> None:
    rng = np.random.default_rng(0)
    x, w = np.sort(rng.random(14)), rng.random(14) + 0.5
    share = rng.dirichlet(np.ones(6))
    threshold, alias = sparse.alias_table(share)
    log_fact = sparse.log_factorials(30)
    size, first = np.array([3, 8]), np.array([0, 1, 3])
    seen = np.array([-2.0, -7.0, -5.0])

    def ranks(kernel: object) -> np.ndarray:
        rng = np.random.default_rng(2)
        return kernel(rng, threshold, alias, share, 5.0, log_fact, size, first, seen, 30)

    np.testing.assert_array_equal(ranks(sparse.null_ranks), ranks(sparse.null_ranks.py_func))
    cases = [
        (groups.widest_gap, (x, 2, 0.0)),
        (groups.best_split, (x, w, 3, 0.001)),
        (groups.deepest_valley, (x, np.array([0, 1, 2]))),
        (groups.two_normals, (x, np.where(x > 0.5, 0.9, 0.1), 50)),
        (groups.log_binomial_tail, (4, 12)),
        (removal.fill_level, (np.array([3.0, 0.0, 2.0]), share[:3], 3.3)),
        (sparse.alias_table, (share,)),
    ]
    for kernel, arguments in cases:
        pair = kernel(*arguments), kernel.py_func(*arguments)
        got, want = ((one,) if np.isscalar(one) else one for one in pair)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_draws_grow_through_all_totals() -> None:
    """P values of every possible droplet of two and of three molecules, by enumeration."""
    share = np.array([0.6, 0.3, 0.1])
    threshold, alias = sparse.alias_table(share)
    draws = 4000
    for n in (2, 3):
        rows = np.array([(i, j, n - i - j) for i in range(n + 1) for j in range(n + 1 - i)])
        value = multinomial.logpmf(rows, n, share)
        order = np.argsort(value)
        rank = sparse.null_ranks(
            np.random.default_rng(n), threshold, alias, share, np.inf, sparse.log_factorials(9),
            np.array([n]), np.array([0, len(rows)]), value[order], draws,
        )  # fmt: skip
        exact = [np.exp(value[value <= v + 1e-9]).sum() for v in value[order]]
        np.testing.assert_allclose(rank / draws, exact, rtol=0, atol=0.03)


def test_removal_by_level_is_the_removal_gene_by_gene() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        counts = rng.poisson(3.0, 12).astype(float)
        share = rng.dirichlet(np.full(12, 0.3))
        amount = rng.uniform(0.0, 1.2) * counts.sum()
        level = removal.fill_level(counts, share, amount)
        with np.errstate(invalid="ignore"):
            gone = np.where(share > 0, np.minimum(counts, level * share), 0.0)
        np.testing.assert_allclose(
            counts - gone, correction.fill(counts, share, amount), rtol=0, atol=1e-9
        )


@pytest.mark.slow
def test_the_deepest_valley_bounds_the_error_for_one_peak() -> None:
    """No density with one peak exceeds the level; the bound is far from reached."""
    rng = np.random.default_rng(2)
    inside = np.array([0, 1, 2, 4, 8, 16])
    draws = {
        "normal": rng.standard_normal((60, 200)),
        "exponential": rng.exponential(size=(60, 200)),
        "uniform": rng.random((60, 200)),
        "heavy": rng.standard_t(1.5, (60, 200)),
    }
    for name, rows in draws.items():
        p = [np.exp(groups.deepest_valley(np.sort(row), inside)[2]) for row in rows]
        assert np.mean(np.array(p) < 0.05) <= 0.02, name


def test_whole_numbers_keep_the_expectation() -> None:
    rng = np.random.default_rng(3)
    row = csr_array(np.array([[3.0, 1.0, 8.0, 2.0]]))
    share, amount = np.array([0.4, 0.3, 0.2, 0.1]), np.array([5.3])
    exact = correction.fill(row.toarray()[0], share, 5.3)
    found = np.zeros((4000, 4))
    for k in range(4000):
        values, places, starts = np.empty(4), np.empty(4, np.int32), np.zeros(2, np.int32)
        n = removal.remove_rows(
            row.data, row.indices, row.indptr, share, amount, rng.random(1), values, places, starts
        )
        found[k, places[:n]] = values[:n]
    assert set(np.unique(14 - found.sum(axis=1))) == {5.0, 6.0}
    assert (np.abs(found - exact) < 1).all()
    np.testing.assert_allclose(found.mean(axis=0), exact, rtol=0, atol=0.04)
