"""Unit deviances of small counts brought to a chi-square distribution."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, xlogy
from scipy.stats import nbinom

from refsolve.core.check import FloatArray
from refsolve.methods.pseudobulk.kernels import counts as kernels
from refsolve.methods.pseudobulk.model.design import independent_columns
from refsolve.methods.pseudobulk.model.regression import VANISHED, patterns

LOWEST, HIGHEST, POINTS = 1e-4, 1e3, 141  # means between which moments are interpolated
LEAST = 1e-6  # dispersion; below it counts are Poisson to all digits that matter here
REST = 1e-12  # probability that is left out


def unit_moments(mu: float, phi: float) -> tuple[float, float]:
    """Mean and variance of the unit deviance of a count, summed over its distribution.

    Parameters
    ----------
    mu, phi
        Mean and dispersion, both positive.
    """
    r = 1.0 / phi
    y = np.arange(nbinom.isf(REST, r, r / (r + mu)) + 30.0)
    log_p = gammaln(y + r) - gammaln(r) - gammaln(y + 1.0)
    p = np.exp(log_p + y * np.log(mu / (r + mu)) - r * np.log1p(phi * mu))
    part = xlogy(y, y / mu) - (y + r) * np.log1p((y - mu) / (r + mu))
    mean = float(2.0 * p @ part)
    return mean, float(p @ (2.0 * part - mean) ** 2)


def adjusted_deviances(
    y: FloatArray, mu: FloatArray, x: FloatArray, phi: float
) -> tuple[FloatArray, FloatArray]:
    """Deviance (G,) of counts scaled to chi-square, and its degrees of freedom (G,).

    Where the unit deviance has the mean E and the variance V, its multiple by 2 E / V is a
    chi-square variable with 2 E^2 / V degrees of freedom as far as two moments go; the share of
    these that the fit does not use up is one minus the leverage.

    Parameters
    ----------
    y, mu
        Counts and means (G, n).
    x
        Design (n, p).
    phi
        Dispersion of all genes.
    """
    phi = max(phi, LEAST)
    at = np.geomspace(LOWEST, HIGHEST, POINTS)
    mean, variance = np.array([unit_moments(float(m), phi) for m in at]).T
    where = np.log(np.clip(mu, LOWEST, HIGHEST))
    factor = np.exp(np.interp(where, np.log(at), np.log(2.0 * mean / variance)))
    df = np.exp(np.interp(where, np.log(at), np.log(2.0 * mean**2 / variance)))
    df = np.where(mu > VANISHED, df * (1.0 - leverage(mu, x, phi)), 0.0)
    flat = np.ascontiguousarray(y).reshape(-1, 1), np.ascontiguousarray(mu).reshape(-1, 1)
    unit = kernels.deviances(*flat, np.full(y.size, phi)).reshape(y.shape)
    return (unit * factor).sum(axis=1), df.sum(axis=1)


def leverage(mu: FloatArray, x: FloatArray, phi: float) -> FloatArray:
    """Leverage (G, n) of every count in the weighted fit.

    Parameters
    ----------
    mu
        Means (G, n).
    x
        Design (n, p).
    phi
        Dispersion of all genes.
    """
    out = np.zeros(mu.shape)
    weight = mu / (1.0 + phi * mu)
    for kept, genes in patterns(mu > VANISHED):
        if not kept.any():
            continue
        part = x[kept][:, independent_columns(x[kept])]
        n, p = part.shape
        products = (part[:, :, np.newaxis] * part[:, np.newaxis, :]).reshape(n, p * p)
        own = weight[np.ix_(genes, np.flatnonzero(kept))]
        inverse = np.linalg.inv((own @ products).reshape(-1, p, p)).reshape(-1, p * p)
        out[np.ix_(genes, np.flatnonzero(kept))] = own * (inverse @ products.T)
    return out
