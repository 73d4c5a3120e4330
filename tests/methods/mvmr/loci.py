"""A small locus for tests of the textbook."""

from __future__ import annotations

import numpy as np

from refsolve.methods.mvmr.textbook import (
    regression,
)

ROUNDING = {"rtol": 1e-10, "atol": 1e-12}
SEARCHED = {"rtol": 1e-6, "atol": 1e-7}

CASE = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def locus(j: int = 12, k: int = 2, seed: int = 0, ratio: float = 2.0, noise: float = 1.0) -> CASE:
    """b_x, b_y, se_x, se_y, r, c of a small locus with a common ratio of standard errors."""
    rng = np.random.default_rng(seed)
    lag = np.abs(np.subtract.outer(np.arange(j), np.arange(j)))
    sign = rng.choice([-1.0, 1.0], j)
    r = 0.6**lag * np.outer(sign, sign)
    se_y = rng.uniform(0.01, 0.02, j)
    se_x = ratio * se_y[:, np.newaxis] * rng.uniform(0.8, 1.2, k)
    c = np.full((k, k), 0.3) + 0.7 * np.eye(k)
    root = np.linalg.cholesky(r)
    x = 6 * rng.standard_normal((j, k))
    theta = np.linspace(0.4, -0.2, k)
    mean_x, mean_y = se_x * (r @ x), se_y * (r @ ((se_x / se_y[:, np.newaxis] * x) @ theta))
    e_x = se_x * (root @ rng.standard_normal((j, k)) @ np.linalg.cholesky(c).T)
    e_y = se_y * (root @ rng.standard_normal(j))
    return mean_x + noise * e_x, mean_y + noise * e_y, se_x, se_y, r, c


def whitened(case: CASE) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """y, x, eigenvalues and noise of a row of x."""
    b_x, b_y, se_x, se_y, r, c = case
    lam, y = regression.whiten(b_y, se_y, r)
    return y, regression.whiten(b_x, se_y, r)[1], lam, regression.exposure_noise(se_x, se_y, c)
