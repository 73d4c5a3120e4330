"""Cells by genes in every form, as blocks of compressed rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

SPARSE_ROWS = 10_000  # of a file read at once
DENSE_VALUES = 2**25


class Parts(NamedTuple):
    """A matrix, and the names of its genes."""

    matrix: Any
    genes: NDArray[Any]


def parts(values: Any, genes: Sequence[Any] | None = None, layer: str | None = None) -> Parts:
    """Matrix of cells by genes, and names of the genes.

    Parameters
    ----------
    values
        AnnData in memory or backed, sparse matrix, or array.
    genes
        Names; by default those of the AnnData, or 0, 1, ...
    layer
        Layer of the AnnData instead of X.
    """
    names: Any = None
    if is_anndata(values):
        if layer is not None and layer not in values.layers:
            there = ", ".join(values.layers) or "none"
            raise ValueError(f"layer {layer!r} is not in the AnnData; there is {there}")
        matrix, names = values.X if layer is None else values.layers[layer], values.var_names
    elif layer is not None:
        raise ValueError("layer is for an AnnData; pass the matrix itself")
    else:
        names = getattr(values, "columns", None)
        matrix = np.asarray(values) if names is not None or not hasattr(values, "shape") else values
    if len(matrix.shape) != 2:
        raise ValueError(f"values have {len(matrix.shape)} dimensions; expected cells by genes")
    found = genes if genes is not None else (names if names is not None else range(matrix.shape[1]))
    out = np.array(list(found), object)
    if out.size != matrix.shape[1]:
        raise ValueError(
            f"genes has {out.size} names for {matrix.shape[1]} columns; give one per column"
        )
    return Parts(matrix, out)


def is_anndata(values: Any) -> bool:
    """An AnnData, without importing it.

    Parameters
    ----------
    values
        Anything.
    """
    return hasattr(values, "obs") and hasattr(values, "var_names")


def in_memory(matrix: Any) -> bool:
    """An array or a sparse matrix that need not be read from a file.

    Parameters
    ----------
    matrix
        Cells by genes.
    """
    return isinstance(matrix, np.ndarray) or (hasattr(matrix, "tocsr") and hasattr(matrix, "nnz"))


def blocks(matrix: Any) -> Iterator[tuple[int, Any]]:
    """First row and compressed rows of every block; one block where all is in memory.

    Parameters
    ----------
    matrix
        Cells by genes.
    """
    if in_memory(matrix):
        yield 0, compressed(matrix)
        return
    cells, genes = matrix.shape
    sparse = hasattr(matrix, "format")
    if sparse and matrix.format == "csc":
        raise ValueError(
            "the file keeps the counts by gene (csc); rows cannot be streamed: write it again "
            "with compressed rows (csr), or read it into memory"
        )
    step = SPARSE_ROWS if sparse else max(DENSE_VALUES // max(genes, 1), 1)
    for at in range(0, cells, step):
        yield at, compressed(matrix[at : at + step])


def compressed(block: Any) -> Any:
    """Compressed rows with every place once.

    Parameters
    ----------
    block
        Array or sparse matrix in memory.
    """
    if block.dtype == np.bool_:
        block = block.astype(np.uint8)
    if not hasattr(block, "tocsr"):
        return csr_array(np.asarray(block))
    rows = block if block.format == "csr" else block.tocsr()
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    return rows
