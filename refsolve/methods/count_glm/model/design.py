"""Counts and covariates, checked once: finite, of full rank, with rows to spare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray, refuse
from refsolve.core.errors import AnalysisError
from refsolve.methods.count_glm.kernels.linear import weighted_square
from refsolve.methods.count_glm.model.exposure import Exposure, as_exposure

TOLERANCE = 1e-8  # of a column outside the span of others, relative to its length
CLEAR = 1e-6  # eigenvalue of the correlations from which nothing is aliased


@dataclass(frozen=True, slots=True)
class CountData:
    """Counts of one gene and what explains them.

    Attributes
    ----------
    y
        Counts (n,).
    x
        Covariates (n, p), the intercept among them.
    exposure
        Of every row.
    names
        Of the columns.
    """

    y: FloatArray
    x: FloatArray
    exposure: Exposure
    names: tuple[str, ...]

    @property
    def residual_df(self) -> int:
        """Rows less columns."""
        return int(self.x.shape[0] - self.x.shape[1])

    def position(self, coefficient: str | int) -> int:
        """Column of a coefficient.

        Parameters
        ----------
        coefficient
            Name or position.
        """
        if isinstance(coefficient, str) and coefficient not in self.names:
            raise ValueError(
                f"coefficient {coefficient!r} is not known; choose from {', '.join(self.names)}"
            )
        found = self.names.index(coefficient) if isinstance(coefficient, str) else coefficient
        return range(len(self.names))[found]


def count_data(
    y: ArrayLike,
    x: ArrayLike,
    exposure: Exposure | ArrayLike,
    names: Sequence[str] | None = None,
) -> CountData:
    """Checked counts, covariates and exposure.

    Parameters
    ----------
    y
        Counts (n,), whole or not, none below zero.
    x
        Covariates (n, p) with the intercept, or a data frame with named columns.
    exposure
        Exposure, or native counts (n,).
    names
        Of the columns.

    Raises
    ------
    AnalysisError
        A column is a combination of others, or no row is left over for the dispersion.
    """
    counts = np.array(y, np.float64, order="C")  # kernels know writable arrays only
    if counts.ndim != 1:
        raise ValueError(f"y has {counts.ndim} dimensions; expected the counts of one gene")
    bad = ~(np.isfinite(counts) & (counts >= 0))
    refuse(bad, "y", counts, "must be a finite count", "counts are not logarithms")
    if names is None and isinstance(x, pd.DataFrame):
        names = [str(c) for c in x.columns]
    matrix = np.array(x, np.float64, order="C")
    if matrix.ndim != 2 or matrix.shape[0] != counts.size:
        raise ValueError(f"x has the shape {matrix.shape}; expected {counts.size} rows by columns")
    refuse(~np.isfinite(matrix), "x", matrix, "must be finite", "remove or impute the row")
    called = tuple(names) if names is not None else tuple(f"x{k}" for k in range(matrix.shape[1]))
    if len(called) != matrix.shape[1]:
        raise ValueError(f"names has {len(called)} entries for {matrix.shape[1]} columns of x")
    twice = [name for name in called if called.count(name) > 1]
    if twice:
        raise ValueError(f"names holds {twice[0]!r} more than once; rename one of the columns")
    data = CountData(counts, matrix, as_exposure(exposure, counts.size), called)
    _identified(data)
    return data


def aliased(x: FloatArray, names: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Columns that are combinations of columns before them, with the ones they combine.

    Parameters
    ----------
    x
        Columns (n, p).
    names
        Of the columns.
    """
    kept: list[int] = []
    found = []
    for k in range(x.shape[1]):
        length = float(np.linalg.norm(x[:, k]))
        unit = x[:, kept] / np.maximum(np.linalg.norm(x[:, kept], axis=0), 1e-300)
        weights = np.linalg.lstsq(unit, x[:, k], rcond=None)[0] if kept else np.empty(0)
        left = x[:, k] - unit @ weights
        if float(np.linalg.norm(left)) > TOLERANCE * length:
            kept.append(k)
        else:
            parts = [names[j] for j, w in zip(kept, weights, strict=True) if abs(w) > 1e-6 * length]
            found.append((names[k], tuple(parts)))
    return found


def codes_of(donor: ArrayLike, n: int, name: str = "donor") -> tuple[IntArray, int]:
    """Donors (n,) as numbers from zero in order of first appearance, and how many there are.

    Parameters
    ----------
    donor
        Any labels.
    n
        Number of rows.
    name
        For the message.
    """
    labels = np.asarray(donor)
    if labels.shape != (n,):
        raise ValueError(f"{name} has the shape {labels.shape}; expected {n} labels")
    if pd.isna(labels).any():
        raise ValueError(f"{name}[{int(np.argmax(pd.isna(labels)))}] is missing; leave the row out")
    codes, levels = pd.factorize(labels)
    return codes.astype(np.int64), len(levels)


def _identified(data: CountData) -> None:
    n, p = data.x.shape
    if p == 0 or n <= p:
        raise AnalysisError(
            f"{p} coefficients cannot be estimated with their errors from {n} rows.",
            hint="Add donors or leave out covariates.",
        )
    length = np.sqrt(np.einsum("ij,ij->j", data.x, data.x))
    square = np.empty((p, p))
    weighted_square(data.x, np.ones(n), square)
    unit = square / np.maximum(np.outer(length, length), 1e-300)
    if np.linalg.eigvalsh(unit)[0] > CLEAR:
        return
    wrong = aliased(data.x, data.names)
    if not wrong:
        return
    said = "; ".join(
        f"{name} is " + (f"a combination of {', '.join(parts)}" if parts else "zero everywhere")
        for name, parts in wrong
    )
    raise AnalysisError(
        f"The design is singular: {said}.",
        hint=f"Leave out {', '.join(name for name, _ in wrong)}.",
    )
