"""Cells of pairs that share their expected count: what a log-linear model is fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refsolve.core.check import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Cells:
    """Sufficient statistics of a negative-binomial log-linear model, and its coefficients.

    Attributes
    ----------
    features
        Features of every cell (G, q), common to all samples.
    columns
        Coefficient that a feature has in a sample (S, q).
    names
        Names of the coefficients (p,).
    totals
        Contacts of all pairs of a cell (S, G).
    pairs
        Numbers of pairs of a cell (M, G), those without contacts among them.
    row
        Row of `pairs` of a sample (S,).
    offset
        Known part of log μ, (S, G) or (1, G).
    tails
        Per group of samples with a common dispersion, the number of pairs above 0, 1, 2, ...
    group
        Group of every sample (S,).
    """

    features: FloatArray
    columns: IntArray
    names: tuple[str, ...]
    totals: FloatArray
    pairs: FloatArray
    row: IntArray
    offset: FloatArray
    tails: tuple[FloatArray, ...]
    group: IntArray

    @property
    def n_pairs(self) -> int:
        """Pairs of all samples."""
        return round(float(self.pairs.sum(axis=1)[self.row].sum()))

    @property
    def n_zero(self) -> int:
        """Pairs without contacts."""
        return self.n_pairs - round(sum(float(t[0]) for t in self.tails if t.size))

    def of_group(self, g: int) -> NDArray[np.int64]:
        """Samples of one group of common dispersion.

        Parameters
        ----------
        g
            The group.
        """
        return np.flatnonzero(self.group == g)


def gram(cells: Cells, used: FloatArray) -> FloatArray:
    """Cross-products of the coefficients' columns over cells with pairs (p, p), each pair once.

    Parameters
    ----------
    cells
        The cells.
    used
        Weight of every cell in a sample (M, G).
    """
    p = len(cells.names)
    out = np.zeros((p, p))
    blocks = [(cells.features * w[:, None]).T @ cells.features for w in used]
    for columns, row in zip(cells.columns, cells.row, strict=True):
        np.add.at(out, (columns[:, None], columns[None, :]), blocks[row])
    return out


def independent(cells: Cells, tolerance: float = 1e-9) -> NDArray[np.bool_]:
    """Coefficients that are not determined by earlier ones (p,): first come, first kept.

    Parameters
    ----------
    cells
        The cells.
    tolerance
        Share of a column's variation that must be its own.
    """
    G = gram(cells, cells.pairs)
    size = np.sqrt(np.diag(G))
    size[size == 0.0] = 1.0
    left = G / np.outer(size, size)
    keep = np.zeros(size.size, dtype=bool)
    for k in range(size.size):
        if left[k, k] > tolerance:
            keep[k] = True
            left = left - np.outer(left[:, k], left[k]) / left[k, k]
    return keep
