"""Droplets with known contamination: cells, empty droplets, states and technical groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from refsolve.core.rng import RandomSource, as_generator

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

BLOCK = 2000  # droplets drawn at once
LARGEST = 0.8  # contamination of a cell
STATE_RATE = 0.3  # of the mean gene, that of the marking genes at rest


@dataclass(frozen=True, slots=True, kw_only=True)
class DropletDesign:
    """What a channel looks like.

    Attributes
    ----------
    donors, cells
        Donors, and cells of each.
    empties, leak
        Empty droplets; cells of fewer than 100 counts that are listed among them.
    genes, types, type_spread
        Genes, types of cells, and how they differ on the log scale; one gene in five is made by a
        single type. Gene 0 is the marker: all types together release it into the
        ambient RNA (cells that burst do), and none of the captured cells makes it.
    depth, depth_spread, empty_depth
        Median counts of a cell, their spread on the log scale, and mean counts of an empty droplet.
    rho, donor_spread, cell_spread
        Mean contamination of each technical group of donors, the spread of donors around it and of
        cells around their donor, both on the log scale.
    confounding
        Correlation of the donors' genotype with the group: 0 is none, 1 the whole.
    marker_share
        Of gene 0 in the ambient RNA.
    state_share, state_genes, state_log2
        Share of activated cells, how many of the last genes mark them, and their fold change. All
        types make these genes alike.
    phi
        Overdispersion of the counts of empty droplets around the profile.
    """

    donors: int = 1
    cells: int = 400
    empties: int = 2000
    leak: int = 0
    genes: int = 300
    types: int = 3
    type_spread: float = 0.5
    depth: float = 2000.0
    depth_spread: float = 0.4
    empty_depth: float = 30.0
    rho: tuple[float, ...] = (0.1,)
    donor_spread: float = 0.0
    cell_spread: float = 0.2
    confounding: float = 0.0
    marker_share: float = 0.02
    state_share: float = 0.0
    state_genes: int = 5
    state_log2: float = 3.0
    phi: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedDroplets:
    """Droplets and the truth behind them.

    Attributes
    ----------
    counts
        (droplets, genes), sparse: cells first, then empty droplets.
    native
        (cells, genes) counts that are the cells' own.
    donor, type, state
        Donor and type of each cell, and whether it is activated.
    rho, donor_rho
        Contamination of each cell, and its mean in each donor.
    group, genotype
        Technical group and genotype (0, 1, 2) of each donor.
    ambient
        (genes,) profile of the ambient RNA.
    profiles
        (types, genes) expression of cells that are not activated.
    design
        What was simulated.
    """

    counts: csr_array
    native: csr_array
    donor: IntArray
    type: IntArray
    state: BoolArray
    rho: FloatArray
    donor_rho: FloatArray
    group: IntArray
    genotype: IntArray
    ambient: FloatArray
    profiles: FloatArray
    design: DropletDesign

    @property
    def cells(self) -> csr_array:
        """(cells, genes) counts."""
        return csr_array(self.counts[: self.donor.size])

    @property
    def empties(self) -> csr_array:
        """(empty droplets, genes) counts."""
        return csr_array(self.counts[self.donor.size :])

    @property
    def totals(self) -> FloatArray:
        """Counts of each droplet."""
        return np.asarray(self.counts.sum(axis=1), np.float64).ravel()


def simulate_droplets(
    design: DropletDesign | None = None, *, rng: RandomSource
) -> SimulatedDroplets:
    """Counts of cells that share their droplets with ambient RNA.

    The ambient RNA is a mixture of all types and states, so a gene that only some cells make
    appears in all. A call of states on these counts takes contamination for expression, and a
    comparison of genotypes takes the technical group for an effect where `confounding` is not 0:
    its bias is the difference of the groups' contamination times the ambient share of the gene
    over the native one.

    Parameters
    ----------
    design
        The channel.
    rng
        Seed or Generator.

    Returns
    -------
    Cells, ordered by donor, and empty droplets.

    Raises
    ------
    ValueError
        A field of the design breaks its rule.

    Examples
    --------
    >>> data = simulate_droplets(DropletDesign(cells=50, empties=80, genes=40), rng=1)
    >>> data.counts.shape, data.cells.shape
    ((130, 40), (50, 40))
    """
    one, generator = _checked(design or DropletDesign()), as_generator(rng)
    profiles, ambient = _profiles(one, generator)
    group, genotype = _donors(one, generator)
    donor_rho = np.asarray(one.rho)[group] * _around_one(one.donor_spread, one.donors, generator)
    donor = np.repeat(np.arange(one.donors), one.cells)
    rho = donor_rho[donor] * _around_one(one.cell_spread, donor.size, generator)
    rho = np.minimum(rho, LARGEST)
    kind = generator.integers(0, one.types, donor.size)
    state = generator.random(donor.size) < one.state_share
    depth = one.depth * np.exp(one.depth_spread * generator.standard_normal(donor.size))
    table = np.vstack([profiles, _activated(profiles, one)])
    native = _poisson(table, kind + one.types * state, (1.0 - rho) * depth, generator)
    soup = _poisson(ambient[np.newaxis], np.zeros_like(donor), rho * depth, generator)
    rest = _empty(one, table, ambient, generator)
    counts = csr_array(vstack([native + soup, rest], format="csr"))
    return SimulatedDroplets(
        counts, native, donor, kind, state, rho, np.minimum(donor_rho, LARGEST), group, genotype,
        ambient, profiles, one,
    )  # fmt: skip


def _checked(design: DropletDesign) -> DropletDesign:
    if not design.rho or any(not 0.0 <= r <= LARGEST for r in design.rho):
        raise ValueError(f"rho = {design.rho} must name at least one share in [0, {LARGEST}]")
    if min(design.donors, design.cells, design.types) < 1 or min(design.empties, design.leak) < 0:
        raise ValueError("donors, cells and types must be at least 1, empties and leak at least 0")
    if not 1 <= design.state_genes < design.genes - 1:
        raise ValueError(
            f"state_genes = {design.state_genes} must leave the marker and one more of the "
            f"{design.genes} genes"
        )
    for name in ("marker_share", "state_share", "confounding"):
        if not 0.0 <= getattr(design, name) <= 1.0:
            raise ValueError(f"{name} = {getattr(design, name)} is a share; it must lie in [0, 1]")
    if design.phi < 1.0:
        raise ValueError(f"phi = {design.phi} must be at least 1, which is multinomial")
    return design


def _around_one(spread: float, n: int, rng: np.random.Generator) -> FloatArray:
    """Log-normal factors whose mean is one."""
    return np.exp(spread * rng.standard_normal(n) - 0.5 * spread**2)


def _profiles(design: DropletDesign, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Expression of types, and the ambient RNA that they and burst cells release."""
    shape = (design.types, design.genes)
    expression = np.exp(
        rng.normal(-1.0, 1.5, design.genes) + design.type_spread * rng.standard_normal(shape)
    )
    own = rng.integers(0, design.types, design.genes)
    special = rng.random(design.genes) < 0.2
    elsewhere = special & (own != np.arange(design.types)[:, np.newaxis])
    expression[elsewhere] *= 0.01
    expression[:, 0] = 0.0
    states = design.state_genes
    expression[:, -states:] = STATE_RATE * expression[:, :-states].mean(axis=1, keepdims=True)
    expression /= expression.sum(axis=1, keepdims=True)
    active = design.state_share * _activated(expression, design)
    burst = rng.dirichlet(np.full(design.types, 3.0))
    ambient = burst @ ((1.0 - design.state_share) * expression + active)
    ambient *= 1.0 - design.marker_share
    ambient[0] = design.marker_share
    return expression, np.asarray(ambient, np.float64)


def _activated(profiles: FloatArray, design: DropletDesign) -> FloatArray:
    up = profiles.copy()
    up[:, -design.state_genes :] *= 2.0**design.state_log2
    return np.asarray(up / up.sum(axis=1, keepdims=True))


def _donors(design: DropletDesign, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Technical groups of donors in random order, and genotypes that lean on them."""
    group = rng.permutation(np.arange(design.donors) % len(design.rho))
    score = rng.standard_normal(design.donors)
    if group.std() > 0:
        score = design.confounding * (group - group.mean()) / group.std() + (
            np.sqrt(1.0 - design.confounding**2) * score
        )
    rank = np.argsort(np.argsort(score))
    return group, np.minimum(3 * rank // design.donors, 2).astype(np.int64)


def _empty(
    design: DropletDesign, table: FloatArray, ambient: FloatArray, rng: np.random.Generator
) -> csr_array:
    """Empty droplets, and small cells among them."""
    n = design.empties
    size = rng.gamma(4.0, design.empty_depth / 4.0, n)
    if design.phi > 1.0 and n:
        blocks = [
            csr_array(rng.poisson(_uneven(ambient, size[i : i + BLOCK], design.phi, rng)))
            for i in range(0, n, BLOCK)
        ]
        empty = csr_array(vstack(blocks, format="csr"))
    else:
        empty = _poisson(ambient[np.newaxis], np.zeros(n, np.int64), size, rng)
    if design.leak == 0:
        return empty
    kind = rng.integers(0, design.types, design.leak)
    small = _poisson(table, kind, rng.uniform(40.0, 80.0, design.leak), rng)
    return csr_array(vstack([empty, small], format="csr"))


def _uneven(
    ambient: FloatArray, size: FloatArray, phi: float, rng: np.random.Generator
) -> FloatArray:
    """Gamma means whose Poisson counts have `phi` times the variance of Poisson counts."""
    shape = np.outer(size, ambient) / (phi - 1.0)
    return rng.gamma(np.maximum(shape, 1e-300), phi - 1.0)


def _poisson(
    table: FloatArray, row: IntArray, size: FloatArray, rng: np.random.Generator
) -> csr_array:
    """Counts (droplets, genes) of mean `size` times one row of `table`."""
    blocks = [
        csr_array(rng.poisson(table[row[i : i + BLOCK]] * size[i : i + BLOCK, np.newaxis]))
        for i in range(0, row.size, BLOCK)
    ]
    if not blocks:
        return csr_array((0, table.shape[1]), dtype=np.int64)
    return csr_array(vstack(blocks, format="csr"))
