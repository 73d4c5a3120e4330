"""Counts without their ambient part: expected subtraction, exact removal, whole numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.ambient.estimator.profile import droplet_totals
from refsolve.methods.ambient.estimator.storing import stored
from refsolve.methods.ambient.kernels import removal
from refsolve.methods.ambient.model.arguments import fractions, labels, shares, totals
from refsolve.methods.ambient.model.matrices import blocks, parts


class Task(NamedTuple):
    """What is removed from where."""

    matrix: Any
    share: FloatArray
    amount: FloatArray


def subtract_ambient(
    values: Any,
    share: Any,
    rho: ArrayLike,
    *,
    total: ArrayLike | None = None,
    clip: bool = True,
    layer: str | None = None,
    into: str | None = None,
    out: str | None = None,
) -> Any:
    """Counts less the expected ambient counts, eq. (9).

    Unclipped values are unbiased: their sums over cells estimate native counts. They are negative
    where a cell has fewer counts than expected, and nowhere zero, so the result is dense. Clipped
    at zero they are sparse and biased upward, the more the rarer the gene: a cell whose mean is
    all ambient and 0.1 keeps 0.09 on average. For tests take the offset, `ambient_offset`.

    Parameters
    ----------
    values
        Cells by genes: AnnData (in memory or backed), sparse matrix, or array.
    share
        Ambient shares (genes,), or a profile.
    rho
        Contamination, one number or (cells,).
    total
        (cells,) counts of all genes; by default the sums of the rows.
    clip
        Cut at zero.
    layer
        Layer of the AnnData instead of X.
    into
        Layer of the AnnData to write; None makes a new AnnData. In a file that is open for
        writing the layer is there when the file is read again.
    out
        File of the new AnnData, where the counts are in a file; they are read and written in
        blocks, and the result is opened as backed.

    Returns
    -------
    What was handed in, in the same form.

    Examples
    --------
    >>> subtract_ambient(np.array([[5, 0], [0, 5]]), [0.5, 0.5], 0.4)
    array([[4., 0.],
           [0., 4.]])
    """
    task = _task(values, share, rho, total, layer)
    done = _clipped(task) if clip else _unclipped(task)
    return stored(values, task.matrix, done, layer, into, out)


def remove_ambient(
    values: Any,
    share: Any,
    rho: ArrayLike,
    *,
    total: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    whole: bool = False,
    rng: RandomSource = None,
    layer: str | None = None,
    into: str | None = None,
    out: str | None = None,
) -> Any:
    """Counts less exactly rho N of each cell, no gene giving more than it has, eqs. (10), (11).

    What is removed sums to rho N in each cell, or to all counts of genes in the profile, if these
    are fewer; with clusters in each cluster. Whole numbers removed sum to rho N rounded up or
    down, at random so that the expectation is kept, in each cell, and in each gene of a cell.

    Parameters
    ----------
    values, share, rho, total, layer, into, out
        As in `subtract_ambient`.
    clusters
        (cells,) labels: counts are removed from the sums of each cluster, and the loss of a gene
        is shared among its cells. Rare genes are then judged by many cells.
    whole
        Remove whole numbers.
    rng
        Seed of the rounding.

    Returns
    -------
    What was handed in, in the same form; floats, or the type of the input if whole.

    Examples
    --------
    >>> remove_ambient(np.array([[5, 1], [1, 5]]), [0.5, 0.5], 0.5)
    array([[3., 0.],
           [0., 3.]])
    """
    task = _task(values, share, rho, total, layer)
    generator = as_generator(rng) if whole else None
    if clusters is None:
        done = _removed(task, generator)
    else:
        code = labels(clusters, task.amount.size, "clusters")[1]
        done = _by_cluster(task, code, generator)
    return stored(values, task.matrix, done, layer, into, out)


def _task(
    values: Any, share: Any, rho: ArrayLike, total: ArrayLike | None, layer: str | None
) -> Task:
    matrix = parts(values, None, layer).matrix
    cells, genes = matrix.shape
    size = droplet_totals(matrix)
    if total is not None:
        given = totals(total, cells)
        if (given < size).any():
            first = int(np.argmax(given < size))
            raise ValueError(
                f"total[{first}] = {given[first]:g} is below the counts of its cell, "
                f"{size[first]:g}; hand in totals of all genes"
            )
        size = given
    return Task(matrix, shares(share, genes), fractions(rho, cells) * size)


def _clipped(task: Task) -> Iterator[Any]:
    for at, rows in blocks(task.matrix):
        amount = task.amount[at : at + rows.shape[0]]
        values, places, starts = _empty(rows, np.float64)
        n = removal.subtract_rows(
            rows.data, rows.indices, rows.indptr, task.share, amount, values, places, starts
        )
        yield _rows(rows, values, places, starts, n)


def _unclipped(task: Task) -> Iterator[Any]:
    for at, rows in blocks(task.matrix):
        amount = task.amount[at : at + rows.shape[0]]
        yield rows.toarray() - np.outer(amount, task.share)


def _removed(task: Task, rng: np.random.Generator | None) -> Iterator[Any]:
    for at, rows in blocks(task.matrix):
        amount = task.amount[at : at + rows.shape[0]]
        values, places, starts = _empty(rows, np.float64 if rng is None else rows.data.dtype)
        start = _starts(amount.size, rng)
        n = removal.remove_rows(
            rows.data, rows.indices, rows.indptr, task.share, amount, start, values, places, starts
        )
        yield _rows(rows, values, places, starts, n)


def _by_cluster(task: Task, code: IntArray, rng: np.random.Generator | None) -> Iterator[Any]:
    level = _levels(task, code)
    for at, rows in blocks(task.matrix):
        part = slice(at, at + rows.shape[0])
        values, places, starts = _empty(rows, np.float64 if rng is None else rows.data.dtype)
        start = _starts(rows.shape[0], rng)
        n = removal.remove_clusters(
            rows.data, rows.indices, rows.indptr, code[part], task.amount[part], level, start,
            values, places, starts,
        )  # fmt: skip
        yield _rows(rows, values, places, starts, n)


def _levels(task: Task, code: IntArray) -> FloatArray:
    """Levels (clusters, genes) at which the cells give what their cluster loses.

    Nearly all pairs stand still after two rounds; the entries of the others are taken out.
    """
    shape = (int(code.max(initial=-1)) + 1, task.share.size)
    sums, left = np.zeros(shape), np.zeros(shape)
    for block in _clustered(task, code):
        removal.cluster_totals(*block, sums, left)
    lost = _lost(task, code, sums)
    level = _risen(lost, np.zeros(shape), left, np.zeros(shape))
    closed, left = np.zeros(shape), np.zeros(shape)
    for block in _clustered(task, code):
        removal.cluster_sums(*block, level, closed, left)
    risen = _risen(lost, closed, left, level)
    moving = risen > level * (1.0 + removal.ROUNDING)
    last = risen[moving]
    removal.raise_levels(*_entries(task, code, moving), lost[moving], last)
    risen[moving] = last
    return risen


def _lost(task: Task, code: IntArray, sums: FloatArray) -> FloatArray:
    """Counts that leave each cluster (clusters, genes), eq. (10) of its sums."""
    lost = np.zeros_like(sums)
    amounts = np.bincount(code, task.amount, sums.shape[0])
    for own, out, amount in zip(sums, lost, amounts, strict=True):
        used = np.where(own > 0.0, task.share, 0.0)
        if amount > 0.0:
            at = removal.fill_level(own, used, amount)
            out[used > 0.0] = np.minimum(own, at * np.where(used > 0, used, 1.0))[used > 0.0]
    return lost


def _risen(lost: FloatArray, closed: FloatArray, left: FloatArray, level: FloatArray) -> FloatArray:
    """Next levels; a gene that loses nothing keeps the level 0."""
    new = np.full_like(level, np.inf)
    np.divide(lost - closed, left, out=new, where=left > 0.0)
    return np.where(lost > 0.0, np.maximum(new, level), 0.0)


def _entries(
    task: Task, code: IntArray, moving: NDArray[np.bool_]
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Rank of the pair, count and weight of every entry of some pairs (clusters, genes)."""
    rank = np.where(moving.ravel(), np.cumsum(moving.ravel()) - 1, -1).reshape(moving.shape)
    found = []
    for block in _clustered(task, code):
        n = block[0].size
        room = np.empty(n, np.int64), np.empty(n), np.empty(n)
        n = removal.gather(*block, rank, *room)
        found.append(tuple(values[:n].copy() for values in room))
    pairs, counts, weights = (np.concatenate(each) for each in zip(*found, strict=True))
    return pairs, counts, weights


def _clustered(task: Task, code: IntArray) -> Iterator[tuple[Any, Any, Any, IntArray, FloatArray]]:
    """Blocks of compressed rows, with the clusters and weights of their cells."""
    for at, rows in blocks(task.matrix):
        part = slice(at, at + rows.shape[0])
        yield rows.data, rows.indices, rows.indptr, code[part], task.amount[part]


def _starts(n: int, rng: np.random.Generator | None) -> FloatArray:
    return np.full(n, -1.0) if rng is None else rng.random(n)


def _empty(rows: Any, kind: Any) -> tuple[Any, Any, Any]:
    n = int(rows.indptr[-1])
    return np.empty(n, kind), np.empty(n, rows.indices.dtype), np.zeros_like(rows.indptr)


def _rows(rows: Any, values: Any, places: Any, starts: Any, n: int) -> Any:
    return type(rows)((values[:n], places[:n], starts), shape=rows.shape)
