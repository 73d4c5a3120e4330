"""What else one might decide, and what it does to the answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from refsolve.contract.decisions import Found, alternative
from refsolve.core.errors import AnalysisError
from refsolve.methods.pseudobulk import (
    Design,
    ExpressionTest,
    Normalisation,
    likelihood_ratio_test,
    voom_test,
)

from . import report
from .solve import (
    Bulk,
    Tested,
    Units,
    aggregation,
    bulk_of,
    cells_compared,
    compared,
    condition_alone,
    design_check,
    filtering,
    model,
    normalisation,
    normalised,
    normalised_cells,
    replicate,
    testable,
)
from .tables import Study


@alternative(replicate)
def cells_by_ranks(study: Study) -> Found[Units]:
    """Wrong: cells of a donor share its state; nearly every gene differs (too high)."""
    p = cells_compared(study, "rank_sum")
    because, facts = report.of_cells(study, p, "rank-sum test")
    return Found(Units("cell", p), because, **facts)


@alternative(replicate)
def cells_by_t(study: Study) -> Found[Units]:
    """Wrong: cells of a donor share its state; nearly every gene differs (too high)."""
    p = cells_compared(study, "t")
    because, facts = report.of_cells(study, p, "t test")
    return Found(Units("cell", p), because, **facts)


@alternative(aggregation)
def means_of_normalised(study: Study) -> Found[Bulk]:
    """Wrong: few cells weigh as much as many, shares of a library stay (mostly too high)."""
    if not study.counts:
        return aggregation(study)
    found = Bulk(bulk_of(normalised_cells(study), "mean").values, False)
    return Found(found, "Normalised counts are averaged by donor.", genes=len(found.values))


@alternative(aggregation)
def sums_of_scores(study: Study) -> Found[Bulk]:
    """Wrong: a sum of scores follows the number of cells, which hides what differs (too low)."""
    if study.counts:
        return aggregation(study)
    found = bulk_of(study, "mean")
    cells = study.samples["cells"].to_numpy(np.float64)
    because = f"Scores are added up over {cells.min():.0f} to {cells.max():.0f} cells."
    return Found(replace(found, values=found.values * cells), because, cells=cells)


@alternative(design_check)
def reported_anyway(study: Study) -> Found[Design]:
    """Wrong: the p values are those of something else, such as the batch (too high)."""
    try:
        return design_check(study)
    except AnalysisError as objection:
        because = (
            f"The design is not identified and reported without covariates: {objection.message}"
        )
        return Found(condition_alone(study), because, objection=objection.message)


@alternative(filtering)
def untestable_as_one(bulk: Bulk, design: Design) -> Found[Tested]:
    """Wrong: genes that could not differ count as genes that do not (percentages too low)."""
    found = replace(testable(bulk, design), denominator=len(bulk.values))
    because = (
        f"Percentages are of all {len(bulk.values)} genes, {int(found.kept.sum())} of them tested."
    )
    return Found(found, because, tested=int(found.kept.sum()), genes=len(bulk.values))


@alternative(filtering)
def every_gene(bulk: Bulk, design: Design) -> Found[Tested]:
    """Wrong: genes without information dilute percentages and adjusted p values (too low)."""
    kept = np.asarray(bulk.values.any(axis=1)) & (np.ptp(bulk.values, axis=1) > 0)
    because = f"All {int(kept.sum())} genes with any value are tested."
    return Found(Tested(kept, int(kept.sum())), because, tested=int(kept.sum()))


@alternative(normalisation)
def none(bulk: Bulk, tested: Tested) -> Found[Normalisation | None]:
    """Wrong: a gene that takes much of the library makes all the others seem lower (too high)."""
    return normalised(bulk, tested, "none")


@alternative(normalisation)
def median_of_ratios(bulk: Bulk, tested: Tested) -> Found[Normalisation | None]:
    """Defensible: the median of the ratios of all genes in place of a trimmed mean."""
    return normalised(bulk, tested, "median_ratio")


@alternative(model)
def poisson(
    study: Study, bulk: Bulk, tested: Tested, norm: Normalisation | None, design: Design
) -> Found[ExpressionTest]:
    """Wrong: donors vary by more than chance, and nearly every abundant gene differs (too high)."""
    if norm is None:
        return model(study, bulk, tested, norm, design)
    found = likelihood_ratio_test(bulk.values[tested.kept], design, norm.effective, 0.0)
    return Found(
        found, "Counts of donors are taken for Poisson.", significant=found.n_significant()
    )


@alternative(model)
def without_covariates(
    study: Study, bulk: Bulk, tested: Tested, norm: Normalisation | None, design: Design
) -> Found[ExpressionTest]:
    """Wrong: batches that lean to one condition count for it, and add noise (too high or low)."""
    found = compared(bulk, tested, norm, condition_alone(study))
    because = (
        f"{', '.join(design.names[1:-1]) or 'No covariate'} ignored; only the condition is left."
    )
    return Found(found, because, ignored=design.names[1:-1])


@alternative(model)
def precision_weights(
    study: Study, bulk: Bulk, tested: Tested, norm: Normalisation | None, design: Design
) -> Found[ExpressionTest]:
    """Defensible: linear models of log counts, weighted by the trend of their spread."""
    if norm is None:
        return model(study, bulk, tested, norm, design)
    found = voom_test(bulk.values[tested.kept], design, norm.effective)
    return Found(found, "Log counts are compared with weights.", significant=found.n_significant())
