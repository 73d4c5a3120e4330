"""Simulated designs of wright_fisher and the fits of their replicates."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from refsolve.core.rng import spawn
from refsolve.methods.wright_fisher import Samples, fit_selection, simulate_trajectory
from refsolve.parallel import Mapper

AT_ONCE = 20  # replicates in one task
BOUNDS = (-0.5, 1.0)
CHANGING = (1000.0,) * 41 + (200.0,) * 40 + (2000.0,) * 40


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


@dataclass(frozen=True, slots=True)
class Replicate:
    """What one fit said; `reject` at 5 %, `cpu` in seconds."""

    index: int
    s: float
    low: float
    high: float
    reject: bool
    at_bound: bool
    flat: bool
    error: float
    cpu: float


def designs(selection: bool) -> list[Design]:
    """Small, medium and large populations, selected or neutral."""
    s, more = ((0.05, 0.03, 0.02, 0.03), 0) if selection else ((0.0, 0.0, 0.0, 0.0), 10)
    every_20 = tuple(range(0, 101, 20))
    error = {"e_da": 0.004, "e_ad": 0.02}
    return [
        Design("small: M = 100, 5 × 200 reads", 1 + more, s[0], (100.0,) * 41,
               (0, 10, 20, 30, 40), 200),
        Design("medium: M = 1000, 200, 2000, directional error, 5 × 40 reads", 2 + more, s[1],
               CHANGING, (0, 30, 60, 90, 120), 40, **error),
        Design("large: M = 20,000, 6 × 60 reads", 3 + more, s[2], (20000.0,) * 101, every_20, 60),
        Design("medium, but every path starts at 0.2", 4 + more, s[3],
               CHANGING, (0, 30, 60, 90, 120), 40, **error, start_frequency=0.2),
    ]  # fmt: skip


def replicates(design: Design, n: int, map_: Mapper) -> list[Replicate]:
    """Fits of n data sets, in their order, the same for every mapper.

    Parameters
    ----------
    design, n
        What to simulate, and how often.
    map_
        Mapper over groups of replicates.
    """
    seeds = spawn(design.seed, n)
    tasks = [(design, i, seeds[i : i + AT_ONCE]) for i in range(0, n, AT_ONCE)]
    found = [row for rows in map_(_fit_all, tasks) for row in rows]
    return sorted(found, key=lambda row: row.index)


def _fit_all(task: tuple[Design, int, Sequence[np.random.SeedSequence]]) -> list[Replicate]:
    design, first, seeds = task
    return [_fit(design, first + i, seed) for i, seed in enumerate(seeds)]


def _fit(design: Design, index: int, seed: np.random.SeedSequence) -> Replicate:
    data = simulate_trajectory(
        selection=design.selection, sizes=design.sizes, generation=design.generation,
        total=design.total, e_da=design.e_da, e_ad=design.e_ad,
        start_frequency=design.start_frequency, rng=np.random.default_rng(seed),
    )  # fmt: skip
    start = time.process_time()
    fit = fit_selection(Samples(**data.observed), data.sizes, bounds=BOUNDS)
    cpu = time.process_time() - start
    return Replicate(
        index,
        fit.s,
        *fit.interval,
        bool(fit.p_value < 0.05),
        fit.at_bound,
        fit.flat,
        fit.discretisation_error,
        cpu,
    )


def column(rows: Sequence[Replicate], name: str) -> np.ndarray:
    """One field of all replicates."""
    return np.array([getattr(row, name) for row in rows])


def all_designs(n: int, map_: Mapper) -> Iterator[tuple[Design, list[Replicate]]]:
    for selected in (True, False):
        for design in designs(selected):
            yield design, replicates(design, n, map_)
