"""The result of a fit: effects of the exposures, their precision, and what the fit rests on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.linalg import eigh
from scipy.special import chdtrc, ndtri, stdtrit

from refsolve.core.check import FloatArray
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.mvmr.model.summary import Summary, Whitened

if TYPE_CHECKING:
    import pandas as pd

Overdispersion = Literal["fixed", "multiplicative", "additive"]
UNTOLD = 1e-8  # smallest relative eigenvalue of the exposures' moments that tells them apart


@dataclass(frozen=True, slots=True)
class EffectFit(Result):
    """Direct effects of the exposures on the outcome.

    Attributes
    ----------
    estimator
        What was fitted.
    exposures
        Names (K,).
    theta
        Change of the outcome per unit of each exposure, the others held constant (K,).
    se, covariance
        Standard errors (K,) and covariance (K, K), overdispersion included.
    interval
        Lower and upper ends (K, 2).
    confidence
        Nominal coverage of these.
    n_variants, degrees_of_freedom
        Instruments, and these minus everything estimated.
    q, q_p_value, i_squared
        Heterogeneity of the residuals: statistic, chi-squared p-value, share beyond noise.
    overdispersion
        Factor of the outcome's variance (at least 1); 1 where it was not estimated.
    tau2
        Variance of balanced direct effects in units of the outcome's squared standard error.
    conditional_f
        Strength of the weakest combination of exposures.
    partial_f
        Strength of each exposure beside the others (K,).
    condition
        Condition number of the LD matrix with its ridge.
    ridge
        Share of the identity in the LD matrix.
    residual
        Whitened residuals over their standard deviation (J,).
    weight
        Weight of each (J,).
    variants
        Names of the instruments (J,).
    """

    estimator: str
    exposures: tuple[str, ...]
    theta: FloatArray
    se: FloatArray
    covariance: FloatArray
    interval: FloatArray
    confidence: float
    n_variants: int
    degrees_of_freedom: int
    q: float
    q_p_value: float
    i_squared: float
    overdispersion: float
    tau2: float
    conditional_f: float
    partial_f: FloatArray
    condition: float
    ridge: float
    residual: FloatArray
    weight: FloatArray
    variants: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per exposure."""
        import pandas as pd

        return pd.DataFrame(
            {
                "exposure": self.exposures,
                "theta": self.theta,
                "se": self.se,
                "low": self.interval[:, 0],
                "high": self.interval[:, 1],
                "partial_f": self.partial_f,
            }
        )

    def with_scale_error(self, relative_se: FloatArray) -> EffectFit:
        """The same fit with the uncertainty of the SDs by which exposures were divided.

        Parameters
        ----------
        relative_se
            Standard error of each SD over the SD (K,).
        """
        extra = np.diag((self.theta * np.asarray(relative_se, dtype=np.float64)) ** 2)
        covariance = self.covariance + extra
        se = np.sqrt(np.diag(covariance))
        known = (self.se > 0.0) & np.isfinite(self.se)
        wider = np.divide(se, self.se, out=np.ones_like(se), where=known)
        half = (self.interval[:, 1] - self.interval[:, 0]) / 2.0 * wider
        interval = np.stack([self.theta - half, self.theta + half], axis=1)
        return replace(self, covariance=covariance, se=se, interval=interval)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an estimator found, before it is reported.

    Attributes
    ----------
    theta, covariance
        Estimate and its covariance, overdispersion included.
    q
        Heterogeneity.
    degrees_of_freedom
        Of the residuals.
    residual
        Standardised (J,).
    weight
        (J,).
    factor
        Multiplicative overdispersion.
    tau2
        Additive overdispersion.
    """

    theta: FloatArray
    covariance: FloatArray
    q: float
    degrees_of_freedom: int
    residual: FloatArray
    weight: FloatArray
    factor: float = 1.0
    tau2: float = 0.0


def report(
    estimator: str, data: Summary, white: Whitened, found: Estimate, confidence: float
) -> EffectFit:
    """Complete an estimate with its interval and with the strength of the instruments.

    Parameters
    ----------
    estimator
        Its name.
    data, white
        What was fitted.
    found
        The estimate.
    confidence
        Nominal coverage.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence = {confidence} must lie between 0 and 1, such as 0.95")
    covariance = found.covariance
    se = np.sqrt(np.diag(covariance))
    df = found.degrees_of_freedom
    half = quantile(confidence, df if found.factor > 1.0 else 0) * se
    eigenvalues = np.linalg.eigvalsh(data.ld) * (1.0 - data.ridge) + data.ridge
    return EffectFit(
        estimator=estimator,
        exposures=data.exposures,
        theta=found.theta,
        se=se,
        covariance=covariance,
        interval=np.stack([found.theta - half, found.theta + half], axis=1),
        confidence=confidence,
        n_variants=data.n_variants,
        degrees_of_freedom=df,
        q=found.q,
        q_p_value=float(chdtrc(df, found.q)) if df > 0 else 1.0,
        i_squared=max(0.0, 1.0 - df / found.q) if found.q > 0.0 else 0.0,
        overdispersion=found.factor,
        tau2=found.tau2,
        conditional_f=weakest_f(white.x, white.mean_noise),
        partial_f=each_f(white.x, white.mean_noise),
        condition=float(eigenvalues[-1] / eigenvalues[0]),
        ridge=data.ridge,
        residual=found.residual,
        weight=found.weight,
        variants=data.variants,
    )


def quantile(confidence: float, degrees_of_freedom: int) -> float:
    """Half width of an interval in standard errors; normal when the variance is known (df 0).

    Parameters
    ----------
    confidence
        Nominal coverage.
    degrees_of_freedom
        Behind the estimate of the variance.
    """
    tail = 0.5 * (1.0 + confidence)
    return float(stdtrit(degrees_of_freedom, tail) if degrees_of_freedom > 0 else ndtri(tail))


def weakest_f(x: FloatArray, noise: FloatArray) -> float:
    """Smallest ratio of the squares of a combination of exposures to its noise, per df.

    Parameters
    ----------
    x
        Whitened exposures (J, K).
    noise
        Covariance of the noise of a row (K, K).
    """
    j, k = x.shape
    return float(eigh(x.T @ x, noise, eigvals_only=True)[0] / (j - k + 1))


def each_f(x: FloatArray, noise: FloatArray) -> FloatArray:
    """Strength of each exposure beside the others, whose coefficients are by least squares.

    Parameters
    ----------
    x
        Whitened exposures (J, K).
    noise
        Covariance of the noise of a row (K, K).
    """
    j, k = x.shape
    contrasts = np.linalg.inv(x.T @ x)
    contrasts /= np.diag(contrasts)
    numerator = np.einsum("ak,ab,bk->k", contrasts, x.T @ x, contrasts)
    return np.asarray(
        numerator / np.einsum("ak,ab,bk->k", contrasts, noise, contrasts) / (j - k + 1)
    )


def refuse_alike(data: Summary, white: Whitened) -> None:
    """Raise AnalysisError when the instruments cannot tell the exposures apart at all.

    Parameters
    ----------
    data, white
        What is to be fitted.
    """
    scaled = white.x / np.sqrt((white.x**2).sum(axis=0))
    smallest = float(np.linalg.eigvalsh(scaled.T @ scaled)[0])
    if not smallest > UNTOLD:
        raise AnalysisError(
            f"The {data.n_variants} instruments have proportional effects on "
            f"{', '.join(data.exposures)} (smallest relative eigenvalue {smallest:.2g}).",
            hint="Add variants that differ between the exposures, or analyse one exposure.",
        )
