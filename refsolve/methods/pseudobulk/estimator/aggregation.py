"""Cells to samples: sums of counts, means of scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray, one_of, real_vector, refuse, within
from refsolve.methods.pseudobulk.kernels import aggregate as sums
from refsolve.methods.pseudobulk.model.samples import PseudoBulk, constant_columns, group_codes

BLOCK = 4000  # cells of a file read at once


def aggregate(
    values: Any,
    by: Any,
    *,
    how: str = "sum",
    weights: ArrayLike | None = None,
    genes: Sequence[Any] | None = None,
    layer: str | None = None,
    min_cells: int = 1,
) -> PseudoBulk:
    """Add up or average the cells of every combination of keys.

    Parameters
    ----------
    values
        Cells by genes: AnnData (in memory or backed), sparse matrix, array, or Dask array.
    by
        Names of columns of the annotation of an AnnData; otherwise a table or a mapping of
        columns, or one column.
    how
        "sum" for counts; "mean" for scores, which must not be added up.
    weights
        Weight of every cell; a weighted mean divides by their sum.
    genes
        Names of the genes; by default those of the AnnData, or 0, 1, ...
    layer
        Layer of the AnnData instead of X.
    min_cells
        Samples with fewer cells are left out.

    Returns
    -------
    Samples in the order of their keys. Cells that lack a key are set aside and counted.

    Raises
    ------
    ValueError
        Sums of values that are no counts, or arguments that do not fit together.

    Examples
    --------
    >>> counts = np.array([[1, 0], [2, 5], [4, 1]])
    >>> aggregate(counts, {"donor": ["b", "a", "b"]}).values
    array([[2., 5.],
           [5., 1.]])
    """
    one_of(how, "how", ("sum", "mean"))
    matrix, table, names = _parts(values, by, layer)
    keys = _keys(by, table)
    cells, n_genes = (int(n) for n in matrix.shape)
    code, samples = group_codes(keys, cells)
    weight = np.ones(cells) if weights is None else _weights(weights, cells)
    code = np.where(weight > 0, code, -1)
    n_cells = np.bincount(code[code >= 0], minlength=len(samples))
    kept = n_cells >= max(min_cells, 1)
    if not kept.any():
        raise ValueError(
            f"no sample has {max(min_cells, 1)} cells, the largest has {n_cells.max(initial=0)}; "
            "lower min_cells or check the keys"
        )
    code = np.where(code >= 0, np.where(kept, np.cumsum(kept) - 1, -1)[code], -1)
    samples = samples[kept].reset_index(drop=True)
    out = np.zeros((len(samples), n_genes))
    odd = _add(matrix, code, weight, out)
    refuse(~np.isfinite(out), "sums", out, "is not finite", "remove or impute missing values")
    if how == "sum" and odd:
        raise ValueError(
            f"values hold {odd} numbers that are no counts (negative or not whole); sums of scores "
            'grow with the number of cells: take how="mean", or the layer with the counts'
        )
    if how == "mean":
        out /= np.bincount(code[code >= 0], weight[code >= 0], len(samples))[:, np.newaxis]
    rest = table.drop(columns=list(keys), errors="ignore")
    samples = samples.assign(**constant_columns(rest, code, len(samples)))
    return PseudoBulk(
        np.ascontiguousarray(out.T), samples, n_cells[kept], _names(genes, names, n_genes),
        how, int((code < 0).sum()),
    )  # fmt: skip


def looks_like_counts(values: Any, *, most: int = 100_000) -> bool:
    """Values are whole and not negative, as far as the first ones show.

    Parameters
    ----------
    values
        Cells by genes, in any form that can be aggregated.
    most
        Values to look at in a matrix that is in memory.
    """
    block = next(_blocks(values))
    data = np.asarray(getattr(block, "data", block) if _is_sparse(block) else block).ravel()
    data = data[:most]
    return bool((np.isfinite(data) & (data >= 0) & (data == np.floor(data))).all())


def _parts(values: Any, by: Any, layer: str | None) -> tuple[Any, pd.DataFrame, Any]:
    """Matrix, annotation of the cells, and names of the genes."""
    if hasattr(values, "obs") and hasattr(values, "var_names"):
        if layer is not None and layer not in values.layers:
            there = ", ".join(values.layers) or "none"
            raise ValueError(f"layer {layer!r} is not in the AnnData; there is {there}")
        matrix = values.X if layer is None else values.layers[layer]
        return matrix, values.obs, np.asarray(values.var_names, object)
    if layer is not None:
        raise ValueError("layer is for an AnnData; pass the matrix itself")
    matrix = values if hasattr(values, "shape") else np.asarray(values)
    if len(matrix.shape) != 2:
        raise ValueError(f"values have {len(matrix.shape)} dimensions; expected cells by genes")
    table = by if isinstance(by, pd.DataFrame) else pd.DataFrame(index=range(matrix.shape[0]))
    return matrix, table, None


def _keys(by: Any, table: pd.DataFrame) -> Mapping[str, Any]:
    if isinstance(by, pd.DataFrame):
        return {str(name): by[name] for name in by.columns}
    if isinstance(by, Mapping):
        return by
    if isinstance(by, str):
        by = [by]
    if isinstance(by, (list, tuple)) and all(isinstance(b, str) and b in table for b in by) and by:
        return {name: table[name] for name in by}
    if isinstance(by, (list, tuple)) and len(table.columns):
        absent = [b for b in by if b not in table]
        raise ValueError(f"by = {absent[:3]} is not in obs; there is {', '.join(table.columns)}")
    return {"sample": by}


def _weights(weights: ArrayLike, cells: int) -> FloatArray:
    weight = within(real_vector(weights, "weights"), "weights", 0.0, np.inf, open_high=True)
    if weight.size != cells:
        raise ValueError(f"weights has {weight.size} values for {cells} cells; give one per cell")
    return weight


def _names(genes: Sequence[Any] | None, names: Any, n: int) -> NDArray[np.object_]:
    found = genes if genes is not None else (names if names is not None else range(n))
    out = np.array(list(found), object)
    if out.size != n:
        raise ValueError(f"genes has {out.size} names for {n} columns; give one per column")
    return out


def _add(matrix: Any, code: IntArray, weight: FloatArray, out: FloatArray) -> int:
    at, odd = 0, 0
    for block in _blocks(matrix):
        end = at + block.shape[0]
        odd += _add_block(block, code[at:end], weight[at:end], out)
        at = end
    return odd


def _add_block(block: Any, code: IntArray, weight: FloatArray, out: FloatArray) -> int:
    if not _is_sparse(block):
        return int(sums.add_dense(np.ascontiguousarray(block), code, weight, out))
    if block.format == "csc":
        return int(sums.add_columns(block.data, block.indices, block.indptr, code, weight, out))
    rows = block if block.format == "csr" else block.tocsr()
    order = np.argsort(code, kind="stable")
    return int(sums.add_rows(rows.data, rows.indices, rows.indptr, order, code, weight, out))


def _is_sparse(block: Any) -> bool:
    return hasattr(block, "indptr") or hasattr(block, "tocsr")


def _blocks(matrix: Any) -> Iterator[Any]:
    """Rows in memory, a block at a time where they are in a file or not computed yet."""
    if hasattr(matrix, "dask"):
        rows = matrix.rechunk({1: -1}) if len(matrix.chunks[1]) > 1 else matrix
        for k in range(len(rows.chunks[0])):
            yield rows.blocks[k].compute()
    elif isinstance(matrix, np.ndarray) or (_is_sparse(matrix) and hasattr(matrix, "nnz")):
        yield matrix
    else:
        for at in range(0, matrix.shape[0], BLOCK):
            yield matrix[at : at + BLOCK]
