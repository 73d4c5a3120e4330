"""Redescending regression: rows that do not fit the others lose their weight."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from refsolve.core.check import FloatArray
from refsolve.core.errors import AnalysisError
from refsolve.methods.mvmr.kernels.robust import redescending, trimmed_start
from refsolve.methods.mvmr.model.effects import EffectFit, Estimate, refuse_alike, report
from refsolve.methods.mvmr.model.summary import Summary, Whitened, whiten

TUNING = 4.685  # 95 % as precise as least squares where residuals are normal
STARTS = 500  # exact fits from which the trimmed start is concentrated


def fit_robust(data: Summary, *, tuning: float = TUNING, confidence: float = 0.95) -> EffectFit:
    """Tukey's bisquare on Cholesky-whitened residuals, with noise in the exposures.

    The starts are least-trimmed-squares fits, which up to half of the rows cannot spoil, of the
    whitened rows, of z-scores and of joint effects; the one that ends with the smallest loss is
    taken. The scale is the median absolute residual of the start, at least one. An effect on a
    single variant stays in few rows because each row is a variant given those before it.

    Parameters
    ----------
    data
        Instruments in the order of their position.
    tuning
        Residual, in standard deviations, at which the weight reaches zero.
    confidence
        Nominal coverage of the intervals.
    """
    white = whiten(data)
    refuse_alike(data, white)
    noise = white.mean_noise
    starts = np.concatenate(robust_starts(white))
    fits = [redescending(white.x, white.y, noise, start, tuning) for start in starts]
    fits = [fit for fit in fits if fit[3]]
    if not fits:
        raise AnalysisError(
            "The redescending fit did not converge.",
            hint="Residuals form two groups; model the direct effects with fit_pleiotropy.",
        )
    end = tuning * min(fit[1] for fit in fits)
    theta, scale, weight, _ = min(fits, key=lambda fit: _loss(white, fit[0], end))
    residual = (white.y - white.x @ theta) / math.sqrt(1.0 + theta @ noise @ theta)
    df = data.n_variants - data.n_exposures
    covariance = _sandwich(white, theta) * _inflation(residual / scale, weight, tuning, df)
    found = Estimate(theta, covariance * scale**2, float(residual @ residual), df, residual, weight)
    return report("robust GLS", data, white, found, confidence)


def _loss(white: Whitened, theta: FloatArray, end: float) -> float:
    """Sum of Tukey's losses, constant beyond the end."""
    v = 1.0 + theta @ white.mean_noise @ theta
    t = np.minimum((white.y - white.x @ theta) ** 2 / v / end**2, 1.0)
    return float(np.sum(1.0 - (1.0 - t) ** 3))


def _inflation(u: FloatArray, weight: FloatArray, tuning: float, df: int) -> float:
    """Variance of the weighted scores over the square of their mean slope."""
    t = (u / tuning) ** 2
    slope = np.where(t < 1.0, (1.0 - t) * (1.0 - 5.0 * t), 0.0)
    return float(np.sum((u * weight) ** 2) / max(df, 1) / slope.mean() ** 2)


def robust_starts(white: Whitened) -> tuple[FloatArray, FloatArray]:
    """Least trimmed squares in three coordinates (3, K), and redescending fits from them (3, K).

    Whitened rows; z-scores, of which a direct effect on a single variant touches one; and joint
    effects, of which one that spreads through LD touches one.

    Parameters
    ----------
    white
        Rows.
    """
    j, k = white.x.shape
    subsets, kept = _subsets(j, k), (j + k + 1) // 2
    joint = np.linalg.inv(white.root).T
    views = (np.eye(j), white.root, joint / np.sqrt((joint**2).sum(axis=1, keepdims=True)))
    starts, refined = [], []
    for view in views:
        x, y = np.ascontiguousarray(view @ white.x), view @ white.y
        start = trimmed_start(x, y, subsets, kept)
        theta, _scale, _weight, converged = redescending(x, y, white.mean_noise, start, TUNING)
        starts.append(start)
        refined.append(theta if converged else start)
    return np.array(starts), np.array(refined)


def _subsets(j: int, k: int) -> NDArray[np.int64]:
    """All subsets of k rows, or as many random ones as there are starts."""
    if math.comb(j, k) <= STARTS:
        return np.array(list(itertools.combinations(range(j), k)), dtype=np.int64)
    rng = np.random.default_rng(0)
    return np.argsort(rng.random((STARTS, j)), axis=1)[:, :k].astype(np.int64)


def _sandwich(white: Whitened, theta: FloatArray) -> FloatArray:
    """Covariance with known row variance (K, K)."""
    noise, j = white.mean_noise, white.y.size
    v = float(1.0 + theta @ noise @ theta)
    pull = noise @ theta
    bread = np.linalg.inv((white.x.T @ white.x - j * noise) / v)
    meat = white.x.T @ white.x / v - j * np.outer(pull, pull) / v**2
    return np.asarray(bread @ meat @ bread)
