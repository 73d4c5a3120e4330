"""Checks of arguments that several functions share, and what a time means, eq. (2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from refsolve.core.check import FloatArray, one_of, refuse

CONVENTIONS = ("founders", "coalescent")


def rate_of_time(
    time: ArrayLike, convention: str = "founders", population_size: float = np.inf
) -> FloatArray:
    """Breakpoints per Morgan since a pulse, eq. (2).

    Parameters
    ----------
    time
        Generations since the pulse.
    convention
        "founders": unmixed individuals of generation t are the parents of the first mixed ones, so
        that t - 1 meioses recombine; "coalescent": t do.
    population_size
        Diploid individuals; few of them recombine with relatives, which leaves no trace. Where the
        fraction is fitted to the same few individuals, drift is in it already, and this corrects
        too much.
    """
    one_of(convention, "convention", CONVENTIONS)
    meioses = np.asarray(time, np.float64) - (convention == "founders")
    refuse(
        ~(meioses >= 0.0),
        "time",
        np.asarray(time),
        f"must be at least {int(convention == 'founders')} generations",
        "a pulse of founders cannot be younger than their children",
    )
    _require_size(population_size)
    if np.isinf(population_size):
        return meioses
    N = 2.0 * population_size
    return np.asarray(-N * np.expm1(-meioses / N))


def time_of_rate(
    rate: ArrayLike, convention: str = "founders", population_size: float = np.inf
) -> FloatArray:
    """Generations since a pulse with so many breakpoints per Morgan; inf where no time has so many.

    Parameters
    ----------
    rate
        Breakpoints per Morgan.
    convention, population_size
        As in `rate_of_time`.
    """
    one_of(convention, "convention", CONVENTIONS)
    _require_size(population_size)
    meioses = np.asarray(rate, np.float64)
    if not np.isinf(population_size):
        N = 2.0 * population_size
        with np.errstate(divide="ignore"):
            meioses = -N * np.log1p(-np.minimum(meioses / N, 1.0))
    return np.asarray(meioses + (convention == "founders"))


def _require_size(population_size: float) -> None:
    if not population_size > 0.0:
        raise ValueError(
            f"population_size = {population_size} must be positive; use inf where drift is weak"
        )
