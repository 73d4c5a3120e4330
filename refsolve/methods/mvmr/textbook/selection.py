"""Choice of instruments, eqs. (9) and (10)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def p_from_z(z: ArrayLike) -> FloatArray:
    """Two-sided p-value."""
    return np.asarray(2 * norm.sf(np.abs(z)))


def marginal_union(z: ArrayLike, threshold: float) -> BoolArray:
    """Variants beyond the p-value `threshold` for any exposure; `z` is (J, K)."""
    return np.asarray((p_from_z(z) < threshold).any(axis=1))


def clump(z: ArrayLike, r: FloatArray, r2: float, threshold: float) -> list[int]:
    """Variants taken from the strongest down, each excluding those with higher squared LD."""
    z = np.abs(np.asarray(z, dtype=np.float64))
    taken: list[int] = []
    for j in np.argsort(-z, kind="stable"):
        if p_from_z(z[j]) < threshold and all(r[j, i] ** 2 <= r2 for i in taken):
            taken.append(int(j))
    return taken


def conditional_z(z: ArrayLike, r: FloatArray, chosen: list[int]) -> FloatArray:
    """Score of every variant given the `chosen` ones, eq. (10); 0 where it is determined."""
    z = np.asarray(z, dtype=np.float64)
    if not chosen:
        return z.copy()
    slope = r[:, chosen] @ np.linalg.inv(r[np.ix_(chosen, chosen)])
    left = np.diag(r) - np.sum(slope * r[:, chosen], axis=1)
    residual = z - slope @ z[chosen]
    safe = left > 1e-10
    return np.where(safe, residual / np.sqrt(np.where(safe, left, 1.0)), 0.0)


def joint_z(z: ArrayLike, r: FloatArray, chosen: list[int]) -> FloatArray:
    """Score of every chosen variant given the other chosen ones, eq. (10)."""
    others = [[i for i in chosen if i != j] for j in chosen]
    pairs = zip(chosen, others, strict=True)
    return np.array([conditional_z(z, r, rest)[j] for j, rest in pairs])


def stepwise(z: ArrayLike, r: FloatArray, limit: float, collinear: float = 0.9) -> list[int]:
    """Variants chosen forward one at a time, each time dropping those that became weak.

    Parameters
    ----------
    z
        (J,) marginal scores.
    r
        (J, J) LD.
    limit
        A variant enters above this absolute conditional score and leaves below it.
    collinear
        Largest squared multiple correlation with those already in.
    """
    z = np.asarray(z, dtype=np.float64)
    chosen: list[int] = []
    for _ in range(2 * z.size):
        score = np.abs(conditional_z(z, r, chosen))
        score[[j for j in range(z.size) if explained(r, j, chosen) > collinear]] = 0
        if score.max() <= limit:
            break
        chosen.append(int(score.argmax()))
        while (strength := np.abs(joint_z(z, r, chosen))).min() <= limit:
            chosen.pop(int(strength.argmin()))
    return chosen


def explained(r: FloatArray, j: int, chosen: list[int]) -> float:
    """Share of the variance of variant `j` that the chosen ones explain; 1 for one of them."""
    if j in chosen or not chosen:
        return float(j in chosen)
    to = r[j, chosen]
    return float(to @ np.linalg.inv(r[np.ix_(chosen, chosen)]) @ to)
