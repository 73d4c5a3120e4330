"""Counts of cells and donors with an ambient part, and of many genes with variants around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from refsolve.core.rng import RandomSource, as_generator

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Dosages = NDArray[np.int8]

LARGEST = 0.8  # contamination of a donor


@dataclass(frozen=True, slots=True, kw_only=True)
class CountDesign:
    """One gene in the cells of donors.

    Attributes
    ----------
    donors, cells
        Donors, and cells of each.
    effect, frequency
        Log rate ratio per allele, and the frequency of the allele.
    rate
        Native share of the gene in the counts of a cell without the allele.
    ambient_share
        Of the gene in the ambient RNA.
    rho, rho_shape
        Mean contamination of donors and the shape of its Gamma distribution; `inf` for donors that
        are all alike.
    group_rho, group_effect
        By how much the contamination and the log rate of the second of two technical groups are
        larger.
    confounding
        Correlation of the genotype's rank with the group: 0 is none, 1 the whole.
    donor_sd
        Of the log rates of donors.
    batches, batch_sd
        Number of batches, and the spread of their log rates.
    alpha
        Overdispersion of cells around their donor.
    depth, depth_spread
        Median counts of a cell, and their spread on the log scale.
    marker_share
        Ambient share of a gene that none of the cells makes.
    """

    donors: int = 100
    cells: int = 200
    effect: float = 0.35
    frequency: float = 0.3
    rate: float = 3e-4
    ambient_share: float = 12e-4
    rho: float = 0.1
    rho_shape: float = 4.0
    group_rho: float = 0.0
    group_effect: float = 0.0
    confounding: float = 0.0
    donor_sd: float = 0.35
    batches: int = 1
    batch_sd: float = 0.3
    alpha: float = 0.0
    depth: float = 3000.0
    depth_spread: float = 0.4
    marker_share: float = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedCounts:
    """One gene in the cells of donors, and the truth behind the counts.

    Attributes
    ----------
    y, native, total
        Counts of the gene in each cell, those that are the cell's own, and all counts.
    donor
        Of each cell.
    genotype, group, batch, rho, intercept
        Of each donor; the intercept is its deviation from the log rate that its genotype, group and
        batch give.
    marker
        Counts of each donor of a gene that none of its cells makes.
    design
        What was simulated.
    """

    y: IntArray
    native: IntArray
    total: IntArray
    donor: IntArray
    genotype: IntArray
    group: IntArray
    batch: IntArray
    rho: FloatArray
    intercept: FloatArray
    marker: IntArray
    design: CountDesign

    @property
    def exposure(self) -> FloatArray:
        """Native counts that are expected of each cell."""
        return np.asarray((1.0 - self.rho[self.donor]) * self.total)

    @property
    def ambient(self) -> FloatArray:
        """Ambient counts of the gene that are expected in each cell."""
        return np.asarray(self.rho[self.donor] * self.total * self.design.ambient_share)

    @property
    def covariates(self) -> FloatArray:
        """(donors, columns): constant, batches, and the group where there are two."""
        batches = [self.batch == b for b in range(1, self.design.batches)]
        groups = [self.group == 1] if self.group.any() else []
        return np.column_stack([np.ones(self.rho.size), *batches, *groups]).astype(np.float64)

    def of_donors(self, values: FloatArray | IntArray) -> FloatArray:
        """Sums of cells (donors,)."""
        return np.bincount(self.donor, values, self.rho.size).astype(np.float64)


def simulate_counts(design: CountDesign | None = None, *, rng: RandomSource) -> SimulatedCounts:
    r"""Counts whose mean has a native and an ambient part.

    A model without the ambient part sees the log of
    :math:`(1-\rho)e^\eta + \rho a`; its effect is about the native share of the mean times the true
    one, and with `confounding` and `group_rho` a variant without effect seems to have one.

    Parameters
    ----------
    design
        The gene and its donors.
    rng
        Seed or Generator.

    Returns
    -------
    Cells, ordered by donor.

    Raises
    ------
    ValueError
        A field of the design breaks its rule.

    Examples
    --------
    >>> data = simulate_counts(CountDesign(donors=6, cells=10), rng=1)
    >>> data.y.size, data.of_donors(data.total).size
    (60, 6)
    """
    one, generator = _checked(design or CountDesign()), as_generator(rng)
    genotype, group = _donors(one, generator)
    rho = _contamination(one.donors, one.rho, one.rho_shape, generator)
    rho = np.clip(rho + one.group_rho * group, 0.0, LARGEST)
    batch = np.arange(one.donors) % one.batches
    steps = one.batch_sd * generator.standard_normal(one.batches) * (one.batches > 1)
    intercept = one.donor_sd * generator.standard_normal(one.donors)
    rate = one.rate * np.exp(
        one.effect * genotype + one.group_effect * group + steps[batch] + intercept
    )
    donor = np.repeat(np.arange(one.donors), one.cells)
    log_depth = np.log(one.depth) + one.depth_spread * generator.standard_normal(donor.size)
    total = np.maximum(np.rint(np.exp(log_depth)), 1).astype(np.int64)
    noise = _gamma(one.alpha, donor.size, generator)
    native = generator.poisson((1.0 - rho[donor]) * total * rate[donor] * noise)
    ambient = generator.poisson(rho[donor] * total * one.ambient_share)
    whole = np.bincount(donor, total, one.donors)
    marker = generator.poisson(rho * whole * one.marker_share)
    return SimulatedCounts(
        native + ambient, native, total, donor, genotype, group, batch, rho, intercept, marker, one
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanDesign:
    """Sums of donors' cells for many genes, and the variants around each.

    Attributes
    ----------
    genes, variants, donors
        Genes, variants of each, and donors.
    abundance, abundance_spread
        Median native counts of a gene on the log scale, and the spread over genes.
    dispersion
        Range of the overdispersion between donors; log-uniform over genes.
    causal, effect_sd
        Share of genes with a variant that acts, and the spread of the log rate ratios.
    linkage
        Correlation of neighbouring variants on the scale of liability.
    batches, batch_sd
        Number of batches, and the spread of their log rates.
    depth_spread
        Spread of the donors' counts on the log scale.
    rho, rho_shape
        Mean contamination of donors and the shape of its Gamma distribution.
    ambient_ratio
        Ambient share of a gene over its native one: median, log-normal with a spread of 1.
    confounding
        Correlation of the first variant of each gene with the contamination, on ranks.
    """

    genes: int = 20
    variants: int = 20
    donors: int = 100
    abundance: float = 4.0
    abundance_spread: float = 1.5
    dispersion: tuple[float, float] = (0.05, 0.5)
    causal: float = 0.3
    effect_sd: float = 0.3
    linkage: float = 0.9
    batches: int = 5
    batch_sd: float = 0.15
    depth_spread: float = 0.3
    rho: float = 0.1
    rho_shape: float = 4.0
    ambient_ratio: float = 1.0
    confounding: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedScan:
    """Counts and genotypes of donors, and the truth behind them.

    Attributes
    ----------
    counts
        (genes, donors).
    genotypes
        (variants, donors) copies of the allele; those of one gene are neighbours.
    total, rho, batch
        All counts, contamination and batch of each donor.
    ambient_share
        (genes,) in the ambient RNA.
    gene_chromosome, gene_position, variant_chromosome, variant_position
        Where they lie; base pairs.
    causal, effect, dispersion
        Row in `genotypes` of the variant that may act on each gene, its log rate ratio, and the
        overdispersion of the gene between donors.
    design
        What was simulated.
    """

    counts: IntArray
    genotypes: Dosages
    total: FloatArray
    rho: FloatArray
    batch: IntArray
    ambient_share: FloatArray
    gene_chromosome: IntArray
    gene_position: IntArray
    variant_chromosome: IntArray
    variant_position: IntArray
    causal: IntArray
    effect: FloatArray
    dispersion: FloatArray
    design: ScanDesign

    @property
    def exposure(self) -> FloatArray:
        """Native counts that are expected of each donor."""
        return np.asarray((1.0 - self.rho) * self.total)

    @property
    def ambient(self) -> FloatArray:
        """(genes, donors) ambient counts that are expected."""
        return np.outer(self.ambient_share, self.rho * self.total)

    @property
    def covariates(self) -> FloatArray:
        """(donors, columns): constant and batches."""
        columns = [self.batch == b for b in range(1, self.design.batches)]
        return np.column_stack([np.ones(self.rho.size), *columns]).astype(np.float64)


def simulate_scan(design: ScanDesign | None = None, *, rng: RandomSource) -> SimulatedScan:
    """Counts of many genes in donors, with variants in linkage around each.

    Parameters
    ----------
    design
        Genes, variants and donors.
    rng
        Seed or Generator.

    Returns
    -------
    Genes in the order of the chromosome, 20 million base pairs on each.

    Raises
    ------
    ValueError
        A field of the design breaks its rule.

    Examples
    --------
    >>> data = simulate_scan(ScanDesign(genes=3, variants=4, donors=10), rng=1)
    >>> data.counts.shape, data.genotypes.shape
    ((3, 10), (12, 10))
    """
    one, rng_ = _checked_scan(design or ScanDesign()), as_generator(rng)
    rho = _contamination(one.donors, one.rho, one.rho_shape, rng_)
    genotypes = np.concatenate([_linked(one, rho, rng_) for _ in range(one.genes)])
    causal = rng_.integers(0, one.variants, one.genes) + one.variants * np.arange(one.genes)
    acts = rng_.random(one.genes) < one.causal
    effect = np.where(acts, one.effect_sd * rng_.standard_normal(one.genes), 0.0)
    total = 1e6 * np.exp(one.depth_spread * rng_.standard_normal(one.donors))
    batch = np.arange(one.donors) % one.batches
    rate = np.exp(one.abundance + one.abundance_spread * rng_.standard_normal(one.genes)) / 1e6
    share = rate * one.ambient_ratio * np.exp(rng_.standard_normal(one.genes))
    steps = one.batch_sd * rng_.standard_normal((one.genes, one.batches)) * (one.batches > 1)
    low, high = np.log(one.dispersion)
    dispersion = np.exp(rng_.uniform(low, high, one.genes))
    eta = np.log(rate)[:, np.newaxis] + effect[:, np.newaxis] * genotypes[causal] + steps[:, batch]
    noise = rng_.gamma(1 / dispersion[:, np.newaxis], dispersion[:, np.newaxis], eta.shape)
    mean = (1 - rho) * total * np.exp(eta) * noise + np.outer(share, rho * total)
    places = _places(one)
    return SimulatedScan(
        rng_.poisson(mean), genotypes, total, rho, batch, share, *places, causal, effect,
        dispersion, one,
    )  # fmt: skip


def _checked(design: CountDesign) -> CountDesign:
    if min(design.donors, design.cells, design.batches) < 1:
        raise ValueError("donors, cells and batches must be at least 1")
    for name in ("frequency", "confounding"):
        if not 0.0 <= getattr(design, name) <= 1.0:
            raise ValueError(f"{name} = {getattr(design, name)} must lie in [0, 1]")
    if not 0.0 <= design.rho <= LARGEST or design.rho_shape <= 0.0:
        raise ValueError(f"rho = {design.rho} must lie in [0, {LARGEST}], rho_shape above 0")
    if min(design.alpha, design.donor_sd, design.rate, design.ambient_share) < 0.0:
        raise ValueError("alpha, donor_sd, rate and ambient_share must not be negative")
    return design


def _checked_scan(design: ScanDesign) -> ScanDesign:
    if min(design.genes, design.variants, design.donors, design.batches) < 1:
        raise ValueError("genes, variants, donors and batches must be at least 1")
    if not 0.0 < design.dispersion[0] <= design.dispersion[1]:
        raise ValueError(f"dispersion = {design.dispersion} must be a range above 0")
    for name in ("linkage", "confounding", "causal"):
        if not 0.0 <= getattr(design, name) <= 1.0:
            raise ValueError(f"{name} = {getattr(design, name)} must lie in [0, 1]")
    return design


def _gamma(alpha: float, n: int, rng: np.random.Generator) -> FloatArray:
    return rng.gamma(1.0 / alpha, alpha, n) if alpha > 0 else np.ones(n)


def _contamination(n: int, mean: float, shape: float, rng: np.random.Generator) -> FloatArray:
    drawn = rng.gamma(shape, mean / shape, n) if np.isfinite(shape) else np.full(n, mean)
    return np.clip(drawn, 0.0, LARGEST)


def _ranked(values: FloatArray, frequency: float) -> IntArray:
    """Genotypes in Hardy-Weinberg shares, the larger values with more alleles."""
    below = np.array([(1 - frequency) ** 2, 1 - frequency**2])
    place = (np.argsort(np.argsort(values)) + 0.5) / values.size
    return np.searchsorted(below, place).astype(np.int64)


def _donors(design: CountDesign, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Genotypes, and two technical groups that lean on them."""
    if not (design.group_rho or design.group_effect or design.confounding):
        genotype = rng.binomial(2, design.frequency, design.donors)
        return genotype.astype(np.int64), np.zeros(design.donors, np.int64)
    group = rng.permutation(np.arange(design.donors) % 2)
    c = design.confounding
    lean = c * (2.0 * group - 1.0) + np.sqrt(1.0 - c**2) * rng.standard_normal(design.donors)
    return _ranked(lean, design.frequency), group


def _linked(design: ScanDesign, rho: FloatArray, rng: np.random.Generator) -> Dosages:
    """Genotypes (variants, donors) of two haplotypes, neighbours alike."""
    frequency = np.clip(rng.beta(2.0, 3.0, design.variants), 0.1, 0.9)
    cut, r, c = ndtri(frequency), design.linkage, design.confounding
    latent = rng.standard_normal((2, design.variants, design.donors))
    if c > 0:
        rank = (np.argsort(np.argsort(rho)) + 0.5) / rho.size
        latent[:, 0] = c * ndtri(rank) + np.sqrt(1.0 - c**2) * latent[:, 0]
    for k in range(1, design.variants):
        latent[:, k] = r * latent[:, k - 1] + np.sqrt(1.0 - r**2) * latent[:, k]
    return np.asarray((latent > -cut[:, np.newaxis]).sum(axis=0), np.int8)


def _places(design: ScanDesign) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Chromosomes and positions of genes and variants: genes 2 million base pairs apart."""
    gene = np.arange(design.genes)
    chromosome, position = 1 + gene // 10, 2_000_000 * (1 + gene % 10)
    step = 800_000 // max(design.variants, 1)
    around = step * np.arange(design.variants) - 400_000
    variant_position = (position[:, np.newaxis] + around).ravel()
    return chromosome, position, np.repeat(chromosome, design.variants), variant_position
