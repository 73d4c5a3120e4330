"""Accuracy of mvmr: bias and coverage at five designs, and the shape of direct effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy._mvmr_designs import ESTIMATORS, Replicate, Said, Study, all_studies
from benchmarks.figures import Dots, dots
from benchmarks.options import Options
from benchmarks.report import NO_TARGET, Report, Table, Verdict, at_most, within
from benchmarks.shares import smallest_bias_seen, smallest_share_seen, wilson

REPLICATES = 600
COVERAGE = (0.93, 0.97)
BIAS = 0.25  # of the standard deviation: adds 3 % to the RMSE
RIGHT = 0.9  # of the loci with direct effects, named with their shape


@dataclass(frozen=True, slots=True)
class BiasRow:
    """Point estimates of one design and estimator, both exposures together.

    Attributes
    ----------
    design, estimator, replicates
        What was simulated and fitted.
    instruments, conditional_f
        Medians.
    bias_first, bias_second, bias_seen
        Mean errors, and the one that this number of replicates finds with 80 % power.
    sd, mean_se, rmse
        Of the first exposure: standard deviation, mean standard error, root mean squared error.
    verdict
        Median error of the first exposure at most a quarter of the standard deviation, for the
        estimator that is meant for the design.
    """

    design: str
    estimator: str
    replicates: int
    instruments: float
    conditional_f: float
    bias_first: float
    bias_second: float
    bias_seen: float
    sd: float
    mean_se: float
    rmse: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """95 % intervals of one design and estimator that hold the truth, both exposures together.

    Attributes
    ----------
    design, estimator, intervals
        What was simulated and fitted; two intervals per locus.
    count, share, low, high
        Intervals that hold the truth, their share, and its Wilson interval.
    smallest_seen
        Deviation from 95 % that is found with 80 % power.
    left, right
        Intervals wholly to the left and to the right of the truth.
    verdict
        Against the band, for the estimator that is meant for the design.
    """

    design: str
    estimator: str
    intervals: int
    count: int
    share: float
    low: float
    high: float
    smallest_seen: float
    left: int
    right: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ShapeRow:
    """What the search for direct effects said.

    Attributes
    ----------
    design, replicates
        What was simulated.
    affected
        Loci in which an instrument has a direct effect.
    none, variant, ld
        Shares of the shapes that were found, among loci where direct effects were simulated those
        that are affected.
    verdict
        The share of the true shape.
    """

    design: str
    replicates: int
    affected: int
    none: float
    variant: float
    ld: float
    verdict: Verdict


Fitted = Sequence[tuple[Study, list[Replicate]]]


def run(options: Options) -> Report:
    n = options.replicates or (40 if options.quick else REPLICATES)
    fitted = list(all_studies(n, options.map_))
    cases = [(study, rows, name) for study, rows in fitted for name in ESTIMATORS]
    coverage = [coverage_row(*case) for case in cases]
    tables = [
        Table("bias", "errors of the estimates", [bias_row(*case) for case in cases]),
        Table("coverage", "95 % intervals that hold the truth", coverage),
        Table("shapes", "shape of the direct effects that was found",
              [shape_row(*pair) for pair in fitted]),
    ]  # fmt: skip
    cpu = sum(row.cpu for _, rows in fitted for row in rows)
    lost = {study.name: n - len(rows) for study, rows in fitted if len(rows) < n}
    notes = [f"{cpu:.0f} CPU s of fits; loci with too few instruments: {lost or 'none'}"]
    return Report(tables, notes, figure(coverage))


def said(rows: list[Replicate], estimator: str) -> list[Said]:
    """What one estimator said about all loci."""
    return [one for row in rows for one in row.said if one.estimator == estimator]


def bias_row(study: Study, rows: list[Replicate], estimator: str) -> BiasRow:
    mine = said(rows, estimator)
    error = np.array([one.theta for one in mine]) - study.design.theta
    sd = error.std(axis=0, ddof=1)
    median = float(np.median(error[:, 0]))
    judged = estimator == study.meant
    return BiasRow(
        design=study.name,
        estimator=estimator,
        replicates=len(rows),
        instruments=float(np.median([row.instruments for row in rows])),
        conditional_f=float(np.median([row.strength for row in rows])),
        bias_first=float(error[:, 0].mean()),
        bias_second=float(error[:, 1].mean()),
        bias_seen=smallest_bias_seen(float(sd[0]), len(rows)),
        sd=float(sd[0]),
        mean_se=float(np.mean([one.se[0] for one in mine])),
        rmse=float(np.sqrt(np.mean(error[:, 0] ** 2))),
        verdict=at_most(abs(median) / float(sd[0]), BIAS, "sd") if judged else NO_TARGET,
    )


def coverage_row(study: Study, rows: list[Replicate], estimator: str) -> CoverageRow:
    mine = said(rows, estimator)
    low, high = (np.array([getattr(one, end) for one in mine]) for end in ("low", "high"))
    left, right = high < study.design.theta, low > study.design.theta
    n, count = left.size, int((~left & ~right).sum())
    ends = wilson(count, n)
    judged = estimator == study.meant
    return CoverageRow(
        design=study.name,
        estimator=estimator,
        intervals=n,
        count=count,
        share=count / n,
        low=ends[0],
        high=ends[1],
        smallest_seen=smallest_share_seen(0.95, n),
        left=int(left.sum()),
        right=int(right.sum()),
        verdict=within(ends, count / n, *COVERAGE) if judged else NO_TARGET,
    )


def shape_row(study: Study, rows: list[Replicate]) -> ShapeRow:
    affected = [row for row in rows if row.affected]
    shapes = [one.shape for one in said(affected or rows, "direct effects")]
    share = {s: shapes.count(s) / len(shapes) for s in ("none", "variant", "ld")}
    true = study.design.direct_shape if study.design.n_direct else "none"
    verdict = NO_TARGET
    if study.design.balanced == 0.0:
        verdict = at_most(1.0 - share[true], 1.0 - RIGHT, "wrong")
    return ShapeRow(study.name, len(rows), len(affected), **share, verdict=verdict)


def figure(rows: list[CoverageRow]) -> object:
    names = list(dict.fromkeys(row.design for row in rows))
    return dots([_panel(name, [row for row in rows if row.design == name]) for name in names])


def _panel(title: str, rows: list[CoverageRow]) -> Dots:
    return Dots(
        title,
        [row.estimator for row in rows],
        [row.share for row in rows],
        [(row.low, row.high) for row in rows],
        COVERAGE,
        0.95,
    )
