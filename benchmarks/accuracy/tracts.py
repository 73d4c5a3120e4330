"""Accuracy of tracts: bias and coverage of one pulse, repair of labels and of islands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.accuracy._tracts_designs import (
    HISTORIES,
    HUMAN,
    ISLANDS,
    PULSES,
    History,
    Islands,
    Labels,
    Pulse,
    islands,
    labels,
    one_pulse,
    two_pulses,
)
from benchmarks.figures import Dots, dots
from benchmarks.options import Options
from benchmarks.report import NO_TARGET, Report, Table, Verdict, at_most, within
from benchmarks.shares import smallest_bias_seen, smallest_share_seen, wilson
from refsolve.core.rng import spawn

REPLICATES = 500
PER_PULSE = 2  # times as many replicates for bias and coverage
PER_HISTORY = 8  # times fewer for fits of two pulses
COVERAGE, FALSE, TYPE_ONE = (0.93, 0.97), (0.0, 0.01), (0.0, 0.08)
BIAS = 0.25  # of the standard deviation
SEED = 20
CLEAN = (
    Labels("22 chromosomes, m = 0.2 and 0.8", (6.0, 12.0), (0.2, 0.8), HUMAN),
    Labels("22 chromosomes, m = 0.1 and 0.2", (12.0, 12.0), (0.1, 0.2), HUMAN),
    Labels("8 chromosomes, m = 0.27 and 0.72", (3.0, 6.0), (0.27, 0.72), HUMAN[:8]),
)


@dataclass(frozen=True, slots=True)
class PulseRow:
    """Bias and coverage of one pulse.

    Attributes
    ----------
    design, time, fraction, replicates
        What was simulated.
    unidentified
        Replicates without an estimate, left out.
    median_error, bias, bias_seen, sd
        Of the likelihood estimate of the time, generations; the bias that would be found with 80 %
        power.
    bias_switch_rate
        Of the switch-rate estimate, where there is one haplotype.
    coverage, low, high, smallest_seen
        Of the 95 % profile interval of the time, with its Wilson interval.
    coverage_fraction
        Of the interval of the fraction.
    verdict
        |median error| at most a quarter of the standard deviation.
    verdict_coverage
        Against 93 % to 97 %.
    """

    design: str
    time: float
    fraction: float
    replicates: int
    unidentified: int
    median_error: float
    bias: float
    bias_seen: float
    sd: float
    bias_switch_rate: float
    coverage: float
    low: float
    high: float
    smallest_seen: float
    coverage_fraction: float
    verdict: Verdict
    verdict_coverage: Verdict


@dataclass(frozen=True, slots=True)
class FalseRow:
    """Data sets without a defect that a repair changed.

    Attributes
    ----------
    repair, design
        What was simulated.
    data_sets, changed, share, low, high
        All data sets, those with a false repair, their share, and its Wilson interval.
    clear
        Whether only data sets count whose ratios at the true parameters are all below -2.9, so that
        their labels are identified.
    verdict
        At most 1 % where repairs are identified; no target elsewhere.
    """

    repair: str
    design: str
    data_sets: int
    changed: int
    share: float
    low: float
    high: float
    clear: bool
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class PowerRow:
    """Islands that were found.

    Attributes
    ----------
    design, replicates
        What was simulated.
    islands, found, low, high
        Islands made, the share that was repaired, and its Wilson interval.
    false_per_data_set
        Good tracts changed, per data set.
    """

    design: str
    replicates: int
    islands: int
    found: float
    low: float
    high: float
    false_per_data_set: float


@dataclass(frozen=True, slots=True)
class PulsesRow:
    """The test of two pulses against one, on ten haplotypes of ten chromosomes.

    Attributes
    ----------
    design, replicates
        What was simulated.
    rejected, low, high
        Share of the tests with p < 0.05, and its Wilson interval.
    time_old, time_young, migrants
        Medians of the estimates; 14, 5 and 0.25 where there are two pulses.
    verdict
        At most 8 % where there is one pulse: the nominal distribution is an approximation.
    """

    design: str
    replicates: int
    rejected: float
    low: float
    high: float
    time_old: float
    time_young: float
    migrants: float
    verdict: Verdict


def run(options: Options) -> Report:
    n = options.replicates or (20 if options.quick else REPLICATES)
    fits = [pulse_row(design, PER_PULSE * n, options) for design in PULSES]
    false = [
        *(row for design in CLEAN for row in false_labels(design, n, options)),
        *(false_islands(d, n, options) for d in ISLANDS if d.rate == 0.0),
    ]
    power = [island_power(d, max(n // 2, 10), options) for d in ISLANDS if d.rate > 0.0]
    second = [pulses_row(design, max(n // PER_HISTORY, 3), options) for design in HISTORIES]
    return Report(
        tables=[
            Table("pulse", "one pulse: bias and coverage", fits),
            Table("false", "repairs of data sets without a defect", false),
            Table("pulses", "two pulses against one", second),
            Table("power", "islands found", power),
        ],
        notes=[
            "A label ratio above 3 is expected by chance wherever true ratios are small; the rows "
            "that are not clear show how often."
        ],
        figure=figure(fits, false, power),
    )


def draws(
    work: Callable[[Any], tuple[int, list[float]]], design: Any, n: int, options: Options
) -> np.ndarray:
    """Results of n replicates, in the order of their seeds."""
    tasks = [(i, design, seed) for i, seed in enumerate(spawn(SEED, n))]
    found = dict(options.map_(work, tasks))
    return np.array([found[i] for i in range(n)], np.float64)


def pulse_row(design: Pulse, n: int, options: Options) -> PulseRow:
    all_drawn = draws(one_pulse, design, n, options)
    drawn = all_drawn[np.isfinite(all_drawn[:, 0])]
    error = drawn[:, 0] - design.time
    sd, median = float(error.std(ddof=1)), float(np.median(error))
    covered = (all_drawn[:, 1] <= design.time) & (design.time <= all_drawn[:, 2])
    of_fraction = (drawn[:, 3] <= design.fraction) & (design.fraction <= drawn[:, 4])
    coverage, interval = float(covered.mean()), wilson(int(covered.sum()), n)
    simple = drawn[np.isfinite(drawn[:, 5]), 5]
    return PulseRow(
        design.name, design.time, design.fraction, n, n - len(drawn), median, float(error.mean()),
        smallest_bias_seen(sd, len(drawn)), sd,
        float(simple.mean() - design.time) if simple.size else float("nan"), coverage, *interval,
        smallest_share_seen(0.95, n), float(of_fraction.mean()),
        at_most(abs(median), BIAS * sd), within(interval, coverage, *COVERAGE),
    )  # fmt: skip


def pulses_row(design: History, n: int, options: Options) -> PulsesRow:
    drawn = draws(two_pulses, design, n, options)
    rejected = int((drawn[:, 0] < 0.05).sum())
    interval, middle = wilson(rejected, n), np.median(drawn[:, 1:], axis=0)
    share = rejected / n
    verdict = NO_TARGET if design.migrants else within(interval, share, *TYPE_ONE)
    return PulsesRow(design.name, n, share, *interval, *middle.tolist(), verdict)


def false_labels(design: Labels, n: int, options: Options) -> list[FalseRow]:
    """Rows of all data sets and of those whose labels are identified."""
    drawn = draws(labels, design, 2 * n, options)
    changed, clear = drawn[:, 0] > 0, drawn[:, 1] > 0
    return [
        _false("labels", design.name, changed, False, NO_TARGET),
        _false("labels", design.name, changed[clear], True),
    ]


def false_islands(design: Islands, n: int, options: Options) -> FalseRow:
    return _false("islands", design.name, draws(islands, design, n, options)[:, 2] > 0, True)


def _false(
    repair: str, design: str, changed: np.ndarray, clear: bool, verdict: Verdict | None = None
) -> FalseRow:
    n, count = changed.size, int(changed.sum())
    (low, high), share = wilson(count, n), count / max(n, 1)
    found = verdict or within((low, high), share, *FALSE)
    return FalseRow(repair, design, n, count, share, max(low, 0.0), high, clear, found)


def island_power(design: Islands, n: int, options: Options) -> PowerRow:
    drawn = draws(islands, design, n, options)
    made, missed = int(drawn[:, 0].sum()), drawn[:, 1].sum()
    found = int(made - missed)
    false = float(drawn[:, 2].mean())
    return PowerRow(design.name, n, made, found / made, *wilson(found, made), false)


def figure(fits: Sequence[PulseRow], false: Sequence[FalseRow], power: Sequence[PowerRow]) -> Any:
    return dots(
        [
            Dots(
                "coverage of the 95 % interval of the time", [row.design for row in fits],
                [row.coverage for row in fits], [(row.low, row.high) for row in fits],
                COVERAGE, 0.95,
            ),
            Dots(
                "data sets without a defect that were changed",
                [f"{row.repair}: {row.design}{', clear' * row.clear}" for row in false],
                [row.share for row in false], [(row.low, row.high) for row in false], FALSE, None,
            ),
            Dots(
                "islands that were repaired", [row.design for row in power],
                [row.found for row in power], [(row.low, row.high) for row in power], None, None,
            ),
        ]
    )  # fmt: skip
