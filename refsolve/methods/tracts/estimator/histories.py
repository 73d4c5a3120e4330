"""Two pulses against one, and migration that goes on, fitted to a cohort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from refsolve.core.check import FloatArray, one_of
from refsolve.core.errors import AnalysisError
from refsolve.core.result import Result
from refsolve.methods.tracts.estimator.demography import DemographyFit, fit_demography
from refsolve.methods.tracts.estimator.pulse import fit_pulse
from refsolve.methods.tracts.model.container import Tracts
from refsolve.methods.tracts.model.demography import Demography, continuous, pulses
from refsolve.methods.tracts.model.inputs import CONVENTIONS
from refsolve.methods.tracts.model.likelihood import LengthCounts, Mapper


@dataclass(frozen=True, slots=True, eq=False)
class TwoPulseFit(Result):
    """Two pulses against one.

    Attributes
    ----------
    time_old, time_young
        Generations since the founding and since the later pulse.
    fraction
        Fraction of ancestry 0 in the founding.
    migrants
        Fraction of the population that the later pulse replaced.
    source
        Ancestry of the later pulse.
    se_old, se_young, se_fraction, se_migrants
        Standard errors; NaN at a bound.
    log_likelihood, log_likelihood_one
        Of two pulses and of one.
    lrt
        Likelihood-ratio statistic.
    p_value
        Of that statistic, chi-squared with two degrees of freedom. One pulse is two of which one
        is empty, where its time has no meaning, so this is an approximation.
    fit
        All about the maximum; its parameters are time_young, interval between the pulses, fraction
        and migrants.
    """

    time_old: float
    time_young: float
    fraction: float
    migrants: float
    source: int
    se_old: float
    se_young: float
    se_fraction: float
    se_migrants: float
    log_likelihood: float
    log_likelihood_one: float
    lrt: float
    p_value: float
    fit: DemographyFit


def fit_two_pulses(
    tracts: Tracts,
    *,
    convention: str = "founders",
    source: int | None = None,
    most_time: float = 200.0,
    map_: Mapper = map,
) -> TwoPulseFit:
    """Fit a founding and one later pulse from a single source, and test it against one pulse.

    Parameters
    ----------
    tracts
        Tracts of two ancestries, of as many haplotypes as there are.
    convention
        As in `Demography`.
    source
        Ancestry of the later pulse; None takes the likelier one.
    most_time
        Oldest founding that is searched, generations.
    map_
        How parts of a likelihood are run.
    """
    one_of(convention, "convention", CONVENTIONS)
    one = fit_pulse(tracts, by="all", convention=convention)
    if not one.identified[0] or one.at_bound[0]:
        raise AnalysisError(
            "One ancestry only, or no switch: not even one pulse can be dated.",
            hint="Give more haplotypes.",
        )
    sources = (0, 1) if source is None else (source,)
    tries = {s: _two(tracts, s, one.time[0], one.fraction[0], convention, most_time, map_)
             for s in sources}  # fmt: skip
    best = max(tries, key=lambda s: tries[s].log_likelihood)
    fit = tries[best]
    lrt = max(0.0, 2.0 * (fit.log_likelihood - float(one.log_likelihood[0])))
    young, wait, fraction, migrants = fit.estimate.tolist()
    return TwoPulseFit(
        time_old=young + wait,
        time_young=young,
        fraction=fraction,
        migrants=migrants,
        source=best,
        se_old=float(np.sqrt(fit.covariance[:2, :2].sum())),
        se_young=float(fit.se[0]),
        se_fraction=float(fit.se[2]),
        se_migrants=float(fit.se[3]),
        log_likelihood=fit.log_likelihood,
        log_likelihood_one=float(one.log_likelihood[0]),
        lrt=lrt,
        p_value=float(chdtrc(2, lrt)),
        fit=fit,
    )


def _two(
    tracts: Tracts,
    source: int,
    time: float,
    fraction: float,
    convention: str,
    most: float,
    map_: Mapper,
) -> DemographyFit:
    first = float(convention == "founders")

    def build(x: FloatArray) -> Demography:
        young, wait, m, migrants = x
        arriving = np.array([migrants, 0.0]) if source == 0 else np.array([0.0, migrants])
        events = [(young, arriving), (young + wait, np.array([m, 1.0 - m]))]
        return pulses(events, convention=convention)

    starts = []
    for share, ratio in ((0.1, 0.4), (0.3, 0.4), (0.3, 0.7)):
        young = first + ratio * (time - first)
        mine = fraction if source == 0 else 1.0 - fraction
        rest = min(max((mine - share * mine) / (1.0 - share * mine), 0.02), 0.98)
        m = rest if source == 0 else 1.0 - rest
        starts.append([young, 1.5 * max(time - young, 0.5), m, share * mine])
    bounds = [(first + 0.01, most), (0.05, most), (1e-3, 1.0 - 1e-3), (1e-4, 0.95)]
    names = ("time_young", "wait", "fraction", "migrants")
    return fit_demography(tracts, build, starts, bounds, names=names, map_=map_)


def fit_continuous(
    data: Tracts | LengthCounts,
    *,
    source: int = 0,
    convention: str = "founders",
    most_time: int = 60,
    map_: Mapper = map,
) -> DemographyFit:
    """Fit a founding and migration from one source in every generation since.

    Parameters
    ----------
    data
        Tracts or their lengths, as in `fit_demography`; of two ancestries.
    source
        Ancestry that keeps arriving.
    convention
        As in `Demography`.
    most_time
        Oldest founding that is searched, generations.
    map_
        How parts of a likelihood are run.

    Returns
    -------
    Parameters: start (whole generations, its error not given), fraction of ancestry 0 in the
    founding, and rate per generation.
    """
    fits: dict[int, DemographyFit] = {}

    def at(start: int) -> float:
        if start not in fits:
            fits[start] = _since(data, start, source, convention, map_)
        return fits[start].log_likelihood

    low, high = 2, max(most_time, 3)
    while high - low > 2:  # the profile over starts has one maximum
        left, right = low + (high - low) // 3, high - (high - low) // 3
        if at(left) < at(right):
            low = left + 1
        else:
            high = right - 1 if right > left + 1 else left
    best = max(range(low, high + 1), key=at)
    fit = fits[best]
    covariance = np.full((3, 3), np.nan)
    covariance[1:, 1:] = fit.covariance
    return DemographyFit(
        names=("start", *fit.names),
        estimate=np.append(float(best), fit.estimate),
        se=np.append(np.nan, fit.se),
        covariance=covariance,
        log_likelihood=fit.log_likelihood,
        at_bound=np.append(best in {2, most_time}, fit.at_bound),
        identified=fit.identified,
        demography=fit.demography,
        evaluations=sum(one.evaluations for one in fits.values()),
    )


def _since(
    data: Tracts | LengthCounts, start: int, source: int, convention: str, map_: Mapper
) -> DemographyFit:
    def build(x: FloatArray) -> Demography:
        rates = np.where(np.arange(2) == source, x[1], 0.0)
        return continuous(start, [x[0], 1.0 - x[0]], rates, convention=convention)

    counts = data.counts.sum(axis=1) if isinstance(data, LengthCounts) else None
    share = 0.5 if counts is None else float(counts[0] / counts.sum())
    starts = [[min(max(share, 0.05), 0.95), rate] for rate in (0.2 / start, 0.02 / start)]
    bounds = [(1e-3, 1.0 - 1e-3), (1e-5, 0.5)]
    return fit_demography(data, build, starts, bounds, names=("fraction", "rate"), map_=map_)
