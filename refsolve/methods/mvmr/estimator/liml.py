"""Limited-information maximum likelihood: the exposures' noise is part of the model."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq

from refsolve.core.check import FloatArray
from refsolve.core.errors import AnalysisError
from refsolve.methods.mvmr.kernels.regression import balanced, moments, refits, variances
from refsolve.methods.mvmr.model.effects import (
    EffectFit,
    Estimate,
    Overdispersion,
    refuse_alike,
    report,
)
from refsolve.methods.mvmr.model.pleiotropy import Shape, spread_of
from refsolve.methods.mvmr.model.summary import Summary, Whitened, whiten


def fit_liml(
    data: Summary,
    *,
    overdispersion: Overdispersion = "multiplicative",
    shape: Shape = "ld",
    confidence: float = 0.95,
) -> EffectFit:
    """Regression with noise in the exposures; weak instruments do not attenuate it.

    Minimises the squared whitened residuals over 1 + θ'Σθ (closed form where se_X/se_Y does not
    depend on the variant). An overdispersion enters the variance of the outcome together with the
    effects, so that heterogeneity cannot be absorbed by large effects.

    Parameters
    ----------
    data
        Instruments.
    overdispersion
        `fixed`: none. `multiplicative`: the outcome's variance times a factor of at least one.
        `additive`: balanced direct effects; that they average to zero is what identifies θ.
    shape
        Of these direct effects: spread through LD, or on single variants.
    confidence
        Nominal coverage of the intervals.

    Examples
    --------
    >>> x = np.array([[3.0, 0.0], [0.0, 4.0], [2.0, 2.0], [-3.0, 1.0]])
    >>> data = Summary(x, np.full((4, 2), 0.1), x @ [0.5, -0.2], np.ones(4), np.eye(4))
    >>> fit_liml(data).theta.round(3)
    array([ 0.5, -0.2])
    """
    white = whiten(data, "eigen")
    refuse_alike(data, white)
    spread = {
        "fixed": np.zeros(white.y.size),
        "multiplicative": np.ones(white.y.size),
        "additive": spread_of(white, shape),
    }[overdispersion]
    found = liml_estimate(white, data.n_variants - data.n_exposures, spread)
    return report(f"LIML, {overdispersion}", data, white, found, confidence)


def liml_estimate(white: Whitened, degrees_of_freedom: int, spread: FloatArray) -> Estimate:
    """Estimate on whitened rows.

    Parameters
    ----------
    white
        Rows.
    degrees_of_freedom
        Rows minus everything estimated.
    spread
        What overdispersion of one adds to the variance of each row (J,); zeros: there is none.
    """
    even = bool(np.all(spread == 1.0))
    if not spread.any() or degrees_of_freedom == 0:
        theta, tau2 = _searched(white, spread, additive=False)
    elif even and white.constant:
        theta, tau2 = _even(white, degrees_of_freedom)
    else:
        theta, tau2 = _searched(white, spread, additive=True)
    v, _along = variances(theta, white.noise, 0.0, spread)
    total = v + tau2 * spread
    e = white.y - white.x @ theta
    return Estimate(
        theta=theta,
        covariance=sandwich(white, theta, tau2, spread if tau2 > 0.0 else np.zeros_like(spread)),
        q=float(e @ (e / v)),
        degrees_of_freedom=degrees_of_freedom,
        residual=e / np.sqrt(total),
        weight=np.ones(e.size),
        factor=1.0 + tau2 if even else 1.0,
        tau2=0.0 if even else tau2,
    )


def _searched(white: Whitened, spread: FloatArray, *, additive: bool) -> tuple[FloatArray, float]:
    """Effects and overdispersion by descent; closed form where there is one."""
    theta = closed_form(white, 1.0)
    if white.constant and not additive:
        return theta, 0.0
    start = closed_form(white, math.inf) if additive else theta
    theta, tau2, converged = balanced(white.x, white.y, white.noise, spread, start, additive)
    if not converged:
        raise AnalysisError(
            "The effects and the variance of direct effects did not converge.",
            hint="The instruments are too weak for both; choose multiplicative overdispersion.",
        )
    return theta, tau2


def _even(white: Whitened, degrees_of_freedom: int) -> tuple[FloatArray, float]:
    """Effects, and what exceeds one in the factor that brings Q to its degrees of freedom."""

    def excess(factor: float) -> float:
        theta = closed_form(white, factor)
        e = white.y - white.x @ theta
        return float(e @ e / (factor + theta @ white.mean_noise @ theta)) - degrees_of_freedom

    if excess(1.0) <= 0.0:
        return closed_form(white, 1.0), 0.0
    high = 2.0
    while excess(high) > 0.0:
        high *= 2.0
    factor = float(brentq(excess, 1.0, high, xtol=1e-12 * high, rtol=1e-13))
    return closed_form(white, factor), factor - 1.0


def closed_form(white: Whitened, factor: float) -> FloatArray:
    """Estimate with the noise averaged over rows (K,).

    Parameters
    ----------
    white
        Rows.
    factor
        Of the outcome's variance; infinite: least squares.
    """
    theta = np.asarray(refits(white.x[None], white.y[None], white.mean_noise / factor)[0][0])
    if white.x.shape[0] > white.x.shape[1] and np.isfinite(theta).all():
        return theta
    # Without residuals the noise has no say.
    return np.asarray(np.linalg.lstsq(white.x, white.y)[0], dtype=np.float64)


def sandwich(white: Whitened, theta: FloatArray, tau2: float, spread: FloatArray) -> FloatArray:
    """Covariance A⁻¹BA⁻¹, with what the estimated variance of direct effects adds to it (K, K).

    Parameters
    ----------
    white
        Rows.
    theta, tau2
        Estimates.
    spread
        Rows' shares of the direct effects; zeros when their variance was not estimated.
    """
    v, along = variances(theta, white.noise, tau2, spread)
    M, A, P = moments(white.x, white.noise, v, along)
    meat = M - P
    if spread.any():
        pull = along.T @ (spread / v**2)
        meat += 2.0 * np.outer(pull, pull) / np.sum((spread / v) ** 2)
    bread = np.linalg.inv(A)
    return np.asarray(bread @ meat @ bread)
