"""Models of genes without a variant, as each variant of a gene will need them, eq. (10)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from refsolve.core.check import FloatArray, IntArray
from refsolve.methods.count_glm.kernels.many import (
    ADJUSTED,
    NATIVE,
    POISSON,
    PROFILE,
    fit_genes,
    refit_gene,
)
from refsolve.methods.count_glm.kernels.regression import CONVERGED, SEPARATED, UNFINISHED
from refsolve.methods.count_glm.model.design import CountData, aliased
from refsolve.methods.count_glm.model.donors import DonorRows
from refsolve.methods.count_glm.model.exposure import Exposure
from refsolve.methods.count_glm.model.fitting import UNBOUNDED
from refsolve.methods.count_glm.model.marginal import best_of_both
from refsolve.methods.count_glm.model.metric import (
    Metric,
    metric_of_cells,
    metric_of_donors,
    with_weight,
)

Family = Literal["negative_binomial", "quasi_native", "quasi_poisson", "poisson", "mixed"]
FAMILIES = ("negative_binomial", "quasi_native", "quasi_poisson", "poisson", "mixed")
HOW = {"adjusted": ADJUSTED, "profile": PROFILE}
NODES = 7  # of the quadrature over donors
FITTED, APART, UNFIT, NO_COUNTS, NO_VARIANTS = (
    "fitted", "separated", "not converged", "no counts", "no variants",
)  # fmt: skip
Refit = tuple[float, float, float]
BoolArray = NDArray[np.bool_]
NO_REFIT = (np.nan, np.nan, np.nan)


@dataclass(frozen=True, slots=True)
class Nulls:
    """Null fits of genes.

    Attributes
    ----------
    metrics
        Working metric of every gene, None where there is no fit (G,).
    spread
        Dispersion, or the donors' standard deviation (G,).
    status
        How each ended (G,).
    """

    metrics: tuple[Metric | None, ...]
    spread: FloatArray
    status: tuple[str, ...]


class Work(Protocol):
    """A model of the counts, and what is the same for all genes."""

    @property
    def family(self) -> str:
        """Name of the model."""
        ...

    @property
    def spare(self) -> int:
        """Donors less coefficients."""
        ...

    def fit(self, y: FloatArray, native: FloatArray, ambient: FloatArray) -> Nulls:
        """Null fits of genes with counts (G, n), exposure and ambient part (G or 1, n)."""
        ...

    def refit(
        self,
        y: FloatArray,
        native: FloatArray,
        ambient: FloatArray,
        dosage: FloatArray,
        used: BoolArray,
    ) -> Refit:
        """Effect, standard error and spread of one gene beside a variant (D,)."""
        ...


@dataclass(frozen=True, slots=True)
class DonorWork:
    """Counts of donors.

    Attributes
    ----------
    x
        Covariates of the donors (D, p).
    family, dispersion
        The model, and how its dispersion is estimated.
    ones
        Coefficients (p,) nearest to a constant.
    """

    x: FloatArray
    family: str
    dispersion: str
    ones: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        ones = np.linalg.lstsq(self.x, np.ones(self.x.shape[0]), rcond=None)[0]
        object.__setattr__(self, "ones", np.ascontiguousarray(ones))

    @property
    def how(self) -> int:
        """Code of what is done about the dispersion."""
        if self.family == "negative_binomial":
            return HOW[self.dispersion]
        return NATIVE if self.family == "quasi_native" else POISSON

    @property
    def spare(self) -> int:
        """Donors less coefficients."""
        return int(self.x.shape[0] - self.x.shape[1])

    def fit(self, y: FloatArray, native: FloatArray, ambient: FloatArray) -> Nulls:
        """Null fits of genes.

        Parameters
        ----------
        y
            Counts (G, D).
        native, ambient
            Exposure and ambient part (G or 1, D).
        """
        if self.family == "mixed":
            start = np.arange(y.shape[1] + 1, dtype=np.int64)
            return CellWork(self.x, start).fit(y, native, ambient)
        (g, d), p = y.shape, self.x.shape[1]
        score, weight = np.empty((g, d)), np.empty((g, d))
        beta, alpha, code = np.empty((g, p)), np.empty(g), np.empty(g, np.int64)
        fit_genes(y, self.x, native, ambient, self.how, self.ones, beta, alpha, score, weight, code)
        status = _status(y, code)
        alpha[~y.any(axis=1)] = np.nan
        for k in np.flatnonzero((code == SEPARATED) & y.any(axis=1)):
            own = native[k % len(native)], ambient[k % len(ambient)]
            alpha[k] = self._apart(y[k], *own, score[k], weight[k])
        fits = zip(score, weight, status, strict=True)
        return Nulls(
            tuple(metric_of_donors(s, w, self.x) if usable(e) else None for s, w, e in fits),
            alpha,
            status,
        )

    def _apart(
        self,
        y: FloatArray,
        native: FloatArray,
        ambient: FloatArray,
        score: FloatArray,
        weight: FloatArray,
    ) -> float:
        """Dispersion of the donors that are not separated; scores and weights (D,) are filled."""
        used = with_weight(weight)
        x, ones = independent(self.x[used])
        part, beta = np.empty((4, 1, int(used.sum()))), np.empty((1, x.shape[1]))
        part[0, 0], part[1, 0] = y[used], native[used]
        alpha, code = np.empty(1), np.empty(1, np.int64)
        fit_genes(
            part[0], x, part[1], ambient[np.newaxis, used], self.how, ones, beta, alpha, part[2],
            part[3], code,
        )  # fmt: skip
        score[:], weight[:] = 0.0, 0.0
        score[used], weight[used] = part[2, 0], part[3, 0]
        return float(alpha[0])

    def refit(
        self,
        y: FloatArray,
        native: FloatArray,
        ambient: FloatArray,
        dosage: FloatArray,
        used: BoolArray,
    ) -> Refit:
        """Effect, standard error and spread with a variant among the covariates.

        Parameters
        ----------
        y, native, ambient
            Of one gene (D,).
        dosage
            Copies (D,).
        used
            Donors that are not separated (D,).
        """
        if self.family == "mixed":
            start = np.arange(y.size + 1, dtype=np.int64)
            return CellWork(self.x, start).refit(y, native, ambient, dosage, used)
        x, ones = (self.x, self.ones) if used.all() else independent(self.x[used])
        x, ones = np.column_stack([x, dosage[used]]), np.append(ones, 0.0)
        y, native, ambient = y[used], native[used], ambient[used]
        effect, se, alpha, pearson, code = refit_gene(y, x, native, ambient, self.how, ones)
        if self.family == "quasi_poisson":
            se *= np.sqrt(pearson / (x.shape[0] - x.shape[1]))
        good = code == CONVERGED and se * float(dosage.std()) < UNBOUNDED
        return (effect, se, alpha) if good else NO_REFIT


def independent(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Columns that are no combination of columns before them, and coefficients nearest to one.

    Parameters
    ----------
    x
        Columns (n, p).
    """
    names = [str(k) for k in range(x.shape[1])]
    lost = {int(name) for name, _ in aliased(x, names)}
    kept = np.ascontiguousarray(x[:, [k for k in range(x.shape[1]) if k not in lost]])
    return kept, np.ascontiguousarray(np.linalg.lstsq(kept, np.ones(len(x)), rcond=None)[0])


def usable(status: str) -> bool:
    """Variants can be tested beside a fit that ended like this.

    Parameters
    ----------
    status
        Of the null fit.
    """
    return status in (FITTED, APART)


def _status(y: FloatArray, code: IntArray) -> tuple[str, ...]:
    word = {SEPARATED: APART, UNFINISHED: UNFIT}
    return tuple(
        word.get(int(c), FITTED) if s.any() else NO_COUNTS for c, s in zip(code, y, strict=True)
    )


@dataclass(frozen=True, slots=True)
class CellWork:
    """Poisson counts of cells, or totals of donors, with a normal intercept of every donor.

    Attributes
    ----------
    x
        Covariates of the rows (n, p).
    start
        First row of every donor, and the number of rows (D + 1,).
    """

    x: FloatArray
    start: IntArray

    @property
    def family(self) -> str:
        """Name of the model."""
        return "mixed"

    @property
    def spare(self) -> int:
        """Donors less coefficients."""
        return int(self.start.size - 1 - self.x.shape[1])

    def fit(self, y: FloatArray, native: FloatArray, ambient: FloatArray) -> Nulls:
        """Null fits of genes.

        Parameters
        ----------
        y
            Counts (G, n).
        native, ambient
            Exposure and ambient part (G or 1, n).
        """
        found = [
            self._one(counts, native[g % len(native)], ambient[g % len(ambient)])
            for g, counts in enumerate(y)
        ]
        metrics, spread, status = zip(*found, strict=True)
        return Nulls(metrics, np.array(spread), status)

    def _one(
        self, y: FloatArray, native: FloatArray, ambient: FloatArray
    ) -> tuple[Metric | None, float, str]:
        if not y.any():
            return None, np.nan, NO_COUNTS
        rows = self._rows(y, native, ambient, self.x)
        best = best_of_both(rows, NODES, 0.0)[0]
        if not best.converged:
            return None, best.sd, UNFIT
        return at_modes(rows, best.beta, best.modes, best.sd), best.sd, FITTED

    def refit(
        self,
        y: FloatArray,
        native: FloatArray,
        ambient: FloatArray,
        dosage: FloatArray,
        used: BoolArray,
    ) -> Refit:
        """Effect, standard error and spread with a variant among the covariates.

        Parameters
        ----------
        y, native, ambient
            Of one gene (n,).
        dosage
            Copies (D,).
        used
            Donors with a weight (D,); all take part.
        """
        x = np.column_stack([self.x, np.repeat(dosage, np.diff(self.start))])
        best = best_of_both(self._rows(y, native, ambient, x), NODES, 0.0)[0]
        k = self.x.shape[1]
        se = float(np.sqrt(max(float(best.covariance[k, k]), 0.0)))
        if not best.converged or se * float(dosage.std()) > UNBOUNDED:
            return NO_REFIT
        return float(best.beta[k]), se, best.sd

    def _rows(
        self, y: FloatArray, native: FloatArray, ambient: FloatArray, x: FloatArray
    ) -> DonorRows:
        none = np.zeros(y.size)
        names = tuple(str(k) for k in range(x.shape[1]))
        data = CountData(y, x, Exposure(native, ambient, native, none, none), names)
        return DonorRows(data, self.start, 0.0, collapsed=False)


def at_modes(rows: DonorRows, beta: FloatArray, modes: FloatArray, sd: float) -> Metric:
    """Working metric at the modes of the donors' intercepts, these taken into account.

    The information of the rows of a donor is shared with its intercept: w / (1 + sd^2 w) is left.

    Parameters
    ----------
    rows
        Of the donors.
    beta, modes, sd
        Coefficients, intercepts, and the spread of these.
    """
    data, donor, n = rows.data, rows.donor, rows.n_donors
    m = data.exposure.native * np.exp(data.x @ beta + modes[donor])
    mu = data.exposure.ambient + m
    score, weight = m * (data.y - mu) / mu, m**2 / mu
    own = np.bincount(donor, weight, n)
    share = 1.0 / (1.0 + sd**2 * own)
    sums = np.add.reduceat(weight[:, np.newaxis] * data.x, rows.start[:-1], axis=0)
    whole = (data.x.T * weight) @ data.x
    square = whole - (sums.T * (sd**2 * share)) @ sums
    total = np.asarray(np.bincount(donor, score, n), np.float64)
    if rows.donor.size == n:
        return metric_of_donors(total, own * share, data.x)
    left = data.x.T @ score
    return metric_of_cells(total, own * share, sums * share[:, np.newaxis], square, left)
