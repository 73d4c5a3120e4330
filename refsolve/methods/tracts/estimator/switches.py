"""The published estimator of the time: switches over the map, given the called share, eq. (1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincinv

from refsolve.core.check import FloatArray, one_of, open_unit, refuse
from refsolve.core.result import Result
from refsolve.methods.tracts.model.container import Tracts
from refsolve.methods.tracts.model.counts import count_paths
from refsolve.methods.tracts.model.inputs import time_of_rate


@dataclass(frozen=True, slots=True)
class SwitchRates(Result):
    """Fraction and time of each of H haplotypes from its switches.

    Attributes
    ----------
    fraction
        Share of ancestry 0 in the called span (H,).
    switches
        Changes of ancestry (H,).
    called_span
        Morgans that are called (H,).
    map_length
        Map length of all chromosomes in Morgans.
    time
        Generations since the pulse (H,); NaN where only one ancestry is called.
    se_time
        Standard error (H,) from Poisson switches at the fraction that was found.
    interval
        Exact Poisson interval of the time (H, 2), at the fraction that was found.
    identified
        Both ancestries are called (H,).
    confidence
        Nominal coverage.
    convention
        What a time means.
    """

    fraction: FloatArray
    switches: FloatArray
    called_span: FloatArray
    map_length: float
    time: FloatArray
    se_time: FloatArray
    interval: FloatArray
    identified: NDArray[np.bool_]
    confidence: float
    convention: str


def called_span(tracts: Tracts) -> FloatArray:
    """Morgans that are called on each haplotype (H,).

    Parameters
    ----------
    tracts
        The tracts.
    """
    return np.asarray(count_paths(tracts).exposure.sum(axis=1))


def called_fraction(tracts: Tracts) -> FloatArray:
    """Share of ancestry 0 in the called span of each haplotype (H,); NaN where nothing is called.

    Parameters
    ----------
    tracts
        The tracts.
    """
    return count_paths(tracts).fraction[:, 0]


def count_switches(tracts: Tracts, *, gaps: str = "carry") -> FloatArray:
    """Changes of ancestry along the chromosomes of each haplotype (H,).

    Parameters
    ----------
    tracts
        The tracts.
    gaps
        "carry": a change across an uncalled gap counts; "cut": it does not.
    """
    one_of(gaps, "gaps", ("carry", "cut"))
    return count_paths(tracts, gaps=gaps).n_switches


def switch_time(switches: ArrayLike, fraction: ArrayLike, map_length: ArrayLike) -> FloatArray:
    """Generations since the pulse, N / (2 m (1 - m) L), eq. (1); NaN at m = 0 or 1.

    Parameters
    ----------
    switches
        Changes of ancestry N.
    fraction
        Fraction m of one ancestry.
    map_length
        Morgans L.
    """
    n, m = np.asarray(switches, np.float64), np.asarray(fraction, np.float64)
    length = np.asarray(map_length, np.float64)
    refuse(~(length > 0.0), "map_length", length, "must be positive", "give Morgans")
    with np.errstate(divide="ignore", invalid="ignore"):
        time = n / (2.0 * m * (1.0 - m) * length)
    return np.where((m > 0.0) & (m < 1.0), time, np.nan)


def estimate_switch_rate(
    tracts: Tracts,
    *,
    gaps: str = "carry",
    convention: str = "coalescent",
    confidence: float = 0.95,
) -> SwitchRates:
    """Fraction and time of every haplotype from its called span and its switches.

    Parameters
    ----------
    tracts
        Tracts, repaired.
    gaps
        As in `count_switches`.
    convention
        "coalescent": the rate itself, as published; "founders": one generation more.
    confidence
        Nominal coverage of the interval.

    Examples
    --------
    >>> from refsolve.methods.tracts import Tracts, estimate_switch_rate
    >>> tracts = Tracts([0, 0, 0], [0, 0, 0], [0.0, 0.4, 0.9], [0.4, 0.9, 1.0], [0, 1, 0], [1.0])
    >>> estimate_switch_rate(tracts).time
    array([4.])
    """
    fraction, n = called_fraction(tracts), count_switches(tracts, gaps=gaps)
    length = float(tracts.lengths.sum())
    tail = 0.5 * (1.0 - open_unit(confidence, "confidence"))
    low = np.where(n > 0, gammaincinv(np.maximum(n, 1.0), tail), 0.0)
    ends = np.stack([low, gammaincinv(n + 1.0, 1.0 - tail)], axis=1)
    rate = switch_time(n, fraction, length)
    return SwitchRates(
        fraction=fraction,
        switches=n,
        called_span=called_span(tracts),
        map_length=length,
        time=time_of_rate(rate, convention),
        se_time=switch_time(np.sqrt(n), fraction, length),
        interval=time_of_rate(switch_time(ends, fraction[:, None], length), convention),
        identified=np.isfinite(rate),
        confidence=confidence,
        convention=convention,
    )
