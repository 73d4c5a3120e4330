"""Two phases of one study put together."""

from __future__ import annotations

import numpy as np

from refsolve.core.check import FloatArray


def pool_phases(
    beta1: FloatArray, se1: FloatArray, beta2: FloatArray, se2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean of two independent estimates weighted by their precision, and its standard error.

    A phase that selected the variants keeps its winner's curse in the mean.

    Parameters
    ----------
    beta1, se1, beta2, se2
        Of the phases, of any common shape.
    """
    precision = 1.0 / se1**2 + 1.0 / se2**2
    pooled = (beta1 / se1**2 + beta2 / se2**2) / precision
    return np.asarray(pooled), np.asarray(1.0 / np.sqrt(precision))
