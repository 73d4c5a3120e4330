"""Small populations for the tests."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from refsolve.methods.lmm_scan import (
    Design,
    Genome,
    design,
    loco_kinship,
    simulate_mosaics,
    simulate_trait,
)


class Population(NamedTuple):
    genome: Genome
    y: np.ndarray
    batch: np.ndarray
    covariates: Design
    x: np.ndarray  # with the intercept
    kinships: np.ndarray


@cache
def population(
    n: int = 60, founders: int = 4, seed: int = 1, families: int = 8, effect: float = 1.5
) -> Population:
    """Three chromosomes, families, four batches, and a QTL at index 5 of the second chromosome."""
    lines = simulate_mosaics(
        n_lines=n,
        n_founders=founders,
        lengths=[40.0, 40.0, 30.0],
        step=4.0,
        families=families,
        blur=0.05,
        rng=seed,
    )
    genome = Genome(**lines.observed)
    batch = np.random.default_rng(seed).integers(0, 4, n)
    own = np.zeros(founders)
    own[1] = effect
    trait = simulate_trait(
        n_lines=n,
        qtl=[genome.at("2", 5)],
        effects=[own],
        kinship=loco_kinship(genome)[1],
        polygenic=0.8,
        batch=batch,
        batch_effects=(0.0, 1.0, -1.0, 0.5),
        residual=0.6,
        rng=seed,
    )
    covariates = design(n, categorical={"batch": batch.tolist()})
    x = np.column_stack([np.ones(n), covariates.matrix])
    return Population(genome, trait.phenotype, batch, covariates, x, loco_kinship(genome))
