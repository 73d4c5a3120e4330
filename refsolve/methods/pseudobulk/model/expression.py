"""What every test of expression reports, and the false discovery rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray
from refsolve.core.result import Result


@dataclass(frozen=True, slots=True, eq=False)
class ExpressionTest(Result):
    """Test of one contrast in G genes.

    Attributes
    ----------
    name, method
        Contrast, and how it was tested.
    log2_fold_change
        Finite, towards zero where counts are few (G,); (G, q) where q contrasts are tested
        together.
    log2_estimate, se, interval
        Estimate (G,) that the interval (G, 2) belongs to, and its standard error (G,). Where the
        gene is separated, the estimate and one side of the interval are infinite. NaN where
        several contrasts are tested together.
    statistic
        F, t, z, or the likelihood ratio (G,).
    df, df_denominator
        Degrees of freedom: of the contrast, and of the variance (G,), infinite if it is not
        estimated.
    p, q
        Two-sided p value, and its false discovery rate by Benjamini and Hochberg (G,).
    separated
        One side of the contrast has no counts (G,): judged by the likelihood alone.
    abundance
        Average log2 counts per million, or mean value (G,).
    level
        Coverage of the intervals.
    """

    name: str
    method: str
    log2_fold_change: FloatArray
    log2_estimate: FloatArray
    se: FloatArray
    interval: FloatArray
    statistic: FloatArray
    df: int
    df_denominator: FloatArray
    p: FloatArray
    q: FloatArray
    separated: NDArray[np.bool_]
    abundance: FloatArray
    level: float

    def n_significant(self, p: float = 0.05) -> int:
        """Genes with a smaller p value.

        Parameters
        ----------
        p
            Level of the test.
        """
        return int((self.p < p).sum())

    def n_discoveries(self, fdr: float = 0.05) -> int:
        """Genes at a false discovery rate.

        Parameters
        ----------
        fdr
            The rate.
        """
        return int((self.q < fdr).sum())

    def to_frame(self) -> pd.DataFrame:
        """One row per gene; of joint tests the first fold change."""
        joint = self.log2_fold_change.ndim > 1
        columns = {
            "log2_fold_change": self.log2_fold_change[:, 0] if joint else self.log2_fold_change,
            "low": self.interval[:, 0],
            "high": self.interval[:, 1],
            "statistic": self.statistic,
            "p": self.p,
            "q": self.q,
            "separated": self.separated,
            "abundance": self.abundance,
        }
        return pd.DataFrame(columns)


def adjust_fdr(p: ArrayLike) -> FloatArray:
    """False discovery rates by Benjamini and Hochberg; NaN is no test and stays.

    Parameters
    ----------
    p
        P values.

    Examples
    --------
    >>> adjust_fdr([0.01, 0.02, np.nan, 0.5]).round(3)
    array([0.03, 0.03,  nan, 0.5 ])
    """
    given = np.asarray(p, dtype=np.float64)
    out = np.full(given.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(given))
    order = tested[np.argsort(-given[tested], kind="stable")]
    n = tested.size
    scaled = np.minimum(given[order] * n / np.arange(n, 0, -1), 1.0)
    out[order] = np.minimum.accumulate(scaled)
    return out
