"""Linear models of log counts or scores, gene by gene, with a moderated variance."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, open_unit, refuse
from refsolve.methods.pseudobulk.estimator.blocks import common_correlation, correlation_matrix
from refsolve.methods.pseudobulk.estimator.hypothesis import (
    contrast_matrix,
    joint_test,
    t_test,
)
from refsolve.methods.pseudobulk.estimator.shrinkage import (
    posterior_variance,
    total_df,
    variance_prior,
)
from refsolve.methods.pseudobulk.kernels.linear import weighted_fits
from refsolve.methods.pseudobulk.model.design import as_design
from refsolve.methods.pseudobulk.model.expression import ExpressionTest


class LinearFit(NamedTuple):
    """Coefficients (g, p), unscaled covariances (g, p, p), residual variances (g,), their df."""

    beta: FloatArray
    unscaled: FloatArray
    variance: FloatArray
    df: float


def moderated_test(
    values: ArrayLike,
    design: Any,
    contrast: Any = None,
    *,
    weights: ArrayLike | None = None,
    block: ArrayLike | None = None,
    level: float = 0.95,
) -> ExpressionTest:
    """Moderated t test of a contrast, or F test of several, eq. (12).

    Values of a gene have one variance in all samples up to the weights. The variances of genes
    follow a scaled F distribution; that is what lets a gene borrow degrees of freedom.

    Parameters
    ----------
    values
        (genes, samples) means of scores, or log2 counts.
    design
        Design, or a matrix (samples, p).
    contrast
        Name, vector (p,), matrix (p, q), or None for the last coefficient.
    weights
        (genes, samples) or (samples,) precisions.
    block
        (samples,) donors that gave several samples: their correlation is estimated from all genes.
    level
        Of the intervals.

    Returns
    -------
    The test; the log fold change is the difference of the values.

    Raises
    ------
    ValueError
        Shapes disagree, or a value is missing.
    AnalysisError
        The design is aliased or leaves no residual.

    Examples
    --------
    >>> y = np.random.default_rng(1).normal(size=(200, 8))
    >>> x = np.column_stack([np.ones(8), np.repeat([0.0, 1.0], 4)])
    >>> moderated_test(y, x).n_significant()
    9
    """
    y = _values(values)
    whole = as_design(design, y.shape[1])
    x, (c, name), w = whole.matrix, contrast_matrix(whole, contrast), _weights(weights, y)
    v = None if block is None else correlation_matrix(block, common_correlation(y, x, block, w))
    fit = least_squares(y, x, w, v)
    confidence = open_unit(level, "level")
    return moderate(fit, c, name=name, abundance=y.mean(axis=1), level=confidence)


def moderate(
    fit: LinearFit,
    contrast: FloatArray,
    *,
    name: str,
    abundance: FloatArray,
    level: float,
    method: str = "moderated t",
) -> ExpressionTest:
    """Test with variances that met their prior.

    Parameters
    ----------
    fit
        Of every gene.
    contrast
        (p, q).
    name, abundance, level, method
        What the result says.
    """
    scale, prior = variance_prior(fit.variance, fit.df)
    posterior = posterior_variance(fit.variance, fit.df, scale, prior)
    df = np.full(len(fit.beta), float(total_df(fit.df, prior, len(fit.beta))))
    estimate = fit.beta @ contrast
    covariance = contrast.T @ fit.unscaled @ contrast
    if contrast.shape[1] == 1:
        se = np.sqrt(covariance[:, 0, 0] * posterior)
        return t_test(
            estimate[:, 0], se, df, name=name, method=method, abundance=abundance, level=level
        )
    solved = np.linalg.solve(covariance, estimate[:, :, np.newaxis])[:, :, 0]
    q = contrast.shape[1]
    f = (estimate * solved).sum(axis=1) / q / posterior
    return joint_test(
        f, q, df, name=name, method=method.replace(" t", " F"), abundance=abundance, level=level
    )


def least_squares(
    y: FloatArray, x: FloatArray, weight: FloatArray | None = None, v: FloatArray | None = None
) -> LinearFit:
    """Fit of every gene; errors have the correlation v and the precision `weight`.

    Parameters
    ----------
    y, x, weight, v
        (g, n), (n, p), (g, n), (n, n).
    """
    w = np.ones_like(y) if weight is None else weight
    white = np.eye(len(x)) if v is None else np.linalg.inv(np.linalg.cholesky(v))
    return LinearFit(*weighted_fits(y, x, w, white), float(x.shape[0] - x.shape[1]))


def _values(values: ArrayLike) -> FloatArray:
    y = np.ascontiguousarray(values, dtype=np.float64)
    if y.ndim != 2:
        raise ValueError(f"values has {y.ndim} dimensions; expected genes in rows, samples beside")
    refuse(~np.isfinite(y), "values", y, "must be a finite number", "leave the gene out")
    return y


def _weights(weights: ArrayLike | None, y: FloatArray) -> FloatArray | None:
    if weights is None:
        return None
    w = np.asarray(weights, dtype=np.float64)
    if w.shape not in (y.shape, y.shape[1:]):
        raise ValueError(f"weights has the shape {w.shape}; expected {y.shape} or {y.shape[1:]}")
    refuse(~(w > 0), "weights", w, "must be positive", "leave the sample out")
    return np.ascontiguousarray(np.broadcast_to(w, y.shape))
