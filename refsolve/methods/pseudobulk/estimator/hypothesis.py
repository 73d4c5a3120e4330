"""A test from an estimate with its standard error, or of several estimates at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc, stdtr, stdtrit

from refsolve.core.check import FloatArray
from refsolve.methods.pseudobulk.model.design import Design
from refsolve.methods.pseudobulk.model.expression import ExpressionTest, adjust_fdr


def contrast_matrix(design: Design, contrast: Any) -> tuple[FloatArray, str]:
    """Contrast as a matrix (p, q), and its name.

    Parameters
    ----------
    design
        The design.
    contrast
        Name, vector, matrix, or None for the condition.
    """
    matrix = design.contrast(contrast)
    if contrast is None:
        contrast = design.condition or design.names[-1]
    name = contrast if isinstance(contrast, str) else "contrast"
    return np.ascontiguousarray(matrix.reshape(matrix.shape[0], -1)), name


def t_test(
    estimate: FloatArray,
    se: FloatArray,
    df: FloatArray,
    *,
    name: str,
    method: str,
    abundance: FloatArray,
    level: float,
    shrunken: FloatArray | None = None,
) -> ExpressionTest:
    """Test of one contrast; normal where df is infinite.

    Parameters
    ----------
    estimate, se, df
        (g,) each.
    name, method, abundance, level, shrunken
        What the result says.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(estimate == 0.0, 0.0, estimate / se)
    p = np.minimum(2.0 * stdtr(df, -np.abs(t)), 1.0)
    half = stdtrit(df, 0.5 + level / 2.0) * se
    return ExpressionTest(
        name=name,
        method=method,
        log2_fold_change=estimate if shrunken is None else shrunken,
        log2_estimate=estimate,
        se=se,
        interval=np.column_stack([estimate - half, estimate + half]),
        statistic=t,
        df=1,
        df_denominator=df,
        p=p,
        q=adjust_fdr(p),
        separated=np.zeros(t.size, dtype=bool),
        abundance=abundance,
        level=level,
    )


def joint_test(
    statistic: FloatArray,
    df: int,
    denominator: FloatArray,
    *,
    name: str,
    method: str,
    abundance: FloatArray,
    level: float,
) -> ExpressionTest:
    """F test of several coefficients at once.

    Parameters
    ----------
    statistic, df, denominator
        (g,) F, and its degrees of freedom.
    name, method, abundance, level
        What the result says.
    """
    p = fdtrc(df, denominator, np.maximum(statistic, 0.0))
    missing = np.full(statistic.size, np.nan)
    none: NDArray[np.bool_] = np.zeros(statistic.size, dtype=bool)
    return ExpressionTest(
        name=name,
        method=method,
        log2_fold_change=missing,
        log2_estimate=missing,
        se=missing,
        interval=np.column_stack([missing, missing]),
        statistic=statistic,
        df=df,
        df_denominator=denominator,
        p=p,
        q=adjust_fdr(p),
        separated=none,
        abundance=abundance,
        level=level,
    )
