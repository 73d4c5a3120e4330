"""Experiments of the pseudobulk study, and what every test says about one of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refsolve.methods.pseudobulk import (
    CellDesign,
    ExpressionTest,
    SimulatedCells,
    adjust_fdr,
    cell_test,
    estimate_dispersions,
    filter_genes,
    fit_quasi,
    likelihood_ratio_test,
    log2_cpm,
    moderated_test,
    normalise,
    quasi_test,
    simulate_cells,
    size_factors,
    voom_test,
    wald_test,
)

AT_ONCE = 5  # replicates of one task
LEVEL, FDR = 0.05, 0.05
CALIBRATED = "quasi-likelihood F"
CELLS = {"cells, rank sum": "rank_sum", "cells, t": "t"}
Matrix = NDArray[np.float64]

DONOR_TESTS: dict[str, Callable[[Matrix, Matrix, Matrix], ExpressionTest]] = {
    CALIBRATED: lambda y, x, n: quasi_test(fit_quasi(y, x, n)),
    "likelihood ratio": lambda y, x, n: likelihood_ratio_test(
        y, x, n, estimate_dispersions(y, x, n).tagwise
    ),
    "voom moderated t": voom_test,
    "moderated t of log counts": lambda y, x, n: moderated_test(log2_cpm(y, n), x),
    "posterior Wald": lambda y, x, _: wald_test(y, x, size_factors(y)),
}


@dataclass(frozen=True, slots=True)
class Study:
    """A kind of experiment.

    Attributes
    ----------
    name, seed
        What it is called, and the seed of its replicates.
    design
        Of the simulator.
    """

    name: str
    seed: int
    design: CellDesign


def _cells(**changes: Any) -> CellDesign:
    return CellDesign(**{"cells": 60, "genes": 300, "depth": 3000.0, **changes})


NULL = (
    Study("3 and 5 donors", 1, _cells(donors=(3, 5))),
    Study("3 and 5 donors, 600 cells", 7, _cells(donors=(3, 5), cells=600)),
    Study("6 and 6 donors", 2, _cells(donors=(6, 6))),
    Study("two batches", 3, _cells(donors=(6, 6), batches=2, confounding=0.3)),
    Study("5 pairs", 4, _cells(donors=(5, 5), paired=True)),
    Study("strong donors", 5, _cells(donors=(5, 5), donor_dispersion=0.3)),
    Study("shared factor", 6, _cells(donors=(5, 5), factor_spread=0.3)),
)
CHANGED = (
    Study("3 and 5 donors", 11, _cells(donors=(3, 5), changed=0.1)),
    Study("6 and 6 donors", 12, _cells(donors=(6, 6), changed=0.1)),
    Study("5 pairs", 14, _cells(donors=(5, 5), paired=True, changed=0.1)),
)


@dataclass(frozen=True, slots=True)
class Said:
    """What one test says about one experiment, over its tested genes.

    Attributes
    ----------
    test
        Its name.
    below
        Share of the genes with p below the level.
    covered
        Share of the intervals that hold the truth; NaN without intervals.
    power
        Share of the genes that differ among those found at the false discovery rate.
    false
        Share of those found that do not differ; zero where none is found.
    """

    test: str
    below: float
    covered: float
    power: float
    false: float


@dataclass(frozen=True, slots=True)
class Replicate:
    """One experiment: genes tested, CPU seconds, and what all tests say."""

    tested: int
    cpu: float
    said: tuple[Said, ...] = field(repr=False)


def replicate(study: Study, rng: np.random.Generator) -> Replicate:
    """Simulate an experiment and test it in every way."""
    data = simulate_cells(study.design, rng=rng)
    start = time.process_time()
    y, x = data.sums, matrix(data)
    kept = filter_genes(y, x).kept
    y, truth = np.ascontiguousarray(y[kept]), data.log2_change[kept]
    library = normalise(y).effective
    said = []
    for name, test in DONOR_TESTS.items():
        found = test(y, x, library)
        inside = (found.interval[:, 0] <= truth) & (truth <= found.interval[:, 1])
        said.append(_said(name, found.p, found.q, truth, float(inside.mean())))
    said += [_cells_said(name, data, kept, truth) for name in CELLS]
    return Replicate(int(kept.sum()), time.process_time() - start, tuple(said))


def matrix(data: SimulatedCells) -> Matrix:
    """Intercept, donors of pairs or batches, and the condition last."""
    blocks = data.donor if data.design.paired else data.batch
    levels = np.unique(blocks)[1:]
    others = np.equal.outer(blocks, levels).astype(np.float64)
    return np.column_stack([np.ones(blocks.size), others, data.condition])


def _cells_said(name: str, data: SimulatedCells, kept: Any, truth: Matrix) -> Said:
    dense = np.asarray(data.counts.toarray(), np.float64)
    values = np.log1p(1e4 * dense / np.maximum(dense.sum(axis=1, keepdims=True), 1.0))
    p = cell_test(values[:, kept], data.condition[data.sample] == 1, CELLS[name])
    return _said(name, p, adjust_fdr(p), truth, float("nan"))


def _said(name: str, p: Matrix, q: Matrix, truth: Matrix, covered: float) -> Said:
    found, real = q < FDR, truth != 0
    return Said(
        name,
        float(np.nanmean(p < LEVEL)),
        covered,
        float(found[real].mean()) if real.any() else float("nan"),
        float((found & ~real).sum() / max(found.sum(), 1)),
    )
