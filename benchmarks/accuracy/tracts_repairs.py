"""Repairs of tracts: clean cases that are repaired, and artefacts that are found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.options import Options
from benchmarks.report import NO_TARGET, Report, Table, Verdict
from benchmarks.shares import wilson
from refsolve.contract.discovery import find_problem
from refsolve.contract.generating import draw
from refsolve.core.rng import spawn
from refsolve.methods.tracts import (
    Tracts,
    exchanged,
    infer_inversions,
    repair_islands,
    repair_labels,
)
from refsolve.methods.tracts.simulate import simulate_tracts

CASES, REPLICATES = 500, 200
SEED = 500
FALSE = 0.01
THRESHOLD = 3.0
OTHERS = (2.0, 1.8, 1.5, 1.5, 1.2, 1.0)
LENGTHS = (0.6, 1.2, 2.4)
DISTANCES = (0.1, 0.2, 0.3, 0.4)
TIME = 6.0

Knobs = Mapping[str, Any]
NO_ARTEFACT: Knobs = {"islands": 0, "inverted": 0, "odd": 0}
CLEAN: dict[str, Knobs] = {
    "clean": {"clean": True},
    "clean, ratios not drawn apart": {"clean": True, "separated": False},
    "gaps, poor true calls": NO_ARTEFACT,
    "22 chromosomes, gaps, poor true calls, not drawn apart": {
        **NO_ARTEFACT, "chromosomes": 22, "separated": False,
    },
}  # fmt: skip
SPOILT: dict[str, Knobs] = {
    "1 island": {"islands": 1},
    "2 islands": {"islands": 2},
    "8 islands": {},
    "20 islands": {"islands": 20},
    "8 islands, posteriors near 1": {"posterior": "saturated"},
    "8 islands, shares near 0": {"low_complexity": "saturated"},
    "8 islands of 3 to 8 cM": {"island_shortest": 0.03, "island_longest": 0.08},
}


@dataclass(frozen=True, slots=True)
class FalseRow:
    """Cases without artefacts.

    Attributes
    ----------
    cases_are
        What was generated with `admixture_pulse`.
    repair
        Islands, or labels.
    cases, repaired, share, low, high
        Cases, those with any repair, their share and its Wilson interval, 95 %.
    verdict
        Share below 1 %; no target for labels that chance leaves unidentified, since the threshold
        of the problem is a log-likelihood ratio and no error rate.
    """

    cases_are: str
    repair: str
    cases: int
    repaired: int
    share: float
    low: float
    high: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class FoundRow:
    """Cases with islands.

    Attributes
    ----------
    cases_are
        What was generated with `admixture_pulse`, otherwise at its defaults.
    cases, exact, share, low, high
        Cases, those with as many islands found as were made, share and Wilson interval.
    verdict
        No target.
    """

    cases_are: str
    cases: int
    exact: int
    share: float
    low: float
    high: float
    verdict: Verdict = NO_TARGET


@dataclass(frozen=True, slots=True)
class PowerRow:
    """One inverted chromosome among others of 1 to 2 Morgans, two haplotypes, time 6.

    Attributes
    ----------
    length, distance
        Of the inverted chromosome in Morgans, and of both A fractions from 1/2 (one above, one
        below).
    replicates, found, low, high
        Simulated pairs, share with a ratio above 3, and its Wilson interval.
    not_identified
        Share with a ratio from -3 to 3.
    wrong
        Share with any other chromosome exchanged.
    verdict
        No target.
    """

    length: float
    distance: float
    replicates: int
    found: float
    low: float
    high: float
    not_identified: float
    wrong: float
    verdict: Verdict = NO_TARGET


def run(options: Options) -> Report:
    """Measure false repairs, islands found, and inversions found."""
    cases = options.replicates or (20 if options.quick else CASES)
    replicates = options.replicates or (20 if options.quick else REPLICATES)
    false = [
        row for name, knobs in CLEAN.items() for row in _false_rows(name, knobs, cases, options)
    ]
    found = [
        _found_row(name, knobs, max(cases // 5, 10), options) for name, knobs in SPOILT.items()
    ]
    power = [_power_row(x, d, replicates, options) for d in DISTANCES for x in LENGTHS]
    tables = [
        Table("false", "repairs of cases without artefacts", false),
        Table("islands", "cases in which every island is found, and nothing else", found),
        Table("labels", "one inverted chromosome", power),
    ]
    return Report(tables)


def _false_rows(name: str, knobs: Knobs, cases: int, options: Options) -> list[FalseRow]:
    tasks = [(SEED + k, dict(knobs)) for k in range(cases)]
    repaired = np.array(list(options.map_(_repairs, tasks)))
    rows = []
    for column, repair in enumerate(("islands", "labels")):
        count = int((repaired[:, column] > 0).sum())
        low, high = wilson(count, cases)
        share = count / cases
        verdict = Verdict("met" if share < FALSE else "missed", f"{share:.1%}, below {FALSE:.0%}")
        if repair == "labels" and not knobs.get("separated", True):
            verdict = NO_TARGET
        rows.append(FalseRow(name, repair, cases, count, share, max(low, 0.0), high, verdict))
    return rows


def _found_row(name: str, knobs: Knobs, cases: int, options: Options) -> FoundRow:
    tasks = [(SEED + k, dict(knobs)) for k in range(cases)]
    exact = sum(found == made for found, _, made in options.map_(_repairs, tasks))
    return FoundRow(name, cases, exact, exact / cases, *wilson(exact, cases))


def _repairs(task: tuple[int, dict[str, Any]]) -> tuple[int, int, int]:
    """Islands found, chromosomes exchanged, and islands made."""
    made = draw(find_problem("admixture_pulse"), *task)
    calls, chart = made.tables["segments"], made.tables["map_info"]
    quality = {"posterior": "posterior", "low_complexity": "low_complexity_frac"}
    tracts = Tracts(
        calls["hap"].factorize()[0],
        calls["chrom"].map({c: k for k, c in enumerate(chart["chrom"])}).to_numpy(),
        calls["start_morgan"].to_numpy(),
        calls["end_morgan"].to_numpy(),
        (calls["anc"] == "B").to_numpy(np.int64),
        chart["length_morgan"].to_numpy(),
        **{name: calls[column].to_numpy() for name, column in quality.items()},
    )
    islands = repair_islands(tracts)
    ratio = repair_labels(islands.tracts, threshold=THRESHOLD).log_ratio
    tied = infer_inversions(islands.tracts).tied
    inverted = 0 if tied else int((ratio > THRESHOLD).sum())
    return islands.n_islands, inverted, int(made.latent["islands"])


def _power_row(length: float, distance: float, n: int, options: Options) -> PowerRow:
    tasks = [(length, distance, seed) for seed in spawn(SEED, n)]
    ratio = np.array(list(options.map_(_ratios, tasks)))
    found = int((ratio[:, 0] > THRESHOLD).sum())
    unsure = float((np.abs(ratio[:, 0]) <= THRESHOLD).mean())
    wrong = float((ratio[:, 1:] > THRESHOLD).any(axis=1).mean())
    return PowerRow(length, distance, n, found / n, *wilson(found, n), unsure, wrong)


def _ratios(task: tuple[float, float, np.random.SeedSequence]) -> list[float]:
    length, distance, seed = task
    made = simulate_tracts(
        time=TIME, fraction=[0.5 - distance, 0.5 + distance], lengths=[length, *OTHERS],
        n_haplotypes=2, convention="coalescent", rng=np.random.default_rng(seed),
    )  # fmt: skip
    tracts = Tracts(**made.observed)
    inverted = np.arange(tracts.n_chromosomes) == 0
    ratio: list[float] = repair_labels(exchanged(tracts, inverted)).log_ratio.tolist()
    return ratio
