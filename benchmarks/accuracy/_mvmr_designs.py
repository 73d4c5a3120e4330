"""Designs of the mvmr study, and what every estimator says about one locus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from refsolve.core.errors import AnalysisError
from refsolve.core.rng import spawn
from refsolve.methods.mvmr import (
    Design,
    EffectFit,
    Summary,
    fit_gls,
    fit_liml,
    fit_pleiotropy,
    fit_robust,
    marginal_instruments,
    simulate_locus,
)
from refsolve.parallel import Mapper

AT_ONCE = 25  # replicates of one task
FEWEST = 6  # instruments with which a locus is analysed

Estimator = Callable[[Summary], tuple[EffectFit, str]]

ESTIMATORS: dict[str, Estimator] = {
    "GLS": lambda data: (fit_gls(data), ""),
    "LIML": lambda data: (fit_liml(data), ""),
    "LIML, additive": lambda data: (fit_liml(data, overdispersion="additive"), ""),
    "robust GLS": lambda data: (fit_robust(data), ""),
    "direct effects": lambda data: _beside(data),
}


@dataclass(frozen=True, slots=True)
class Study:
    """A kind of locus and the estimator that is meant for it.

    Attributes
    ----------
    name, seed
        What it is called, and the seed of its replicates.
    design
        Of the simulator.
    meant
        Estimator whose coverage must lie in the band.
    """

    name: str
    seed: int
    design: Design
    meant: str


@dataclass(frozen=True, slots=True)
class Said:
    """What one estimator said about one locus.

    Attributes
    ----------
    estimator
        Its name.
    theta, se, low, high
        Of both exposures.
    shape
        Of the direct effects that it found, where it looks for them.
    """

    estimator: str
    theta: tuple[float, ...]
    se: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    shape: str


@dataclass(frozen=True, slots=True)
class Replicate:
    """One locus.

    Attributes
    ----------
    index
        Of the replicate.
    instruments, strength
        How many, and their conditional F.
    affected
        Whether an instrument has a direct effect.
    said
        One per estimator.
    cpu
        Seconds of all fits.
    """

    index: int
    instruments: int
    strength: float
    affected: bool
    said: tuple[Said, ...]
    cpu: float


def studies() -> list[Study]:
    """Strong and weak instruments, balanced direct effects, and a few large ones of both shapes."""
    return [
        Study("strong: 20,000 people, no direct effects", 1, Design(), "direct effects"),
        Study("weak: 1,500 people, conditional F about 6", 2,
              Design(n_exposure=(4000, 1500)), "LIML, additive"),
        Study("balanced: direct effects of all variants, spread through LD", 3,
              Design(balanced=1.0, direct_shape="ld"), "LIML, additive"),
        Study("variant: two direct effects on their own variants", 4,
              Design(n_direct=2, direct_effect=0.08), "direct effects"),
        Study("ld: two direct effects that spread through LD", 5,
              Design(n_direct=2, direct_effect=0.08, direct_shape="ld"), "direct effects"),
    ]  # fmt: skip


def _beside(data: Summary) -> tuple[EffectFit, str]:
    found = fit_pleiotropy(data)
    return found.fit, found.shape


def replicates(study: Study, n: int, map_: Mapper) -> list[Replicate]:
    """Fits of n loci, in their order, the same for every mapper.

    Parameters
    ----------
    study, n
        What to simulate, and how often.
    map_
        Mapper over groups of replicates.
    """
    seeds = spawn(study.seed, n)
    tasks = [(study, i, seeds[i : i + AT_ONCE]) for i in range(0, n, AT_ONCE)]
    found = [row for rows in map_(_fit_all, tasks) for row in rows]
    return sorted(found, key=lambda row: row.index)


def _fit_all(task: tuple[Study, int, Sequence[np.random.SeedSequence]]) -> list[Replicate]:
    study, first, seeds = task
    rows = [_fit(study, first + i, seed) for i, seed in enumerate(seeds)]
    return [row for row in rows if row is not None]


def _fit(study: Study, index: int, seed: np.random.SeedSequence) -> Replicate | None:
    locus = simulate_locus(study.design, rng=np.random.default_rng(seed))
    try:
        chosen = marginal_instruments(locus.exposure_beta[0], locus.exposure_se[0]).index
    except AnalysisError:
        return None
    if chosen.size < FEWEST:
        return None
    whole = Summary(
        locus.exposure_beta[1], locus.exposure_se[1], locus.outcome_beta, locus.outcome_se,
        locus.ld_panel, locus.exposure_correlation,
    )  # fmt: skip
    data = whole.select(chosen)
    start = time.process_time()
    said = tuple(_say(name, estimator, data) for name, estimator in ESTIMATORS.items())
    return Replicate(
        index,
        data.n_variants,
        fit_gls(data).conditional_f,
        bool(np.isin(chosen, locus.direct_index).any()),
        said,
        time.process_time() - start,
    )


def _say(name: str, estimator: Estimator, data: Summary) -> Said:
    fit, shape = estimator(data)
    low, high = fit.interval.T
    return Said(name, *(tuple(map(float, part)) for part in (fit.theta, fit.se, low, high)), shape)


def all_studies(n: int, map_: Mapper) -> Iterator[tuple[Study, list[Replicate]]]:
    """Every study with its fits."""
    for study in studies():
        yield study, replicates(study, n, map_)
