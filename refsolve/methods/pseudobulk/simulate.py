"""Cells of donors with known effects: counts, and scores that are smoothed over neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from refsolve.core.rng import RandomSource, as_generator

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BLOCK = 2000  # cells drawn at once


@dataclass(frozen=True, slots=True, kw_only=True)
class CellDesign:
    """What an experiment looks like.

    Attributes
    ----------
    donors
        Donors of the reference and of the test condition; pairs of samples where `paired`.
    cells, cells_spread
        Median number of cells of a sample, and its spread on the log scale.
    genes, depth, depth_spread
        Genes; median counts of a cell, and its spread on the log scale.
    abundance_spread
        Spread of the abundance of genes on the log scale.
    donor_dispersion
        Squared coefficient of variation between donors.
    cell_dispersion
        Of the counts of cells around their donor's mean.
    changed, log2_change
        Share of the genes that differ, and the size of their differences.
    factor_spread
        Of a factor of each donor that moves all genes by their loadings, log scale: what makes
        genes correlated.
    batches, batch_spread, confounding
        Number of batches, spread of their effects on the log scale, and by how much conditions
        lean on them: 0 is balanced, 1 aliased.
    paired
        Every donor gives a sample of both conditions.
    """

    donors: tuple[int, int] = (4, 4)
    cells: int = 200
    cells_spread: float = 0.4
    genes: int = 500
    depth: float = 2000.0
    depth_spread: float = 0.3
    abundance_spread: float = 1.5
    donor_dispersion: float = 0.05
    cell_dispersion: float = 0.5
    changed: float = 0.0
    log2_change: float = 1.0
    factor_spread: float = 0.0
    batches: int = 1
    batch_spread: float = 0.3
    confounding: float = 0.0
    paired: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedCells:
    """Cells and the truth behind them.

    Attributes
    ----------
    counts
        (cells, genes), sparse.
    sample
        Sample of each cell.
    donor, condition, batch
        Of each sample; condition 1 is the test.
    mean
        (samples, genes) expected share of each gene in a sample's counts.
    log2_change
        (genes,) true differences.
    design
        What was simulated.
    """

    counts: csr_array
    sample: IntArray
    donor: IntArray
    condition: IntArray
    batch: IntArray
    mean: FloatArray
    log2_change: FloatArray
    design: CellDesign

    @property
    def sums(self) -> FloatArray:
        """(genes, samples) counts added up."""
        picks = csr_array(
            (np.ones(self.sample.size), (self.sample, np.arange(self.sample.size))),
            shape=(self.donor.size, self.sample.size),
        )
        return np.asarray((picks @ self.counts).toarray().T, np.float64)


def simulate_cells(design: CellDesign | None = None, *, rng: RandomSource) -> SimulatedCells:
    """Counts of cells whose donors differ.

    Parameters
    ----------
    design
        The experiment.
    rng
        Seed or Generator.

    Returns
    -------
    Cells in random order.

    Raises
    ------
    ValueError
        A field of the design breaks its rule.

    Examples
    --------
    >>> data = simulate_cells(CellDesign(donors=(2, 3), cells=20, genes=30), rng=1)
    >>> data.sums.shape, data.condition
    ((30, 5), array([0, 0, 1, 1, 1]))
    """
    one, generator = _checked(design or CellDesign()), as_generator(rng)
    donor, condition = _samples(one)
    batch = _batches(one, donor, condition, generator)
    mean, change = _shares(one, donor, condition, batch, generator)
    sizes = _at_least(one.cells, one.cells_spread, donor.size, generator)
    sample = generator.permutation(np.repeat(np.arange(donor.size), sizes))
    depth = one.depth * np.exp(one.depth_spread * generator.standard_normal(sample.size))
    blocks = [
        _draw(mean[sample[i : i + BLOCK]] * depth[i : i + BLOCK, np.newaxis], one, generator)
        for i in range(0, sample.size, BLOCK)
    ]
    counts = csr_array(vstack(blocks, format="csr"))
    return SimulatedCells(counts, sample, donor, condition, batch, mean, change, one)


def simulate_scores(
    cells: SimulatedCells, *, smoothing: float = 0.0, rng: RandomSource
) -> FloatArray:
    """Log-normalised values per cell (cells, genes), smoothed over neighbours of the same sample.

    Parameters
    ----------
    cells
        The cells.
    smoothing
        Share of a value that comes from the mean of ten random neighbours.
    rng
        Seed or Generator.

    Returns
    -------
    Scores, centred by gene: they can be negative and must not be added up.
    """
    if not 0.0 <= smoothing <= 1.0:
        raise ValueError(f"smoothing = {smoothing} must lie in [0, 1]; it is a share")
    generator = as_generator(rng)
    dense = np.asarray(cells.counts.toarray(), np.float64)
    values = np.log1p(1e4 * dense / np.maximum(dense.sum(axis=1, keepdims=True), 1.0))
    smoothed = values.copy()
    for s in range(cells.donor.size):
        rows = np.flatnonzero(cells.sample == s)
        near = generator.choice(rows, (rows.size, 10))
        smoothed[rows] = (1 - smoothing) * values[rows] + smoothing * values[near].mean(axis=1)
    return np.asarray(smoothed - smoothed.mean(axis=0))


def _checked(design: CellDesign) -> CellDesign:
    if min(design.donors) < 1:
        raise ValueError(f"donors = {design.donors} must be at least one in each condition")
    if design.paired and design.donors[0] != design.donors[1]:
        raise ValueError(f"donors = {design.donors} must be equal where they are pairs")
    if not 0.0 <= design.changed <= 1.0 or not 0.0 <= design.confounding <= 1.0:
        raise ValueError("changed and confounding are shares; they must lie in [0, 1]")
    return design


def _samples(design: CellDesign) -> tuple[IntArray, IntArray]:
    condition = np.repeat([0, 1], design.donors)
    n = design.donors[0]
    donor = np.tile(np.arange(n), 2) if design.paired else np.arange(condition.size)
    return donor, condition


def _batches(
    design: CellDesign, donor: IntArray, condition: IntArray, rng: np.random.Generator
) -> IntArray:
    """Balanced batches, moved towards one batch per condition with the chance `confounding`."""
    within = np.concatenate([np.arange(n) for n in design.donors]) % design.batches
    own = condition % design.batches
    return np.where(rng.random(donor.size) < design.confounding, own, within)


def _shares(
    design: CellDesign,
    donor: IntArray,
    condition: IntArray,
    batch: IntArray,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Expected share of each gene (samples, genes), and true changes."""
    genes = design.genes
    log = design.abundance_spread * rng.standard_normal(genes)
    change = np.zeros(genes)
    picked = rng.permutation(genes)[: round(design.changed * genes)]
    change[picked] = design.log2_change * rng.choice([-1.0, 1.0], picked.size)
    loading = rng.standard_normal(genes)
    n = int(donor.max()) + 1
    spread = np.sqrt(np.log1p(design.donor_dispersion))
    of_donor = spread * rng.standard_normal((n, genes))
    of_donor += design.factor_spread * np.outer(rng.standard_normal(n), loading)
    of_batch = design.batch_spread * rng.standard_normal((design.batches, genes))
    of_batch *= design.batches > 1
    mean = log + of_donor[donor] + of_batch[batch]
    mean = np.exp(mean + np.log(2.0) * np.outer(condition, change))
    return np.asarray(mean / np.exp(log + 0.5 * spread**2).sum()), change


def _at_least(
    median: float, spread: float, n: int, rng: np.random.Generator, least: int = 2
) -> IntArray:
    drawn = median * np.exp(spread * rng.standard_normal(n))
    return np.maximum(np.rint(drawn), least).astype(np.int64)


def _draw(mean: FloatArray, design: CellDesign, rng: np.random.Generator) -> csr_array:
    if design.cell_dispersion > 0:
        shape = 1.0 / design.cell_dispersion
        mean = mean * rng.gamma(shape, 1.0 / shape, mean.shape)
    return csr_array(rng.poisson(mean))
