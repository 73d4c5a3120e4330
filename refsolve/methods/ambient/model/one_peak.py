"""Densities with one peak, which two groups must explain better."""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr

from refsolve.core.check import FloatArray

MODES = 21  # quantiles that are tried
EDGES = np.geomspace(0.003, 0.9, 12)  # of the variance that soft edges make


def best_criterion(x: FloatArray) -> float:
    """Twice the log-likelihood less parameters times log n, of the best density with one peak.

    Uniform, normal, Laplace's, uniform with soft edges, and densities of two normal or two
    exponential halves, each half with a width of its own, whose mode is one of the quantiles.

    Parameters
    ----------
    x
        (n,) values that are not all equal.
    """
    n = x.size
    spread = np.abs(x - np.median(x)).mean()
    two = max(
        -2.0 * n * np.log(np.ptp(x)),
        -n * (np.log(2.0 * np.pi * x.var()) + 1.0),
        -2.0 * n * (np.log(2.0 * spread) + 1.0),
    )
    three = max(
        *(_halves(x - mode) for mode in np.quantile(x, np.linspace(0.0, 1.0, MODES))),
        *(_plateau(x, float(edge)) for edge in EDGES),
    )
    return float(max(two - 2.0 * np.log(n), three - 3.0 * np.log(n)))


def _halves(away: FloatArray) -> float:
    """Twice the log-likelihood of the better of two normal and two exponential halves."""
    n = away.size
    below, above = np.minimum(away, 0.0), np.maximum(away, 0.0)
    width = np.sqrt(-below.sum() / n) + np.sqrt(above.sum() / n)
    cubes = np.cbrt((below**2).sum()) + np.cbrt((above**2).sum())
    exponential = -4.0 * n * np.log(width) - 2.0 * n
    normal = -n * (1.0 + np.log(0.5 * np.pi * cubes**3 / n))
    return float(max(exponential, normal))


def _plateau(x: FloatArray, edge: float) -> float:
    """Twice the log-likelihood of a uniform value plus a normal one, with the moments of x.

    edge is the share of the variance that the normal value has.
    """
    sd = np.sqrt(edge * x.var())
    wide = np.sqrt(3.0 * (1.0 - edge) * x.var())
    # Symmetric: the upper edge, and the lower one where it is near.
    near = (wide - np.abs(x - x.mean())) / sd
    beyond = np.log1p(
        -np.exp(np.minimum(log_ndtr(near - 2.0 * wide / sd) - log_ndtr(near), -1e-15))
    )
    return float(2.0 * (log_ndtr(near) + beyond).sum() - 2.0 * x.size * np.log(2.0 * wide))
