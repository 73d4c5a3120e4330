"""Terms of the expected counts: intercepts, distance, covariates, and what varies by condition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline

from refsolve.core.check import FloatArray, IntArray
from refsolve.core.result import Result
from refsolve.methods.contact_expected.kernels import glm
from refsolve.methods.contact_expected.model.cells import Cells
from refsolve.methods.contact_expected.model.table import ContactTable

Dispersion = Literal["shared", "condition"] | float
DEGREE = 3


@dataclass(frozen=True, slots=True)
class Background(Result):
    """What the log of the expected counts is made of, beside an intercept of every sample.

    Attributes
    ----------
    distance
        `linear`: a straight line in the log of the distance, a power law. `spline`: a cubic
        spline in it.
    df
        Coefficients of the spline.
    by_condition
        Terms with coefficients of their own in every condition: `distance` and names of
        covariates. All other covariates have one coefficient.
    dispersion
        One of all samples, one per condition, or a known number; 0 is the Poisson model.
    """

    distance: Literal["linear", "spline"] = "linear"
    df: int = 4
    by_condition: tuple[str, ...] = ("distance", "gc")
    dispersion: Dispersion = "shared"

    def __post_init__(self) -> None:
        if self.distance not in ("linear", "spline"):
            raise ValueError(f"distance = {self.distance!r}; expected 'linear' or 'spline'")
        if self.df < DEGREE:
            raise ValueError(f"df = {self.df} must be at least {DEGREE} for a cubic spline")
        if isinstance(self.dispersion, str) and self.dispersion not in ("shared", "condition"):
            raise ValueError(
                f"dispersion = {self.dispersion!r}; expected 'shared', 'condition', or a number"
            )
        if not isinstance(self.dispersion, str) and not 0.0 <= self.dispersion < np.inf:
            raise ValueError(f"dispersion = {self.dispersion} must be finite and at least 0")

    @property
    def known_dispersion(self) -> float | None:
        """The number that was given, if any."""
        return None if isinstance(self.dispersion, str) else float(self.dispersion)


def spline_knots(values: FloatArray, df: int) -> FloatArray:
    """Knots of a cubic spline without intercept, the inner ones at quantiles.

    Parameters
    ----------
    values
        Where it must hold.
    df
        Number of coefficients.
    """
    inner = np.quantile(values, np.linspace(0.0, 1.0, df - DEGREE + 2)[1:-1])
    low, high = (np.full(DEGREE + 1, end) for end in (values.min(), values.max()))
    return np.concatenate([low, inner, high])


def spline_columns(values: FloatArray, knots: FloatArray) -> FloatArray:
    """Cubic spline without intercept (n, df); constant beyond the outer knots.

    Parameters
    ----------
    values
        Where.
    knots
        All knots, the outer ones repeated.
    """
    inside = np.clip(values, knots[0], knots[-1])
    return np.asarray(BSpline.design_matrix(inside, knots, DEGREE).toarray()[:, 1:])


def distance_features(
    background: Background, log_distance: FloatArray, used: NDArray[np.bool_]
) -> tuple[FloatArray, list[str]]:
    """Columns of the distance (n, 1 or df), and their names.

    Parameters
    ----------
    background
        The model.
    log_distance
        Of every pixel or cell.
    used
        Those that enter the fit: they place the knots.
    """
    if background.distance == "linear":
        return log_distance[:, None], ["log_distance"]
    knots = spline_knots(np.unique(log_distance[used]), background.df)
    names = [f"spline_{k + 1}" for k in range(background.df)]
    return spline_columns(log_distance, knots), names


def column_map(
    terms: list[tuple[str, bool]], code: IntArray, conditions: tuple[str, ...], samples: list[str]
) -> tuple[IntArray, tuple[str, ...]]:
    """Coefficient of every feature in every sample (S, 1 + terms), and names of coefficients.

    Parameters
    ----------
    terms
        Name of every feature after the intercept, and whether it varies by condition.
    code
        Condition of every sample (S,).
    conditions, samples
        Their names.
    """
    names = [f"intercept[{s}]" for s in samples]
    columns = [np.arange(code.size)]
    for term, varies in terms:
        columns.append(len(names) + (code if varies else np.zeros_like(code)))
        names += [f"{term}[{c}]" for c in conditions] if varies else [term]
    return np.ascontiguousarray(np.stack(columns, axis=1)), tuple(names)


def sample_names(condition: tuple[str, ...]) -> list[str]:
    """Condition and a running number within it.

    Parameters
    ----------
    condition
        Of every sample.
    """
    return [f"{c}.{condition[: s + 1].count(c)}" for s, c in enumerate(condition)]


def cells_of_table(table: ContactTable, background: Background) -> Cells:
    """Every pixel as a cell of its own.

    Parameters
    ----------
    table, background
        The data and the model.
    """
    use = table.used
    known = np.asarray(use.any(axis=0), dtype=bool)
    distance, names = distance_features(background, table.log_distance, known)
    terms = [(name, "distance" in background.by_condition) for name in names]
    terms += [(name, name in background.by_condition) for name in table.covariates]
    covariates = [table.term(name) for name in table.covariates]
    one = np.ones(table.bin1.size)
    features = np.column_stack([one, distance, *covariates])
    features[~known] = np.nan_to_num(features[~known])
    columns, names_all = column_map(
        terms, table.code, table.conditions, sample_names(table.condition)
    )
    group = table.code if background.dispersion == "condition" else np.zeros_like(table.code)
    totals = np.where(use, table.counts, 0.0)
    offset = np.zeros((1, one.size)) if table.offset is None else table.offset
    tails = tuple(tail_of(totals[group == g], use[group == g]) for g in range(group.max() + 1))
    rows = np.arange(group.size)
    return Cells(
        np.ascontiguousarray(features),
        columns,
        names_all,
        totals,
        use.astype(np.float64),
        rows,
        offset,
        tails,
        group,
    )


def tail_of(counts: FloatArray, use: NDArray[np.bool_]) -> FloatArray:
    """Number of used counts above 0, 1, 2, ...

    Parameters
    ----------
    counts, use
        Counts, and which of them are used.
    """
    size = int(counts.max(initial=0.0)) + 1
    return glm.tail_counts(counts.ravel(), use.ravel(), size)
