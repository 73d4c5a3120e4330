"""Fit of the expected counts by a negative-binomial log-linear model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, gammainc, ndtri

from refsolve.core.check import FloatArray, IntArray, open_unit
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.contact_expected.kernels import glm
from refsolve.methods.contact_expected.model.background import Background, cells_of_table
from refsolve.methods.contact_expected.model.cells import Cells, independent
from refsolve.methods.contact_expected.model.likelihood import Optimum, maximise
from refsolve.methods.contact_expected.model.pairs import PairCells, cells_of_pairs
from refsolve.methods.contact_expected.model.table import ContactTable

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedFit(Result):
    """Expected counts of every sample and pixel (or cell of pairs), used in the fit or not.

    Attributes
    ----------
    names
        Coefficients (p,).
    coef, se, covariance
        Estimates on the natural-log scale, zero where dropped, standard errors (NaN where
        dropped), and covariance (p, p) from the expected information.
    dropped
        Coefficients that the used pixels do not determine beside the earlier ones.
    dispersion
        α of every sample (S,): the variance of a count is μ + αμ².
    dispersion_se
        Standard error of α (S,); NaN where it was given or is zero.
    at_bound
        Whether α is zero (S,), the Poisson limit.
    mu
        Expected counts (S, P).
    features, columns
        Features (P, q), and the coefficient that each has in a sample (S, q).
    log_likelihood
        Of all counts.
    n_pixels, n_zero
        Counts in the fit, all samples, and those that are zero.
    pearson
        Σ (y − μ)²/(μ + αμ²) over its degrees of freedom; for cells of pairs, of their totals.
    rounds, converged
        Of the alternation between coefficients and dispersion.
    """

    names: tuple[str, ...]
    coef: FloatArray
    se: FloatArray
    covariance: FloatArray
    dropped: tuple[str, ...]
    dispersion: FloatArray
    dispersion_se: FloatArray
    at_bound: BoolArray
    mu: FloatArray
    features: FloatArray
    columns: IntArray
    log_likelihood: float
    n_pixels: int
    n_zero: int
    pearson: float
    rounds: int
    converged: bool

    def gradient(self, sample: int, pixel: int) -> FloatArray:
        """Derivative of log μ in the coefficients (p,).

        Parameters
        ----------
        sample, pixel
            Of which expected count.
        """
        out = np.zeros(self.coef.size)
        np.add.at(out, self.columns[sample], self.features[pixel])
        return out

    def of(self, name: str) -> tuple[float, float]:
        """Estimate and standard error of one coefficient.

        Parameters
        ----------
        name
            As in `names`.
        """
        if name not in self.names:
            raise ValueError(f"no coefficient {name!r}; the model has {', '.join(self.names)}")
        k = self.names.index(name)
        return float(self.coef[k]), float(self.se[k])

    def dispersion_interval(self, confidence: float = 0.95) -> FloatArray:
        """Interval of α on the scale of its logarithm (S, 2); NaN where α is given or zero.

        Parameters
        ----------
        confidence
            Nominal coverage.
        """
        z = ndtri(0.5 + 0.5 * open_unit(confidence, "confidence"))
        wide = np.exp(z * self.dispersion_se / np.where(self.at_bound, 1.0, self.dispersion))
        return np.stack([self.dispersion / wide, self.dispersion * wide], axis=1)


def fit_expected(
    data: ContactTable | PairCells,
    background: Background | None = None,
    *,
    start: ArrayLike | None = None,
) -> ExpectedFit:
    """Fit the expected counts; zeros are part of the likelihood.

    Parameters
    ----------
    data
        Contacts on pixels, or cells of pairs.
    background
        Terms of the model; intercepts, and distance and `gc` by condition when None.
    start
        Coefficients to start from.
    """
    model = Background() if background is None else background
    if isinstance(data, ContactTable):
        cells = cells_of_table(data, model)
    else:
        cells = cells_of_pairs(data, model)
    _refuse_empty(cells)
    keep = independent(cells)
    if cells.n_pairs <= keep.sum():
        raise AnalysisError(
            f"{cells.n_pairs} counts do not determine {int(keep.sum())} coefficients.",
            hint="Mask fewer bins, or leave terms out.",
        )
    first = None if start is None else np.asarray(start, dtype=np.float64)
    return _report(
        cells, keep, maximise(cells, keep, dispersion=model.known_dispersion, start=first)
    )


def zero_probability(mu: ArrayLike, dispersion: ArrayLike) -> FloatArray:
    """Probability of no contact, (1 + αμ)^(−1/α), or exp(−μ) at α = 0.

    Parameters
    ----------
    mu, dispersion
        Expected counts and α, broadcast against each other.
    """
    m, a = np.broadcast_arrays(np.asarray(mu, dtype=np.float64), dispersion)
    size = np.where(a > 0.0, a, 1.0)
    return np.asarray(np.exp(np.where(a > 0.0, -np.log1p(size * m) / size, -m)))


def upper_tail(count: ArrayLike, mu: ArrayLike, dispersion: ArrayLike) -> FloatArray:
    """Probability of at least this count.

    Parameters
    ----------
    count, mu, dispersion
        Observed and expected counts, and α, broadcast against each other.
    """
    y, m, a = np.broadcast_arrays(np.asarray(count, dtype=np.float64), mu, dispersion)
    size, at = np.where(a > 0.0, a, 1.0), np.maximum(y, 1.0)
    share = m * size / (1.0 + m * size)
    tail = np.where(a > 0.0, betainc(at, 1.0 / size, share), gammainc(at, m))
    return np.asarray(np.where(y > 0.0, tail, 1.0))


def _refuse_empty(cells: Cells) -> None:
    for s in np.flatnonzero(cells.totals.sum(axis=1) == 0.0):
        name = cells.names[s].removeprefix("intercept[").removesuffix("]")
        raise AnalysisError(
            f"sample {name} has no contact on the pixels that are used.",
            hint="Leave the sample out, or mask fewer bins.",
        )


def _report(cells: Cells, keep: BoolArray, found: Optimum) -> ExpectedFit:
    alpha = found.alpha[cells.group]
    free = max(int((cells.pairs[cells.row] > 0.0).sum()) - int(keep.sum()), 1)
    chi2 = glm.pearson_sum(cells.totals, cells.pairs, cells.row, found.mu, alpha)
    return ExpectedFit(
        names=cells.names,
        coef=found.beta,
        se=np.sqrt(np.where(keep, np.diag(found.covariance), np.nan)),
        covariance=found.covariance,
        dropped=tuple(n for n, k in zip(cells.names, keep, strict=True) if not k),
        dispersion=alpha,
        dispersion_se=found.alpha_se[cells.group],
        at_bound=alpha == 0.0,
        mu=found.mu,
        features=cells.features,
        columns=cells.columns,
        log_likelihood=found.log_likelihood,
        n_pixels=cells.n_pairs,
        n_zero=cells.n_zero,
        pearson=chi2 / free,
        rounds=found.rounds,
        converged=found.converged,
    )
