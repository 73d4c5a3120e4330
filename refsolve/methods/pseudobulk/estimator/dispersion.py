"""Dispersions shared between genes: common, trended, and each gene's own, eqs. (7)-(9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.pseudobulk.kernels import counts as kernels
from refsolve.methods.pseudobulk.model.design import Design, as_design
from refsolve.methods.pseudobulk.model.factors import average_log2_cpm
from refsolve.methods.pseudobulk.model.inputs import count_matrix, libraries
from refsolve.methods.pseudobulk.model.regression import fit_genes, profile_genes, residual_df
from refsolve.methods.pseudobulk.model.trend import (
    default_share,
    dispersion_at_maximum,
    local_mean,
)
from refsolve.methods.pseudobulk.model.variances import prior_variance

FEWEST_COUNTS = 5


@dataclass(frozen=True, slots=True, eq=False)
class DispersionFit(Result):
    """Dispersions of G genes.

    Attributes
    ----------
    common
        One dispersion of all genes.
    trend
        Dispersion at the abundance of each gene (G,).
    tagwise
        Each gene's own (G,), drawn to the trend.
    prior_df
        Degrees of freedom by which the trend counts.
    abundance
        Average log2 counts per million (G,).
    """

    common: float
    trend: FloatArray
    tagwise: FloatArray
    prior_df: float
    abundance: FloatArray


def estimate_dispersions(
    counts: ArrayLike, design: Design | ArrayLike, library: ArrayLike
) -> DispersionFit:
    """Common, trended and own dispersions by adjusted profile likelihood, eqs. (7)-(9).

    Parameters
    ----------
    counts
        (genes, samples).
    design
        Design or matrix (samples, p).
    library
        Effective libraries.

    Returns
    -------
    Genes with fewer than five counts have the trend of the least abundant gene that has more.

    Raises
    ------
    AnalysisError
        No gene has enough counts, or the design leaves no residual.
    """
    y = count_matrix(counts)
    x, size = as_design(design, y.shape[1]).matrix, libraries(library, y.shape[1])
    offset, used = np.log(size), y.sum(axis=1) >= FEWEST_COUNTS
    if not used.any():
        raise AnalysisError(
            f"No gene has {FEWEST_COUNTS} counts; a dispersion cannot be estimated.",
            hint="Check that the values are raw counts.",
        )
    some = y[used]
    grid = profile_genes(some, x, offset)
    common = float(dispersion_at_maximum(grid.sum(axis=0, keepdims=True))[0])
    abundance = average_log2_cpm(y, size, common)
    near = local_mean(grid, abundance[used], default_share(len(some)))
    trend = np.empty(len(y))
    trend[used] = dispersion_at_maximum(near)
    trend[~used] = trend[used][np.argmin(abundance[used])]
    prior = _prior(some, x, offset, trend[used], abundance[used])
    own = trend.copy()
    if np.isfinite(prior):
        own[used] = dispersion_at_maximum(grid + prior / (x.shape[0] - x.shape[1]) * near)
    return DispersionFit(common, trend, own, prior, abundance)


def _prior(
    y: FloatArray, x: FloatArray, offset: FloatArray, trend: FloatArray, abundance: FloatArray
) -> float:
    mu = fit_genes(y, x, offset, trend).mu
    df = residual_df(y, mu, x)
    variance = np.where(df > 0, kernels.deviances(y, mu, trend) / np.maximum(df, 1.0), 0.0)
    return prior_variance(variance, df, abundance)[1]
