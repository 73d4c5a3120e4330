"""What may stand in a column, and the sentence that says what stands there instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.core.errors import Violation
from refsolve.core.schema import ColumnSchema, MatrixSchema
from refsolve.io.cells import ABSENT, EXACT, NUMBER, WRONG, Rule
from refsolve.io.match import near_miss

Mask = NDArray[np.bool_]
_SHOWN = 60
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true, false, 1 or 0",
}
_TOKENS = "a missing value is written empty, NA, NaN or ."


@dataclass(frozen=True, slots=True)
class Place:
    """A file and what its records are called.

    Attributes
    ----------
    file
        Name of the file.
    rows
        Row of every record.
    note
        Appended to a remedy where rows are not lines.
    """

    file: str
    rows: NDArray[np.int64]
    note: str = ""

    def blame(
        self, column: str, bad: Mask, value: Any, expected: str, remedy: str = ""
    ) -> Violation:
        """Violation of the first record marked bad, with the number of the others.

        Parameters
        ----------
        column
            Canonical name.
        bad
            Marks; at least one is set.
        value
            What stands in the first.
        expected
            What should stand there.
        remedy
            What to do.
        """
        marked = np.flatnonzero(bad)
        row = int(self.rows[marked[0]])
        more = ""
        if marked.size == 2:
            more = f"row {int(self.rows[marked[1]])} is wrong in the same way"
        elif marked.size > 2:
            last = int(self.rows[marked[-1]])
            more = f"{marked.size - 1} more rows are wrong in the same way, the last is row {last}"
        advice = "; ".join(part for part in (remedy, more, self.note) if part)
        return Violation(self.file, column, row, value, expected, advice)


def type_violations(
    place: Place, rule: Rule, texts: NDArray[np.object_], state: NDArray[np.uint8]
) -> Iterator[Violation]:
    """Fields that are not of the type of their column, and missing ones that may not be.

    Parameters
    ----------
    place
        File and rows.
    rule
        How the column is read.
    texts
        Fields as they stand in the file.
    state
        What the careful reading said of each.
    """
    expected = expected_type(rule.spec)
    if not rule.may_miss and (state == ABSENT).any():
        text = texts[int(np.argmax(state == ABSENT))]
        remedy = "it names the row and may not be missing" if rule.spec.missing else "fill it in"
        yield place.blame(rule.spec.name, state == ABSENT, text, f"{expected}, not missing", remedy)
    if (state == WRONG).any():
        text = texts[int(np.argmax(state == WRONG))]
        remedy = type_remedy(text, rule.spec)
        yield place.blame(rule.spec.name, state == WRONG, shorten(text), expected, remedy)


def shorten(text: str) -> str:
    """A text, cut where it is too long to be shown.

    Parameters
    ----------
    text
        What stands in a field.
    """
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def expected_type(spec: ColumnSchema | MatrixSchema) -> str:
    """What a value should be, regardless of bounds.

    Parameters
    ----------
    spec
        Schema of the value.
    """
    if isinstance(spec, ColumnSchema) and spec.type == "category":
        return f"one of {', '.join(spec.values or ())}"
    return _KINDS[spec.type]


def type_remedy(text: str, spec: ColumnSchema | MatrixSchema) -> str:
    """What to do about a value of another type; empty when nothing is known.

    Parameters
    ----------
    text
        The value as it stands in the file.
    spec
        Its schema.
    """
    bare = text.strip()
    if isinstance(spec, ColumnSchema) and spec.type == "category":
        near = near_miss(bare, spec.values or ())
        return f"perhaps {near!r} is meant" if near else ""
    if re.fullmatch(r"[+-]?\d+,\d+", bare):
        return "write the decimal separator as a point"
    if re.fullmatch(r"[+-]?inf(inity)?", bare, re.IGNORECASE):
        return "infinite values are not accepted"
    if re.fullmatch(r"[+-]?nan|null|none|n/a|na|-|\.", bare, re.IGNORECASE):
        return _TOKENS
    too_large = NUMBER.fullmatch(bare) and abs(float(bare)) >= EXACT
    return "it is too large to be held exactly" if too_large else ""


def domain_violations(
    place: Place,
    specs: Iterable[ColumnSchema],
    unique: tuple[str, ...],
    columns: dict[str, Any],
    bad: dict[str, Mask],
) -> Iterator[Violation]:
    """Values out of bounds, above another column, or rows that are not unique.

    Parameters
    ----------
    place
        File and rows.
    specs
        Schema of each column.
    unique
        Columns that together name a row.
    columns
        Typed values by canonical name.
    bad
        Records already found wrong, for the columns that have any.
    """
    for spec in specs:
        usable = _usable(place, bad, spec.name)
        yield from _bounds(place, spec, columns[spec.name], usable)
        if spec.at_most is not None and spec.at_most in columns:
            usable &= _usable(place, bad, spec.at_most)
            yield from _order(place, spec, columns[spec.name], columns[spec.at_most], usable)
    if unique and all(name in columns for name in unique):
        yield from unique_violations(place, unique, columns, bad)


def _usable(place: Place, bad: dict[str, Mask], *names: str) -> Mask:
    usable = np.ones(len(place.rows), np.bool_)
    for name in names:
        if name in bad:
            usable &= ~bad[name]
    return usable


def _bounds(place: Place, spec: ColumnSchema, values: Any, usable: Mask) -> Iterator[Violation]:
    wrong, words = out_of_bounds(spec, values)
    wrong &= usable
    if wrong.any():
        value = plain_number(values[int(np.argmax(wrong))], spec)
        yield place.blame(spec.name, wrong, value, words)


def out_of_bounds(spec: ColumnSchema | MatrixSchema, values: Any) -> tuple[Mask, str]:
    """Mark the values that break a bound, and say what the bounds are.

    Parameters
    ----------
    spec
        Schema with the bounds.
    values
        Typed values.
    """
    wrong = np.zeros(np.shape(values), np.bool_)
    words = []
    for bound, breaks, word in (
        (spec.min, np.less, "at least"),
        (spec.above, np.less_equal, "more than"),
        (spec.max, np.greater, "at most"),
        (spec.below, np.greater_equal, "less than"),
    ):
        if bound is not None:
            wrong |= breaks(values, bound)
            words.append(f"{word} {bound:.15g}")
    return wrong, f"{expected_type(spec)} {' and '.join(words)}"


def _order(
    place: Place, spec: ColumnSchema, low: Any, high: Any, usable: Mask
) -> Iterator[Violation]:
    wrong = np.greater(low, high) & usable
    if wrong.any():
        first = int(np.argmax(wrong))
        limit = plain_number(high[first], spec)
        expected = f"at most the {spec.at_most!r} of the row, {limit!r}"
        yield place.blame(spec.name, wrong, plain_number(low[first], spec), expected)


def plain_number(value: Any, spec: ColumnSchema | MatrixSchema) -> float | int:
    """A number as it would be written.

    Parameters
    ----------
    value
        NumPy scalar.
    spec
        Its schema.
    """
    number = value.item()
    return int(number) if spec.type == "int" and float(number).is_integer() else number


def unique_violations(
    place: Place, names: tuple[str, ...], columns: dict[str, Any], bad: dict[str, Mask]
) -> Iterator[Violation]:
    """Records that share the values that should tell them apart.

    Parameters
    ----------
    place
        File and rows.
    names
        Columns that together name a record.
    columns
        Typed values by canonical name.
    bad
        Records already found wrong, for the columns that have any.
    """
    usable = _usable(place, bad, *names)
    keys = pd.DataFrame({name: columns[name] for name in names})
    kept = np.flatnonzero(usable)
    keys = keys.iloc[kept] if kept.size < usable.size else keys
    repeated = keys.duplicated().to_numpy()
    if not repeated.any():
        return
    at = int(np.argmax(repeated))
    same = (keys == keys.iloc[at]).all(axis=1).to_numpy()
    earlier = int(place.rows[kept[int(np.argmax(same))]])
    marks = np.zeros(usable.size, np.bool_)
    marks[kept[repeated]] = True
    key = keys.iloc[at].tolist()
    value = key[0] if len(key) == 1 else tuple(key)
    remedy = f"row {earlier} has the same; remove or correct one of them"
    expected = "a value that no other row has" if len(key) == 1 else "a combination that is unique"
    yield place.blame(", ".join(names), marks, value, expected, remedy)
