"""Continuously updated GMM on joint effects or on principal components of the LD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import chdtrc

from refsolve.core.check import FloatArray
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.mvmr.model.effects import quantile
from refsolve.methods.mvmr.model.ld import ridged
from refsolve.methods.mvmr.model.summary import Summary


@dataclass(frozen=True, slots=True)
class GmmFit(Result):
    """Minimum of the continuously updated objective.

    Attributes
    ----------
    exposures
        Names (K,).
    theta, se, covariance, interval, confidence
        Effects with standard errors that carry the exposures' noise.
    q, degrees_of_freedom, q_p_value
        The minimum, and its test of heterogeneity.
    kappa
        Variance of balanced direct effects on joint effects, times the outcome's sample size; 0
        where it was not estimated or is not needed.
    n_components
        Moments: variants, or principal components.
    """

    exposures: tuple[str, ...]
    theta: FloatArray
    se: FloatArray
    covariance: FloatArray
    interval: FloatArray
    confidence: float
    q: float
    degrees_of_freedom: int
    q_p_value: float
    kappa: float
    n_components: int


@dataclass(frozen=True, slots=True)
class Moments:
    """Effects and covariances that enter the objective.

    Attributes
    ----------
    y, x
        Effects (M,) and (M, K).
    noise_y
        Covariance of y (M, M).
    noise_x
        Covariances of the columns of x (K, K, M, M).
    spread
        Covariance that direct effects of variance one add to y (M, M).
    """

    y: FloatArray
    x: FloatArray
    noise_y: FloatArray
    noise_x: FloatArray
    spread: FloatArray

    def variance(self, theta: FloatArray, tau2: float) -> FloatArray:
        """Covariance of y − xθ.

        Parameters
        ----------
        theta
            Effects.
        tau2
            Variance of direct effects.
        """
        along = np.einsum("k,l,klij->ij", theta, theta, self.noise_x)
        return np.asarray(self.noise_y + along + tau2 * self.spread)

    def objective(self, theta: FloatArray, tau2: float = 0.0) -> tuple[float, FloatArray]:
        """The distance of y from xθ in units of its covariance, and its gradient.

        Parameters
        ----------
        theta
            Effects.
        tau2
            Variance of direct effects.
        """
        e = self.y - self.x @ theta
        u = np.linalg.solve(self.variance(theta, tau2), e)
        pull = np.einsum("l,klij->kij", theta, self.noise_x)
        gradient = -2.0 * self.x.T @ u - 2.0 * np.einsum("i,kij,j->k", u, pull, u)
        return float(e @ u), gradient


def fit_gmm(
    data: Summary,
    n_exposure: float,
    n_outcome: float,
    *,
    additive: bool = False,
    components: float | None = None,
    confidence: float = 0.95,
) -> GmmFit:
    """Continuously updated GMM with the whole covariance of exposures and outcome.

    Without `components` the moments are joint effects of all variants, made from marginal ones
    and sample sizes as in MendelianRandomization's `mr_mvgmm`; the minimum is searched with the
    derivative of the covariance, which that package leaves out.

    Parameters
    ----------
    data
        Instruments.
    n_exposure, n_outcome
        People of the studies.
    additive
        Estimate the variance of balanced direct effects.
    components
        Share of the exposure-weighted LD that the principal components must explain, such as
        0.99; None uses joint effects.
    confidence
        Nominal coverage of the intervals.
    """
    if components is None:
        moments = joint_moments(data, n_exposure, n_outcome)
    else:
        moments = component_moments(data, components)
    df = moments.y.size - data.n_exposures
    if df < 0:
        raise AnalysisError(
            f"{moments.y.size} components cannot identify {data.n_exposures} exposures.",
            hint="Raise the share that the components explain.",
        )
    theta, tau2 = _minimum(moments, 0.0), 0.0
    if additive and df > 0:
        theta, tau2 = _with_direct_effects(moments, theta, float(np.trace(moments.noise_y)))
    q = moments.objective(theta, tau2)[0]
    covariance = _sandwich(moments, theta, tau2)
    se = np.sqrt(np.diag(covariance))
    half = quantile(confidence, 0) * se
    return GmmFit(
        exposures=data.exposures,
        theta=theta,
        se=se,
        covariance=covariance,
        interval=np.stack([theta - half, theta + half], axis=1),
        confidence=confidence,
        q=q,
        degrees_of_freedom=df,
        q_p_value=float(chdtrc(df, q)) if df > 0 else 1.0,
        kappa=tau2 * n_outcome,
        n_components=int(moments.y.size),
    )


def joint_moments(data: Summary, n_exposure: float, n_outcome: float) -> Moments:
    """Joint effects of all variants and their covariances.

    Parameters
    ----------
    data
        Instruments.
    n_exposure, n_outcome
        People of the studies.
    """
    ld, j, k = ridged(data.ld, data.ridge), data.n_variants, data.n_exposures
    a = 1.0 / (n_outcome * data.outcome_se**2 + data.outcome_beta**2)
    inverse = np.linalg.inv(np.sqrt(np.outer(a, a)) * ld)
    moment = a * data.outcome_beta
    y = inverse @ moment
    noise_y = inverse * (1.0 - moment @ y) / (n_outcome - j + 1.0)
    b = 1.0 / (n_exposure * data.exposure_se**2 + data.exposure_beta**2)
    moments = b * data.exposure_beta
    roots = [_root(np.sqrt(np.outer(b[:, i], b[:, i])) * ld) for i in range(k)]
    inverses = [np.linalg.inv(root) for root in roots]
    x = np.column_stack([v.T @ v @ m for v, m in zip(inverses, moments.T, strict=True)])
    noise_x = np.empty((k, k, j, j))
    for p in range(k):
        for q in range(k):
            cross = inverses[q].T @ inverses[p]
            explained = moments[:, p] @ cross @ moments[:, q]
            noise_x[p, q] = cross * (data.exposure_correlation[p, q] - explained)
    noise_x /= n_exposure - j + 1.0
    # Only the symmetric part of a covariance between exposures enters.
    noise_x = 0.5 * (noise_x + noise_x.transpose(0, 1, 3, 2))
    return Moments(y, x, noise_y, noise_x, np.eye(j))


def component_moments(data: Summary, share: float) -> Moments:
    """Marginal effects along the leading components of the exposure-weighted LD.

    Parameters
    ----------
    data
        Instruments.
    share
        Of the variance that the components must explain.
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"components = {share} must lie in (0, 1], such as 0.99")
    ld = ridged(data.ld, data.ridge)
    weight = np.abs(data.exposure_beta).sum(axis=1) / data.outcome_se
    values, vectors = np.linalg.eigh(np.outer(weight, weight) * ld)
    explained = np.cumsum(values[::-1]) / values.sum()
    n = int(np.searchsorted(explained, share - 1e-12)) + 1
    w = vectors[:, ::-1][:, :n]
    k = data.n_exposures
    noise_x = np.empty((k, k, n, n))
    for p in range(k):
        for q in range(k):
            se = np.outer(data.exposure_se[:, p], data.exposure_se[:, q])
            noise_x[p, q] = data.exposure_correlation[p, q] * w.T @ (se * ld) @ w
    noise_x = 0.5 * (noise_x + noise_x.transpose(0, 1, 3, 2))
    scaled = data.outcome_se[:, None] * ld
    noise_y = w.T @ (scaled * data.outcome_se) @ w
    spread = w.T @ scaled @ scaled.T @ w
    return Moments(w.T @ data.outcome_beta, w.T @ data.exposure_beta, noise_y, noise_x, spread)


def _root(matrix: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(values)) @ vectors.T)


def _minimum(moments: Moments, tau2: float) -> FloatArray:
    """Smallest of the minima that are reached from several starts."""
    weight = np.linalg.inv(moments.noise_y + tau2 * moments.spread)
    start = np.linalg.solve(moments.x.T @ weight @ moments.x, moments.x.T @ weight @ moments.y)
    found = [
        minimize(moments.objective, f * start, args=(tau2,), jac=True, options={"gtol": 1e-9})
        for f in (0.7, 1.0, 1.4)
    ]
    return np.asarray(min(found, key=lambda result: float(result.fun)).x)


def _with_direct_effects(
    moments: Moments, theta: FloatArray, size: float
) -> tuple[FloatArray, float]:
    """Effects and the variance of direct effects that agree with the residuals."""
    at: dict[float, FloatArray] = {}

    def excess(tau2: float) -> float:
        at[tau2] = _minimum(moments, tau2)
        return _excess(moments, at[tau2], tau2)

    if _excess(moments, theta, 0.0) <= 0.0:
        return theta, 0.0
    high = size / float(np.trace(moments.spread))
    while excess(high) > 0.0:
        high *= 2.0
    tau2 = float(brentq(excess, 0.0, high, xtol=1e-12 * high, rtol=1e-10))
    return _minimum(moments, tau2), tau2


def _excess(moments: Moments, theta: FloatArray, tau2: float) -> float:
    """Residuals along the direct effects minus what noise gives them, leverage allowed for."""
    weight = np.linalg.inv(moments.variance(theta, tau2))
    u = weight @ (moments.y - moments.x @ theta)
    wx = weight @ moments.x
    projector = weight - wx @ np.linalg.solve(moments.x.T @ wx, wx.T)
    return float(u @ moments.spread @ u - np.sum(moments.spread * projector))


def _sandwich(moments: Moments, theta: FloatArray, tau2: float) -> FloatArray:
    """Covariance A⁻¹BA⁻¹ as for whitened rows, with whole covariance matrices (K, K)."""
    weight = np.linalg.inv(moments.variance(theta, tau2))
    gram = moments.x.T @ weight @ moments.x
    A = gram - np.einsum("klij,ji->kl", moments.noise_x, weight)
    pull = np.einsum("l,klij->kij", theta, moments.noise_x) @ weight
    B = gram - np.einsum("kij,lji->kl", pull, pull)
    if tau2 > 0.0:
        spread = moments.spread @ weight
        along = np.einsum("kij,ji->k", pull, spread)
        B += 2.0 * np.outer(along, along) / float(np.sum(spread * spread.T))
    bread = np.linalg.inv(A)
    return np.asarray(bread @ B @ bread)
