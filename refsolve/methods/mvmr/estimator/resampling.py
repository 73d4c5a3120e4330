"""Parametric bootstrap: many refits in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from refsolve.core.check import FloatArray
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.mvmr.kernels.regression import refits
from refsolve.methods.mvmr.model.effects import EffectFit
from refsolve.methods.mvmr.model.summary import Summary, Whitened, whiten

Estimator = Literal["liml", "gls"]


@dataclass(frozen=True, slots=True)
class BootstrapFit(Result):
    """Refits of data simulated from a fit.

    Attributes
    ----------
    theta
        Estimates (B, K).
    q
        Their heterogeneity (B,).
    se
        Standard deviation of the estimates, from their interquartile range (K,).
    bias
        Median of the estimates minus the effects that they were simulated with (K,).
    interval
        Basic intervals (K, 2).
    confidence
        Nominal coverage of these.
    """

    theta: FloatArray
    q: FloatArray
    se: FloatArray
    bias: FloatArray
    interval: FloatArray
    confidence: float


def bootstrap(
    data: Summary,
    fit: EffectFit,
    *,
    estimator: Estimator = "liml",
    n: int = 1000,
    confidence: float = 0.95,
    rng: RandomSource = 0,
) -> BootstrapFit:
    """Simulate instruments from a fit, with noise in exposures and outcome, and refit.

    The exposures are shrunk first to the squares that they would have without noise: noise added
    to noisy exposures would make the instruments look stronger than they are.

    Parameters
    ----------
    data
        Instruments.
    fit
        Effects to simulate with, and their overdispersion.
    estimator
        What is refitted.
    n
        Refits.
    confidence
        Nominal coverage of the intervals.
    rng
        Seed.

    Returns
    -------
    Estimates, their spread and intervals.
    """
    if estimator not in ("liml", "gls"):
        raise ValueError(f"estimator = {estimator!r} is unknown; expected liml or gls")
    white = whiten(data, "eigen")
    noise = white.mean_noise
    x, y = _simulated(white, fit, n, as_generator(rng))
    used = noise / fit.overdispersion if estimator == "liml" else np.zeros_like(noise)
    theta, q = refits(x, y, used)
    tail = 50.0 * (1.0 - confidence)
    low, quarter, middle, upper, high = np.percentile(theta, [tail, 25, 50, 75, 100 - tail], axis=0)
    return BootstrapFit(
        theta=theta,
        q=q,
        se=(upper - quarter) / 1.3489795003921634,
        bias=middle - fit.theta,
        interval=np.stack([2.0 * fit.theta - high, 2.0 * fit.theta - low], axis=1),
        confidence=confidence,
    )


def _simulated(
    white: Whitened, fit: EffectFit, n: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Exposures (n, J, K) and outcomes (n, J)."""
    mean = deconvolved(white)
    root = np.linalg.cholesky(white.mean_noise)
    x = mean + rng.standard_normal((n, *mean.shape)) @ root.T
    sd = np.sqrt(fit.overdispersion + fit.tau2 * white.spectrum)
    y = mean @ fit.theta + rng.standard_normal((n, mean.shape[0])) * sd
    return np.ascontiguousarray(x), y


def deconvolved(white: Whitened) -> FloatArray:
    """Exposures with the second moments that they would have without noise (J, K).

    Parameters
    ----------
    white
        Rows.
    """
    gram = white.x.T @ white.x
    values, vectors = np.linalg.eigh(gram - white.noise.sum(axis=0))
    signal = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    spread, axes = np.linalg.eigh(gram)
    return np.asarray(white.x @ ((axes / np.sqrt(spread)) @ axes.T) @ signal)
