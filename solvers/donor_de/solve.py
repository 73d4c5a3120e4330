"""Which genes differ between two conditions, with donors as replicates.

Six decisions lead from the released cells to one p value per testable gene.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd

from refsolve.contract.decisions import Found, Walk, decision
from refsolve.contract.outcome import Case, Solution
from refsolve.core.errors import AnalysisError
from refsolve.methods.pseudobulk import (
    Audit,
    Design,
    ExpressionTest,
    Normalisation,
    RelabellingNull,
    adjust_fdr,
    aggregate,
    audit,
    cell_test,
    filter_genes,
    fit_quasi,
    log2_cpm,
    make_design,
    moderated_test,
    normalise,
    quasi_test,
    significant_null,
)

from . import report
from .tables import BATCH, OTHERS, BoolArray, FloatArray, Study, load

__all__ = ["DECISIONS", "load", "solve"]

DRAWN = 20  # exchanges of donors that the audit of cells looks at


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """What was taken for independent observations.

    Attributes
    ----------
    name
        `donor` or `cell`.
    p
        Two-sided p values of all genes, where cells were compared directly.
    """

    name: str
    p: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Bulk:
    """One value per gene and sample.

    Attributes
    ----------
    values
        (genes, samples), samples in the order of the study.
    counts
        Whether these are counts.
    """

    values: FloatArray
    counts: bool


@dataclass(frozen=True, slots=True, eq=False)
class Tested:
    """Genes with a p value, and the number that percentages refer to.

    Attributes
    ----------
    kept
        (genes,) whether a gene is tested.
    denominator
        Genes that the percentages are of.
    """

    kept: BoolArray
    denominator: int


@decision
def replicate(study: Study) -> Found[Units]:
    """The donor is the replicate; its cells only tell its own state more precisely."""
    because, facts = report.of_replicate(study, beside(study))
    return Found(Units("donor"), because, **facts)


@lru_cache(maxsize=1)  # the same along every path
def beside(study: Study) -> Audit | None:
    """What cells of the same donor share, and what tests that ignore it would report."""
    if min(study.donors(study.reference), study.donors(study.test)) < 2:
        return None
    keys = pd.MultiIndex.from_frame(study.samples[["donor", "condition"]])
    code = keys.get_indexer(pd.MultiIndex.from_frame(study.obs))
    treated = (study.samples["condition"] == study.test).to_numpy(dtype=bool)
    return audit(normalised_cells(study).values, code, treated, most=DRAWN)


@decision
def aggregation(study: Study) -> Found[Bulk]:
    """Counts are added up, so that libraries keep their precision; scores are averaged."""
    found = bulk_of(study, "sum" if study.counts else "mean")
    because, facts = report.of_aggregation(study, found.values)
    return Found(found, because, **facts)


@lru_cache(maxsize=4)  # the same along many paths
def bulk_of(study: Study, how: str) -> Bulk:
    """Sums or means of the cells of every donor and condition."""
    made = aggregate(study.values, study.obs, how=how)
    keys = pd.MultiIndex.from_frame(made.samples[["donor", "condition"]].astype(str))
    wanted = pd.MultiIndex.from_frame(study.samples[["donor", "condition"]].astype(str))
    values = made.values[:, keys.get_indexer(wanted)]
    counts = study.counts and how == "sum"
    for i in np.flatnonzero(counts & ~values.any(axis=0))[:1]:
        one = study.samples.iloc[i]
        raise AnalysisError(
            f"The {one['cells']} cells of donor {one['donor']!r} in {one['condition']!r} have no "
            f"counts in {study.source}.",
            hint="Leave the donor out, or name the layer with its counts.",
        )
    return Bulk(values, counts)


@lru_cache(maxsize=2)
def cells_compared(study: Study, method: str) -> FloatArray:
    """P values of all genes with cells as replicates, which they are not."""
    return cell_test(normalised_cells(study).values, study.treated, method=method)


@lru_cache(maxsize=1)
def normalised_cells(study: Study) -> Study:
    """Counts of each cell per ten thousand on the log scale; scores as they are."""
    if not study.counts:
        return study
    size = np.maximum(np.asarray(study.values.sum(axis=1), np.float64).ravel(), 1.0)
    if not hasattr(study.values, "indptr"):
        return replace(study, values=np.log1p(study.values * (1e4 / size)[:, np.newaxis]))
    values = study.values.astype(np.float64)
    values.data = np.log1p(values.data * np.repeat(1e4 / size, np.diff(values.indptr)))
    return replace(study, values=values)


@decision
def design_check(study: Study) -> Found[Design]:
    """Every covariate that is offered, unless it cannot be told from the condition."""
    found = designed(study)
    because, facts = report.of_design(study, found, exchangeable(study))
    return Found(found, because, **facts)


def exchangeable(study: Study) -> Design:
    """The design without covariates: within it donors, or the samples of a donor, can exchange."""
    return condition_alone(study, paired=study.paired)


@lru_cache(maxsize=2)
def designed(study: Study) -> Design:
    """Condition, batch and, where there is room for them, sex and age; donors where paired."""
    there = study.samples.columns
    return make_design(
        study.samples,
        "condition",
        reference=study.reference,
        test=study.test,
        covariates=[name for name in BATCH if name in there],
        optional=[name for name in OTHERS if name in there],
        donor="donor",
    )


def condition_alone(study: Study, *, paired: bool = False) -> Design:
    """Intercept and condition, and donors where they are pairs."""
    words = {"reference": study.reference, "test": study.test}
    donor = "donor" if paired else None
    return make_design(study.samples, "condition", donor=donor, paired=paired, **words)


@decision
def filtering(bulk: Bulk, design: Design) -> Found[Tested]:
    """Genes with enough counts in enough samples for the design; they are the denominator."""
    found = testable(bulk, design)
    because, facts = report.of_filtering(bulk.values, bulk.counts, found.kept)
    return Found(found, because, **facts)


def testable(bulk: Bulk, design: Design) -> Tested:
    """Genes that can be tested; of scores those that vary between the samples."""
    if bulk.counts:
        kept = filter_genes(bulk.values, design).kept
    else:
        kept = np.ptp(bulk.values, axis=1) > 0
    if not kept.any():
        raise AnalysisError(
            f"None of the {kept.size} genes can be tested.",
            hint="Genes need counts in several donors, or scores that vary between them.",
        )
    return Tested(kept, int(kept.sum()))


@decision
def normalisation(bulk: Bulk, tested: Tested) -> Found[Normalisation | None]:
    """Libraries times trimmed means of log ratios; scores are comparable as they are."""
    return normalised(bulk, tested, "tmm")


def normalised(bulk: Bulk, tested: Tested, method: str) -> Found[Normalisation | None]:
    """Effective libraries of the tested genes by one method."""
    values = bulk.values[tested.kept]
    found = normalise(values, method) if bulk.counts else None
    because, facts = report.of_normalisation(values, found)
    return Found(found, because, **facts)


@decision
def model(
    study: Study, bulk: Bulk, tested: Tested, norm: Normalisation | None, design: Design
) -> Found[ExpressionTest]:
    """Negative-binomial counts with shared dispersions; a moderated t test of scores."""
    found = compared(bulk, tested, norm, design)
    because, facts = report.of_model(found, bulk.counts)
    return Found(found, because, **facts)


def compared(
    bulk: Bulk, tested: Tested, norm: Normalisation | None, design: Design
) -> ExpressionTest:
    """The test of all tested genes under one design."""
    values = bulk.values[tested.kept]
    if norm is None:
        return moderated_test(values, design)
    return quasi_test(fit_quasi(values, design, norm.effective))


DECISIONS = (replicate, aggregation, design_check, filtering, normalisation, model)


def solve(case: Case, tables: Study, path: Walk) -> Solution:
    """Aggregate, check the design, filter, normalise; then one test per gene."""
    units = path.take(replicate, tables)
    bulk = path.take(aggregation, tables)
    design = path.take(design_check, tables)
    tested = path.take(filtering, bulk, design)
    norm = path.take(normalisation, bulk, tested)
    test = path.take(model, tables, bulk, tested, norm, design)
    level = float(case.parameters["level"])
    genes = _judged(tables, units, tested, test)
    p, q = genes["p"].to_numpy(), genes["q"].to_numpy()
    asked = genes["gene"].isin(tables.gene_set).to_numpy()
    null = by_chance(tables, design, level, int(case.parameters["relabellings"]))
    return Solution(
        answer={
            "pct_de": 100.0 * int((p < level).sum()) / tested.denominator,
            "pct_fdr": 100.0 * int((q < level).sum()) / tested.denominator,
            "n_set_de": int((asked & (p < level)).sum()),
        },
        diagnostics=report.diagnostics(tables, genes, tested.denominator, level, null),
        artefacts={"study": tables, "genes": genes, "test": test, "tested": tested, "null": null},
    )


@lru_cache(maxsize=4)
def by_chance(study: Study, design: Design, level: float, most: int) -> RelabellingNull | None:
    """Genes that differ when donors exchange their conditions."""
    if most == 0:
        return None
    bulk = bulk_of(study, "sum" if study.counts else "mean")
    values = bulk.values[testable(bulk, design).kept]
    if bulk.counts:
        values = log2_cpm(values, normalise(values, "tmm").effective)
    return significant_null(values, design, p=level, most=most)


def _judged(study: Study, units: Units, tested: Tested, test: ExpressionTest) -> pd.DataFrame:
    """The tested genes with p and adjusted p; genes of the denominator without test have p = 1."""
    p = test.p if units.p is None else units.p[tested.kept]
    p = np.where(np.isfinite(p), p, 1.0)
    everything = np.concatenate([p, np.ones(tested.denominator - p.size)])
    return pd.DataFrame(
        {
            "gene": study.genes[tested.kept],
            "log2_fold_change": test.log2_fold_change,
            "low": test.interval[:, 0],
            "high": test.interval[:, 1],
            "p": p,
            "q": adjust_fdr(everything)[: p.size],
        }
    )
