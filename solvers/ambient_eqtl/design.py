"""What enters the regression beside the genotype, and what cannot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from refsolve.core.errors import AnalysisError
from refsolve.methods.ambient import Identifiability, effect_identifiability

from .tables import COVARIATES, BoolArray, FloatArray, IntArray, Study

GENOTYPE = "g"
MOSTLY = 0.5  # a covariate that more than this share of donors lacks is left out
WEAK, POOR = 3.0, 10.0  # variance inflation of the genotype


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Regressors of the donors that are compared.

    Attributes
    ----------
    names
        Of the columns; the intercept first, the genotype second.
    matrix
        (donors, columns).
    donors
        Per row the row of the donor in the study.
    left_out
        Covariates that do not enter, with the reason.
    filled
        Donors whose missing value was replaced by the mean, by covariate.
    identifiability
        How well the genotype can be told from the other columns.
    """

    names: tuple[str, ...]
    matrix: FloatArray
    donors: IntArray
    left_out: dict[str, str]
    filled: dict[str, int]
    identifiability: Identifiability

    @property
    def flag(self) -> str:
        """`good`, `weak` or `poor`: whether the effect can be told from the other columns."""
        inflation = self.identifiability.variance_inflation
        return "good" if inflation < WEAK else "weak" if inflation < POOR else "poor"


def designed(study: Study, seen: BoolArray, group: IntArray | None) -> Design:
    """Intercept, genotype, technical group, and covariates that vary and can be told apart.

    Parameters
    ----------
    study
        The study.
    seen
        Donors that have cells to be compared.
    group
        Technical group of every donor of the study; None where there is none.
    """
    rows = np.flatnonzero(seen)
    g = study.genotype[rows]
    if np.unique(g).size < 2:
        raise AnalysisError(
            f"All {rows.size} donors with cells of the state have the same genotype.",
            hint="The effect of an allele needs donors that differ in it.",
        )
    chosen: dict[str, FloatArray] = dict(_groups(group, rows))
    if chosen and effect_identifiability(g, _stacked(chosen, rows.size)).aliased:
        raise AnalysisError(
            "Genotype and technical group are the same: every donor of a group has one genotype.",
            hint="Their effects cannot be told apart without a genotype that is in both groups.",
        )
    left_out, filled = {}, {}
    for name, column in _covariates(study, rows):
        known = np.isfinite(column)
        fixed = np.where(known, column, column[known].mean() if known.any() else 0.0)
        reason = _unfit(name, fixed, known, _stacked(chosen, rows.size), g)
        if reason:
            left_out[name] = reason
            continue
        chosen[name] = (fixed - fixed.mean()) / fixed.std()
        if not known.all():
            filled[name] = int((~known).sum())
    others = _stacked(chosen, rows.size)
    matrix = np.column_stack([np.ones(rows.size), g, others])
    names = ("intercept", GENOTYPE, *chosen)
    return Design(names, matrix, rows, left_out, filled, effect_identifiability(g, others))


def _stacked(columns: dict[str, FloatArray], n: int) -> FloatArray:
    return np.column_stack(list(columns.values())) if columns else np.empty((n, 0))


def _groups(group: IntArray | None, rows: IntArray) -> Iterator[tuple[str, FloatArray]]:
    """Indicators of all technical groups but the first among the donors."""
    if group is None:
        return
    codes = np.unique(group[rows])
    for code in codes[1:]:
        name = "group" if codes.size == 2 else f"group {code + 1}"
        yield name, (group[rows] == code).astype(np.float64)


def _covariates(study: Study, rows: IntArray) -> Iterator[tuple[str, FloatArray]]:
    for name in COVARIATES:
        column = study.donors[name].to_numpy(np.float64)[rows]
        if name != "sex" or len(study.categories) < 3:
            yield name, column
            continue
        for k, word in enumerate(study.categories[1:], 1):
            yield f"sex {word}", np.where(np.isfinite(column), column == k, np.nan)


def _unfit(
    name: str, column: FloatArray, known: BoolArray, others: FloatArray, g: FloatArray
) -> str:
    """Why a covariate cannot enter; empty when it can."""
    if (~known).mean() > MOSTLY:
        return f"it is missing for {int((~known).sum())} of {known.size} donors"
    if np.ptp(column) == 0:
        return "it is the same for all donors"
    if known.size < others.shape[1] + 4:
        raise AnalysisError(
            f"{known.size} donors with cells of the state are too few for the genotype, the "
            "technical group and the covariates.",
            hint="There must be more donors than coefficients.",
        )
    if effect_identifiability(column, others).aliased:
        return "it is a combination of the technical group and the covariates before it"
    if effect_identifiability(g, np.column_stack([others, column])).aliased:
        raise AnalysisError(
            f"{name} and the genotype cannot be told apart: one follows from the other.",
            hint="The effect of the allele is not identified with these donors.",
        )
    return ""
