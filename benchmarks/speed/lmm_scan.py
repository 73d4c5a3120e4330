"""Speed of lmm_scan: kinship, scans of one and ten traits, permutations, and a published peer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.options import Options
from benchmarks.report import Report, Table
from benchmarks.speed._rows import Published, published_rows, speed_row
from refsolve.core.blas import one_blas_thread
from refsolve.methods.lmm_scan import (
    Genome,
    effects_along,
    fit_null,
    loco_kinship,
    permutation_scan,
    scan,
)
from refsolve.methods.lmm_scan.workloads import measurements, population

LINES, POSITIONS, SMALL, TRAITS, PERMUTATIONS = 500, 20_000, 5_000, 10, 1_000
KINSHIP = "kinships of 500 lines × 20,000 positions, one chromosome left out"
KINSHIP_SMALL = "kinships of 500 lines × 5,000 positions, one chromosome left out"
ONE = "scan of 1 trait with batches, 20,000 positions"
TEN = "scan of 10 traits with batches, 20,000 positions"
SINGLE = "scan of 10 traits with batches, 20,000 positions, single-precision probabilities"
EXACT = "exact scan of 1 trait, 1,000 positions"
PERMUTED = "1,000 permutations of 1 trait within batches, 20,000 positions"
PERMUTED_SMALL = "1,000 permutations of 1 trait within batches, 5,000 positions"
EFFECTS = "shrunken founder effects with standard errors, 100 positions"
TARGETS = {KINSHIP: 2.5, TEN: 12.5}  # CPU seconds
MEASURED, HUNDREDFOLD = "measured", "10 permutations measured, linear in their number"
EACH = "1 position measured, linear in their number"
PUBLISHED = (  # R/qtl2 0.43-5
    Published(KINSHIP, "calc_kinship(type = 'loco')", 20.3, MEASURED, KINSHIP),
    Published(KINSHIP_SMALL, "calc_kinship(type = 'loco')", 5.0, MEASURED, KINSHIP_SMALL),
    Published(ONE, "scan1(kinship = loco)", 9.2, MEASURED, ONE),
    Published(TEN, "scan1(kinship = loco)", 85.2, MEASURED, TEN),
    Published(PERMUTED_SMALL, "scan1perm(kinship = loco)", 1850.0, HUNDREDFOLD, PERMUTED_SMALL),
    Published(EFFECTS, "scan1blup(se = TRUE)", 12.0, EACH, EFFECTS),
)
NOTES = [
    "kinships and eigenvectors: the scans include the eigenvectors and not the kinships",
    "the peer was measured earlier on comparable cores and is not run again",
]


def run(options: Options) -> Report:
    repeats = 1 if options.quick else 3
    with one_blas_thread():
        rows = [
            speed_row(name, work, repeats, TARGETS.get(name)) for name, work in workloads().items()
        ]
    return Report(
        tables=[
            Table("workloads", "CPU seconds, one thread, compilation apart", rows),
            Table("peers", "published peer, CPU seconds", published_rows(PUBLISHED, rows)),
        ],
        notes=NOTES,
    )


def workloads() -> dict[str, Callable[[], object]]:
    """What is timed."""
    large, small = population(LINES, POSITIONS), population(LINES, SMALL)
    half = Genome(tuple(b.astype(np.float32) for b in large.probabilities), large.position)
    y, batches = measurements(large, TRAITS)
    groups = (batches.matrix @ np.arange(1.0, batches.matrix.shape[1] + 1.0)).tolist()
    wide, near = loco_kinship(large), loco_kinship(small)
    few = Genome((large.probabilities[0][:, :1000],), (large.position[0][:1000],))
    null = fit_null(y[:, 0], batches, wide[0])

    def permuted(genome: Genome, kinships: np.ndarray) -> object:
        return permutation_scan(
            genome, y[:, 0], batches, kinship=kinships, within=groups, n=PERMUTATIONS
        )

    return {
        KINSHIP: lambda: loco_kinship(large),
        KINSHIP_SMALL: lambda: loco_kinship(small),
        ONE: lambda: scan(large, y[:, 0], batches, kinship=wide),
        TEN: lambda: scan(large, y, batches, kinship=wide),
        SINGLE: lambda: scan(half, y, batches, kinship=wide),
        EXACT: lambda: scan(few, y[:, 0], batches, kinship=wide[0], exact=True),
        PERMUTED_SMALL: lambda: permuted(small, near),
        PERMUTED: lambda: permuted(large, wide),
        EFFECTS: lambda: effects_along(
            null, few.probabilities[0][:, 400:500], few.position[0][400:500]
        ),
    }
