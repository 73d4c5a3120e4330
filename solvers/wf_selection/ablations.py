"""What else one might decide, and what it does to the answer.

Signs are those of the default case: REF is derived, damage inflates e_AD, the derived allele goes
from rare to common, and drift lowers it in a first bottleneck and raises it in a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from refsolve.contract.decisions import Found, alternative

from .solve import (
    Polarised,
    Rates,
    Series,
    drift,
    error,
    fit_locus,
    missing,
    orientation,
    polarised,
    series,
    start,
)
from .tables import Locus, Schedule

COUNTS = 10_000  # resolution of a first frequency that is taken for known


@alternative(orientation)
def alt_is_derived(loci: tuple[Locus, ...]) -> Found[dict[str, Polarised]]:
    """Wrong: where REF is derived, s becomes −s/(1+s) (too low), and the other locus is named."""
    found = {locus.name: polarised(locus, ref_derived=False) for locus in loci}
    return Found(found, "ALT is taken for the derived allele at both loci.")


@alternative(error)
def symmetric_average(loci: Mapping[str, Polarised], instrument: float) -> Found[dict[str, Rates]]:
    """Wrong: a damaged ancestral allele makes the frequency too high (s too low where rare)."""
    rates = {name: Rates(p.locus.seq_error, p.locus.seq_error) for name, p in loci.items()}
    return Found(rates, "Both directions are given the average rate seq_error.")


@alternative(error)
def instrument_both_ways(
    loci: Mapping[str, Polarised], instrument: float
) -> Found[dict[str, Rates]]:
    """Wrong: damage is read as frequency, its change is attenuated (s too low)."""
    rates = {n: Rates(*[np.full(p.reads.size, instrument)] * 2) for n, p in loci.items()}
    return Found(rates, f"Both directions are given the instrument's rate {instrument:g}.")


@alternative(error)
def no_error(loci: Mapping[str, Polarised], instrument: float) -> Found[dict[str, Rates]]:
    """Wrong: all miscalls are read as frequency, its change is attenuated (s too low)."""
    rates = {n: Rates(*[np.zeros(p.reads.size)] * 2) for n, p in loci.items()}
    return Found(rates, "Reads are taken as they are.")


@alternative(drift)
def deterministic(schedule: Schedule) -> Found[Schedule]:
    """Wrong: what drift did in a bottleneck is fitted by selection (s too high or too low)."""
    sizes = np.where(np.isnan(schedule.sizes), np.nan, np.inf)
    return Found(replace(schedule, sizes=sizes), "The frequency follows selection without drift.")


@alternative(drift)
def constant_size(schedule: Schedule) -> Found[Schedule]:
    """Wrong: the arithmetic mean hides a bottleneck, s fits its drift (too high or too low)."""
    sizes = np.full_like(schedule.sizes, np.rint(np.nanmean(schedule.sizes)))
    because = f"Every generation has the arithmetic mean N = {sizes[0]:,.0f}."
    return Found(replace(schedule, sizes=sizes), because)


@alternative(drift)
def harmonic_mean(schedule: Schedule) -> Found[Schedule]:
    """Defensible: one N with the drift of the whole series, though not of each generation."""
    mean = max(1.0, np.rint(1 / np.nanmean(1 / schedule.sizes)))
    because = f"Every generation has the harmonic mean N = {mean:,.0f}."
    return Found(replace(schedule, sizes=np.full_like(schedule.sizes, mean)), because)


@alternative(missing)
def zero_frequency(
    loci: Mapping[str, Polarised], rates: Mapping[str, Rates]
) -> Found[dict[str, Series]]:
    """Wrong: a gap pulls the frequency to zero (s too low when the gap is late, else too high)."""
    found = {name: series(p, rates[name], slice(None)) for name, p in loci.items()}
    for name, one in found.items():
        typical = round(float(np.median(one.total[one.total > 0])))
        found[name] = replace(one, total=np.where(one.total > 0, one.total, typical))
    return Found(found, "A sample without reads counts as no derived read among the usual number.")


@alternative(missing)
def drop_gap(loci: Mapping[str, Polarised], rates: Mapping[str, Rates]) -> Found[dict[str, Series]]:
    """Wrong: the time up to an empty sample is lost, the same change takes less (s too high)."""
    found = {name: series(p, rates[name], p.locus.total > 0) for name, p in loci.items()}
    for name, one in found.items():
        listed = np.unique(loci[name].locus.generation)
        sampled_next = listed[np.searchsorted(listed, one.clock)]
        found[name] = replace(one, clock=one.clock[np.isin(sampled_next, one.generation)])
    return Found(found, "Samples without reads are deleted together with their time.")


@alternative(start)
def profiled(data: Mapping[str, Series], schedule: Schedule) -> Found[dict[str, Any]]:
    """Defensible: the first frequency that fits best, instead of an average over a prior."""
    fits = {name: fit_locus(one, schedule, "profile") for name, one in data.items()}
    return Found(fits, "The first frequency is the one that fits best.")


@alternative(start)
def first_observed(data: Mapping[str, Series], schedule: Schedule) -> Found[dict[str, Any]]:
    """Wrong: noise of the first sample is taken for truth (s too high or too low, a little)."""
    fits = {name: _from_observed(one, schedule) for name, one in data.items()}
    return Found(fits, "The first frequency is taken to be the one that was observed.")


def _from_observed(one: Series, schedule: Schedule) -> Any:
    first = one.generation == one.generation.min()
    n = one.total[first]
    e_da, e_ad = ((rate[first] @ n) / n.sum() for rate in (one.e_da, one.e_ad))
    x = (one.derived[first].sum() / n.sum() - e_ad) / (1 - e_da - e_ad)
    sizes = schedule.sizes.copy()
    # No generation before the first drifts into it: any size will do where the schedule has none.
    at = one.clock[0] - schedule.first
    sizes[at] = min(sizes[at], COUNTS)
    count = np.arange(sizes[at] + 1)
    point = 1.0 * (count == np.clip(np.rint(x * sizes[at]), 1, sizes[at] - 1))
    return fit_locus(one, replace(schedule, sizes=sizes), point)
