"""Thresholds from permuted residuals: all permutations of a trait in one pass over the genome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray, open_unit
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.lmm_scan.estimator.positions import chunks, whitened
from refsolve.methods.lmm_scan.estimator.scan import null_models, require_lines
from refsolve.methods.lmm_scan.kernels.positions import largest_explained
from refsolve.methods.lmm_scan.model.design import Design, no_covariates
from refsolve.methods.lmm_scan.model.genome import Genome, Probabilities
from refsolve.methods.lmm_scan.model.kinship import Choice
from refsolve.methods.lmm_scan.model.null import Criterion, NullModel, phenotype_matrix


@dataclass(frozen=True, slots=True)
class Permutations(Result):
    """Largest LOD of phenotypes without a QTL.

    Attributes
    ----------
    largest_lod
        Of every permutation, over the genome (n,).
    by_chromosome
        Of every permutation and chromosome (n, C).
    chromosomes
        Labels (C,).
    n_groups
        Groups of lines within which residuals were exchanged.
    """

    largest_lod: FloatArray
    by_chromosome: FloatArray
    chromosomes: tuple[str, ...]
    n_groups: int

    def threshold(self, level: float = 0.05) -> float:
        """LOD that a share `level` of genomes without a QTL exceeds somewhere.

        Parameters
        ----------
        level
            Error rate over the genome.
        """
        open_unit(level, "level")
        return float(np.quantile(self.largest_lod, 1.0 - level, method="higher"))

    def p_value(self, lod: float) -> float:
        """Share of genomes without a QTL that reach a LOD, the observed one counted among them.

        Parameters
        ----------
        lod
            Observed.
        """
        reached = int((self.largest_lod >= lod).sum())
        return (1 + reached) / (1 + self.largest_lod.size)


def permutation_scan(
    genome: Genome,
    phenotype: ArrayLike,
    design: Design | None = None,
    *,
    kinship: Choice | ArrayLike = "loco",
    within: Sequence[object] | None = None,
    n: int = 1000,
    criterion: Criterion = "reml",
    rng: RandomSource = 0,
) -> Permutations:
    """Largest LODs of one trait after its residuals were exchanged between lines.

    What the covariates and the kinship explain is taken out first: residuals are whitened by the
    symmetric root of their covariance, so that each still belongs to its line, exchanged within
    groups, coloured again, and tested beside the covariates, at the same variance share. All
    chromosomes see the same exchanges.

    Parameters
    ----------
    genome, phenotype, design, kinship, criterion
        As of `scan`; one trait.
    within
        Group of every line, such as its batch; None: all lines are one group.
    n
        Number of permutations.
    rng
        Seed.
    """
    y = phenotype_matrix(phenotype)
    if y.shape[1] != 1:
        raise ValueError(f"phenotype has {y.shape[1]} columns; permute one trait at a time")
    if n < 1:
        raise ValueError(f"n = {n}; expected at least one permutation")
    covariates = no_covariates(genome.n_lines) if design is None else design
    require_lines(genome, y, covariates)
    nulls = [row[0] for row in null_models(genome, y, covariates, kinship, criterion, ("trait",))]
    groups = _groups(within, genome.n_lines, nulls[0].rotation.rows)
    orders = permuted_orders(groups, n, rng)
    pairs = zip(genome.probabilities, nulls, strict=True)
    lods = np.stack([_largest(block, null, orders) for block, null in pairs], axis=1)
    count = int(np.unique(groups).size)
    return Permutations(lods.max(axis=1), lods, genome.chromosome, count)


def permuted_orders(groups: IntArray, n: int, rng: RandomSource) -> IntArray:
    """Orders (n, lines) that exchange lines within their groups only.

    Parameters
    ----------
    groups
        Group of every line (lines,).
    n
        Number of orders.
    rng
        Seed.
    """
    generator = as_generator(rng)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    out = np.empty((n, groups.size), dtype=np.int64)
    for r in range(n):
        for lines in members:
            out[r, lines] = generator.permutation(lines)
    return out


def _groups(within: Sequence[object] | None, n_lines: int, rows: IntArray) -> IntArray:
    if within is None:
        return np.zeros(rows.size, dtype=np.int64)
    labels: NDArray[Any] = np.asarray([str(label) for label in within])
    if labels.size != n_lines:
        raise ValueError(f"within has {labels.size} labels; expected {n_lines}, one per line")
    groups = np.unique(labels[rows], return_inverse=True)[1].astype(np.int64)
    if np.bincount(groups).max() < 2:
        raise ValueError("within has one line per group; nothing can be exchanged; use fewer")
    return groups


def _largest(block: Probabilities, null: NullModel, orders: IntArray) -> FloatArray:
    """Largest LOD (n,) of every permutation on one chromosome."""
    rotated = null.rotation
    own = null.error if rotated.vectors is None else rotated.vectors @ null.error
    exchanged = rotated.turned(own[orders].T)
    exchanged = exchanged - null.basis @ (null.basis.T @ exchanged)
    total = (exchanged**2).sum(axis=0)
    targets = np.ascontiguousarray((null.weight[:, None] * exchanged).T)
    largest = np.zeros(orders.shape[0])
    for _where, Z in chunks(rotated, block):
        T, _rank = whitened([null], Z)
        B = (targets @ Z.reshape(Z.shape[0], -1)).reshape(-1, *Z.shape[1:])
        largest_explained(T[0], B, largest)
    left = np.maximum(1.0 - largest / total, np.finfo(np.float64).eps)
    return np.asarray(-0.5 * null.n_lines * np.log10(left))
