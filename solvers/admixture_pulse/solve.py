"""Ancestry of two parental haplotypes and the time of one pulse, from called tracts.

Five decisions: artefacts, labels, what a gap does, which length counts, and the time itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refsolve.contract.decisions import Found, Walk, decision
from refsolve.contract.outcome import Case, Solution
from refsolve.core.errors import AnalysisError
from refsolve.methods.tracts import (
    IslandRepair,
    LabelRepair,
    PathCounts,
    PulseFit,
    Tracts,
    count_paths,
    exchanged,
    fit_pulse,
    infer_inversions,
    repair_islands,
    repair_labels,
    switch_time,
)

from .tables import BoolArray, FloatArray, IntArray, Study, load

__all__ = ["DECISIONS", "load", "solve"]

CLEAR = 2.0  # a label ratio this far from 0 may be one edge of a visible gap


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Tracts as they are after the artefacts have been dealt with."""

    tracts: Tracts
    island: BoolArray


@dataclass(frozen=True, slots=True)
class Exposure:
    """Per haplotype, the A fraction and the Morgans in which its switches were counted."""

    fraction: FloatArray
    span: FloatArray


@decision
def islands(study: Study, numbers: Mapping[str, Any]) -> Found[Cleaned]:
    """Short calls of poor quality between calls of the other ancestry take their label."""
    repair = repair_islands(
        study.tracts,
        posterior=float(numbers["island_posterior"]),
        low_complexity=float(numbers["island_low_complexity"]),
        length=float(numbers["island_morgan"]),
    )
    facts = _island_facts(study.tracts, repair)
    because = _island_words(facts, numbers)
    facts["without_quality"] = study.without_quality
    return Found(Cleaned(repair.tracts, repair.island), because, **facts)


def _island_facts(tracts: Tracts, repair: IslandRepair) -> dict[str, Any]:
    """Number and size of islands, and both edges of every gap that sets them apart."""
    island, length = repair.island, tracts.length
    return {
        "islands": repair.n_islands,
        "reciprocal": int(repair.reciprocal.sum()),
        "at_ends": int(repair.at_end.sum()),
        "not_flanked": int((repair.suspect & ~island).sum()),
        "morgans": float(length[island].sum()),
        "longest": float(length[island].max(initial=0.0)),
        "qualities": repair.qualities,
        "gap": repair.gap,
        "posterior_gap": repair.posterior_gap,
        "low_complexity_gap": repair.low_complexity_gap,
        "length_gap": repair.length_gap,
    }


def _island_words(facts: Mapping[str, Any], numbers: Mapping[str, Any]) -> str:
    line = _line_words(facts, numbers)
    n = facts["islands"]
    if not n:
        return f"No call is an artefact: {line}."
    kinds = [f"{facts[key]} {word}" for key, word in KINDS.items() if facts[key]]
    kind = f" ({', '.join(kinds)})" if kinds else ""
    return (
        f"{n} island{'s' * (n > 1)}{kind} of at most {100 * facts['longest']:.2f} cM, "
        f"{100 * facts['morgans']:.1f} cM together, {'are' if n > 1 else 'is'} merged into the "
        f"flanks: {line}."
    )


KINDS = {
    "reciprocal": "at the same place on both haplotypes",
    "at_ends": "at chromosome ends",
}


def _line_words(facts: Mapping[str, Any], numbers: Mapping[str, Any]) -> str:
    """What tells artefacts from other short calls."""
    if not facts["qualities"]:
        return "neither column of quality varies, and nothing could tell one"
    if np.isnan(facts["gap"][0]):
        return (
            f"short calls leave no visible gap, and the numbers posterior < "
            f"{numbers['island_posterior']:g}, low_complexity_frac > "
            f"{numbers['island_low_complexity']:g} and length < {numbers['island_morgan']:g} decide"
        )
    ends = [
        f"{column} from {facts[key][0]:.3f} to {facts[key][1]:.3f}"
        for key, column in (
            ("posterior_gap", "posterior"),
            ("low_complexity_gap", "low_complexity_frac"),
        )
        if not np.isnan(facts[key][0])
    ]
    return f"the better column of short calls leaves a gap, {' and '.join(ends)}"


@decision
def labels(tracts: Tracts, limit: float, names: Sequence[str]) -> Found[LabelRepair]:
    """A chromosome is inverted where both haplotypes together say so, given the others."""
    tied = infer_inversions(tracts).tied
    repair = repair_labels(tracts, threshold=limit)
    gap = _gap_around_zero(repair.log_ratio)
    visible = gap is not None and gap[0] <= -CLEAR and CLEAR <= gap[1] <= limit
    marks = (repair.log_ratio > (CLEAR if visible else limit)) & (not tied)
    ratio = dict(zip(names, repair.log_ratio.tolist(), strict=True))
    inverted = [n for n, yes in zip(names, marks, strict=True) if yes]
    unsure = [n for n, r in ratio.items() if abs(r) <= limit and n not in inverted]
    because = _label_words(inverted, unsure, ratio, tied, limit, gap)
    facts = {"log_ratio": ratio, "inverted": inverted, "not_identified": unsure}
    found = replace(repair, tracts=exchanged(tracts, marks), inverted=marks, tied=tied)
    return Found(found, because, **facts, gap=gap, tied=tied)


def _gap_around_zero(ratio: FloatArray) -> tuple[float, float] | None:
    """The largest ratio that is not positive and the smallest that is."""
    if (ratio > 0).all() or (ratio <= 0).all():
        return None
    return float(ratio[ratio <= 0].max()), float(ratio[ratio > 0].min())


def _label_words(
    inverted: list[str],
    unsure: list[str],
    ratio: dict[str, float],
    tied: bool,
    limit: float,
    gap: tuple[float, float] | None,
) -> str:
    if tied:
        return (
            "Which labels are inverted is not identified: as many chromosomes speak for the "
            "labels as called as for exchanged ones; all are left as called, and if they are "
            "inverted the A fractions are one minus those reported."
        )
    if inverted:
        words = f"A and B are exchanged on both haplotypes of {_chromosomes(inverted)}: the "
        words += "log-likelihood ratio of inverted against as called, given the others, is "
        words += _ratios(inverted, ratio)
    else:
        top = max(ratio, key=lambda name: ratio[name])
        words = "No labels are exchanged: the largest log-likelihood ratio of inverted against "
        words += f"as called, given the other chromosomes, is {ratio[top]:+.1f} on {top}"
    if inverted and gap:
        words += f", and none lies between {gap[0]:+.1f} and {gap[1]:+.1f}"
    if any(ratio[name] <= limit for name in inverted):
        words += f"; within ±{limit:g} that gap decides"
    if inverted and 2 * len(inverted) + 1 >= len(ratio):
        words += f"; of {len(ratio)} chromosomes, one more would make the others the inverted ones"
    if unsure:
        words += f"; the labels of {_chromosomes(unsure)} are not identified (within ±{limit:g}: "
        words += f"{_ratios(unsure, ratio)}) and left as called"
    return words + "."


def _chromosomes(names: Sequence[str]) -> str:
    return f"chromosome{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _ratios(names: Sequence[str], ratio: Mapping[str, float]) -> str:
    return ", ".join(f"{ratio[name]:+.1f}" for name in names)


@decision
def path(tracts: Tracts, names: Sequence[str]) -> Found[PathCounts]:
    """A change of ancestry across a gap is one switch; only a chromosome's end ends the path."""
    through, cut = (count_paths(tracts, gaps=gaps) for gaps in ("carry", "cut"))
    switches = dict(zip(names, through.n_switches.astype(int).tolist(), strict=True))
    across = (through.n_switches - cut.n_switches).astype(int)
    gaps = (cut.first - through.first).sum(axis=1).astype(int)
    each = ", ".join(
        f"{name} switches {n} times, {across[h]} of them across its {gaps[h]} gaps"
        for h, (name, n) in enumerate(switches.items())
    )
    across_gaps, n_gaps = (dict(zip(names, x.tolist(), strict=True)) for x in (across, gaps))
    because = f"The path of ancestry runs through uncalled gaps: {each}."
    return Found(through, because, switches=switches, across_gaps=across_gaps, gaps=n_gaps)


@decision
def exposure(counts: PathCounts, map_length: float, names: Sequence[str]) -> Found[Exposure]:
    """The fraction is of the called span; switches were looked for along the whole map."""
    called = counts.exposure.sum(axis=1)
    fraction = counts.fraction[:, 0]
    each = ", ".join(
        f"{name} has {m:.5f} A in {span:.4f} called Morgans"
        for name, m, span in zip(names, fraction, called, strict=True)
    )
    because = f"{each}; switches are counted along all {map_length:.4f} Morgans of the map."
    facts = {"called": dict(zip(names, called.tolist(), strict=True)), "map": map_length}
    return Found(Exposure(fraction, np.full(called.size, map_length)), because, **facts)


@decision
def time(counts: PathCounts, over: Exposure, names: Sequence[str]) -> Found[FloatArray]:
    """Of t recombinations per Morgan, 2m(1 − m) change the ancestry: t = N / (2m(1 − m)L)."""
    t = switch_time(counts.n_switches, over.fraction, over.span)
    each = ", ".join(
        f"{n:.0f} / (2 × {m:.4f} × {1 - m:.4f} × {length:.4f}) = {one:.4f} for {name}"
        for name, n, m, length, one in zip(
            names, counts.n_switches, over.fraction, over.span, t, strict=True
        )
    )
    because = f"t = N / (2m(1 − m)L): {each}."
    return Found(t, because, t=dict(zip(names, t.tolist(), strict=True)))


DECISIONS = (islands, labels, path, exposure, time)


def solve(case: Case, tables: Study, path_: Walk) -> Solution:
    """Artefacts, labels, switches, lengths, time; the smaller A fraction is parent1."""
    names = tables.haplotypes
    cleaned = path_.take(islands, tables, case.parameters)
    limit = float(case.parameters["label_ratio"])
    labelled = path_.take(labels, cleaned.tracts, limit, tables.chromosomes)
    counts = path_.take(path, labelled.tracts, names)
    over = path_.take(exposure, counts, tables.map_length, names)
    _refuse_unidentified(counts, over, names)
    t = path_.take(time, counts, over, names)
    order = np.argsort(over.fraction, kind="stable")
    answer = {}
    for parent, h in zip(("parent1", "parent2"), order.tolist(), strict=True):
        answer |= {f"{parent}_A_fraction": float(over.fraction[h]), f"{parent}_t": float(t[h])}
    fits = fit_pulse(labelled.tracts, convention="coalescent")
    return Solution(
        answer=answer,
        diagnostics=_diagnostics(tables, labelled, fits, order, limit),
        artefacts={
            "study": tables,
            "cleaned": cleaned,
            "labelled": labelled,
            "fits": fits,
            "label_ratio": limit,
        },
    )


def _refuse_unidentified(counts: PathCounts, over: Exposure, names: Sequence[str]) -> None:
    for name, n, m in zip(names, counts.n_switches, over.fraction, strict=True):
        if n == 0:
            where = f"is all {'A' if m > 0.5 else 'B'}" if m in (0, 1) else "never switches"
            raise AnalysisError(
                f"Haplotype {name} {where}: without a switch of ancestry the time of the pulse "
                f"is not identified (A fraction {m:.4f}).",
                hint="A time needs a haplotype that switches within a chromosome.",
            )


def _diagnostics(
    study: Study, evidence: LabelRepair, fits: PulseFit, order: IntArray, limit: float
) -> dict[str, Any]:
    """What is reported beside the answer, by parent; nothing of it is graded."""
    called = count_paths(study.tracts, by="cell").exposure.sum(axis=1).reshape(2, -1)
    silent = np.flatnonzero((called == 0).any(axis=0))
    ratio = dict(zip(study.chromosomes, evidence.log_ratio.tolist(), strict=True))
    return {
        "parents": {f"parent{k + 1}": _fit_of(study, fits, h) for k, h in enumerate(order)},
        "label_log_ratio": ratio,
        "label_log_ratio_of_haplotype": dict(
            zip(study.haplotypes, evidence.log_ratio_of_haplotype.tolist(), strict=True)
        ),
        "labels_not_identified": [name for name, r in ratio.items() if abs(r) <= limit],
        "label_polarity_tied": evidence.tied,
        "chromosomes_without_calls_of_a_haplotype": [study.chromosomes[c] for c in silent],
        "tracts": study.tracts.n_tracts,
        "tracts_without_quality": study.without_quality,
        "ends_moved_by_rounding": study.clipped,
    }


def _fit_of(study: Study, fits: PulseFit, h: int) -> dict[str, Any]:
    """Markov likelihood of one haplotype on the repaired tracts, with profile intervals."""
    return {
        "haplotype": study.haplotypes[h],
        "likelihood_t": fits.time[h],
        "likelihood_t_interval": fits.interval[h],
        "likelihood_t_se": fits.se_time[h],
        "likelihood_A_fraction": fits.fraction[h],
        "likelihood_A_fraction_interval": fits.fraction_interval[h],
        "log_likelihood": fits.log_likelihood[h],
        "at_bound": fits.at_bound[h],
    }
