"""What the ambient RNA is made of, with its sampling error, eqs. (1) and (2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, real_vector, refuse, within
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.ambient.kernels import sparse
from refsolve.methods.ambient.model.arguments import totals
from refsolve.methods.ambient.model.matrices import blocks, parts

Prior = tuple[ArrayLike, float]


@dataclass(frozen=True, slots=True, eq=False)
class AmbientProfile(Result):
    """Composition of the ambient RNA.

    Attributes
    ----------
    genes
        Names (g,).
    share, se
        Share (g,) of all ambient counts, and its standard error with the overdispersion of the
        droplets, that of the gene or that of all genes, whichever is larger.
    counts
        Counts (g,) of the empty droplets.
    total
        All their counts, other genes included.
    n_droplets
        Empty droplets.
    overdispersion, gene_overdispersion
        Pearson's statistic of the droplets around the profile over its degrees of freedom: of all
        genes, and of each (g,); 1 is sampling alone.
    """

    genes: NDArray[Any]
    share: FloatArray
    se: FloatArray
    counts: FloatArray
    total: float
    n_droplets: int
    overdispersion: float
    gene_overdispersion: FloatArray

    def to_frame(self) -> pd.DataFrame:
        """One row per gene."""
        names = ("share", "se", "counts", "gene_overdispersion")
        return pd.DataFrame({"gene": self.genes, **{name: getattr(self, name) for name in names}})


def ambient_shares(
    counts: ArrayLike,
    total: ArrayLike,
    *,
    genes: Sequence[Any] | None = None,
    prior: Prior | None = None,
) -> AmbientProfile:
    """Ambient shares of a few genes, where the totals of the droplets are known.

    Parameters
    ----------
    counts
        (droplets, genes) counts of empty droplets.
    total
        (droplets,) counts of all genes, also of those that are not handed in.
    genes
        Names of the genes.
    prior
        Shares (g,) and how many counts they are worth: a profile of all channels that steadies
        that of one.

    Raises
    ------
    AnalysisError
        The droplets hold no counts.

    Examples
    --------
    >>> ambient_shares([[1, 0], [3, 1]], [40, 60]).share
    array([0.04, 0.01])
    """
    matrix, names = parts(np.asarray(counts), genes)
    size = totals(total, matrix.shape[0])
    # A droplet may exceed its total by chance where counts were drawn apart; all together cannot.
    given = np.array(droplet_totals(matrix).sum())
    refuse(given > size.sum(), "sum of counts", given, "exceeds that of the totals",
           "hand in totals of all genes")  # fmt: skip
    return measured_profile(matrix, names, np.ones(size.size, np.bool_), size, prior)


def ambient_profile(
    droplets: Any,
    *,
    low: float = 0,
    high: float = 100,
    empty: ArrayLike | None = None,
    genes: Sequence[Any] | None = None,
    layer: str | None = None,
    prior: Prior | None = None,
) -> AmbientProfile:
    """Ambient profile from droplets that hold no cell, eqs. (1) and (2).

    Parameters
    ----------
    droplets
        Droplets by genes: AnnData (in memory or backed), sparse matrix, or array.
    low, high
        Droplets with more than `low` and fewer than `high` counts are empty.
    empty
        (droplets,) True where a droplet is empty; then the bounds are not used.
    genes
        Names of the genes; by default those of the AnnData, or 0, 1, ...
    layer
        Layer of the AnnData instead of X.
    prior
        As in `ambient_shares`.

    Raises
    ------
    AnalysisError
        No droplet is empty.
    """
    matrix, names = parts(droplets, genes, layer)
    size = droplet_totals(matrix)
    if empty is None:
        used = (size > low) & (size < high)
    else:
        used = np.asarray(empty)
        if used.dtype != np.bool_ or used.shape != size.shape:
            raise ValueError(f"empty must hold one truth value for each of {size.size} droplets")
    return measured_profile(matrix, names, used, size, prior)


def droplet_totals(matrix: Any) -> FloatArray:
    """Counts of every droplet.

    Parameters
    ----------
    matrix
        Droplets by genes.
    """
    out, odd = np.zeros(matrix.shape[0]), 0
    for at, rows in blocks(matrix):
        size, wrong = sparse.row_totals(rows.data, rows.indptr)
        out[at : at + size.size] = size
        odd += int(wrong)
    if odd:
        raise ValueError(
            f"values hold {odd} numbers that are no counts (negative, not whole or missing); "
            "take the layer with the raw counts"
        )
    return out


def measured_profile(
    matrix: Any,
    names: NDArray[Any],
    used: NDArray[np.bool_],
    size: FloatArray,
    prior: Prior | None = None,
) -> AmbientProfile:
    """Profile of the droplets that are used.

    Parameters
    ----------
    matrix, names
        Droplets by genes, and names of the genes.
    used
        (droplets,) truth values.
    size
        (droplets,) totals.
    prior
        As in `ambient_shares`.
    """
    counts = np.zeros(matrix.shape[1])
    for at, rows in blocks(matrix):
        block = used[at : at + rows.shape[0]]
        sparse.add_genes(rows.data, rows.indices, rows.indptr, block, counts)
    total = float(size[used].sum())
    if not total > 0:
        raise AnalysisError(
            "no droplet is empty, so that the ambient RNA is not known.",
            hint="Hand in the raw droplets, or other bounds.",
        )
    share = counts / total
    gene, common = _overdispersion(matrix, used, size, share)
    effective = total
    if prior is not None:
        at_first, worth = _prior(prior, share.size)
        share, effective = (counts + worth * at_first) / (total + worth), total + worth
    phi = np.maximum(np.nan_to_num(gene, nan=1.0), max(common, 1.0))
    se = np.sqrt(share * (1.0 - share) * phi / effective)
    n = int((used & (size > 0)).sum())
    return AmbientProfile(names, share, se, counts, total, n, common, gene)


def _prior(prior: Prior, n: int) -> tuple[FloatArray, float]:
    share = within(real_vector(prior[0], "prior"), "prior", 0.0, 1.0)
    if share.size != n:
        raise ValueError(f"prior has {share.size} shares for {n} genes; give one per gene")
    return share, float(within(prior[1], "counts of the prior", 0.0, np.inf))


def _overdispersion(
    matrix: Any, used: NDArray[np.bool_], size: FloatArray, share: FloatArray
) -> tuple[FloatArray, float]:
    """Pearson's statistic over its degrees of freedom of each gene, and of all."""
    squares = np.zeros(share.size)
    for at, rows in blocks(matrix):
        end = at + rows.shape[0]
        sparse.add_squares(
            rows.data, rows.indices, rows.indptr, used[at:end], size[at:end], share, squares
        )
    seen, n = share > 0, int((used & (size > 0)).sum())
    if n < 2:
        return np.full(share.size, np.nan), 1.0
    # The sum over droplets of (y - N a)^2 / (N a) is that of y^2 / (N a) less all counts.
    pearson = squares - float(size[used].sum()) * share
    # A share a leaves each droplet the variance N a (1 - a).
    free = (n - 1.0) * (1.0 - share)
    gene = np.divide(pearson, free, out=np.full(share.size, np.nan), where=seen & (free > 0))
    df = float(free[seen].sum())
    return gene, float(pearson[seen].sum()) / df if df > 0 else 1.0
