"""Founder columns against whitened traits, chunk by chunk of positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from refsolve.core.check import FloatArray
from refsolve.methods.lmm_scan.kernels.positions import (
    careful_whitening,
    explained,
    pair_products,
    whitening,
)
from refsolve.methods.lmm_scan.kernels.variance import exact_positions
from refsolve.methods.lmm_scan.model.genome import Probabilities
from refsolve.methods.lmm_scan.model.null import NullModel, Rotation

CHUNK = 48  # positions whose columns and their products stay in the cache of a core


def chunks(rotated: Rotation, block: Probabilities) -> Iterator[tuple[slice, FloatArray]]:
    """Slices of positions with their rotated founder columns (n, K − 1, M).

    Parameters
    ----------
    rotated
        Coordinates.
    block
        Probabilities (all lines, positions, K).
    """
    for start in range(0, block.shape[1], CHUNK):
        where = slice(start, min(start + CHUNK, block.shape[1]))
        yield where, rotated.founder_columns(block[:, where])


def whitened(
    nulls: Sequence[NullModel], Z: FloatArray
) -> tuple[FloatArray, FloatArray]:  # T (P, K, K, M), rank (P, M)
    """Triangles that make the founder columns orthonormal beside the covariates of each trait.

    Parameters
    ----------
    nulls
        Traits of the same rotation.
    Z
        Rotated founder columns (n, K, M).
    """
    n, k, m = Z.shape
    pairs = np.empty((n, k * (k + 1) // 2, m))
    pair_products(Z, pairs)
    weights = np.stack([null.weight for null in nulls])
    G = (weights**2 @ pairs.reshape(n, -1)).reshape(len(nulls), -1, m)
    sides = np.concatenate([(null.basis * null.weight[:, None]).T for null in nulls])
    C = (sides @ Z.reshape(n, -1)).reshape(len(nulls), -1, k, m)
    T, rank, doubt = whitening(G, C)
    for p, j in np.argwhere(doubt):
        columns = np.ascontiguousarray(Z[:, :, j] * nulls[p].weight[:, None])
        T[p, :, :, j], rank[p, j] = careful_whitening(columns, nulls[p].basis)
    return T, rank


def squares(nulls: Sequence[NullModel], block: Probabilities) -> tuple[FloatArray, FloatArray]:
    """Explained sums of squares (P, positions) and ranks, at the variance share of the null.

    Parameters
    ----------
    nulls
        Traits of the same rotation.
    block
        Probabilities (all lines, positions, K).
    """
    shape = (len(nulls), block.shape[1])
    out, ranks = np.empty(shape), np.empty(shape)
    targets = np.stack([null.weight * null.error for null in nulls])
    for where, Z in chunks(nulls[0].rotation, block):
        T, ranks[:, where] = whitened(nulls, Z)
        B = (targets @ Z.reshape(Z.shape[0], -1)).reshape(len(nulls), *Z.shape[1:])
        out[:, where] = explained(T, B)
    return out, ranks


def fixed_share_lod(
    nulls: Sequence[NullModel], block: Probabilities
) -> tuple[FloatArray, FloatArray]:  # each (P, positions)
    """LOD scores and ranks at the variance share of the null.

    Parameters
    ----------
    nulls
        Traits of the same rotation.
    block
        Probabilities (all lines, positions, K).
    """
    out, ranks = squares(nulls, block)
    rss = np.array([[null.rss] for null in nulls])
    half = np.array([[0.5 * null.n_lines] for null in nulls])
    left = np.maximum(1.0 - out / rss, np.finfo(np.float64).eps)
    return -half * np.log10(left), ranks


def exact_lod(
    nulls: Sequence[NullModel], block: Probabilities
) -> tuple[FloatArray, FloatArray]:  # each (P, positions)
    """LOD scores and ranks with the variance share re-estimated at every position (ML).

    Parameters
    ----------
    nulls
        Traits of the same rotation, fitted by "ml".
    block
        Probabilities (all lines, positions, K).
    """
    shape = (len(nulls), block.shape[1])
    out, ranks = np.empty(shape), np.empty(shape)
    for where, Z in chunks(nulls[0].rotation, block):
        for p, null in enumerate(nulls):
            rotated = null.rotation
            value, _share, rank = exact_positions(rotated.values, rotated.basis, null.plain, Z)
            out[p, where] = np.maximum(value - null.log_likelihood, 0.0) / np.log(10.0)
            ranks[p, where] = rank
    return out, ranks


def f_statistic(
    lod: FloatArray, rank: FloatArray, spare: NDArray[np.int64], n_lines: NDArray[np.int64]
) -> FloatArray:
    """F (positions, T) from LOD scores: ((RSS0 − RSS1)/r) / (RSS1/(n − c − r)).

    Parameters
    ----------
    lod, rank
        (positions, T).
    spare, n_lines
        Lines less covariates, and lines (T,).
    """
    ratio = np.expm1(2.0 * np.log(10.0) * lod / n_lines)
    f = np.divide(ratio * (spare - rank), rank, out=np.zeros_like(lod), where=rank > 0.0)
    return np.asarray(f)
