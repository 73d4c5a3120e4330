"""The ambient part of the mean as an offset: the correction that keeps counts as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray, within
from refsolve.core.result import Result
from refsolve.methods.ambient.estimator.profile import droplet_totals
from refsolve.methods.ambient.model.arguments import fractions, labels, shares, sums_by, totals
from refsolve.methods.ambient.model.matrices import is_anndata, parts


@dataclass(frozen=True, slots=True, eq=False)
class GroupOffset(Result):
    """What a model of summed counts needs: the mean is exposure * rate + ambient.

    Attributes
    ----------
    label
        Donors (d,), sorted.
    ambient
        Expected ambient counts (d, genes), or (d,) for one gene.
    exposure
        Native counts of all genes (d,).
    total
        Counts of all genes (d,).
    n_cells
        Cells (d,).
    """

    label: NDArray[Any]
    ambient: FloatArray
    exposure: FloatArray
    total: FloatArray
    n_cells: IntArray

    def to_frame(self) -> pd.DataFrame:
        """One row per donor, without the ambient counts of many genes."""
        columns = {"label": self.label, "exposure": self.exposure, "total": self.total}
        if self.ambient.ndim == 1:
            columns["ambient"] = self.ambient
        return pd.DataFrame({**columns, "n_cells": self.n_cells})


def ambient_offset(total: ArrayLike, rho: ArrayLike, share: Any) -> FloatArray:
    """Expected ambient counts, eq. (9): a known term of a model's mean.

    Observed counts have the mean `native_exposure(total, rho) * rate + ambient_offset(...)`.
    Nothing is subtracted, so counts stay counts, and rare genes are not biased.

    Parameters
    ----------
    total
        (cells,) counts of all genes.
    rho
        Contamination, one number or (cells,).
    share
        Ambient share of one gene, shares (genes,), or a profile.

    Returns
    -------
    (cells,) for one gene, else (cells, genes).

    Examples
    --------
    >>> ambient_offset([1000, 2000], [0.1, 0.2], 0.01)
    array([1., 4.])
    """
    size = totals(total)
    amount = fractions(rho, size.size) * size
    if not hasattr(share, "share") and np.ndim(share) == 0:
        return np.asarray(amount * within(share, "share", 0.0, 1.0))
    return np.outer(amount, shares(share))


def native_exposure(total: ArrayLike, rho: ArrayLike) -> FloatArray:
    """Counts of all genes that are the cell's own, (1 - rho) N.

    Parameters
    ----------
    total, rho
        As in `ambient_offset`.
    """
    size = totals(total)
    return np.asarray((1.0 - fractions(rho, size.size)) * size)


def group_offset(total: ArrayLike, rho: ArrayLike, share: Any, group: ArrayLike) -> GroupOffset:
    """Offsets of summed counts: those of the cells, added up by donor.

    Parameters
    ----------
    total, rho, share
        As in `ambient_offset`.
    group
        (cells,) donors.

    Examples
    --------
    >>> group_offset([1000, 2000, 500], 0.1, 0.01, ["a", "a", "b"]).ambient
    array([3. , 0.5])
    """
    size = totals(total)
    label, code = labels(group, size.size, "group")
    amount = sums_by(code, fractions(rho, size.size) * size, len(label))
    whole = sums_by(code, size, len(label))
    one = not hasattr(share, "share") and np.ndim(share) == 0
    ambient = amount * within(share, "share", 0.0, 1.0) if one else np.outer(amount, shares(share))
    cells = np.bincount(code, minlength=len(label))
    return GroupOffset(label, np.asarray(ambient), whole - amount, whole, cells)


def annotate_ambient(
    values: Any,
    share: Any,
    rho: ArrayLike,
    *,
    total: ArrayLike | None = None,
    layer: str | None = None,
) -> Any:
    """Keep the offset of every gene with the cells of an AnnData, without a matrix of it.

    Sets the columns `ambient_counts` (rho N) and `native_exposure` ((1 - rho) N) of the cells and
    `ambient_share` of the genes: the expected ambient counts of a gene are the product of the
    first and the last. Counts are read in blocks and not changed.

    Parameters
    ----------
    values
        AnnData, in memory or backed.
    share
        Ambient shares (genes,), or a profile.
    rho
        Contamination, one number or (cells,).
    total
        (cells,) counts of all genes; by default the sums of the rows.
    layer
        Layer with the counts instead of X.

    Returns
    -------
    The same AnnData. Of a file the columns are in memory until it is written.
    """
    if not is_anndata(values):
        raise ValueError("values is no AnnData; take ambient_offset and native_exposure")
    matrix = parts(values, None, layer).matrix
    size = droplet_totals(matrix) if total is None else totals(total, matrix.shape[0])
    part = fractions(rho, size.size)
    kept = shares(share, matrix.shape[1])
    values.obs["ambient_counts"] = part * size
    values.obs["native_exposure"] = (1.0 - part) * size
    values.var["ambient_share"] = kept
    return values
