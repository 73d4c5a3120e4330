"""The mixed model without founder effects: rotation by the kinship, variance share, whitening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray, one_of
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.lmm_scan.kernels.variance import best_share, log_likelihood
from refsolve.methods.lmm_scan.model.design import Design, independent, no_covariates
from refsolve.methods.lmm_scan.model.genome import Probabilities
from refsolve.methods.lmm_scan.model.kinship import checked_kinship

Criterion = Literal["reml", "ml"]
COARSE = 12  # intervals of the variance share that are searched first
EXPLAINED = 1e-20  # share of a phenotype's squares below which nothing is left
NEGATIVE = 1e-6  # eigenvalue, relative to the largest, that rounding may leave below zero
ROUNDING = 1e-13  # eigenvalue, relative to the largest, that is none
UNMOVED = 1e-9  # log-likelihood that rounding may gain
FLAT = 1e-10  # largest entry of a kinship that is none


@dataclass(frozen=True, slots=True)
class Rotation:
    """Coordinates in which lines are independent; shared by all traits of the same lines.

    Attributes
    ----------
    rows
        Lines (n,) among all.
    vectors, values
        Eigenvectors (n, n) and eigenvalues (n,) of the doubled kinship; no vectors: no kinship.
    fixed
        Intercept and covariates, rotated (n, c).
    names
        Of these columns.
    basis
        Orthonormal columns (n, c) of the same span.
    """

    rows: IntArray
    vectors: FloatArray | None
    values: FloatArray
    fixed: FloatArray
    names: tuple[str, ...]
    basis: FloatArray

    def turned(self, columns: FloatArray) -> FloatArray:
        """Columns (n, ...) of the kept lines in the new coordinates.

        Parameters
        ----------
        columns
            In the order of `rows`.
        """
        if self.vectors is None:
            return columns
        flat = columns.reshape(columns.shape[0], -1)
        return np.asarray(self.vectors.T @ flat).reshape(columns.shape)

    def founder_columns(self, block: Probabilities) -> FloatArray:
        """Rotated probabilities (n, K − 1, M) of all founders except the first.

        Parameters
        ----------
        block
            Probabilities (all lines, M, K).
        """
        lines = block if self.rows.size == block.shape[0] else block[self.rows]
        columns = np.ascontiguousarray(lines[:, :, 1:].transpose(0, 2, 1), dtype=np.float64)
        return self.turned(columns)


@dataclass(frozen=True, slots=True)
class NullModel(Result):
    """One trait without founder effects: y ~ N(Xβ, σ²[h² 2K + (1 − h²) I]).

    Attributes
    ----------
    trait
        Its name.
    heritability
        Variance share h² of the kinship; NaN without kinship.
    variance
        σ², unbiased for the fixed covariates.
    log_likelihood
        At the maximum; restricted when `criterion` is "reml".
    criterion
        What was maximised.
    n_lines, missing
        Lines with a phenotype, and lines set aside because they have none.
    fixed
        Intercept and covariates that count.
    rotation
        The coordinates.
    plain
        What the fixed covariates leave of the phenotype, rotated, not weighted (n,).
    weight
        Square roots of the weights (n,).
    basis
        Orthonormal columns (n, c) of the weighted covariates.
    error
        Weighted phenotype less the weighted covariates (n,).
    level
        Coefficients (c,) of the fixed covariates that were taken out of `plain`.
    rss
        Sum of squares of `error`.
    """

    trait: str
    heritability: float
    variance: float
    log_likelihood: float
    criterion: Criterion
    n_lines: int
    missing: int
    fixed: tuple[str, ...]
    rotation: Rotation
    plain: FloatArray
    weight: FloatArray
    basis: FloatArray
    error: FloatArray
    level: FloatArray
    rss: float

    @property
    def spare(self) -> int:
        """Lines less fixed covariates."""
        return self.n_lines - len(self.fixed)


def fit_null(
    phenotype: ArrayLike,
    design: Design | None = None,
    kinship: ArrayLike | None = None,
    *,
    criterion: Criterion = "reml",
    trait: str = "phenotype",
) -> NullModel:
    """Fit one trait without founder effects.

    Parameters
    ----------
    phenotype
        Values (n,); NaN is set aside and counted.
    design
        Covariates of all lines.
    kinship
        (n, n) of all lines, not doubled; None or zero: ordinary regression.
    criterion
        Restricted or full likelihood.
    trait
        Name for messages.
    """
    y = phenotype_matrix(phenotype)
    if y.shape[1] != 1:
        raise ValueError(f"phenotype has {y.shape[1]} columns; expected one trait")
    covariates = no_covariates(y.shape[0]) if design is None else design
    rows = np.flatnonzero(~np.isnan(y[:, 0]))
    return fit_trait(y[:, 0], rotation(rows, covariates, kinship), criterion, trait)


def phenotype_matrix(values: ArrayLike) -> FloatArray:
    """Phenotypes (n, T), NaN where missing.

    Parameters
    ----------
    values
        (n,) or (n, T).
    """
    try:
        y = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as broken:
        raise ValueError(f"phenotype must hold numbers; {broken}; convert it first") from broken
    if y.ndim not in (1, 2) or y.size == 0:
        raise ValueError(f"phenotype has the shape {y.shape}; expected (lines,) or (lines, traits)")
    if np.isinf(y).any():
        raise ValueError("phenotype holds an infinite value; correct it or set it to NaN")
    return y[:, None] if y.ndim == 1 else y


def rotation(rows: IntArray, design: Design, kinship: ArrayLike | None) -> Rotation:
    """Rotate the covariates of some lines; columns that others explain are passed over.

    Parameters
    ----------
    rows
        Lines with a phenotype.
    design
        Covariates of all lines.
    kinship
        (n, n) of all lines, not doubled, or None.
    """
    n = design.matrix.shape[0]
    fixed = np.column_stack([np.ones(rows.size), design.matrix[rows]])
    kept = independent(fixed)
    names = tuple(("intercept", *design.names)[j] for j in kept)
    vectors, values = _eigen(kinship, n, rows)
    columns = fixed[:, kept] if vectors is None else vectors.T @ fixed[:, kept]
    return Rotation(rows, vectors, values, columns, names, np.linalg.qr(columns)[0])


def fit_trait(y: FloatArray, rotated: Rotation, criterion: Criterion, trait: str) -> NullModel:
    """Variance share and whitening of one trait.

    Parameters
    ----------
    y
        Values of all lines (n,).
    rotated
        Of the lines that have a value.
    criterion
        Restricted or full likelihood.
    trait
        Name for messages.
    """
    one_of(criterion, "criterion", get_args(Criterion))
    plain, level = _plain(y, rotated, trait)
    restricted = criterion == "reml"
    if rotated.vectors is None:
        share, h2 = 0.0, np.nan
        value = log_likelihood(0.0, rotated.values, rotated.basis, plain, restricted)
    else:
        share, value = _share(rotated, plain, restricted)
        h2 = share
    weight = 1.0 / np.sqrt(share * rotated.values + 1.0 - share)
    basis = np.linalg.qr(weight[:, None] * rotated.basis)[0]
    error = weight * plain
    error = error - basis @ (basis.T @ error)
    rss, n, c = float(error @ error), rotated.rows.size, len(rotated.names)
    return NullModel(
        trait=trait,
        heritability=float(h2),
        variance=rss / (n - c),
        log_likelihood=float(value),
        criterion=criterion,
        n_lines=n,
        missing=y.size - n,
        fixed=rotated.names,
        rotation=rotated,
        plain=plain,
        weight=weight,
        basis=basis,
        error=error,
        level=level,
        rss=rss,
    )


def _share(rotated: Rotation, plain: FloatArray, restricted: bool) -> tuple[float, float]:
    """Likeliest share and its log-likelihood; none where a share makes no difference."""
    given = (rotated.values, rotated.basis, plain, restricted)
    share, value = best_share(*given, COARSE)
    without = log_likelihood(0.0, *given)
    return (share, value) if value > without + UNMOVED else (0.0, without)


def group_by_lines(phenotypes: FloatArray) -> list[tuple[IntArray, IntArray]]:
    """Traits (indices) that have values in the same lines, and these lines.

    Parameters
    ----------
    phenotypes
        (n, T), NaN where missing.
    """
    known = ~np.isnan(phenotypes)
    groups: dict[bytes, list[int]] = {}
    for t in range(phenotypes.shape[1]):
        groups.setdefault(known[:, t].tobytes(), []).append(t)
    return [
        (np.asarray(traits, dtype=np.int64), np.flatnonzero(known[:, traits[0]]))
        for traits in groups.values()
    ]


def trait_names(names: Sequence[str] | None, n: int) -> tuple[str, ...]:
    """Names of the traits.

    Parameters
    ----------
    names
        Given names, or None.
    n
        How many.
    """
    if names is None:
        return ("phenotype",) if n == 1 else tuple(f"phenotype {t + 1}" for t in range(n))
    if len(names) != n:
        raise ValueError(f"traits has {len(names)} names; expected {n}, one per phenotype")
    return tuple(str(name) for name in names)


def _eigen(
    kinship: ArrayLike | None, n: int, rows: IntArray
) -> tuple[FloatArray | None, FloatArray]:
    if kinship is None:
        return None, np.ones(rows.size)
    matrix = checked_kinship(kinship, n)
    doubled = 2.0 * matrix[np.ix_(rows, rows)]
    if float(np.abs(doubled).max(initial=0.0)) < FLAT:
        return None, np.ones(rows.size)
    values, vectors = np.linalg.eigh(doubled)
    if float(values[0]) < -NEGATIVE * float(values[-1]):
        raise ValueError(
            f"kinship has the eigenvalue {values[0] / 2.0:.3g}; expected none below zero; compute"
            " it from probabilities"
        )
    # Rounding leaves eigenvalues of zero beside it, where a share near one has weights that differ.
    return np.asarray(vectors), np.where(values > ROUNDING * values[-1], values, 0.0)


def _plain(y: FloatArray, rotated: Rotation, trait: str) -> tuple[FloatArray, FloatArray]:
    known = y[rotated.rows]
    n, c = known.size, len(rotated.names)
    if n <= c:
        raise AnalysisError(
            f"trait {trait!r} has {n} lines with a value for {c} fixed columns.",
            hint="Measure more lines or leave covariates out.",
        )
    spread = known - known.mean()
    total = float(spread @ spread)
    if known.min() == known.max():
        raise AnalysisError(
            f"trait {trait!r} is constant: {known[0]:g} in all {n} lines.",
            hint="A constant trait has no QTL; leave it out.",
        )
    turned = rotated.turned(spread)
    level, *_ = np.linalg.lstsq(rotated.fixed, turned, rcond=None)
    plain = turned - rotated.basis @ (rotated.basis.T @ turned)
    if float(plain @ plain) <= EXPLAINED * total:
        columns = ", ".join(rotated.names[1:])
        raise AnalysisError(
            f"trait {trait!r} is explained without error by its covariates ({columns}).",
            hint="Leave out a covariate that was computed from the trait.",
        )
    level[0] += known.mean()
    return np.asarray(plain), np.asarray(level)
