"""Quasi-likelihood F test, likelihood-ratio test, and fold changes of one coefficient."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2
from scipy.stats import f as f_distribution

from refsolve.methods.pseudobulk.textbook import counts as nb
from refsolve.methods.pseudobulk.textbook import dispersion as shared
from refsolve.methods.pseudobulk.textbook.normalisation import average_log2_cpm, prior_counts

Array = NDArray[np.float64]


class Dispersions(NamedTuple):
    """Common dispersion, trend (genes,), each gene's own, prior df, and abundance."""

    common: float
    trend: Array
    tagwise: Array
    prior_df: float
    abundance: Array


def deviances(counts: Array, x: Array, offset: Array, phi: Array) -> tuple[Array, Array]:
    """Deviance (genes,) and means (genes, n)."""
    mu = np.array([nb.fit(y, x, offset, p)[1] for y, p in zip(counts, phi, strict=True)])
    pairs = zip(counts, mu, phi, strict=True)
    return np.array([nb.unit_deviance(y, m, p).sum() for y, m, p in pairs]), mu


def estimate_dispersions(counts: Array, x: Array, library: Array, least: float = 5) -> Dispersions:
    """Common, trended and tagwise dispersions by adjusted profile likelihood, eqs. (7)-(9).

    Genes with fewer than `least` counts take the trend of the least abundant gene that has more.
    """
    offset = np.log(library)
    used = counts.sum(axis=1) >= least
    grid = shared.profile_grid(counts[used], x, offset)
    common = shared.SCALE * 2.0 ** shared.maximum(shared.GRID, grid.sum(axis=0))
    abundance = average_log2_cpm(counts, library, common)
    near = shared.local_mean(grid, abundance[used], shared.default_share(int(used.sum())))
    trend = np.full(counts.shape[0], np.nan)
    trend[used] = [shared.SCALE * 2.0 ** shared.maximum(shared.GRID, row) for row in near]
    trend[~used] = trend[used][np.argmin(abundance[used])]
    deviance, mu = deviances(counts[used], x, offset, trend[used])
    df = np.array([shared.residual_df(y, m, x) for y, m in zip(counts[used], mu, strict=True)])
    variance = np.where(df > 0, deviance / np.maximum(df, 1), 0.0)
    _, prior = shared.scaled_f(variance, df.astype(float), abundance[used])
    own = trend.copy()
    if np.isfinite(prior):  # otherwise no gene differs from the trend
        weight = prior / (x.shape[0] - x.shape[1])
        shared_profile = grid + weight * near
        own[used] = [
            shared.SCALE * 2.0 ** shared.maximum(shared.GRID, row) for row in shared_profile
        ]
    return Dispersions(common, trend, own, prior, abundance)


class QuasiTest(NamedTuple):
    """F test of one coefficient by gene."""

    f: Array
    df: Array
    p: Array
    variance: Array
    prior_df: float
    prior_variance: Array


def likelihood_ratio(counts: Array, x: Array, offset: Array, phi: Array, k: int) -> Array:
    """Deviance gained by coefficient k."""
    full, _ = deviances(counts, x, offset, phi)
    null, _ = deviances(counts, np.delete(x, k, axis=1), offset, phi)
    return null - full


def quasi_test(
    counts: Array, x: Array, library: Array, trend: Array, abundance: Array, k: int
) -> QuasiTest:
    """Quasi-likelihood F test at trended dispersions, eq. (10)."""
    offset = np.log(library)
    deviance, mu = deviances(counts, x, offset, trend)
    df = np.array([shared.residual_df(y, m, x) for y, m in zip(counts, mu, strict=True)], float)
    variance = np.where(df > 0, deviance / np.maximum(df, 1), 0.0)
    scale, prior = shared.scaled_f(variance, df, abundance)
    posterior = shared.squeezed(variance, df, scale, prior)
    posterior = np.where(df == 0, scale, posterior)
    ratio = likelihood_ratio(counts, x, offset, trend, k) / posterior
    total = np.minimum(prior + df, counts.shape[0] * (x.shape[0] - x.shape[1]))
    p = f_distribution.sf(ratio, 1, total)
    # A variance below that of Poisson counts is not believed.
    below = (posterior[:, np.newaxis] * (1.0 + mu * trend[:, np.newaxis]) < 1.0).any(axis=1)
    if below.any():
        zero = np.zeros(int(below.sum()))
        poisson = likelihood_ratio(counts[below], x, offset, zero, k)
        p[below] = np.maximum(p[below], chi2.sf(poisson, 1))
    return QuasiTest(ratio, total, p, posterior, prior, scale)


def log2_fold_change(
    counts: Array, x: Array, library: Array, phi: Array, k: int, prior: float = 0.125
) -> Array:
    """Log2 fold change of coefficient k with a prior count in proportion to the library."""
    added, total = prior_counts(library, prior)
    pairs = zip(counts, phi, strict=True)
    natural = [nb.fit(y + added, x, np.log(total), p)[0][k] for y, p in pairs]
    return np.asarray(np.array(natural) / np.log(2.0))
