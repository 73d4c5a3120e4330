"""Accuracy of founder_hmm: clean data that stay clean, flips that are found, calibration, error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy._founder_hmm_designs import (
    Data,
    Found,
    Population,
    Reconstructed,
    reconstructed,
    repaired,
)
from benchmarks.figures import Dots, dots
from benchmarks.options import Options
from benchmarks.report import NO_TARGET, Report, Table, Verdict, at_most
from benchmarks.shares import smallest_bias_seen, wilson
from refsolve.core.rng import spawn

SEED = 700
CLEAN_SETS, OTHER_SETS, FLIPPED_SETS, BRED = 500, 200, 60, 4
FALSE, EXACT = 0.01, 0.95
CALIBRATION = 0.02  # of the mean probability of the truth

CLEAN = (
    Data("clean"),
    Data("clean, few lines and markers", lines=50, markers=30),
    Data("clean, two near-identical founders", twins=0.05),
    Data("clean, 5 % errors", error=0.05),
    Data("clean, two markers of noise", noise=2),
)
SPOILT = (
    Data("5 % flipped", flipped=0.05),
    Data("10 % flipped", flipped=0.1),
    Data("5 % flipped, near-identical founders", flipped=0.05, twins=0.05),
    Data("run of 4", run=4),
    Data("run of 8", run=8),
    Data("5 % flipped, 5 % errors", flipped=0.05, error=0.05),
    Data("5 % flipped, 15 % of founder calls missing", flipped=0.05, founder_missing=0.15),
    Data("5 % flipped, 50 lines x 60 markers", flipped=0.05, lines=50, markers=30),
    Data("5 % flipped, 4 founders", flipped=0.05, founders=4),
    Data("5 % flipped, 16 founders", flipped=0.05, founders=16),
)
POPULATIONS = (
    Population("RILs of 2, selfing", "self", 2),
    Population("RILs of 4, selfing", "self", 4),
    Population("RILs of 8, selfing", "self", 8),
    Population("RILs of 8, selfing, order averaged", "self", 8, "order unknown"),
    Population("RILs of 8, selfing, exchangeable", "self", 8, "exchangeable"),
    Population("RILs of 16, selfing", "self", 16),
    Population("RILs of 8, sib mating", "sib", 8),
    Population("RILs of 8, 15 % of founder calls missing", "self", 8, founder_missing=0.15),
    Population(
        "the same as R/qtl2 takes them", "self", 8, founder_missing=0.15, unknown="peer"
    ),
    Population("intercross of 2, pairs", "intercross", 2),
    Population("heterogeneous stock of 8, pairs", "intercross", 8, lines=20),
    Population("Diversity Outbred, pairs", "outbred", 8, lines=20),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FalseRow:
    """Data sets in which no marker is exchanged.

    Attributes
    ----------
    design, sets
        What was simulated, and how often.
    touched, share, low, high
        Sets in which a marker was exchanged, their share, and its Wilson interval, 95 %.
    error_bias, bias_seen
        Mean error of the estimated genotyping error, and the one that this number of sets finds
        with 80 % power.
    true_error, expansion, cpu
        Mean share of wrong calls, mean changes per Morgan, and mean CPU seconds of a repair.
    verdict
        Share of touched sets below 1 %.
    """

    design: str
    sets: int
    touched: int
    share: float
    low: float
    high: float
    error_bias: float
    bias_seen: float
    true_error: float
    expansion: float
    cpu: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class FoundRow:
    """Data sets with exchanged markers.

    Attributes
    ----------
    design, sets
        What was simulated, and how often.
    made, right, false
        Exchanged markers of all sets, those found, and others exchanged.
    exact, low, high
        Share of sets in which all is right, and its Wilson interval.
    cpu
        Mean CPU seconds of a repair.
    verdict
        Share of exact sets.
    """

    design: str
    sets: int
    made: int
    right: int
    false: int
    exact: float
    low: float
    high: float
    cpu: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class PopulationRow:
    """Reconstruction at the true error, 200 markers on each of two Morgans.

    Attributes
    ----------
    population, replicates
        What was bred, and how often.
    right, truth
        Share of places whose most likely state is the true one, and mean probability of the truth.
    expected
        What the latter would be, were the probabilities exact.
    sure, sure_right
        Share of places with a probability of at least 0.95, and of true ones there.
    verdict
        Difference of both means.
    """

    population: str
    replicates: int
    right: float
    truth: float
    expected: float
    sure: float
    sure_right: float
    verdict: Verdict


def run(options: Options) -> Report:
    """Measure false repairs, power, calibration and the bias of the error."""
    sets = [CLEAN_SETS] + [OTHER_SETS] * (len(CLEAN) - 1)
    clean = [options.replicates or (10 if options.quick else n) for n in sets]
    flipped = options.replicates or (5 if options.quick else FLIPPED_SETS)
    bred = options.replicates or (2 if options.quick else BRED)
    false = [false_row(d, _repairs(d, k, clean[k], options)) for k, d in enumerate(CLEAN)]
    found = [
        found_row(d, _repairs(d, k + len(CLEAN), flipped, options)) for k, d in enumerate(SPOILT)
    ]
    kinds = [_population_row(population, min(bred, BRED), options) for population in POPULATIONS]
    tables = [
        Table("false", "data sets without exchanged markers", false),
        Table("flips", "data sets with exchanged markers", found),
        Table("populations", "founders of several populations", kinds),
    ]
    return Report(tables, [], figure(false, found))


def _repairs(data: Data, number: int, n: int, options: Options) -> list[Found]:
    tasks = [(k, data, seed) for k, seed in enumerate(spawn(SEED + number, n))]
    return sorted(options.map_(repaired, tasks), key=lambda found: found.number)


def false_row(data: Data, found: Sequence[Found]) -> FalseRow:
    n, touched = len(found), sum(one.false > 0 for one in found)
    low, high = wilson(touched, n)
    error = np.array([one.error - one.true_error for one in found])
    share = touched / n
    return FalseRow(
        design=data.name,
        sets=n,
        touched=touched,
        share=share,
        low=max(low, 0.0),
        high=high,
        error_bias=float(error.mean()),
        bias_seen=smallest_bias_seen(float(error.std(ddof=1)), n),
        true_error=float(np.mean([one.true_error for one in found])),
        expansion=float(np.mean([one.expansion for one in found])),
        cpu=float(np.mean([one.cpu for one in found])),
        verdict=Verdict("met" if share < FALSE else "missed", f"{share:.1%}, below {FALSE:.0%}"),
    )


def found_row(data: Data, found: Sequence[Found]) -> FoundRow:
    n, exact = len(found), sum(one.exact for one in found)
    low, high = wilson(exact, n)
    verdict = Verdict("met" if exact / n >= EXACT else "missed", f"{exact / n:.0%} of {EXACT:.0%}")
    return FoundRow(
        design=data.name,
        sets=n,
        made=sum(one.made for one in found),
        right=sum(one.right for one in found),
        false=sum(one.false for one in found),
        exact=exact / n,
        low=low,
        high=high,
        cpu=float(np.mean([one.cpu for one in found])),
        verdict=verdict,
    )


def _population_row(population: Population, n: int, options: Options) -> PopulationRow:
    tasks = [(k, population, seed) for k, seed in enumerate(spawn(SEED, n))]
    found: list[Reconstructed] = sorted(
        options.map_(reconstructed, tasks), key=lambda one: one.number
    )
    mean = {
        name: float(np.mean([getattr(one, name) for one in found]))
        for name in ("right", "truth", "expected", "sure", "sure_right")
    }
    apart = abs(mean["truth"] - mean["expected"])
    judged = population.unknown != "peer"
    verdict = at_most(apart, CALIBRATION) if judged else NO_TARGET
    return PopulationRow(population.name, n, **mean, verdict=verdict)


def figure(false: Sequence[FalseRow], found: Sequence[FoundRow]) -> object:
    panels = [
        Dots(
            "data sets without flips that were changed",
            [row.design for row in false],
            [row.share for row in false],
            [(row.low, row.high) for row in false],
            (0.0, FALSE),
            None,
        ),
        Dots(
            "data sets in which exactly the flipped markers were found",
            [row.design for row in found],
            [row.exact for row in found],
            [(row.low, row.high) for row in found],
            (EXACT, 1.0),
            None,
        ),
    ]
    return dots(panels)
