"""Log counts with the precision that their mean implies, and the linear model of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, open_unit
from refsolve.core.result import Result
from refsolve.methods.pseudobulk.estimator.blocks import common_correlation, correlation_matrix
from refsolve.methods.pseudobulk.estimator.hypothesis import contrast_matrix
from refsolve.methods.pseudobulk.estimator.moderated import least_squares, moderate
from refsolve.methods.pseudobulk.kernels.linear import sample_precisions
from refsolve.methods.pseudobulk.kernels.lowess import robust_line
from refsolve.methods.pseudobulk.model.design import as_design
from refsolve.methods.pseudobulk.model.expression import ExpressionTest
from refsolve.methods.pseudobulk.model.inputs import count_matrix, libraries

MILLION = np.log2(1e6)
SHARE, ROUNDS = 0.5, 3  # of the genes in a local line; its reweightings
PRIOR = 10.0  # genes' worth of information that samples are equally precise


@dataclass(frozen=True, slots=True, eq=False)
class Voom(Result):
    """Log counts and how precise they are.

    Attributes
    ----------
    values
        (g, n) log2 counts per million.
    weights
        (g, n) precisions, those of the samples included.
    samples
        (n,) precisions of the samples, product one.
    correlation
        Within blocks; zero without.
    """

    values: FloatArray
    weights: FloatArray
    samples: FloatArray
    correlation: float


def voom_weights(
    counts: ArrayLike,
    design: Any,
    library: ArrayLike,
    *,
    sample_weights: bool = False,
    block: ArrayLike | None = None,
) -> Voom:
    """Precision of log counts from the trend of their spread, eqs. (11), (13), (14).

    Parameters
    ----------
    counts
        (genes, samples) of genes that can be tested.
    design
        Design, or a matrix (samples, p).
    library
        (samples,) effective libraries.
    sample_weights
        Estimate the precision of whole samples.
    block
        (samples,) donors that gave several samples.

    Returns
    -------
    Values and weights. With sample weights or blocks the trend is estimated twice.
    """
    y = count_matrix(counts)
    x, size = as_design(design, y.shape[1]).matrix, libraries(library, y.shape[1])
    values = np.log2((y + 0.5) / (size + 1.0)) + MILLION
    weights = _precision(values, x, size, None, None)
    samples, rho = np.ones(len(x)), 0.0
    if not sample_weights and block is None:
        return Voom(values, weights, samples, rho)
    for last in (False, True):
        correlation = None
        if sample_weights:
            samples = sample_precisions(values, x, weights, PRIOR)
        if block is not None:
            rho = common_correlation(values, x, block, weights * samples)
            correlation = correlation_matrix(block, rho)
        if not last:
            weights = _precision(values, x, size, samples, correlation)
    return Voom(values, weights * samples, samples, rho)


def _precision(
    values: FloatArray,
    x: FloatArray,
    size: FloatArray,
    samples: FloatArray | None,
    correlation: FloatArray | None,
) -> FloatArray:
    weight = None if samples is None else np.tile(samples, (len(values), 1))
    fit = least_squares(values, x, weight, correlation)
    log_size = np.log2(size + 1.0) - MILLION
    level = values.mean(axis=1) + log_size.mean()
    order = np.argsort(level, kind="stable")
    trend = robust_line(level[order], fit.variance[order] ** 0.25, SHARE, ROUNDS)
    spread = np.interp(fit.beta @ x.T + log_size, level[order], trend)
    return np.asarray(spread**-4.0)


def voom_test(
    counts: ArrayLike,
    design: Any,
    library: ArrayLike,
    contrast: Any = None,
    *,
    sample_weights: bool = False,
    block: ArrayLike | None = None,
    level: float = 0.95,
) -> ExpressionTest:
    """Moderated t test of log counts weighted by their precision, eqs. (11)-(14).

    Parameters
    ----------
    counts
        (genes, samples) of genes that can be tested.
    design
        Design, or a matrix (samples, p).
    library
        (samples,) effective libraries.
    contrast
        Name, vector (p,), matrix (p, q), or None for the condition.
    sample_weights
        Estimate the precision of whole samples.
    block
        (samples,) donors that gave several samples.
    level
        Of the intervals.

    Returns
    -------
    The test; a linear model of logs is never separated.
    """
    confidence = open_unit(level, "level")
    found = voom_weights(counts, design, library, sample_weights=sample_weights, block=block)
    whole = as_design(design, found.values.shape[1])
    c, name = contrast_matrix(whole, contrast)
    v = None if block is None else correlation_matrix(block, found.correlation)
    fit = least_squares(found.values, whole.matrix, found.weights, v)
    mean = found.values.mean(axis=1)
    return moderate(fit, c, name=name, abundance=mean, level=confidence, method="voom moderated t")
