"""Which droplets are empty, and what the ambient RNA is made of, eqs. (1) to (3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

Array = NDArray[np.float64]
Mark = NDArray[np.bool_]


def small_droplets(total: Array, low: float = 0, high: float = 100) -> Mark:
    """Droplets with more than `low` and fewer than `high` counts."""
    return np.asarray((total > low) & (total < high))


def profile(counts: Array) -> Array:
    """Share (genes,) of all counts (genes, droplets), eq. (1)."""
    return np.asarray(counts.sum(axis=1) / counts.sum())


def overdispersion(counts: Array, share: Array) -> float:
    """Pearson statistic over degrees of freedom of droplets around the profile, eq. (2)."""
    expected = np.outer(share, counts.sum(axis=0))
    used = share > 0
    squares = ((counts[used] - expected[used]) ** 2 / expected[used]).sum()
    return float(squares / ((used.sum() - 1) * (counts.shape[1] - 1)))


def share_error(share: Array, total: float, phi: float = 1.0) -> Array:
    """Standard error of the profile, eq. (2)."""
    return np.asarray(np.sqrt(share * (1.0 - share) * max(phi, 1.0) / total))


def knee(total: Array) -> tuple[float, float]:
    """Totals at the knee and at the inflection of the curve of log total on log rank, eq. (3).

    The inflection is where the curve falls steepest, the knee the point of the stretch from the
    largest droplet to it that lies farthest above their chord.
    """
    size = np.unique(total[total > 0])[::-1]
    rank = np.array([(total >= s).sum() - ((total == s).sum() - 1) / 2 for s in size])
    x, y = np.log10(rank), np.log10(size)
    slope = np.diff(y) / np.diff(x)
    steep = int(np.argmin(slope)) + 1
    chord = y[0] + (x[: steep + 1] - x[0]) * (y[steep] - y[0]) / (x[steep] - x[0])
    top = int(np.argmax(y[: steep + 1] - chord))
    return float(size[top]), float(size[steep])


def multinomial_log_likelihood(counts: Array, share: Array) -> float:
    """Log probability of one droplet's counts given its total."""
    return float(gammaln(counts.sum() + 1) - gammaln(counts + 1).sum() + xlogy(counts, share).sum())


def empty_p_value(counts: Array, share: Array, draws: int, rng: np.random.Generator) -> float:
    """How often a droplet of pure ambient RNA with that total is no more likely."""
    n = int(counts.sum())
    seen = multinomial_log_likelihood(counts, share)
    null = [
        multinomial_log_likelihood(row, share) for row in rng.multinomial(n, share, draws) * 1.0
    ]
    return (1 + sum(v <= seen + 1e-9 for v in null)) / (1 + draws)
