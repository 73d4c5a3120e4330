"""Heterogeneity, influence, and mistakes in the LD matrix, eqs. (31) to (34)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import sqrtm
from scipy.stats import chi2

from refsolve.methods.mvmr.textbook.regression import covariance, gls, ridge

FloatArray = NDArray[np.float64]


def heterogeneity(q: float, df: int) -> tuple[float, float]:
    """P-value of Q and the share of it that noise does not explain, eq. (31)."""
    return float(chi2.sf(q, df)), max(0.0, 1 - df / q)


def leverage(x: FloatArray) -> FloatArray:
    """(J,) pull of each whitened row on its own fitted value, eq. (32)."""
    return np.diag(x @ np.linalg.inv(x.T @ x) @ x.T).copy()


def leave_one_out(b_x: FloatArray, b_y: FloatArray, se_y: ArrayLike, r: FloatArray) -> FloatArray:
    """(J, K) estimates without each variant in turn, eq. (32)."""
    omega = covariance(se_y, r)
    rows = []
    for j in range(len(b_y)):
        keep = np.delete(np.arange(len(b_y)), j)
        rows.append(gls(b_x[keep], b_y[keep], omega[np.ix_(keep, keep)]).theta)
    return np.array(rows)


def ld_mismatch(z: ArrayLike, r: FloatArray, epsilon: float = 0.0) -> tuple[FloatArray, FloatArray]:
    """Each score against what the others predict, as it is and with its sign turned, eq. (33)."""
    z = np.asarray(z, dtype=np.float64)
    ld = ridge(r, epsilon)
    as_is, turned = np.empty(z.size), np.empty(z.size)
    for j in range(z.size):
        rest = np.delete(np.arange(z.size), j)
        slope = ld[j, rest] @ np.linalg.inv(ld[np.ix_(rest, rest)])
        sd = np.sqrt(1 - slope @ ld[rest, j])
        as_is[j] = (z[j] - slope @ z[rest]) / sd
        turned[j] = (-z[j] - slope @ z[rest]) / sd
    return as_is, turned


def deconvolved(x: FloatArray, sigma_x: FloatArray) -> FloatArray:
    """Whitened exposures with the second moments of the exposures without noise, eq. (34)."""
    gram = x.T @ x
    values, vectors = np.linalg.eigh(gram - len(x) * sigma_x)
    signal = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return np.asarray(x @ np.linalg.inv(np.real(sqrtm(gram))) @ signal)
