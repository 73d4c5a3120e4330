"""Sentences and numbers from what was measured on a case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from refsolve.methods.ambient import AmbientProfile, DonorGroups, StateCall
from refsolve.methods.count_glm import CountFit

from .beside import described, flagged
from .design import GENOTYPE, Design
from .tables import GENES, MARKERS, NULL_MARKER, TARGET, BoolArray, FloatArray, IntArray, Study

if TYPE_CHECKING:
    from .solve import Compared

Facts = dict[str, Any]


def of_profile(found: AmbientProfile, study: Study, large: int) -> tuple[str, Facts]:
    """Shares in the soup against those in cells."""
    share = dict(zip(GENES, found.share.tolist(), strict=True))
    cells = study.cells.counts.sum(axis=0) / study.cells.total.sum()
    aside = f", {large} of the size of cells set aside" if large else ""
    odd = f", {study.below_genes} with a total below the sum of their genes" * bool(
        study.below_genes
    )
    lost = "; ".join(f"{n} {reason}" for reason, n in study.set_aside.items())
    because = (
        f"{study.empties.total.size - large} empty droplets with {found.total:.0f} molecules"
        f"{aside}{odd} give {NULL_MARKER} a share of {share[NULL_MARKER]:.4f} in ambient RNA and "
        f"{TARGET} one of {share[TARGET]:.4f}, against {cells[0]:.4f} and {cells[-1]:.4f} in cells"
        f"{f'; set aside: {lost}' if lost else ''}."
    )
    facts = {
        "share": share,
        "se": dict(zip(GENES, found.se.tolist(), strict=True)),
        "share_in_cells": dict(zip(GENES, cells.tolist(), strict=True)),
        "droplets": study.empties.total.size - large,
        "of_the_size_of_cells": large,
        "total_below_genes": study.below_genes,
        "overdispersion": found.overdispersion,
        "set_aside": study.set_aside,
    }
    return because, facts


def of_contamination(study: Study, rho: FloatArray) -> tuple[str, Facts]:
    """Ambient share of cells, and how many are at the largest value."""
    donors = study.sums(rho * study.cells.total) / study.sums(study.cells.total)
    low, middle, high = np.quantile(rho, [0.05, 0.5, 0.95])
    cut = int((rho >= 0.5).sum())
    because = (
        f"{NULL_MARKER}, which monocytes do not make, puts the ambient share of cells at "
        f"{middle:.3f} ({low:.3f} to {high:.3f} for nine in ten), and that of donors at "
        f"{donors.min():.3f} to {donors.max():.3f}{f'; {cut} cells are cut at 0.5' if cut else ''}."
    )
    facts = {"quantiles": [low, middle, high], "donors": donors, "cut": cut, "cells": rho.size}
    return because, facts


def of_score(score: FloatArray, raw: FloatArray) -> tuple[str, Facts]:
    """How far the correction moves the score."""
    moved = raw - score
    because = (
        f"Without ambient counts, and scaled to a cell of median size, {_signed(MARKERS)} of "
        f"{score.size} cells runs from {score.min():.1f} to {score.max():.1f}; the correction "
        f"moves a cell by {moved.mean():.2f} on average and by up to {np.abs(moved).max():.1f}."
    )
    facts = {"range": [score.min(), score.max()], "moved": moved.mean(), "cells": score.size}
    return because, facts


def _signed(markers: dict[str, float]) -> str:
    words = [f"{'+' if sign > 0 else '-'} {gene}" for gene, sign in markers.items()]
    return " ".join(words).removeprefix("+ ")


def of_state(call: StateCall, study: Study) -> tuple[str, Facts]:
    """Where the boundary lies and what lies near it."""
    donors = study.sums(call.active.astype(np.float64))
    where = (
        f"no cell between {call.low:.1f} and {call.high:.1f}"
        if call.separated
        else f"{call.ambiguous} cells between {call.low:.1f} and {call.high:.1f}"
    )
    none = int((donors == 0).sum())
    because = (
        f"The score has {where} (valley p = {call.p:.2g}, by {call.method}): "
        f"{call.n_active} of {call.active.size} cells are above {call.cut:.1f} and activated"
        f"{f'; {none} donors have none' if none else ''}."
    )
    facts = {
        "cut": call.cut,
        "gap": [call.low, call.high],
        "ambiguous": call.ambiguous,
        "p": call.p,
        "separation": call.separation,
        "method": call.method,
        "activated": call.n_active,
        "cells": call.active.size,
        "per_donor": donors,
        "sensitivity": {"cut": call.sensitivity_cuts, "activated": call.sensitivity_active},
    }
    return because, facts


def of_target(study: Study, ambient: FloatArray, share: float) -> tuple[str, Facts]:
    """How many of the counts are ambient."""
    counts = study.cells.of(TARGET)
    part = float(ambient.sum() / max(counts.sum(), 1.0))
    because = (
        f"Of {counts.sum():.0f} molecules of {TARGET} {ambient.sum():.0f} are expected to be "
        f"ambient ({100 * part:.0f} %); they stay in the counts and enter the mean."
    )
    return because, {"counts": counts.sum(), "ambient": ambient.sum(), "share": share}


def of_groups(study: Study, mean: FloatArray, found: DonorGroups) -> tuple[str, Facts]:
    """Whether the donors fall apart, where, and who is on which side."""
    facts: Facts = {
        "mean_contamination": dict(zip(study.donors["donor"], mean.tolist(), strict=True)),
        "p": found.p,
        "error_rate": found.error_rate,
        "groups": found.n_groups,
    }
    if found.n_groups < 2:
        because = (
            f"The contamination of {mean.size} donors runs from {mean.min():.3f} to "
            f"{mean.max():.3f} without a gap that would be unusual among evenly spread donors "
            f"(p = {found.p:.2g}): there are no technical groups."
        )
        return because, facts
    low, high = float(found.low[0]), float(found.high[0])
    table = _by_group(study, found.code)
    words = " and ".join(_carriers(study, found.code == code) for code in (0, 1))
    because = (
        f"The contamination of donors has a gap from {low:.3f} to {high:.3f} (p = {found.p:.2g}): "
        f"the two technical groups, of {words} donors, enter the regression."
    )
    return because, facts | {"gap": [low, high], "cut": found.cut[0], "genotypes": table}


def _carriers(study: Study, rows: BoolArray) -> str:
    alleles = study.genotype[rows].mean()
    return f"{int(rows.sum())} (on average {alleles:.2f} alleles)"


def _by_group(study: Study, code: IntArray) -> dict[str, dict[str, int]]:
    """Donors by technical group and genotype."""
    return {
        f"group {k + 1}": {
            str(g): int(((code == k) & (study.genotype == g)).sum()) for g in (0, 1, 2)
        }
        for k in range(int(code.max()) + 1)
    }


def of_fit(design: Design, fit: CountFit) -> tuple[str, Facts]:
    """Size of the regression and what varies."""
    parts = [f"{name} is left out, {why}" for name, why in design.left_out.items()]
    filled = ", ".join(f"{name} of {n}" for name, n in design.filled.items())
    parts += [f"missing and taken as average: {filled}"] if filled else []
    parts.append(f"beyond chance their rates vary with a dispersion of {fit.dispersion:.3f}")
    inflation = design.identifiability.variance_inflation
    because = (
        f"{design.donors.size} donors are compared with {', '.join(design.names[1:])}; "
        f"{'; '.join(parts)}, and what the genotype shares with the rest inflates the variance of "
        f"its effect {inflation:.1f} times (identifiability: {design.flag})."
    )
    effect = fit.row(GENOTYPE)
    facts = {
        "donors": design.donors.size,
        "columns": design.names,
        "left_out": design.left_out,
        "filled": design.filled,
        "identifiability": {"flag": design.flag, "variance_inflation": inflation},
        "dispersion": fit.dispersion,
        "se": effect.se,
        "df": fit.df,
        "converged": fit.converged,
        "separated": fit.separated,
    }
    return because, facts


def diagnostics(compared: Compared, group: IntArray | None, fit: CountFit, other: Facts) -> Facts:
    """What an expert would want to see beside the answer."""
    design = compared.design
    effect = fit.row(GENOTYPE)
    return {
        "se": effect.se,
        "p": effect.p,
        "donors": design.donors.size,
        "activated_cells": int(compared.active.sum()),
        "technical_groups": 1 if group is None else int(group.max()) + 1,
        "genotypes_by_group": {} if group is None else _by_group(compared.study, group),
        "identifiability": design.flag,
        "variance_inflation": design.identifiability.variance_inflation,
        "dispersion": fit.dispersion,
        **(described(other) if other else {}),
        "warnings": flagged(fit),
        "set_aside": compared.study.set_aside,
    }
