"""Fits of many genes: quick ones in lanes, the stubborn ones one by one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refsolve.core.check import FloatArray
from refsolve.methods.pseudobulk.kernels import counts, profiles
from refsolve.methods.pseudobulk.model.design import independent_columns, rank

VANISHED = 1e-8  # mean of a count whose coefficient runs off to minus infinity
LOWEST = 1.0 / 6.0  # stands for a zero in the start of a fit
QUICK, ENOUGH, STUBBORN = 45, 1e-14, 500
GRID = np.linspace(-10.0, 10.0, 21)
SCALE = 0.1  # dispersion at the middle of the grid
MIDDLE = 10

FlagArray = NDArray[np.bool_]


class Fits(NamedTuple):
    """Coefficients (G, p) on the natural log scale and means (G, n)."""

    beta: FloatArray
    mu: FloatArray


def fit_genes(y: FloatArray, x: FloatArray, offset: FloatArray, phi: FloatArray | float) -> Fits:
    """Maximum-likelihood fits, eq. (4); genes without counts have means of zero.

    Parameters
    ----------
    y
        Counts (G, n).
    x
        Design (n, p).
    offset
        Log library (n,).
    phi
        Dispersion of each gene, or of all.
    """
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    dispersion = np.broadcast_to(np.asarray(phi, np.float64), y.shape[:1]).copy()
    if x.shape[1] == 0:
        return Fits(np.zeros((len(y), 0)), np.tile(np.exp(offset), (len(y), 1)))
    beta = np.ascontiguousarray((np.log(np.maximum(y, LOWEST)) - offset) @ np.linalg.pinv(x).T)
    start = beta.copy()
    mu, gain = counts.fit_many(y, x, offset, dispersion, beta, QUICK, ENOUGH)
    empty = ~y.any(axis=1)
    for g in np.flatnonzero(~(gain < 1e3 * ENOUGH) & ~empty):
        beta[g] = start[g]
        mu[g] = counts.fit_damped(y[g], x, offset, dispersion[g], beta[g], STUBBORN)
    beta[empty], mu[empty] = -np.inf, 0.0
    return Fits(beta, mu)


def profile_genes(y: FloatArray, x: FloatArray, offset: FloatArray) -> FloatArray:
    """Adjusted profile likelihoods (G, 21) on the grid, each but for a constant, eq. (6).

    Parameters
    ----------
    y
        Counts (G, n).
    x
        Design (n, p).
    offset
        Log library (n,).
    """
    fits, phi = fit_genes(y, x, offset, SCALE), SCALE * 2.0**GRID
    out = np.zeros((len(y), phi.size))
    for kept, genes in patterns(fits.mu > VANISHED):
        if kept.all():
            start = np.ascontiguousarray(fits.beta[genes])
            out[genes] = profiles.profile_grid(
                np.ascontiguousarray(y[genes]), np.ascontiguousarray(x), offset, phi, MIDDLE, start
            )
        elif kept.any():
            part = np.ascontiguousarray(x[kept][:, independent_columns(x[kept])])
            if part.shape[0] == part.shape[1]:
                continue  # nothing is left to tell a dispersion from
            some = np.ascontiguousarray(y[genes][:, kept])
            start = (np.log(fits.mu[genes][:, kept]) - offset[kept]) @ np.linalg.pinv(part).T
            out[genes] = profiles.profile_grid(
                some, part, np.ascontiguousarray(offset[kept]), phi, MIDDLE,
                np.ascontiguousarray(start),
            )  # fmt: skip
    return out


def patterns(kept: FlagArray) -> list[tuple[FlagArray, NDArray[np.int64]]]:
    """Distinct rows of flags (G, n), each with the genes that have it.

    Parameters
    ----------
    kept
        The flags.
    """
    whole = kept.all(axis=1)
    out = [(np.ones(kept.shape[1], np.bool_), np.flatnonzero(whole))] if whole.any() else []
    some = np.flatnonzero(~whole)
    if some.size == 0:
        return out
    rows, which = np.unique(kept[some], axis=0, return_inverse=True)
    which = which.ravel()
    return out + [(row, some[which == k]) for k, row in enumerate(rows)]


def residual_df(y: FloatArray, mu: FloatArray, x: FloatArray) -> FloatArray:
    """Degrees of freedom (G,) of the counts that a fit does not set to zero.

    Parameters
    ----------
    y, mu
        Counts and means (G, n).
    x
        Design (n, p).
    """
    out = np.zeros(len(y))
    for kept, genes in patterns(~((mu < 1e-4) & (y < 1e-4))):
        out[genes] = kept.sum() - (rank(x[kept]) if kept.any() else 0)
    return out


def separated(mu: FloatArray, x: FloatArray, contrast: FloatArray) -> FlagArray:
    """Genes whose contrast (p, q) runs to infinity: no sample with a mean informs it.

    Parameters
    ----------
    mu
        Means (G, n).
    x
        Design (n, p).
    contrast
        Combinations of coefficients.
    """
    out = np.zeros(len(mu), np.bool_)
    for kept, genes in patterns(mu > VANISHED):
        if not kept.all():
            out[genes] = _runs_off(x[kept], contrast) if kept.any() else True
    return out


def contrast_covariance(
    mu: FloatArray, x: FloatArray, phi: FloatArray, contrast: FloatArray
) -> FloatArray:
    """Variance (G,) of a contrast (p,) from the expected information; infinite if it is none.

    Parameters
    ----------
    mu
        Means (G, n).
    x
        Design (n, p).
    phi
        Dispersions (G,).
    contrast
        Combination of coefficients.
    """
    out = np.full(len(mu), np.inf)
    weight = mu / (1.0 + phi[:, np.newaxis] * mu)
    for kept, genes in patterns(mu > VANISHED):
        if kept.all():
            out[genes] = _variances(weight[genes], x, contrast)
        elif kept.any() and not _runs_off(x[kept], contrast[:, np.newaxis]):
            part = x[kept][:, independent_columns(x[kept])]
            mapped = np.linalg.pinv(part) @ x[kept]
            own, *_ = np.linalg.lstsq(mapped.T, contrast, rcond=None)
            out[genes] = _variances(weight[genes][:, kept], part, np.asarray(own, np.float64))
    return out


def _variances(weight: FloatArray, x: FloatArray, contrast: FloatArray) -> FloatArray:
    n, p = x.shape
    products = (x[:, :, np.newaxis] * x[:, np.newaxis, :]).reshape(n, p * p)
    information = (weight @ products).reshape(-1, p, p)
    side = np.broadcast_to(contrast[:, np.newaxis], (len(weight), p, 1))
    return np.asarray(np.linalg.solve(information, side)[:, :, 0] @ contrast)


def _runs_off(part: FloatArray, contrast: FloatArray) -> bool:
    """The samples that are left do not inform the contrast (p, q)."""
    return rank(np.vstack([part, contrast.T])) > rank(part)
