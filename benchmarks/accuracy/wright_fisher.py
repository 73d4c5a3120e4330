"""Accuracy of wright_fisher: bias, coverage, type-I error, power; the grid against exact values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy._wright_fisher_designs import (
    BOUNDS,
    CHI_SQUARED,
    JUDGED,
    LEVEL,
    Design,
    Replicate,
    all_designs,
    column,
    designs,
)
from benchmarks.accuracy._wright_fisher_dominance import dominance_rows
from benchmarks.accuracy._wright_fisher_exact import bar_rows, gold_rows
from benchmarks.accuracy._wright_fisher_identity import identity_rows
from benchmarks.accuracy._wright_fisher_null import null_rows
from benchmarks.figures import Dots, dots
from benchmarks.options import Options
from benchmarks.report import Report, Table, Verdict, at_most, within
from benchmarks.shares import smallest_bias_seen, smallest_share_seen, wilson

REPLICATES = 1000
COVERAGE, TYPE_ONE = (0.93, 0.97), (0.04, 0.06)
BIAS = 0.25  # of the standard deviation: adds 3 % to the RMSE
REFERENCES = ("simulation", "chi-squared")
MEDIAN = math.sqrt(math.pi / 2)  # standard error of a median over that of a mean


@dataclass(frozen=True, slots=True)
class BiasRow:
    """Point estimates of one design.

    Attributes
    ----------
    design, selection, replicates
        What was simulated.
    at_a_bound
        Estimates at the bounds of the search; they have no place in a mean and are left out of
        `bias`, `rmse` and `sd`, not of the median.
    median_error, median_seen
        Of all estimates, and the one that this number of replicates finds with 80 % power.
    bias, bias_seen
        The same for the mean. It is positive where the curve is skewed: after fixation the data
        bound s from one side only.
    rmse, sd
        Root mean squared error, and standard deviation.
    cpu
        Milliseconds per fit, median.
    verdict
        |median error| at most a quarter of the standard deviation.
    """

    design: str
    selection: float
    replicates: int
    at_a_bound: int
    median_error: float
    median_seen: float
    bias: float
    bias_seen: float
    rmse: float
    sd: float
    cpu: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ShareRow:
    """A share of the replicates of one design.

    Attributes
    ----------
    design, selection, replicates
        What was simulated.
    reference
        Null distribution of the likelihood-ratio statistic: simulated for the design, or
        chi-squared.
    count, share, low, high
        Replicates, their share, and its Wilson interval.
    smallest_seen
        Deviation from the nominal share that is found with 80 % power.
    left, right
        Intervals that lie wholly to the left and to the right of the truth; for tests, rejections
        with a negative and with a positive estimate.
    absorbed, share_segregating
        Paths lost or fixed at the last sample, and the share among the others.
    verdict
        Against the band; none where nothing is promised: for chi-squared under strong drift, and
        where the true start is not the one that the fit assumes.
    """

    design: str
    selection: float
    replicates: int
    reference: str
    count: int
    share: float
    low: float
    high: float
    smallest_seen: float
    left: int
    right: int
    absorbed: float
    share_segregating: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class FlagRow:
    """How often a fit warns.

    Attributes
    ----------
    at_bound, flat
        Shares of fits with the flag.
    coverage_unflagged
        Coverage among the fits without either.
    largest_error
        Largest reported numerical error at the maximum, in log units.
    """

    design: str
    selection: float
    replicates: int
    at_bound: float
    flat: float
    coverage_unflagged: float
    largest_error: float


Fitted = Sequence[tuple[Design, list[Replicate]]]


def run(options: Options) -> Report:
    n = options.replicates or (40 if options.quick else REPLICATES)
    fitted = list(all_designs(n, options.map_))
    selected = [pair for pair in fitted if pair[0].selection]
    neutral = [pair for pair in fitted if not pair[0].selection]
    gold, notes = gold_rows(options)
    coverage = [coverage_row(*pair, name) for name in REFERENCES for pair in fitted]
    type_one = [reject_row(*pair, name, TYPE_ONE) for name in REFERENCES for pair in neutral]
    power = [reject_row(*pair, REFERENCES[0], None) for pair in selected]
    dominance = dominance_rows(max(3 * n // 10, 4), options.map_)
    identity = identity_rows(n // 2, options)
    tables = [
        Table("bias", "errors of the estimate", [bias_row(*pair) for pair in fitted]),
        Table("coverage", "95 % intervals that hold the truth", coverage),
        Table("type_one", "neutrality rejected at 5 % although true", type_one),
        Table("null", "the likelihood-ratio statistic under neutrality", null_rows(options)),
        Table("power", "neutrality rejected at 5 %", power),
        Table("flags", "flags", [flag_row(*pair) for pair in fitted]),
        Table("identity", "mean of L(s)/L(0) over neutral data: one", identity),
        Table("dominance", "s and h estimated together", dominance),
        Table("bars", "the grid against its reported error, random designs",
              bar_rows(20 if options.quick else 300, options)),
        Table("gold", "differences to stored exact log-likelihoods", gold),
    ]  # fmt: skip
    return Report(tables, notes, figure(coverage, type_one, power))


def bias_row(design: Design, rows: list[Replicate]) -> BiasRow:
    error = column(rows, "s") - design.selection
    inner = np.array([BOUNDS[0] < row.s < BOUNDS[1] for row in rows])
    kept = error[inner]
    median, sd = float(np.median(error)), float(kept.std(ddof=1))
    seen = smallest_bias_seen(sd, kept.size)
    verdict = at_most(abs(median) / sd, BIAS, "sd")
    return BiasRow(
        design.name,
        design.selection,
        len(rows),
        int((~inner).sum()),
        median,
        MEDIAN * seen,
        float(kept.mean()),
        seen,
        float(np.sqrt(np.mean(kept**2))),
        sd,
        1000 * float(np.median(column(rows, "cpu"))),
        verdict,
    )


def coverage_row(design: Design, rows: list[Replicate], reference: str) -> ShareRow:
    if reference == "chi-squared":
        held = column(rows, "lrt_truth") <= CHI_SQUARED
    else:
        held = _held(design, rows)
    left = int(np.sum(~held & (column(rows, "s") < design.selection)))
    sides = (left, int(np.sum(~held)) - left)
    return _share_row(design, rows, reference, held, 0.95, sides, COVERAGE)


def _held(design: Design, rows: list[Replicate]) -> np.ndarray:
    return (column(rows, "low") <= design.selection) & (design.selection <= column(rows, "high"))


def reject_row(
    design: Design, rows: list[Replicate], reference: str, band: tuple[float, float] | None
) -> ShareRow:
    if reference == "chi-squared":
        reject = column(rows, "lrt") > CHI_SQUARED
    else:
        reject = column(rows, "p_value") <= LEVEL
    right = int(np.sum(reject & (column(rows, "s") > 0)))
    sides = (int(reject.sum()) - right, right)
    return _share_row(design, rows, reference, reject, LEVEL, sides, band)


def _promised(design: Design, reference: str) -> bool:
    if reference == "chi-squared":
        return design in [*designs(True)[:JUDGED], *designs(False)[:JUDGED]]
    return design.start_frequency is None


def _share_row(
    design: Design,
    rows: list[Replicate],
    reference: str,
    counted: np.ndarray,
    nominal: float,
    sides: tuple[int, int],
    band: tuple[float, float] | None,
) -> ShareRow:
    n, count, absorbed = len(rows), int(counted.sum()), column(rows, "absorbed")
    low, high = wilson(count, n)
    judged = band is not None and _promised(design, reference)
    return ShareRow(
        design=design.name,
        selection=design.selection,
        replicates=n,
        reference=reference,
        count=count,
        share=count / n,
        low=low,
        high=high,
        smallest_seen=smallest_share_seen(nominal if band else count / n, n),
        left=sides[0],
        right=sides[1],
        absorbed=float(absorbed.mean()),
        share_segregating=float(counted[~absorbed].mean()),
        verdict=within((low, high), count / n, *band) if judged else Verdict("none"),
    )


def flag_row(design: Design, rows: list[Replicate]) -> FlagRow:
    at_bound, flat = column(rows, "at_bound"), column(rows, "flat")
    held = _held(design, rows)
    plain = ~(at_bound | flat)
    return FlagRow(
        design.name,
        design.selection,
        len(rows),
        float(at_bound.mean()),
        float(flat.mean()),
        float(held[plain].mean()),
        float(column(rows, "error").max()),
    )


def figure(coverage: list[ShareRow], type_one: list[ShareRow], power: list[ShareRow]) -> object:
    panels = []
    for name in REFERENCES:
        held = [row for row in coverage if row.reference == name]
        panels.append(_panel(f"95 % intervals that hold the true s, {name}", held, COVERAGE, 0.95))
    for name in REFERENCES:
        rejected = [row for row in type_one if row.reference == name]
        panels.append(
            _panel(f"neutrality rejected at 5 %, s = 0, {name}", rejected, TYPE_ONE, 0.05)
        )
    return dots([*panels, _panel("neutrality rejected at 5 %, power", power, None, None)])


def _panel(
    title: str, rows: list[ShareRow], band: tuple[float, float] | None, nominal: float | None
) -> Dots:
    return Dots(
        title,
        [f"{row.design.split(':')[0]}, s = {row.selection:g}" for row in rows],
        [row.share for row in rows],
        [(row.low, row.high) for row in rows],
        band,
        nominal,
    )
