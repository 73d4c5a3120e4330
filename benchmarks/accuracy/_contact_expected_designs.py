"""Designs of the contact_expected study, and what is said about one simulated data set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from refsolve.core.check import FloatArray
from refsolve.core.rng import spawn
from refsolve.methods.contact_expected import (
    Background,
    ContactDesign,
    ContactTable,
    LoopStrength,
    SimulatedContacts,
    difference,
    find_stripes,
    fit_expected,
    loop_strength,
    mask_low_mappability,
    same_distance,
    simulate_contacts,
)
from refsolve.parallel import Mapper

AT_ONCE = 4  # chromosomes of one task
PER_CHROMOSOME = 5  # sets of counts
DONUT = (1, 4)

BoolArray = NDArray[np.bool_]
SIZES = (-2.0, -0.6, -0.3, -0.15, 0.15, 0.3, 0.6, 1.2)  # log2 of a stripe

PLAIN = ContactDesign(bins=(24,), replicates=4, low_bins=2, stripes=(0,), loop_distance=(5, 15))
SMALL = replace(PLAIN, bins=(16,), replicates=1, low_bins=1, loop_distance=(3, 9))
LARGE = replace(PLAIN, bins=(60,), low_bins=4)
NOISY = replace(PLAIN, replicates=1, dispersion=0.2)
SPARSE = replace(PLAIN, bins=(40,), replicates=2, depth=20.0, dispersion=0.1)
DOMAINS = replace(LARGE, replicates=3, tad=0.5)
COMPARTMENTS = replace(LARGE, replicates=3, compartment=0.6)


@dataclass(frozen=True, slots=True)
class Study:
    """A kind of data set.

    Attributes
    ----------
    name, seed
        What it is called, and the seed of its data sets.
    design
        Of the simulator.
    """

    name: str
    seed: int
    design: ContactDesign


@dataclass(frozen=True, slots=True)
class Case:
    """One data set.

    Attributes
    ----------
    table
        Contacts, without bins of low mappability.
    everything
        Contacts with these bins.
    target
        The loop.
    given
        log2 of its observed over its true expected contacts, mean by condition (C,).
    true
        log2 of its true over its true expected mean (C,).
    stripes
        Bins that deviate (C, B).
    """

    table: ContactTable
    everything: ContactTable
    target: tuple[int, int]
    given: FloatArray
    true: FloatArray
    stripes: FloatArray


def draw(design: ContactDesign, seed: np.random.SeedSequence) -> Iterator[Case]:
    """Chromosomes with loops and stripes, and several sets of counts of them.

    Parameters
    ----------
    design, seed
        What, and which one.
    """
    rng = np.random.default_rng(seed)
    data = simulate_contacts(design, rng=rng)
    for _ in range(PER_CHROMOSOME):
        yield _case(data, rng)


def _case(data: SimulatedContacts, rng: np.random.Generator) -> Case:
    design, n = data.design, len(data.bins)
    condition = tuple(c for c in design.conditions for _ in range(design.replicates))
    i, j = np.triu_indices(n, 1)
    depth = design.depth * np.exp(design.depth_sd * rng.standard_normal(len(condition)))
    mean = np.stack([data.mean(c, i, j) for c in condition]) * depth[:, None]
    counts = rng.poisson(mean * rng.gamma(1.0 / design.dispersion, design.dispersion, mean.shape))
    bins = data.bins
    covariates = {
        "gc": bins["gc_content"].to_numpy(),
        "log_mappability": np.log(bins["mappability"].to_numpy()),
        "re_sites": bins["re_sites"].to_numpy(),
    }
    everything = ContactTable(counts, i, j, condition, covariates)
    target = (int(data.loops["bin1"].iloc[0]), int(data.loops["bin2"].iloc[0]))
    seen = everything.counts[:, everything.pixel(*target)]
    half = np.where(seen == 0.0, 0.5, 0.0)
    plain = np.array([data.background(c, *target) for c in condition]) * depth
    log2 = np.log2((seen + half) / (plain + half))
    given = np.array([log2[everything.code == c].mean() for c in range(len(design.conditions))])
    stripes = np.zeros((len(design.conditions), n))
    for row in data.stripes.itertuples():
        stripes[design.conditions.index(row.condition), row.bin] = row.log2
    low = mask_low_mappability(bins["mappability"].to_numpy()).removed
    true = np.array([design.of("loop_log2", c) for c in design.conditions])
    return Case(everything.without(masked=low), everything, target, given, true, stripes)


def strength_studies() -> list[Study]:
    """Loops, mostly with stripes among the cases."""
    return [
        Study("24 bins, 4 + 4 samples, a stripe", 1, replace(PLAIN, stripes=(1, 0))),
        Study("16 bins, 1 + 1 samples", 2, SMALL),
        Study("60 bins, dispersion 0.05, 2 + 1 stripes", 3,
              replace(LARGE, dispersion=0.05, stripes=(2, 1))),
        Study("40 bins, 20 contacts at distance 1, dispersion 0.1", 4, SPARSE),
        Study("60 bins, domains not in the model", 5, DOMAINS),
    ]  # fmt: skip


def clean_studies() -> list[Study]:
    """No stripes at all."""
    return [
        Study("24 bins, 4 + 4 samples", 11, PLAIN),
        Study("16 bins, 1 + 1 samples", 12, SMALL),
        Study("60 bins, 4 + 4 samples", 13, LARGE),
        Study("24 bins, 1 + 1 samples, dispersion 0.2", 14, NOISY),
        Study("40 bins, 20 contacts at distance 1, dispersion 0.1", 15, SPARSE),
        Study("24 bins, visibility of bins differs by 20 %", 16, replace(PLAIN, coverage_sd=0.2)),
        Study("60 bins, domains of 1.6 times the contacts", 17, DOMAINS),
        Study("60 bins, compartments of 1.8 times the contacts", 18, COMPARTMENTS),
    ]


def power_studies() -> list[Study]:
    """One stripe among the cases."""
    bases = {"24 bins, 4 + 4 samples": PLAIN, "16 bins, 1 + 1 samples": SMALL,
             "24 bins, 1 + 1 samples, dispersion 0.2": NOISY}  # fmt: skip
    return [
        Study(name, 30 + k, replace(base, stripes=(1, 0), stripe_log2=(size,)))
        for name, base in bases.items()
        for k, size in enumerate(SIZES)
    ]


def definition_studies() -> list[Study]:
    """The same pixel by different definitions."""
    return [
        Study("24 bins, a stripe", 21, replace(PLAIN, stripes=(1, 0))),
        Study("60 bins, 2 + 1 stripes", 22, replace(LARGE, stripes=(2, 1))),
        Study("60 bins, domains of 1.6 times the contacts", 23, DOMAINS),
    ]


# What is done with one data set


@dataclass(frozen=True, slots=True)
class Said:
    """Estimates of one data set.

    Attributes
    ----------
    index
        Of the data set.
    given, true, value
        Truth given the counts, truth of the means, and estimates: conditions, then difference.
    se_expected, se
        Standard errors of the estimates.
    masked, false
        Bins that deviate and were found, and bins that were masked wrongly.
    cpu
        Seconds.
    """

    index: int
    given: tuple[float, ...]
    true: tuple[float, ...]
    value: tuple[float, ...]
    se_expected: tuple[float, ...]
    se: tuple[float, ...]
    masked: int
    false: int
    cpu: float


def strength(case: Case, index: int) -> Said:
    """Mask, fit, and measure the loop.

    Parameters
    ----------
    case, index
        The data set, and its number.
    """
    began = time.process_time()
    table = case.table.without(pixels=[case.target])
    found = find_stripes(table).masked
    fit = fit_expected(table.without(masked=found))
    loop = loop_strength(fit, case.everything, case.target)
    between = difference(loop, *loop.conditions)
    return Said(
        index,
        (*case.given, case.given[0] - case.given[1]),
        (*case.true, case.true[0] - case.true[1]),
        (*loop.mean, between.value),
        (*loop.se_expected, between.se_expected),
        (*loop.se, between.se),
        int((found & (case.stripes != 0.0)).sum()),
        int((found & (case.stripes == 0.0)).sum()),
        time.process_time() - began,
    )


def search(case: Case, index: int) -> Said:
    """Look for stripes only.

    Parameters
    ----------
    case, index
        The data set, and its number.
    """
    began = time.process_time()
    found = find_stripes(case.table.without(pixels=[case.target])).masked
    right, wrong = found & (case.stripes != 0.0), found & (case.stripes == 0.0)
    spent = time.process_time() - began
    return Said(index, (), (), (), (), (), int(right.sum()), int(wrong.sum()), spent)


def definitions(case: Case, index: int) -> Said:
    """The difference between conditions by every definition of the expected.

    Parameters
    ----------
    case, index
        The data set, and its number.
    """
    began = time.process_time()
    masked = find_stripes(case.table.without(pixels=[case.target])).masked
    values = tuple(_contrast(case, define(case, masked)) for define in DEFINITIONS.values())
    given = float(case.given[0] - case.given[1])
    return Said(index, (given,), (), values, (), (), 0, 0, time.process_time() - began)


def _contrast(case: Case, found: LoopStrength | FloatArray) -> float:
    if isinstance(found, LoopStrength):
        return float(found.mean[0] - found.mean[1])
    k = case.everything.pixel(*case.target)
    log2 = np.log2(case.everything.counts[:, k] / found)
    code = case.everything.code
    return float(log2[code == 0].mean() - log2[code == 1].mean())


def _fitted(
    case: Case,
    masked: BoolArray,
    background: Background | None = None,
    *,
    low: bool = False,
    stripes: bool = False,
    target: bool = False,
    donut: tuple[int, int] | None = None,
) -> LoopStrength:
    """By the model, with what should be left out kept in where asked for."""
    table = _without_mappability(case.everything) if low else case.table
    table = table if target else table.without(pixels=[case.target])
    kept = table if stripes else table.without(masked=masked)
    return loop_strength(fit_expected(kept, background), kept, case.target, donut=donut)


def _without_mappability(table: ContactTable) -> ContactTable:
    kept = {name: v for name, v in table.covariates.items() if name != "log_mappability"}
    return replace(table, covariates=kept)


def _by_distance(case: Case, masked: BoolArray, how: str, *, target: bool = False) -> FloatArray:
    table = case.table if target else case.table.without(pixels=[case.target])
    kept, (i, j) = table.without(masked=masked), case.target
    return same_distance(kept.counts, kept.bin2 - kept.bin1, kept.used, at=abs(j - i), how=how)


ONE_SLOPE = Background(by_condition=("gc",))
SPLINE = Background(distance="spline")
POISSON = Background(dispersion=0.0)

DEFINITIONS: dict[str, Callable[[Case, BoolArray], LoopStrength | FloatArray]] = {
    "negative binomial, all masked": _fitted,
    "negative binomial, spline of distance": partial(_fitted, background=SPLINE),
    "Poisson": partial(_fitted, background=POISSON),
    "one distance slope": partial(_fitted, background=ONE_SLOPE),
    "stripes kept": partial(_fitted, stripes=True),
    "low mappability kept, no term for it": partial(_fitted, low=True),
    "target kept": partial(_fitted, target=True),
    "times the donut around it": partial(_fitted, donut=DONUT),
    "mean of the distance, without target": partial(_by_distance, how="mean"),
    "median of the distance, without target": partial(_by_distance, how="median"),
    "mean of the distance, with target": partial(_by_distance, how="mean", target=True),
}


# Many data sets

Work = Callable[[Case, int], Said]


def carry_out(study: Study, work: Work, n: int, map_: Mapper) -> list[Said]:
    """What is said about n data sets, in their order, the same for every mapper.

    Parameters
    ----------
    study, work, n
        What to simulate, what to do, and how often.
    map_
        Mapper over groups of data sets.
    """
    seeds = spawn(study.seed, -(-n // PER_CHROMOSOME))
    tasks = [(study, work, i, seeds[i : i + AT_ONCE]) for i in range(0, len(seeds), AT_ONCE)]
    found = [one for group in map_(_group, tasks) for one in group]
    return sorted(found, key=lambda one: one.index)[:n]


def _group(task: tuple[Study, Work, int, Sequence[np.random.SeedSequence]]) -> list[Said]:
    study, work, first, seeds = task
    return [
        work(case, PER_CHROMOSOME * (first + k) + m)
        for k, seed in enumerate(seeds)
        for m, case in enumerate(draw(study.design, seed))
    ]
