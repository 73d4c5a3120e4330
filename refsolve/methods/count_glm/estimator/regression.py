"""Regression of the counts of one gene, and what its contamination does to an effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, one_of, open_unit
from refsolve.methods.count_glm.model.design import CountData, codes_of, count_data
from refsolve.methods.count_glm.model.exposure import Exposure
from refsolve.methods.count_glm.model.fitting import (
    MeanFit,
    clustered_covariance,
    contamination_covariance,
    fit_at,
    fit_of_native,
    pearson_scale,
)
from refsolve.methods.count_glm.model.intervals import (
    penalised_interval,
    profile_interval,
    quantile,
    two_sided,
)
from refsolve.methods.count_glm.model.results import CountFit

Family = Literal["negative_binomial", "quasi_native", "quasi_poisson", "poisson"]
ESTIMATED = ("negative_binomial", "quasi_native")  # families with a dispersion
Dispersion = Literal["adjusted", "profile"] | float
Interval = Literal["wald", "profile"]
FAMILIES = get_args(Family)


def fit_counts(
    y: ArrayLike,
    x: ArrayLike,
    exposure: Exposure | ArrayLike,
    *,
    names: Sequence[str] | None = None,
    family: Family = "quasi_native",
    dispersion: Dispersion = "adjusted",
    firth: bool = False,
    cluster: ArrayLike | None = None,
    interval: Interval = "wald",
    level: float = 0.95,
) -> CountFit:
    r"""Regression of counts with the ambient part inside the mean, eqs. (1) to (6) and (14).

    The mean is :math:`A + S e^{x'\beta}`. Rows are taken as independent: give donors, not cells,
    or name the donors as `cluster`. Errors of the contamination (`rho_se` of the exposure) are
    added to the covariance; an estimated dispersion already holds a part of them, so that errors
    are a little too large rather than too small.

    Parameters
    ----------
    y
        Counts (n,).
    x
        Covariates (n, p) with the intercept; names are taken from a data frame.
    exposure
        From `ambient_exposure`, or native counts (n,) without an ambient part.
    names
        Of the columns.
    family
        Variance of the counts: :math:`\mu+\alpha\mu^2`; :math:`\mu+\alpha m^2`, where donors differ
        in the native mean :math:`m` and the ambient part is Poisson; :math:`\phi\mu`; :math:`\mu`.
    dispersion
        How alpha is estimated, or its value: by the profile likelihood, adjusted for the
        coefficients (after Cox and Reid) or not; of "quasi_native" by Pearson's statistic.
    firth
        Penalise by the information, which keeps separated groups finite.
    cluster
        Labels (n,) of rows that are not independent; errors are then robust.
    interval
        By the standard error, or by the profile likelihood at the estimated dispersion.
    level
        Coverage of the intervals.

    Returns
    -------
    Fit with t intervals (rows less columns, or clusters less one); normal ones for Poisson.

    Raises
    ------
    AnalysisError
        The design is singular, or leaves no rows over.

    Examples
    --------
    >>> from refsolve.methods.count_glm import ambient_exposure
    >>> y, g = np.array([8, 11, 9, 21, 24, 19, 18]), np.array([0, 0, 0, 1, 1, 1, 1])
    >>> exposure = ambient_exposure(np.full(7, 1000.0), rho=0.2, share=0.01)
    >>> fit = fit_counts(y, np.column_stack([np.ones(7), g]), exposure, names=["1", "g"])
    >>> round(fit.row("g").effect, 3)
    0.925
    """
    one_of(family, "family", FAMILIES)
    one_of(interval, "interval", get_args(Interval))
    data = count_data(y, x, exposure, names)
    alpha, adjusted = dispersion_of(family, dispersion)
    if family == "quasi_native":
        _without_likelihood(firth, interval)
    fit = fit_of(data, family, alpha, adjusted=adjusted, firth=firth)
    return report(data, fit, family, firth, cluster, interval, open_unit(level, "level"))


def fit_of(
    data: CountData, family: str, alpha: float | None, *, adjusted: bool, firth: bool = False
) -> MeanFit:
    """Fit of a family.

    Parameters
    ----------
    data
        Counts.
    family
        Of the counts.
    alpha
        Dispersion, or None to estimate it.
    adjusted
        The estimate is adjusted for the coefficients.
    firth
        Penalise the likelihood.
    """
    if family == "quasi_native":
        return fit_of_native(data, alpha)
    return fit_at(data, alpha, adjusted=adjusted, firth=firth)


def _without_likelihood(firth: bool, interval: str) -> None:
    if firth or interval == "profile":
        wrong = "firth = True" if firth else "interval = 'profile'"
        raise ValueError(
            f"{wrong} needs a likelihood, and family = 'quasi_native' has none; "
            "use family = 'negative_binomial', or fit_donors"
        )


def dispersion_of(family: str, dispersion: str | float) -> tuple[float | None, bool]:
    """Alpha, or None where it is estimated, and whether the estimate is adjusted.

    Parameters
    ----------
    family
        Of the counts.
    dispersion
        adjusted, profile, or the value.
    """
    if isinstance(dispersion, str):
        one_of(dispersion, "dispersion", ("adjusted", "profile"))
        return (None if family in ESTIMATED else 0.0), dispersion == "adjusted"
    if dispersion is None or not 0.0 <= dispersion < np.inf:
        raise ValueError(f"dispersion = {dispersion} must be a finite number of at least zero")
    return (float(dispersion) if family in ESTIMATED else 0.0), False


def report(
    data: CountData,
    fit: MeanFit,
    family: str,
    firth: bool,
    cluster: ArrayLike | None,
    interval: str,
    level: float,
) -> CountFit:
    """Errors, intervals and p values of a fit.

    Parameters
    ----------
    data
        Counts.
    fit
        Of them.
    family, firth, cluster, interval, level
        As in `fit_counts`.
    """
    phi = pearson_scale(data, fit) if family == "quasi_poisson" else 1.0
    codes, n_clusters = (None, 0) if cluster is None else codes_of(cluster, data.y.size, "cluster")
    covariance = phi * fit.inverse
    if codes is not None:
        covariance = clustered_covariance(data, fit, codes, n_clusters)
    covariance = covariance + contamination_covariance(data, fit, codes, n_clusters)
    df = np.inf if family == "poisson" else float(max(fit.residual_df, 1))
    if codes is not None:
        df = float(max(np.unique(codes[fit.kept]).size - 1, 1))
    se = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    ratio = fit.beta / np.where(se > 0, se, np.nan)
    return CountFit(
        names=data.names, effect=fit.beta, se=se,
        interval=_intervals(data, fit, se, phi, df, interval, firth, level),
        statistic=ratio, p=two_sided(ratio, df), df=df, covariance=covariance, family=family,
        dispersion=fit.alpha, scale=phi, log_likelihood=fit.log_likelihood, mu=fit.mu,
        native=fit.native, exposure=data.exposure, n=data.y.size, n_clusters=n_clusters,
        converged=fit.converged, separated=tuple(data.names[k] for k in fit.separated),
        firth=firth, interval_method=interval, level=level,
    )  # fmt: skip


def _intervals(
    data: CountData,
    fit: MeanFit,
    se: FloatArray,
    phi: float,
    df: float,
    interval: str,
    firth: bool,
    level: float,
) -> FloatArray:
    z = quantile(level, df)
    if interval == "wald":
        return np.column_stack([fit.beta - z * se, fit.beta + z * se])
    # A profile knows the variance of the model only: errors beyond it widen the drop.
    wider = se**2 / np.maximum(phi * np.diag(fit.inverse), 1e-300)
    drops = 0.5 * z * z * phi * wider
    ends = penalised_interval if firth else profile_interval
    return np.array([ends(data, fit, k, float(d)) for k, d in enumerate(drops)])
