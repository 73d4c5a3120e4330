"""Corrected counts in the form in which counts came: matrices, AnnData, and AnnData in files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from refsolve.core.extras import require
from refsolve.core.files import renamed
from refsolve.methods.ambient.model.matrices import in_memory, is_anndata

EXTRA = "singlecell"
CHUNK = 2**17  # values
KEPT = ("obs", "var", "uns", "obsm", "varm", "obsp", "varp")


def stored(
    values: Any,
    matrix: Any,
    blocks: Iterable[Any],
    layer: str | None,
    into: str | None,
    out: str | None,
) -> Any:
    """Blocks of compressed or dense rows, put where they belong.

    Parameters
    ----------
    values, matrix
        What was handed in, and the matrix in it.
    blocks
        Rows after the correction, in order.
    layer
        Layer that was read.
    into
        Layer of the same AnnData that is written; None makes a new one.
    out
        File of a new AnnData; needed where the counts are in a file.
    """
    if not is_anndata(values):
        if into is not None or out is not None:
            raise ValueError("into and out are for an AnnData; the result is the matrix itself")
        return like(matrix, blocks)
    backed = getattr(values, "isbacked", False)
    if in_memory(matrix) and out is None and not (backed and into is not None):
        return _in_memory(values, like(matrix, blocks), layer, into)
    if into is not None and out is not None:
        raise ValueError("give into or out, not both: a layer here, or a new file")
    if into is not None:
        return _layer_in_file(values, matrix, blocks, into)
    if out is None:
        raise ValueError(
            "the counts are in a file and are not read at once; "
            'give out="new.h5ad", or into="layer" with a file opened as backed="r+"'
        )
    return _new_file(values, matrix, blocks, layer, out)


def like(matrix: Any, blocks: Iterable[Any]) -> Any:
    """The block of a matrix in memory, in the matrix's own form.

    Parameters
    ----------
    matrix
        Array, or sparse matrix.
    blocks
        One block.
    """
    (block,) = blocks
    if isinstance(block, np.ndarray):
        return block
    return block.asformat(matrix.format) if hasattr(matrix, "format") else block.toarray()


def _in_memory(values: Any, corrected: Any, layer: str | None, into: str | None) -> Any:
    if into is not None:
        if into in values.layers:
            raise ValueError(f"layer {into!r} is there already; give another name")
        values.layers[into] = corrected
        return values
    parts = {name: getattr(values, name).copy() for name in KEPT}
    layers = {name: values.layers[name] for name in values.layers if name != layer}
    x = corrected if layer is None else values.X
    layers = layers if layer is None else {**layers, layer: corrected}
    return require("anndata", EXTRA).AnnData(X=x, layers=layers, **parts)


def _layer_in_file(values: Any, matrix: Any, blocks: Iterable[Any], into: str) -> Any:
    if not getattr(values, "isbacked", False):
        raise ValueError("into writes to the file of a backed AnnData; this one has none")
    file = values.file._file  # the open file has no public name
    if file.mode != "r+":
        raise ValueError('the file is read only; open it with backed="r+" to add a layer')
    layers = file.require_group("layers")
    if into in layers:
        raise ValueError(f"layer {into!r} is in the file already; give another name")
    try:
        _write(layers, into, matrix.shape, blocks)
    except BaseException:
        if into in layers:
            del layers[into]
        raise
    finally:
        file.flush()
    return values


def _new_file(values: Any, matrix: Any, blocks: Iterable[Any], layer: str | None, out: str) -> Any:
    if layer is not None:
        raise ValueError("out holds the corrected counts as X; a layer of it is not offered")
    h5py, anndata = require("h5py", EXTRA), require("anndata", EXTRA)
    try:
        with renamed(out, new=True) as name:
            with h5py.File(str(name), "x") as file:
                _fill(file, values, matrix, blocks)
    except OSError as failure:
        raise ValueError(
            f"out = {str(out)!r} cannot be created ({failure}); give the name of a new file"
        ) from failure
    return anndata.read_h5ad(str(out), backed="r")


def _fill(file: Any, values: Any, matrix: Any, blocks: Iterable[Any]) -> None:
    element = require("anndata.io", EXTRA)
    file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    for part in KEPT:
        whole = getattr(values, part)
        element.write_elem(file, part, whole if part in ("obs", "var") else dict(whole))
    element.write_elem(file, "layers", {})
    _write(file, "X", matrix.shape, blocks)


def _write(group: Any, name: str, shape: tuple[int, int], blocks: Iterable[Any]) -> None:
    """Blocks of rows, as they come."""
    place: Any = None
    at = 0
    for block in blocks:
        dense = isinstance(block, np.ndarray)
        if place is None:
            place = (_array if dense else _compressed)(group, name, shape, block)
        if dense:
            place[at : at + len(block)] = block
        else:
            _append(place, block, at)
        at += block.shape[0]


def _array(group: Any, name: str, shape: tuple[int, int], block: Any) -> Any:
    place = group.create_dataset(name, shape=shape, dtype=block.dtype, chunks=True)
    place.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    return place


def _compressed(group: Any, name: str, shape: tuple[int, int], block: Any) -> Any:
    place = group.create_group(name)
    place.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
    place.attrs["shape"] = np.array(shape, np.int64)
    for part in ("data", "indices"):
        kind = getattr(block, part).dtype
        place.create_dataset(part, shape=(0,), maxshape=(None,), chunks=(CHUNK,), dtype=kind)
    # Counts of the whole file may be more than 32 bits can number.
    place.create_dataset("indptr", data=np.zeros(shape[0] + 1, np.int64))
    return place


def _append(place: Any, block: Any, at: int) -> None:
    before, n = place["data"].shape[0], int(block.indptr[-1])
    for part in ("data", "indices"):
        place[part].resize((before + n,))
        place[part][before:] = getattr(block, part)[:n]
    starts = block.indptr[1:].astype(np.int64) + before
    place["indptr"][at + 1 : at + 1 + starts.size] = starts
