"""What a test of a contrast reports: fold changes, intervals, p values, separated genes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import chi2
from scipy.stats import t as t_distribution

from refsolve.core.check import FloatArray, open_unit, within
from refsolve.methods.pseudobulk.kernels import counts as kernels
from refsolve.methods.pseudobulk.model.design import Design, as_design, null_basis
from refsolve.methods.pseudobulk.model.expression import ExpressionTest, adjust_fdr
from refsolve.methods.pseudobulk.model.factors import average_log2_cpm, prior_counts
from refsolve.methods.pseudobulk.model.inputs import count_matrix, libraries
from refsolve.methods.pseudobulk.model.regression import (
    contrast_covariance,
    fit_genes,
    separated,
)

PRIOR = 0.125  # count that keeps fold changes finite
LOG2 = np.log(2.0)
FURTHEST = 60.0  # log2 fold change that a bound is looked for up to


def likelihood_ratio_test(
    counts: ArrayLike,
    design: Design | ArrayLike,
    library: ArrayLike,
    dispersion: ArrayLike,
    contrast: str | ArrayLike | None = None,
    *,
    level: float = 0.95,
) -> ExpressionTest:
    """Likelihood-ratio test of a contrast at given dispersions.

    Parameters
    ----------
    counts
        (genes, samples).
    design
        Design or matrix (samples, p).
    library
        Effective libraries.
    dispersion
        Of each gene, or of all; zero is Poisson.
    contrast
        Name of a column, "a - b", numbers, or None for the condition of the design.
    level
        Coverage of the intervals.
    """
    open_unit(level, "level")
    y = count_matrix(counts)
    plan, size = as_design(design, y.shape[1]), libraries(library, y.shape[1])
    phi = within(np.broadcast_to(dispersion, len(y)), "dispersion", 0.0, np.inf, open_high=True)
    phi = phi.copy()
    c = plan.contrast(contrast).reshape(plan.matrix.shape[1], -1)
    fits = fit_genes(y, plan.matrix, np.log(size), phi)
    full = kernels.deviances(y, fits.mu, phi)
    gain = gained(y, plan.matrix, np.log(size), phi, c, full)
    name = contrast if isinstance(contrast, str) else plan.condition
    return described(
        y, plan.matrix, size, phi, average_log2_cpm(y, size, phi), c,
        (fits.beta, fits.mu, full), np.ones(len(y)),
        gain, np.full(len(y), np.inf), chi2.sf(gain, c.shape[1]), level,
        ("likelihood ratio", name),
    )  # fmt: skip


def gained(
    y: FloatArray, x: FloatArray, offset: FloatArray, phi: FloatArray, contrast: FloatArray,
    full: FloatArray,
) -> FloatArray:  # fmt: skip
    """Deviance (G,) that a contrast (p, q) takes away; full (G,) is what is left with it.

    Parameters
    ----------
    y, x, offset, phi
        Counts (G, n), design (n, p), log libraries (n,) and dispersions (G,).
    contrast
        Combinations of coefficients.
    full
        Deviance of the whole design.
    """
    null = fit_genes(y, x @ null_basis(contrast), offset, phi).mu
    return np.maximum(kernels.deviances(y, null, phi) - full, 0.0)


def described(
    y: FloatArray, x: FloatArray, library: FloatArray, phi: FloatArray, abundance: FloatArray,
    contrast: FloatArray, full: tuple[FloatArray, FloatArray, FloatArray], variance: FloatArray,
    statistic: FloatArray, df_denominator: FloatArray, p: FloatArray, level: float,
    named: tuple[str, str],
) -> ExpressionTest:  # fmt: skip
    """Fold changes and intervals beside a test.

    Parameters
    ----------
    y, x, library, phi, abundance
        Counts, design, effective libraries, dispersions, abundance.
    contrast
        Combinations of coefficients (p, q).
    full
        Coefficients, means and deviance of the whole design.
    variance
        What the variance of the model is multiplied by (G,).
    statistic, df_denominator, p
        The test.
    level
        Coverage.
    named
        Method and name of the contrast.
    """
    added, total = prior_counts(library, PRIOR)
    change = fit_genes(y + added, x, np.log(total), phi).beta @ contrast / LOG2
    apart = separated(full[1], x, contrast)
    estimate, se = np.full(len(y), np.nan), np.full(len(y), np.nan)
    interval = np.full((len(y), 2), np.nan)
    if contrast.shape[1] == 1:
        change, c = change[:, 0], contrast[:, 0]
        fine = ~apart & np.isfinite(full[0]).all(axis=1)
        estimate[fine] = full[0][fine] @ c / LOG2
        estimate[apart] = np.copysign(np.inf, change[apart])
        se = np.sqrt(contrast_covariance(full[1], x, phi, c) * variance) / LOG2
        quantile = t_distribution.ppf(0.5 + 0.5 * level, df_denominator)
        fine = np.isfinite(se)
        width = (quantile * se)[fine]
        interval[fine] = np.column_stack([estimate[fine] - width, estimate[fine] + width])
        limit = quantile**2 * variance
        for g in np.flatnonzero(~fine):
            interval[g] = _profiled(
                y[g], x, np.log(library), float(phi[g]), c, float(full[2][g]), float(limit[g]),
                (float(change[g]), bool(apart[g])),
            )  # fmt: skip
    return ExpressionTest(
        named[1], named[0], change, estimate, se, interval, statistic, contrast.shape[1],
        df_denominator, p, adjust_fdr(p), apart, abundance, level,
    )  # fmt: skip


def _profiled(
    y: FloatArray, x: FloatArray, offset: FloatArray, phi: float, contrast: FloatArray,
    full: float, limit: float, found: tuple[float, bool],
) -> tuple[float, float]:  # fmt: skip
    """Fold changes that the deviance allows, one gene."""
    if not y.any():
        return -np.inf, np.inf
    change, apart = found
    basis = np.ascontiguousarray(x @ null_basis(contrast[:, np.newaxis]))
    along = x @ contrast / (contrast @ contrast) * LOG2

    def excess(b: float) -> float:
        mu = fit_genes(y[np.newaxis], basis, offset + b * along, phi).mu
        return float(kernels.deviances(y[np.newaxis], mu, np.array([phi]))[0]) - full - limit

    def bound(sign: float) -> float:
        if apart and sign * change > 0:
            return float(sign * np.inf)
        far = change + sign
        while excess(far) < 0:
            far = change + 2.0 * (far - change)
            if abs(far - change) > FURTHEST:
                return float(sign * np.inf)
        near = change + 0.5 * (far - change) if abs(far - change) > 1.0 else change
        if excess(near) > 0:
            near = change - sign * FURTHEST
        if excess(near) > 0:
            return change
        return float(brentq(excess, min(near, far), max(near, far), xtol=1e-8))

    return bound(-1.0), bound(1.0)
