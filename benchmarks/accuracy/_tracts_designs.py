"""Designs of the accuracy study of tracts, and one replicate of each as a task."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from refsolve.methods.tracts import (
    PathCounts,
    Tracts,
    count_paths,
    estimate_switch_rate,
    fit_pulse,
    fit_two_pulses,
    merge_islands,
    repair_islands,
    repair_labels,
    simulate_calls,
    simulate_history,
    simulate_tracts,
)

HUMAN = (
    2.86, 2.69, 2.23, 2.14, 2.04, 1.92, 1.87, 1.68, 1.66, 1.81, 1.58,
    1.75, 1.26, 1.20, 1.41, 1.34, 1.29, 1.18, 1.08, 1.08, 0.63, 0.74,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pulse:
    """One pulse seen on some haplotypes."""

    name: str
    time: float
    fraction: float
    haplotypes: int
    lengths: tuple[float, ...]


PULSES = (
    Pulse("one haplotype, 8 chromosomes", 3.0, 0.3, 1, HUMAN[:8]),
    Pulse("one individual, 22 chromosomes", 8.0, 0.5, 2, HUMAN),
    Pulse("five individuals, 22 chromosomes", 20.0, 0.1, 10, HUMAN),
)


def one_pulse(task: tuple[int, Pulse, np.random.SeedSequence]) -> tuple[int, list[float]]:
    """Time, interval and fraction interval, and the switch-rate time (coalescent convention)."""
    number, design, seed = task
    data = simulate_tracts(
        time=design.time, fraction=design.fraction, lengths=design.lengths,
        n_haplotypes=design.haplotypes, convention="coalescent", rng=np.random.default_rng(seed),
    )  # fmt: skip
    tracts = Tracts(**data.observed)
    fit = fit_pulse(tracts, by="all", convention="coalescent")
    rates = estimate_switch_rate(tracts)
    simple = rates.time[0] if design.haplotypes == 1 else np.nan
    return number, [fit.time[0], *fit.interval[0], *fit.fraction_interval[0], simple]


@dataclass(frozen=True, slots=True)
class Labels:
    """Two parents whose labels are right on all chromosomes."""

    name: str
    time: tuple[float, float]
    fraction: tuple[float, float]
    lengths: tuple[float, ...]


def labels(task: tuple[int, Labels, np.random.SeedSequence]) -> tuple[int, list[float]]:
    """Chromosomes exchanged, and whether the truth leaves a clear gap."""
    number, design, seed = task
    data = simulate_tracts(
        time=design.time, fraction=design.fraction, lengths=design.lengths, convention="coalescent",
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    tracts = Tracts(**data.observed)
    exchanged = repair_labels(tracts).inverted.sum()
    return number, [float(exchanged), float((_true_ratios(tracts, design) < -2.9).all())]


def _true_ratios(clean: Tracts, design: Labels) -> np.ndarray:
    """Ratios (C,) of exchanged against true labels at the true parameters."""
    counts = count_paths(clean, by="cell")
    turned = replace(counts, exposure=counts.exposure[:, ::-1], first=counts.first[:, ::-1],
                     switches=counts.switches[:, ::-1, ::-1])  # fmt: skip
    m = np.repeat(design.fraction, len(design.lengths))
    time = np.repeat(design.time, len(design.lengths))
    ratio = _log_likelihoods(turned, time, m) - _log_likelihoods(counts, time, m)
    return ratio.reshape(2, -1).sum(axis=0)


def _log_likelihoods(counts: PathCounts, time: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Log-likelihood of each cell but for what its exchange leaves as it is."""
    (t_a, t_b), (f_a, f_b) = counts.exposure.T, counts.first.T
    to_a, to_b = counts.switches[:, 1, 0], counts.switches[:, 0, 1]
    labels = (f_a + to_a) * np.log(m) + (f_b + to_b) * np.log1p(-m)
    return labels - time * ((1.0 - m) * t_a + m * t_b)


@dataclass(frozen=True, slots=True)
class Islands:
    """One individual with islands at a rate per Morgan."""

    name: str
    time: tuple[float, float]
    rate: float
    lengths: tuple[float, ...]


ISLANDS = (
    Islands("6 chromosomes, clean", (2.8, 5.6), 0.0, HUMAN[:6]),
    Islands("22 chromosomes, clean", (8.0, 15.0), 0.0, HUMAN),
    Islands("6 chromosomes, one island per 3 M", (2.8, 5.6), 0.33, HUMAN[:6]),
    Islands("22 chromosomes, one island per 3 M", (8.0, 15.0), 0.33, HUMAN),
)


def islands(task: tuple[int, Islands, np.random.SeedSequence]) -> tuple[int, list[float]]:
    """Islands, those missed, good calls relabelled, and those the truth relabels by mistake."""
    number, design, seed = task
    rng = np.random.default_rng(seed)
    data = simulate_tracts(
        time=design.time, fraction=(0.3, 0.7), lengths=design.lengths, convention="coalescent",
        rng=rng,
    )  # fmt: skip
    calls = simulate_calls(data, island_rate=design.rate, rng=rng)
    tracts = Tracts(**calls.observed)
    truth = np.asarray(calls.island)[tracts.row]
    found = repair_islands(tracts).island
    ideal = merge_islands(tracts, truth).ancestry != tracts.ancestry
    return number, [ideal.sum(), (ideal & ~found).sum(), (found & ~truth).sum()]


@dataclass(frozen=True, slots=True)
class History:
    """A founding by 40 % A, and 25 % A who arrive later, or nobody."""

    name: str
    old: int
    young: int
    migrants: float


HISTORIES = (History("one pulse", 14, 5, 0.0), History("two pulses", 14, 5, 0.25))
COHORT = 10  # haplotypes


def two_pulses(task: tuple[int, History, np.random.SeedSequence]) -> tuple[int, list[float]]:
    """P-value, both times and the migrants."""
    number, design, seed = task
    migration = np.zeros((design.old + 1, 2))
    migration[design.young, 0] = design.migrants
    migration[design.old] = 0.4, 0.6
    data = simulate_history(
        migration=migration, lengths=HUMAN[:10], n_haplotypes=COHORT,
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    fit = fit_two_pulses(Tracts(**data.observed), source=0)
    return number, [fit.p_value, fit.time_old, fit.time_young, fit.migrants]
