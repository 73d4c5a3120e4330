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
    """Pearson statistic over degrees of freedom of droplets around the profile, eq. (2).

    Genes without a share and droplets without counts say nothing.
    """
    kept = counts[share > 0][:, counts.sum(axis=0) > 0]
    expected = np.outer(share[share > 0], kept.sum(axis=0))
    squares = ((kept - expected) ** 2 / expected).sum()
    return float(squares / ((kept.shape[0] - 1) * (kept.shape[1] - 1)))


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


def concentration(phi: float, size: float) -> float:
    """Sum of Dirichlet parameters at which droplets of that mean total have overdispersion phi."""
    return (size - phi) / (phi - 1.0) if phi > 1.0 else float("inf")


def droplet_log_likelihood(counts: Array, share: Array, alpha: float = float("inf")) -> float:
    """Log probability of one droplet's counts when its own profile varies around the shares.

    Dirichlet with the parameters `alpha` times `share`; multinomial where that is infinite.
    """
    if np.isinf(alpha):
        return multinomial_log_likelihood(counts, share)
    if (counts[share == 0] > 0).any():
        return -np.inf
    y, a, n = counts[share > 0], alpha * share[share > 0], counts.sum()
    each = gammaln(y + a) - gammaln(a) - gammaln(y + 1)
    return float(gammaln(n + 1) + gammaln(alpha) - gammaln(n + alpha) + each.sum())


def empty_p_value(
    counts: Array, share: Array, draws: int, rng: np.random.Generator, alpha: float = float("inf")
) -> float:
    """How often a droplet of pure ambient RNA with that total is no more likely, eq. (3)."""
    n = int(counts.sum())
    seen = droplet_log_likelihood(counts, share, alpha)
    own = np.tile(share, (draws, 1)) if np.isinf(alpha) else rng.dirichlet(alpha * share, draws)
    null = [droplet_log_likelihood(row * 1.0, share, alpha) for row in rng.multinomial(n, own)]
    return (1 + sum(v <= seen + 1e-9 for v in null)) / (1 + draws)
