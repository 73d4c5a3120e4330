"""Tests of one covariate, and of what a gate lets through."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2
from scipy.stats import f as fisher

from refsolve.core.check import FloatArray, one_of
from refsolve.core.errors import AnalysisError
from refsolve.methods.count_glm.estimator.regression import (
    FAMILIES,
    Dispersion,
    Family,
    dispersion_of,
    fit_counts,
    fit_of,
)
from refsolve.methods.count_glm.model.design import CountData, count_data
from refsolve.methods.count_glm.model.exposure import Exposure
from refsolve.methods.count_glm.model.fitting import MeanFit, fit_at, pearson_scale
from refsolve.methods.count_glm.model.results import CovariateTest

METHODS = ("score", "wald", "likelihood_ratio")


def covariate_test(
    y: ArrayLike,
    x: ArrayLike,
    exposure: Exposure | ArrayLike,
    g: ArrayLike,
    *,
    method: Literal["score", "wald", "likelihood_ratio"] = "score",
    family: Family = "quasi_native",
    dispersion: Dispersion = "adjusted",
) -> CovariateTest:
    """Test of one covariate beside others, eqs. (10) and (11).

    The score test takes the dispersion of the fit without the covariate, the Wald test that of the
    fit with it. So does the likelihood ratio, for both its fits; with the unadjusted estimate each
    fit has its own. The Wald test alone knows the errors of the contamination.

    Parameters
    ----------
    y, exposure, family, dispersion
        As in `fit_counts`.
    x
        Other covariates (n, p) with the intercept.
    g
        Covariate (n,) that is tested.
    method
        Of the test.

    Returns
    -------
    The test; F with rows less columns for the Wald test and the quasi-likelihood, else chi-square.

    Raises
    ------
    AnalysisError
        The covariate is a combination of others.
    """
    one_of(method, "method", METHODS)
    one_of(family, "family", FAMILIES)
    null = count_data(y, x, exposure)
    column = np.ascontiguousarray(g, np.float64)
    full = count_data(
        y, np.column_stack([null.x, column]), null.exposure, (*null.names, "the tested covariate")
    )
    alpha, adjusted = dispersion_of(family, dispersion)
    if method == "wald":
        return _wald(full, family, dispersion)
    if method == "score":
        return _score(null, fit_of(null, family, alpha, adjusted=adjusted), column, family)
    if family == "quasi_native":
        raise ValueError(
            "method = 'likelihood_ratio' needs a likelihood, and family = 'quasi_native' has none; "
            "use family = 'negative_binomial', or another test"
        )
    return _ratio(null, full, alpha, adjusted, family)


def gate_check(
    gated: ArrayLike, cells: ArrayLike, genotype: ArrayLike, x: ArrayLike | None = None
) -> CovariateTest:
    """Test whether the share of cells that pass a gate depends on the genotype.

    A gate that depends on it selects different cells for different genotypes, and the effect among
    the selected is then biased.

    Parameters
    ----------
    gated
        Cells of every donor that pass (n,).
    cells
        All cells of every donor (n,).
    genotype
        Of every donor (n,).
    x
        Covariates (n, p) with the intercept; the intercept alone if None.
    """
    passed, everything = np.asarray(gated, np.float64), np.asarray(cells, np.float64)
    if (passed > everything).any():
        d = int(np.argmax(passed > everything))
        raise ValueError(f"gated[{d}] = {passed[d]:g} exceeds cells[{d}] = {everything[d]:g}")
    design = np.ones((passed.size, 1)) if x is None else x
    return covariate_test(
        passed, design, everything, genotype, method="wald", family="quasi_poisson"
    )


def _wald(full: CountData, family: Family, dispersion: Dispersion) -> CovariateTest:
    fit = fit_counts(full.y, full.x, full.exposure, family=family, dispersion=dispersion)
    one = fit.row(fit.names[-1])
    return CovariateTest(
        one.effect, one.se, one.statistic**2, one.p, fit.df, "wald", fit.dispersion
    )


def _score(null: CountData, fit: MeanFit, g: FloatArray, family: str) -> CovariateTest:
    weight = fit.weight
    left = g - null.x @ (fit.inverse @ (null.x.T @ (weight * g)))
    u, v = float(left @ fit.scores(null.y)), float(weight @ left**2)
    if not v > 0:
        raise AnalysisError(
            "No count bears on the tested covariate.", hint="The gene has no native counts."
        )
    phi, df = _scale(null, fit, family)
    statistic = u * u / v / phi
    return CovariateTest(
        u / v, float(np.sqrt(phi / v)), statistic, _tail(statistic, df), df, "score", fit.alpha
    )


def _ratio(
    null: CountData, full: CountData, alpha: float | None, adjusted: bool, family: str
) -> CovariateTest:
    fit = fit_at(full, alpha, adjusted=adjusted)
    without = fit_at(null, None if alpha is None and not adjusted else fit.alpha, adjusted=False)
    phi, df = _scale(full, fit, family)
    statistic = max(2.0 * (fit.log_likelihood - without.log_likelihood), 0.0) / phi
    se = float(np.sqrt(phi * fit.inverse[-1, -1]))
    p = _tail(statistic, df)
    return CovariateTest(float(fit.beta[-1]), se, statistic, p, df, "likelihood_ratio", fit.alpha)


def _scale(data: CountData, fit: MeanFit, family: str) -> tuple[float, float]:
    quasi = family == "quasi_poisson"
    return (pearson_scale(data, fit), float(max(fit.residual_df, 1))) if quasi else (1.0, np.inf)


def _tail(statistic: float, df: float) -> float:
    return float(chi2.sf(statistic, 1) if np.isinf(df) else fisher.sf(statistic, 1, df))
