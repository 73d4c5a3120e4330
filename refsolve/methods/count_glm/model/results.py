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
class Coefficients(Result):
    """What a fit of one gene says of its coefficients, however donors enter it.

    The attributes are described with the fits, `CountFit` and `MixedFit`.
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
    log_likelihood: float
    n: int
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
        if name not in self.names:
            raise ValueError(f"name {name!r} is not known; choose from {', '.join(self.names)}")
        k = self.names.index(name)
        low, high = self.interval[k]
        values = (self.effect[k], self.se[k], low, high, self.statistic[k], self.p[k])
        return Effect(*(float(v) for v in values))

    def to_frame(self) -> pd.DataFrame:
        """One row per coefficient."""
        return pd.DataFrame(
            {
                "coefficient": self.names,
                "effect": self.effect,
                "se": self.se,
                "low": self.interval[:, 0],
                "high": self.interval[:, 1],
                "statistic": self.statistic,
                "p": self.p,
            }
        )

    def summary(self) -> str:
        """How the counts vary, and the table of coefficients."""
        lines = self._described()
        if self.separated:
            lines.append(f"not bounded by the counts: {', '.join(self.separated)}")
        table = self.to_frame().to_string(index=False, float_format=lambda v: f"{v:.4g}")
        title = type(self).__name__
        return "\n".join([title, "-" * len(title), *lines, table])

    def _described(self) -> list[str]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class CountFit(Coefficients):
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

    scale: float
    mu: FloatArray
    native: FloatArray
    exposure: Exposure
    n_clusters: int
    firth: bool

    def _described(self) -> list[str]:
        tail = "normal" if np.isinf(self.df) else f"t with {self.df:g} df"
        rows = f"{self.n} rows" + f" in {self.n_clusters} clusters" * (self.n_clusters > 0)
        return [
            f"{self.family}, {rows}, {self.interval_method} intervals, {tail}",
            f"dispersion {self.dispersion:.4g}, scale {self.scale:.4g}",
        ]


@dataclass(frozen=True, slots=True, eq=False)
class MixedFit(Coefficients):
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

    sd: float
    sd_se: float
    sd_interval: tuple[float, float]
    sd_p: float
    at_bound: bool
    intercepts: FloatArray
    nodes: int
    collapsed: bool
    n_donors: int

    def _described(self) -> list[str]:
        low, high = self.sd_interval
        rows = f"{self.n} rows of {self.n_donors} donors" + ", collapsed" * self.collapsed
        how = "Laplace" if self.nodes == 1 else f"{self.nodes} nodes"
        return [
            f"{self.family}, {rows}, {how}",
            f"donor SD {self.sd:.4g} ({low:.3g} to {high:.3g}), p = {self.sd_p:.3g}",
            f"dispersion {self.dispersion:.4g}, log-likelihood {self.log_likelihood:.6g}",
        ]


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
