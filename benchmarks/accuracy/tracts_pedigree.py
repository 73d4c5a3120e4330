"""Where one pulse is not a Markov chain: eqs. (1) to (3) of tracts on finite pedigrees.

Samples come from `simulate_pedigree`, which knows nothing of the chain, and are fitted by the
closed form of the textbook.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks.options import Options
from benchmarks.report import NO_TARGET, Report, Table, Verdict, at_most
from refsolve.methods.tracts import textbook as tb
from refsolve.methods.tracts.simulate import simulate_pedigree

FRACTION, N_SAMPLED, LENGTHS = 0.3, 10, [1.0] * 6
REPLICATES = {10: 120, 30: 80, 100: 40, 300: 16, 1000: 5}
TIMES = (5, 20, 50)
BIAS = 10.0  # per cent; judged where there are at least four founders per generation of age
SHORT, LONG = 0.2, 3.0  # of the mean distance between recombinations


class Task(NamedTuple):
    n_diploids: int
    time: int
    seed: int


class Sample(NamedTuple):
    task: Task
    at_source: float  # eq. (1) with the fraction of the migrants
    rate: float  # maximum of eq. (3)
    se: float
    covered: bool
    short: float  # tracts observed over expected at the maximum
    long: float


@dataclass(frozen=True, slots=True)
class PedigreeRow:
    """Samples of ten diploids from populations of one size and age.

    Attributes
    ----------
    n_diploids, time, replicates
        Size of every generation, generations since the pulse, and populations simulated.
    one_ancestry
        Samples in which one ancestry was left; they have no estimate.
    rate_true, rate_finite
        t - 1, and eq. (2) with the size.
    rate_migrants, rate_migrants_se
        Mean of eq. (1) with the fraction of the migrants, and its standard error.
    rate_fitted, rate_fitted_se
        Mean of the maximum of eq. (3), and its standard error.
    error_percent
        Of the fitted mean against t - 1.
    spread
        Standard deviation of the fitted rates over the mean standard error of eq. (3).
    coverage
        Share of the 95 % intervals that hold t - 1.
    short, long
        Tracts shorter than a fifth of 1/rate, and longer than 3/rate, observed over expected at the
        fit by eq. (12).
    verdict
        |error| at most 10 %, where there are at least four diploids per generation of age.
    """

    n_diploids: int
    time: int
    replicates: int
    one_ancestry: int
    rate_true: float
    rate_finite: float
    rate_migrants: float
    rate_migrants_se: float
    rate_fitted: float
    rate_fitted_se: float
    error_percent: float
    spread: float
    coverage: float
    short: float
    long: float
    verdict: Verdict


def run(options: Options) -> Report:
    tasks = [
        Task(n, t, seed)
        for n, replicates in REPLICATES.items()
        for t in TIMES
        for seed in range(3 if options.quick else options.replicates or replicates)
    ]
    done = sorted((s for s in options.map_(simulate_and_fit, tasks)), key=lambda s: s.task)
    rows = [row(n, t, [s for s in done if s.task[:2] == (n, t)]) for n in REPLICATES for t in TIMES]
    title = "one pulse of 30 % A: the Markov chain against Wright–Fisher pedigrees"
    return Report([Table("markov", title, rows)], ["Fitted by the textbook, not by the estimator."])


def simulate_and_fit(task: Task) -> Sample:
    data = simulate_pedigree(
        migration=tb.pulses([(task.time, [FRACTION, 1 - FRACTION])]),
        lengths=LENGTHS,
        n_diploids=task.n_diploids,
        n_sampled=N_SAMPLED,
        rng=np.random.SeedSequence([task.n_diploids, task.time, task.seed]),
    )
    stats = tb.pool([tb.statistics(one) for one in paths(data)])
    fit = tb.fit_pulse(stats)
    switches, span = int(stats.switches.sum()), 2 * N_SAMPLED * sum(LENGTHS)
    at_source = tb.switch_time(switches, FRACTION, span)
    if fit.fraction in (0.0, 1.0):
        return Sample(task, at_source, math.nan, math.nan, False, math.nan, math.nan)
    low, high = tb.profile_interval(stats)
    information = tb.pulse_information(stats, fit.rate, fit.fraction)
    se = float(np.sqrt(np.linalg.inv(information)[0, 0]))
    covered = low <= task.time - 1 <= high
    return Sample(task, at_source, fit.rate, se, covered, *tails(data, fit))


def paths(data: Any) -> list[tb.Path]:
    """Path of every haplotype and chromosome."""
    cuts = np.flatnonzero(np.diff(data.haplotype * len(LENGTHS) + data.chromosome)) + 1
    columns = (np.split(x, cuts) for x in (data.start, data.end, data.ancestry))
    return [tb.Path(*one) for one in zip(*columns, strict=True)]


def tails(data: Any, fit: tb.PulseEstimate) -> tuple[float, float]:
    """Short and long tracts, observed over expected at the fit."""
    cuts, length = np.array([SHORT, LONG]) / fit.rate, data.end - data.start
    expected = np.zeros(3)
    for m in (fit.fraction, 1 - fit.fraction):
        for chromosome in LENGTHS:
            tail = tb.pulse_tail([0, *cuts], chromosome, fit.rate, m)
            expected += 2 * N_SAMPLED * tail
    short = np.sum(length < cuts[0]) / (expected[0] - expected[1])
    long = np.sum(length >= cuts[1]) / expected[2] if expected[2] > 0 else math.nan
    return float(short), float(long)


def row(n: int, t: int, samples: list[Sample]) -> PedigreeRow:
    fitted = [s for s in samples if not math.isnan(s.rate)]
    rates = np.array([s.rate for s in fitted])
    at_source = np.array([s.at_source for s in samples])
    sd = float(rates.std(ddof=1))
    error = 100 * (float(rates.mean()) / (t - 1) - 1)
    return PedigreeRow(
        n_diploids=n,
        time=t,
        replicates=len(samples),
        one_ancestry=len(samples) - len(fitted),
        rate_true=t - 1,
        rate_finite=tb.rate_of_time(t, "founders", n),
        rate_migrants=float(at_source.mean()),
        rate_migrants_se=float(at_source.std(ddof=1)) / math.sqrt(len(samples)),
        rate_fitted=float(rates.mean()),
        rate_fitted_se=sd / math.sqrt(rates.size),
        error_percent=error,
        spread=sd / float(np.mean([s.se for s in fitted])),
        coverage=float(np.mean([s.covered for s in fitted])),
        short=float(np.nanmean([s.short for s in fitted])),
        long=float(np.nanmean([s.long for s in fitted])),
        verdict=at_most(abs(error), BIAS, "%") if n >= 4 * t else NO_TARGET,
    )
