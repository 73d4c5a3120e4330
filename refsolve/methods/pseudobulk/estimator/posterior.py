"""Dispersions towards a parametric trend, the Wald test, and shrunken fold changes, (15)-(18)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import polygamma

from refsolve.core.check import FloatArray, open_unit, refuse
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.pseudobulk.estimator.hypothesis import contrast_matrix, t_test
from refsolve.methods.pseudobulk.kernels.posterior import modes, profiles_at, ridge_fits
from refsolve.methods.pseudobulk.model.design import as_design
from refsolve.methods.pseudobulk.model.expression import ExpressionTest
from refsolve.methods.pseudobulk.model.factors import average_log2_cpm
from refsolve.methods.pseudobulk.model.inputs import count_matrix, libraries

LEAST = 1e-8  # dispersion
RIDGE = 1e-6 / np.log(2.0) ** 2  # on natural coefficients; faint
WORTH = 1e-6  # of the log-likelihood: a smaller gain moves no dispersion
FAR = (1e-4, 15.0)  # ratios to the trend outside which a gene does not shape it
LEAST_VARIANCE = 0.25  # of log dispersions around the trend
OUTLYING = 2.0  # deviations above the trend
MAD = 1.4826
LOG2 = np.log(2.0)


@dataclass(frozen=True, slots=True, eq=False)
class PosteriorDispersions(Result):
    """Dispersions of genes, alone and together; NaN where there are no counts.

    Attributes
    ----------
    own
        (g,) of each gene alone.
    trend
        (g,) a0 + a1 / mean.
    mode
        (g,) where the two meet.
    used
        (g,) `mode`, or `own` for outliers.
    outlier
        (g,) genes far above the trend.
    coefficients
        a0 and a1.
    prior_variance
        Of log dispersions around the trend.
    mean
        (g,) mean count divided by the size factors.
    """

    own: FloatArray
    trend: FloatArray
    mode: FloatArray
    used: FloatArray
    outlier: NDArray[np.bool_]
    coefficients: tuple[float, float]
    prior_variance: float
    mean: FloatArray


def posterior_dispersions(
    counts: ArrayLike, design: Any, size_factors: ArrayLike
) -> PosteriorDispersions:
    """Dispersions that meet a parametric trend, eqs. (15)-(17).

    Parameters
    ----------
    counts
        (genes, samples).
    design
        Design, or a matrix (samples, p).
    size_factors
        (samples,) from medians of ratios.

    Raises
    ------
    AnalysisError
        Fewer than three genes are overdispersed.
    """
    y = count_matrix(counts)
    x, size = as_design(design, y.shape[1]).matrix, libraries(size_factors, y.shape[1])
    mean, there = (y / size).mean(axis=1), np.asarray(y.any(axis=1))
    some = np.ascontiguousarray(y[there])
    span = (float(np.log(LEAST / 10.0)), float(np.log(max(10.0, len(x)))))
    guess = _first_guess(some / size, x, size)
    mu = _fits(some, x, size, guess)[1]
    own = _own(some, x, mu, guess, span)
    use = own > 100.0 * LEAST
    a0, a1 = parametric_trend(mean[there][use], own[use])
    trend = a0 + a1 / mean[there]
    residual = np.log(own[use] / trend[use])
    deviation = MAD * float(np.median(np.abs(residual - np.median(residual))))
    noise = float(polygamma(1, (x.shape[0] - x.shape[1]) / 2.0))
    variance = max(deviation**2 - noise, LEAST_VARIANCE)
    mode = np.exp(modes(some, x, mu, np.log(trend), variance, *span)).clip(LEAST, np.exp(span[1]))
    outlier = np.log(own) > np.log(trend) + OUTLYING * deviation
    used = np.where(outlier, own, mode)
    all_four = np.full((4, there.size), np.nan)
    all_four[:, there] = own, trend, mode, used
    odd = np.zeros(there.size, dtype=bool)
    odd[there] = outlier
    return PosteriorDispersions(
        all_four[0], all_four[1], all_four[2], all_four[3], odd, (a0, a1), variance, mean
    )


def wald_test(
    counts: ArrayLike,
    design: Any,
    size_factors: ArrayLike,
    contrast: Any = None,
    *,
    dispersions: ArrayLike | None = None,
    level: float = 0.95,
) -> ExpressionTest:
    """Wald test of a contrast, eq. (18), with fold changes shrunken by a Cauchy prior.

    The prior is centred at zero; its scale is the spread of the estimates beyond their errors.
    A shrunken fold change keeps the sign of its estimate.

    Parameters
    ----------
    counts
        (genes, samples).
    design
        Design, or a matrix (samples, p).
    size_factors
        (samples,) from medians of ratios.
    contrast
        Name, vector (p,), or None for the condition.
    dispersions
        (genes,); None estimates them.
    level
        Of the intervals.

    Returns
    -------
    The test; genes without counts are NaN.
    """
    y = count_matrix(counts)
    whole, size = as_design(design, y.shape[1]), libraries(size_factors, y.shape[1])
    c, name = contrast_matrix(whole, contrast)
    if c.shape[1] > 1:
        raise ValueError("contrast has several columns; a Wald test takes one at a time")
    phi = _dispersions(y, whole, size, dispersions)
    there = y.any(axis=1) & np.isfinite(phi)
    beta, _, covariance = _fits(y[there], whole.matrix, size, phi[there])
    estimate = _everywhere((beta @ c)[:, 0] / LOG2, there)
    se = _everywhere(np.sqrt((c.T @ covariance @ c)[:, 0, 0]) / LOG2, there)
    return t_test(
        estimate,
        se,
        np.full(len(y), np.inf),
        name=name,
        method="Wald",
        abundance=average_log2_cpm(y, size * y.sum() / len(size), 0.05),
        level=open_unit(level, "level"),
        shrunken=_everywhere(shrink(estimate[there], se[there]), there),
    )


def shrink(estimate: FloatArray, se: FloatArray) -> FloatArray:
    """Modes of normal estimates under a Cauchy prior around zero.

    Parameters
    ----------
    estimate, se
        (g,) each.
    """
    scale = prior_scale(estimate, se)
    if scale == 0.0:
        return np.zeros(estimate.size)
    matrix = np.zeros((estimate.size, 3, 3))
    matrix[:, 1, 0] = matrix[:, 2, 1] = 1.0
    matrix[:, 0] = np.column_stack([estimate, -(scale**2) - 2.0 * se**2, estimate * scale**2])
    roots = np.linalg.eigvals(matrix)
    real = np.abs(roots.imag) <= 1e-6 * (1.0 + np.abs(roots.real))
    b = roots.real
    loss = (b - estimate[:, None]) ** 2 / (2.0 * se[:, None] ** 2) + np.log1p((b / scale) ** 2)
    best = np.argmin(np.where(real, loss, np.inf), axis=1)
    return np.asarray(b[np.arange(b.shape[0]), best])


def prior_scale(estimate: FloatArray, se: FloatArray) -> float:
    """Standard deviation of the true values: most likely for normal ones with these errors.

    Parameters
    ----------
    estimate, se
        (g,) each.
    """
    if estimate.size < 2:
        return float(np.abs(estimate).max(initial=0.0))

    def loss(log: float) -> float:
        variance = np.exp(2.0 * log) + se**2
        return float((np.log(variance) + estimate**2 / variance).sum())

    found = minimize_scalar(loss, bounds=(-7.0, 4.0), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def parametric_trend(mean: FloatArray, dispersion: FloatArray) -> tuple[float, float]:
    """Both coefficients of a0 + a1 / mean by gamma regression, eq. (16).

    Where one of them would be negative, the other alone: a constant where dispersions rise with
    the mean.

    Parameters
    ----------
    mean, dispersion
        (g,) each.
    """
    if mean.size < 3:
        raise AnalysisError("fewer than three genes are overdispersed; no trend can be fitted")
    a, basis = np.array([0.1, 1.0]), np.column_stack([np.ones(mean.size), 1.0 / mean])
    for _ in range(20):
        ratio = dispersion / (basis @ a)
        good = (ratio > FAR[0]) & (ratio < FAR[1])
        new = _gamma_regression(basis[good], dispersion[good], a)
        if not (new > 0).all():
            return _one_term(mean[good], dispersion[good], float(new[1]))
        change = float((np.log(new / a) ** 2).sum())
        a = new
        if change < 1e-6:
            break
    return float(a[0]), float(a[1])


def _one_term(mean: FloatArray, dispersion: FloatArray, slope: float) -> tuple[float, float]:
    if slope <= 0:
        return float(dispersion.mean()), 0.0
    return 0.0, float((dispersion * mean).mean())


def _gamma_regression(basis: FloatArray, y: FloatArray, start: FloatArray) -> FloatArray:
    a, last = start, np.inf
    for _ in range(200):
        weight = 1.0 / (basis @ a) ** 2
        a = np.asarray(np.linalg.solve((basis.T * weight) @ basis, (basis.T * weight) @ y))
        mu = basis @ a
        if not (mu > 0).all():
            return a
        deviance = float(-2.0 * (np.log(y / mu) - (y - mu) / mu).sum())
        if abs(deviance - last) < 1e-10 * (abs(deviance) + 0.1):
            break
        last = deviance
    return a


def _first_guess(scaled: FloatArray, x: FloatArray, size: FloatArray) -> FloatArray:
    """Smaller of two moment estimates (g,)."""
    fitted = np.maximum(scaled @ np.linalg.pinv(x).T @ x.T, 1.0)
    df = x.shape[0] - x.shape[1]
    rough = np.maximum((((scaled - fitted) ** 2 - fitted) / fitted**2).sum(axis=1) / df, 0.0)
    mean = scaled.mean(axis=1)
    moments = (scaled.var(axis=1, ddof=1) - (1.0 / size).mean() * mean) / mean**2
    return np.asarray(np.clip(np.minimum(rough, moments), LEAST, max(10.0, float(len(x)))))


def _own(
    y: FloatArray, x: FloatArray, mu: FloatArray, guess: FloatArray, span: tuple[float, float]
) -> FloatArray:
    """Dispersion of each gene alone, eq. (15)."""
    found = modes(y, x, mu, np.zeros(len(y)), np.inf, *span)
    before = profiles_at(np.log(guess), y, mu, x)
    gain = profiles_at(found, y, mu, x) - before
    worth = np.abs(before - (y * np.log(mu)).sum(axis=1)) * WORTH
    moved = (guess > LEAST) & (gain >= worth)
    return np.where(moved, np.exp(found).clip(LEAST, np.exp(span[1])), guess)


def _fits(
    y: FloatArray, x: FloatArray, size: FloatArray, phi: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    start = np.ascontiguousarray(np.log(y / size + 0.1) @ np.linalg.pinv(x).T)
    return ridge_fits(np.ascontiguousarray(y), x, size, phi, start, RIDGE)


def _dispersions(
    y: FloatArray, design: Any, size: FloatArray, given: ArrayLike | None
) -> FloatArray:
    if given is None:
        return posterior_dispersions(y, design, size).used
    phi = np.broadcast_to(np.asarray(given, dtype=np.float64), len(y))
    refuse(phi <= 0, "dispersions", phi, "must be positive", "take 1e-8 for Poisson counts")
    return phi


def _everywhere(values: FloatArray, there: NDArray[np.bool_]) -> FloatArray:
    out = np.full(there.size, np.nan)
    out[there] = values
    return out
