"""Correlation of samples that share a donor, common to all genes, eq. (14)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray

OUTER = 0.15  # correlations left out on each side
MARGIN, LARGEST = 0.01, 0.99  # of correlations from their bounds
GRID, SECTIONS = 200, 45  # steps over the range, then golden sections
EDGE = 1e-6
NONE = 1e-10  # eigenvalue of a block that the design takes up
RATIO = (5.0**0.5 - 1.0) / 2.0


def common_correlation(
    y: FloatArray, x: FloatArray, block: ArrayLike, weight: FloatArray | None = None
) -> float:
    """Trimmed mean of the correlations of genes on Fisher's scale.

    Parameters
    ----------
    y, x, block, weight
        Values (g, n), design (n, p), labels (n,), precisions (g, n).
    """
    code = _codes(block, len(x))
    member = np.equal.outer(code, np.arange(code.max() + 1)).astype(np.float64)
    largest = member.sum(axis=0).max()
    if largest < 2:
        raise ValueError("block has no two equal entries; leave it out")
    rho = block_correlations(y, x, member, np.ones_like(y) if weight is None else weight)
    smallest = 1.0 / (1.0 - largest) + MARGIN
    angle = np.sort(np.arctanh(np.clip(rho[np.isfinite(rho)], smallest, LARGEST)))
    cut = int(OUTER * angle.size)
    return float(np.tanh(angle[cut : angle.size - cut].mean()))


def correlation_matrix(block: ArrayLike, rho: float) -> FloatArray:
    """Correlation of samples (n, n) that share blocks.

    Parameters
    ----------
    block, rho
        (n,) labels, and the correlation of two samples of one block.
    """
    code = _codes(block, np.size(np.asarray(block)))
    same = np.equal.outer(code, code).astype(np.float64)
    return np.asarray(rho * same + (1.0 - rho) * np.eye(code.size))


def block_correlations(
    y: FloatArray, x: FloatArray, member: FloatArray, weight: FloatArray
) -> FloatArray:
    """Share of each gene's variance between blocks by restricted likelihood (g,).

    Parameters
    ----------
    y, x, member, weight
        Values (g, n), design (n, p), indicators of blocks (n, b), precisions (g, n).
    """
    value, square, spare = _rotated(y, x, member, weight)
    top = np.nanmax(value, axis=1, initial=0.0)
    low = np.where(top > 1.0, np.maximum(-1.0 / np.where(top > 1.0, top - 1.0, 1.0), -10.0), -1.0)
    low, best, at = low + EDGE, np.full(top.size, np.inf), np.zeros(top.size)
    step = (1.0 - EDGE - low) / GRID
    for t in range(GRID + 1):
        loss = _loss(low + t * step, value, square, spare)
        at = np.where(loss < best, t, at)
        best = np.minimum(loss, best)
    left, right = low + np.maximum(at - 1, 0) * step, low + np.minimum(at + 1, GRID) * step
    for _ in range(SECTIONS):
        c, d = right - RATIO * (right - left), left + RATIO * (right - left)
        lower = _loss(c, value, square, spare) < _loss(d, value, square, spare)
        left, right = np.where(lower, left, c), np.where(lower, d, right)
    return np.asarray(0.5 * (left + right))


def _rotated(
    y: FloatArray, x: FloatArray, member: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Variances of free contrasts between blocks, their squares, and squares within (sum, count).

    Contrasts without a part between blocks are summed up: spare (g, 2).
    """
    root = np.sqrt(weight)
    basis = np.linalg.qr(x[np.newaxis] * root[:, :, np.newaxis])[0]
    row = y * root
    residual = row - np.einsum("gnp,gmp,gm->gn", basis, basis, row, optimize=True)
    through = np.swapaxes(basis, 1, 2) @ member
    value, turn = np.linalg.eigh(member.T @ member - np.swapaxes(through, 1, 2) @ through)
    along = np.einsum("gn,nb,gbk->gk", residual, member, turn, optimize=True)
    some = value > NONE
    square = np.where(some, along**2 / np.where(some, value, 1.0), 0.0)
    within = np.maximum((residual**2).sum(axis=1) - square.sum(axis=1), 0.0)
    count = y.shape[1] - x.shape[1] - some.sum(axis=1)
    return np.where(some, value, np.nan), square, np.column_stack([within, count])


def _loss(rho: FloatArray, value: FloatArray, square: FloatArray, spare: FloatArray) -> FloatArray:
    """Minus twice the restricted log-likelihood (g,) up to a constant."""
    scale = 1.0 - rho[:, np.newaxis] * (1.0 - value)
    some = np.isfinite(value)
    good = (np.where(some, scale, 1.0) > 0.0).all(axis=1)
    scale = np.where(some & (scale > 0.0), scale, 1.0)
    n = some.sum(axis=1) + spare[:, 1]
    total = (square / scale).sum(axis=1) + spare[:, 0] / (1.0 - rho)
    with np.errstate(divide="ignore"):
        loss = np.log(scale).sum(axis=1) + spare[:, 1] * np.log1p(-rho) + n * np.log(total / n)
    return np.where(good, loss, np.inf)


def _codes(block: ArrayLike, n: int) -> IntArray:
    labels = np.asarray(block)
    if labels.shape != (n,):
        raise ValueError(f"block has the shape {labels.shape}; expected one label of {n} samples")
    return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.int64)
