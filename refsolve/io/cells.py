"""From text to typed values, exactly.

The quick way takes a column as the parser inferred it and accepts it only where that is certain
to be what the text says. Everything else goes the careful way: one field at a time, from text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.core.schema import ColumnSchema

MISSING = ("", "NA", "NaN", ".")
GOOD, ABSENT, WRONG = 0, 1, 2
TRUTHS = {"true": 1, "t": 1, "1": 1, "1.0": 1, "false": 0, "f": 0, "0": 0, "0.0": 0}
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_DIGITS = re.compile(r"\s*[+-]?\d{1,19}\s*", re.ASCII)
# From here on a float64 no longer tells neighbouring whole numbers apart.
EXACT = 2.0**53


@dataclass(frozen=True, slots=True)
class Rule:
    """How one column is read.

    Attributes
    ----------
    spec
        Its schema.
    may_miss
        Values may be missing: the schema says so and no key needs the column.
    """

    spec: ColumnSchema
    may_miss: bool

    @property
    def levels(self) -> dict[str, int]:
        """Code of every value of a category."""
        return {value: code for code, value in enumerate(self.spec.values or ())}

    @property
    def parser_type(self) -> str | None:
        """Type to ask the parser for; None lets it infer a number."""
        return {"str": "str", "category": "category", "bool": "category"}.get(self.spec.type)


def quick(column: pd.Series[Any], rule: Rule) -> Any | None:
    """Values of a parsed column, or None where the text has to be looked at.

    Parameters
    ----------
    column
        As the parser returned it, with the type the rule asked for.
    rule
        How the column is read.
    """
    if rule.spec.type == "str":
        return column if rule.may_miss or not column.hasnans else None
    if rule.spec.type in ("category", "bool"):
        return _quick_codes(column, rule)
    values = column.to_numpy()
    if rule.spec.type == "float":
        return _quick_float(values, rule)
    if values.dtype == np.int64:
        small = not rule.may_miss or bool(((values > -EXACT) & (values < EXACT)).all())
        return values if small else None
    if values.dtype != np.float64:
        return None
    absent = np.isnan(values)
    whole = (np.rint(values) == values) & (np.abs(values) < EXACT)
    if not (whole | absent).all() or (absent.any() and not rule.may_miss):
        return None
    return values if rule.may_miss else values.astype(np.int64)


def _quick_float(values: NDArray[Any], rule: Rule) -> NDArray[np.float64] | None:
    if values.dtype.kind not in "iuf":
        return None
    numbers = values.astype(np.float64, copy=False)
    if np.isinf(numbers).any() or (not rule.may_miss and np.isnan(numbers).any()):
        return None
    return numbers


def _quick_codes(column: pd.Series[Any], rule: Rule) -> NDArray[np.int32] | None:
    states, codes = _interpret([str(value) for value in column.cat.categories], rule)
    if (states != GOOD).any():
        return None
    found = np.append(codes, np.int32(-1))[column.cat.codes.to_numpy()]
    return None if not rule.may_miss and (found < 0).any() else found


def careful(texts: NDArray[np.object_], rule: Rule) -> tuple[Any, NDArray[np.uint8]]:
    """Values and states of a column of texts.

    Parameters
    ----------
    texts
        One str per record.
    rule
        How the column is read.

    Returns
    -------
    Values of the same kind as `quick` gives, and for each whether it is good, absent, or wrong.
    """
    codes, distinct = pd.factorize(texts)
    states, values = _interpret(distinct.tolist(), rule)
    state = states[codes]
    if rule.spec.type == "str":
        return pd.Series(texts, dtype="str").where(state == GOOD), state
    return values[codes], state


def _interpret(texts: Sequence[str], rule: Rule) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    kind = rule.spec.type
    states = np.zeros(len(texts), np.uint8)
    values = empty_values(rule, len(texts))
    levels = rule.levels
    for k, text in enumerate(texts):
        value = _value(text, kind, levels)
        if kind == "int" and rule.may_miss and value is not None and abs(value) >= EXACT:
            value = None
        if text in MISSING:
            states[k] = ABSENT
        elif value is None:
            states[k] = WRONG
        elif kind != "str":
            values[k] = value
    return states, values


def empty_values(rule: Rule, size: int) -> NDArray[Any]:
    """Array for the values of a column, filled with what stands for a missing one.

    Parameters
    ----------
    rule
        How the column is read.
    size
        Number of values.
    """
    if rule.spec.type in ("category", "bool", "str"):
        return np.full(size, -1, np.int32)
    if rule.spec.type == "int" and not rule.may_miss:
        return np.zeros(size, np.int64)
    return np.full(size, np.nan)


def _value(text: str, kind: str, levels: dict[str, int]) -> float | int | None:
    if kind == "str":
        return 0
    if kind == "category":
        return levels.get(text)
    if kind == "bool":
        return TRUTHS.get(text.lower())
    if not NUMBER.fullmatch(text):
        return None
    if kind == "int" and _DIGITS.fullmatch(text):
        whole = int(text)
        return whole if -(2**63) <= whole < 2**63 else None
    number = float(text)
    if kind == "int":
        return int(number) if abs(number) < EXACT and number.is_integer() else None
    return number if np.isfinite(number) else None


def finish(parts: list[Any], rule: Rule) -> Any:
    """One column for the frame from the values of its pieces.

    Parameters
    ----------
    parts
        What `quick` or `careful` gave, in order.
    rule
        How the column is read.

    Returns
    -------
    int64, or float64 where whole numbers may be missing; float64; text as pandas keeps it by
    default; Categorical; bool, or the nullable boolean where values may be missing.
    """
    if rule.spec.type == "str":
        return pd.concat(parts, ignore_index=True) if parts else pd.Series([], dtype="str")
    values = np.concatenate([empty_values(rule, 0), *parts])
    if rule.spec.type == "category":
        levels = pd.CategoricalDtype(list(rule.spec.values or ()))
        return pd.Categorical.from_codes(values.astype(np.int32), dtype=levels)
    if rule.spec.type == "bool" and rule.may_miss:
        return pd.arrays.BooleanArray(values == 1, values < 0)
    return values == 1 if rule.spec.type == "bool" else values
