"""Time and fraction of one pulse by maximum likelihood, for one group of paths or for thousands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from refsolve.core.check import FloatArray, open_unit
from refsolve.core.result import Result
from refsolve.methods.tracts.kernels import pulse
from refsolve.methods.tracts.model.container import Tracts
from refsolve.methods.tracts.model.counts import PathCounts, count_paths
from refsolve.methods.tracts.model.inputs import rate_of_time, time_of_rate
from refsolve.methods.tracts.model.pulse import fit_groups, statistics

CURVE = 201  # times of a profile curve


@dataclass(frozen=True, slots=True)
class PulseFit(Result):
    """One pulse fitted to each of G groups of paths.

    Attributes
    ----------
    time
        Generations since the pulse (G,); NaN where not identified.
    fraction
        Fraction of ancestry 0 in the pulse (G,).
    rate
        Breakpoints per Morgan (G,), whatever the convention.
    se_time, se_fraction
        Standard errors (G,) from the observed information; NaN at a bound.
    interval
        Profile-likelihood interval of the time (G, 2).
    fraction_interval
        Profile-likelihood interval of the fraction (G, 2).
    log_likelihood
        At the maximum (G,).
    switches
        Changes of ancestry seen (G,).
    at_bound
        Without a switch, or with one ancestry only (G,): an end of an interval is a bound.
    identified
        Both ancestries are seen (G,), so that the data bound the time from above.
    confidence
        Nominal coverage of the intervals.
    convention, population_size
        What a time means.
    """

    time: FloatArray
    fraction: FloatArray
    rate: FloatArray
    se_time: FloatArray
    se_fraction: FloatArray
    interval: FloatArray
    fraction_interval: FloatArray
    log_likelihood: FloatArray
    switches: FloatArray
    at_bound: NDArray[np.bool_]
    identified: NDArray[np.bool_]
    confidence: float
    convention: str
    population_size: float


def fit_pulse(
    tracts: Tracts | PathCounts,
    *,
    by: str = "haplotype",
    gaps: str = "integrate",
    convention: str = "founders",
    population_size: float = np.inf,
    confidence: float = 0.95,
) -> PulseFit:
    """Fit one pulse to every group by the exact likelihood of tracts on finite chromosomes.

    The estimate is identified by the tracts being called without error: a false switch makes the
    pulse older.

    Parameters
    ----------
    tracts
        Tracts, or their counts (then `by` and `gaps` were chosen before).
    by, gaps
        As in `count_paths`.
    convention, population_size
        As in `rate_of_time`.
    confidence
        Nominal coverage of the profile intervals.

    Examples
    --------
    >>> from refsolve.methods.tracts import Tracts, fit_pulse
    >>> tracts = Tracts([0, 0, 0], [0, 0, 0], [0.0, 0.4, 0.9], [0.4, 0.9, 1.0], [0, 1, 0], [1.0])
    >>> fit = fit_pulse(tracts, convention="coalescent")
    >>> fit.time.round(3), fit.fraction.round(3)
    (array([4.]), array([0.667]))
    """
    counts = tracts if isinstance(tracts, PathCounts) else count_paths(tracts, by=by, gaps=gaps)
    drop = 0.5 * float(chdtri(1, 1.0 - open_unit(confidence, "confidence")))
    fits = fit_groups(counts, drop)
    x = statistics(counts)
    rate, fraction = fits[:, 0], fits[:, 1]
    identified = (x[:, 0] > 0.0) & (x[:, 1] > 0.0)
    rate = np.where(identified, rate, np.nan)
    return PulseFit(
        time=time_of_rate(rate, convention, population_size),
        fraction=fraction,
        rate=rate,
        se_time=fits[:, 3] * _time_per_rate(rate, population_size),
        se_fraction=fits[:, 4],
        interval=time_of_rate(fits[:, 5:7], convention, population_size),
        fraction_interval=fits[:, 7:9],
        log_likelihood=fits[:, 2],
        switches=counts.n_switches,
        at_bound=(counts.n_switches == 0) | (fraction <= 0.0) | (fraction >= 1.0),
        identified=identified,
        confidence=confidence,
        convention=convention,
        population_size=population_size,
    )


def _time_per_rate(rate: FloatArray, population_size: float) -> FloatArray:
    return np.asarray(1.0 / (1.0 - np.minimum(rate / (2.0 * population_size), 1.0)))


def time_profile(
    tracts: Tracts | PathCounts, fit: PulseFit, group: int = 0, *, gaps: str = "integrate"
) -> tuple[FloatArray, FloatArray]:
    """Log-likelihood of one group against time, maximal over the fraction, for figures.

    Parameters
    ----------
    tracts
        What was fitted by haplotype, or the counts that were.
    fit
        The fit.
    group
        Which group.
    gaps
        As in `fit_pulse`.

    Returns
    -------
    Times over twice the interval, and the log-likelihood at each less that of the maximum.
    """
    counts = tracts if isinstance(tracts, PathCounts) else count_paths(tracts, gaps=gaps)
    low, high = rate_of_time(fit.interval[group], fit.convention, fit.population_size)
    if not np.isfinite(high):
        raise ValueError(f"group {group} has no finite interval of the time; choose another")
    best = fit.rate[group]
    rate = np.linspace(max(2.0 * low - best, 0.05 * best), best + 2.2 * (high - best), CURVE)
    gap = counts.gap_start[group], counts.gap_start[group + 1]
    x, out = statistics(counts)[group], np.empty(6)
    sides = (counts.gap_from, counts.gap_to, counts.gap_length, *gap)
    ll = np.array([pulse.profile_value(0, s, x, *sides, out) for s in rate])
    time = time_of_rate(rate, fit.convention, fit.population_size)
    return time, ll - fit.log_likelihood[group]
