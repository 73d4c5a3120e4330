"""What technical groups go together with, and whether an effect can be told from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from refsolve.core.check import FloatArray, IntArray, real_vector, refuse
from refsolve.core.result import Result
from refsolve.core.rng import RandomSource, as_generator
from refsolve.methods.ambient.model.arguments import labels

ALIASED = 1e-8  # share of the effect's variance that nothing else explains
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Confounding(Result):
    """Association of technical groups with what is known of the donors.

    Attributes
    ----------
    name, kind
        Covariates (c,), each "number" or "category".
    measure, value
        Measure (c,): the correlation with the group ("r", two groups of a number), the correlation
        ratio ("eta", more groups), or Cramer's ("V", a category); NaN for a constant.
    p
        Permutation p value (c,); NaN for a constant.
    n
        Donors (c,) with a value.
    aliased
        Whether the group tells the covariate (c,), or the covariate the group.
    """

    name: NDArray[Any]
    kind: NDArray[Any]
    measure: NDArray[Any]
    value: FloatArray
    p: FloatArray
    n: IntArray
    aliased: NDArray[np.bool_]

    def to_frame(self) -> pd.DataFrame:
        """One row per covariate."""
        names = ("name", "kind", "measure", "value", "p", "n", "aliased")
        return pd.DataFrame({name: getattr(self, name) for name in names})


@dataclass(frozen=True, slots=True, eq=False)
class Identifiability(Result):
    """How much of an effect is left when the others are in the model.

    Attributes
    ----------
    r2
        Share of the variance of the effect's variable that the others explain.
    variance_inflation
        Of the estimated effect, 1 / (1 - r2); infinite if it is aliased.
    aliased
        The effect cannot be told from the others.
    correlation
        With each of the others (k,); NaN for constants.
    """

    r2: float
    variance_inflation: float
    aliased: bool
    correlation: FloatArray


def confounding(
    group: ArrayLike,
    covariates: Mapping[str, ArrayLike] | pd.DataFrame,
    *,
    draws: int = 9999,
    rng: RandomSource = 0,
) -> Confounding:
    """Association of every covariate with the groups.

    Parameters
    ----------
    group
        (donors,) for example the code of `donor_groups`.
    covariates
        Columns by name; numbers, or texts and truth values as categories. Missing values are left
        out of their own column.
    draws
        Permutations of the donors.
    rng
        Seed of these.

    Examples
    --------
    >>> found = confounding([0, 0, 0, 1, 1, 1], {"sex": list("FFFMMM"), "age": [3, 5, 4, 4, 5, 3]})
    >>> found.value.round(2), found.aliased
    (array([1., 0.]), array([ True, False]))
    """
    code = labels(group, np.size(np.asarray(group)), "group")[1]
    generator = as_generator(rng)
    rows = [_row(str(k), v, code, draws, generator) for k, v in covariates.items()]
    columns = list(zip(*rows, strict=True)) or [()] * 7
    name, kind, measure = (np.array(column, object) for column in columns[:3])
    value, p = (np.array(column, np.float64) for column in columns[3:5])
    return Confounding(
        name,
        kind,
        measure,
        value,
        p,
        np.array(columns[5], np.int64),
        np.array(columns[6], np.bool_),
    )


Row = tuple[str, str, str, float, float, int, bool]


def _row(name: str, values: Any, code: IntArray, draws: int, rng: np.random.Generator) -> Row:
    column = pd.Series(np.asarray(values))
    if column.dtype == object:
        column = _as_numbers(column)
    if column.size != code.size:
        raise ValueError(f"{name} has {column.size} values for {code.size} donors")
    there = column.notna().to_numpy()
    number = column.dtype.kind in "iuf"
    groups = labels(code[there], int(there.sum()), "group")[1]
    kind = "number" if number else "category"
    two = groups.max(initial=0) == 1
    measure = ("r" if two else "eta") if number else "V"
    n = int(there.sum())
    if number:
        x = column[there].to_numpy(np.float64)
        refuse(~np.isfinite(x), name, x, "is not finite", "leave it empty")
        constant = n < 2 or np.ptp(x) == 0.0
    else:
        x = labels(column[there].astype(str), n, name)[1]
        constant = x.max(initial=0) == 0
    if constant or groups.max(initial=0) == 0:
        return name, kind, measure, float("nan"), float("nan"), n, False
    score = _eta_squared if number else _v_squared
    seen = score(x, groups)
    null = np.array([score(x, rng.permutation(groups)) for _ in range(draws)])
    p = (1.0 + float((null >= seen * (1.0 - ROUNDING)).sum())) / (1.0 + draws)
    value = float(np.sqrt(seen))
    if number and two:
        value = float(np.corrcoef(x, groups)[0, 1])
    return name, kind, measure, value, p, n, bool(seen > 1.0 - ALIASED)


def _as_numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers with missing values; as it is where there is a text or a truth value."""
    known = column.dropna()
    if any(isinstance(v, (str, bool, np.bool_)) for v in known):
        return column
    return pd.to_numeric(column, errors="coerce")


def _eta_squared(x: FloatArray, group: IntArray) -> float:
    """Share of the variance of x between groups."""
    size = np.bincount(group)
    mean = np.bincount(group, x) / size
    whole = ((x - x.mean()) ** 2).sum()
    return float((size * (mean - x.mean()) ** 2).sum() / whole)


def _v_squared(x: IntArray, group: IntArray) -> float:
    """Cramer's V squared of two categories."""
    k, m = int(x.max()) + 1, int(group.max()) + 1
    table = np.bincount(x * m + group, minlength=k * m).reshape(k, m)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / x.size
    return float(((table - expected) ** 2 / expected).sum() / (x.size * (min(k, m) - 1)))


def effect_identifiability(
    effect: ArrayLike, others: Mapping[str, ArrayLike] | pd.DataFrame | ArrayLike
) -> Identifiability:
    """Variance inflation of an effect beside other variables, an intercept included.

    Parameters
    ----------
    effect
        (donors,) for example the genotype.
    others
        (donors, k) or columns by name: group, sex, age, ... as numbers.

    Raises
    ------
    ValueError
        The effect's variable is constant.

    Examples
    --------
    >>> round(effect_identifiability([0, 1, 2, 0, 1, 2], [[0], [0], [1], [0], [1], [1]]).r2, 3)
    0.667
    """
    x = real_vector(effect, "effect")
    refuse(~np.isfinite(x), "effect", x, "is not finite", "leave the donor out")
    z = _matrix(others, x.size)
    refuse(~np.isfinite(z), "others", z, "is not finite", "leave the donor out")
    if np.ptp(x) == 0.0:
        raise ValueError("effect is constant over the donors, so that it has no effect to estimate")
    centred = x - x.mean()
    spread = z.std(axis=0)
    design = (z - z.mean(axis=0))[:, spread > ROUNDING] / spread[spread > ROUNDING]
    fitted = design @ np.linalg.lstsq(design, centred, rcond=None)[0]
    left = float(((centred - fitted) ** 2).sum() / (centred**2).sum())
    aliased = left < ALIASED
    r = np.full(spread.size, np.nan)
    r[spread > ROUNDING] = design.T @ centred / (x.size * x.std())
    inflation = float("inf") if aliased else 1.0 / left
    return Identifiability(1.0 if aliased else 1.0 - left, inflation, bool(aliased), r)


def _matrix(others: Any, n: int) -> FloatArray:
    """Columns (n, k) of the other variables."""
    if hasattr(others, "keys"):
        others = np.column_stack([np.empty((n, 0)), *(np.asarray(others[k]) for k in others)])
    try:
        return np.asarray(others, np.float64).reshape(n, -1)
    except (TypeError, ValueError) as wrong:
        raise ValueError(
            f"others must hold {n} numbers per column; {wrong}; code categories as 0 and 1"
        ) from wrong
