"""Genes and the variants around them on cells, with covariates that differ between cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csc_array, csr_array, vstack

from refsolve.core.check import FloatArray, IntArray, refuse, within
from refsolve.core.rng import RandomSource
from refsolve.methods.count_glm.estimator.assembly import assembled
from refsolve.methods.count_glm.estimator.mapping import FEWEST_COPIES, gene_blocks
from refsolve.methods.count_glm.estimator.totals import Cells, blocks_of, cells_of, require_counts
from refsolve.methods.count_glm.model.alignment import (
    Chosen,
    align,
    covariate_rows,
    require_spare,
    same_genes,
)
from refsolve.methods.count_glm.model.blocks import Mapper, Plan, scan_block
from refsolve.methods.count_glm.model.cis_map import CisMap
from refsolve.methods.count_glm.model.exposure import bounded, positive
from refsolve.methods.count_glm.model.nulls import CellWork
from refsolve.methods.count_glm.model.resampling import permuted_donors
from refsolve.methods.count_glm.model.variants import Source, cis_windows

MOST_VALUES = 1 << 22  # counts of a block of genes


def map_cis_cells(
    values: Any,
    genotypes: Source,
    donor: Any,
    covariates: ArrayLike,
    *,
    gene_chromosome: Sequence[object],
    gene_position: ArrayLike,
    total: ArrayLike | None = None,
    rho: ArrayLike = 0.0,
    share: ArrayLike | None = None,
    genes: Sequence[object] | None = None,
    layer: str | None = None,
    window: int = 1_000_000,
    least_copies: float = FEWEST_COPIES,
    min_cells: int = 1,
    permutations: int = 0,
    rng: RandomSource = 0,
    map_: Mapper = map,
) -> CisMap:
    r"""Test every gene with every variant around it on cells, by a Poisson mixed model.

    The mean of a cell is :math:`A + S e^{x'\beta + u_d}` with an intercept :math:`u_d` of its
    donor. Variants are tested at the modes of the intercepts, with the information that these
    leave. Where no covariate differs between the cells of a donor, `total_by_donor` and `map_cis`
    with the family "mixed" give the same in less time.

    Parameters
    ----------
    values, donor, total, rho, share, genes, layer, min_cells
        As in `total_by_donor`.
    genotypes
        From `make_genotypes`, or a reader of files; of named donors.
    covariates
        Of the cells (cells, p), the intercept among them.
    gene_chromosome, gene_position, window
        As in `cis_windows`.
    least_copies, permutations, rng, map_
        As in `map_cis`.

    Raises
    ------
    AnalysisError
        Covariates are singular, or donors are too few for them.
    """
    within(least_copies, "least_copies", 0.0, np.inf, open_high=True)
    cells = cells_of(values, donor, layer, genes, min_cells)
    chosen = align(cells.donors.size, tuple(cells.donors), genotypes)
    sorted_cells = _by_donor(cells, chosen, total, rho, share)
    x = covariate_rows(covariates, cells.code.size)[sorted_cells.order]
    require_spare(x, chosen.rows.size)
    windows = cis_windows(
        gene_chromosome, gene_position, genotypes.chromosome, genotypes.position, window
    )
    same_genes(windows, cells.genes)
    orders = permuted_donors(chosen.rows.size, permutations, rng)
    plan = Plan(CellWork(x, sorted_cells.start), orders, least_copies)
    most = max(1, MOST_VALUES // len(x))
    blocks = gene_blocks(sorted_cells.rows, genotypes, chosen.columns, windows, most)
    parts = list(map_(partial(scan_block, plan=plan), blocks))
    set_aside = int((cells.code < 0).sum())
    return assembled(parts, cells.genes, genotypes, windows, chosen, plan, set_aside)


@dataclass(frozen=True, slots=True)
class SortedCells:
    """Cells of the donors that are tested, those of one donor together.

    Attributes
    ----------
    order
        Their places (n,).
    start
        First cell of every donor, and n.
    matrix
        Cells by genes.
    native, ambient
        Exposure, and all ambient counts (n,).
    share
        Of every gene in the ambient counts.
    """

    order: IntArray
    start: IntArray
    matrix: csc_array
    native: FloatArray
    ambient: FloatArray
    share: FloatArray

    def rows(self, genes: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Counts (genes, n), exposure, and ambient part of some genes.

        Parameters
        ----------
        genes
            Their places.
        """
        y = np.ascontiguousarray(self.matrix[:, genes].toarray().T, np.float64)
        return y, self.native[np.newaxis], np.outer(self.share[genes], self.ambient)


def _by_donor(
    cells: Cells, chosen: Chosen, total: ArrayLike | None, rho: ArrayLike, share: ArrayLike | None
) -> SortedCells:
    n, n_genes = (int(size) for size in cells.matrix.shape)
    rank = np.full(cells.donors.size + 1, -1)
    rank[chosen.rows] = np.arange(chosen.rows.size)
    code = rank[cells.code]
    order = np.argsort(code, kind="stable")[int((code < 0).sum()) :]
    parts = []
    for _, block in blocks_of(cells.matrix):
        require_counts(block)
        parts.append(csr_array(block))
    whole = csr_array(vstack(parts, format="csr"))
    own = np.asarray(whole.sum(axis=1), np.float64).ravel()
    every = positive(own if total is None else total, "total", n)
    refuse(own > every * (1 + 1e-9), "total", every, "is less than the cell's genes", "recount it")
    fraction = bounded(rho, "rho", n)
    start = np.concatenate([[0], np.cumsum(np.bincount(code[order]))]).astype(np.int64)
    return SortedCells(
        order, start, csc_array(whole[order]), ((1.0 - fraction) * every)[order],
        (fraction * every)[order], bounded(0.0 if share is None else share, "share", n_genes),
    )  # fmt: skip
