"""Counts, exposure and ambient part of donors from their cells, eq. (9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from refsolve.core.check import FloatArray, IntArray, real_vector, refuse
from refsolve.methods.count_glm.model.exposure import bounded
from refsolve.methods.count_glm.model.totals import DonorTotals
from refsolve.methods.count_glm.model.variants import TextArray, label

BLOCK = 4000  # cells of a file read at once


def total_by_donor(
    values: Any,
    donor: Any,
    *,
    total: ArrayLike | None = None,
    rho: ArrayLike = 0.0,
    share: ArrayLike | None = None,
    genes: Sequence[object] | None = None,
    layer: str | None = None,
    min_cells: int = 1,
) -> DonorTotals:
    r"""Add up the cells of every donor.

    With N counts in a cell and the contamination rho, a donor's exposure is the sum of
    :math:`(1-\rho)N`, and its ambient part of a gene that gene's share of the sum of
    :math:`\rho N`. Pools of cells with ambient RNA of their own are added up one by one; counts,
    exposures and ambient parts of a donor in several pools are sums.

    Parameters
    ----------
    values
        Counts, cells by genes: AnnData (in memory or backed), sparse matrix, or array.
    donor
        Of every cell, or the name of a column of the AnnData; cells without one are set aside.
    total
        All counts of every cell; by default the sum of its genes.
    rho
        Contamination of every cell, or one number.
    share
        Of every gene in the ambient RNA.
    genes
        Names; by default those of the AnnData, or 0, 1, ...
    layer
        Layer of the AnnData instead of X.
    min_cells
        Donors with fewer cells are set aside.

    Returns
    -------
    Donors in the order of their names.

    Raises
    ------
    ValueError
        Values that are no counts, or arguments that do not fit together.

    Examples
    --------
    >>> found = total_by_donor([[1, 0], [2, 5], [4, 1]], ["b", "a", "b"], rho=0.1, share=[0.5, 0.5])
    >>> found.counts
    array([[2., 5.],
           [5., 1.]])
    >>> found.exposure, found.ambient[0]
    (array([6.3, 5.4]), array([0.35, 0.3 ]))
    """
    cells = cells_of(values, donor, layer, genes, min_cells)
    n_cells, n_genes = (int(n) for n in cells.matrix.shape)
    n = cells.donors.size
    counts, own = np.zeros((n, n_genes)), np.empty(n_cells)
    for at, block in blocks_of(cells.matrix):
        part = slice(at, at + block.shape[0])
        require_counts(block)
        own[part] = np.asarray(block.sum(axis=1)).ravel()
        counts += _indicator(cells.code[part], n) @ block
    every = real_vector(own if total is None else total, "total")
    if every.size != n_cells:
        raise ValueError(f"total has {every.size} values for {n_cells} cells; give one per cell")
    refuse(own > every * (1 + 1e-9), "total", every, "is less than the cell's genes", "recount it")
    fraction = bounded(rho, "rho", n_cells)
    of_gene = bounded(0.0 if share is None else share, "share", n_genes)
    kept = cells.code >= 0
    native, ambient = (
        _sums(cells.code[kept], v[kept], n) for v in ((1.0 - fraction) * every, fraction * every)
    )
    return DonorTotals(
        np.ascontiguousarray(counts.T), native, np.outer(of_gene, ambient), cells.donors,
        cells.genes, np.bincount(cells.code[kept], minlength=n), int((~kept).sum()),
    )  # fmt: skip


def _sums(code: IntArray, values: FloatArray, n: int) -> FloatArray:
    return np.asarray(np.bincount(code, values, n), np.float64)


class Cells(NamedTuple):
    """Counts of cells and the donors they come from.

    Attributes
    ----------
    matrix
        Cells by genes.
    code
        Donor of every cell, or -1.
    donors, genes
        Names.
    """

    matrix: Any
    code: IntArray
    donors: TextArray
    genes: TextArray


def cells_of(
    values: Any, donor: Any, layer: str | None, genes: Sequence[object] | None, min_cells: int
) -> Cells:
    """Counts of cells and the donors that have enough of them.

    Parameters
    ----------
    values, donor, layer, genes, min_cells
        As in `total_by_donor`.
    """
    matrix, names = values, genes
    if hasattr(values, "obs") and hasattr(values, "var_names"):
        if isinstance(donor, str) and donor not in values.obs:
            there = ", ".join(map(str, values.obs.columns)) or "nothing"
            raise ValueError(f"donor = {donor!r} is not in obs; there is {there}")
        donor = values.obs[donor] if isinstance(donor, str) else donor
        matrix = values.X if layer is None else values.layers[layer]
        names = list(values.var_names) if genes is None else genes
    elif layer is not None:
        raise ValueError("layer is for an AnnData; pass the matrix itself")
    matrix = matrix if hasattr(matrix, "shape") else np.asarray(matrix)
    if len(matrix.shape) != 2:
        raise ValueError(f"values have {len(matrix.shape)} dimensions; expected cells by genes")
    code, donors = _donors(donor, int(matrix.shape[0]), min_cells)
    text = np.array([str(v) for v in (range(matrix.shape[1]) if names is None else names)], object)
    if text.size != matrix.shape[1]:
        raise ValueError(f"genes has {text.size} names for {matrix.shape[1]} columns")
    return Cells(matrix, code, donors, text)


def _donors(donor: Any, n: int, min_cells: int) -> tuple[IntArray, TextArray]:
    labels = pd.Series(np.asarray(donor, object))
    if labels.size != n:
        raise ValueError(f"donor has {labels.size} labels for {n} cells; give one per cell")
    code, names = pd.factorize(labels.map(lambda v: v if pd.isna(v) else label(v)), sort=True)
    size = np.bincount(code[code >= 0], minlength=len(names))
    kept = size >= max(min_cells, 1)
    if not kept.any():
        raise ValueError(f"no donor has {max(min_cells, 1)} cells; lower min_cells")
    new = np.where(kept, np.cumsum(kept) - 1, -1)
    return np.where(code >= 0, new[code], -1).astype(np.int64), np.asarray(names, object)[kept]


def blocks_of(matrix: Any) -> Iterator[tuple[int, Any]]:
    """First rows and rows of what is in memory, or of a file a block at a time.

    Parameters
    ----------
    matrix
        Cells by genes.
    """
    if isinstance(matrix, np.ndarray) or (hasattr(matrix, "tocsr") and hasattr(matrix, "nnz")):
        yield 0, matrix
        return
    for at in range(0, matrix.shape[0], BLOCK):
        yield at, matrix[at : at + BLOCK]


def require_counts(block: Any) -> None:
    """Raise ValueError unless all values are counts.

    Parameters
    ----------
    block
        Cells by genes.
    """
    data = np.asarray(block.data if hasattr(block, "tocsr") else block)
    if not ((data >= 0) & (data == np.floor(data)) & np.isfinite(data)).all():
        raise ValueError("values are no counts (negative or not whole); pass the raw counts")


def _indicator(code: IntArray, n: int) -> csr_array:
    """Donors by cells: one where a cell is a donor's."""
    cell = np.flatnonzero(code >= 0)
    ones = np.ones(cell.size)
    return csr_array((ones, (code[cell], cell)), shape=(n, code.size))
