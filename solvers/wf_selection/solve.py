"""Selection at two loci from reads through time, by the Wright–Fisher likelihood.

Five decisions, then one fit per locus; the locus with the larger estimate is the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsolve.contract.decisions import Found, Walk, decision
from refsolve.contract.outcome import Case, Solution
from refsolve.core.errors import AnalysisError
from refsolve.methods.wright_fisher import Samples, SelectionFit, compare_loci, fit_selection

from .tables import FloatArray, IntArray, Locus, Schedule, Study, load

__all__ = ["DECISIONS", "load", "solve"]

BOUNDS = (-0.9, 3.0)
TOLERANCE = 0.02  # numerical error of a log-likelihood; moves s by less than 0.02 standard errors
READ_AS = {"C": "T", "G": "A"}  # what a damaged base is read as


@dataclass(frozen=True, slots=True)
class Polarised:
    """A locus whose derived allele has been named."""

    locus: Locus
    derived: str
    ancestral: str
    reads: IntArray


@dataclass(frozen=True, slots=True)
class Rates:
    """Probability per sample that derived is read as ancestral, and ancestral as derived."""

    e_da: FloatArray
    e_ad: FloatArray


@dataclass(frozen=True, slots=True)
class Series:
    """Reads of the derived allele as they enter the likelihood, and the generations that pass."""

    clock: IntArray
    generation: IntArray
    derived: IntArray
    total: IntArray
    e_da: FloatArray
    e_ad: FloatArray

    @property
    def samples(self) -> Samples:
        """The reads, with generations counted on the clock."""
        when = np.searchsorted(self.clock, self.generation)
        return Samples(when, self.derived, self.total, self.e_da, self.e_ad)


@decision
def orientation(loci: tuple[Locus, ...]) -> Found[dict[str, Polarised]]:
    """The derived allele is the one that the outgroup does not carry."""
    found, words = {}, []
    for locus in loci:
        ref_derived = locus.alt == locus.ancestral
        found[locus.name] = polarised(locus, ref_derived=ref_derived)
        word = "REF" if ref_derived else "ALT"
        words.append(f"at locus {locus.name} {word} {found[locus.name].derived} is derived")
    ref = [name for name, p in found.items() if p.derived == p.locus.ref]
    counted = f", so that derived reads are total − alt at {' and '.join(ref)}" if ref else ""
    outgroup = " and ".join(f"{locus.ancestral} at {locus.name}" for locus in loci)
    because = f"The outgroup carries {outgroup}: {' and '.join(words)}{counted}."
    derived = {name: p.derived for name, p in found.items()}
    return Found(found, because, derived=derived, ref_is_derived=ref)


def polarised(locus: Locus, *, ref_derived: bool) -> Polarised:
    """A locus with REF or ALT taken for the derived allele."""
    if ref_derived:
        return Polarised(locus, locus.ref, locus.alt, locus.total - locus.alt_reads)
    return Polarised(locus, locus.alt, locus.ref, locus.alt_reads)


@decision
def error(loci: Mapping[str, Polarised], instrument: float) -> Found[dict[str, Rates]]:
    """Damage misreads C as T and G as A; all other miscalls are the instrument's."""
    rates = {name: directional_rates(p, instrument) for name, p in loci.items()}
    words = [_rate_words(p, rates[name], instrument) for name, p in loci.items()]
    spans = {n: {"e_da": _ends(r.e_da), "e_ad": _ends(r.e_ad)} for n, r in rates.items()}
    return Found(rates, " ".join(words), rates=spans, damaged=_damaged(loci))


def directional_rates(p: Polarised, instrument: float) -> Rates:
    """Rates of every sample from the average of the two directions, `seq_error`."""
    mean = p.locus.seq_error
    inflated = np.where(mean < instrument / 2, mean, 2 * mean - instrument)
    other = np.where(mean < instrument / 2, mean, instrument)
    if READ_AS.get(p.derived) == p.ancestral:
        return Rates(inflated, other)
    if READ_AS.get(p.ancestral) == p.derived:
        return Rates(other, inflated)
    return Rates(mean, mean)


def _damaged(loci: Mapping[str, Polarised]) -> dict[str, str]:
    """The base of each locus that damage turns into the other allele; empty for transversions."""
    pairs = {name: ((p.derived, p.ancestral), (p.ancestral, p.derived)) for name, p in loci.items()}
    return {n: next((a for a, b in two if READ_AS.get(a) == b), "") for n, two in pairs.items()}


def _rate_words(p: Polarised, rates: Rates, instrument: float) -> str:
    mean, base = p.locus.seq_error, _damaged({"": p})[""]
    change = f"Locus {p.locus.name} ({p.ancestral}→{p.derived})"
    if not base:
        return f"{change} is a transversion: both rates are seq_error, {_range(mean)}."
    directed = mean >= instrument / 2
    few = int((~directed).sum())
    small = f"seq_error is below {instrument / 2:g} and both rates equal it"
    if few == mean.size:
        return f"{change} shows no damage: {small}."
    side, high = ("derived", rates.e_da) if base == p.derived else ("ancestral", rates.e_ad)
    tail = f"; in {few} samples {small}" if few else ""
    return (
        f"{change} is a transition: the {side} {base} is read as {READ_AS[base]} at "
        f"2·seq_error − {instrument:g} = {_range(high[directed])}, the reverse at "
        f"{instrument:g}{tail}."
    )


@decision
def drift(schedule: Schedule) -> Found[Schedule]:
    """Every generation is drawn from as many chromosomes as the schedule lists for it."""
    sizes = schedule.sizes[np.isfinite(schedule.sizes)]
    harmonic, mean = 1 / np.mean(1 / sizes), sizes.mean()
    low = np.flatnonzero(schedule.sizes == sizes.min()) + schedule.first
    because = (
        f"Each generation drifts with its own N, from {sizes.min():,.0f} (generations "
        f"{_runs(low)}) to {sizes.max():,.0f}; harmonic mean {harmonic:,.0f}, arithmetic mean "
        f"{mean:,.0f}."
    )
    if sizes.min() == sizes.max():
        because = f"N is {mean:,.0f} in every generation, and each drifts with it."
    facts = {"smallest": sizes.min(), "largest": sizes.max(), "smallest_at": _runs(low)}
    means = {"harmonic_mean": harmonic, "arithmetic_mean": mean}
    return Found(schedule, because, **facts, **means, repeated_rows=schedule.repeated)


@decision
def missing(loci: Mapping[str, Polarised], rates: Mapping[str, Rates]) -> Found[dict[str, Series]]:
    """A sample without reads is left out; its generation still passes."""
    found, gaps = {}, {}
    for name, p in loci.items():
        found[name] = series(p, rates[name], p.locus.total > 0)
        gaps[name] = found[name].clock.size - np.unique(found[name].generation).size
    empty = {name: int((p.locus.total == 0).sum()) for name, p in loci.items()}
    words = [
        f"locus {n} has {empty[n]} of {loci[n].locus.total.size} samples without reads and "
        f"{gaps[n]} generations unseen between first and last"
        for n in loci
    ]
    twice = {n: int(f.generation.size - np.unique(f.generation).size) for n, f in found.items()}
    because = f"Generations without reads pass without information: {'; '.join(words)}."
    return Found(found, because, without_reads=empty, unseen_generations=gaps, repeated=twice)


def series(p: Polarised, rates: Rates, keep: Any) -> Series:
    """Samples of a locus that are kept, with their rates, and every generation between them."""
    columns = (p.locus.generation, p.reads, p.locus.total, rates.e_da, rates.e_ad)
    generation, *rest = (column[keep] for column in columns)
    return Series(np.arange(generation.min(), generation.max() + 1), generation, *rest)


@decision
def start(data: Mapping[str, Series], schedule: Schedule) -> Found[dict[str, SelectionFit]]:
    """The first frequency is integrated over a uniform prior on its counts."""
    fits = {name: fit_locus(one, schedule, "uniform") for name, one in data.items()}
    name = larger(fits)
    moved = fit_locus(data[name], schedule, "profile").s - fits[name].s
    each = ", ".join(
        f"s({n}) = {f.s:.4f} [{f.interval[0]:.4f}, {f.interval[1]:.4f}]" for n, f in fits.items()
    )
    because = (
        f"With the first frequency integrated under a uniform prior, {each}: locus {name} is "
        f"under stronger selection; its best single first frequency would move s by {moved:+.4f}."
    )
    for one, fit in fits.items():
        if fit.flat:
            because += f" Locus {one} fits every s and is left out of the comparison."
        elif fit.at_bound:
            because += f" The interval of locus {one} is open: it reaches the end of the search."
    return Found(fits, because, shift_of_s_if_profiled=moved)


def fit_locus(data: Series, schedule: Schedule, prior: Any) -> SelectionFit:
    """Maximum-likelihood selection coefficient with its profile interval."""
    sizes = schedule.at(data.clock)
    return fit_selection(data.samples, sizes, bounds=BOUNDS, start=prior, tolerance=TOLERANCE)


def larger(fits: Mapping[str, SelectionFit]) -> str:
    """Name of the locus with the larger estimate, among those whose reads tell anything."""
    told = [name for name, fit in fits.items() if not fit.flat]
    if not told:
        raise AnalysisError(
            f"The reads of both loci fit every s from {BOUNDS[0]:g} to {BOUNDS[1]:g}.",
            hint="Selection needs more reads, or more generations between them.",
        )
    return max(told, key=lambda name: fits[name].s)


DECISIONS = (orientation, error, drift, missing, start)


def solve(case: Case, tables: Study, path: Walk) -> Solution:
    """Derived reads, their miscalls, drift, gaps, start; then the larger of two estimates."""
    _refuse_unidentified(tables)
    loci = path.take(orientation, tables.loci)
    rates = path.take(error, loci, float(case.parameters["instrument_error"]))
    schedule = path.take(drift, tables.schedule)
    data = path.take(missing, loci, rates)
    fits = path.take(start, data, schedule)
    name = larger(fits)
    return Solution(
        answer={"selected_locus": name, "s": float(fits[name].s)},
        intervals={"s": fits[name].interval},
        diagnostics=_diagnostics(fits),
        artefacts={"fits": fits, "data": data, "schedule": schedule},
    )


def _refuse_unidentified(study: Study) -> None:
    for locus in study.loci:
        seen = np.unique(locus.generation[locus.total > 0])
        if seen.size < 2:
            where = f"only in generation {seen[0]}" if seen.size else "in no generation"
            raise AnalysisError(
                f"Locus {locus.name} has reads {where}: a change in frequency cannot be seen.",
                hint="Selection needs reads from two generations at least.",
            )


def _diagnostics(fits: Mapping[str, SelectionFit]) -> dict[str, Any]:
    each = {
        name: {
            "s": fit.s,
            "se": fit.se,
            "interval": fit.interval,
            "p_neutral": fit.p_value,
            "at_bound": fit.at_bound,
            "flat": fit.flat,
            "mode": fit.mode,
            "discretisation_error": fit.discretisation_error,
        }
        for name, fit in fits.items()
    }
    both = compare_loci(*(fits[name] for name in fits))
    return {
        "loci": each,
        "probability_s_A_above_s_B": both.probability_first_larger,
        "difference_A_minus_B": both.difference,
        "interval_of_difference": both.interval,
        "p_common_s": both.p_value,
    }


def _ends(values: Any) -> list[float]:
    return [float(np.min(values)), float(np.max(values))]


def _runs(numbers: IntArray) -> str:
    """Whole numbers in increasing order as `1–4, 7`; many runs are cut short."""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    words = [f"{r[0]}–{r[-1]}" if r.size > 1 else f"{r[0]}" for r in runs]
    return ", ".join(words[:4]) + (" and later" if len(words) > 4 else "")


def _range(values: FloatArray) -> str:
    low, high = _ends(values)
    return f"{low:.3g}" if low == high else f"{low:.3g}–{high:.3g}"
