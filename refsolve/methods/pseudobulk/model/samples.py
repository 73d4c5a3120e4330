"""Donors' samples: one column of values for each combination of keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.result import Result

ObjectArray = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class PseudoBulk(Result):
    """Values of G genes in S samples.

    Attributes
    ----------
    values
        (G, S) sums or means over the cells of a sample.
    samples
        Keys of every sample, and every other column that is constant within all of them (S rows).
    n_cells
        Cells of every sample (S,).
    genes
        Names (G,).
    how
        "sum" or "mean".
    n_set_aside
        Cells without a key, without weight, or of a sample with too few cells.
    """

    values: FloatArray
    samples: pd.DataFrame
    n_cells: IntArray
    genes: ObjectArray
    how: str
    n_set_aside: int

    @property
    def library(self) -> FloatArray:
        """Sum of every sample (S,)."""
        return np.asarray(self.values.sum(axis=0))

    def select(self, which: ArrayLike) -> PseudoBulk:
        """Only some of the samples.

        Parameters
        ----------
        which
            Mask (S,) or positions.
        """
        at = np.asarray(which)
        at = np.flatnonzero(at) if at.dtype == np.bool_ else at.astype(np.int64)
        samples = self.samples.iloc[at].reset_index(drop=True)
        values, cells = np.ascontiguousarray(self.values[:, at]), self.n_cells[at]
        return PseudoBulk(values, samples, cells, self.genes, self.how, self.n_set_aside)

    def to_frame(self) -> pd.DataFrame:
        """One row per sample: its keys, cells, and sum."""
        return self.samples.assign(n_cells=self.n_cells, library=self.library)

    def to_dict(self) -> dict[str, Any]:
        """Tables as lists of columns."""
        out = {"values": self.values.tolist(), "genes": [str(g) for g in self.genes]}
        samples = {str(k): v.tolist() for k, v in self.to_frame().items()}
        return {**out, "samples": samples, "how": self.how, "n_set_aside": self.n_set_aside}


def group_codes(keys: Mapping[str, Any], n: int) -> tuple[IntArray, pd.DataFrame]:
    """Sample of every cell, -1 where a key is missing, and the keys of the samples, sorted.

    Parameters
    ----------
    keys
        Columns of n values.
    n
        Number of cells.
    """
    total, code, missing = 1, np.zeros(n, np.int64), np.zeros(n, np.bool_)
    levels: list[dict[str, Any]] = []
    for name, column in keys.items():
        own, values = _codes(column, name, n)
        missing |= own < 0
        # Codes of categories are small integers: their products overflow unless widened.
        code = code * len(values) + np.maximum(own, 0)
        code, present = _compact(np.where(missing, -1, code), total * len(values))
        before = levels or [{}]
        levels = [{**before[k // len(values)], name: values[k % len(values)]} for k in present]
        total, code = len(present), np.maximum(code, 0)
    frame = pd.DataFrame(levels, columns=list(keys))
    return np.where(missing, -1, code), frame


def _codes(column: Any, name: str, n: int) -> tuple[IntArray, list[Any]]:
    series = pd.Series(column) if not isinstance(column, pd.Series) else column
    if len(series) != n:
        raise ValueError(f"by[{name!r}] has {len(series)} values for {n} cells; give one per cell")
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.cat.codes.to_numpy().astype(np.int64), list(series.cat.categories)
    codes, values = pd.factorize(series, sort=True)
    return codes.astype(np.int64), list(values)


def _compact(code: IntArray, limit: int) -> tuple[IntArray, IntArray]:
    """Codes renumbered without holes, and the old ones; -1 stays."""
    if limit <= 4 * code.size + 1024:
        present = np.flatnonzero(np.bincount(code[code >= 0], minlength=1))
        new = np.full(max(limit, 1), -1, np.int64)
        new[present] = np.arange(present.size)
        return np.where(code < 0, -1, new[code]), present
    present = np.unique(code[code >= 0])
    return np.where(code < 0, -1, np.searchsorted(present, code)), present


def constant_columns(table: pd.DataFrame, code: IntArray, n: int) -> dict[str, Any]:
    """Values by sample of the columns that do not vary within any of the n samples.

    Parameters
    ----------
    table
        One row per cell.
    code
        Sample of every cell, or -1.
    n
        Number of samples.
    """
    used = np.flatnonzero(code >= 0)
    first = np.zeros(n, np.int64)
    first[code[used[::-1]]] = used[::-1]
    out: dict[str, Any] = {}
    for name, column in table.items():
        codes, _ = pd.factorize(column)
        if (codes[used] == codes[first][code[used]]).all():
            out[str(name)] = column.iloc[first].array
    return out
