"""Compiled kernels are the textbook."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln

from refsolve.methods.pseudobulk.kernels import aggregate, lanes, profiles
from refsolve.methods.pseudobulk.kernels import counts as kernels
from refsolve.methods.pseudobulk.model import regression, trend, variances
from refsolve.methods.pseudobulk.textbook import counts as nb
from refsolve.methods.pseudobulk.textbook import dispersion as shared

N = 12
BATCHES = np.tile([0, 1, 2], N // 3)
X = np.column_stack(
    [np.ones(N), BATCHES == 1, BATCHES == 2, np.arange(N) % 2, np.linspace(-1.3, 1.3, N)]
).astype(np.float64)
PHI = regression.SCALE * 2.0**regression.GRID


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def genes(n: int, rng: np.random.Generator, mean: float = 40.0) -> tuple[np.ndarray, np.ndarray]:
    """Counts (n, N) of unequal abundance and spread, and log libraries (N,)."""
    offset = rng.normal(10.0, 0.4, N)
    rate = mean * np.exp(rng.normal(0.0, 1.5, (n, 1)) + offset - 10.0)
    return rng.poisson(rate * rng.gamma(4.0, 0.25, (n, N))).astype(np.float64), offset


def test_elementary_functions_are_rounded_like_those_of_numpy(rng: np.random.Generator) -> None:
    out, logs, work = np.empty(500), np.empty(500), np.empty(500)
    x = rng.uniform(-690.0, 690.0, 500)
    lanes.exponentials(x, out, work)
    np.testing.assert_allclose(out, np.exp(x), rtol=5e-16)
    lanes.exponentials(np.linspace(-1e5, 1e5, 500), out, work)
    assert np.isfinite(out).all()
    x = np.exp(rng.uniform(-300.0, 300.0, 500))
    lanes.logarithms(x, out, work)
    np.testing.assert_allclose(out, np.log(x), rtol=5e-16, atol=1e-16)
    x = np.exp(rng.uniform(-8.0, 14.0, 500))
    lanes.log_gammas(x, out, logs, work)
    np.testing.assert_allclose(out, gammaln(x), rtol=1e-14, atol=2e-14)


def test_fits_are_those_of_the_textbook(rng: np.random.Generator) -> None:
    y, offset = genes(43, rng)
    y[0], y[1, X[:, 3] == 1], y[2, BATCHES == 2], y[3, 1:] = 0.0, 0.0, 0.0, 0.0
    phi = rng.choice([0.0, 0.02, 0.3, 2.0], 43)
    fits = regression.fit_genes(y, X, offset, phi)
    for g in range(43):
        beta, mu = nb.fit(y[g], X, offset, phi[g])
        np.testing.assert_allclose(fits.mu[g], mu, rtol=2e-7, atol=1e-7)
        if mu.min() > 1e-6:
            np.testing.assert_allclose(fits.beta[g], beta, rtol=0, atol=1e-7)
    found = kernels.deviances(y, fits.mu, phi)
    want = [nb.unit_deviance(y[g], fits.mu[g], phi[g]).sum() for g in range(43)]
    np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-9)


def test_a_fit_solves_the_score_equation_and_no_neighbour_matters(rng: np.random.Generator) -> None:
    y, offset = genes(21, rng, mean=300.0)
    fits = regression.fit_genes(y, X, offset, 0.2)
    score = ((y - fits.mu) / (1.0 + 0.2 * fits.mu)) @ X
    assert np.abs(score).max() < 1e-4
    order = rng.permutation(21)
    np.testing.assert_array_equal(regression.fit_genes(y[order], X, offset, 0.2).mu, fits.mu[order])


@pytest.mark.parametrize("p", [1, 2, 5])
def test_profiles_are_those_of_the_textbook(p: int, rng: np.random.Generator) -> None:
    y, offset = genes(6, rng)
    y[:, y.min(axis=0) == 0] += 1.0
    found = regression.profile_genes(y, X[:, :p], offset)
    want = shared.profile_grid(y, X[:, :p], offset)
    np.testing.assert_allclose(found, want, rtol=1e-9, atol=2e-7)


def test_profiles_of_vanished_counts_differ_by_a_constant(rng: np.random.Generator) -> None:
    y, offset = genes(4, rng)
    y[0], y[1, X[:, 3] == 1], y[2, BATCHES == 2] = 0.0, 0.0, 0.0
    found = regression.profile_genes(y, X, offset)
    want = shared.profile_grid(y, X, offset)
    apart = found - want
    np.testing.assert_allclose(apart - apart[:, :1], np.zeros_like(apart), rtol=0, atol=1e-5)


def test_maxima_of_splines(rng: np.random.Generator) -> None:
    height = -((regression.GRID - rng.uniform(-11, 11, (40, 1))) ** 2) * rng.uniform(
        0.1, 2, (40, 1)
    )
    height += 0.2 * np.sin(2.0 * regression.GRID)
    found = trend.dispersion_at_maximum(height)
    want = [shared.SCALE * 2.0 ** shared.maximum(shared.GRID, row) for row in height]
    np.testing.assert_allclose(found, want, rtol=1e-9)


def test_maximum_of_a_parabola_is_its_vertex() -> None:
    at = np.array([-9.7, -3.2, 0.0, 4.56, 9.9])
    height = -((regression.GRID - at[:, np.newaxis]) ** 2)
    np.testing.assert_allclose(np.log2(trend.dispersion_at_maximum(height) / 0.1), at, atol=1e-9)


@pytest.mark.parametrize("n", [30, 200, 1000])
def test_local_means(n: int, rng: np.random.Generator) -> None:
    x, values = rng.normal(size=n), rng.normal(size=(n, 3))
    share = trend.default_share(n)
    assert share == shared.default_share(n)
    want = shared.local_mean(values, x, share)
    np.testing.assert_allclose(trend.local_mean(values, x, share), want, rtol=0, atol=1e-12)


def test_shared_variances(rng: np.random.Generator) -> None:
    df = rng.choice([0.0, 3.0, 5.0], 200, p=[0.1, 0.3, 0.6])
    variance = np.where(df > 0, rng.chisquare(np.maximum(df, 1)) / rng.gamma(3.0, 1.0, 200), 0.0)
    x = rng.normal(size=200)
    for covariate in (None, x):
        scale, prior = variances.prior_variance(variance, df, covariate)
        with np.errstate(divide="ignore", invalid="ignore"):
            want, want_prior = shared.scaled_f(variance, df, covariate)
        assert prior == pytest.approx(want_prior, rel=1e-10)
        np.testing.assert_allclose(scale[df > 0], want[df > 0], rtol=1e-9)
        np.testing.assert_allclose(
            variances.posterior_variance(variance, df, scale, prior)[df > 0],
            shared.squeezed(variance, df, want, want_prior)[df > 0],
            rtol=1e-9,
        )


def test_degrees_of_freedom_of_counts_that_are_not_fitted_as_zero(rng: np.random.Generator) -> None:
    y, offset = genes(8, rng)
    y[0], y[1, X[:, 3] == 1], y[2, BATCHES == 2] = 0.0, 0.0, 0.0
    mu = regression.fit_genes(y, X, offset, 0.1).mu
    want = [shared.residual_df(c, m, X) for c, m in zip(y, mu, strict=True)]
    np.testing.assert_array_equal(regression.residual_df(y, mu, X), want)


def test_sums_by_row_by_column_and_dense_are_those_of_numpy(rng: np.random.Generator) -> None:
    from scipy.sparse import csc_array, csr_array

    cells = rng.poisson(0.4, (50, 9)).astype(np.float32)
    cells[3, 4], cells[5, 6] = 1.5, -2.0
    group, weight = rng.integers(-1, 4, 50), rng.uniform(0.5, 2.0, 50)
    group[[3, 5]] = 2
    want = np.array([(weight[group == s, None] * cells[group == s]).sum(axis=0) for s in range(4)])
    rows, columns = csr_array(cells), csc_array(cells)
    out = np.zeros((3, 4, 9))
    order = np.argsort(group)
    odd = [
        aggregate.add_rows(rows.data, rows.indices, rows.indptr, order, group, weight, out[0]),
        aggregate.add_columns(columns.data, columns.indices, columns.indptr, group, weight, out[1]),
        aggregate.add_dense(cells, group, weight, out[2]),
    ]
    assert odd == [2, 2, 2]
    for found in out:
        np.testing.assert_allclose(found, want, rtol=1e-12)


def test_profile_keeps_its_promise_of_a_start_from_anywhere(rng: np.random.Generator) -> None:
    y, offset = genes(9, rng)
    y += 1.0
    middle = np.ascontiguousarray(regression.fit_genes(y, X, offset, regression.SCALE).beta)
    args = (y, X, offset, PHI, regression.MIDDLE)
    near = profiles.profile_grid(*args, middle)
    far = profiles.profile_grid(*args, middle + rng.normal(0.0, 0.3, middle.shape))
    np.testing.assert_allclose(near, far, rtol=1e-10, atol=1e-7)
