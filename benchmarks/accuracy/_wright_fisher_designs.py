"""Simulated designs of wright_fisher and the fits of their replicates."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from refsolve.core.rng import spawn
from refsolve.methods.wright_fisher import (
    Calibration,
    Samples,
    SimulatedSeries,
    calibrate,
    fit_selection,
    log_likelihood,
    simulate_trajectory,
)
from refsolve.parallel import Mapper

AT_ONCE = 20  # replicates in one task
NULL = 3999  # neutral data sets of a calibration
NEUTRAL = 100  # added to the seed of a design for its neutral replicates
LEVEL, CHI_SQUARED = 0.05, 3.841459
BOUNDS = (-0.5, 1.0)
JUDGED = 3  # designs that must meet the targets; those after them are hard


@dataclass(frozen=True, slots=True)
class Design:
    """How data are made; the start is uniform over counts unless a frequency is given.

    Attributes
    ----------
    name
        Short description.
    seed
        Of all replicates of this design.
    selection
        True coefficient (haploid fitness 1 + s).
    sizes, generation, total, e_da, e_ad, start_frequency
        As of the simulator.
    """

    name: str
    seed: int
    selection: float
    sizes: tuple[float, ...]
    generation: tuple[int, ...]
    total: int
    e_da: float = 0.0
    e_ad: float = 0.0
    start_frequency: float | None = None

    @property
    def drift(self) -> float:
        """Generations from first to last sample in units of the size."""
        return sum(1.0 / size for size in self.sizes[1:])


@dataclass(frozen=True, slots=True)
class Replicate:
    """What one calibrated fit said.

    Attributes
    ----------
    index
        Of the replicate.
    s, low, high, at_bound, flat, error
        Estimate, calibrated interval, flags, and numerical error at the estimate.
    lrt, lrt_truth
        Likelihood-ratio statistics of s = 0 and of the true s; chi-squared judges by these.
    p_value
        Of s = 0, calibrated.
    absorbed
        The true path was lost or fixed at the last sample.
    cpu
        Seconds of the fit.
    """

    index: int
    s: float
    low: float
    high: float
    lrt: float
    lrt_truth: float
    p_value: float
    at_bound: bool
    flat: bool
    absorbed: bool
    error: float
    cpu: float


def designs(selected: bool) -> list[Design]:
    """Small, medium and large populations; then two where many paths are lost or fixed.

    Parameters
    ----------
    selected
        With selection, or neutral.
    """
    s = (0.05, 0.02, 0.02, 0.03, 0.05, 0.03) if selected else (0.0,) * 6
    seed = 0 if selected else NEUTRAL
    every_30, error = (0, 30, 60, 90, 120), {"e_da": 0.004, "e_ad": 0.02}
    every_20 = (0, 20, 40, 60, 80, 100)
    medium = Design(
        "medium: M = 2000, 800, 4000, error, 5 × 40 reads",
        seed + 2, s[1], _pieces(2000, 800, 4000), every_30, 40, **error,
    )  # fmt: skip
    bottleneck = Design(
        "bottleneck: M = 1000, 200, 2000, error, 5 × 40 reads",
        seed + 6, s[5], _pieces(1000, 200, 2000), every_30, 40, **error,
    )  # fmt: skip
    return [
        Design("small: M = 150, 5 × 200 reads", seed + 1, s[0], (150.0,) * 17,
               (0, 4, 8, 12, 16), 200),
        medium,
        Design("large: M = 20,000, 6 × 60 reads", seed + 3, s[2], (20000.0,) * 101, every_20, 60),
        replace(bottleneck, name="bottleneck, every path starts at 0.2", seed=seed + 4,
                selection=s[3], start_frequency=0.2),
        Design("strong drift: M = 100, 5 × 200 reads", seed + 5, s[4], (100.0,) * 41,
               (0, 10, 20, 30, 40), 200),
        bottleneck,
    ]  # fmt: skip


def _pieces(first: float, second: float, third: float) -> tuple[float, ...]:
    return (float(first),) * 41 + (float(second),) * 40 + (float(third),) * 40


def simulate(design: Design, seed: np.random.SeedSequence) -> SimulatedSeries:
    """One data set of a design."""
    return simulate_trajectory(
        selection=design.selection, sizes=design.sizes, generation=design.generation,
        total=design.total, e_da=design.e_da, e_ad=design.e_ad,
        start_frequency=design.start_frequency, rng=np.random.default_rng(seed),
    )  # fmt: skip


def replicates(design: Design, n: int, map_: Mapper) -> list[Replicate]:
    """Fits of n data sets, in their order, the same for every mapper.

    Parameters
    ----------
    design, n
        What to simulate, and how often.
    map_
        Mapper over groups of replicates.
    """
    seeds, null = spawn(design.seed, n), calibration(neutral_twin(design))
    tasks = [(design, null, i, seeds[i : i + AT_ONCE]) for i in range(0, n, AT_ONCE)]
    found = [row for rows in map_(fit_all, tasks) for row in rows]
    return sorted(found, key=lambda row: row.index)


def neutral_twin(design: Design) -> Design:
    """All that null statistics depend on: neither selection nor the true start.

    Parameters
    ----------
    design
        A design, selected or neutral.
    """
    return replace(design, selection=0.0, start_frequency=None, seed=design.seed % NEUTRAL)


@cache
def calibration(design: Design) -> Calibration:
    """Null statistics of a neutral design.

    Parameters
    ----------
    design
        What is sampled when.
    """
    return calibrate(
        samples_of(design), design.sizes, bounds=BOUNDS, n=NULL, rng=NULL + design.seed
    )


def samples_of(design: Design) -> Samples:
    """Samples of a design, no read of which shows the derived allele.

    Parameters
    ----------
    design
        What is sampled when.
    """
    total = np.full(len(design.generation), design.total)
    rates = {"e_da": design.e_da, "e_ad": design.e_ad}
    return Samples(design.generation, np.zeros_like(total), total, **rates)


Task = tuple[Design, Calibration, int, Sequence[np.random.SeedSequence]]


def fit_all(task: Task) -> list[Replicate]:
    """Fits of neighbouring replicates.

    Parameters
    ----------
    task
        Design, calibration, first index, and seeds.
    """
    design, null, first, seeds = task
    return [_fit(design, null, first + i, seed) for i, seed in enumerate(seeds)]


def _fit(design: Design, null: Calibration, index: int, seed: np.random.SeedSequence) -> Replicate:
    data = simulate(design, seed)
    samples = Samples(**data.observed)
    start = time.process_time()
    fit = fit_selection(samples, data.sizes, bounds=BOUNDS, calibration=null)
    cpu = time.process_time() - start
    truth = log_likelihood(samples, data.sizes, design.selection).log_likelihood
    return Replicate(
        index=index,
        s=fit.s,
        low=fit.interval[0],
        high=fit.interval[1],
        lrt=fit.lrt,
        lrt_truth=2.0 * (fit.log_likelihood - float(truth[0])),
        p_value=fit.p_value,
        at_bound=fit.at_bound,
        flat=fit.flat,
        absorbed=bool(data.path[data.generation.max()] in (0.0, 1.0)),
        error=fit.discretisation_error,
        cpu=cpu,
    )


def column(rows: Sequence[Replicate], name: str) -> np.ndarray:
    """One field of all replicates."""
    return np.array([getattr(row, name) for row in rows])


def all_designs(n: int, map_: Mapper) -> Iterator[tuple[Design, list[Replicate]]]:
    """Every design, selected and neutral, with its fits; a fifth as many of the hard ones."""
    for selected in (True, False):
        for i, design in enumerate(designs(selected)):
            yield design, replicates(design, n if i < JUDGED else n // 5, map_)
