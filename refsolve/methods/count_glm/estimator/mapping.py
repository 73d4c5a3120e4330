"""Genes and the variants around them: which variants go along with the counts of donors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, IntArray, one_of, within
from refsolve.core.rng import RandomSource
from refsolve.methods.count_glm.estimator.assembly import assembled
from refsolve.methods.count_glm.model.alignment import (
    align,
    covariate_rows,
    gather,
    require_spare,
    same_genes,
)
from refsolve.methods.count_glm.model.blocks import Block, Mapper, Plan, scan_block
from refsolve.methods.count_glm.model.cis_map import CisMap
from refsolve.methods.count_glm.model.nulls import FAMILIES, HOW, DonorWork, Family
from refsolve.methods.count_glm.model.resampling import permuted_donors
from refsolve.methods.count_glm.model.totals import DonorTotals
from refsolve.methods.count_glm.model.variants import Source, Windows, cis_windows

MOST_BYTES = 1 << 25  # of the dosages of a block
MOST_GENES = 256  # of a block
FEWEST_COPIES = 10.0
Rows = Callable[[IntArray], tuple[FloatArray, FloatArray, FloatArray]]


def map_cis(
    counts: ArrayLike | DonorTotals,
    genotypes: Source,
    covariates: ArrayLike,
    *,
    gene_chromosome: Sequence[object],
    gene_position: ArrayLike,
    exposure: ArrayLike | None = None,
    ambient: ArrayLike | None = None,
    donors: Sequence[object] | None = None,
    genes: Sequence[object] | None = None,
    window: int = 1_000_000,
    family: Family = "quasi_native",
    dispersion: Literal["adjusted", "profile"] = "adjusted",
    least_copies: float = FEWEST_COPIES,
    permutations: int = 0,
    rng: RandomSource = 0,
    map_: Mapper = map,
) -> CisMap:
    r"""Test every gene with every variant around it, eqs. (10), (12) and (13).

    One null fit per gene, whose mean is :math:`A + S e^{x'\beta}` with the ambient part A; then a
    score test of every variant in its window. A missing genotype is the variant's mean. The gene's
    best variant is fitted too.

    Permutations exchange the whitened errors of the null fit between donors, free them of the
    covariates again, and take the largest squared partial correlation with the gene's variants: all
    genes see the same permutations, and variants keep their correlation.

    Parameters
    ----------
    counts
        Counts (genes, donors), or what `total_by_donor` gives, which brings exposure, ambient part
        and names along.
    genotypes
        From `make_genotypes`, or a reader of files.
    covariates
        Of the donors (donors, p), the intercept among them.
    gene_chromosome, gene_position, window
        As in `cis_windows`.
    exposure
        Native exposure (donors,) or (genes, donors); by default the sums of all genes.
    ambient
        Expected ambient counts (genes, donors), taken as known.
    donors
        Names of the donors of the counts; needed where the genotypes have names.
    genes
        Names.
    family
        Of the donors' counts. "quasi_native": the native part alone varies between donors, with the
        variance :math:`\mu+\alpha m^2`. "negative_binomial" has :math:`\mu+\alpha\mu^2`, the same
        without an ambient part; with one that is large it rejects too often. "mixed" is Poisson
        with a normal intercept of every donor.
    dispersion
        Of "negative_binomial": adjusted for the coefficients (Cox and Reid) or not.
    least_copies
        Variants with fewer copies of the rarer allele are tested and flagged, and do not count for
        their gene.
    permutations
        Of donors, for the beta approximation.
    rng
        Seed of the permutations.
    map_
        What runs the blocks of genes; the result is the same for any.

    Raises
    ------
    AnalysisError
        Covariates are singular, or donors are too few for them.
    """
    one_of(family, "family", FAMILIES)
    within(least_copies, "least_copies", 0.0, np.inf, open_high=True)
    one_of(dispersion, "dispersion", tuple(HOW))
    set_aside = counts.n_set_aside if isinstance(counts, DonorTotals) else 0
    data = gather(counts, exposure, ambient, donors, genes)
    chosen = align(data.y.shape[1], data.donors, genotypes)
    x = covariate_rows(covariates, data.y.shape[1], data.donors)[chosen.rows]
    data = data.of(chosen.rows)
    require_spare(x, len(x))
    windows = cis_windows(
        gene_chromosome, gene_position, genotypes.chromosome, genotypes.position, window
    )
    same_genes(windows, data.genes)
    orders = permuted_donors(len(x), permutations, rng)
    plan = Plan(DonorWork(x, family, dispersion), orders, least_copies)
    blocks = gene_blocks(data.rows, genotypes, chosen.columns, windows)
    parts = list(map_(partial(scan_block, plan=plan), blocks))
    return assembled(parts, data.genes, genotypes, windows, chosen, plan, set_aside)


def gene_blocks(
    rows: Rows, genotypes: Source, columns: IntArray, windows: Windows, most_genes: int = MOST_GENES
) -> Iterator[Block]:
    """Genes that lie together, with the dosages of their variants.

    Parameters
    ----------
    rows
        Counts, exposure and ambient part of some genes.
    genotypes
        Of the variants.
    columns
        Donors among them.
    windows
        Variants of the genes.
    most_genes
        Of a block.
    """
    full = np.flatnonzero(windows.stop > windows.start)
    full = full[np.lexsort((windows.stop[full], windows.start[full]))]
    most = max(1, MOST_BYTES // (8 * columns.size))
    at = 0
    while at < full.size:
        low, high, end = _reach(windows, full, at, most, most_genes)
        genes = full[at:end]
        dosage = np.ascontiguousarray(genotypes.take(windows.order[low:high])[:, columns])
        own = windows.start[genes] - low, windows.stop[genes] - low
        yield Block(genes, *rows(genes), dosage, *own)
        at = end


def _reach(
    windows: Windows, full: IntArray, at: int, most: int, most_genes: int
) -> tuple[int, int, int]:
    """Variants from and to, and the gene after the last one of a block."""
    low, high, end = int(windows.start[full[at]]), 0, at
    while end < full.size and end - at < most_genes:
        reach = max(high, int(windows.stop[full[end]]))
        if end > at and (reach - low > most or windows.start[full[end]] > high):
            break
        high, end = reach, end + 1
    return low, high, end
