"""Choice of instruments on a screening sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from refsolve.core.check import FloatArray, refuse
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.mvmr.kernels.selection import stepwise

GENOME_WIDE = 5e-8
LEAST_FREE = 0.1  # of the variance of a variant that the chosen ones must leave unexplained


@dataclass(frozen=True, slots=True)
class Instruments(Result):
    """Variants chosen as instruments.

    Attributes
    ----------
    index
        Rows of the chosen variants, ascending (m,).
    by_exposure
        Which exposure chose which variant (J, K).
    statistic
        Marginal z-scores of the screening sample (J, K).
    threshold
        Absolute z-score to be exceeded.
    rule
        How they were chosen.
    """

    index: NDArray[np.int64]
    by_exposure: NDArray[np.bool_]
    statistic: FloatArray
    threshold: float
    rule: str


def marginal_instruments(
    beta: ArrayLike, se: ArrayLike, *, p_threshold: float = GENOME_WIDE
) -> Instruments:
    """Variants that are significant for any exposure.

    Parameters
    ----------
    beta, se
        Of the screening sample (J, K).
    p_threshold
        Two-sided p-value.
    """
    z, threshold = _scores(beta, se, p_threshold)
    return _chosen(np.abs(z) > threshold, z, threshold, "marginal, union over exposures")


def clumped_instruments(
    beta: ArrayLike,
    se: ArrayLike,
    ld: FloatArray,
    *,
    p_threshold: float = GENOME_WIDE,
    r2: float = 0.01,
) -> Instruments:
    """Per exposure the strongest variants that are not in LD with a stronger one.

    Parameters
    ----------
    beta, se, p_threshold
        As in `marginal_instruments`.
    ld
        Correlations (J, J).
    r2
        Largest squared correlation with a variant already taken for the exposure.
    """
    z, threshold = _scores(beta, se, p_threshold)
    marks = np.zeros(z.shape, dtype=bool)
    for k in range(z.shape[1]):
        taken: list[int] = []
        for j in np.argsort(-np.abs(z[:, k]), kind="stable"):
            if abs(z[j, k]) <= threshold:
                break
            if all(ld[j, i] ** 2 <= r2 for i in taken):
                taken.append(int(j))
        marks[taken, k] = True
    return _chosen(marks, z, threshold, f"clumped at r² = {r2:g}, union over exposures")


def conditional_instruments(
    beta: ArrayLike, se: ArrayLike, ld: FloatArray, *, p_threshold: float = GENOME_WIDE
) -> Instruments:
    """Per exposure the variants that stay significant given the other chosen ones.

    Parameters
    ----------
    beta, se, p_threshold
        As in `marginal_instruments`.
    ld
        Correlations (J, J).
    """
    z, threshold = _scores(beta, se, p_threshold)
    marks = np.zeros(z.shape, dtype=bool)
    correlations = np.ascontiguousarray(ld, dtype=np.float64)
    for k in range(z.shape[1]):
        column = np.ascontiguousarray(z[:, k])
        marks[stepwise(column, correlations, threshold, LEAST_FREE), k] = True
    return _chosen(marks, z, threshold, "stepwise joint signals, union over exposures")


def lead_instruments(
    beta: ArrayLike, se: ArrayLike, *, p_threshold: float = GENOME_WIDE
) -> Instruments:
    """The single strongest variant of each exposure.

    Parameters
    ----------
    beta, se, p_threshold
        As in `marginal_instruments`.
    """
    z, threshold = _scores(beta, se, p_threshold)
    marks = np.zeros(z.shape, dtype=bool)
    marks[np.argmax(np.abs(z), axis=0), np.arange(z.shape[1])] = True
    return _chosen(marks & (np.abs(z) > threshold), z, threshold, "lead variant of each exposure")


def z_threshold(p_threshold: float) -> float:
    """Absolute z-score of a two-sided p-value.

    Parameters
    ----------
    p_threshold
        In (0, 1).
    """
    if not 0.0 < p_threshold < 1.0:
        raise ValueError(f"p_threshold = {p_threshold} must lie between 0 and 1, such as 5e-8")
    return float(-ndtri(0.5 * p_threshold))


def _scores(beta: ArrayLike, se: ArrayLike, p_threshold: float) -> tuple[FloatArray, float]:
    effects, errors = np.asarray(beta, dtype=np.float64), np.asarray(se, dtype=np.float64)
    if effects.ndim != 2 or effects.shape != errors.shape:
        raise ValueError(
            f"beta has the shape {effects.shape} and se {errors.shape}; expected (variants, "
            "exposures) for both"
        )
    refuse(~(errors > 0.0), "se", errors, "must be positive", "drop the variant")
    return effects / errors, z_threshold(p_threshold)


def _chosen(marks: NDArray[np.bool_], z: FloatArray, threshold: float, rule: str) -> Instruments:
    index = np.flatnonzero(marks.any(axis=1))
    if index.size == 0:
        raise AnalysisError(
            f"No variant is significant: the largest |z| is {np.abs(z).max(initial=0.0):.2f}, "
            f"needed is {threshold:.2f}.",
            hint="Use a weaker threshold, or a larger screening sample.",
        )
    return Instruments(index, marks, z, threshold, rule)
