"""Direct effects of two proteins by multivariable Mendelian randomisation at one locus.

Seven decisions lead from the released files to one regression of the disease on both proteins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from refsolve.contract.decisions import Found, Walk, decision
from refsolve.contract.outcome import Case, Solution
from refsolve.core.errors import AnalysisError
from refsolve.methods.mvmr import (
    BatchScale,
    EffectFit,
    Harmonised,
    Instruments,
    PleiotropyFit,
    Summary,
    choose_ridge,
    fit_liml,
    fit_pleiotropy,
    harmonise,
    marginal_instruments,
    pool_phases,
    unit_factor,
    within_batch_sd,
)

from . import report
from .tables import DISEASE, PHASES, PROTEINS, FloatArray, Study, dataset, load

__all__ = ["DECISIONS", "load", "solve"]

Phases = tuple[int, ...]
Models = tuple[Summary, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """What takes effects of a file to SDs of log10 concentration.

    Attributes
    ----------
    factor
        Per file of a protein: what effects and standard errors are multiplied by.
    error
        Relative standard error of the SD, per protein; 0 where none was needed.
    batches
        The measurements judged, per protein.
    """

    factor: dict[str, float]
    error: dict[str, float]
    batches: dict[str, BatchScale]


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """One regression of the disease on one or both proteins.

    Attributes
    ----------
    data
        What was regressed.
    fit
        The direct effects.
    search
        What was found of variants that act past the proteins, if it was looked for.
    """

    data: Summary
    fit: EffectFit
    search: PleiotropyFit | None = None


@decision
def orientation(study: Study) -> Found[Harmonised]:
    """Every effect is that of one more copy of the allele that the LD counts."""
    found = oriented(study)
    because, facts = report.of_alleles(found, study)
    return Found(found, because, **facts)


@lru_cache(maxsize=1)  # the same along every path
def oriented(study: Study) -> Harmonised:
    """Complete variants in order of position, their effects per counted allele, and their LD."""
    sizes = {name: one.n for name, one in study.datasets.items() if one.n > 0}
    found = harmonise(study.studies, study.reference, ld=(study.ld, study.labels), sizes=sizes)
    if found.variant.size == 0:
        lost = ", ".join(f"{n} {why}" for why, n in report.reasons(found).items())
        raise AnalysisError(
            f"No variant of the locus can be used: {lost}.",
            hint="A variant needs an effect in all five files, oriented alleles, and LD.",
        )
    return found


@decision
def selection(locus: Harmonised, p_threshold: float) -> Found[Instruments]:
    """Variants that phase 1 finds associated with either protein."""
    chosen = screened(locus, 1, p_threshold)
    because, facts = report.of_selection(locus, chosen, p_threshold)
    return Found(chosen, because, **facts)


def screened(locus: Harmonised, phase: int, p_threshold: float) -> Instruments:
    """Variants below the threshold for either protein in one phase."""
    return marginal_instruments(*associations(locus, phase), p_threshold=p_threshold)


def associations(locus: Harmonised, phase: int) -> tuple[FloatArray, FloatArray]:
    """Effects and standard errors on both proteins in one phase, in the units of the files."""
    columns = [locus.column(dataset(protein, phase)) for protein in PROTEINS]
    beta, se = (np.column_stack([column[k] for column in columns]) for k in (0, 1))
    return beta, se


@decision
def effects(study: Study, locus: Harmonised, chosen: Instruments) -> Found[Phases]:
    """From phase 2, which had no part in the choice of the variants."""
    because, facts = report.of_effects(study, locus, chosen)
    return Found((2,), because, **facts)


@decision
def scale(study: Study) -> Found[Scale]:
    """Units to log10, and log10 to SDs within the batches whose spread is that of the majority."""
    found = scaled(study, {p: spread(study, p) for p in needed(study)}, "sd")
    because, facts = report.of_scale(study, found.batches, found.factor)
    return Found(found, because, **facts)


def needed(study: Study) -> list[str]:
    """Proteins with a file that is not in SDs already."""
    units = {p: {study.datasets[dataset(p, k)].unit for k in PHASES} for p in PROTEINS}
    return [protein for protein, of_files in units.items() if of_files != {"sd"}]


@lru_cache(maxsize=2)
def spread(study: Study, protein: str) -> BatchScale:
    """Spread of the measurements of a protein, batch by batch."""
    measured = study.measurements[protein]
    return within_batch_sd(measured.value, measured.batch, measured.passed)


def scaled(study: Study, batches: dict[str, BatchScale], which: str) -> Scale:
    """Factors of all files from one of the SDs that a protein's batches have."""
    factor, error = {}, dict.fromkeys(PROTEINS, 0.0)
    for protein in PROTEINS:
        one = batches.get(protein)
        sd = getattr(one, which) if one else 1.0
        if one and study.datasets[dataset(protein, 2)].unit != "sd":
            error[protein] = one.sd_se / one.sd
        for phase in PHASES:
            name = dataset(protein, phase)
            factor[name] = unit_factor(study.datasets[name].unit, sd)
    return Scale(factor, error, batches)


@decision
def ld(data: Summary, locus: Harmonised, sizes: Scale) -> Found[Summary]:
    """Neighbours are whitened with the LD, which gets a ridge where noise shows it to be noisy."""
    choice = choose_ridge(locus.ld, noise(locus, sizes))
    because, facts = report.of_ld(data.with_ridge(choice.ridge), choice)
    return Found(data.with_ridge(choice.ridge), because, **facts)


def noise(locus: Harmonised, sizes: Scale) -> FloatArray:
    """Differences of the phases over their standard errors: noise that the true LD correlates."""
    rows = []
    for protein in PROTEINS:
        (b1, s1), (b2, s2) = (rescaled(locus, sizes, dataset(protein, k)) for k in PHASES)
        rows.append((b1 - b2) / np.hypot(s1, s2))
    return np.array(rows)


def rescaled(locus: Harmonised, sizes: Scale, name: str) -> tuple[FloatArray, FloatArray]:
    """Effects and standard errors of a file in SDs of log10 concentration."""
    beta, se, _ = locus.column(name)
    return beta * sizes.factor[name], se * sizes.factor[name]


@decision
def joint(data: Summary) -> Found[Models]:
    """One model holds both proteins, so that neither speaks for the other."""
    because, facts = report.of_joint(data)
    return Found((data,), because, **facts)


@decision
def pleiotropy(models: Models) -> Found[tuple[Estimate, ...]]:
    """Direct effects of single variants are looked for, in both shapes, and modelled."""
    found = tuple(modelled(data) for data in models)
    because, facts = report.of_pleiotropy(found)
    return Found(found, because, **facts)


def modelled(data: Summary) -> Estimate:
    """The fit with the direct effects that were found."""
    search = fit_pleiotropy(data)
    return Estimate(data, search.fit, search)


DECISIONS = (orientation, selection, effects, scale, ld, joint, pleiotropy)


def solve(case: Case, tables: Study, path: Walk) -> Solution:
    """Orient, select, take effects, rescale, whiten; then one regression on both proteins."""
    locus = path.take(orientation, tables)
    chosen = path.take(selection, locus, float(case.parameters["p_threshold"]))
    phases = path.take(effects, tables, locus, chosen)
    sizes = path.take(scale, tables)
    data = path.take(ld, summary(locus, sizes, phases).select(chosen.index), locus, sizes)
    estimates = path.take(pleiotropy, path.take(joint, data))
    fits = _with_scale_error(estimates, sizes)
    return Solution(
        answer={f"theta_{p}": float(fit.theta[k]) for p, (fit, k) in fits.items()},
        intervals={f"theta_{p}": tuple(fit.interval[k].tolist()) for p, (fit, k) in fits.items()},
        diagnostics=report.diagnostics(tables, locus, data, estimates),
        artefacts={
            "locus": locus,
            "chosen": chosen,
            "estimates": estimates,
            "fits": [fit for fit, _ in fits.values()],
            "alone": [fit_liml(data.only(k)) for k in range(len(PROTEINS))],
        },
    )


def summary(locus: Harmonised, sizes: Scale, phases: Phases) -> Summary:
    """Effects on both proteins, averaged over phases, and on the disease, of all variants."""
    columns = []
    for protein in PROTEINS:
        parts = [rescaled(locus, sizes, dataset(protein, phase)) for phase in phases]
        columns.append(parts[0] if len(parts) == 1 else pool_phases(*parts[0], *parts[1]))
    beta, se = (np.column_stack([column[k] for column in columns]) for k in (0, 1))
    outcome, outcome_se, _ = locus.column(DISEASE)
    return Summary(
        beta,
        se,
        outcome,
        outcome_se,
        locus.ld,
        exposures=PROTEINS,
        variants=tuple(locus.variant.tolist()),
    )


def _with_scale_error(
    estimates: Sequence[Estimate], sizes: Scale
) -> dict[str, tuple[EffectFit, int]]:
    """Per protein its fit, with the error of the SD, and its place in the fit."""
    found: dict[str, tuple[EffectFit, int]] = {}
    for one in estimates:
        relative = np.array([sizes.error[protein] for protein in one.fit.exposures])
        fit = one.fit.with_scale_error(relative)
        found |= {protein: (fit, k) for k, protein in enumerate(fit.exposures)}
    return found
