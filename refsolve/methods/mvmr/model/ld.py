"""LD matrices: order, symmetry, and a ridge where they are noisy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, refuse
from refsolve.core.result import Result

RIDGES = np.concatenate([[0.0], np.geomspace(1e-4, 0.9, 60)])
SMALLEST = 1e-6  # eigenvalue that every matrix has after `repair_ld`
ASYMMETRY = 1e-3  # a larger difference between r_ij and r_ji is not rounding


def align_ld(
    ld: ArrayLike, labels: Sequence[str], variants: Sequence[str], wanted: NDArray[np.bool_]
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Rows and columns of the wanted variants, in their order.

    Parameters
    ----------
    ld
        Correlations (L, L).
    labels
        Variants of its rows (L,).
    variants
        Variants of the analysis (J,).
    wanted
        Which of these are needed (J,).

    Returns
    -------
    Matrix of the wanted variants that have correlations, and marks (J,) of those that have them.
    """
    matrix = _correlations(ld, len(labels))
    place: dict[str, int] = {}
    for i, label in enumerate(labels):
        if label in place:
            raise ValueError(f"labels[{i}] = {label!r} occurs twice; give one row per variant")
        place[label] = i
    present = np.array([v in place for v in variants], dtype=bool)
    use = np.flatnonzero(present & wanted)
    rows = np.array([place[variants[int(j)]] for j in use], dtype=np.int64)
    block = matrix[np.ix_(rows, rows)]
    complete = np.ones(rows.size, dtype=bool)
    while np.isnan(block[np.ix_(complete, complete)]).any():
        gaps = np.isnan(block[:, complete]).sum(axis=1) * complete
        complete[int(np.argmax(gaps))] = False
    present[use[~complete]] = False
    return repair_ld(block[np.ix_(complete, complete)]).ld, present


def _correlations(ld: ArrayLike, size: int) -> FloatArray:
    matrix = np.asarray(ld, dtype=np.float64)
    if matrix.shape != (size, size):
        raise ValueError(
            f"ld has the shape {matrix.shape}; expected ({size}, {size}), one row per variant"
        )
    refuse(np.abs(matrix) > 1.0 + 1e-6, "ld", matrix, "is not a correlation", "pass r, not r²")
    uneven = np.abs(matrix - matrix.T) > ASYMMETRY
    refuse(uneven, "ld", matrix, "differs from its mirror element", "pass a symmetric matrix")
    return matrix


@dataclass(frozen=True, slots=True)
class RepairedLd(Result):
    """A correlation matrix that can be factorised.

    Attributes
    ----------
    ld
        Symmetric, unit diagonal, eigenvalues at least 1e-6.
    asymmetry
        Largest difference between mirror elements before.
    smallest_eigenvalue
        Before.
    ridge
        Share of the identity that was mixed in; 0 where none was needed.
    condition
        Condition number after.
    """

    ld: FloatArray
    asymmetry: float
    smallest_eigenvalue: float
    ridge: float
    condition: float


def repair_ld(ld: ArrayLike) -> RepairedLd:
    """Make a correlation matrix symmetric with unit diagonal, and positive definite by a ridge.

    Parameters
    ----------
    ld
        Correlations (J, J).
    """
    raw = np.asarray(ld, dtype=np.float64)
    matrix = 0.5 * (raw + raw.T)
    np.fill_diagonal(matrix, 1.0)
    eigenvalues = np.linalg.eigvalsh(matrix) if matrix.size else np.ones(1)
    low, high = float(eigenvalues[0]), float(eigenvalues[-1])
    ridge = max(0.0, (SMALLEST - low) / (1.0 - low)) if low < SMALLEST else 0.0
    return RepairedLd(
        ld=ridged(matrix, ridge),
        asymmetry=float(np.max(np.abs(raw - raw.T), initial=0.0)),
        smallest_eigenvalue=low,
        ridge=ridge,
        condition=((1.0 - ridge) * high + ridge) / ((1.0 - ridge) * low + ridge),
    )


def ridged(ld: FloatArray, ridge: float) -> FloatArray:
    """(1 - ridge) R + ridge I.

    Parameters
    ----------
    ld
        Correlations (J, J).
    ridge
        Share of the identity, in [0, 1].
    """
    return np.asarray((1.0 - ridge) * ld + ridge * np.eye(ld.shape[0]))


@dataclass(frozen=True, slots=True)
class RidgeChoice(Result):
    """Ridge under which noise of known origin is most likely.

    Attributes
    ----------
    ridge
        The chosen share of the identity.
    gain
        Log-likelihood at the ridge minus that without one.
    scale
        Variance of the noise relative to its standard errors, one per row of the noise.
    grid, log_likelihood
        The curve that was searched.
    """

    ridge: float
    gain: float
    scale: FloatArray
    grid: FloatArray
    log_likelihood: FloatArray


def choose_ridge(ld: FloatArray, noise: ArrayLike) -> RidgeChoice:
    """Choose the ridge of a noisy LD matrix from noise whose correlation is the LD itself.

    The difference of two independent estimates of the same effects, over its standard error, is
    such noise, for all variants and free of any model.

    Parameters
    ----------
    ld
        Correlations (J, J).
    noise
        z-scores of differences (m, J) or (J,).
    """
    z = np.atleast_2d(np.asarray(noise, dtype=np.float64))
    if z.shape[1] != ld.shape[0]:
        raise ValueError(f"noise has {z.shape[1]} columns; expected {ld.shape[0]} as the LD matrix")
    eigenvalues, vectors = np.linalg.eigh(ld)
    power = (z @ vectors) ** 2
    v = (1.0 - RIDGES[:, None]) * np.maximum(eigenvalues, 0.0) + RIDGES[:, None]
    v = np.maximum(v, 1e-8)
    scale = np.einsum("mj,gj->gm", power, 1.0 / v) / z.shape[1]
    curve = -0.5 * (z.shape[1] * np.log(scale).sum(axis=1) + z.shape[0] * np.log(v).sum(axis=1))
    best = int(np.argmax(curve))
    # Only a clear gain is worth a distorted matrix.
    if curve[best] - curve[0] < 2.0:
        best = 0
    gain = float(curve[best] - curve[0])
    return RidgeChoice(float(RIDGES[best]), gain, scale[best], RIDGES, curve)
