"""Library sizes, factors between samples, abundance, and which genes can be tested."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Array = NDArray[np.float64]


def quantile_type7(values: Array, p: float) -> float:
    """Linear interpolation of order statistics, the mode of distance (n - 1) p."""
    return float(np.quantile(values, p))


def reference_sample(counts: Array) -> int:
    """Sample whose upper quartile over library size lies nearest to the mean of these."""
    library = counts.sum(axis=0)
    kept = counts[(counts > 0).any(axis=1)]
    quartile = np.array([np.quantile(kept[:, i], 0.75) for i in range(counts.shape[1])]) / library
    if np.median(quartile) < 1e-20:
        return int(np.argmax(np.sqrt(counts).sum(axis=0)))
    return int(np.argmin(np.abs(quartile - quartile.mean())))


def tmm_log2(
    sample: Array,
    reference: Array,
    *,
    trim_ratio: float = 0.3,
    trim_sum: float = 0.05,
    lowest: float = -1e10,
) -> float:
    """Log2 of the trimmed mean of M values of one sample against the reference, eq. (1)."""
    n, n_r = sample.sum(), reference.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log2((sample / n) / (reference / n_r))
        level = 0.5 * (np.log2(sample / n) + np.log2(reference / n_r))
        variance = (n - sample) / n / sample + (n_r - reference) / n_r / reference
    used = np.isfinite(ratio) & np.isfinite(level) & (level > lowest)
    ratio, level, variance = ratio[used], level[used], variance[used]
    if ratio.size == 0 or np.abs(ratio).max() < 1e-6:
        return 0.0
    low_m, low_a = np.floor(ratio.size * trim_ratio) + 1, np.floor(ratio.size * trim_sum) + 1
    rank_m, rank_a = average_rank(ratio), average_rank(level)
    kept = (rank_m >= low_m) & (rank_m <= ratio.size + 1 - low_m)
    kept &= (rank_a >= low_a) & (rank_a <= ratio.size + 1 - low_a)
    if not kept.any():
        return 0.0
    weight = 1.0 / variance[kept]
    return float((weight * ratio[kept]).sum() / weight.sum())


def average_rank(values: Array) -> Array:
    """Ranks from 1, ties at their mean."""
    order = np.argsort(values, kind="stable")
    rank = np.empty(values.size)
    rank[order] = np.arange(1, values.size + 1)
    _, group = np.unique(values, return_inverse=True)
    return np.asarray((np.bincount(group, rank) / np.bincount(group))[group])


def product_one(factors: Array) -> Array:
    """Factors over their geometric mean."""
    return np.asarray(factors / np.exp(np.log(factors).mean()))


def tmm(counts: Array, *, reference: int | None = None) -> Array:
    """Factors (n,) of all samples, product one."""
    kept = counts[(counts > 0).any(axis=1)]
    r = reference_sample(kept) if reference is None else reference
    logs = [tmm_log2(kept[:, i], kept[:, r]) for i in range(counts.shape[1])]
    return product_one(2.0 ** np.array(logs))


def relative_log(counts: Array) -> Array:
    """Median ratio to the geometric mean, over library size, product one."""
    geometric = np.exp(np.log(counts[(counts > 0).all(axis=1)]).mean(axis=1))
    ratio = np.median(counts[(counts > 0).all(axis=1)] / geometric[:, np.newaxis], axis=0)
    return product_one(ratio / counts.sum(axis=0))


def upper_quartile(counts: Array) -> Array:
    """Upper quartile over library size, product one."""
    kept = counts[(counts > 0).any(axis=1)]
    return product_one(np.quantile(kept, 0.75, axis=0) / counts.sum(axis=0))


def size_factors(counts: Array, *, positive_only: bool = False) -> Array:
    """Median of ratios, eq. (2).

    The geometric mean is over genes with counts everywhere; with `positive_only` it is the n-th
    root of the product of the positive counts, factors over their geometric mean.
    """
    expressed = counts > 0
    logs = np.log(np.where(expressed, counts, 1.0))
    means = logs.mean(axis=1)
    used = counts.any(axis=1) if positive_only else expressed.all(axis=1)
    ratios = logs - means[:, np.newaxis]
    samples = range(counts.shape[1])
    factor = np.exp([np.median(ratios[used & expressed[:, i], i]) for i in samples])
    return product_one(factor) if positive_only else np.asarray(factor)


def prior_counts(library: Array, prior: float) -> tuple[Array, Array]:
    """Prior count of each sample in proportion to its library, and libraries that hold it twice."""
    scaled = library / library.mean() * prior
    return scaled, library + 2.0 * scaled


def log2_cpm(counts: Array, library: Array, prior: float = 2.0) -> Array:
    """Log2 counts per million with a prior count."""
    added, total = prior_counts(library, prior)
    return np.asarray(np.log2((counts + added) / total * 1e6))


def one_group(y: Array, offset: Array, dispersion: float) -> float:
    """Log rate of one negative-binomial group by its score equation."""
    if not y.any():
        return -np.inf

    def score(b: float) -> float:
        mu = np.exp(offset + b)
        return float(((y - mu) / (1.0 + dispersion * mu)).sum())

    rates = np.log(np.maximum(y, 1e-300)[y > 0]) - offset[y > 0]
    low = min(rates.min(), np.log(y.sum() / np.exp(offset).sum())) - 20
    return float(brentq(score, low, rates.max() + 1e-9 + 1, xtol=1e-13, rtol=1e-14))


def average_log2_cpm(
    counts: Array, library: Array, dispersion: float | Array = 0.05, prior: float = 2.0
) -> Array:
    """Log2 counts per million of a common rate under the negative binomial."""
    added, total = prior_counts(library, prior)
    phi = np.broadcast_to(dispersion, counts.shape[0])
    rates = [one_group(y + added, np.log(total), p) for y, p in zip(counts, phi, strict=True)]
    return np.asarray((np.array(rates) + np.log(1e6)) / np.log(2.0))


def expressed_enough(
    counts: Array,
    library: Array,
    design: Array,
    *,
    group: Array | None = None,
    smallest_count: float = 10,
    smallest_total: float = 15,
    large: int = 10,
    proportion: float = 0.7,
) -> NDArray[np.bool_]:
    """Genes with enough counts in enough samples, eq. (3)."""
    if group is None:
        leverage = np.einsum("ij,ji->i", design, np.linalg.pinv(design))
        n = 1.0 / leverage.max()
    else:
        sizes = np.bincount(np.unique(group, return_inverse=True)[1])
        n = float(sizes[sizes > 0].min())
    if n > large:
        n = large + (n - large) * proportion
    cutoff = smallest_count / np.median(library) * 1e6
    enough = (counts / library * 1e6 >= cutoff).sum(axis=1) >= n - 1e-14
    return np.asarray(enough & (counts.sum(axis=1) >= smallest_total - 1e-14))
