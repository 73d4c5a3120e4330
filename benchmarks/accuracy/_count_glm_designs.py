"""Simulated genes of the count_glm study, and what every fit says about one of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refsolve.methods.count_glm import (
    CountDesign,
    Exposure,
    SimulatedCounts,
    ambient_exposure,
    covariate_test,
    fit_counts,
    fit_donors,
    simulate_counts,
)

AT_ONCE = 25  # replicates of one task
TRUTH = 0.35
Array = NDArray[np.float64]

RIGHT = ("additive, quasi", "donor intercepts")


@dataclass(frozen=True, slots=True)
class Study:
    """A kind of gene.

    Attributes
    ----------
    name, seed
        What it is called, and the seed of its replicates.
    design
        Of the simulator.
    estimated
        Contamination is estimated from the marker, not known.
    cells
        Cells are fitted too.
    grouped
        The technical group is a covariate.
    """

    name: str
    seed: int
    design: CountDesign
    estimated: bool = False
    cells: bool = False
    grouped: bool = True


FEW = CountDesign(donors=100, cells=20)
SMALL = CountDesign(donors=24, cells=40, batches=4)
TINY = CountDesign(donors=16, cells=60, batches=2)
LEANING = CountDesign(donors=100, cells=20, effect=0.0, confounding=0.6, group_rho=0.15)

EFFECTS = (
    Study("100 donors", 1, FEW, cells=True),
    Study("100 donors, estimated contamination", 2, replace(FEW, rho=0.2), estimated=True),
    Study("24 donors, 5 coefficients", 3, SMALL),
    Study("16 donors, 3 coefficients", 4, TINY),
    Study("100 donors, 5 counts each", 5, replace(FEW, rate=5e-5, ambient_share=2e-4)),
)
NULLS = (
    Study("100 donors", 11, replace(FEW, effect=0.0), cells=True),
    Study("100 donors, genotype follows contamination", 12, LEANING, grouped=False),
    Study(
        "100 donors, genotype follows estimated contamination",
        13,
        LEANING,
        estimated=True,
        grouped=False,
    ),
    Study("24 donors, 5 coefficients", 14, replace(SMALL, effect=0.0)),
)


@dataclass(frozen=True, slots=True)
class Said:
    """What one fit says: effect, standard error, ends of its interval, p value of no effect."""

    fit: str
    effect: float
    se: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class Replicate:
    """One gene: CPU seconds, and what all fits say."""

    cpu: float
    said: tuple[Said, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Donors:
    """Totals of donors, the genotype last among the covariates, and the gene in its cells."""

    y: Array
    x: Array
    exposure: Exposure
    data: SimulatedCounts
    rho: Array


def _subtracted(d: Donors) -> Any:
    return fit_counts(np.maximum(d.y - d.exposure.ambient, 0.0), d.x, d.exposure.native)


FITS: dict[str, Callable[[Donors], Any]] = {
    "naive": lambda d: fit_counts(d.y, d.x, d.exposure.total),
    "subtracted": _subtracted,
    "additive, quasi": lambda d: fit_counts(d.y, d.x, d.exposure),
    "additive, negative binomial": lambda d: fit_counts(
        d.y, d.x, d.exposure, family="negative_binomial"
    ),
    "additive, quasi-Poisson": lambda d: fit_counts(d.y, d.x, d.exposure, family="quasi_poisson"),
    "additive, Poisson": lambda d: fit_counts(d.y, d.x, d.exposure, family="poisson"),
    "donor intercepts": lambda d: fit_donors(d.y, d.x, d.exposure, np.arange(d.y.size)),
    "donor intercepts, ML": lambda d: fit_donors(
        d.y, d.x, d.exposure, np.arange(d.y.size), spread="ml"
    ),
}


def replicate(study: Study, rng: np.random.Generator) -> Replicate:
    """Simulate a gene whose covariates tell its genotype, and fit it in every way."""
    while True:
        data = simulate_counts(study.design, rng=rng)
        others = data.covariates if study.grouped else np.ones((data.rho.size, 1))
        x = np.column_stack([others, data.genotype]).astype(np.float64)
        if np.linalg.matrix_rank(x) == x.shape[1]:
            break
    start = time.process_time()
    donors = _donors(data, x, study.estimated)
    said = [_fitted(name, fit(donors)) for name, fit in FITS.items()]
    if study.cells:
        said += _of_cells(donors)
    said += [_score(name, donors, how) for name, how in SCORES.items()]
    return Replicate(time.process_time() - start, tuple(said))


SCORES: dict[str, Any] = {
    "score test, quasi": {"family": "quasi_native"},
    "score test, negative binomial": {"family": "negative_binomial"},
    "likelihood ratio, negative binomial": {
        "family": "negative_binomial",
        "method": "likelihood_ratio",
    },
}


def _donors(data: SimulatedCounts, x: Array, estimated: bool) -> Donors:
    total, design = data.of_donors(data.total), data.design
    expected = total * design.marker_share
    rho = np.minimum(data.marker / expected, 0.9) if estimated else data.rho
    error = np.sqrt(np.maximum(data.marker, 1)) / expected if estimated else 0.0
    exposure = ambient_exposure(total, rho, design.ambient_share, rho_se=error)
    return Donors(data.of_donors(data.y), x, exposure, data, np.asarray(rho))


def _of_cells(d: Donors) -> list[Said]:
    donor, y = d.data.donor, d.data.y.astype(np.float64)
    exposure = ambient_exposure(d.data.total, d.rho[donor], d.data.design.ambient_share)
    wrong = fit_counts(y, d.x[donor], exposure, family="negative_binomial")
    robust = fit_counts(
        y, d.x[donor], exposure,
        family="negative_binomial", dispersion=wrong.dispersion, cluster=donor,
    )  # fmt: skip
    return [_fitted("cells as replicates", wrong), _fitted("cells, robust errors", robust)]


def _fitted(name: str, fit: Any) -> Said:
    one = fit.row(fit.names[-1])
    return Said(name, one.effect, one.se, one.low, one.high, one.p)


def _score(name: str, d: Donors, how: dict[str, Any]) -> Said:
    test = covariate_test(d.y, d.x[:, :-1], d.exposure, d.x[:, -1], **how)
    nan = float("nan")
    return Said(name, test.effect, test.se, nan, nan, test.p)
