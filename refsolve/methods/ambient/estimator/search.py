"""Automatic search for genes that a population cannot express, eqs. (6) and (7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.stats import gamma, poisson

from refsolve.core.check import FloatArray, IntArray, open_unit, within
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.ambient.estimator.fraction import cannot_express
from refsolve.methods.ambient.estimator.profile import droplet_totals
from refsolve.methods.ambient.model.arguments import labels, shares, totals
from refsolve.methods.ambient.model.likelihood import prior_shape
from refsolve.methods.ambient.model.matrices import blocks, parts

GRID = np.linspace(0.0, 1.0, 1001)
MAKERS = 0.01  # of a population's cells may be doublets that make the gene


@dataclass(frozen=True, slots=True, eq=False)
class UnexpressedGenes(Result):
    """Pairs of a gene and a population that does not express it, and what they say together.

    Attributes
    ----------
    gene, population
        Of each pair (n,).
    specificity
        Of the gene for its own population: share of expressing cells there times the log of the
        inverse share among all cells (n,).
    observed, expected, ratio
        Counts of the gene in the population, what they would be if all RNA were ambient, and the
        contamination by this pair alone (n,).
    rho, low, high
        Mode of the mean of the pairs' posterior densities, and where it is half as high.
    grid, density
        That mean (1001,) over contaminations.
    n_genes
        Distinct genes.
    """

    gene: NDArray[Any]
    population: NDArray[Any]
    specificity: FloatArray
    observed: FloatArray
    expected: FloatArray
    ratio: FloatArray
    rho: float
    low: float
    high: float
    grid: FloatArray
    density: FloatArray
    n_genes: int

    def to_frame(self) -> pd.DataFrame:
        """One row per pair."""
        names = ("gene", "population", "specificity", "observed", "expected", "ratio")
        return pd.DataFrame({name: getattr(self, name) for name in names})


class Sums(NamedTuple):
    """Counts and expressing cells (populations, genes)."""

    counts: FloatArray
    cells: FloatArray


def find_unexpressed(
    values: Any,
    cluster: ArrayLike,
    profile: Any,
    *,
    total: ArrayLike | None = None,
    prior: tuple[float, float] = (0.05, 0.10),
    specific: float = 1.0,
    quantile: float = 0.9,
    most: int = 100,
    largest: float = 0.8,
    level: float = 0.05,
    layer: str | None = None,
) -> UnexpressedGenes:
    """Contamination without a known marker.

    Genes that mark one population and are common in the ambient RNA should be absent elsewhere.
    Populations that make such a gene nevertheless are left out: their sum is more than ambient RNA
    can give, or more than one in a hundred of their cells has too much of it.

    Parameters
    ----------
    values
        Cells by genes: AnnData (in memory or backed), sparse matrix, or array.
    cluster
        (cells,) populations.
    profile
        Ambient profile, or shares (genes,).
    total
        (cells,) counts of all genes; by default the sums of the rows.
    prior
        Mode and standard deviation of the Gamma distribution of the contamination.
    specific
        Smallest specificity of a gene.
    quantile
        Genes below this quantile of the ambient shares are not used.
    most
        Number of genes, the most specific first.
    largest
        Largest contamination that is thought possible.
    level
        Of the tests that find populations and cells that make a gene.
    layer
        Layer of the AnnData instead of X.

    Raises
    ------
    AnalysisError
        No gene is specific enough, or every population makes all of them.
    """
    open_unit(largest, "largest")
    open_unit(level, "level")
    within(quantile, "quantile", 0.0, 1.0)
    if most < 1:
        raise ValueError(f"most = {most} must be at least 1")
    matrix, names = parts(values, None, layer)
    share = shares(profile, matrix.shape[1])
    population, code = labels(cluster, matrix.shape[0], "cluster")
    size = droplet_totals(matrix) if total is None else totals(total, matrix.shape[0])
    sums = _sums(matrix, code, len(population))
    score = _specificity(sums.cells, np.bincount(code))
    genes = _candidates(score, share, specific, quantile, most)
    whole = np.bincount(code, size, len(population))
    used = _silent(sums.counts[:, genes], np.outer(whole, share[genes]), largest, level)
    used &= _few_makers(_columns(matrix, genes), size, share[genes], code, largest, level)
    k, g = np.nonzero(used)
    if k.size == 0:
        raise AnalysisError(
            f"every population makes all {genes.size} genes that are specific for another.",
            hint="Name a gene that some cells cannot express.",
        )
    observed, expected = sums.counts[k, genes[g]], whole[k] * share[genes[g]]
    density = averaged_density(observed, expected, *prior_shape(*prior))
    rho, low, high = _mode(density)
    return UnexpressedGenes(
        names[genes[g]], np.asarray(population, object)[k], score[genes[g]], observed, expected,
        observed / expected, rho, low, high, GRID, density, int(np.unique(g).size),
    )  # fmt: skip


def averaged_density(
    observed: FloatArray, expected: FloatArray, shape: float, scale: float
) -> FloatArray:
    """Mean over pairs of the posterior densities of the contamination on the grid, eq. (7).

    Parameters
    ----------
    observed, expected
        Counts (n,) of the pairs, and what they would be if all RNA were ambient.
    shape, scale
        Of the Gamma prior.
    """
    width = scale / (1.0 + scale * expected)
    each = gamma.pdf(GRID[:, np.newaxis], shape + observed, scale=width)
    return np.asarray(each.mean(axis=1))


def _sums(matrix: Any, code: IntArray, n: int) -> Sums:
    counts, cells = np.zeros((2, n, matrix.shape[1]))
    for at, rows in blocks(matrix):
        here = code[at : at + rows.shape[0]]
        one = np.ones(here.size)
        member = csr_array((one, (here, np.arange(here.size))), shape=(n, here.size))
        counts += (member @ rows).toarray()
        cells += (member @ (rows > 0).astype(np.float64)).toarray()
    return Sums(counts, cells)


def _specificity(cells: FloatArray, size: IntArray) -> FloatArray:
    """Largest term frequency times inverse frequency (genes,)."""
    everywhere = cells.sum(axis=0)
    rarity = np.log(size.sum() / np.maximum(everywhere, 1.0))
    return np.asarray((cells / size[:, np.newaxis]).max(axis=0) * rarity)


def _candidates(
    score: FloatArray, share: FloatArray, specific: float, quantile: float, most: int
) -> IntArray:
    common = share > np.quantile(share, quantile)
    order = np.argsort(-score, kind="stable")
    found = order[(score[order] >= specific) & common[order]][:most]
    if found.size == 0:
        raise AnalysisError(
            f"no gene of the ambient RNA has a specificity of {specific:g} or more.",
            hint="Take smaller specific or quantile, or name a gene that cells cannot express.",
        )
    return found


def _silent(
    counts: FloatArray, expected: FloatArray, largest: float, level: float
) -> NDArray[np.bool_]:
    """Sums (populations, genes) that ambient RNA can give."""
    return np.asarray((expected > 0) & (poisson.sf(counts - 1, largest * expected) > level))


def _columns(matrix: Any, genes: IntArray) -> FloatArray:
    return np.vstack([rows[:, genes].toarray() for _, rows in blocks(matrix)])


def _few_makers(
    counts: FloatArray,
    size: FloatArray,
    share: FloatArray,
    code: IntArray,
    largest: float,
    level: float,
) -> NDArray[np.bool_]:
    """Populations (populations, genes) with hardly a cell that makes the gene."""
    n = np.bincount(code)
    out = []
    for column, a in zip(counts.T, share, strict=True):
        makes = ~cannot_express(column, size, float(a), largest=largest, level=level)
        out.append(np.bincount(code, makes, n.size) <= MAKERS * n)
    return np.array(out).T


def _mode(density: FloatArray) -> tuple[float, float, float]:
    """Where the density is largest, and the outermost places around that are half as high."""
    top = int(np.argmax(density))
    half = np.flatnonzero(density >= 0.5 * density[top])
    return float(GRID[top]), float(GRID[half[0]]), float(GRID[half[-1]])
