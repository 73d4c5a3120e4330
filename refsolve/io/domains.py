"""What may stand in a column, and the sentence that says what stands there instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.core.errors import Violation
from refsolve.core.schema import ColumnSchema, TableForm
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
    expected = _expected(rule.spec)
    if not rule.may_miss and (state == ABSENT).any():
        text = texts[int(np.argmax(state == ABSENT))]
        remedy = "it names the row and may not be missing" if rule.spec.missing else "fill it in"
        yield place.blame(rule.spec.name, state == ABSENT, text, f"{expected}, not missing", remedy)
    if (state == WRONG).any():
        text = texts[int(np.argmax(state == WRONG))]
        shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
        remedy = _remedy(text, rule)
        yield place.blame(rule.spec.name, state == WRONG, shown, expected, remedy)


def _expected(spec: ColumnSchema) -> str:
    if spec.type == "category":
        return f"one of {', '.join(spec.values or ())}"
    return _KINDS[spec.type]


def _remedy(text: str, rule: Rule) -> str:
    bare = text.strip()
    if rule.spec.type == "category":
        near = near_miss(bare, rule.spec.values or ())
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
    place: Place, form: TableForm, columns: dict[str, Any], bad: dict[str, Mask]
) -> Iterator[Violation]:
    """Values out of bounds, above another column, or rows that are not unique.

    Parameters
    ----------
    place
        File and rows.
    form
        Form of the file.
    columns
        Typed values by canonical name.
    bad
        Records already found wrong, for the columns that have any.
    """
    for spec in form.columns:
        if spec.name in columns:
            usable = _usable(place, bad, spec.name)
            yield from _bounds(place, spec, columns[spec.name], usable)
            if spec.at_most is not None and spec.at_most in columns:
                usable &= _usable(place, bad, spec.at_most)
                yield from _order(place, spec, columns[spec.name], columns[spec.at_most], usable)
    if form.unique and all(name in columns for name in form.unique):
        yield from _unique(place, form.unique, columns, bad)


def _usable(place: Place, bad: dict[str, Mask], *names: str) -> Mask:
    usable = np.ones(len(place.rows), np.bool_)
    for name in names:
        if name in bad:
            usable &= ~bad[name]
    return usable


def _bounds(place: Place, spec: ColumnSchema, values: Any, usable: Mask) -> Iterator[Violation]:
    wrong = np.zeros(len(place.rows), np.bool_)
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
    wrong &= usable
    if wrong.any():
        value = _plain(values[int(np.argmax(wrong))], spec)
        yield place.blame(spec.name, wrong, value, f"{_KINDS[spec.type]} {' and '.join(words)}")


def _order(
    place: Place, spec: ColumnSchema, low: Any, high: Any, usable: Mask
) -> Iterator[Violation]:
    wrong = np.greater(low, high) & usable
    if wrong.any():
        first = int(np.argmax(wrong))
        limit = _plain(high[first], spec)
        expected = f"at most the {spec.at_most!r} of the row, {limit!r}"
        yield place.blame(spec.name, wrong, _plain(low[first], spec), expected)


def _plain(value: Any, spec: ColumnSchema) -> float | int:
    number = value.item()
    return int(number) if spec.type == "int" and float(number).is_integer() else number


def _unique(
    place: Place, names: tuple[str, ...], columns: dict[str, Any], bad: dict[str, Mask]
) -> Iterator[Violation]:
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
