"""Selection and dominance of wright_fisher estimated together, against the truth."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.report import Verdict, within
from benchmarks.shares import smallest_bias_seen, smallest_share_seen, wilson
from refsolve.core.rng import spawn
from refsolve.methods.wright_fisher import Samples, fit_dominance, simulate_trajectory
from refsolve.parallel import Mapper

SEED = 21
SELECTION, DOMINANCE = 0.2, 0.2
SIZES = (4000.0,) * 61
GENERATION = tuple(range(0, 61, 10))
READS, START = 200, 0.1
BAND = (0.93, 0.97)


@dataclass(frozen=True, slots=True)
class DominanceRow:
    """One parameter of the joint fit; M = 4,000, 60 generations, 7 × 200 reads, start 0.1.

    Attributes
    ----------
    parameter, truth, replicates
        What is estimated.
    bias, bias_seen, rmse
        Mean error, the one that is found with 80 % power, and root mean squared error.
    coverage, low, high, coverage_seen
        Share of 95 % intervals that hold the truth, its Wilson interval, and the deviation that is
        found with 80 % power.
    at_bound
        Share of fits with the flag.
    cpu
        Seconds per fit, median.
    verdict
        Of the coverage.
    """

    parameter: str
    truth: float
    replicates: int
    bias: float
    bias_seen: float
    rmse: float
    coverage: float
    low: float
    high: float
    coverage_seen: float
    at_bound: float
    cpu: float
    verdict: Verdict


def dominance_rows(n: int, map_: Mapper) -> list[DominanceRow]:
    """Joint fits of n data sets.

    Parameters
    ----------
    n, map_
        Number of data sets, and mapper over them.
    """
    found = sorted(map_(_fit, enumerate(spawn(SEED, n))))
    table = np.array(found, dtype=float)
    at_bound, cpu = float(table[:, 7].mean()), float(np.median(table[:, 8]))
    return [
        _row("s", SELECTION, table[:, 1:4], at_bound, cpu),
        _row("h", DOMINANCE, table[:, 4:7], at_bound, cpu),
    ]


def _fit(task: tuple[int, np.random.SeedSequence]) -> tuple[float, ...]:
    index, seed = task
    data = simulate_trajectory(
        selection=SELECTION, h=DOMINANCE, ploidy="diploid", sizes=SIZES, generation=GENERATION,
        total=READS, start_frequency=START, rng=np.random.default_rng(seed),
    )  # fmt: skip
    start = time.process_time()
    fit = fit_dominance(Samples(**data.observed), data.sizes)
    cpu = time.process_time() - start
    return (index, fit.s, *fit.s_interval, fit.h, *fit.h_interval, float(fit.at_bound), cpu)


def _row(name: str, truth: float, found: np.ndarray, at_bound: float, cpu: float) -> DominanceRow:
    estimate, low, high = found.T
    n, error = len(found), estimate - truth
    held = int(np.sum((low <= truth) & (truth <= high)))
    bounds = wilson(held, n)
    return DominanceRow(
        name,
        truth,
        n,
        float(error.mean()),
        smallest_bias_seen(float(error.std(ddof=1)), n),
        float(np.sqrt(np.mean(error**2))),
        held / n,
        *bounds,
        smallest_share_seen(0.95, n),
        at_bound,
        cpu,
        within(bounds, held / n, *BAND),
    )
