"""Coefficients, dispersion and covariance of one gene, eqs. (3) to (6) and (14)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.errors import AnalysisError
from refsolve.methods.count_glm.kernels.dispersion import fit_dispersion
from refsolve.methods.count_glm.kernels.linear import weighted_square
from refsolve.methods.count_glm.kernels.native import fit_native, fit_native_dispersion
from refsolve.methods.count_glm.kernels.regression import (
    SEPARATED,
    UNFINISHED,
    fit_mean,
    means,
)
from refsolve.methods.count_glm.model.design import CountData, aliased
from refsolve.methods.count_glm.model.exposure import Exposure

BoolArray = NDArray[np.bool_]

FLATTEST = 1e-16  # curvature, relative to that of a column alone
LOST = 100.0  # standard error of a log rate that no count bounds
UNBOUNDED = 20.0  # standard error of a standardised coefficient that no count bounds


@dataclass(frozen=True, slots=True)
class MeanFit:
    """Coefficients at one dispersion.

    Attributes
    ----------
    beta
        (p,).
    information
        Expected (p, p).
    inverse
        Its inverse.
    log_likelihood
        Of the counts.
    alpha
        Dispersion.
    native, mu
        Native and whole means (n,).
    converged
        The search ended at a maximum, or ran along a direction without one.
    separated
        Columns (p,) without a bound.
    of_native
        The dispersion is that of the native part: the variance is mu + alpha m^2.
    kept
        Rows (n,) that bear on bounded coefficients: all, where none is separated.
    residual_df
        Such rows less the coefficients that they determine.
    """

    beta: FloatArray
    information: FloatArray
    inverse: FloatArray
    log_likelihood: float
    alpha: float
    native: FloatArray
    mu: FloatArray
    converged: bool
    separated: tuple[int, ...]
    of_native: bool
    kept: BoolArray
    residual_df: int

    @property
    def slope(self) -> FloatArray:
        """Native mean over the variance of every count."""
        return self.native / self.variance

    @property
    def variance(self) -> FloatArray:
        """Of every count, before a scale."""
        part = self.native if self.of_native else self.mu
        return self.mu + self.alpha * part**2

    @property
    def weight(self) -> FloatArray:
        """Expected information of every row."""
        return self.native * self.slope

    def scores(self, y: FloatArray) -> FloatArray:
        """Derivative of every log-likelihood in eta.

        Parameters
        ----------
        y
            Counts (n,).
        """
        return self.slope * (y - self.mu)


def columns_to_scale(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Columns of largest value one, and what they were divided by.

    Parameters
    ----------
    x
        Covariates (n, p).
    """
    scale = np.abs(x).max(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    return np.ascontiguousarray(x / scale), scale


def starting_point(data: CountData, x: FloatArray) -> FloatArray:
    """Coefficients (p,) of one rate for all rows.

    Parameters
    ----------
    data
        Counts.
    x
        Its columns, scaled.
    """
    left = max(float((data.y - data.exposure.ambient).sum()), 0.5)
    level = np.log(left / data.exposure.native.sum())
    found = np.linalg.lstsq(x, np.full(data.y.size, level), rcond=None)[0]
    return np.ascontiguousarray(found, np.float64)


def fit_at(
    data: CountData,
    alpha: float | None,
    *,
    adjusted: bool = True,
    firth: bool = False,
    start: FloatArray | None = None,
) -> MeanFit:
    """Coefficients at a dispersion, or at the one that fits best.

    Parameters
    ----------
    data
        Counts.
    alpha
        Dispersion; None estimates it.
    adjusted
        The estimate is adjusted for the coefficients.
    firth
        Penalise the likelihood.
    start
        Coefficients to start from.
    """
    x, scale = columns_to_scale(data.x)
    e = data.exposure
    beta = starting_point(data, x) if start is None else np.ascontiguousarray(start * scale)
    if alpha is None and not data.y.any():
        alpha = 0.0
    if alpha is None:
        alpha, beta, _ = fit_dispersion(data.y, x, e.native, e.ambient, beta, adjusted)
    beta, information, value, code = fit_mean(
        data.y, x, e.native, e.ambient, float(alpha), beta, firth
    )
    return _assembled(data, x, scale, float(alpha), beta, information, value, code, False)


def fit_of_native(data: CountData, alpha: float | None, start: FloatArray | None = None) -> MeanFit:
    """The same with the variance mu + alpha m^2; the dispersion by Pearson's statistic.

    Parameters
    ----------
    data
        Counts.
    alpha
        Dispersion; None estimates it.
    start
        Coefficients to start from.
    """
    x, scale = columns_to_scale(data.x)
    e = data.exposure
    rows = (data.y, x, e.native, e.ambient)
    first = starting_point(data, x) if start is None else np.ascontiguousarray(start * scale)
    poisson, information, _, code = fit_mean(*rows, 0.0, first, False)
    if code == SEPARATED:
        kept = _bounded_rows(x, inverse_of(information))
        if not kept.all():
            return _separated_native(data, alpha, poisson / scale, kept)
    if alpha is None:
        alpha, beta, information, code = fit_native_dispersion(*rows, poisson)
    else:
        beta, information, code = fit_native(*rows, float(alpha), poisson)
    return _assembled(data, x, scale, float(alpha), beta, information, np.nan, code, True)


def _separated_native(
    data: CountData, alpha: float | None, beta: FloatArray, kept: BoolArray
) -> MeanFit:
    """Rows without native counts left out, together with the columns that only they determine."""
    x, scale = columns_to_scale(data.x)
    e = data.exposure
    found = beta.copy()
    free = _determined(x[kept])
    if kept.sum() > len(free) > 0:
        rest = np.setdiff1d(np.arange(beta.size), free)
        fixed = np.exp(data.x[kept][:, rest] @ beta[rest])
        part = e.rows(kept)
        part = Exposure(part.native * fixed, part.ambient, part.total, part.share, part.rho_se)
        names = tuple(data.names[k] for k in free)
        columns = np.ascontiguousarray(data.x[kept][:, free])
        inner = fit_of_native(CountData(data.y[kept], columns, part, names), alpha)
        alpha, found[free] = inner.alpha, inner.beta
    alpha = alpha or 0.0
    m, mu = np.empty(data.y.size), np.empty(data.y.size)
    means(x, found * scale, e.native, e.ambient, m, mu)
    information = np.empty((beta.size, beta.size))
    weighted_square(x, m * m / (mu + alpha * m * m), information)
    return _assembled(data, x, scale, alpha, found * scale, information, np.nan, SEPARATED, True)


def pearson_scale(data: CountData, fit: MeanFit) -> float:
    """Pearson's statistic over its degrees of freedom, eq. (5).

    Parameters
    ----------
    data
        Counts.
    fit
        Of them.
    """
    if fit.residual_df < 1:
        return 1.0
    squares = (data.y - fit.mu) ** 2 / fit.mu
    return float(squares[fit.kept].sum() / fit.residual_df)


def clustered_covariance(
    data: CountData, fit: MeanFit, cluster: IntArray, n_clusters: int
) -> FloatArray:
    """Covariance (p, p) robust to dependence within clusters, eq. (6).

    The factor is C / (C − 1) times (n − 1) / (n − p), with the clusters C that have native counts;
    separated columns keep the errors of the model.

    Parameters
    ----------
    data
        Counts.
    fit
        Of them.
    cluster
        Codes (n,).
    n_clusters
        Number of clusters.
    """
    seen = int(np.unique(cluster[fit.kept]).size)
    n, p = data.x.shape
    if seen <= p - len(fit.separated):
        raise AnalysisError(
            f"{seen} clusters give no errors of {p - len(fit.separated)} coefficients.",
            hint="Robust errors need more clusters than coefficients.",
        )
    each = data.x * fit.scores(data.y)[:, np.newaxis]
    sums = _cluster_sums(each, cluster, n_clusters)
    factor = seen / (seen - 1.0) * (n - 1.0) / (n - p)
    out = np.asarray(factor * fit.inverse @ (sums.T @ sums) @ fit.inverse)
    apart = list(fit.separated)  # scores of rows that are fitted perfectly say nothing
    out[apart], out[:, apart] = fit.inverse[apart], fit.inverse[:, apart]
    return out


def contamination_covariance(
    data: CountData, fit: MeanFit, cluster: IntArray | None, n_clusters: int
) -> FloatArray:
    """What errors of the contamination add to the covariance (p, p), eq. (14).

    Errors of rows of one cluster are taken as one.

    Parameters
    ----------
    data
        Counts.
    fit
        Of them.
    cluster
        Codes (n,), or None for errors of every row on its own.
    n_clusters
        Number of clusters.
    """
    moved = data.exposure.slope(fit.native) * data.exposure.rho_se * fit.slope
    each = data.x * moved[:, np.newaxis]
    if cluster is not None:
        each = _cluster_sums(each, cluster, n_clusters)
    return np.asarray(fit.inverse @ (each.T @ each) @ fit.inverse)


def _assembled(
    data: CountData,
    x: FloatArray,
    scale: FloatArray,
    alpha: float,
    beta: FloatArray,
    information: FloatArray,
    value: float,
    code: int,
    of_native: bool,
) -> MeanFit:
    """Results of a kernel on scaled columns as those of the columns themselves."""
    m, mu = np.empty(data.y.size), np.empty(data.y.size)
    means(x, beta, data.exposure.native, data.exposure.ambient, m, mu)
    inverse = inverse_of(information)
    apart = unbounded_columns(x, inverse) if code == SEPARATED else ()
    sides = np.outer(scale, scale)
    value -= float(gammaln(data.y + 1.0).sum())
    kept = _bounded_rows(x, inverse) if apart else np.ones(m.size, np.bool_)
    df = int(kept.sum()) - len(_determined(x[kept])) if apart else data.residual_df
    return MeanFit(
        beta / scale, information * sides, inverse / sides, value, alpha, m, mu,
        code != UNFINISHED, apart, of_native, kept, df,
    )  # fmt: skip


def _determined(x: FloatArray) -> list[int]:
    """Columns that are no combination of columns before them."""
    lost = {name for name, _ in aliased(x, [str(k) for k in range(x.shape[1])])}
    return [k for k in range(x.shape[1]) if str(k) not in lost]


def _cluster_sums(each: FloatArray, cluster: IntArray, n: int) -> FloatArray:
    return np.column_stack([np.bincount(cluster, column, n) for column in each.T])


def inverse_of(information: FloatArray) -> FloatArray:
    """Inverse of an information; directions that nothing bounds get huge variances.

    Parameters
    ----------
    information
        Symmetric (p, p).
    """
    scale = np.sqrt(np.maximum(np.abs(np.diag(information)), 1e-280))
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    inner = (vectors / np.maximum(values, FLATTEST)) @ vectors.T
    return np.asarray(inner / np.outer(scale, scale), np.float64)


def _bounded_rows(x: FloatArray, inverse: FloatArray) -> BoolArray:
    """Rows whose log rate the counts bound."""
    return np.asarray(np.einsum("ij,jk,ik->i", x, inverse, x) < LOST**2)


def unbounded_columns(x: FloatArray, inverse: FloatArray) -> tuple[int, ...]:
    """Columns whose coefficients the counts do not bound.

    Parameters
    ----------
    x
        Covariates (n, p).
    inverse
        Covariance of their coefficients (p, p).
    """
    spread = x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    error = np.sqrt(np.maximum(np.diag(inverse), 0.0)) * spread
    return tuple(int(k) for k in np.flatnonzero(error > UNBOUNDED))
