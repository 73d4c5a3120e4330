"""Replicates of the ambient study: contamination, states, groups of donors, and droplets."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refsolve.core.rng import spawn
from refsolve.methods.ambient import (
    DropletDesign,
    call_droplets,
    call_states,
    donor_contamination,
    donor_groups,
    shrink_contamination,
    simulate_droplets,
)
from refsolve.parallel import Mapper

Array = NDArray[np.float64]
MARKER = 0.02
AT_ONCE = 20  # replicates of one task


class Task(NamedTuple):
    """Replicates of one kind and design."""

    kind: str
    design: str
    part: int
    seeds: list[np.random.SeedSequence]


class Donors(NamedTuple):
    """Error of each donor's contamination, and whether its interval holds the truth."""

    error: Array
    inside: Array


def contamination(
    rng: np.random.Generator, empty_counts: float, donor_counts: float
) -> dict[str, Donors]:
    """Sixteen donors, by maximum likelihood without and with the profile's error, and shrunk."""
    rho = rng.gamma(4.0, 0.025, 16)
    total = donor_counts * rng.gamma(4.0, 0.25, 16)
    share = max(rng.poisson(empty_counts * MARKER), 1) / empty_counts
    se = np.sqrt(share * (1.0 - share) / empty_counts)
    marker = rng.poisson(rho * total * MARKER).astype(float)
    out = {}
    for name, error in (("profile taken as known", 0.0), ("with the profile's error", se)):
        fit = donor_contamination(marker, np.maximum(total, marker), np.arange(16), share,
                                  share_se=error)  # fmt: skip
        out[name] = Donors(fit.rho - rho, (fit.low <= rho) & (rho <= fit.high))
    shrunk = shrink_contamination(fit.observed, fit.expected, relative_se=se / share)
    out["shrunk"] = Donors(shrunk.rho - rho, (shrunk.low <= rho) & (rho <= shrunk.high))
    pooled = fit.observed.sum() / fit.expected.sum()
    out["one for all"] = Donors(pooled - rho, np.zeros(16, bool))
    return out


CONTAMINATION: dict[str, tuple[float, float]] = {
    "many empty droplets, shallow donors": (2e6, 5e4),
    "many empty droplets, deep donors": (2e6, 5e5),
    "few empty droplets, deep donors": (5e4, 5e5),
}

DONORS: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "normal": lambda rng, n: 0.15 + 0.02 * rng.standard_normal(n),
    "uniform": lambda rng, n: 0.05 + 0.25 * rng.random(n),
    "gamma": lambda rng, n: rng.gamma(4.0, 0.03, n),
    "log-normal": lambda rng, n: 0.08 * rng.lognormal(0.0, 0.5, n),
    "no contamination": lambda rng, n: np.zeros(n),
    "0.10 against 0.25, spread 0.02": lambda rng, n: _two(rng, n, 0.10, 0.25, 0.02),
    "0.12 against 0.24, spread 0.02": lambda rng, n: _two(rng, n, 0.12, 0.24, 0.02),
    "0.14 against 0.22, spread 0.01": lambda rng, n: _two(rng, n, 0.14, 0.22, 0.01),
}
ONE_GROUP = list(DONORS)[:5]


def _normal_states(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    active = rng.random(n) < 0.03
    return 10.0 + 4.0 * rng.standard_normal(n) + 24.0 * active, active.astype(float)


SCORES: dict[str, Callable[[np.random.Generator, int], tuple[Array, Array]]] = {
    "Poisson": lambda rng, n: (rng.poisson(3.0, n), np.zeros(n)),
    "gamma": lambda rng, n: (rng.gamma(0.5, 10.0, n), np.zeros(n)),
    "log-normal": lambda rng, n: (rng.lognormal(1.0, 1.0, n), np.zeros(n)),
    "negative binomial": lambda rng, n: (rng.negative_binomial(1, 0.05, n), np.zeros(n)),
    "Student, 3 degrees": lambda rng, n: (5.0 * rng.standard_t(3, n), np.zeros(n)),
    "even, 0 to 20": lambda rng, n: (rng.uniform(0.0, 20.0, n), np.zeros(n)),
    "35 % active, 4 against 30 counts": lambda rng, n: _states(rng, n, 0.35, 30.0),
    "10 % active, 4 against 30 counts": lambda rng, n: _states(rng, n, 0.10, 30.0),
    "3 % active, 4 against 40 counts": lambda rng, n: _states(rng, n, 0.03, 40.0),
    "3 % active, 6 deviations of either": _normal_states,
    "90 % active, 4 against 30 counts": lambda rng, n: _states(rng, n, 0.90, 30.0),
    "35 % active, 4 against 20 counts": lambda rng, n: _states(rng, n, 0.35, 20.0),
}
ONE_STATE = list(SCORES)[:6]


def _two(rng: np.random.Generator, n: int, low: float, high: float, spread: float) -> Array:
    return np.where(np.arange(n) % 2, high, low) + spread * rng.standard_normal(n)


def _states(rng: np.random.Generator, n: int, share: float, high: float) -> tuple[Array, Array]:
    active = rng.random(n) < share
    rate = np.where(active, high, 4.0) * rng.gamma(40.0, 0.025, n)
    return rng.poisson(rate) - rng.random(n), active.astype(float)


def replicate(task: Task) -> tuple[Task, list[object]]:
    """What each replicate of a task says."""
    return task, [_one(task, np.random.default_rng(seed)) for seed in task.seeds]


def _one(task: Task, rng: np.random.Generator) -> object:
    if task.kind == "contamination":
        return contamination(rng, *CONTAMINATION[task.design])
    if task.kind == "groups":
        n = 24
        rho = np.clip(DONORS[task.design](rng, n), 0.0, 1.0)
        expected = 2000.0  # marker counts of a donor, were all its RNA ambient
        seen = rng.poisson(rho * expected) / expected
        se = np.sqrt(np.maximum(seen * expected, 1.0)) / expected
        found = donor_groups(np.minimum(seen, 1.0), se, most=2, draws=1000)
        truth = np.arange(n) % 2
        return found.n_groups > 1, bool((found.code == truth).all())
    if task.kind == "states":
        score, active = SCORES[task.design](rng, 1500)
        call = call_states(score)
        return call.bimodal, bool(np.mean(call.active == active) > 0.95)
    data = simulate_droplets(
        DropletDesign(cells=60, empties=1500, genes=200, depth=400.0, type_spread=1.0), rng=rng
    )
    found = call_droplets(data.counts, draws=2000, rng=rng)
    small = (data.totals[:60] < 5 * 100) & (data.totals[:60] >= 100)
    return int(found.cell[60:].sum()), int(found.cell[:60][small].sum()), int(small.sum())


def all_replicates(n: int, few: int, map_: Mapper) -> dict[tuple[str, str], list[object]]:
    """Replicates by kind and design; `few` of the droplets, which take longest."""
    kinds = [("contamination", k, n) for k in CONTAMINATION]
    kinds += [("groups", k, n) for k in DONORS] + [("states", k, n) for k in SCORES]
    kinds.append(("droplets", "cells of 100 to 500 counts", few))
    tasks = []
    for k, (kind, design, times) in enumerate(kinds):
        seeds = spawn(100 + k, times)
        parts = range(0, times, AT_ONCE)
        tasks += [Task(kind, design, at, seeds[at : at + AT_ONCE]) for at in parts]
    done = sorted(
        map_(replicate, tasks), key=lambda pair: (pair[0].kind, pair[0].design, pair[0].part)
    )
    out: dict[tuple[str, str], list[object]] = {(kind, design): [] for kind, design, _ in kinds}
    for task, found in done:
        out[task.kind, task.design] += found
    return out
