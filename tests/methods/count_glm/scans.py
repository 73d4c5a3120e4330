"""A small scan, its genotypes, and `map_cis` over it."""

from __future__ import annotations

from functools import cache
from typing import Any

from refsolve.methods.count_glm import (
    CisMap,
    Genotypes,
    ScanDesign,
    SimulatedScan,
    make_genotypes,
    map_cis,
    simulate_scan,
)


@cache
def data() -> SimulatedScan:
    return simulate_scan(ScanDesign(genes=6, variants=12, donors=60, batches=3), rng=3)


def source(scan: SimulatedScan | None = None, **other: Any) -> Genotypes:
    d = data() if scan is None else scan
    dosage = other.pop("dosage", d.genotypes)
    return make_genotypes(dosage, d.variant_chromosome, d.variant_position, **other)


def run(
    scan: SimulatedScan | None = None, genotypes: Genotypes | None = None, **other: Any
) -> CisMap:
    d = data() if scan is None else scan
    options = {
        "gene_chromosome": d.gene_chromosome, "gene_position": d.gene_position,
        "exposure": d.exposure, "ambient": d.ambient, "least_copies": 3,
        "family": "negative_binomial",
    } | other  # fmt: skip
    covariates = options.pop("covariates", d.covariates)
    counts = options.pop("counts", d.counts)
    return map_cis(counts, source(d) if genotypes is None else genotypes, covariates, **options)
