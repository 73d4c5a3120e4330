"""Designs of samples, contrasts, and what makes a comparison impossible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray
from refsolve.core.errors import AnalysisError
from refsolve.core.extras import require
from refsolve.core.result import Result

FEWEST = 2  # donors in a group
TOLERANCE = 1e-8  # of a column outside the span of others, relative to its length


@dataclass(frozen=True, slots=True, eq=False)
class Design(Result):
    """Columns that explain the samples.

    Attributes
    ----------
    matrix
        (n, p), of full column rank.
    names
        Name of every column.
    condition
        Name of the column that is tested unless another is asked for.
    paired
        Donors are blocks.
    left_out
        Columns that were offered and are not in, with the reason.
    """

    matrix: FloatArray
    names: tuple[str, ...]
    condition: str
    paired: bool = False
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def residual_df(self) -> int:
        """Samples less columns."""
        return int(self.matrix.shape[0] - self.matrix.shape[1])

    def contrast(self, what: str | ArrayLike | None = None) -> FloatArray:
        """Combination (p,) of coefficients, or several (p, q) tested together.

        Parameters
        ----------
        what
            Name of a column, "a - b", numbers, or None for the condition.
        """
        if what is None:
            what = self.condition or self.names[-1]
        if isinstance(what, str):
            return _named(what, self.names)
        return _numbers(what, self.matrix.shape[1])


def as_design(design: Design | ArrayLike, n: int) -> Design:
    """A design of n samples, whichever form it comes in.

    Parameters
    ----------
    design
        Design or matrix (n, p).
    n
        Number of samples.
    """
    if not isinstance(design, Design):
        matrix = np.ascontiguousarray(design, np.float64)
        if matrix.ndim != 2:
            raise ValueError(f"design has {matrix.ndim} dimensions; expected samples by columns")
        design = Design(matrix, tuple(f"x{k}" for k in range(matrix.shape[1])), "")
    if design.matrix.shape[0] != n:
        raise ValueError(f"design has {design.matrix.shape[0]} rows for {n} samples; align them")
    if not np.isfinite(design.matrix).all():
        raise ValueError("design holds values that are not finite; remove or impute them")
    if design.residual_df < 1:
        raise AnalysisError(
            f"{design.matrix.shape[1]} coefficients leave no residual among {n} samples.",
            hint="Add donors or leave out covariates.",
        )
    if rank(design.matrix) < design.matrix.shape[1]:
        raise AnalysisError(
            f"The columns {', '.join(design.names)} of the design depend on each other.",
            hint="Leave one of them out.",
        )
    return design


def make_design(
    samples: pd.DataFrame,
    condition: str,
    *,
    reference: Any,
    test: Any,
    covariates: Sequence[str] = (),
    optional: Sequence[str] = (),
    donor: str | None = None,
    paired: bool | None = None,
) -> Design:
    """Design of a comparison of two conditions, after checking that it can be made.

    Parameters
    ----------
    samples
        One row per sample.
    condition
        Column of the conditions.
    reference, test
        Its two values; no other may occur.
    covariates
        Columns to adjust for: numbers as they are, everything else by its levels.
    optional
        Columns to adjust for where they neither stand for the condition nor use up the samples.
    donor
        Column of the donors; each counts once per condition.
    paired
        Donors are blocks; by default they are where one of them gave samples of both conditions.

    Returns
    -------
    Intercept, covariates, and the condition as the last column.

    Raises
    ------
    AnalysisError
        Fewer than two donors in a condition, a donor in both conditions that is no block, or a
        condition that its covariates already determine.

    Examples
    --------
    >>> table = pd.DataFrame({"arm": list("aabbb"), "batch": [1, 2, 1, 2, 2]})
    >>> make_design(table, "arm", reference="a", test="b", covariates=["batch"]).names
    ('Intercept', 'batch', 'arm[b]')
    """
    tested = _indicator(samples, condition, reference, test)
    blocks = _blocks(samples, tested, condition, (reference, test), donor, paired)
    matrix, names = [np.ones(len(samples))], ["Intercept"]
    left_out: list[tuple[str, str]] = []
    wanted = [(donor, True)] if blocks and donor is not None else []
    wanted += [(name, True) for name in covariates] + [(name, False) for name in optional]
    for name, needed in wanted:
        columns = coded(samples, name, by_level=name == donor)
        new = _independent(matrix, columns)
        reason = _objection(matrix, new, tested, condition, name, needed=needed)
        if reason:
            left_out.append((name, reason))
            continue
        matrix += [column for _, column in new]
        names += [label for label, _ in new]
    last = f"{condition}[{test}]"
    return as_design(
        Design(np.column_stack([*matrix, tested]), (*names, last), last, blocks, tuple(left_out)),
        len(samples),
    )


def formula_design(formula: str, samples: pd.DataFrame) -> Design:
    """Design of a Wilkinson formula such as "~ batch + condition".

    Parameters
    ----------
    formula
        Right-hand side; the last column is tested unless another is asked for.
    samples
        One row per sample.

    Raises
    ------
    MissingDependencyError
        formulaic is not installed.
    """
    formulaic = require("formulaic", "stats")
    frame = formulaic.model_matrix(formula, samples)
    names = tuple(str(name) for name in frame.columns)
    matrix = np.ascontiguousarray(frame, np.float64)
    return as_design(Design(matrix, names, names[-1]), len(samples))


def null_basis(contrast: FloatArray) -> FloatArray:
    """Columns (p, p - q) that span the coefficients with contrast (p, q) zero.

    Parameters
    ----------
    contrast
        Of full column rank.
    """
    p = contrast.shape[0]
    touched = (contrast != 0).any(axis=1)
    if touched.sum() == contrast.shape[1]:
        return np.eye(p)[:, ~touched]
    q, _ = np.linalg.qr(contrast, mode="complete")
    return np.ascontiguousarray(q[:, contrast.shape[1] :])


def rank(x: FloatArray) -> int:
    """Rank of a matrix whose columns are brought to one length.

    Parameters
    ----------
    x
        The matrix.
    """
    length = np.linalg.norm(x, axis=0)
    return int(np.linalg.matrix_rank(x / np.where(length > 0, length, 1.0), tol=TOLERANCE))


def independent_columns(x: FloatArray) -> NDArray[np.int64]:
    """Positions of columns that are not combinations of those before them.

    Parameters
    ----------
    x
        The matrix.
    """
    kept: list[int] = []
    for k in range(x.shape[1]):
        if rank(x[:, [*kept, k]]) > len(kept):
            kept.append(k)
    return np.array(kept, np.int64)


def coded(
    samples: pd.DataFrame, name: str, *, by_level: bool = False
) -> list[tuple[str, FloatArray]]:
    """Columns of a covariate: centred numbers, or an indicator of every level but the first.

    Parameters
    ----------
    samples
        One row per sample.
    name
        The covariate.
    by_level
        Numbers are names of levels too.
    """
    if name not in samples:
        raise _no_column(samples, name)
    column = samples[name]
    if column.isna().any():
        row = int(np.flatnonzero(column.isna())[0])
        raise ValueError(f"samples[{name!r}] is missing in row {row}; leave the sample out")
    if pd.api.types.is_numeric_dtype(column) and column.dtype != np.bool_ and not by_level:
        values = column.to_numpy(np.float64)
        spread = values.std()
        return [(name, (values - values.mean()) / (spread if spread > 0 else 1.0))]
    levels = sorted(column.unique(), key=str)
    return [(f"{name}[{level}]", (column == level).to_numpy(np.float64)) for level in levels[1:]]


def _no_column(samples: pd.DataFrame, name: str) -> ValueError:
    there = ", ".join(map(str, samples.columns))
    return ValueError(f"samples have no column {name!r}; there are {there}")


def _indicator(samples: pd.DataFrame, condition: str, reference: Any, test: Any) -> FloatArray:
    if condition not in samples:
        raise _no_column(samples, condition)
    column = samples[condition]
    odd = ~column.isin([reference, test])
    if odd.any():
        value = column[odd].iloc[0]
        raise ValueError(
            f"samples[{condition!r}] holds {value!r} beside {reference!r} and {test!r}; "
            "select the samples of these two first"
        )
    return np.asarray((column == test).to_numpy(np.float64))


def _blocks(
    samples: pd.DataFrame,
    tested: FloatArray,
    condition: str,
    levels: tuple[Any, Any],
    donor: str | None,
    paired: bool | None,
) -> bool:
    if donor is None:
        if paired:
            raise ValueError("paired = True needs the column of the donors; give donor")
        return _enough(tested, np.arange(tested.size), condition, levels)
    who = samples[donor].to_numpy()
    _enough(tested, who, condition, levels)
    both = sorted(set(who[tested == 0]) & set(who[tested == 1]), key=str)
    if both and paired is False:
        raise AnalysisError(
            f"{len(both)} donors, {both[0]!r} first, gave samples of {levels[0]!r} and of "
            f"{levels[1]!r}, so that the samples are not independent.",
            hint="Use a paired design.",
        )
    if paired and not both:
        raise AnalysisError(
            f"No donor gave samples of both {levels[0]!r} and {levels[1]!r}.",
            hint="Compare them without pairs.",
        )
    return bool(both)


def _enough(tested: FloatArray, who: Any, condition: str, levels: tuple[Any, Any]) -> bool:
    for value, level in enumerate(levels):
        n = len(set(who[tested == value]))
        if n < FEWEST:
            raise AnalysisError(
                f"{condition} {level!r} has {n} donor{'s' * (n != 1)}: how donors differ cannot "
                f"be told from how the conditions differ with fewer than {FEWEST}.",
                hint="Add donors; more cells do not help.",
            )
    return False


def _independent(
    matrix: list[FloatArray], columns: list[tuple[str, FloatArray]]
) -> list[tuple[str, FloatArray]]:
    kept: list[tuple[str, FloatArray]] = []
    for label, column in columns:
        before = np.column_stack([*matrix, *(c for _, c in kept)])
        if rank(np.column_stack([before, column])) > before.shape[1]:
            kept.append((label, column))
    return kept


def _objection(
    matrix: list[FloatArray],
    new: list[tuple[str, FloatArray]],
    tested: FloatArray,
    condition: str,
    name: str,
    *,
    needed: bool,
) -> str:
    """Why a covariate stays out; AnalysisError where it is needed and stands for the condition."""
    if not new:
        return "constant" if len(matrix) == 1 else "constant or determined by other covariates"
    x = np.column_stack([*matrix, *(column for _, column in new), tested])
    if rank(x) < x.shape[1]:
        if needed:
            raise AnalysisError(
                f"{condition} is aliased with {name}: no sample tells one from the other.",
                hint=f"Without other samples the comparison cannot be adjusted for {name}.",
            )
        return f"aliased with {condition}"
    if not needed and x.shape[0] <= x.shape[1]:
        return "leaves no residual degrees of freedom"
    return ""


def _named(what: str, names: tuple[str, ...]) -> FloatArray:
    out = np.zeros(len(names))
    if what in names:
        out[names.index(what)] = 1.0
        return out
    parts = [part.strip() for part in what.split(" - ")]
    if len(parts) == 2 and all(part in names for part in parts):
        out[names.index(parts[0])], out[names.index(parts[1])] = 1.0, -1.0
        return out
    raise ValueError(
        f"contrast {what!r} names no column; choose from {', '.join(names)} or write 'a - b'"
    )


def _numbers(what: ArrayLike, p: int) -> FloatArray:
    out = np.ascontiguousarray(what, np.float64)
    if out.ndim not in (1, 2) or out.shape[0] != p:
        raise ValueError(f"contrast has the shape {out.shape}; expected {p} rows, one per column")
    if np.linalg.matrix_rank(out) < (1 if out.ndim == 1 else out.shape[1]):
        raise ValueError("contrast is zero or its columns depend on each other; remove some")
    return out
