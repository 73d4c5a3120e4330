"""One evaluation of eq. (4): from a grid (or the counts) and values of s to log-likelihoods."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from refsolve.core.check import FloatArray, IntArray
from refsolve.methods.wright_fisher.kernels import exact, grid
from refsolve.methods.wright_fisher.model.samples import Observations


@dataclass(frozen=True, slots=True)
class Setting:
    """What one grid (or the counts) needs besides s: drift, emissions and start."""

    diploid: bool
    sizes: FloatArray
    start: FloatArray | None
    observed: IntArray
    emission: FloatArray
    emission_of: IntArray
    constant: FloatArray
    drift: grid.Drift | None
    drift_of: IntArray


def nodes(K: int) -> tuple[FloatArray, FloatArray]:
    """Frequencies x and y = 1 − x of the nodes (K+1,), each with full relative precision.

    Parameters
    ----------
    K
        Intervals of the grid.
    """
    x = np.sin(np.arange(K + 1) * (0.5 * np.pi / K)) ** 2
    return x, x[::-1].copy()


def evaluate(setting: Setting, h: float, task: tuple[int, FloatArray]) -> tuple[int, FloatArray]:
    """Log-likelihoods (L, S) of one task.

    Parameters
    ----------
    setting
        Grid or counts, with start and data.
    h
        Dominance.
    task
        Number of the task, and selection coefficients (S,).

    Returns
    -------
    The number, and the log-likelihoods.
    """
    i, s = task
    if setting.drift is None:
        ll = np.stack([_exact(setting, h, value) for value in s], axis=1)
    elif setting.emission.shape[1] == 1:
        padded = np.resize(s, -(-s.size // grid.LANES) * grid.LANES)
        padded[s.size :] = s[-1]
        groups = padded.reshape(-1, grid.LANES)
        ll = np.concatenate([_lanes(setting, setting.drift, h, group) for group in groups])[
            None, : s.size
        ]
    else:
        ll = np.stack([_block(setting, setting.drift, h, value) for value in s], axis=1)
    return i, ll + setting.constant[:, None]


def emissions(
    samples: Observations, sizes: FloatArray, observed: IntArray, K: int
) -> tuple[FloatArray, FloatArray]:
    """Emissions (R, L, nodes or counts) scaled to maximum one, and the logs of the scale (L,).

    Parameters
    ----------
    samples
        The samples.
    sizes
        Haploid chromosomes by generation.
    observed
        Generations with samples (R,).
    K
        Intervals of the grid; 0 for counts.
    """
    width = K + 1 if K else int(sizes.max()) + 1
    out = np.zeros((observed.size, samples.n_loci, width))
    for r, t in enumerate(observed):
        x, y = nodes(K) if K else _frequencies(int(sizes[t]))
        for k in np.flatnonzero(samples.generation == t):
            out[r, :, : x.size] += samples.log_emission(int(k), x, y)
        out[r, :, x.size :] = -np.inf
    top = out.max(axis=2, keepdims=True)
    scaled = np.exp(out - np.where(np.isfinite(top), top, 0.0))
    return scaled, np.asarray(top[:, :, 0].sum(axis=0))


def _frequencies(M: int) -> tuple[FloatArray, FloatArray]:
    count = np.arange(M + 1)
    return count / M, count[::-1] / M


def _exact(setting: Setting, h: float, s: float) -> FloatArray:
    u, logs = exact.backward_counts(
        s,
        h,
        setting.diploid,
        setting.sizes.astype(np.int64),
        setting.emission,
        setting.emission_of,
    )
    with np.errstate(divide="ignore"):
        total = np.log(u.max(axis=1) if setting.start is None else u @ setting.start)
    return np.asarray(total + logs)


def _lanes(setting: Setting, drift: grid.Drift, h: float, s: FloatArray) -> FloatArray:
    """Log-likelihood of one locus at LANES values of s."""
    u, logs = grid.backward_lanes(
        s,
        h,
        setting.diploid,
        drift,
        setting.drift_of,
        setting.emission[:, 0],
        setting.emission_of,
    )
    return _log_start(setting.start, u.T) + logs


def _block(setting: Setting, drift: grid.Drift, h: float, s: float) -> FloatArray:
    """Log-likelihood (L,) at one s: interval operators, shared by the loci, times their vectors."""
    loci, width = setting.emission.shape[1:]
    u = np.ones((width, loci))
    logs = np.zeros(loci)
    stops = [*setting.observed[::-1].tolist(), 0]
    for r, (high, low) in enumerate(pairwise(stops)):
        # As in `grid.rescale_lanes`: interpolation leaves values below zero beside a peak.
        u = np.maximum(u * setting.emission[-1 - r].T, 0.0)
        top = u.max(axis=0)
        top[top <= grid.SMALLEST] = 0.0
        with np.errstate(divide="ignore"):
            logs += np.log(top)
        u /= np.where(top > 0.0, top, np.inf)
        if high > low:
            columns = u if loci <= width else np.eye(width)
            moved = grid.propagate_block(
                s, h, setting.diploid, drift, setting.drift_of, high, low, columns
            )
            u = moved if loci <= width else moved @ u
    return _log_start(setting.start, u.T) + logs


def _log_start(start: FloatArray | None, u: FloatArray) -> FloatArray:
    if start is None:
        total = np.array([grid.interpolated_maximum(np.ascontiguousarray(r))[1] for r in u])
    else:
        total = u @ start
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.maximum(total, 0.0)))
