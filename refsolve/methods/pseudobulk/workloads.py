"""Named pieces of work that show where the method spends its time."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from refsolve.core.check import FloatArray
from refsolve.core.workload import Workload
from refsolve.methods.pseudobulk.estimator.aggregation import aggregate
from refsolve.methods.pseudobulk.estimator.dispersion import estimate_dispersions
from refsolve.methods.pseudobulk.estimator.pipeline import differential_expression
from refsolve.methods.pseudobulk.model.regression import GRID

EXPONENTIAL, LOGARITHM, LOG_GAMMA = 16.0, 24.0, 60.0  # operations of one
EVALUATIONS = 2.5  # of a fit, from its neighbour on the grid
DOUBLE = 8


def workloads() -> list[Workload]:
    """Sums of cells, dispersions, and the whole comparison of two conditions.

    Returns
    -------
    Workloads of at most a few seconds.
    """
    return [_sums(20_000, 20_000, 960), _dispersions(4000, 40), _comparison(4000, 40)]


def _sums(cells: int, genes: int, per_cell: int) -> Workload:
    rng = np.random.default_rng(1)
    places = np.sort(rng.integers(0, genes, (cells, per_cell), np.int32), axis=1)
    values = rng.integers(1, 9, cells * per_cell).astype(np.float32)
    starts = np.arange(0, cells * per_cell + 1, per_cell, dtype=np.int32)
    matrix = csr_array((values, places.ravel(), starts), shape=(cells, genes))
    donor = rng.integers(0, 40, cells)
    return Workload(
        name=f"sums of {cells} cells by donor",
        run=lambda: aggregate(matrix, {"donor": donor}),
        flops=2.0 * values.size,
        bytes=float(values.size * 8 + 40 * genes * DOUBLE),
        unit="values",
        items=values.size,
    )


def _counts(genes: int, samples: int) -> tuple[FloatArray, FloatArray]:
    rng, at = np.random.default_rng(2), np.arange(samples)
    x = np.column_stack([np.ones(samples), *(at % 4 == k for k in (1, 2, 3)), at // 4 % 2])
    rate = 100.0 * np.exp(rng.normal(0.0, 1.5, (genes, 1)) + rng.normal(0.0, 0.3, samples))
    y = rng.poisson(rate * rng.gamma(8.0, 0.125, (genes, samples)))
    return y.astype(np.float64), x.astype(np.float64)


def _operations(genes: int, x: FloatArray) -> float:
    """Of the profiles of all genes: means, scores, information, likelihoods."""
    n, p = x.shape
    used = float((x != 0).sum())
    pairs = float((((x != 0).sum(axis=1) * ((x != 0).sum(axis=1) + 1)) / 2).sum())
    evaluation = n * (EXPONENTIAL + 12.0) + 4.0 * used + 2.0 * pairs + p**3 / 3.0 + 2.0 * p**2
    likelihood = n * (LOGARITHM + LOG_GAMMA + 8.0) + 2.0 * pairs + p**3 / 3.0
    return float(genes * GRID.size * (EVALUATIONS * evaluation + likelihood))


def _dispersions(genes: int, samples: int) -> Workload:
    y, x = _counts(genes, samples)
    library = y.sum(axis=0)
    return Workload(
        name=f"dispersions of {genes} genes, {samples} donors",
        run=lambda: estimate_dispersions(y, x, library),
        flops=_operations(genes, x),
        bytes=float(y.size * DOUBLE + genes * GRID.size * DOUBLE),
        unit="genes",
        items=genes,
    )


def _comparison(genes: int, samples: int) -> Workload:
    y, x = _counts(genes, samples)
    return Workload(
        name=f"quasi-likelihood comparison of {genes} genes, {samples} donors",
        run=lambda: differential_expression(y, x),
        flops=1.3 * _operations(genes, x),
        bytes=float(y.size * DOUBLE),
        unit="genes",
        items=genes,
    )
