"""Results of blocks put together in the order of the genes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refsolve.core.check import FloatArray, IntArray
from refsolve.methods.count_glm.model.alignment import Chosen
from refsolve.methods.count_glm.model.blocks import BlockResult, Plan
from refsolve.methods.count_glm.model.cis_map import CisMap
from refsolve.methods.count_glm.model.intervals import two_sided
from refsolve.methods.count_glm.model.nulls import NO_VARIANTS
from refsolve.methods.count_glm.model.resampling import false_discovery
from refsolve.methods.count_glm.model.variants import OK, Source, TextArray, Windows


def assembled(
    parts: Sequence[BlockResult], genes: TextArray, genotypes: Source, windows: Windows,
    chosen: Chosen, plan: Plan, cells_set_aside: int,
) -> CisMap:  # fmt: skip
    """Result of a scan.

    Parameters
    ----------
    parts
        Results of the blocks, in any order.
    genes
        Names.
    genotypes, windows, chosen, plan
        What was tested.
    cells_set_aside
        Cells that are in no donor's counts.
    """
    tests = _tests(parts, windows)
    found = _genes(parts, windows)
    counted = np.bincount(
        tests["test_gene"][(tests["test_flag"] == OK) & ~np.isnan(tests["test_p"])],
        minlength=genes.size,
    )
    p_gene = found["p_beta"] if len(plan.orders) else found["p_cauchy"]
    return CisMap(
        family=plan.work.family,
        gene=genes,
        n_variants=windows.stop - windows.start,
        n_tested=counted,
        p=two_sided(found["effect"] / found["se"], _df(plan)),
        p_gene=p_gene,
        q=false_discovery(p_gene),
        **found,
        **tests,
        **_variants(parts, genotypes, windows),
        n_donors=chosen.rows.size,
        without_genotypes=chosen.without_genotypes,
        without_counts=chosen.without_counts,
        cells_set_aside=cells_set_aside,
        n_permutations=len(plan.orders),
    )


def _df(plan: Plan) -> float:
    """Degrees of freedom of a Wald test."""
    return np.inf if plan.work.family == "poisson" else float(plan.work.spare - 1)


def _tests(parts: Sequence[BlockResult], windows: Windows) -> dict[str, Any]:
    size = windows.stop - windows.start
    offset = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    total = int(offset[-1])
    gene = np.repeat(np.arange(size.size), size)
    variant = windows.order[np.arange(total) - offset[gene] + windows.start[gene]]
    values, flag = np.full((4, total), np.nan), np.zeros(total, np.int8)
    for part in parts:
        to = np.concatenate([np.arange(offset[g], offset[g + 1]) for g in part.genes])
        values[:, to] = part.effect, part.se, part.p, part.p_beta
        flag[to] = part.flag
    names = ("test_effect", "test_se", "test_p", "test_p_beta")
    columns = {name: row for name, row in zip(names, values, strict=True)}
    return {"test_gene": gene, "test_variant": variant, "test_flag": flag, **columns}


def _genes(parts: Sequence[BlockResult], windows: Windows) -> dict[str, Any]:
    n = windows.start.size
    status, lead = np.full(n, NO_VARIANTS, object), np.full(n, -1, np.int64)
    out: dict[str, FloatArray] = {name: np.full(n, np.nan) for name in _OF_GENES}
    shapes = np.full((n, 2), np.nan)
    for part in parts:
        at = part.genes
        status[at], shapes[at] = part.status, part.shapes
        some = part.lead >= 0
        lead[at[some]] = windows.order[_first(part, windows) + part.lead[some]]
        out["dispersion"][at], out["scale"][at] = part.spread, part.scale
        out["effect"][at], out["se"][at] = part.refit[:, 0], part.refit[:, 1]
        out["p_cauchy"][at], out["p_permutation"][at] = part.p_cauchy, part.p_permutation
        best = part.lead_tests
        out["p_beta"][at[some]] = part.p_beta[best[some]]
    return {"status": status, "lead": lead, "beta_shapes": shapes, **out}


_OF_GENES = ("dispersion", "scale", "effect", "se", "p_cauchy", "p_permutation", "p_beta")


def _first(part: BlockResult, windows: Windows) -> int:
    """Place in the order of the first variant of a block."""
    return int(windows.start[part.genes[0]] - part.low[0])


def _variants(parts: Sequence[BlockResult], genotypes: Source, windows: Windows) -> dict[str, Any]:
    v = genotypes.position.size
    frequency, minor, missing = np.full(v, np.nan), np.full(v, np.nan), np.full(v, -1, np.int64)
    for part in parts:
        known, first = part.described, _first(part, windows)
        rows: IntArray = windows.order[first : first + known.frequency.size]
        frequency[rows], minor[rows], missing[rows] = known[1:4]
    names = ("chromosome", "position", "variant", "effect_allele", "other_allele")
    columns = {name: getattr(genotypes, name) for name in names}
    return {**columns, "frequency": frequency, "minor_count": minor, "n_missing": missing}
