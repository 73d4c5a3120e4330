"""Direct effects of variants on the outcome: many small ones, or a few large, eqs. (20) to (25)."""

from __future__ import annotations

import itertools
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize, root
from scipy.special import gammaln

from refsolve.methods.mvmr.textbook.regression import (
    Gls,
    cholesky_whiten,
    covariance,
    cue,
    gls,
    liml,
    sandwich,
    summary_noise,
)

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Shape = Literal["variant", "ld"]

MAD_OF_NORMAL = 0.6744897501960817


class Balanced(NamedTuple):
    """Estimate beside balanced direct effects of variance `tau2`, eq. (20)."""

    theta: FloatArray  # (K,)
    tau2: float
    cov: FloatArray  # (K, K)


class Robust(NamedTuple):
    """Redescending estimate, eq. (21)."""

    theta: FloatArray  # (K,)
    scale: float
    weights: FloatArray  # (J,)
    cov: FloatArray  # (K, K)


class DirectSet(NamedTuple):
    """Set of direct effects with the smallest criterion, eq. (24)."""

    members: tuple[int, ...]
    q: float
    criterion: float


class Invalid(NamedTuple):
    """Best set of variants to leave out, eq. (25)."""

    theta: FloatArray  # (K,)
    invalid: tuple[int, ...]
    q: float
    bic: float


# --- balanced direct effects ---------------------------------------------------------------------


def residual_variance(
    theta: FloatArray, tau2: float, lam: FloatArray, sigma_x: FloatArray
) -> FloatArray:
    """(J,) variance of the whitened residuals, eq. (20)."""
    return np.asarray(1 + theta @ sigma_x @ theta + tau2 * lam)


def theta_equation(
    theta: FloatArray,
    y: FloatArray,
    x: FloatArray,
    tau2: float,
    lam: FloatArray,
    sigma_x: FloatArray,
) -> FloatArray:
    """(K,) sum of the estimating equation of the effects, eq. (20)."""
    u = (y - x @ theta) / residual_variance(theta, tau2, lam, sigma_x)
    return np.asarray(u @ x + np.sum(u**2) * (sigma_x @ theta))


def theta_given(
    tau2: float, y: FloatArray, x: FloatArray, lam: FloatArray, sigma_x: FloatArray
) -> FloatArray:
    """Effects at a fixed variance of direct effects: the minimum of the sum of e²/v, eq. (20)."""

    def objective(theta: FloatArray) -> float:
        e = y - x @ theta
        return float(np.sum(e**2 / residual_variance(theta, tau2, lam, sigma_x)))

    start = liml(y, x, sigma_x).theta
    near = minimize(objective, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9})
    exact = root(theta_equation, near.x, args=(y, x, tau2, lam, sigma_x), tol=1e-13)
    return np.asarray(exact.x)


def tau2_equation(
    tau2: float, y: FloatArray, x: FloatArray, lam: FloatArray, sigma_x: FloatArray
) -> float:
    """Sum of the estimating equation of the variance, at the effects that go with it, eq. (20)."""
    theta = theta_given(tau2, y, x, lam, sigma_x)
    v = residual_variance(theta, tau2, lam, sigma_x)
    e = y - x @ theta
    scaled = x / np.sqrt(v)[:, np.newaxis]
    leverage = np.sum(scaled * (scaled @ np.linalg.inv(scaled.T @ scaled)), axis=1)
    return float(np.sum(lam * (e**2 / v**2 - (1 - leverage) / v)))


def balanced(y: FloatArray, x: FloatArray, lam: FloatArray, sigma_x: FloatArray) -> Balanced:
    """Effects beside many small direct effects, eq. (20).

    Parameters
    ----------
    y, x
        (J,) and (J, K) in the eigenbasis of LD, with unit noise in `y`.
    lam
        (J,) eigenvalues of LD for direct effects that spread through LD, their inverses for direct
        effects on single variants, ones for a factor 1 + tau² of the outcome's variance.
    sigma_x
        (K, K) noise of a row of `x`.
    """
    tau2 = 0.0
    if tau2_equation(0.0, y, x, lam, sigma_x) > 0:
        high = 1.0
        while tau2_equation(high, y, x, lam, sigma_x) > 0:
            high *= 2
        tau2 = float(
            brentq(tau2_equation, 0.0, high, args=(y, x, lam, sigma_x), xtol=1e-13, rtol=1e-13)
        )
    theta = theta_given(tau2, y, x, lam, sigma_x)
    v = residual_variance(theta, tau2, lam, sigma_x)
    if tau2 == 0:
        return Balanced(theta, tau2, sandwich(x, v, theta, sigma_x, -1.0))
    return Balanced(theta, tau2, balanced_covariance(x, v, theta, lam, sigma_x))


def balanced_covariance(
    x: FloatArray, v: FloatArray, theta: FloatArray, lam: FloatArray, sigma_x: FloatArray
) -> FloatArray:
    """Covariance of the effects, with the part that the estimated variance adds, eq. (20)."""
    gram = x.T @ (x / v[:, np.newaxis])
    bread = np.linalg.inv(gram - np.sum(1 / v) * sigma_x)
    pull = sigma_x @ theta
    estimated = 2 * np.sum(lam / v**2) ** 2 / np.sum(lam**2 / v**2)
    meat = gram + (estimated - np.sum(1 / v**2)) * np.outer(pull, pull)
    return np.asarray(bread @ meat @ bread)


# --- redescending weights ------------------------------------------------------------------------


def huber_weight(u: ArrayLike, c: float = 1.345) -> FloatArray:
    """Weight 1 up to `c`, then falling in inverse proportion, eq. (21)."""
    return np.asarray(c / np.maximum(np.abs(u), c))


def tukey_weight(u: ArrayLike, c: float = 4.685) -> FloatArray:
    """Weight that falls to 0 at `c`, eq. (21)."""
    return np.asarray(np.clip(1 - (np.asarray(u) / c) ** 2, 0, None) ** 2)


def tukey_slope(u: ArrayLike, c: float = 4.685) -> FloatArray:
    """Derivative of u times its Tukey weight, eq. (21)."""
    t = (np.asarray(u) / c) ** 2
    return np.asarray(np.where(t < 1, (1 - t) * (1 - 5 * t), 0.0))


def least_trimmed(y: FloatArray, x: FloatArray, kept: int) -> FloatArray:
    """Effects whose `kept` smallest squared residuals have the least sum, by trying every set."""
    best, theta = np.inf, np.zeros(x.shape[1])
    for rows in itertools.combinations(range(len(y)), kept):
        inside = list(rows)
        fitted = np.linalg.pinv(x[inside]) @ y[inside]
        squares = float(np.sum((y[inside] - x[inside] @ fitted) ** 2))
        if squares < best:
            best, theta = squares, fitted
    return theta


def robust(
    y: FloatArray, x: FloatArray, sigma_x: FloatArray, start: FloatArray, c: float = 4.685
) -> Robust:
    """Redescending fit, eq. (21).

    Parameters
    ----------
    y, x
        (J,) and (J, K), whitened by Cholesky in the order of position.
    sigma_x
        (K, K) noise of a row of `x`; zeros give robust generalised least squares.
    start
        (K,) effects that outliers did not spoil, as of `least_trimmed`.
    c
        Where the weight of a residual becomes zero.
    """
    theta = start
    scale = max(1.0, float(np.median(np.abs(standardised(y, x, theta, sigma_x))) / MAD_OF_NORMAL))
    for _ in range(5000):
        half = np.sqrt(tukey_weight(standardised(y, x, theta, sigma_x) / scale, c))
        before, theta = theta, weighted_liml(y, x, half, sigma_x)
        if np.max(np.abs(theta - before)) < 1e-14 * (1 + np.max(np.abs(theta))):
            break
    u = standardised(y, x, theta, sigma_x) / scale
    cov = robust_covariance(x, theta, sigma_x, scale, u, c)
    return Robust(theta, scale, tukey_weight(u, c), cov)


def standardised(
    y: FloatArray, x: FloatArray, theta: FloatArray, sigma_x: FloatArray
) -> FloatArray:
    """(J,) whitened residuals over their standard deviation, eq. (21)."""
    return np.asarray((y - x @ theta) / np.sqrt(1 + theta @ sigma_x @ theta))


def weighted_liml(
    y: FloatArray, x: FloatArray, half: FloatArray, sigma_x: FloatArray
) -> FloatArray:
    """Minimum of eq. (16) with the square roots `half` of the weights."""
    return liml(half * y, half[:, np.newaxis] * x, sigma_x).theta


def robust_covariance(
    x: FloatArray,
    theta: FloatArray,
    sigma_x: FloatArray,
    scale: float,
    u: FloatArray,
    c: float,
) -> FloatArray:
    """Covariance of the redescending estimate, eq. (21)."""
    j, k = x.shape
    v = float(1 + theta @ sigma_x @ theta)
    pull = sigma_x @ theta
    bread = np.linalg.inv((x.T @ x - j * sigma_x) / v)
    meat = x.T @ x / v - j * np.outer(pull, pull) / v**2
    psi2 = np.sum((u * tukey_weight(u, c)) ** 2) / (j - k)
    return np.asarray(scale**2 * psi2 / np.mean(tukey_slope(u, c)) ** 2 * bread @ meat @ bread)


# --- single direct effects -----------------------------------------------------------------------


def shift_columns(se_y: ArrayLike, r: FloatArray, shape: Shape) -> FloatArray:
    """(J, J): column j is what a direct effect of variant j adds to the outcome, eq. (22)."""
    se = np.asarray(se_y, dtype=np.float64)
    return np.diag(se) if shape == "variant" else se[:, np.newaxis] * r


def shift_z(projector: FloatArray, b_y: FloatArray, columns: FloatArray) -> FloatArray:
    """Score of a direct effect along each column, beside the exposures, eq. (22)."""
    information = np.einsum("ji,jk,ki->i", columns, projector, columns)
    return np.asarray(columns.T @ projector @ b_y / np.sqrt(information))


def remove_outliers(
    b_x: FloatArray, b_y: FloatArray, se_y: ArrayLike, r: FloatArray, limit: float
) -> tuple[BoolArray, Gls]:
    """Drop the variant with the largest score until none exceeds `limit`, eq. (23)."""
    se = np.asarray(se_y, dtype=np.float64)
    kept = np.ones(len(b_y), dtype=np.bool_)
    while True:
        fit = gls(b_x[kept], b_y[kept], covariance(se, r)[np.ix_(kept, kept)])
        if kept.sum() <= b_x.shape[1] + 1:
            return kept, fit
        z = np.abs(shift_z(fit.projector, b_y[kept], np.eye(int(kept.sum()))))
        if z.max() <= limit:
            return kept, fit
        kept[np.flatnonzero(kept)[z.argmax()]] = False


def explain_residuals(
    b_x: FloatArray, b_y: FloatArray, se_y: ArrayLike, r: FloatArray, shape: Shape, limit: float
) -> tuple[list[int], Gls]:
    """Add direct effects of one shape, strongest first, until none exceeds `limit`, eq. (23)."""
    columns, omega = shift_columns(se_y, r, shape), covariance(se_y, r)
    chosen: list[int] = []
    while True:
        fit = gls(np.hstack([b_x, columns[:, chosen]]), b_y, omega)
        free = [j for j in range(len(b_y)) if j not in chosen]
        if len(free) <= b_x.shape[1] + 1:
            return chosen, fit
        z = np.abs(shift_z(fit.projector, b_y, columns[:, free]))
        if z.max() <= limit:
            return chosen, fit
        chosen.append(free[int(z.argmax())])


def set_criterion(q: float, rows: int, candidates: int, size: int) -> float:
    """Deviance at the best variance factor of at least one, and the price of a set, eq. (24)."""
    factor = max(1.0, q / rows)
    ways = gammaln(candidates + 1) - gammaln(size + 1) - gammaln(candidates - size + 1)
    return float(rows * np.log(factor) + q / factor + size * np.log(rows) + 2 * ways)


def best_direct_effects(
    b_x: FloatArray, b_y: FloatArray, omega: FloatArray, columns: FloatArray, most: int
) -> DirectSet:
    """Set of at most `most` direct effects with the smallest criterion, by trying all, eq. (24).

    Parameters
    ----------
    b_x, b_y
        (J, K) and (J,) effects.
    omega
        (J, J) covariance of the residuals without direct effects.
    columns
        (J, M) what each candidate would add to the outcome.
    most
        Largest set tried.
    """
    y, x, s = (cholesky_whiten(part, omega) for part in (b_y, b_x, columns))
    rows, candidates = s.shape
    best = DirectSet((), np.inf, np.inf)
    for size in range(most + 1):
        for members in itertools.combinations(range(candidates), size):
            design = np.hstack([x, s[:, list(members)]])
            q = float(np.sum((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2))
            criterion = set_criterion(q, rows, candidates, size)
            if criterion < best.criterion:
                best = DirectSet(members, q, criterion)
    return best


def constrained_likelihood(
    b_x: FloatArray,
    b_y: FloatArray,
    se_x: FloatArray,
    se_y: FloatArray,
    r: FloatArray,
    c: FloatArray,
    n: float,
    most: int,
) -> Invalid:
    """Set of at most `most` invalid variants with the smallest BIC, by trying every set, (25).

    Parameters
    ----------
    b_x, b_y, se_x, se_y, r, c
        Effects, standard errors, LD, and correlation of the exposure noise.
    n
        People behind the outcome; its logarithm is the price of a variant.
    most
        Largest set tried.
    """
    noise, omega = summary_noise(se_x, c, r), covariance(se_y, r)
    best: Invalid | None = None
    for size in range(most + 1):
        for invalid in itertools.combinations(range(len(b_y)), size):
            keep = np.setdiff1d(np.arange(len(b_y)), invalid)
            inside = np.ix_(keep, keep)
            theta, q = cue(
                b_y[keep], b_x[keep], omega[inside], noise[..., keep[:, np.newaxis], keep]
            )
            bic = q + size * float(np.log(n))
            if best is None or bic < best.bic:
                best = Invalid(theta, invalid, q, bic)
    assert best is not None
    return best
