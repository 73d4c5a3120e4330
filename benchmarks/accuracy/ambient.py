"""Accuracy of ambient: intervals of the contamination, states, groups, and small cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.accuracy._ambient_designs import (
    CONTAMINATION,
    DONORS,
    ONE_GROUP,
    ONE_STATE,
    SCORES,
    all_replicates,
)
from benchmarks.figures import Dots, dots
from benchmarks.options import Options
from benchmarks.report import NO_TARGET, Report, Table, Verdict, at_most, within
from benchmarks.shares import smallest_share_seen, wilson

REPLICATES = 100
COVERAGE = (0.93, 0.97)
GROUPS, STATES, CELLS = 0.05, 0.01, 0.01  # error rates that were asked for
MEANT = ("with the profile's error", "shrunk")
DROPLETS = ("droplets", "cells of 100 to 500 counts")


@dataclass(frozen=True, slots=True)
class ContaminationRow:
    """Contamination of sixteen donors per replicate, true values from a Gamma distribution.

    Attributes
    ----------
    design, estimate, donors
        What was simulated and estimated, donors of all replicates.
    bias, rmse
        Of the contamination, whose mean is 0.1.
    covered, low, high
        95 % intervals that hold the truth, and the Wilson interval of that share.
    smallest_seen
        Deviation from 95 % that is found with 80 % power.
    verdict
        Against the band. Donors of a replicate share the error of one profile, so where that
        dominates the share varies more than its interval says.
    """

    design: str
    estimate: str
    donors: int
    bias: float
    rmse: float
    covered: float
    low: float
    high: float
    smallest_seen: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class CallRow:
    """Two groups or states, called where there are two or one.

    Attributes
    ----------
    what, design, replicates
        What was called, on what.
    two, low, high
        Share of the replicates in which two are called, with its Wilson interval.
    right
        Share in which they are called and right: all donors, or 95 % of the cells.
    verdict
        Share of wrong calls where there is one.
    """

    what: str
    design: str
    replicates: int
    two: float
    low: float
    high: float
    right: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class DropletRow:
    """Droplets called cells.

    Attributes
    ----------
    replicates, small_cells, found
        Data sets, cells of 100 to 500 counts in them, and the share that is found.
    false_share
        Empty droplets among those that are called cells.
    verdict
        Of that share against the false discovery rate.
    """

    replicates: int
    small_cells: int
    found: float
    false_share: float
    verdict: Verdict


def run(options: Options) -> Report:
    n = options.replicates or (20 if options.quick else REPLICATES)
    found = all_replicates(n, max(n // 10, 4), options.map_)
    rows = [
        row
        for name in CONTAMINATION
        for row in contamination_rows(name, found["contamination", name])
    ]
    calls = [call_row("groups", k, found["groups", k], GROUPS, k in ONE_GROUP) for k in DONORS]
    calls += [call_row("states", k, found["states", k], STATES, k in ONE_STATE) for k in SCORES]
    tables = [
        Table("contamination", "errors and 95 % intervals", rows),
        Table("calls", "two groups of 24 donors, two states of 1,500 cells", calls),
        Table("droplets", "small cells among empty droplets", [droplet_row(found[DROPLETS])]),
    ]
    return Report(tables, [], figure(rows, calls))


def contamination_rows(design: str, replicates: list[Any]) -> list[ContaminationRow]:
    out = []
    for estimate in replicates[0]:
        error = np.concatenate([one[estimate].error for one in replicates])
        inside = np.concatenate([one[estimate].inside for one in replicates])
        ends = wilson(int(inside.sum()), inside.size)
        share = float(inside.mean())
        verdict = within(ends, share, *COVERAGE) if estimate in MEANT else NO_TARGET
        rmse = float(np.sqrt((error**2).mean()))
        seen = smallest_share_seen(0.95, error.size)
        row = (error.size, float(error.mean()), rmse, share, *ends, seen, verdict)
        out.append(ContaminationRow(design, estimate, *row))
    return out


def call_row(what: str, design: str, replicates: list[Any], rate: float, one: bool) -> CallRow:
    two = [bool(row[0]) for row in replicates]
    right = [bool(row[0] and row[1]) for row in replicates]
    ends = wilson(sum(two), len(two))
    # A share whose interval reaches the rate that was asked for is no miss.
    verdict = at_most(max(ends[0], 0.0), rate, "") if one else NO_TARGET
    share = float(np.mean(two))
    return CallRow(what, design, len(two), share, *ends, float(np.mean(right)), verdict)


def droplet_row(replicates: list[Any]) -> DropletRow:
    false, hits, small = (sum(row[k] for row in replicates) for k in range(3))
    share = false / max(false + 60 * len(replicates), 1)
    return DropletRow(
        len(replicates), small, hits / max(small, 1), share, at_most(share, CELLS, "")
    )


def figure(rows: list[ContaminationRow], calls: list[CallRow]) -> object:
    with_intervals = [row for row in rows if row.estimate != "one for all"]
    one = [row for row in calls if row.design in (*ONE_GROUP, *ONE_STATE)]
    panels = [
        Dots(
            design,
            [row.estimate for row in with_intervals if row.design == design],
            [row.covered for row in with_intervals if row.design == design],
            [(row.low, row.high) for row in with_intervals if row.design == design],
            COVERAGE,
            0.95,
        )
        for design in CONTAMINATION
    ]
    panels.append(
        Dots(
            "two called where there is one",
            [f"{row.what}: {row.design}" for row in one],
            [row.two for row in one],
            [(row.low, row.high) for row in one],
            (0.0, GROUPS),
            GROUPS,
        )
    )
    return dots(panels)
