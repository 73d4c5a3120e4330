"""Named pieces of work that show where the method spends its time."""

from __future__ import annotations

import numpy as np

from refsolve.core.check import FloatArray
from refsolve.core.workload import Workload
from refsolve.methods.lmm_scan.estimator.permutation import permutation_scan
from refsolve.methods.lmm_scan.estimator.scan import scan
from refsolve.methods.lmm_scan.model.design import Design, design
from refsolve.methods.lmm_scan.model.genome import Genome
from refsolve.methods.lmm_scan.model.kinship import loco_kinship

NUMBER = 8  # bytes
FOUNDERS, CHROMOSOMES, BATCHES = 8, 5, 4
LENGTH = 100.0  # cM
CROSSOVERS = 7.0  # per line and chromosome
CERTAIN = 0.99


def workloads() -> list[Workload]:
    """Kinship, ten traits, and permutations of one trait.

    Returns
    -------
    Workloads of at most a few seconds.
    """
    return [_kinship(300, 4000), _scan(300, 4000, 10), _permutations(300, 4000, 1000)]


def population(n_lines: int, n_positions: int, seed: int = 0) -> Genome:
    """Mosaics of eight founders that are known nearly for certain, on five chromosomes.

    Parameters
    ----------
    n_lines, n_positions
        How many lines, and positions on all chromosomes.
    seed
        Of the mosaics.
    """
    rng = np.random.default_rng(seed)
    place = np.linspace(0.0, LENGTH, n_positions // CHROMOSOMES)
    blocks = tuple(_mosaics(n_lines, place, rng) for _ in range(CHROMOSOMES))
    return Genome(blocks, (place,) * CHROMOSOMES)


def measurements(genome: Genome, n_traits: int, seed: int = 1) -> tuple[FloatArray, Design]:
    """Traits (n, T), the first with a QTL on the first chromosome, and batches.

    Parameters
    ----------
    genome
        Founder probabilities.
    n_traits, seed
        How many, and of the noise.
    """
    rng = np.random.default_rng(seed)
    batch = rng.integers(0, BATCHES, genome.n_lines)
    y = rng.standard_normal((genome.n_lines, n_traits)) + 0.5 * batch[:, None]
    y[:, 0] += genome.at("1", genome.probabilities[0].shape[1] // 3)[:, 2]
    return y, design(genome.n_lines, categorical={"batch": batch.tolist()})


def _mosaics(n_lines: int, place: FloatArray, rng: np.random.Generator) -> FloatArray:
    out = np.empty((n_lines, place.size, FOUNDERS))
    for i in range(n_lines):
        breaks = np.sort(rng.uniform(0.0, LENGTH, rng.poisson(CROSSOVERS)))
        founder = rng.integers(0, FOUNDERS, breaks.size + 1)[np.searchsorted(breaks, place)]
        out[i] = rng.uniform(0.5, 1.5, (place.size, FOUNDERS))
        out[i] *= (1.0 - CERTAIN) / (out[i].sum(axis=1, keepdims=True))
        out[i, np.arange(place.size), founder] += CERTAIN
    return out


def _kinship(n: int, m: int) -> Workload:
    genome = population(n, m)
    return Workload(
        name=f"kinships of {n} lines, one chromosome left out, {m} positions",
        run=lambda: loco_kinship(genome),
        flops=float(n * n * m * FOUNDERS),
        bytes=float(NUMBER * n * m * FOUNDERS),
        unit="positions",
        items=m,
    )


def _scan(n: int, m: int, traits: int) -> Workload:
    genome = population(n, m)
    y, batches = measurements(genome, traits)
    kinships = loco_kinship(genome)
    k = FOUNDERS - 1
    turning = 2.0 * n * n * k * m
    weighing = 2.0 * n * m * traits * (k * (k + 1) / 2 + k * (BATCHES + 1))
    return Workload(
        name=f"scan of {traits} traits, {n} lines, {m} positions",
        run=lambda: scan(genome, y, batches, kinship=kinships),
        flops=turning + weighing,
        bytes=float(NUMBER * n * m * FOUNDERS),
        unit="tests",
        items=m * traits,
    )


def _permutations(n: int, m: int, count: int) -> Workload:
    genome = population(n, m)
    y, batches = measurements(genome, 1)
    kinships = loco_kinship(genome)
    k = FOUNDERS - 1
    return Workload(
        name=f"{count} permutations of a trait, {n} lines, {m} positions",
        run=lambda: permutation_scan(genome, y, batches, kinship=kinships, n=count),
        flops=2.0 * n * m * k * (n + count),
        bytes=float(NUMBER * n * m * FOUNDERS),
        unit="genome scans",
        items=count,
    )
