"""Factors between samples and abundance of genes, eqs. (1)-(2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refsolve.core.check import FloatArray
from refsolve.methods.pseudobulk.model.regression import fit_genes

TRIM_RATIO, TRIM_SUM = 0.3, 0.05


def product_one(factors: FloatArray) -> FloatArray:
    """Factors over their geometric mean.

    Parameters
    ----------
    factors
        Positive numbers.
    """
    return np.asarray(factors / np.exp(np.log(factors).mean()))


def reference_sample(counts: FloatArray) -> int:
    """Sample whose upper quartile over library lies nearest to the mean of these.

    Parameters
    ----------
    counts
        (G, n), every gene with a count.
    """
    quartile = np.quantile(counts, 0.75, axis=0) / counts.sum(axis=0)
    if np.median(quartile) < 1e-20:
        return int(np.argmax(np.sqrt(counts).sum(axis=0)))
    return int(np.argmin(np.abs(quartile - quartile.mean())))


def trimmed_means(counts: FloatArray, reference: int | None = None) -> FloatArray:
    """Factors (n,) by trimmed means of M values, eq. (1).

    Parameters
    ----------
    counts
        (G, n).
    reference
        Sample that the others are compared with.
    """
    kept = counts[(counts > 0).any(axis=1)]
    r = reference_sample(kept) if reference is None else reference
    library = kept.sum(axis=0)
    columns = np.ascontiguousarray(kept.T)
    share = columns / library[:, np.newaxis]
    with np.errstate(divide="ignore"):
        level = np.log2(share)
        variance = 1.0 / columns - 1.0 / library[:, np.newaxis]
    logs = []
    for i in range(len(columns)):
        used = (columns[i] > 0) & (columns[r] > 0)
        # Ranks have ties between genes of one ratio: it must be rounded once.
        ratio = np.log2(share[i][used] / share[r][used])
        mean = 0.5 * (level[i][used] + level[r][used])
        logs.append(_trimmed(ratio, mean, (variance[i] + variance[r])[used]))
    return product_one(2.0 ** np.array(logs))


def _trimmed(ratio: FloatArray, level: FloatArray, variance: FloatArray) -> float:
    """Weighted mean of log ratios without the outer ones."""
    if ratio.size == 0 or np.abs(ratio).max() < 1e-6:
        return 0.0
    kept = _inner(ratio, TRIM_RATIO) & _inner(level, TRIM_SUM)
    if not kept.any():
        return 0.0
    weight = 1.0 / variance[kept]
    return float((weight * ratio[kept]).sum() / weight.sum())


def _inner(values: FloatArray, trim: float) -> NDArray[np.bool_]:
    """Values whose rank, ties at their mean, is not among the outer share on either side."""
    n = values.size
    low = int(np.floor(n * trim)) + 1
    if 2 * low > n + 1:
        return np.zeros(n, np.bool_)
    part = np.partition(values, [low - 1, n - low])
    bottom, top = part[low - 1], part[n - low]
    kept = (values > bottom) & (values < top)
    for edge in {float(bottom), float(top)}:
        same = values == edge
        rank = int((values < edge).sum()) + 0.5 * (int(same.sum()) + 1)
        if low <= rank <= n + 1 - low:
            kept |= same
    return np.asarray(kept)


def relative_log(counts: FloatArray) -> FloatArray:
    """Median ratio to the geometric mean, over library size, product one.

    Parameters
    ----------
    counts
        (G, n).
    """
    everywhere = _everywhere(counts)
    geometric = np.exp(np.log(everywhere).mean(axis=1, keepdims=True))
    return product_one(np.median(everywhere / geometric, axis=0) / counts.sum(axis=0))


def median_ratio(counts: FloatArray) -> FloatArray:
    """Size factors of eq. (2) over library size, product one.

    Parameters
    ----------
    counts
        (G, n).
    """
    return product_one(size_factors(counts) / counts.sum(axis=0))


def upper_quartile(counts: FloatArray) -> FloatArray:
    """Upper quartile over library size, product one.

    Parameters
    ----------
    counts
        (G, n).
    """
    kept = counts[(counts > 0).any(axis=1)]
    return product_one(np.quantile(kept, 0.75, axis=0) / counts.sum(axis=0))


def size_factors(counts: FloatArray, *, positive_only: bool = False) -> FloatArray:
    """Median of ratios, eq. (2).

    Parameters
    ----------
    counts
        (G, n).
    positive_only
        Take the n-th root of the product of the positive counts, where every gene has a zero.
    """
    some = counts[counts.any(axis=1)] if positive_only else _everywhere(counts)
    seen = some > 0
    logs = np.log(np.where(seen, some, 1.0))
    ratios = logs - logs.mean(axis=1, keepdims=True)
    factor = np.exp([np.median(ratios[seen[:, i], i]) for i in range(counts.shape[1])])
    return product_one(factor) if positive_only else np.asarray(factor)


def _everywhere(counts: FloatArray) -> FloatArray:
    """Genes with a count in every sample."""
    found = counts[(counts > 0).all(axis=1)]
    if len(found) == 0:
        raise ValueError(
            "no gene has a count in every sample, so that ratios have no median; "
            "take trimmed means, or size factors with positive_only=True"
        )
    return found


def prior_counts(library: FloatArray, prior: float) -> tuple[FloatArray, FloatArray]:
    """Prior count of each sample in proportion to its library, and libraries that hold it twice.

    Parameters
    ----------
    library
        Effective libraries.
    prior
        Count at the mean library.
    """
    scaled = library / library.mean() * prior
    return scaled, library + 2.0 * scaled


def log2_cpm(counts: FloatArray, library: FloatArray, prior: float = 2.0) -> FloatArray:
    """Log2 counts per million (G, n) with a prior count.

    Parameters
    ----------
    counts
        (G, n).
    library
        Effective libraries (n,).
    prior
        Count at the mean library.
    """
    added, total = prior_counts(library, prior)
    return np.asarray(np.log2((counts + added) / total * 1e6))


def average_log2_cpm(
    counts: FloatArray,
    library: FloatArray,
    dispersion: FloatArray | float = 0.05,
    prior: float = 2.0,
) -> FloatArray:
    """Log2 counts per million (G,) of a common rate under the negative binomial.

    Parameters
    ----------
    counts
        (G, n).
    library
        Effective libraries (n,).
    dispersion
        Of each gene, or of all.
    prior
        Count at the mean library.
    """
    added, total = prior_counts(library, prior)
    one = np.ones((library.size, 1))
    rate = fit_genes(counts + added, one, np.log(total), dispersion).beta[:, 0]
    return np.asarray((rate + np.log(1e6)) / np.log(2.0))
