"""Covariates: categories as dummy columns, numbers as they are, none of them aliased."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray, real_vector, refuse

DEPENDENT = 1e-18  # squared length, of its own, that is left of a column explained by others
SHARE = 1e-6  # coefficient, of scaled columns, below which a column has no part in an alias


@dataclass(frozen=True, slots=True)
class Design:
    """Fixed covariates of all lines; the intercept is added by the model.

    Attributes
    ----------
    matrix
        (n, c) without the intercept.
    names
        Of the columns (c,).
    dropped
        Columns that others explain, left out.
    """

    matrix: FloatArray
    names: tuple[str, ...]
    dropped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, dtype=np.float64)
        names = tuple(str(name) for name in self.names)
        if matrix.ndim != 2 or matrix.shape[1] != len(names):
            raise ValueError(
                f"matrix has the shape {matrix.shape}; expected (lines, {len(names)}), one column"
                " per name"
            )
        refuse(~np.isfinite(matrix), "matrix", matrix, "must be finite", "impute or remove it")
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "names", names)

    def beside(self, columns: FloatArray, names: Sequence[str]) -> Design:
        """The same with further columns.

        Parameters
        ----------
        columns, names
            (n, c) and their names.
        """
        return Design(np.hstack([self.matrix, columns]), (*self.names, *names), self.dropped)


def design(
    n_lines: int,
    *,
    categorical: Mapping[str, Sequence[object]] | None = None,
    numeric: Mapping[str, ArrayLike] | None = None,
    aliased: Literal["error", "drop"] = "error",
) -> Design:
    """Columns of covariates; the first level of a category is the reference.

    Parameters
    ----------
    n_lines
        Number of lines.
    categorical
        Labels of every line by name of the covariate.
    numeric
        Values of every line by name.
    aliased
        What becomes of a column that is constant or explained by earlier ones.
    """
    columns: list[tuple[str, FloatArray]] = []
    for name, labels in (categorical or {}).items():
        columns += _dummies(name, labels, n_lines)
    for name, values in (numeric or {}).items():
        vector = real_vector(values, name)
        columns.append((name, _sized(vector, name, n_lines)))
    matrix = np.column_stack([np.ones(n_lines), *(values for _, values in columns)])
    names = ("intercept", *(name for name, _ in columns))
    kept = independent(matrix)
    lost = [j for j in range(len(names)) if j not in set(kept.tolist())]
    if lost and aliased == "error":
        raise ValueError(_alias(matrix, names, lost[0]))
    chosen = kept[kept > 0]
    return Design(matrix[:, chosen], tuple(names[j] for j in chosen), tuple(names[j] for j in lost))


def no_covariates(n_lines: int) -> Design:
    """A design without columns.

    Parameters
    ----------
    n_lines
        Number of lines.
    """
    return Design(np.empty((n_lines, 0)), ())


def independent(matrix: FloatArray) -> IntArray:
    """Columns that earlier ones do not explain, in their order.

    Parameters
    ----------
    matrix
        (n, c).
    """
    basis: list[FloatArray] = []
    kept = []
    for j in range(matrix.shape[1]):
        left = matrix[:, j].copy()
        before = float(left @ left)
        for _ in range(2):
            for one in basis:
                left -= (one @ left) * one
        after = float(left @ left)
        if after > DEPENDENT * before:
            basis.append(left / np.sqrt(after))
            kept.append(j)
    return np.asarray(kept, dtype=np.int64)


def _dummies(name: str, labels: Sequence[object], n_lines: int) -> list[tuple[str, FloatArray]]:
    column = np.asarray([str(label) for label in labels])
    _sized(column, name, n_lines)
    levels = np.unique(column)
    if levels.size == 1:
        return [(name, np.ones(n_lines))]
    return [(f"{name}={level}", (column == level).astype(np.float64)) for level in levels[1:]]


def _sized(values: FloatArray, name: str, n_lines: int) -> FloatArray:
    if values.size != n_lines:
        raise ValueError(f"covariate {name!r} has {values.size} values; expected {n_lines} lines")
    return values


def _alias(matrix: FloatArray, names: Sequence[str], j: int) -> str:
    scale = np.sqrt((matrix[:, :j] ** 2).sum(axis=0))
    scale[scale == 0.0] = 1.0
    target = matrix[:, j]
    part = np.linalg.lstsq(matrix[:, :j] / scale, target, rcond=None)[0]
    length = float(np.sqrt(target @ target))
    with_ = [names[i] for i in range(j) if abs(part[i]) > SHARE * max(length, 1e-300)]
    if with_ == ["intercept"] or length == 0.0:
        return f"covariate {names[j]!r} is constant; leave it out or pass aliased='drop'"
    others = ", ".join(repr(one) for one in with_)
    return f"covariate {names[j]!r} is explained by {others}; leave it out or pass aliased='drop'"
