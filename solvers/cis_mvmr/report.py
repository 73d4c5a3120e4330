"""What was measured on a case, as sentences and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from refsolve.core.errors import AnalysisError
from refsolve.methods.mvmr import (
    BatchScale,
    Harmonised,
    Instruments,
    RidgeChoice,
    Summary,
    distinguish,
    fit_gls,
    fit_liml,
    implied_sd,
)

from .tables import ASSOCIATIONS, PHASES, PROTEINS, FloatArray, Study, dataset

if TYPE_CHECKING:
    from .solve import Estimate

Facts = dict[str, Any]

LISTED = 6
LD_ANCESTRY = "EUR"
OTHER_STRAND = ("complemented", "complemented and swapped")
COUNTS_REF = ("swapped", "complemented and swapped")
KEPT = ("same", "swapped", *OTHER_STRAND)
WORDS = {
    "missing": "absent from a file",
    "no estimate": "without an effect or standard error",
    "incompatible": "with other alleles than the list of variants",
    "ambiguous": "palindromic with a strand that frequencies do not tell",
    "conflict": "with frequencies that contradict each other",
    "duplicate": "listed more than once",
    "not in LD": "without LD",
}


def of_alleles(locus: Harmonised, study: Study) -> tuple[str, Facts]:
    """How files count alleles, and which variants were set aside."""
    table, n = locus.table, len(study.reference)
    outcome = table.groupby("study", sort=False)["outcome"]
    swapped = outcome.apply(lambda o: int(o.isin(COUNTS_REF).sum())).to_dict()
    strand = outcome.apply(lambda o: int(o.isin(OTHER_STRAND).sum())).to_dict()
    lost = reasons(locus)
    pairs = table[table["palindromic"]].groupby("variant")["kept"].all()
    because = (
        f"{locus.variant.size} of {n} variants have oriented effects in all five files and LD: "
        f"{_each(swapped)} rows count the allele that the LD does not, so their signs are turned, "
        f"and {_each(strand)} are named on the other strand."
    )
    if len(pairs):
        because += f" Of {len(pairs)} palindromic variants {int(pairs.sum())} are kept."
    if lost:
        words = "; ".join(f"{k} {WORDS[why]}{_named(locus, why)}" for why, k in lost.items())
        because += f" Set aside: {words}."
    if study.shifted:
        because += f" The position of {study.shifted} variants differs between files."
    strange = [
        name for name, one in study.datasets.items() if one.ancestry not in ("", LD_ANCESTRY)
    ]
    if strange:
        because += f" The LD is that of {LD_ANCESTRY}; the ancestry of {_list(strange)} is another."
    facts = {
        "variants": n,
        "kept": int(locus.variant.size),
        "counts_other_allele": swapped,
        "other_strand": strand,
        "palindromic": len(pairs),
        "set_aside": {why: _variants(locus, why) for why in lost},
        "shifted_positions": study.shifted,
        "other_ancestry": strange,
    }
    return because, facts


def reasons(locus: Harmonised) -> dict[str, int]:
    """Variants set aside by their first reason, the most frequent first."""
    counts = {why: len(_variants(locus, why)) for why in WORDS}
    return dict(sorted(((w, n) for w, n in counts.items() if n), key=lambda item: -item[1]))


def _variants(locus: Harmonised, why: str) -> list[str]:
    bad = locus.table[~locus.table["outcome"].isin(KEPT)].drop_duplicates("variant")
    return sorted(bad.loc[bad["outcome"] == why, "variant"])


def _named(locus: Harmonised, why: str) -> str:
    return "" if why == "missing" else f" ({_list(_variants(locus, why))})"


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _each(counts: Mapping[str, int]) -> str:
    return " + ".join(str(counts.get(name, 0)) for name in ASSOCIATIONS)


def of_selection(locus: Harmonised, chosen: Instruments, p_threshold: float) -> tuple[str, Facts]:
    """How many variants were found, and how clearly."""
    hits = dict(zip(PROTEINS, chosen.by_exposure.sum(axis=0).tolist(), strict=True))
    both = int(chosen.by_exposure.all(axis=1).sum())
    each = " and ".join(f"{n} for {p}" for p, n in hits.items())
    z = np.abs(chosen.statistic[chosen.index]).max(axis=1)
    clear = f", with |z| from {z.min():.1f} to {z.max():.1f}" if z.size else ""
    because = (
        f"In phase 1 {chosen.index.size} of {locus.variant.size} variants have "
        f"p < {p_threshold:g}: {each}, {both} of them for both{clear}."
    )
    names = locus.variant[chosen.index].tolist()
    return because, {"instruments": names, "hits": hits, "both": both}


def of_effects(study: Study, locus: Harmonised, chosen: Instruments) -> tuple[str, Facts]:
    """How much smaller the effects of the chosen variants are in phase 2."""
    shrunk = {}
    for k, protein in enumerate(PROTEINS):
        rows = np.flatnonzero(chosen.by_exposure[:, k])
        first, second = (_standard(study, locus, dataset(protein, p))[rows] for p in PHASES)
        shrunk[protein] = float(first @ second / (first @ first)) if rows.size else np.nan
    told = {p: s for p, s in shrunk.items() if np.isfinite(s)}
    words = " and ".join(f"{s:.2f} times (its hits for {p})" for p, s in told.items())
    compared = f": effects there are {words} those of phase 1" if told else ""
    because = f"Phase 2 had no part in the choice and is not subject to its curse{compared}."
    return because, {"phase2_over_phase1": shrunk}


def _standard(study: Study, locus: Harmonised, name: str) -> FloatArray:
    """Effects per SD of the copies and of the protein: free of units."""
    beta, se, _ = locus.column(name)
    return beta / se / np.sqrt(study.datasets[name].n)


def of_scale(
    study: Study, batches: Mapping[str, BatchScale], factor: Mapping[str, float]
) -> tuple[str, Facts]:
    """SDs, failed batches and units."""
    words = [_batch_words(protein, one) for protein, one in batches.items()]
    words += [f"Effects on {p} are in SDs as released." for p in PROTEINS if p not in batches]
    units = {name: study.datasets[name].unit for name in factor}
    said = ", ".join(f"{units[n]} (× {factor[n]:.3g})" for n in factor)
    words.append(f"Units of {', '.join(factor)}: {said}.")
    facts: Facts = {"units": units, "factors": dict(factor)}
    for protein, one in batches.items():
        facts[protein] = {
            "sd": one.sd,
            "sd_error": one.sd_se,
            "sd_if_pooled": one.sd_total,
            "set_aside": dict(zip(one.batch[~one.used], one.reason[~one.used], strict=True)),
            "gap": one.edges,
            "missing": study.measurements[protein].missing,
        }
    return " ".join(words), facts


def _batch_words(protein: str, one: BatchScale) -> str:
    aside = one.batch[~one.used]
    said = f"SD of log10 {protein} is {one.sd:.4g} ± {one.sd_se:.2g}"
    if not aside.size:
        return f"{said} within {one.batch.size} batches, none of which stands out."
    ratios = one.batch_sd[~one.used] / one.sd
    failed = ", ".join(
        f"{name} ({_ratio(ratio)}{why})"
        for name, ratio, why in zip(aside, ratios, one.reason[~one.used], strict=True)
    )
    return (
        f"{said} within {int(one.used.sum())} of {one.batch.size} batches; set aside: {failed}; "
        f"with all batches as one it would be {one.sd_total:.4g}."
    )


def _ratio(ratio: float) -> str:
    return f"{ratio:.2f} times as wide, " if np.isfinite(ratio) else ""


def of_ld(data: Summary, choice: RidgeChoice) -> tuple[str, Facts]:
    """How correlated the instruments are, and whether the LD is noisy."""
    off = np.abs(data.ld[np.triu_indices(data.n_variants, 1)])
    strong = int((off > 0.1).sum())
    ridged = (1 - data.ridge) * data.ld + data.ridge * np.eye(data.n_variants)
    condition = float(np.linalg.cond(ridged))
    ridge = (
        f"a ridge of {choice.ridge:.2g} makes the differences between the phases more likely by "
        f"{choice.gain:.1f} log units and is used"
        if choice.ridge
        else "the differences between the phases ask for no ridge"
    )
    because = (
        f"Among {data.n_variants} instruments {strong} pairs have |r| > 0.1, the largest "
        f"{off.max(initial=0.0):.2f}; in order of position they are whitened with their LD "
        f"(condition number {condition:.3g}), and {ridge}."
    )
    facts = {
        "pairs": strong,
        "largest_r": float(off.max(initial=0.0)),
        "condition": condition,
        "ridge": choice.ridge,
        "ridge_gain": choice.gain,
    }
    return because, facts


def of_joint(data: Summary) -> tuple[str, Facts]:
    """What each protein would answer for the other one."""
    told = distinguish(data)
    if not told.distinct:
        raise AnalysisError(
            f"The {data.n_variants} instruments do not tell {' and '.join(PROTEINS)} apart: "
            f"the conditional F is {told.conditional_f:.2f} (p = {told.p_value:.2g}).",
            hint="Add instruments that change one protein and not the other.",
        )
    alone = [float(fit_liml(data.only(k)).theta[0]) for k in range(data.n_exposures)]
    correlation = float(told.correlation[0, 1])
    each = " and ".join(f"{t:.3f} for {p}" for t, p in zip(alone, PROTEINS, strict=True))
    weak = "" if told.strong else ", which is weak"
    because = (
        f"Over the instruments the effects on the two proteins correlate by {correlation:.2f}; "
        f"the conditional F is {told.conditional_f:.0f}{weak}. Alone they would get {each}."
    )
    facts = {
        "correlation": correlation,
        "conditional_f": told.conditional_f,
        "partial_f": dict(zip(PROTEINS, told.partial_f.tolist(), strict=True)),
        "univariable_f": dict(zip(PROTEINS, told.univariable_f.tolist(), strict=True)),
        "p_indistinct": told.p_value,
        "alone": dict(zip(PROTEINS, alone, strict=True)),
    }
    return because, facts


def of_pleiotropy(estimates: Sequence[Estimate]) -> tuple[str, Facts]:
    """Which variants act past the proteins, in which shape, and what they would have done."""
    words, facts = [], {}
    for one in estimates:
        search, name = one.search, " and ".join(one.data.exposures)
        if search is None:
            continue
        plain = fit_gls(one.data)
        words.append(_search_words(one, plain, len(estimates) > 1))
        facts[name] = {
            "shape": search.shape,
            "variants": dict(zip(search.variants, search.alpha.tolist(), strict=True)),
            "criterion": search.criterion,
            "gap": search.gap,
            "q_before": plain.q,
            "q_after": one.fit.q,
            "theta_if_ignored": plain.theta,
        }
    return " ".join(words), facts


def _search_words(one: Estimate, plain: Any, several: bool) -> str:
    search, fit = one.search, one.fit
    start = f"{one.data.exposures[0]}: residuals" if several else "Residuals"
    q = f"{start} of all {plain.n_variants} instruments have Q = {plain.q:.1f}"
    rest = f"on {fit.degrees_of_freedom} degrees of freedom"
    if search is None or search.shape == "none":
        return f"{q} {rest}, and no variant acts on the disease past the proteins."
    shape = "each on itself alone" if search.shape == "variant" else "and on LD neighbours too"
    many = len(search.variants) > 1
    count = f"{len(search.variants)} variants act" if many else "one variant acts"
    other = {"variant": "spread through LD", "ld": "on single variants"}[search.shape]
    apart = (
        f"effects {other} fit worse by {search.gap:.0f} in the information criterion"
        if search.told_apart
        else f"effects {other} would fit as well"
    )
    moved = ", ".join(
        f"{t:+.3f} on {p}" for t, p in zip(plain.theta - fit.theta, one.data.exposures, strict=True)
    )
    return (
        f"{q}; {count} past the proteins, {shape} "
        f"({_list(search.variants)}; {apart}); beside them Q = {fit.q:.1f} {rest}. "
        f"Ignored, they would move the estimates by {moved}."
    )


def diagnostics(
    study: Study, locus: Harmonised, data: Summary, estimates: Sequence[Estimate]
) -> Facts:
    """What an expert would want to see beside the answer."""
    return {
        "fits": [_fit_numbers(one) for one in estimates],
        "instruments": _instruments(data, estimates),
        "implied_sd": _implied(study, locus),
        "ancestry": {name: one.ancestry for name, one in study.datasets.items()},
        "ld_asymmetry": study.asymmetry,
        "strand_rate": locus.strand_rate,
    }


def _fit_numbers(one: Estimate) -> Facts:
    fit = one.fit
    return {
        "exposures": fit.exposures,
        "estimator": fit.estimator,
        "theta": fit.theta,
        "se_without_scale": fit.se,
        "covariance": fit.covariance,
        "q": fit.q,
        "degrees_of_freedom": fit.degrees_of_freedom,
        "q_p_value": fit.q_p_value,
        "i_squared": fit.i_squared,
        "overdispersion": fit.overdispersion,
        "conditional_f": fit.conditional_f,
        "partial_f": fit.partial_f,
        "condition": fit.condition,
        "ridge": fit.ridge,
    }


def _instruments(data: Summary, estimates: Sequence[Estimate]) -> list[Facts]:
    """Every instrument with its effects, and its residual and direct effect in each fit."""
    rows = [
        {"variant": name, "effects": data.exposure_beta[j], "disease": data.outcome_beta[j]}
        for j, name in enumerate(data.variants)
    ]
    for one in estimates:
        residual, weight = one.fit.residual.tolist(), one.fit.weight.tolist()
        for j, row in enumerate(rows):
            row.setdefault("residual", []).append(residual[j])
            row.setdefault("weight", []).append(weight[j])
    return rows


def _implied(study: Study, locus: Harmonised) -> Facts:
    """SD of each protein's trait, in the unit of the file, that its standard errors imply."""
    found = {}
    for name in (dataset(p, k) for p in PROTEINS for k in PHASES):
        _, se, frequency = locus.column(name)
        found[name] = implied_sd(se, frequency, study.datasets[name].n)
    return found
