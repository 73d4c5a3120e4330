"""Sentences and numbers from what was measured on a case."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from refsolve.methods.pseudobulk import (
    Audit,
    Design,
    ExpressionTest,
    Normalisation,
    RelabellingNull,
    n_relabellings,
    smallest_p,
)

from .tables import FloatArray, Study

Facts = dict[str, Any]
LISTED = 200  # genes of the set that diagnostics list


def of_replicate(study: Study, beside: Audit | None) -> tuple[str, Facts]:
    """How many cells there are of how many donors, and what comparing cells would do."""
    cells = study.samples["cells"].to_numpy()
    donors = {word: study.donors(word) for word in (study.reference, study.test)}
    words = " and ".join(f"{n} of {word!r}" for word, n in donors.items())
    design = ", every donor in both" if study.paired else ""
    lost = ", ".join(f"{n} {reason}" for reason, n in study.set_aside.items())
    because = (
        f"{int(cells.sum())} cells are of {study.samples['donor'].nunique()} donors, {words}"
        f"{design}, with {cells.min()} to {cells.max()} cells each; donors are the replicates"
        f"{f', and cells set aside are {lost}' if lost else ''}.{_beside_words(beside)}"
    )
    facts = {
        "donors": donors,
        "cells": cells,
        "paired": study.paired,
        "set_aside": study.set_aside,
        "cells_as_replicates_WRONG": of_audit(beside) if beside else None,
    }
    return because, facts


def _beside_words(found: Audit | None) -> str:
    if found is None:
        return ""
    share = _percent(found.cell_p)
    return (
        f" Cells of a donor are alike (intraclass correlation {found.median_icc:.3f}, design "
        f"effect {found.median_design_effect:.1f}, medians over genes): a t test of cells, which "
        f"is wrong, would call {share:.1f} % of genes, and without any effect "
        f"{100 * found.expected_rate:.0f} %."
    )


def _percent(p: FloatArray) -> float:
    known = p[np.isfinite(p)]
    return 100.0 * float((known < 0.05).mean()) if known.size else 0.0


def of_cells(study: Study, p: FloatArray, method: str) -> tuple[str, Facts]:
    """What a comparison of cells would find."""
    share = _percent(p)
    because = (
        f"{len(study.obs)} cells are taken for independent: their {method} has p < 0.05 for "
        f"{share:.1f} % of genes."
    )
    return because, {"percent": share, "cells": len(study.obs)}


def of_aggregation(study: Study, values: FloatArray) -> tuple[str, Facts]:
    """Sums of counts or means of scores."""
    if not study.counts:
        because = (
            f"{study.source} holds scores of {len(values)} genes, averaged over the cells of each "
            f"of {values.shape[1]} samples: a sum would follow the number of cells."
        )
        return because, {"samples": values.shape[1], "genes": len(values)}
    library = values.sum(axis=0)
    because = (
        f"Counts in {study.source} of {len(values)} genes are added up to {values.shape[1]} "
        f"samples with libraries of {library.min():.0f} to {library.max():.0f}."
    )
    return because, {"samples": values.shape[1], "genes": len(values), "library": library}


def of_normalisation(values: FloatArray, found: Normalisation | None) -> tuple[str, Facts]:
    """Factors of the libraries."""
    if found is None:
        because = "Values that are no counts have no library and are compared as they are."
        return because, {"samples": values.shape[1]}
    relative = found.effective / found.library
    relative = relative / np.exp(np.log(relative).mean())
    top = float((values.max(axis=0) / found.library).max())
    because = (
        f"Libraries are multiplied by factors of {relative.min():.3f} to {relative.max():.3f} "
        f"({found.method}); one gene makes up to {100 * top:.0f} % of a library."
    )
    return because, {"factors": relative, "largest_share": top}


def of_design(study: Study, design: Design, bare: Design) -> tuple[str, Facts]:
    """Columns, what was left out, and what the design can show at all."""
    left_out = {**study.left_out, **dict(design.left_out)}
    lost = "; ".join(f"{name} is left out ({reason})" for name, reason in left_out.items())
    least = smallest_p(bare)
    because = (
        f"The design has {', '.join(design.names)} and {design.residual_df} residual degrees of "
        f"freedom over {len(design.matrix)} samples{f'; {lost}' if lost else ''}. A test of ranks "
        f"could not have p below {least:.2g} with these donors."
    )
    facts = {
        "columns": design.names,
        "left_out": left_out,
        "residual_df": design.residual_df,
        "smallest_p": least,
        "relabellings": n_relabellings(bare),
    }
    return because, facts


def of_filtering(values: FloatArray, counts: bool, kept: Any) -> tuple[str, Facts]:
    """How many genes can be tested."""
    detected = int(values.any(axis=1).sum())
    rule = "have enough counts in enough samples" if counts else "vary between the samples"
    because = f"{int(kept.sum())} of {kept.size} genes {rule} and are tested."
    return because, {"genes": kept.size, "detected": detected, "tested": int(kept.sum())}


def of_model(found: ExpressionTest, counts: bool) -> tuple[str, Facts]:
    """The test, its degrees of freedom, and genes that are separated."""
    df = np.asarray(found.df_denominator, dtype=np.float64)
    separated = int(np.sum(found.separated))
    kind = "counts of donors by negative-binomial" if counts else "means of donors by normal"
    apart = f"; {separated} genes have counts in one condition only" if separated else ""
    because = (
        f"{found.name} compares {kind} models ({found.method}) with {np.median(df):.1f} degrees "
        f"of freedom in the median{apart}: {found.n_significant()} of {found.p.size} genes have "
        f"p < 0.05."
    )
    facts = {
        "df": float(np.median(df)),
        "separated": separated,
        "significant": found.n_significant(),
        "discoveries": found.n_discoveries(),
    }
    return because, facts


def diagnostics(
    study: Study,
    genes: pd.DataFrame,
    denominator: int,
    level: float,
    null: RelabellingNull | None,
) -> Facts:
    """What an expert would want to see beside the answer."""
    asked = genes[genes["gene"].isin(study.gene_set)]
    tested = set(genes["gene"])
    return {
        "tested": len(genes),
        "denominator": denominator,
        "expected_by_chance": level * denominator,
        "relabelled_donors": of_null(null) if null else None,
        "gene_set": asked.head(LISTED).to_dict("records"),
        "gene_set_at_fdr": int((asked["q"] < level).sum()),
        "gene_set_absent": study.absent,
        "gene_set_untested": [g for g in study.gene_set if g not in {*tested, *study.absent}],
    }


def of_null(found: RelabellingNull) -> Facts:
    """Numbers of genes that differ when donors exchange their conditions."""
    return {
        "seen": found.seen,
        "expected": found.expected,
        "largest_otherwise": int(np.max(found.counts[1:], initial=0)),
        "p": found.p,
        "tried": len(found.counts),
        "possible": found.n_relabellings,
        "exhaustive": found.exhaustive,
    }


def of_audit(found: Audit) -> Facts:
    """Cells as replicates: what they share, and what that does to their tests."""
    return {
        "percent_de": _percent(found.cell_p),
        "intraclass_correlation": found.median_icc,
        "design_effect": found.median_design_effect,
        "false_positives_expected": found.expected_rate,
        "false_positives_of_relabelled_donors": found.observed_rate,
    }
