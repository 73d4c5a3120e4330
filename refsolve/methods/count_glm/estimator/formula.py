"""Formulas over a data frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from refsolve.core.check import FloatArray
from refsolve.core.errors import AnalysisError
from refsolve.core.extras import require
from refsolve.methods.count_glm.estimator.mixed import fit_donors
from refsolve.methods.count_glm.estimator.regression import fit_counts
from refsolve.methods.count_glm.model.exposure import ambient_exposure
from refsolve.methods.count_glm.model.results import CountFit, MixedFit


def fit_formula(
    formula: str,
    data: pd.DataFrame,
    *,
    exposure: str,
    rho: str | float = 0.0,
    share: str | float = 0.0,
    rho_se: str | float = 0.0,
    cluster: str | None = None,
    donor: str | None = None,
    **options: Any,
) -> CountFit | MixedFit:
    """Regression of counts by a formula such as "CXCL10 ~ g + sex".

    Parameters
    ----------
    formula
        Counts, and what explains them.
    data
        One row per cell or donor.
    exposure
        Column of all counts of a row.
    rho, share, rho_se
        Column or number: contamination, the gene's share of the ambient RNA, and the error of the
        contamination.
    cluster
        Column of labels for robust errors.
    donor
        Column of donors that have an intercept of their own; calls `fit_donors`.
    **options
        Further arguments of `fit_counts` or `fit_donors`.

    Raises
    ------
    MissingDependencyError
        formulaic is not installed.

    Examples
    --------
    >>> table = pd.DataFrame({"y": [8, 11, 9, 21, 24, 19], "g": [0, 0, 0, 1, 1, 1], "n": 1000.0})
    >>> fit_formula("y ~ g", table, exposure="n").names
    ('Intercept', 'g')
    """
    formulaic = require("formulaic", "stats")
    _complete(formulaic.Formula(formula), data)
    matrices = formulaic.model_matrix(formula, data, na_action="ignore")
    if not hasattr(matrices, "lhs") or matrices.lhs.shape[1] != 1:
        raise ValueError(
            f"formula {formula!r} names no column of counts; write 'counts ~ ...', the counts as "
            "numbers"
        )
    if not isinstance(matrices.rhs, pd.DataFrame):
        raise ValueError(f"formula {formula!r} has several parts; write one, without '|'")
    x = pd.DataFrame(matrices.rhs)
    numbers = {
        name: _values(value, data)
        for name, value in (("rho", rho), ("share", share), ("rho_se", rho_se))
    }
    rows = ambient_exposure(_values(exposure, data), **numbers)
    y = np.asarray(matrices.lhs, np.float64)[:, 0]
    if donor is None:
        labels = None if cluster is None else _column(cluster, data)
        return fit_counts(y, x, rows, cluster=labels, **options)
    if cluster is not None:
        raise ValueError("cluster and donor exclude each other; an intercept stands for the donor")
    return fit_donors(y, x, rows, _column(donor, data), **options)


def _complete(formula: Any, data: pd.DataFrame) -> None:
    for name in sorted(str(v) for v in formula.required_variables):
        column = _column(name, data)
        if pd.isna(column).any():
            row = int(np.argmax(pd.isna(column)))
            raise ValueError(f"data[{name!r}] is missing in row {row}; leave the row out")
        if column.dtype.kind not in "biufc" and pd.unique(column).size < 2:
            raise AnalysisError(
                f"data[{name!r}] is {column[0]!r} in every row and explains nothing.",
                hint="Leave it out of the formula.",
            )


def _column(name: str, data: pd.DataFrame) -> Any:
    if name not in data:
        raise ValueError(
            f"data have no column {name!r}; there are {', '.join(map(str, data.columns))}"
        )
    return data[name].to_numpy()


def _values(value: str | float, data: pd.DataFrame) -> FloatArray:
    found = _column(value, data) if isinstance(value, str) else np.full(len(data), float(value))
    return np.asarray(found, np.float64)
