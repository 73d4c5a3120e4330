"""Donors in the working metric of one gene, and the score tests of variants in it, eq. (10).

For scores s and weights W of the donors, covariates X, and B = W X L^{-T} with L L' = X'WX, a
variant g has the numerator g's and the variance g'Wg - (B'g)'(B'g): two matrix products for all
variants of a window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from refsolve.core.check import FloatArray, IntArray

FAINT = 1e-9  # weight of a donor without native counts, over the largest
LEFT = 1e-8  # of a variance or a length beside the covariates


@dataclass(frozen=True, slots=True)
class Metric:
    """Working metric of one gene.

    The errors of donors that the model expects have the covariance I - BB'.

    Attributes
    ----------
    root
        Square roots of the weights (D,).
    basis
        Columns B (D, p) whose squared products with root * g are what covariates explain of g.
    error
        Scores over roots, without what the covariates could explain (D,).
    axes, left
        Left singular vectors of B (D, p), and the standard deviations of errors along them (p,):
        zero where covariates explain all.
    spare
        Donors with a weight less coefficients that these determine.
    """

    root: FloatArray
    basis: FloatArray
    error: FloatArray
    axes: FloatArray
    left: FloatArray
    spare: int

    @property
    def whitened(self) -> FloatArray:
        """Errors that the model expects to be alike for all donors (D,)."""
        some = self.left > 0.0
        factor = np.where(some, 1.0 / np.where(some, self.left, 1.0), 0.0)
        return np.asarray(self.error + self.axes @ ((factor - 1.0) * (self.axes.T @ self.error)))


def with_weight(weight: FloatArray) -> NDArray[np.bool_]:
    """Donors whose counts say something about log rates (D,).

    Parameters
    ----------
    weight
        Information of every donor (D,).
    """
    return np.asarray(weight > FAINT * weight.max(initial=0.0), np.bool_)


def among(orders: IntArray, used: NDArray[np.bool_]) -> IntArray:
    """Permuted donors (R, D): some are exchanged among themselves, the others keep their place.

    Parameters
    ----------
    orders
        Permuted donors (R, D).
    used
        Those that are exchanged (D,).
    """
    if used.all():
        return orders
    out = np.tile(np.arange(used.size), (len(orders), 1))
    out[:, used] = orders[used[orders]].reshape(len(orders), -1)
    return out


def metric_of_donors(score: FloatArray, weight: FloatArray, x: FloatArray) -> Metric:
    """Metric with covariates of donors; its basis is orthonormal.

    Parameters
    ----------
    score, weight
        Derivative of the log-likelihood in the log rate of every donor, and its information (D,).
    x
        Covariates (D, p).
    """
    root = np.sqrt(weight)
    scaled = x * root[:, np.newaxis]
    length = np.sqrt(np.maximum((scaled**2).sum(axis=0), 1e-300))
    scaled /= length
    try:
        factor = np.linalg.cholesky(scaled.T @ scaled)
        basis = solve_triangular(factor, scaled.T, lower=True, check_finite=False).T
    except np.linalg.LinAlgError:
        basis = _range_of(scaled)
    error = _over(score, root)
    used, p = with_weight(weight), x.shape[1]
    rank = p if used.all() else int(np.linalg.matrix_rank(x[used]))
    error = error - basis @ (basis.T @ error)
    return Metric(root, basis, error, basis, np.zeros(p), int(used.sum()) - rank)


def metric_of_cells(
    score: FloatArray, weight: FloatArray, cross: FloatArray, square: FloatArray, left: FloatArray
) -> Metric:
    """Metric with covariates that differ between the cells of a donor.

    Parameters
    ----------
    score, weight
        As in `metric_of_donors`.
    cross
        Information between the log rate of every donor and the coefficients (D, p).
    square
        Information of the coefficients (p, p).
    left
        Their scores (p,), about zero.
    """
    root = np.sqrt(weight)
    factor = np.linalg.cholesky(square)
    basis = _over(solve_triangular(factor, cross.T, lower=True), root).T
    error = _over(score - cross @ np.linalg.solve(square, left), root)
    axes, value, _ = np.linalg.svd(basis, full_matrices=False)
    left = 1.0 - np.minimum(value, 1.0) ** 2
    left = np.where(left > FAINT, np.sqrt(left), 0.0)
    return Metric(root, basis, error, axes, left, score.size - int((left == 0.0).sum()))


def _over(values: FloatArray, root: FloatArray) -> FloatArray:
    return np.where(root > 0.0, values / np.where(root > 0.0, root, 1.0), 0.0)


def _range_of(x: FloatArray) -> FloatArray:
    left, value, _ = np.linalg.svd(x, full_matrices=False)
    return np.asarray(left * (value > LEFT * value.max(initial=0.0)))


def score_tests(
    dosage: FloatArray, square: FloatArray, own: Metric
) -> tuple[FloatArray, FloatArray]:
    """Numerator and variance of every variant (v,), eq. (10); NaN without variation.

    Parameters
    ----------
    dosage, square
        Copies and their squares (v, D).
    own
        Metric of the gene.
    """
    right = np.column_stack([own.error, own.basis]) * own.root[:, np.newaxis]
    product = dosage @ right
    whole = square @ own.root**2
    variance = whole - (product[:, 1:] ** 2).sum(axis=1)
    return product[:, 0], np.where(variance > LEFT * whole, variance, np.nan)


def largest_correlations(
    dosage: FloatArray, variance: FloatArray, own: Metric, orders: IntArray
) -> FloatArray:
    """Largest squared partial correlation of each permutation (R,).

    Whitened errors are exchanged between donors with a weight and coloured again, which frees them
    of the covariates; the genotypes keep their places beside them.

    Parameters
    ----------
    dosage
        Copies (v, D).
    variance
        Of the variants in the metric (v,).
    own
        Metric of the gene.
    orders
        Permuted donors (R, D).
    """
    moved = own.whitened[among(orders, with_weight(own.root**2))].T
    along = own.axes.T @ moved
    total = (moved**2).sum(axis=0) - (along[own.left == 0.0] ** 2).sum(axis=0)
    moved = moved - own.axes @ ((1.0 - own.left)[:, np.newaxis] * along)
    moved *= own.root[:, np.newaxis]
    product = (dosage / np.sqrt(variance)[:, np.newaxis]) @ moved
    largest = np.maximum(product.max(axis=0), -product.min(axis=0))
    return np.asarray(np.minimum(largest**2 / np.maximum(total, 1e-300), 1.0))
