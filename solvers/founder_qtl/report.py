"""What was measured on a case, as sentences and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from refsolve.methods.founder_hmm import OrientationRepair
from refsolve.methods.lmm_scan import Genome, find_peak, scan

from .tables import FOUNDERS, TARGET, UNKNOWN, FloatArray, Strings, Study

if TYPE_CHECKING:
    from .solve import Aligned, Background, Fixed, Lines, Located, Oriented

Facts = dict[str, Any]

LISTED = 8
WEAK = 3.0  # LOD below which a peak may be chance
SURE = 0.9  # probability of being the highest, below which others are named


def of_alignment(study: Study, data: Aligned) -> tuple[str, Facts]:
    """How many rows belong together, how many stood elsewhere, and what was set aside."""
    names, count = np.unique(data.genotypes.chromosome, return_counts=True)
    filled = study.covariates[study.traits["phenotype"].notna()].isna().sum()
    facts: Facts = {
        "lines": data.lines.size,
        "measured": data.y.size,
        "without_phenotype": int(study.traits["phenotype"].isna().sum()),
        "not_listed": data.lines.size - len(study.traits),
        "markers": data.markers.size,
        "markers_by_chromosome": dict(zip(names.tolist(), count.tolist(), strict=True)),
        "markers_without_calls": len(study.chart) - data.markers.size,
        "elsewhere": {
            "founders": _elsewhere(data.markers, study.alleles["marker_id"]),
            "genotypes": _elsewhere(data.markers, study.markers),
            "phenotypes": _elsewhere(study.lines, study.traits["line_id"]),
        },
        "turned": study.turned,
        "ignored_columns": study.ignored,
        "covariates_filled": {k: int(n) for k, n in filled[filled > 0].items()},
    }
    return f"{_alignment_words(facts)}{''.join(_set_aside(facts))}.", facts


def _alignment_words(facts: Facts) -> str:
    moved = facts["elsewhere"]
    return (
        f"{_count(facts['markers'], 'marker')} on "
        f"{_count(len(facts['markers_by_chromosome']), 'chromosome')} are matched by marker_id and "
        f"sorted by position ({moved['founders']} stand elsewhere in the founders, "
        f"{moved['genotypes']} in the genotypes), and {facts['lines']} lines by line_id "
        f"({moved['phenotypes']} stand elsewhere in the phenotypes)"
    )


def _set_aside(facts: Facts) -> Iterator[str]:
    lost = [
        f"{facts[key]} {what}"
        for key, what in (
            ("without_phenotype", "with a missing phenotype"),
            ("not_listed", "that the phenotypes do not list"),
        )
        if facts[key]
    ]
    if lost:
        yield f"; {' and '.join(lost)} only help to tell founders"
    if facts["markers_without_calls"]:
        yield f"; {_count(facts['markers_without_calls'], 'marker')} of the map without calls"
    if facts["ignored_columns"]:
        named = [f"{name} ({why})" for name, why in facts["ignored_columns"].items()]
        yield f"; {_count(len(named), 'column')} of phenotypes set aside: {_list(named)}"
    if facts["covariates_filled"]:
        named = [f"{name} ({n})" for name, n in facts["covariates_filled"].items()]
        yield f"; missing covariates are the mean of the others: {_list(named)}"
    if facts["turned"]:
        yield "; with as many lines as markers, allele frequencies say that rows are markers"


def _elsewhere(one: Strings, other: Sequence[str] | pd.Series[str]) -> int:
    n = min(len(one), len(other))
    return int(np.sum(np.asarray(one)[:n] != np.asarray(other)[:n]))


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def of_orientation(data: Aligned, repair: OrientationRepair) -> tuple[str, Facts]:
    """Which markers are exchanged, and what sets them apart."""
    facts: Facts = {
        "flipped": [_flip(data, repair, j) for j in np.flatnonzero(repair.flipped)],
        "threshold": repair.threshold,
        "disagreement_gap": repair.gap,
        "contradicted_gap": repair.error_gap,
        "rounds": repair.n_rounds,
    }
    if facts["flipped"]:
        return _flip_words(facts), facts
    rate = np.nan_to_num(repair.before.error_rate, nan=-1.0)
    worst = int(np.argmax(rate))
    because = (
        f"No marker is flipped: the log-likelihood ratio of exchanged founder alleles is at most "
        f"{repair.log_ratio.max():+.1f}, and the most contradicted marker is {data.markers[worst]} "
        f"with {_percent(rate[worst])} of its calls."
    )
    return because, facts


def _flip(data: Aligned, repair: OrientationRepair, j: int) -> Facts:
    return {
        "marker": str(data.markers[j]),
        "chromosome": str(data.genotypes.chromosome[j]),
        "pos_cM": data.genotypes.position[j],
        "log_ratio": repair.log_ratio[j],
        "disagreement": repair.before.disagreement[j],
        "contradicted": repair.before.error_rate[j],
    }


def _flip_words(facts: Facts) -> str:
    flips = facts["flipped"]
    names = [
        f"{one['marker']} at {one['pos_cM']:.2f} cM of chromosome {one['chromosome']}"
        for one in flips
    ]
    low, high = facts["contradicted_gap"]
    edges = f", of all other markers at most {_percent(low)}" if np.isfinite(low) else ""
    told = f"at least {_percent(high)} of their calls contradict" if np.isfinite(high) else "calls"
    return (
        f"Founder alleles are exchanged back at {_count(len(flips), 'marker')} ({_list(names)}): "
        f"given the neighbours, {told} the alleles as recorded{edges}; the log-likelihood ratio is "
        f"at least {min(one['log_ratio'] for one in flips):.0f}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def of_state(oriented: Oriented, lines: Lines) -> tuple[str, Facts]:
    """Error and recombination as estimated, and how well founders are told apart."""
    fit, calls, genome = oriented.fit, lines.data.genotypes.calls, lines.genome
    told = genome.probabilities[genome.index(TARGET)].max(axis=2)
    missing = 0.0 if calls is None else float((calls < 0).mean())
    facts = {
        "error": fit.common_error,
        "changes_per_morgan": fit.expansion,
        "changes_at_bound": fit.expansion_at_bound,
        "log_likelihood": fit.log_likelihood,
        "missing_calls": missing,
        "mean_highest_probability": float(told.mean()),
        "positions": told.shape[1],
    }
    because = (
        f"With an estimated error of {_percent(fit.common_error)} of calls, {fit.expansion:.1f} "
        f"changes of founder per Morgan and {_percent(missing)} missing calls, the likeliest "
        f"founder of a line has a mean probability of {told.mean():.3f} along chromosome 1."
    )
    if fit.expansion_at_bound:
        because += " Changes of founder are as many or as few as were tried: the map tells none."
    return because, facts


def numbers(data: Aligned) -> dict[str, FloatArray]:
    """Covariates by name."""
    return {str(name): values.to_numpy() for name, values in data.covariates.items()}


def codes(batch: Strings) -> FloatArray:
    """Batches as numbers: as they are written, else in order of their names."""
    written = pd.to_numeric(pd.Series(batch), errors="coerce")
    if written.notna().all():
        return written.to_numpy(np.float64)
    return np.unique(batch, return_inverse=True)[1].astype(np.float64)


@lru_cache(maxsize=8)
def of_nuisance(lines: Lines, fixed: Fixed) -> tuple[str, Facts]:
    """How batches differ, and where on chromosome 1 founders tell the batch."""
    data, dropped = lines.data, fixed.design.dropped
    means = pd.Series(data.y).groupby(data.batch).agg(["mean", "size"])
    facts: Facts = {
        "batches": {str(name): float(row["mean"]) for name, row in means.iterrows()},
        "lines_by_batch": {str(name): int(row["size"]) for name, row in means.iterrows()},
        "covariates": list(numbers(data)),
        "columns": len(fixed.design.names),
        "aliased": dropped,
    }
    words = _batch_words(data, lines.genome, facts)
    if facts["covariates"]:
        words += f"; covariates are {_list(facts['covariates'])}"
    if UNKNOWN in facts["batches"]:
        lines = _count(facts["lines_by_batch"][UNKNOWN], "line")
        words += f"; {lines} of no batch form one of their own"
    if dropped:
        words += f"; what the others explain is left out: {_list(dropped)}"
    return f"{words}.", facts


def _batch_words(data: Aligned, genome: Genome, facts: Facts) -> str:
    means = facts["batches"]
    if len(means) == 1:
        return "All lines are of one batch"
    low, high = (pick(means, key=lambda name: means[name]) for pick in (min, max))
    names = [name for name, n in facts["lines_by_batch"].items() if 1 < n]
    words = (
        f"Mean phenotypes of the {len(means)} batches run from {means[low]:.4g} ({low}) to "
        f"{means[high]:.4g} ({high}), and batches enter as categories"
    )
    if not names:
        return words
    marks = np.column_stack([data.batch == name for name in names]).astype(np.float64)
    found = scan(genome.only(TARGET), marks, kinship="none", traits=names)
    peaks = [find_peak(found, k) for k in range(len(names))]
    top = max(peaks, key=lambda peak: peak.lod)
    facts["told_by_founders"] = {
        "batch": top.trait, "pos_cM": top.position, "lod": top.lod
    }  # fmt: skip
    return (
        f"{words}; founders at {top.position:.1f} cM of chromosome 1 tell batch {top.trait} best "
        f"(LOD {top.lod:.1f})"
    )


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{', '.join(names[:LISTED])}{more}"


def of_kinship(found: Background) -> tuple[str, Facts]:
    """What relatedness explains."""
    genome, null = found.lines.genome, found.null
    facts = {
        "heritability": null.heritability,
        "variance": null.variance,
        "chromosomes": [name for name in genome.chromosome if name != TARGET],
    }
    if len(genome.chromosome) == 1:
        return "Only chromosome 1 is typed, and nothing else tells how lines are related.", facts
    because = (
        f"Relatedness by {_count(len(genome.chromosome) - 1, 'other chromosome')} explains "
        f"{_percent(null.heritability)} of the variance that batches and covariates leave."
    )
    return because, facts


def raw_means(lines: Lines, position: float) -> dict[str, float]:
    """Mean phenotype of the lines of each founder at a position, adjusted for nothing."""
    data, genome = lines.data, lines.genome
    c = genome.index(TARGET)
    there = genome.at(TARGET, int(np.argmin(np.abs(genome.position[c] - position))))
    weight = np.maximum(there.sum(axis=0), 1e-12)
    return dict(zip(FOUNDERS, ((data.y @ there) / weight).tolist(), strict=True))


def of_effect(found: Located) -> tuple[str, Facts]:
    """Where the peak is, how sure that is, and what each founder does there."""
    peak, effects = found.peak, found.effects
    named = {
        "effects": effects.blup,
        "standard_errors": effects.blup_se,
        "probability_highest": effects.probability_highest,
    }
    facts: Facts = {
        "lod": peak.lod,
        "maximum_cM": peak.position,
        "mean_cM": peak.mean,
        "support": peak.support,
        "lead": effects.lead,
        "lead_se": effects.lead_se,
    }
    facts |= {k: dict(zip(FOUNDERS, v.tolist(), strict=True)) for k, v in named.items()}
    return f"{_place_words(found)}; {_founder_words(found)}{''.join(_doubts(found))}.", facts


def _place_words(found: Located) -> str:
    peak = found.peak
    return (
        f"LOD is highest, {peak.lod:.1f}, at {peak.position:.2f} cM (within {peak.drop:g} of it "
        f"from {peak.support[0]:.2f} to {peak.support[1]:.2f}), and the median of 10^LOD lies at "
        f"{peak.median:.2f} cM"
    )


def _founder_words(found: Located) -> str:
    effects = found.effects
    first, second = np.argsort(-effects.blup, kind="stable")[:2]
    return (
        f"there {FOUNDERS[first]} has the largest effect, {effects.blup[first]:+.3g} ± "
        f"{effects.blup_se[first]:.2g}, {effects.lead:.3g} ± {effects.lead_se:.2g} above "
        f"{FOUNDERS[second]}"
    )


def _doubts(found: Located) -> Iterator[str]:
    sure = float(found.effects.probability_highest.max())
    if found.peak.lod < WEAK:
        yield f"; a LOD below {WEAK:g} may be chance"
    if sure < SURE:
        yield f"; that it is the highest has a probability of only {sure:.2f}"


def diagnostics(study: Study, oriented: Oriented, background: Background, found: Located) -> Facts:
    """What an expert would want to see beside the answer."""
    effects, null = found.effects, background.null
    share = effects.probability_highest
    return {
        "lod": found.peak.lod,
        "peak_is_weak": found.peak.lod < WEAK,
        "high_founder_is_unsure": float(share.max()) < SURE,
        "founder_effects": effects.to_frame().to_dict("records"),
        "variance_of_founders": effects.variance_founders,
        "effective_founders": effects.effective_founders,
        "fixed_effects": dict(zip(effects.fixed, effects.fixed_effect.tolist(), strict=True)),
        "heritability": null.heritability,
        "lines_in_model": null.n_lines,
        "error_rate": oriented.fit.common_error,
        "expansion": oriented.fit.expansion,
        "chromosomes": list(background.lines.genome.chromosome),
        "columns_set_aside": study.ignored,
    }
