"""Effects of several exposures from correlated variants, eqs. (11) to (19)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from scipy.optimize import brentq, minimize

FloatArray = NDArray[np.float64]


class Gls(NamedTuple):
    """Generalised least squares: `cov` is that of fixed effects, `projector` is P of eq. (12)."""

    theta: FloatArray  # (K,)
    cov: FloatArray  # (K, K)
    q: float
    projector: FloatArray  # (J, J)


class Liml(NamedTuple):
    """Errors-in-variables estimate: `q` is the smallest root of eq. (16)."""

    theta: FloatArray  # (K,)
    cov: FloatArray  # (K, K)
    q: float


def covariance(se: ArrayLike, r: FloatArray) -> FloatArray:
    """Covariance of marginal effects, eq. (11)."""
    se = np.asarray(se, dtype=np.float64)
    return np.asarray(se[:, np.newaxis] * r * se)


def ridge(r: FloatArray, epsilon: float) -> FloatArray:
    """LD shrunk towards independence, eq. (11)."""
    return np.asarray((1 - epsilon) * r + epsilon * np.eye(len(r)))


def gls(b_x: FloatArray, b_y: FloatArray, omega: FloatArray) -> Gls:
    """Generalised least squares of the outcome effects on the exposure effects, eq. (12)."""
    weight = np.asarray(np.linalg.inv(omega), dtype=np.float64)
    cov = np.asarray(np.linalg.inv(b_x.T @ weight @ b_x), dtype=np.float64)
    theta = cov @ b_x.T @ weight @ b_y
    projector = weight - weight @ b_x @ cov @ b_x.T @ weight
    return Gls(theta, cov, float(b_y @ projector @ b_y), projector)


def overdispersion(q: float, df: int) -> float:
    """Factor by which the covariance of eq. (12) is multiplied, eq. (13)."""
    return max(1.0, q / df)


def additive_variance(
    b_x: FloatArray, b_y: FloatArray, omega: FloatArray, shape: FloatArray
) -> float:
    """Variance tau² of direct effects with covariance tau² · `shape` that brings Q to its df, (13).

    Parameters
    ----------
    b_x, b_y, omega
        As in `gls`.
    shape
        (J, J): D² for effects on single variants, D R² D for effects that spread through LD, with
        D the standard errors of the outcome.
    """
    df = b_x.shape[0] - b_x.shape[1]

    def excess(tau2: float) -> float:
        return float(gls(b_x, b_y, omega + tau2 * shape).q - df)

    if excess(0.0) <= 0:
        return 0.0
    high = float(np.trace(omega) / np.trace(shape))
    while excess(high) > 0:
        high *= 2
    return float(brentq(excess, 0.0, high, xtol=1e-14 * high, rtol=1e-13))


def egger(b_x: FloatArray, b_y: FloatArray, se_y: ArrayLike, r: FloatArray, orient: int = 0) -> Gls:
    """Fit with an intercept, every variant turned so that exposure `orient` rises, eq. (14)."""
    sign = np.where(b_x[:, orient] < 0, -1.0, 1.0)
    design = np.column_stack([np.ones(len(b_y)), sign[:, np.newaxis] * b_x])
    turned = sign[:, np.newaxis] * r * sign
    return gls(design, sign * b_y, covariance(se_y, turned))


def whiten(b: FloatArray, se_y: ArrayLike, r: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues of LD, and effects (J,) or (J, K) in its eigenbasis with unit noise, eq. (15)."""
    values, vectors = np.linalg.eigh(r)
    scaled = (b.T / np.asarray(se_y, dtype=np.float64)).T
    return values, (vectors / np.sqrt(values)).T @ scaled


def cholesky_whiten(b: FloatArray, omega: FloatArray) -> FloatArray:
    """Effects with unit noise, each freed from the variants before it, eq. (15)."""
    return np.asarray(np.linalg.inv(np.linalg.cholesky(omega)) @ b)


def exposure_noise(se_x: FloatArray, se_y: ArrayLike, c: FloatArray) -> FloatArray:
    """Covariance of the noise in one row of whitened exposures, eq. (15).

    Holds when the ratio of the standard errors is the same for all variants.
    """
    ratio = se_x / np.asarray(se_y, dtype=np.float64)[:, np.newaxis]
    return np.asarray(covariance(ratio.mean(axis=0), c))


def liml(y: FloatArray, x: FloatArray, sigma_x: FloatArray) -> Liml:
    """Minimum of eq. (16) in closed form; `y` and `x` are whitened."""
    k = x.shape[1]
    noise = np.zeros((k + 1, k + 1))
    noise[0, 0], noise[1:, 1:] = 1.0, sigma_x
    moments = np.column_stack([y, x])
    inverse_root, vectors = eigh(noise, moments.T @ moments)
    v = vectors[:, -1]
    theta = -v[1:] / v[0]
    variance = np.full(len(y), 1 + theta @ sigma_x @ theta)
    return Liml(theta, sandwich(x, variance, theta, sigma_x, -1.0), float(1 / inverse_root[-1]))


def sandwich(
    x: FloatArray, v: FloatArray, theta: FloatArray, sigma_x: FloatArray, share: float
) -> FloatArray:
    """Covariance of an errors-in-variables estimate, eqs. (16) and (20).

    Parameters
    ----------
    x
        (J, K) whitened exposures.
    v
        (J,) variance of each residual.
    theta, sigma_x
        Estimate and noise of the exposures.
    share
        Coefficient of the last term: -1 when `v` has no estimated part.
    """
    gram = x.T @ (x / v[:, np.newaxis])
    bread = np.linalg.inv(gram - np.sum(1 / v) * sigma_x)
    pull = sigma_x @ theta
    meat = gram + share * np.sum(1 / v**2) * np.outer(pull, pull)
    return np.asarray(bread @ meat @ bread)


def summary_noise(se_x: FloatArray, c: FloatArray, r: FloatArray) -> FloatArray:
    """(K, K, J, J) covariances of marginal exposure effects, eq. (17)."""
    k = se_x.shape[1]
    blocks = [[c[i, j] * np.outer(se_x[:, i], se_x[:, j]) * r for j in range(k)] for i in range(k)]
    return np.array(blocks)


def cue_objective(
    theta: ArrayLike, g_y: FloatArray, g_x: FloatArray, s_y: FloatArray, s_x: FloatArray
) -> float:
    """Distance of the outcome effects from the model in units of all the noise, eq. (17)."""
    theta = np.asarray(theta, dtype=np.float64)
    omega = s_y + np.einsum("k,l,klij->ij", theta, theta, s_x)
    residual = g_y - g_x @ theta
    return float(residual @ np.linalg.inv(omega) @ residual)


def cue(
    g_y: FloatArray, g_x: FloatArray, s_y: FloatArray, s_x: FloatArray
) -> tuple[FloatArray, float]:
    """Minimum of eq. (17) by direct search from several starts, and its value."""
    start = gls(g_x, g_y, s_y).theta
    found = [
        minimize(
            cue_objective,
            factor * start,
            args=(g_y, g_x, s_y, s_x),
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 5_000, "maxfev": 5_000},
        )
        for factor in (0.7, 1.0, 1.4)
    ]
    best = min(found, key=lambda result: result.fun)
    return np.asarray(best.x), float(best.fun)


def joint_effects(
    b: FloatArray, se: FloatArray, n: float, r: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Joint effects of all variants on one trait, and their covariance, eq. (18).

    Parameters
    ----------
    b, se
        (J,) marginal effects and standard errors.
    n
        People.
    r
        (J, J) LD.
    """
    a = 1 / (n * se**2 + b**2)
    inverse = np.linalg.inv(np.sqrt(np.outer(a, a)) * r)
    joint = inverse @ (a * b)
    return joint, inverse * (1 - (a * b) @ joint) / (n - len(b) + 1)


def joint_noise(
    b_x: FloatArray, se_x: FloatArray, n: float, r: FloatArray, c: FloatArray
) -> FloatArray:
    """(K, K, J, J) covariances of joint exposure effects, eq. (18)."""
    a = 1 / (n * se_x**2 + b_x**2)
    roots = []
    for k in range(b_x.shape[1]):
        values, vectors = np.linalg.eigh(np.sqrt(np.outer(a[:, k], a[:, k])) * r)
        roots.append((vectors * np.sqrt(values)) @ vectors.T)
    moment = a * b_x
    size = range(b_x.shape[1])
    cross = [[np.linalg.inv(roots[i] @ roots[j].T) for j in size] for i in size]
    blocks = [
        [cross[i][j] * (c[i, j] - moment[:, i] @ cross[i][j] @ moment[:, j]) for j in size]
        for i in size
    ]
    return np.array(blocks) / (n - len(b_x) + 1)


def conditional_f(x: FloatArray, sigma_x: FloatArray) -> float:
    """Strength of the weakest combination of exposures, eq. (19).

    Minimising over the coefficients of the other exposures gives this number for every exposure.
    """
    j, k = x.shape
    return float(eigh(x.T @ x, sigma_x, eigvals_only=True)[0] / (j - k + 1))


def partial_f(x: FloatArray, sigma_x: FloatArray) -> FloatArray:
    """(K,) strength of each exposure beside the others, coefficients by least squares, eq. (19)."""
    j, k = x.shape
    strength = np.empty(k)
    for i in range(k):
        others = np.delete(x, i, axis=1)
        delta = np.linalg.pinv(others) @ x[:, i]
        contrast = np.insert(-delta, i, 1.0)
        q = np.sum((x @ contrast) ** 2) / (contrast @ sigma_x @ contrast)
        strength[i] = q / (j - k + 1)
    return strength


def principal_components(
    b_x: FloatArray, se_y: ArrayLike, r: FloatArray, share: float = 0.99
) -> FloatArray:
    """(J, P) leading directions of LD weighted by the exposures, eq. (19)."""
    weight = np.abs(b_x).sum(axis=1) / np.asarray(se_y, dtype=np.float64)
    values, vectors = np.linalg.eigh(np.outer(weight, weight) * r)
    explained = np.cumsum(values[::-1]) / values.sum()
    n = int(np.searchsorted(explained, share)) + 1
    return np.asarray(vectors[:, ::-1][:, :n])


def pc_gmm(
    b_x: FloatArray,
    b_y: FloatArray,
    se_x: FloatArray,
    se_y: FloatArray,
    r: FloatArray,
    c: FloatArray,
    share: float = 0.99,
) -> tuple[FloatArray, float, int]:
    """Eq. (17) on leading components of the marginal effects: estimate, Q, and how many."""
    w = principal_components(b_x, se_y, r, share)
    noise = np.einsum("ip,klij,jq->klpq", w, summary_noise(se_x, c, r), w)
    theta, q = cue(w.T @ b_y, w.T @ b_x, w.T @ covariance(se_y, r) @ w, noise)
    return theta, q, w.shape[1]
