"""Data sets of the founder study, bred by meioses, and what is found in one of them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from refsolve.methods.founder_hmm import (
    Design,
    Genotypes,
    SimulatedCalls,
    SimulatedLines,
    diplotypes,
    exchangeable,
    intercross,
    outbred,
    reconstruct,
    repair_orientation,
    ril,
    simulate_calls,
    simulate_founders,
    simulate_intercross,
    simulate_map,
    simulate_outbred,
    simulate_ril,
)

LENGTH = 100.0


@dataclass(frozen=True, slots=True)
class Data:
    """How a data set is made.

    Attributes
    ----------
    name
        What it is called.
    lines, chromosomes, markers
        Lines, chromosomes of 100 cM, and markers on each.
    founders, mating
        Founders; `self` or `sib`.
    error, missing, founder_missing
        Shares of wrong and missing calls.
    flipped
        Share of markers with exchanged founder alleles.
    run
        Length of a run of neighbours with exchanged alleles; 0 for none.
    twins
        Share of markers at which the first two founders differ; None for unrelated founders.
    noise
        Markers whose calls are drawn at random.
    """

    name: str
    lines: int = 150
    chromosomes: int = 2
    markers: int = 60
    founders: int = 8
    mating: str = "self"
    error: float = 0.005
    missing: float = 0.02
    founder_missing: float = 0.0
    flipped: float = 0.0
    run: int = 0
    twins: float | None = None
    noise: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """One data set.

    Attributes
    ----------
    number
        Of the design.
    made, right, false, exact
        Exchanged markers, those found, markers exchanged without need, and whether all is right.
    true_error, error, expansion
        Share of wrong calls, its estimate, and changes per Morgan.
    cpu
        Seconds of the repair.
    """

    number: int
    made: int
    right: int
    false: int
    exact: bool
    true_error: float
    error: float
    expansion: float
    cpu: float


def bred(data: Data, rng: np.random.Generator) -> SimulatedCalls:
    """One data set."""
    code, position = simulate_map(
        lengths=[LENGTH] * data.chromosomes, n_markers=data.markers, rng=rng
    )
    lines = simulate_ril(
        n_lines=data.lines, n_founders=data.founders, position=position, chromosome=code,
        mating=data.mating, order="random", rng=rng,
    )  # fmt: skip
    M = position.size
    alleles = simulate_founders(n_markers=M, n_founders=data.founders, rng=rng)
    if data.twins is not None:
        other = rng.random(M) < data.twins
        alleles[:, 1] = np.where(other, 1 - alleles[:, 0], alleles[:, 0])
    marks = rng.random(M) < data.flipped
    if data.run:
        first = int(rng.integers(0, M - data.run))
        marks[first : first + data.run] = True
    return simulate_calls(
        lines, alleles=alleles, error=data.error, missing=data.missing,
        founder_missing=data.founder_missing, flipped=np.flatnonzero(marks).tolist(), rng=rng,
    )  # fmt: skip


def repaired(task: tuple[int, Data, np.random.SeedSequence]) -> Found:
    """Repair one data set of unknown funnel orders."""
    number, data, seed = task
    rng = np.random.default_rng(seed)
    made = bred(data, rng)
    observed = dict(made.observed)
    if data.noise:
        at = rng.choice(made.position.size, data.noise, replace=False)
        observed["calls"] = observed["calls"].copy()
        observed["calls"][:, at] = rng.integers(0, 2, (data.lines, data.noise))
    begin = time.process_time()
    found = repair_orientation(Genotypes(**observed), exchangeable(data.founders))
    cpu = time.process_time() - begin
    known = (made.calls == 0) | (made.calls == 1)
    return Found(
        number=number,
        made=int(made.flipped.sum()),
        right=int((made.flipped & found.flipped).sum()),
        false=int((found.flipped & ~made.flipped).sum()),
        exact=bool((made.flipped == found.flipped).all()),
        true_error=float(made.wrong[known].mean()),
        error=found.fit.common_error,
        expansion=found.fit.expansion,
        cpu=cpu,
    )


@dataclass(frozen=True, slots=True)
class Population:
    """A population whose founders are reconstructed.

    Attributes
    ----------
    name, kind, founders
        `self`, `sib`, `intercross` or `outbred`, and the number of founders.
    model
        `own order`, `order unknown` or `exchangeable`; or as bred.
    lines, markers
        Individuals, and markers on each of two chromosomes of 100 cM.
    founder_missing, unknown
        Share of founders without a call, and how they are taken.
    """

    name: str
    kind: str
    founders: int
    model: str = "own order"
    lines: int = 60
    markers: int = 200
    founder_missing: float = 0.0
    unknown: float | str = 0.5


GENERATIONS = 8


def _people(task: Population, rng: np.random.Generator) -> tuple[SimulatedLines, Design | None]:
    code, position = simulate_map(lengths=[LENGTH] * 2, n_markers=task.markers, rng=rng)
    if task.kind in {"self", "sib"}:
        lines = simulate_ril(
            n_lines=task.lines, n_founders=task.founders, position=position, chromosome=code,
            mating=task.kind, order="random", rng=rng,
        )  # fmt: skip
        return lines, None
    if task.kind == "outbred":
        mice = simulate_outbred(
            n_individuals=task.lines, generations=GENERATIONS, position=position, chromosome=code,
            rng=rng,
        )  # fmt: skip
        return mice, diplotypes(outbred(GENERATIONS))
    mice = simulate_intercross(
        n_individuals=task.lines, n_founders=task.founders, generations=GENERATIONS,
        position=position, chromosome=code, population_size=300, rng=rng,
    )  # fmt: skip
    return mice, diplotypes(intercross(task.founders, GENERATIONS))


@dataclass(frozen=True, slots=True)
class Reconstructed:
    """One replicate of a population.

    Attributes
    ----------
    number
        Of the population.
    right, truth, expected
        Share of places whose most likely state is true; mean probability of the true state; and
        what that would be were the probabilities exact: the mean sum of their squares.
    sure, sure_right
        Share of places with a probability of at least 0.95, and the share of true ones there.
    """

    number: int
    right: float
    truth: float
    expected: float
    sure: float
    sure_right: float


def reconstructed(task: tuple[int, Population, np.random.SeedSequence]) -> Reconstructed:
    """Reconstruct one replicate at the true error."""
    number, population, seed = task
    rng = np.random.default_rng(seed)
    people, design = _people(population, rng)
    data = simulate_calls(people, founder_missing=population.founder_missing, rng=rng)
    K = population.founders
    if design is None:
        mating = population.kind
        design = {
            "own order": ril(K, mating, order=data.order),
            "order unknown": ril(K, mating, order="unknown"),
            "exchangeable": exchangeable(K, 7.0 if mating == "sib" else 4.0),
        }[population.model]
    found = reconstruct(Genotypes(**data.observed, unknown=population.unknown), design, 0.005)
    p = found.stacked()
    truth = state_of(data.haplotype, design)
    there = np.take_along_axis(p, truth[:, :, None], axis=2)[:, :, 0]
    best = p.argmax(axis=2) == truth
    sure = p.max(axis=2) >= 0.95
    return Reconstructed(
        number=number,
        right=float(best.mean()),
        truth=float(there.mean()),
        expected=float((p**2).sum(axis=2).mean()),
        sure=float(sure.mean()),
        sure_right=float(best[sure].mean()),
    )


def state_of(haplotype: np.ndarray, design: Design) -> np.ndarray:
    """True state (n, M) from the founders (n, 2, M) of both haplotypes."""
    if design.ploidy == 1:
        return haplotype[:, 0]
    low, high = haplotype.min(axis=1), haplotype.max(axis=1)
    return np.asarray(high * (high + 1) // 2 + low)
