"""Spread of donors adjusted for the coefficients that were fitted, eq. (18)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize

from refsolve.methods.count_glm.textbook.likelihood import mean
from refsolve.methods.count_glm.textbook.mixed import Index, marginal, modes

Array = NDArray[np.float64]
STEP = 1e-3  # in the log of the variance


def information(x: Array, weight: Array, donor: Index, variance: float) -> Array:
    """Expected information of the coefficients with the donors' intercepts integrated out."""
    total = (x.T * weight) @ x
    for d in range(int(donor.max()) + 1):
        rows = donor == d
        shared = weight[rows] @ x[rows]
        total = total - np.outer(shared, shared) / (weight[rows].sum() + 1.0 / variance)
    return np.asarray(total)


def adjusted_sd(
    y: Array, x: Array, exposure: Array, ambient: Array, donor: Index, start: Array, nodes: int = 10
) -> float:
    """Spread at which the slopes of the profile likelihood and of the penalty are equal, eq. (18).

    For Poisson counts. `start` are coefficients near the maximum.
    """

    def profile(log_variance: float) -> tuple[float, Array]:
        sd = float(np.exp(0.5 * log_variance))
        found = minimize(
            lambda b: -marginal(y, x @ b, exposure, ambient, donor, sd, 0.0, nodes),
            start, method="BFGS", options={"gtol": 1e-7},
        )  # fmt: skip
        return -float(found.fun), found.x

    def excess(log_variance: float) -> float:
        beta = profile(log_variance)[1]
        ends = [profile(log_variance + h)[0] for h in (-STEP, STEP)]
        variance = float(np.exp(log_variance))
        u = modes(y, x @ beta, exposure, ambient, donor, float(np.sqrt(variance)), 0.0)
        native, mu = mean(x @ beta + u[donor], exposure, ambient)
        logs = [
            np.linalg.slogdet(information(x, native**2 / mu, donor, variance * np.exp(h)))[1]
            for h in (-STEP, STEP)
        ]
        return float((ends[1] - ends[0]) - 0.5 * (logs[1] - logs[0])) / (2.0 * STEP)

    return float(np.exp(0.5 * brentq(excess, np.log(1e-3), np.log(4.0), xtol=1e-6)))
