"""The null distribution of the test of neutrality: when chi-squared is good enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.accuracy._wright_fisher_designs import (
    BOUNDS,
    Design,
    calibration,
    designs,
    neutral_twin,
    samples_of,
)
from benchmarks.options import Options
from benchmarks.shares import wilson
from refsolve.methods.wright_fisher import calibrate

# Chromosomes and generations of a series of designs with growing drift, and reads per sample.
GROWING = ((2000, 20), (1000, 40), (400, 40), (200, 40), (100, 40), (100, 80))
READS, SEED, SIMULATED = 200, 41, 1999


@dataclass(frozen=True, slots=True)
class NullRow:
    """One design under neutrality.

    Attributes
    ----------
    design, drift
        What was simulated, and the sum of 1/M over its generations.
    simulated
        Neutral data sets.
    chi_squared_rejects, low, high
        Share that the chi-squared test rejects at 5 %, and its Wilson interval.
    threshold, threshold_low, threshold_high
        Simulated 95 % quantile of the statistic, and its 95 % interval; chi-squared has 3.84.
    error
        Numerical error of a statistic.
    """

    design: str
    drift: float
    simulated: int
    chi_squared_rejects: float
    low: float
    high: float
    threshold: float
    threshold_low: float
    threshold_high: float
    error: float


def null_rows(options: Options) -> list[NullRow]:
    """The designs of the study, and a series with growing drift.

    Parameters
    ----------
    options
        Whether to be quick.
    """
    n = 199 if options.quick else SIMULATED
    twins = dict.fromkeys(neutral_twin(d) for d in designs(False) if d.start_frequency is None)
    return [_row(design, None) for design in twins] + [_row(d, n) for d in _growing()]


def _growing() -> Iterator[Design]:
    for i, (size, generations) in enumerate(GROWING):
        times = tuple(range(0, generations + 1, generations // 4))
        name = f"M = {size:,}, {generations} generations, 5 × {READS} reads"
        yield Design(name, SEED + i, 0.0, (float(size),) * (generations + 1), times, READS)


def _row(design: Design, n: int | None) -> NullRow:
    if n is None:
        null = calibration(design)
    else:
        null = calibrate(samples_of(design), design.sizes, bounds=BOUNDS, n=n, rng=design.seed)
    rejects = null.type_one
    return NullRow(
        design.name,
        design.drift,
        null.lrt.size,
        rejects,
        *wilson(round(rejects * null.lrt.size), null.lrt.size),
        null.threshold,
        *null.threshold_interval,
        null.discretisation_error,
    )
