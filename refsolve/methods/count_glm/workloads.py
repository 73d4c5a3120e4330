"""Named pieces of work that show where the method spends its time."""

from __future__ import annotations

import numpy as np

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.workload import Workload
from refsolve.methods.count_glm.estimator.mapping import map_cis
from refsolve.methods.count_glm.estimator.mixed import fit_donors
from refsolve.methods.count_glm.estimator.regression import fit_counts
from refsolve.methods.count_glm.model.exposure import Exposure, ambient_exposure
from refsolve.methods.count_glm.model.variants import make_genotypes

LOGARITHM, EVALUATION = 24.0, 30.0  # operations of a logarithm, of the rest of one row and node
GRADIENTS, MODES, NODES = 30, 5, 10  # of a search; steps to a mode; of the quadrature
FITS, STEPS = 8, 4  # of a dispersion; scoring steps of each
JOINT = 9  # steps of coefficients and dispersion together
DOUBLE = 8


def workloads() -> list[Workload]:
    """Donor totals, donors with intercepts on totals, and on cells; genes and their variants.

    Returns
    -------
    Workloads of at most a few seconds.
    """
    return [_totals(200, 100), _collapsed(100, 200), _cells(100, 200), _scan(200, 200)]


def _data(donors: int, cells: int) -> tuple[FloatArray, FloatArray, Exposure, IntArray]:
    rng = np.random.default_rng(1)
    donor = np.repeat(np.arange(donors), cells)
    g, batch = rng.binomial(2, 0.3, donors), np.arange(donors) % 5
    x = np.column_stack([np.ones(donors), g, *(batch == b for b in range(1, 5))])[donor]
    rho, total = rng.gamma(4.0, 0.025, donors)[donor], np.exp(rng.normal(8.0, 0.4, donor.size))
    exposure = ambient_exposure(total, rho, 1e-3)
    rate = np.exp(-8.0 + 0.3 * g + 0.35 * rng.standard_normal(donors))[donor]
    y = rng.poisson(exposure.ambient + exposure.native * rate).astype(np.float64)
    return y, x.astype(np.float64), exposure, donor


def _totals(genes: int, donors: int) -> Workload:
    y, x, exposure, donor = _data(donors, 50)
    sums, totals = np.bincount(donor, y), exposure.totals(donor, donors)
    rows = np.ascontiguousarray(x[::50])

    def run() -> None:
        for _ in range(genes):
            fit_counts(sums, rows, totals, family="negative_binomial")
            fit_counts(sums, rows, totals)

    p = x.shape[1]
    step = donors * (EVALUATION + 2.0 * LOGARITHM + p * (p + 1.0))
    return Workload(
        name=f"two dispersions of {genes} genes, {donors} donors",
        run=run,
        flops=2.0 * genes * FITS * STEPS * step,
        bytes=float(genes * donors * DOUBLE * (p + 3)),
        unit="genes",
        items=genes,
    )


def _collapsed(donors: int, cells: int) -> Workload:
    y, x, exposure, donor = _data(donors, cells)
    evaluation = donors * (MODES + NODES) * (EVALUATION + LOGARITHM)
    return Workload(
        name=f"intercepts of {donors} donors from totals of {y.size} cells",
        run=lambda: fit_donors(y, x, exposure, donor),
        flops=GRADIENTS * evaluation + y.size * (x.shape[1] ** 2 + LOGARITHM),
        bytes=float(y.size * DOUBLE * (x.shape[1] + 5)),
        unit="cells",
        items=y.size,
    )


def _cells(donors: int, cells: int) -> Workload:
    y, x, exposure, donor = _data(donors, cells)
    evaluation = y.size * (MODES * EVALUATION + NODES * (EVALUATION + 2.0 * LOGARITHM))
    return Workload(
        name=f"intercepts of {donors} donors and a dispersion on {y.size} cells",
        run=lambda: fit_donors(y, x, exposure, donor, family="negative_binomial", spread="ml"),
        flops=GRADIENTS * evaluation,
        bytes=float(GRADIENTS * y.size * DOUBLE * (x.shape[1] + 4)),
        unit="cells",
        items=y.size,
    )


def _scan(genes: int, variants: int, donors: int = 100) -> Workload:
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(donors), rng.standard_normal((donors, 8))])
    library = np.exp(rng.normal(14.0, 0.3, donors))
    mean = np.exp(rng.normal(-10.0, 1.0, (genes, 1))) * library
    y = rng.poisson(mean * rng.gamma(5.0, 0.2, mean.shape))
    dosage = rng.binomial(2, 0.3, (genes * variants, donors)).astype(np.int8)
    place = 1_000_000 * np.arange(genes)
    at = np.repeat(place, variants) + np.tile(np.arange(variants), genes)
    known = make_genotypes(dosage, "1", at)
    where = {"gene_chromosome": ["1"] * genes, "gene_position": place, "window": 1000}
    p = x.shape[1]
    step = donors * (EVALUATION + 3.0 * LOGARITHM + 4.0 * p * (p + 1.0))
    return Workload(
        name=f"{genes * variants} score tests of {genes} genes, {donors} donors",
        run=lambda: map_cis(y, known, x, exposure=library, **where),  # type: ignore[arg-type]
        flops=genes * (2.0 * JOINT * step + variants * donors * 2.0 * (p + 3.0)),
        bytes=float(genes * donors * (DOUBLE + variants)),
        unit="tests",
        items=genes * variants,
    )
