"""Donor intercepts: exact integrals, limits, sufficiency."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import nbinom, norm, poisson

from refsolve.methods.count_glm.simulate import CountDesign, simulate_counts
from refsolve.methods.count_glm.textbook import likelihood, mixed, spread

DONOR = np.repeat(np.arange(4), 3)
RNG = np.random.default_rng(1)
EXPOSURE = RNG.uniform(50, 200, 12)
AMBIENT = RNG.uniform(0.0, 2.0, 12)
FIXED = np.repeat([-3.0, -2.5, -3.5, -2.0], 3)
Y = RNG.poisson(AMBIENT + EXPOSURE * np.exp(FIXED + RNG.normal(0, 0.5, 4)[DONOR])).astype(
    np.float64
)


def integral(sd: float, alpha: float, ambient: np.ndarray) -> float:
    """Eq. (8) by the trapezoidal rule, which is exact to rounding for peaks like these."""
    u = np.linspace(-9 * sd, 9 * sd, 6001)
    mu = ambient[:, np.newaxis] + EXPOSURE[:, np.newaxis] * np.exp(FIXED[:, np.newaxis] + u)
    law = poisson(mu) if alpha == 0 else nbinom(1 / alpha, 1 / (1 + alpha * mu))
    each = law.logpmf(Y[:, np.newaxis])
    logs = [each[DONOR == d].sum(axis=0) + norm.logpdf(u, 0, sd) for d in range(4)]
    return float(sum(logsumexp(v) for v in logs) + 4 * np.log(u[1] - u[0]))


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("sd", [0.1, 0.6, 1.5])
@pytest.mark.parametrize("with_ambient", [True, False])
def test_quadrature_is_the_integral(sd: float, alpha: float, with_ambient: bool) -> None:
    ambient = AMBIENT * with_ambient
    exact = integral(sd, alpha, ambient)
    found = [
        mixed.marginal(Y, FIXED, EXPOSURE, ambient, DONOR, sd, alpha, n) for n in (1, 5, 10, 30)
    ]
    errors = np.abs(np.array(found) - exact)
    # where donors differ much, the ambient part leaves the integrand skewed
    assert errors[-1] < (2e-5 if sd > 1 else 1e-6)
    assert errors[2] < (2e-3 if sd > 1 else 1e-4)
    assert errors[0] < 0.15


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_derivatives_are_those_of_the_likelihood(alpha: float) -> None:
    h = 1e-4

    def at(e: float) -> np.ndarray:
        return mixed._pieces(Y, FIXED + e, EXPOSURE, AMBIENT, alpha)[0]

    value, slope, bend = mixed._pieces(Y, FIXED, EXPOSURE, AMBIENT, alpha)
    np.testing.assert_allclose(slope, (at(h) - at(-h)) / (2 * h), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(bend, (at(h) - 2 * value + at(-h)) / h**2, rtol=1e-4, atol=1e-5)
    mu = AMBIENT + EXPOSURE * np.exp(FIXED)
    assert value.sum() == pytest.approx(likelihood.log_likelihood(Y, mu, alpha), rel=1e-12)


def test_donors_without_spread_leave_the_plain_likelihood() -> None:
    mu = AMBIENT + EXPOSURE * np.exp(FIXED)
    found = mixed.marginal(Y, FIXED, EXPOSURE, AMBIENT, DONOR, 1e-5, 0.0, 10)
    assert found == pytest.approx(likelihood.log_likelihood(Y, mu), abs=1e-6)


def test_totals_differ_from_cells_by_a_constant() -> None:
    """Eq. (9): the marginal likelihoods of cells and of totals have the same shape."""
    x = np.column_stack([np.ones(12), DONOR % 2])
    ambient = 0.01 * EXPOSURE  # contamination is that of the donor
    y, rows, exposure, soup = mixed.totals(Y, x, EXPOSURE, ambient, DONOR)
    gaps = []
    for beta, sd in (([-3.0, 0.2], 0.3), ([-2.5, -0.4], 0.8), ([-3.3, 0.0], 0.1)):
        cells = mixed.marginal(Y, x @ beta, EXPOSURE, ambient, DONOR, sd, 0.0, 20)
        sums = mixed.marginal(y, rows @ beta, exposure, soup, np.arange(4), sd, 0.0, 20)
        gaps.append(cells - sums)
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-7)


def test_totals_refuse_covariates_of_cells() -> None:
    with pytest.raises(ValueError, match="differs between cells"):
        mixed.totals(Y, np.arange(12.0)[:, np.newaxis], EXPOSURE, AMBIENT, DONOR)


def test_effect_and_spread_come_back_and_the_error_is_that_of_donors() -> None:
    found = []
    for seed in range(8):
        data = simulate_counts(CountDesign(cells=10, donors=60, effect=0.35), rng=seed)
        x = np.column_stack([data.covariates, data.genotype])
        y, exposure = data.of_donors(data.y), data.of_donors(data.exposure)
        fit = mixed.fit_mixed(y, x, exposure, data.of_donors(data.ambient), np.arange(60), nodes=3)
        found.append([fit.beta[1], np.sqrt(fit.covariance[1, 1]), fit.sd])
    effect, se, sd = np.array(found).T
    assert effect.mean() == pytest.approx(0.35, abs=3 * 0.1 / np.sqrt(8))
    assert sd.mean() == pytest.approx(0.35, abs=0.06)
    assert np.std(effect) == pytest.approx(se.mean(), rel=0.6)


def test_the_information_is_that_of_normal_rows_with_a_shared_intercept() -> None:
    """X' (W^-1 + v Z Z')^-1 X, by the inversion of the whole matrix."""
    x = np.column_stack([np.ones(12), RNG.standard_normal(12)])
    weight = RNG.uniform(0.5, 3.0, 12)
    z = (DONOR[:, np.newaxis] == np.arange(4)).astype(float)
    whole = x.T @ np.linalg.inv(np.diag(1 / weight) + 0.3 * z @ z.T) @ x
    np.testing.assert_allclose(spread.information(x, weight, DONOR, 0.3), whole, rtol=1e-10)


def test_the_adjusted_spread_is_larger_by_the_coefficients_that_were_fitted() -> None:
    """With large counts, sums of squares over n - p in place of n."""
    rng = np.random.default_rng(3)
    n, p = 9, 2
    x = np.column_stack([np.ones(n), rng.standard_normal((n, p - 1))])
    exposure, donor = np.full(n, 1e6), np.arange(n)
    u = rng.normal(0, 0.4, n)
    y = np.rint(exposure * np.exp(x @ [-3.0, 0.1] + u))
    rate = np.log(y / exposure)
    beta = np.linalg.lstsq(x, rate, rcond=None)[0]
    found = spread.adjusted_sd(y, x, exposure, np.zeros(n), donor, beta, nodes=1)
    squares = ((rate - x @ beta) ** 2).sum()
    assert found == pytest.approx(np.sqrt(squares / (n - p)), rel=1e-3)
    assert mixed.fit_mixed(y, x, exposure, np.zeros(n), donor, nodes=1).sd == pytest.approx(
        np.sqrt(squares / n), rel=1e-3
    )
