"""Accuracy of contact_expected: strength of loops, stripes, and definitions of the expected.

Of every simulated chromosome five sets of counts are drawn; intervals take them as independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy._contact_expected_designs import (
    DEFINITIONS,
    Said,
    Study,
    Work,
    carry_out,
    clean_studies,
    definition_studies,
    definitions,
    power_studies,
    search,
    strength,
    strength_studies,
)
from benchmarks.figures import Dots, dots
from benchmarks.options import Options
from benchmarks.report import NO_TARGET, Report, Table, Verdict, at_most, within
from benchmarks.shares import NORMAL, smallest_bias_seen, smallest_share_seen, wilson

DATA_SETS = 600
# One data set in so many is analysed further.
PER_STRENGTH, PER_POWER, PER_DEFINITION = 2, 10, 10
COVERAGE = (0.93, 0.97)
BIAS = 0.25  # of the standard deviation: adds 3 % to the RMSE
FALSE = 0.01  # of the clean data sets lose a bin
MISSPECIFIED = "not in the model"


@dataclass(frozen=True, slots=True)
class StrengthRow:
    """Estimates of one design and quantity.

    Attributes
    ----------
    design, quantity
        What was simulated and estimated: mean of a condition, or their difference.
    error
        `expected`: against the true expected with the same counts, by `se_expected`. `all`:
        against the true log2 ratio of means, by `se`.
    data_sets
        How many.
    bias, bias_seen
        Mean error, and the one that this number of data sets finds with 80 % power.
    sd, mean_se, rmse
        Of the errors, mean standard error, root mean squared error.
    share, low, high
        95 % intervals that hold the truth, and the Wilson interval of the share.
    smallest_seen
        Deviation from 95 % that is found with 80 % power.
    verdict
        Coverage against its band; against the true expected, the bias must also be below a quarter
        of the standard deviation. The mean of log2 counts is itself below the log2 of their mean
        by (1/μ + α)/(2 ln 2), which shows in the bias of `all`.
    """

    design: str
    quantity: str
    error: str
    data_sets: int
    bias: float
    bias_seen: float
    sd: float
    mean_se: float
    rmse: float
    share: float
    low: float
    high: float
    smallest_seen: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class FalseRow:
    """Data sets without stripes in which any bin was masked.

    Attributes
    ----------
    design, data_sets
        What was simulated.
    count, share, low, high
        Data sets that lost a bin, their share, and its Wilson interval.
    bins
        Bins lost, all data sets.
    verdict
        At most one in a hundred.
    """

    design: str
    data_sets: int
    count: int
    share: float
    low: float
    high: float
    bins: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class PowerRow:
    """One stripe among the cases.

    Attributes
    ----------
    design, log2, data_sets
        What was simulated.
    found, low, high
        Share of the stripes that were masked, and its Wilson interval.
    false
        Share of the data sets that lost another bin.
    """

    design: str
    log2: float
    data_sets: int
    found: float
    low: float
    high: float
    false: float


@dataclass(frozen=True, slots=True)
class DefinitionRow:
    """Difference of strength between conditions by one definition of the expected.

    Attributes
    ----------
    design, expected, data_sets
        What was simulated, and by what the counts were divided.
    bias, sd, rmse
        Against the true expected with the same counts.
    bias_low, bias_high
        95 % interval of the bias.
    worse
        Data sets in which it is further off than the negative-binomial model.
    """

    design: str
    expected: str
    data_sets: int
    bias: float
    bias_low: float
    bias_high: float
    sd: float
    rmse: float
    worse: float


def run(options: Options) -> Report:
    n = options.replicates or (20 if options.quick else DATA_SETS)
    settings: list[tuple[list[Study], Work, int]] = [
        (clean_studies(), search, 1),
        (strength_studies(), strength, PER_STRENGTH),
        (power_studies(), search, PER_POWER),
        (definition_studies(), definitions, PER_DEFINITION),
    ]
    clean, loops, power, other = (
        [(s, carry_out(s, work, max(n // per, 2), options.map_)) for s in studies]
        for studies, work, per in settings
    )
    strengths = [row for pair in loops for row in strength_rows(*pair)]
    losses = [false_row(*pair) for pair in clean]
    powers = [power_row(*pair) for pair in power]
    tables = [
        Table("strength", "errors and 95 % intervals of log2 observed over expected", strengths),
        Table("false", "data sets without stripes that lose a bin", losses),
        Table("power", "stripes that are found", powers),
        Table("definitions", "difference between conditions by definition of the expected",
              [row for pair in other for row in definition_rows(*pair)]),
    ]  # fmt: skip
    cpu = sum(one.cpu for _, said in [*loops, *clean, *power, *other] for one in said)
    return Report(tables, [f"{cpu:.0f} CPU s of analyses"], figure(strengths, losses, powers))


def strength_rows(study: Study, said: Sequence[Said]) -> list[StrengthRow]:
    value = np.array([one.value for one in said])
    given, true = (np.array([getattr(one, k) for one in said]) for k in ("given", "true"))
    narrow, wide = (np.array([getattr(one, k) for one in said]) for k in ("se_expected", "se"))
    names = (*study.design.conditions, "difference")
    return [
        _strength_row(study, name, kind, value[:, k] - truth[:, k], se[:, k])
        for k, name in enumerate(names)
        for kind, truth, se in (("expected", given, narrow), ("all", true, wide))
    ]


def _strength_row(
    study: Study, quantity: str, kind: str, error: np.ndarray, se: np.ndarray
) -> StrengthRow:
    n, sd = error.size, float(error.std(ddof=1))
    count = int((np.abs(error) <= NORMAL * se).sum())
    ends = wilson(count, n)
    verdict = within(ends, count / n, *COVERAGE)
    biased = at_most(abs(float(error.mean())) / sd, BIAS, "sd of bias")
    if kind == "expected" and biased.status != "met":
        verdict = biased
    return StrengthRow(
        design=study.name,
        quantity=quantity,
        error=kind,
        data_sets=n,
        bias=float(error.mean()),
        bias_seen=smallest_bias_seen(sd, n),
        sd=sd,
        mean_se=float(se.mean()),
        rmse=float(np.sqrt(np.mean(error**2))),
        share=count / n,
        low=ends[0],
        high=ends[1],
        smallest_seen=smallest_share_seen(0.95, n),
        verdict=NO_TARGET if MISSPECIFIED in study.name else verdict,
    )


def false_row(study: Study, said: Sequence[Said]) -> FalseRow:
    n, count = len(said), sum(one.false > 0 for one in said)
    ends = wilson(count, n)
    return FalseRow(
        design=study.name,
        data_sets=n,
        count=count,
        share=count / n,
        low=ends[0],
        high=ends[1],
        bins=sum(one.false for one in said),
        verdict=within(ends, count / n, 0.0, FALSE),
    )


def power_row(study: Study, said: Sequence[Said]) -> PowerRow:
    n, count = len(said), sum(one.masked > 0 for one in said)
    ends = wilson(count, n)
    return PowerRow(
        design=study.name,
        log2=study.design.stripe_log2[0],
        data_sets=n,
        found=count / n,
        low=ends[0],
        high=ends[1],
        false=sum(one.false > 0 for one in said) / n,
    )


def definition_rows(study: Study, said: Sequence[Said]) -> list[DefinitionRow]:
    error = np.array([one.value for one in said]) - np.array([one.given for one in said])
    return [
        _definition_row(study, name, error[:, k], np.abs(error[:, 0]))
        for k, name in enumerate(DEFINITIONS)
    ]


def _definition_row(
    study: Study, name: str, error: np.ndarray, reference: np.ndarray
) -> DefinitionRow:
    bias, sd = float(error.mean()), float(error.std(ddof=1))
    half = NORMAL * sd / np.sqrt(error.size)
    return DefinitionRow(
        design=study.name,
        expected=name,
        data_sets=error.size,
        bias=bias,
        bias_low=bias - half,
        bias_high=bias + half,
        sd=sd,
        rmse=float(np.sqrt(np.mean(error**2))),
        worse=float(np.mean(np.abs(error) > reference)),
    )


def figure(
    strengths: Sequence[StrengthRow], losses: Sequence[FalseRow], powers: Sequence[PowerRow]
) -> object:
    covered = [_coverage_panel(strengths, kind) for kind in ("expected", "all")]
    lost = Dots(
        title="clean data sets that lose a bin",
        labels=[row.design for row in losses],
        shares=[row.share for row in losses],
        intervals=[(row.low, row.high) for row in losses],
        band=(0.0, FALSE),
        nominal=None,
    )
    found = [
        Dots(
            title=f"stripes found, {name}",
            labels=[f"log2 {row.log2:+.2f}" for row in powers if row.design == name],
            shares=[row.found for row in powers if row.design == name],
            intervals=[(row.low, row.high) for row in powers if row.design == name],
            band=None,
            nominal=None,
        )
        for name in dict.fromkeys(row.design for row in powers)
    ]
    return dots([*covered, lost, *found])


def _coverage_panel(rows: Sequence[StrengthRow], kind: str) -> Dots:
    mine = [row for row in rows if row.error == kind]
    return Dots(
        title=f"coverage, error of {kind}",
        labels=[f"{row.design}: {row.quantity}" for row in mine],
        shares=[row.share for row in mine],
        intervals=[(row.low, row.high) for row in mine],
        band=COVERAGE,
        nominal=0.95,
    )
