"""Quasi-likelihood: variances around the trended dispersion, and the test of a contrast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2
from scipy.stats import f as f_distribution

from refsolve.core.check import FloatArray, one_of, open_unit
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.pseudobulk.estimator.contrasts import described, gained
from refsolve.methods.pseudobulk.estimator.dispersion import DispersionFit, estimate_dispersions
from refsolve.methods.pseudobulk.kernels import counts as kernels
from refsolve.methods.pseudobulk.model.design import Design, as_design
from refsolve.methods.pseudobulk.model.deviance import adjusted_deviances
from refsolve.methods.pseudobulk.model.expression import ExpressionTest
from refsolve.methods.pseudobulk.model.inputs import count_matrix, libraries
from refsolve.methods.pseudobulk.model.regression import fit_genes, residual_df
from refsolve.methods.pseudobulk.model.variances import posterior_variance, prior_variance

FORMS = ("legacy", "adjusted")
TOP = 0.1  # share of the genes, the most abundant, that the adjusted form takes its dispersion from
FEWEST_TOP = 50  # genes
EXACT = 1e-9  # deviance of a gene whose counts are its means
INFORMATIVE = 1.0  # degrees of freedom from which an adjusted variance informs the prior


@dataclass(frozen=True, slots=True, eq=False)
class QuasiFit(Result):
    """Fit of G genes in n samples at the trended dispersion.

    Attributes
    ----------
    counts
        (G, n).
    design
        What explains the samples.
    library
        Effective libraries (n,).
    coefficients
        (G, p), natural log scale.
    fitted
        Means (G, n).
    deviance, df_residual
        Of each gene (G,).
    trend, abundance
        Dispersion, and average log2 counts per million (G,).
    variance
        Residual variance after sharing (G,).
    prior_variance, prior_df
        What was shared.
    form
        "legacy": trended dispersions, and the deviance over the degrees of freedom of the counts
        that are not fitted as zero (edgeR to 3.42, and later with `legacy = TRUE`). "adjusted":
        one dispersion, that of the most abundant genes, and unit deviances scaled to chi-square,
        so that small counts do not look less variable than they are (the idea of edgeR 4; its
        numbers are not reproduced).
    """

    counts: FloatArray
    design: Design
    library: FloatArray
    coefficients: FloatArray
    fitted: FloatArray
    deviance: FloatArray
    df_residual: FloatArray
    trend: FloatArray
    abundance: FloatArray
    variance: FloatArray
    prior_variance: FloatArray
    prior_df: float
    form: str


def fit_quasi(
    counts: ArrayLike,
    design: Design | ArrayLike,
    library: ArrayLike,
    *,
    dispersions: DispersionFit | None = None,
    form: str = "legacy",
) -> QuasiFit:
    """Fit every gene and share the residual variances, eq. (10).

    Parameters
    ----------
    counts
        (genes, samples).
    design
        Design or matrix (samples, p).
    library
        Effective libraries.
    dispersions
        Trend and abundance; estimated if absent.
    form
        "legacy" or "adjusted".

    Raises
    ------
    AnalysisError
        The design leaves no residual, no gene has enough counts, or all are fitted exactly.
    """
    one_of(form, "form", FORMS)
    y = count_matrix(counts)
    plan, size = as_design(design, y.shape[1]), libraries(library, y.shape[1])
    shared = dispersions or estimate_dispersions(y, plan, size)
    phi = shared.trend
    if form == "adjusted":
        phi = np.full(len(y), _of_abundant(y, plan, size, shared.abundance))
    fits = fit_genes(y, plan.matrix, np.log(size), phi)
    deviance = np.maximum(kernels.deviances(y, fits.mu, phi), 0.0)
    if not (deviance > EXACT).any():
        raise AnalysisError(
            "Every gene is fitted exactly: no residual says how donors differ.",
            hint="The libraries must hold other genes too; test more than one.",
        )
    if form == "adjusted":
        scaled, df = adjusted_deviances(y, fits.mu, plan.matrix, float(phi[0]))
        informing = np.where(df < INFORMATIVE, 0.0, df)
    else:
        scaled, df = deviance, residual_df(y, fits.mu, plan.matrix)
        informing = df
    variance = np.where(df > 0, scaled / np.where(df > 0, df, 1.0), 0.0)
    scale, prior = prior_variance(variance, informing, shared.abundance)
    posterior = np.where(df > 0, posterior_variance(variance, df, scale, prior), scale)
    return QuasiFit(
        y, plan, size, fits.beta, fits.mu, deviance, df,
        phi, shared.abundance, posterior, scale, prior, form,
    )  # fmt: skip


def _of_abundant(y: FloatArray, plan: Design, size: FloatArray, abundance: FloatArray) -> float:
    top = np.argsort(-abundance, kind="stable")[: max(FEWEST_TOP, int(TOP * len(y)))]
    return estimate_dispersions(y[top], plan, size).common


def quasi_test(
    fit: QuasiFit, contrast: str | ArrayLike | None = None, *, level: float = 0.95
) -> ExpressionTest:
    """Quasi-likelihood F test of a contrast, eq. (10), with an interval of its fold change.

    Parameters
    ----------
    fit
        Fit of the genes.
    contrast
        Name of a column, "a - b", numbers, or None for the condition of the design.
    level
        Coverage of the intervals.
    """
    open_unit(level, "level")
    c = fit.design.contrast(contrast).reshape(fit.design.matrix.shape[1], -1)
    q = c.shape[1]
    gain = gained(fit.counts, fit.design.matrix, np.log(fit.library), fit.trend, c, fit.deviance)
    ratio = gain / q / fit.variance
    total = np.minimum(fit.prior_df + fit.df_residual, fit.counts.shape[0] * fit.design.residual_df)
    p = f_distribution.sf(ratio, q, total)
    # A variance below that of Poisson counts is not believed.
    spread = fit.variance[:, np.newaxis] * (1.0 + fit.fitted * fit.trend[:, np.newaxis])
    below = np.flatnonzero((spread < 1.0).any(axis=1))
    if below.size:
        p[below] = np.maximum(p[below], _poisson(fit, below, c))
    name = contrast if isinstance(contrast, str) else fit.design.condition
    return described(
        fit.counts, fit.design.matrix, fit.library, fit.trend, fit.abundance, c,
        (fit.coefficients, fit.fitted, fit.deviance), fit.variance,
        ratio, total, p, level, ("quasi-likelihood F", name),
    )  # fmt: skip


def _poisson(fit: QuasiFit, genes: np.ndarray[tuple[int], np.dtype[np.int64]],
             contrast: FloatArray) -> FloatArray:  # fmt: skip
    y, x, offset = fit.counts[genes], fit.design.matrix, np.log(fit.library)
    zero = np.zeros(genes.size)
    full = kernels.deviances(y, fit_genes(y, x, offset, zero).mu, zero)
    gain = gained(y, x, offset, zero, contrast, full)
    return np.asarray(chi2.sf(gain, contrast.shape[1]))
