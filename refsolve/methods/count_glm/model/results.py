"""What fits and tests of counts report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from refsolve.core.check import FloatArray
from refsolve.core.result import Result
from refsolve.methods.count_glm.model.exposure import Exposure


class Effect(NamedTuple):
    """One coefficient: log rate ratio, standard error, interval, statistic, p value."""

    effect: float
    se: float
    low: float
    high: float
    statistic: float
    p: float


@dataclass(frozen=True, slots=True, eq=False)
class CountFit(Result):
    """Coefficients of one gene.

    Attributes
    ----------
    names
        Of the coefficients (p).
    effect
        Log rates or log rate ratios (p,).
    se
        Standard errors (p,).
    interval
        (p, 2).
    statistic, p
        Of no effect (p,): t, or normal where `df` is infinite.
    df
        Degrees of freedom of the t distribution.
    covariance
        (p, p).
    family
        Of the counts.
    dispersion
        Alpha of the variance mu + alpha mu^2, or mu + alpha m^2 with the native mean m for
        "quasi_native".
    scale
        Factor of the Poisson variance.
    log_likelihood
        At the coefficients; that of Poisson counts for "quasi_poisson", NaN for "quasi_native".
    mu, native
        Whole and native means (n,).
    exposure
        Of the rows.
    n, n_clusters
        Rows, and clusters of the robust errors; zero where these are not used.
    converged
        The search ended at a maximum.
    separated
        Coefficients that the counts do not bound: a group without native counts.
    firth
        The likelihood is penalised.
    interval_method
        How the intervals are made.
    level
        Their coverage.
    """

    names: tuple[str, ...]
    effect: FloatArray
    se: FloatArray
    interval: FloatArray
    statistic: FloatArray
    p: FloatArray
    df: float
    covariance: FloatArray
    family: str
    dispersion: float
    scale: float
    log_likelihood: float
    mu: FloatArray
    native: FloatArray
    exposure: Exposure
    n: int
    n_clusters: int
    converged: bool
    separated: tuple[str, ...]
    firth: bool
    interval_method: str
    level: float

    def row(self, name: str) -> Effect:
        """One coefficient.

        Parameters
        ----------
        name
            Of the coefficient.
        """
        return effect_named(self, name)

    def to_frame(self) -> pd.DataFrame:
        """One row per coefficient."""
        return frame_of(self)

    def summary(self) -> str:
        """Table of coefficients, and how the counts vary."""
        return text_of(self, _described(self))


@dataclass(frozen=True, slots=True, eq=False)
class MixedFit(Result):
    """Coefficients of one gene with an intercept of every donor.

    Attributes
    ----------
    names
        Of the coefficients (p).
    effect
        Log rates or log rate ratios (p,).
    se
        Standard errors (p,).
    interval
        (p, 2).
    statistic, p
        Of no effect (p,).
    df
        Degrees of freedom of the t distribution: donors less the columns that only donors differ
        in.
    covariance
        (p, p).
    family
        Of the counts given the donor.
    dispersion
        Alpha of the variance mu + alpha mu^2 given the donor.
    sd, sd_se, sd_interval
        Spread of the donors' intercepts, its error (NaN at zero), and its interval.
    sd_p
        Of no spread: half the upper tail of chi-square with one degree of freedom.
    at_bound
        No spread is seen; `sd` is zero.
    log_likelihood
        Of the counts.
    intercepts
        Mode of every donor (donors,), in order of first appearance.
    nodes
        Of the quadrature; one is Laplace's approximation.
    collapsed
        Donor totals stand for the rows.
    n, n_donors
        Rows and donors.
    converged
        The gradient vanishes; where it does not, more nodes may help.
    separated
        Coefficients that the counts do not bound.
    interval_method
        How the intervals are made; the one of an `sd` of zero is by the profile likelihood.
    level
        Coverage of the intervals.
    """

    names: tuple[str, ...]
    effect: FloatArray
    se: FloatArray
    interval: FloatArray
    statistic: FloatArray
    p: FloatArray
    df: float
    covariance: FloatArray
    family: str
    dispersion: float
    sd: float
    sd_se: float
    sd_interval: tuple[float, float]
    sd_p: float
    at_bound: bool
    log_likelihood: float
    intercepts: FloatArray
    nodes: int
    collapsed: bool
    n: int
    n_donors: int
    converged: bool
    separated: tuple[str, ...]
    interval_method: str
    level: float

    def row(self, name: str) -> Effect:
        """One coefficient.

        Parameters
        ----------
        name
            Of the coefficient.
        """
        return effect_named(self, name)

    def to_frame(self) -> pd.DataFrame:
        """One row per coefficient."""
        return frame_of(self)

    def summary(self) -> str:
        """Table of coefficients, and how donors vary."""
        low, high = self.sd_interval
        spread = f"donor SD {self.sd:.4g} ({low:.3g} to {high:.3g}), p = {self.sd_p:.3g}"
        rows = f"{self.n} rows of {self.n_donors} donors" + ", collapsed" * self.collapsed
        how = "Laplace" if self.nodes == 1 else f"{self.nodes} nodes"
        tail = f"dispersion {self.dispersion:.4g}, log-likelihood {self.log_likelihood:.6g}"
        lines = [f"{self.family}, {rows}, {how}", spread, tail, *_unbounded(self)]
        return text_of(self, lines)


@dataclass(frozen=True, slots=True)
class CovariateTest(Result):
    """Test of one covariate.

    Attributes
    ----------
    effect
        Log rate ratio: of one scoring step for the score test.
    se
        Its standard error.
    statistic
        Chi-square with one degree of freedom, or F with one and `df`.
    p
        Its upper tail.
    df
        Of the denominator.
    method
        score, wald or likelihood_ratio.
    dispersion
        Alpha of the fit that the test is made at.
    """

    effect: float
    se: float
    statistic: float
    p: float
    df: float
    method: str
    dispersion: float


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivity(Result):
    """An effect if the contamination were otherwise.

    Attributes
    ----------
    coefficient
        Its name.
    factors
        Of all contamination (k,).
    effect, se
        (k,).
    interval
        (k, 2).
    level
        Coverage of the intervals.
    """

    coefficient: str
    factors: FloatArray
    effect: FloatArray
    se: FloatArray
    interval: FloatArray
    level: float

    def to_frame(self) -> pd.DataFrame:
        """One row per factor."""
        return pd.DataFrame(
            {
                "factor": self.factors,
                "effect": self.effect,
                "se": self.se,
                "low": self.interval[:, 0],
                "high": self.interval[:, 1],
            }
        )


def effect_named(fit: CountFit | MixedFit, name: str) -> Effect:
    """One coefficient of a fit.

    Parameters
    ----------
    fit
        Of counts.
    name
        Of the coefficient.
    """
    if name not in fit.names:
        raise ValueError(f"name {name!r} is not known; choose from {', '.join(fit.names)}")
    k = fit.names.index(name)
    low, high = fit.interval[k]
    values = (fit.effect[k], fit.se[k], low, high, fit.statistic[k], fit.p[k])
    return Effect(*(float(v) for v in values))


def frame_of(fit: CountFit | MixedFit) -> pd.DataFrame:
    """One row per coefficient.

    Parameters
    ----------
    fit
        Of counts.
    """
    return pd.DataFrame(
        {
            "coefficient": fit.names,
            "effect": fit.effect,
            "se": fit.se,
            "low": fit.interval[:, 0],
            "high": fit.interval[:, 1],
            "statistic": fit.statistic,
            "p": fit.p,
        }
    )


def text_of(fit: CountFit | MixedFit, lines: list[str]) -> str:
    """Title, lines, and the table of coefficients.

    Parameters
    ----------
    fit
        Of counts.
    lines
        What is said before the table.
    """
    table = frame_of(fit).to_string(index=False, float_format=lambda v: f"{v:.4g}")
    title = type(fit).__name__
    return "\n".join([title, "-" * len(title), *lines, table])


def _described(fit: CountFit) -> list[str]:
    tail = "normal" if np.isinf(fit.df) else f"t with {fit.df:g} df"
    rows = f"{fit.n} rows" + f" in {fit.n_clusters} clusters" * (fit.n_clusters > 0)
    lines = [f"{fit.family}, {rows}, {fit.interval_method} intervals, {tail}"]
    lines.append(f"dispersion {fit.dispersion:.4g}, scale {fit.scale:.4g}")
    return lines + _unbounded(fit)


def _unbounded(fit: CountFit | MixedFit) -> list[str]:
    names = ", ".join(fit.separated)
    return [f"not bounded by the counts: {names}"] if names else []
