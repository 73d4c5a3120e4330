"""Tests of one more covariate, and of many variants of a gene, eqs. (10) to (14)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import beta as beta_distribution
from scipy.stats import cauchy, chi2

from refsolve.methods.count_glm.textbook.likelihood import Fit, derivatives, fit

Array = NDArray[np.float64]


class Score(NamedTuple):
    """Score test: one-step effect, its standard error, statistic and p value."""

    effect: Array
    se: Array
    statistic: Array
    p: Array


def score_test(y: Array, x: Array, null: Fit, alpha: float, variants: Array) -> Score:
    """Score of each variant (variants, n) at the null fit, eq. (10)."""
    each, weight, _ = derivatives(y, x, null.native, null.mu, alpha)
    information = (x.T * weight) @ x
    residual = variants - (variants * weight) @ x @ np.linalg.solve(information, x.T)
    u = residual @ each
    v = (residual**2 * weight).sum(axis=1)
    return Score(u / v, 1.0 / np.sqrt(v), u**2 / v, chi2.sf(u**2 / v, 1))


def likelihood_ratio(
    y: Array, x: Array, exposure: Array, ambient: Array, alpha: float, g: Array
) -> tuple[float, float]:
    """Statistic and p value at one dispersion, eq. (11)."""
    full = fit(y, np.column_stack([x, g]), exposure, ambient, alpha)
    null = fit(y, x, exposure, ambient, alpha)
    statistic = 2.0 * (full.log_likelihood - null.log_likelihood)
    return statistic, float(chi2.sf(statistic, 1))


def cauchy_combination(p: Array) -> float:
    """One p value of many dependent ones, eq. (12)."""
    return float(cauchy.sf(np.mean(np.tan((0.5 - p) * np.pi))))


def beta_approximation(smallest: Array) -> tuple[float, float]:
    """Maximum-likelihood beta distribution of the smallest p values of permutations, eq. (13)."""

    def loss(log: Array) -> float:
        return -float(beta_distribution.logpdf(smallest, *np.exp(log)).sum())

    m, v = smallest.mean(), smallest.var()
    start = np.log([m * (m * (1 - m) / v - 1), (1 - m) * (m * (1 - m) / v - 1)])
    a, b = np.exp(minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-9}).x)
    return float(a), float(b)


def with_fraction_error(
    native: Array, mu: Array, x: Array, alpha: float, slope: Array, se: Array
) -> Array:
    """Covariance of coefficients that carries independent errors of contamination, eq. (14).

    `slope` is the derivative of each mean in its contamination.
    """
    weight = 1.0 / (mu * (1.0 + alpha * mu))
    information = (x.T * (native**2 * weight)) @ x
    moved = (x.T * (native * weight)) @ ((slope * se) ** 2 * (native * weight) * x.T).T
    inverse = np.linalg.inv(information)
    return np.asarray(inverse + inverse @ moved @ inverse)
