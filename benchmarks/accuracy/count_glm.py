"""Accuracy of count_glm: bias of an effect, coverage of its interval, rejections of true nulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy._count_glm_designs import (
    AT_ONCE,
    EFFECTS,
    NULLS,
    RIGHT,
    TRUTH,
    Replicate,
    Said,
    Study,
    replicate,
)
from benchmarks.figures import Dots, dots
from benchmarks.options import Options
from benchmarks.report import NO_TARGET, Report, Table, Verdict, within
from benchmarks.shares import NORMAL, smallest_share_seen, wilson
from benchmarks.studies import replicated

REPLICATES = 2000  # of a null; half as many with an effect
BIAS = (TRUTH - 0.02, TRUTH + 0.02)
COVERAGE = (0.93, 0.97)
FALSE = (0.04, 0.06)
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class BiasRow:
    """Estimates of an effect of 0.35; the gene's share of the ambient RNA is four times its own.

    Attributes
    ----------
    design, fit, replicates
        What was simulated and fitted.
    mean, low, high
        Mean estimate and its interval.
    sd, mean_se
        Of the estimates, and the mean of their standard errors.
    verdict
        Of the two recommended fits.
    """

    design: str
    fit: str
    replicates: int
    mean: float
    low: float
    high: float
    sd: float
    mean_se: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """95 % intervals that hold the effect.

    Attributes
    ----------
    design, fit, replicates
        What was simulated and fitted.
    share, low, high
        Of the intervals, and Wilson's interval of it.
    verdict
        Of the two recommended fits.
    """

    design: str
    fit: str
    replicates: int
    share: float
    low: float
    high: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class NullRow:
    """Tests with p < 0.05 where the genotype does nothing.

    Attributes
    ----------
    design, fit, replicates
        What was simulated and fitted.
    share, low, high
        Of the tests, and Wilson's interval of it.
    smallest_seen
        Deviation from 5 % that is found with 80 % power.
    verdict
        Of the two recommended fits.
    """

    design: str
    fit: str
    replicates: int
    share: float
    low: float
    high: float
    smallest_seen: float
    verdict: Verdict


Fitted = Sequence[tuple[Study, list[Replicate]]]


def run(options: Options) -> Report:
    n = options.replicates or (50 if options.quick else REPLICATES)
    effects = list(replicated(replicate, EFFECTS, max(n // 2, 2), options.map_, at_once=AT_ONCE))
    nulls = list(replicated(replicate, NULLS, n, options.map_, at_once=AT_ONCE))
    covered = [row for pair in effects for row in _rows(coverage_row, *pair)]
    false = [row for pair in nulls for row in _rows(null_row, *pair)]
    tables = [
        Table("bias", "estimates of an effect of 0.35",
              [row for pair in effects for row in _rows(bias_row, *pair)]),
        Table("coverage", "95 % intervals that hold the effect",
              [row for row in covered if not np.isnan(row.share)]),
        Table("null", "tests with p < 0.05 where the genotype does nothing", false),
    ]  # fmt: skip
    cpu = sum(row.cpu for _, rows in [*effects, *nulls] for row in rows)
    return Report(tables, [f"{cpu:.0f} CPU s of fits"], figure(covered, false))


def _rows(make, study: Study, rows: list[Replicate]) -> list:
    names = list(dict.fromkeys(said.fit for said in rows[0].said))
    return [
        make(study.name, name, [s for row in rows for s in row.said if s.fit == name])
        for name in names
    ]


def bias_row(design: str, fit: str, said: list[Said]) -> BiasRow:
    values = np.array([s.effect for s in said])
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    half = NORMAL * sd / float(np.sqrt(values.size))
    ends = (mean - half, mean + half)
    verdict = within(ends, mean, *BIAS) if fit in RIGHT else NO_TARGET
    mean_se = float(np.mean([s.se for s in said]))
    return BiasRow(design, fit, len(said), mean, *ends, sd, mean_se, verdict)


def coverage_row(design: str, fit: str, said: list[Said]) -> CoverageRow:
    if np.isnan(said[0].low):
        return CoverageRow(design, fit, len(said), *(float("nan"),) * 3, NO_TARGET)
    held = sum(s.low <= TRUTH <= s.high for s in said)
    ends = wilson(held, len(said))
    share = held / len(said)
    verdict = within(ends, share, *COVERAGE) if fit in RIGHT else NO_TARGET
    return CoverageRow(design, fit, len(said), share, *ends, verdict)


def null_row(design: str, fit: str, said: list[Said]) -> NullRow:
    rejected = sum(s.p < LEVEL for s in said)
    ends, share = wilson(rejected, len(said)), rejected / len(said)
    seen = smallest_share_seen(LEVEL, len(said))
    verdict = within(ends, share, *FALSE) if fit in RIGHT else NO_TARGET
    return NullRow(design, fit, len(said), share, *ends, seen, verdict)


def figure(covered: list[CoverageRow], false: list[NullRow]) -> object:
    held = [row for row in covered if not np.isnan(row.share)]
    panels = [_panel(f"Coverage: {name}", rows, COVERAGE, 0.95) for name, rows in _by(held)]
    panels += [_panel(f"Rejections: {name}", rows, FALSE, LEVEL) for name, rows in _by(false)]
    return dots(panels)


def _by(rows: Sequence) -> list[tuple[str, list]]:
    names = list(dict.fromkeys(row.design for row in rows))
    return [(name, [row for row in rows if row.design == name]) for name in names]


def _panel(title: str, rows: list, band: tuple[float, float], nominal: float) -> Dots:
    return Dots(
        title,
        [row.fit for row in rows],
        [row.share for row in rows],
        [(row.low, row.high) for row in rows],
        band,
        nominal,
    )
