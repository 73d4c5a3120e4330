"""The exact likelihood of one pulse, eqs. (3) and (11), over groups of paths."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, within
from refsolve.methods.tracts.kernels import pulse
from refsolve.methods.tracts.model.counts import PathCounts
from refsolve.methods.tracts.model.inputs import rate_of_time


def statistics(counts: PathCounts) -> FloatArray:
    """Statistics (G, 6) as the kernels take them: T_A, T_B, n_AB, n_BA, f_A, f_B.

    Parameters
    ----------
    counts
        Sufficient statistics of two ancestries.
    """
    K = counts.exposure.shape[1]
    if K != 2:
        raise ValueError(
            f"counts has {K} ancestries; one pulse of two sources needs 2; "
            "pool the others into one, or fit a migration matrix"
        )
    switches = counts.switches[:, [0, 1], [1, 0]]
    return np.ascontiguousarray(np.hstack([counts.exposure, switches, counts.first]))


def pulse_log_likelihood(
    counts: PathCounts,
    time: ArrayLike,
    fraction: ArrayLike,
    *,
    convention: str = "founders",
    population_size: float = np.inf,
) -> FloatArray:
    """Log-likelihood of a pulse, all groups together.

    Parameters
    ----------
    counts
        Sufficient statistics; groups share time and fraction.
    time
        Generations since the pulse; broadcast against `fraction`.
    fraction
        Fraction of ancestry 0 in the pulse.
    convention, population_size
        As in `rate_of_time`.

    Returns
    -------
    Log density of the tracts, of the broadcast shape. Positions are densities per Morgan.
    """
    pooled = counts.pooled()
    x = statistics(pooled)[0]
    rate = rate_of_time(time, convention, population_size)
    s, m = np.broadcast_arrays(rate, within(fraction, "fraction", 0.0, 1.0))
    out = np.empty(s.shape)
    pulse.likelihoods(
        s.ravel(),
        m.ravel(),
        x,
        pooled.gap_from,
        pooled.gap_to,
        pooled.gap_length,
        out.reshape(-1),
    )
    return out


def fit_groups(counts: PathCounts, drop: float) -> NDArray[np.float64]:
    """Fits (G, 9) of every group: s, m, log-likelihood, two errors, two intervals.

    Parameters
    ----------
    counts
        Sufficient statistics.
    drop
        Log units below the maximum where intervals end.
    """
    x = statistics(counts)
    fits = np.empty((x.shape[0], 9))
    pulse.fit_groups(
        x, counts.gap_from, counts.gap_to, counts.gap_length, counts.gap_start, drop, fits
    )
    return fits
