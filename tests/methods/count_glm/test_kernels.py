"""Compiled kernels: equal to the textbook, to their Python originals, and accurate everywhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import gammaln

from refsolve.methods.count_glm.kernels import dispersion, likelihood, linear, mixed, native
from refsolve.methods.count_glm.kernels import regression as glm
from refsolve.methods.count_glm.model.marginal import gauss_hermite
from refsolve.methods.count_glm.textbook import likelihood as book
from refsolve.methods.count_glm.textbook import mixed as book_mixed
from refsolve.methods.count_glm.textbook import native as book_native
from tests.methods.count_glm.rows import cells, donors


def scaled(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x / np.abs(x).max(axis=0))


def start(y: np.ndarray, x: np.ndarray, exposure: np.ndarray) -> np.ndarray:
    return np.append(math.log(y.sum() / exposure.sum()), np.zeros(x.shape[1] - 1))


@pytest.mark.parametrize("alpha", [0.0, 0.02, 0.5, 4.0])
@pytest.mark.parametrize("seed", range(3))
def test_coefficients_are_those_of_the_textbook(seed: int, alpha: float) -> None:
    y, x, e = donors(seed)
    x = scaled(x)
    beta, information, value, code = glm.fit_mean(
        y, x, e.native, e.ambient, alpha, start(y, x, e.native), False
    )
    want = book.fit(y, x, e.native, e.ambient, alpha)
    assert code == glm.CONVERGED
    assert_allclose(beta, want.beta, rtol=0, atol=1e-7)
    assert_allclose(np.linalg.inv(information), want.covariance, rtol=1e-6)
    assert value - gammaln(y + 1.0).sum() == pytest.approx(want.log_likelihood, abs=1e-9)


@pytest.mark.slow
def test_penalised_coefficients_are_those_of_the_textbook() -> None:
    y, x, e = donors(4, n=14)
    x = np.ascontiguousarray(x[:, :2])
    beta = glm.fit_mean(y, x, e.native, e.ambient, 0.1, start(y, x, e.native), True)[0]
    want = book.fit(y, x, e.native, e.ambient, 0.1, firth=True).beta
    assert_allclose(beta, want, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("adjusted", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_dispersion_is_that_of_the_textbook(seed: int, adjusted: bool) -> None:
    y, x, e = donors(seed, n=30)
    x = scaled(x)
    got = dispersion.fit_dispersion(y, x, e.native, e.ambient, start(y, x, e.native), adjusted)[0]
    want = book.dispersion(y, x, e.native, e.ambient, adjusted=adjusted)
    assert got == pytest.approx(want, rel=1e-5)


def test_dispersion_is_zero_where_counts_vary_less_than_poisson() -> None:
    _, x, e = donors(1)
    y = np.rint(e.ambient + e.native * 1e-2)
    x = scaled(x)
    alpha, beta, _ = dispersion.fit_dispersion(y, x, e.native, e.ambient, np.zeros(3), True)
    assert alpha == 0.0
    assert_allclose(beta, book.fit(y, x, e.native, e.ambient).beta, rtol=0, atol=1e-7)


def test_native_dispersion_is_that_of_the_textbook() -> None:
    y, x, e = donors(2, n=40)
    x = scaled(x)
    alpha, beta, _, code = native.fit_native_dispersion(
        y, x, e.native, e.ambient, start(y, x, e.native)
    )
    assert code == glm.CONVERGED
    assert alpha == pytest.approx(book_native.quasi_dispersion(y, x, e.native, e.ambient), rel=1e-6)
    want = book_native.quasi_fit(y, x, e.native, e.ambient, alpha)
    assert_allclose(beta, want.beta, rtol=0, atol=1e-7)


@pytest.mark.parametrize("alpha", [1e-8, 1e-4, 0.03, 0.3, 5.0])
@pytest.mark.parametrize("y", [1.0, 2.0, 19.0, 21.0, 400.0])
def test_rising_factorials_of_any_dispersion(y: float, alpha: float) -> None:
    want = float(np.log1p(alpha * np.arange(1, int(y))).sum())
    assert likelihood.rising(y, alpha) == pytest.approx(want, rel=1e-11, abs=1e-11)
    slope = float((np.arange(1, int(y)) / (1.0 + alpha * np.arange(1, int(y)))).sum())
    assert likelihood.rising_slope(y, alpha) == pytest.approx(slope, rel=1e-5, abs=1e-11)


def test_negative_binomial_without_dispersion_is_poisson() -> None:
    y, _, e = donors()
    mu = e.ambient + 0.01 * e.native
    near = likelihood.log_likelihood(y, mu, 1e-8)
    assert near == pytest.approx(likelihood.log_likelihood(y, mu, 0.0), abs=0.05)


def test_a_lost_pivot_does_not_break_the_factor() -> None:
    a = np.array([[2.0, 2.0], [2.0, 2.0]])
    out = np.zeros((2, 2))
    linear.factorise(a, out)
    assert np.isfinite(out).all()


@pytest.mark.parametrize("nodes", [1, 3, 10])
@pytest.mark.parametrize("alpha", [0.0, 0.4])
@pytest.mark.parametrize("sd", [0.1, 0.8])
def test_marginal_likelihood_is_that_of_the_textbook(sd: float, alpha: float, nodes: int) -> None:
    y, x, e, donor = cells(n_donors=6, n_cells=4)
    beta, points = np.array([-7.0, 0.3]), gauss_hermite(nodes)
    rest = (*points, np.zeros(6), np.empty(4))
    begin = np.arange(0, 25, 4, dtype=np.int64)
    got = mixed.marginal(y, x, e.native, e.ambient, begin, beta, sd, alpha, *rest)
    want = book_mixed.marginal(y, x @ beta, e.native, e.ambient, donor, sd, alpha, nodes)
    assert got - gammaln(y + 1.0).sum() == pytest.approx(want, abs=1e-9)


def test_gradient_is_that_of_the_quadrature_itself() -> None:
    """Also with one node, where the gradient of the exact integral would be another one."""
    y, x, e, _ = cells(n_donors=5, n_cells=3)
    begin = np.arange(0, 16, 3, dtype=np.int64)

    def value(t: np.ndarray, out: np.ndarray) -> float:
        return mixed.marginal(
            y, x, e.native, e.ambient, begin, np.ascontiguousarray(t[:2]), t[2], t[3],
            *gauss_hermite(1), np.zeros(5), out,
        )  # fmt: skip

    theta, gradient, other = np.array([-7.0, 0.2, 0.6, 0.2]), np.empty(4), np.empty(4)
    value(theta, gradient)
    want = [(value(theta + h, other) - value(theta - h, other)) / 2e-5 for h in 1e-5 * np.eye(4)]
    assert_allclose(gradient, want, rtol=1e-6, atol=1e-5)


def test_likelihood_is_even_in_the_spread() -> None:
    y, x, e, _ = cells(n_donors=5, n_cells=3)
    begin = np.arange(0, 16, 3, dtype=np.int64)
    both = [
        mixed.marginal(
            y, x, e.native, e.ambient, begin, np.array([-7.0, 0.2]), sd, 0.0,
            *gauss_hermite(5), np.zeros(5), np.empty(4),
        )
        for sd in (0.7, -0.7)
    ]  # fmt: skip
    assert both[0] == pytest.approx(both[1], abs=1e-10)


@pytest.mark.compiled
def test_compiled_equals_python() -> None:
    y, x, e = donors(3, n=12)
    arguments = (y, scaled(x), e.native, e.ambient, 0.2, np.array([-6.0, 0.0, 0.0]), False)
    for a, b in zip(glm.fit_mean(*arguments), glm.fit_mean.py_func(*arguments), strict=True):
        assert_allclose(a, b, rtol=1e-9)
