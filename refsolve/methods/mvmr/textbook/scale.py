"""Units and standard deviations, eqs. (4) to (8)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

FloatArray = NDArray[np.float64]


def to_log10(unit: str) -> float:
    """Factor that turns an effect in a logarithmic unit into one on log10, eq. (4)."""
    return float({"log10": 1.0, "ln": 1 / np.log(10), "log2": np.log10(2)}[unit])


def batch_sd(values: ArrayLike, batch: ArrayLike) -> dict[object, tuple[int, float]]:
    """Size and standard deviation of every batch, each around its own mean."""
    values, batch = np.asarray(values, dtype=np.float64), np.asarray(batch)
    groups = {name: values[batch == name] for name in np.unique(batch)}
    return {name: (len(v), float(v.std(ddof=1))) for name, v in groups.items()}


def pooled_sd(values: ArrayLike, batch: ArrayLike) -> float:
    """Standard deviation within batches, eq. (5)."""
    spread = batch_sd(values, batch).values()
    squares = sum((n - 1) * sd**2 for n, sd in spread)
    return float(np.sqrt(squares / sum(n - 1 for n, _ in spread)))


def total_sd(sd_within: float, means: ArrayLike, sizes: ArrayLike) -> float:
    """Standard deviation over all values when the batches are pooled, eq. (5)."""
    means, sizes = (np.asarray(a, dtype=np.float64) for a in (means, sizes))
    centre = np.average(means, weights=sizes)
    squares = (sizes - 1).sum() * sd_within**2 + np.sum(sizes * (means - centre) ** 2)
    return float(np.sqrt(squares / (sizes.sum() - 1)))


def log_spread(values: ArrayLike, batch: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Log standard deviation of each batch, and its standard error, eq. (6)."""
    spread = list(batch_sd(values, batch).values())
    sizes, sds = np.array([n for n, _ in spread]), np.array([sd for _, sd in spread])
    return np.log(sds), np.asarray(1 / np.sqrt(2 * (sizes - 1)))


def allele_sd(f: ArrayLike) -> FloatArray:
    """Standard deviation of an allele count under Hardy–Weinberg, eq. (7)."""
    f = np.asarray(f, dtype=np.float64)
    return np.asarray(np.sqrt(2 * f * (1 - f)))


def allele_sd_from_se(se: ArrayLike, n: ArrayLike, sd: float = 1.0) -> FloatArray:
    """Standard deviation of an allele count from the standard error of its effect, eq. (7)."""
    return np.asarray(sd / (np.sqrt(n) * np.asarray(se, dtype=np.float64)))


def observed_factor(case_share: float) -> float:
    """Factor from log odds to the 0/1 scale of a sample, to first order, eq. (8)."""
    return case_share * (1 - case_share)


def liability_factor(prevalence: float) -> float:
    """Factor from log odds to SD of liability, to first order, eq. (8).

    Odds ratios do not depend on how cases were sampled, so only the population's rate enters.
    """
    threshold = norm.isf(prevalence)
    return float(prevalence * (1 - prevalence) / norm.pdf(threshold))
