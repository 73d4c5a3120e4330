"""Generalised least squares of the outcome's effects on those of the exposures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from refsolve.core.check import FloatArray
from refsolve.core.result import Result
from refsolve.methods.mvmr.model.effects import (
    EffectFit,
    Estimate,
    Overdispersion,
    refuse_alike,
    report,
)
from refsolve.methods.mvmr.model.pleiotropy import Shape, spread_of
from refsolve.methods.mvmr.model.summary import Summary, Whitened, whiten


def fit_gls(
    data: Summary,
    *,
    overdispersion: Overdispersion = "multiplicative",
    shape: Shape = "ld",
    confidence: float = 0.95,
) -> EffectFit:
    """Inverse-variance weighted regression with correlated variants.

    The exposures' effects count as known: their noise pulls the estimates towards the confounded
    ones of the weaker instruments and is not in the standard errors. `fit_liml` carries it.

    Parameters
    ----------
    data
        Instruments.
    overdispersion
        `fixed`: none. `multiplicative`: the covariance times max(1, Q/df). `additive`: balanced
        direct effects of the variance that brings Q to its degrees of freedom.
    shape
        Of these direct effects: spread through LD, or on single variants.
    confidence
        Nominal coverage of the intervals.
    """
    white = whiten(data, "eigen" if overdispersion == "additive" else "cholesky")
    refuse_alike(data, white)
    df = data.n_variants - data.n_exposures
    spread = spread_of(white, shape)
    tau2 = _additive(white, spread, df) if overdispersion == "additive" else 0.0
    theta, covariance, q, residual = _weighted(white, 1.0 + tau2 * spread)
    factor = max(1.0, q / df) if overdispersion == "multiplicative" and df > 0 else 1.0
    found = Estimate(
        theta, factor * covariance, q, df, residual, np.ones(residual.size), factor, tau2
    )
    return report(f"GLS, {overdispersion}", data, white, found, confidence)


def _weighted(white: Whitened, v: FloatArray) -> tuple[FloatArray, FloatArray, float, FloatArray]:
    """Estimate, covariance, Q and standardised residuals with row variances v."""
    x, y = white.x / np.sqrt(v)[:, None], white.y / np.sqrt(v)
    theta = np.asarray(np.linalg.lstsq(x, y)[0], dtype=np.float64)
    residual = y - x @ theta
    covariance = np.asarray(np.linalg.inv(x.T @ x), dtype=np.float64)
    return theta, covariance, float(residual @ residual), residual


def _additive(white: Whitened, spread: FloatArray, df: int) -> float:
    """Variance of direct effects at which Q equals its degrees of freedom."""

    def excess(tau2: float) -> float:
        return _weighted(white, 1.0 + tau2 * spread)[2] - df

    if excess(0.0) <= 0.0:
        return 0.0
    high = 1.0
    while excess(high) > 0.0:
        high *= 2.0
    return float(brentq(excess, 0.0, high, xtol=1e-14 * high, rtol=1e-13))


@dataclass(frozen=True, slots=True)
class EggerFit(Result):
    """Fit with an intercept: an average direct effect in the direction of one exposure.

    Attributes
    ----------
    fit
        Effects of the exposures.
    intercept, intercept_se
        Average direct effect per allele that raises the exposure, and its standard error.
    """

    fit: EffectFit
    intercept: float
    intercept_se: float


def fit_egger(data: Summary, *, orient: int = 0, confidence: float = 0.95) -> EggerFit:
    """Generalised least squares with an intercept, alleles turned to raise one exposure.

    Parameters
    ----------
    data
        Instruments.
    orient
        Exposure that every allele is turned to raise.
    confidence
        Nominal coverage of the intervals.
    """
    sign = np.where(data.exposure_beta[:, orient] < 0.0, -1.0, 1.0)
    turned = replace(
        data,
        exposure_beta=sign[:, None] * data.exposure_beta,
        outcome_beta=sign * data.outcome_beta,
        ld=sign[:, None] * data.ld * sign,
    )
    level = np.ones((data.n_variants, 1))
    white = whiten(turned)
    refuse_alike(turned, white)
    wide = whiten(
        replace(
            turned,
            exposure_beta=np.hstack([level, turned.exposure_beta]),
            exposure_se=np.hstack([level, turned.exposure_se]),
            exposure_correlation=np.eye(data.n_exposures + 1),
            exposures=(),
        )
    )
    df = data.n_variants - data.n_exposures - 1
    theta, covariance, q, residual = _weighted(wide, np.ones(data.n_variants))
    factor = max(1.0, q / df) if df > 0 else 1.0
    found = Estimate(
        theta[1:], factor * covariance[1:, 1:], q, df, residual, np.ones(residual.size), factor
    )
    fit = report("Egger", turned, white, found, confidence)
    return EggerFit(fit, float(theta[0]), float(np.sqrt(factor * covariance[0, 0])))
