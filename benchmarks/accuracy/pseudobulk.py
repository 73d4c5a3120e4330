"""Accuracy of pseudobulk: false positives on donors without a difference, coverage, power."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy._pseudobulk_designs import (
    AT_ONCE,
    CALIBRATED,
    CELLS,
    CHANGED,
    DONOR_TESTS,
    NULL,
    Replicate,
    Study,
    replicate,
)
from benchmarks.figures import Dots, dots
from benchmarks.options import Options
from benchmarks.report import NO_TARGET, Report, Table, Verdict, at_most, within
from benchmarks.shares import NORMAL, smallest_bias_seen
from benchmarks.studies import replicated

REPLICATES = 100
FALSE = (0.04, 0.06)
COVERAGE = (0.93, 0.97)
WRONG = 0.05  # of the genes found


@dataclass(frozen=True, slots=True)
class NullRow:
    """Genes with p < 0.05 where none differs.

    Attributes
    ----------
    design, test, replicates, genes
        What was simulated and tested; genes are the median of those tested.
    share, low, high
        Mean share of the genes, and its interval over experiments: genes of one experiment are
        not independent.
    smallest_seen
        Deviation from 5 % that is found with 80 % power.
    verdict
        Against the band, for the quasi-likelihood test.
    """

    design: str
    test: str
    replicates: int
    genes: int
    share: float
    low: float
    high: float
    smallest_seen: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """95 % intervals of log fold changes that hold the truth; a tenth of the genes differ.

    Attributes
    ----------
    design, test, replicates
        What was simulated and tested.
    share, low, high
        Mean share, and its interval over experiments.
    verdict
        Against the band, for the quasi-likelihood test.
    """

    design: str
    test: str
    replicates: int
    share: float
    low: float
    high: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class PowerRow:
    """Genes found at a false discovery rate of 5 %; a tenth differ by a factor of two.

    Attributes
    ----------
    design, test, replicates
        What was simulated and tested.
    power
        Mean share of the genes that differ that was found.
    false, low, high
        Mean share of the genes found that do not differ, and its interval over experiments.
    verdict
        The lower end of the interval against 5 %, for the quasi-likelihood test.
    """

    design: str
    test: str
    replicates: int
    power: float
    false: float
    low: float
    high: float
    verdict: Verdict


Fitted = Sequence[tuple[Study, list[Replicate]]]


def run(options: Options) -> Report:
    n = options.replicates or (10 if options.quick else REPLICATES)
    null = list(replicated(replicate, NULL, n, options.map_, at_once=AT_ONCE))
    changed = list(replicated(replicate, CHANGED, n, options.map_, at_once=AT_ONCE))
    both = [*DONOR_TESTS, *CELLS]
    false = [null_row(study, rows, test) for study, rows in null for test in both]
    tables = [
        Table("null", "genes with p < 0.05 where none differs", false),
        Table("coverage", "95 % intervals of log fold changes that hold the truth",
              [coverage_row(*pair, test) for pair in changed for test in DONOR_TESTS]),
        Table("power", "genes found at a false discovery rate of 5 %",
              [power_row(*pair, test) for pair in changed for test in both]),
    ]  # fmt: skip
    cpu = sum(row.cpu for _, rows in [*null, *changed] for row in rows)
    return Report(tables, [f"{cpu:.0f} CPU s of tests"], figure(false))


def mean_of(
    rows: Sequence[Replicate], test: str, what: str
) -> tuple[float, tuple[float, float], float]:
    """Mean over experiments, its interval, and the standard deviation."""
    values = np.array([getattr(s, what) for row in rows for s in row.said if s.test == test])
    sd = float(values.std(ddof=1))
    mean, half = float(values.mean()), NORMAL * sd / float(np.sqrt(values.size))
    return mean, (max(mean - half, 0.0), min(mean + half, 1.0)), sd


def null_row(study: Study, rows: list[Replicate], test: str) -> NullRow:
    share, ends, sd = mean_of(rows, test, "below")
    return NullRow(
        design=study.name,
        test=test,
        replicates=len(rows),
        genes=int(np.median([row.tested for row in rows])),
        share=share,
        low=ends[0],
        high=ends[1],
        smallest_seen=smallest_bias_seen(sd, len(rows)),
        verdict=within(ends, share, *FALSE) if test == CALIBRATED else NO_TARGET,
    )


def coverage_row(study: Study, rows: list[Replicate], test: str) -> CoverageRow:
    share, ends, _ = mean_of(rows, test, "covered")
    verdict = within(ends, share, *COVERAGE) if test == CALIBRATED else NO_TARGET
    return CoverageRow(study.name, test, len(rows), share, *ends, verdict)


def power_row(study: Study, rows: list[Replicate], test: str) -> PowerRow:
    false, ends, _ = mean_of(rows, test, "false")
    power = mean_of(rows, test, "power")[0]
    verdict = at_most(ends[0], WRONG, "false") if test == CALIBRATED else NO_TARGET
    return PowerRow(study.name, test, len(rows), power, false, *ends, verdict)


def figure(rows: list[NullRow]) -> object:
    names = list(dict.fromkeys(row.design for row in rows))
    return dots([_panel(name, [row for row in rows if row.design == name]) for name in names])


def _panel(title: str, rows: list[NullRow]) -> Dots:
    return Dots(
        title,
        [row.test for row in rows],
        [row.share for row in rows],
        [(row.low, row.high) for row in rows],
        FALSE,
        0.05,
    )
