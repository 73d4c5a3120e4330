"""What a fit leaves unexplained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from scipy.stats import t as student

from refsolve.core.check import FloatArray
from refsolve.core.result import Result
from refsolve.methods.count_glm.model.design import codes_of, count_data
from refsolve.methods.count_glm.model.results import CountFit

UNIT = 1e-12  # variance below which a column does not vary


@dataclass(frozen=True, slots=True, eq=False)
class Diagnostics(Result):
    """What a fit leaves unexplained.

    Attributes
    ----------
    pearson
        Squared Pearson residuals over their degrees of freedom; about one where the variance is
        right.
    residual
        Pearson residuals (n,).
    leverage
        Of every row, or of every donor where donors are given; sums to the coefficients.
    influence
        Change of the coefficients (rows or donors, p) when one is left out, in one step.
    zeros_seen, zeros_expected
        Rows without counts.
    zero_p
        Of no more zeros than expected, one-sided.
    ambient_correlation
        Of the residuals with the ambient share of the mean; NaN where that does not vary.
    ambient_p
        Of no correlation, two-sided.
    """

    pearson: float
    residual: FloatArray
    leverage: FloatArray
    influence: FloatArray
    zeros_seen: int
    zeros_expected: float
    zero_p: float
    ambient_correlation: float
    ambient_p: float


def diagnose(
    y: ArrayLike, x: ArrayLike, fit: CountFit, *, donor: ArrayLike | None = None
) -> Diagnostics:
    """Residuals, leverage, zeros, and what the ambient part leaves.

    Parameters
    ----------
    y, x
        As they were fitted.
    fit
        From `fit_counts`.
    donor
        Labels (n,): leverage and influence are then those of donors.
    """
    data = count_data(y, x, fit.exposure)
    part = fit.native if fit.family == "quasi_native" else fit.mu
    variance = fit.scale * (fit.mu + fit.dispersion * part**2)
    residual = (data.y - fit.mu) / np.sqrt(variance)
    slope = fit.native * fit.scale / variance
    root = data.x * np.sqrt(slope * fit.native)[:, np.newaxis]
    inverse = np.linalg.pinv(root.T @ root, hermitian=True)
    leverage = np.einsum("ij,jk,ik->i", root, inverse, root)
    pull = data.x * (slope * (data.y - fit.mu))[:, np.newaxis]
    if donor is not None:
        codes, n = codes_of(donor, data.y.size)
        leverage = np.bincount(codes, leverage, n)
        pull = np.column_stack([np.bincount(codes, column, n) for column in pull.T])
    influence = -(pull @ inverse) / np.maximum(1.0 - leverage, 1e-8)[:, np.newaxis]
    zeros = _zeros(data.y, fit)
    return Diagnostics(
        float((residual**2).sum() * fit.scale / data.residual_df),
        residual,
        np.asarray(leverage),
        np.asarray(influence),
        *zeros,
        *_ambient(residual, fit.exposure.ambient / fit.mu, data.residual_df),
    )


def _zeros(y: FloatArray, fit: CountFit) -> tuple[int, float, float]:
    log_none = _log_none(fit)
    none = np.exp(log_none)
    spread = float(np.sqrt((none * (1.0 - none)).sum()))
    seen, expected = int((y == 0).sum()), float(none.sum())
    return seen, expected, float(norm.sf((seen - expected) / max(spread, 1e-300)))


def _log_none(fit: CountFit) -> FloatArray:
    """Log probability of no count in every row; of the quasi-likelihoods by their variance."""
    alpha, phi = fit.dispersion, fit.scale
    if fit.family == "quasi_poisson" and phi > 1.0:
        return np.asarray(-fit.mu * np.log(phi) / (phi - 1.0))
    if alpha == 0.0:
        return -fit.mu
    if fit.family == "quasi_native":
        return np.asarray(-fit.exposure.ambient - np.log1p(alpha * fit.native) / alpha)
    return np.asarray(-np.log1p(alpha * fit.mu) / alpha)


def _ambient(residual: FloatArray, share: FloatArray, df: int) -> tuple[float, float]:
    if residual.var() < UNIT or share.var() < UNIT or df < 2:
        return float("nan"), float("nan")
    r = float(np.corrcoef(residual, share)[0, 1])
    t = r * np.sqrt((df - 1) / max(1.0 - r * r, 1e-300))
    return r, float(2.0 * student.sf(abs(t), df - 1))
