"""Matrices of an archive: turned as their axes say, typed, and checked entry by entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refsolve.core.errors import Violation
from refsolve.core.schema import ColumnSchema, MatrixSchema
from refsolve.io.arrays import as_texts
from refsolve.io.cells import ABSENT, EXACT, GOOD, WRONG, Rule, careful
from refsolve.io.domains import (
    Mask,
    expected_type,
    out_of_bounds,
    plain_number,
    shorten,
    type_remedy,
)
from refsolve.io.sniff import Found
from refsolve.io.table import ENTRIES

States = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Axis:
    """Labels along one side of a matrix.

    Attributes
    ----------
    name
        Canonical name of the column.
    labels
        Its entries.
    """

    name: str
    labels: NDArray[Any]

    def at(self, position: int) -> str:
        """Name and label of a position, for messages.

        Parameters
        ----------
        position
            Counted from 0.
        """
        return f"{self.name} {self.labels[position : position + 1].tolist()[0]!r}"


@dataclass(frozen=True, slots=True)
class Read:
    """A matrix, and what is wrong with it.

    Attributes
    ----------
    values
        First axis by second axis; of no use when the shape is wrong.
    violations
        Places that break the schema.
    """

    values: NDArray[Any]
    violations: tuple[Violation, ...]


def read_matrix(
    file: str, spec: MatrixSchema, array: NDArray[Any], rows: Axis, columns: Axis
) -> Read:
    """Check a two-dimensional array against its schema.

    Parameters
    ----------
    file
        Name of the file.
    spec
        Schema of the matrix.
    array
        Numbers, truth values or text.
    rows, columns
        Labels of the first and of the second axis.
    """
    shape = (rows.labels.size, columns.labels.size)
    if array.shape != shape:
        array = array.T
    if array.shape != shape:
        found = Found(f"an array of shape {array.T.shape}")
        expected = f"{shape[0]} {rows.name!r} by {shape[1]} {columns.name!r}"
        remedy = "save one row and one column per label"
        return Read(array, (Violation(file, spec.name, None, found, expected, remedy),))
    # A transposed view would be walked against the grain by everything below.
    array = np.ascontiguousarray(array)
    values, state = _typed(array, spec)
    entries = _Entries(file, spec, array, rows, columns)
    return Read(values, tuple(entries.violations(values, state)))


def _typed(array: NDArray[Any], spec: MatrixSchema) -> tuple[NDArray[Any], States]:
    if array.dtype.kind in "US":
        values, state = _from_text(array, spec)
    else:
        values, state = _from_numbers(array, spec)
    if spec.missing_code is not None:
        coded = (values == spec.missing_code) & (state == GOOD)
        values[coded] = np.nan
        state[coded] = ABSENT
    return values, state


def _from_text(array: NDArray[Any], spec: MatrixSchema) -> tuple[NDArray[Any], States]:
    cell = ColumnSchema(name=spec.name, type=spec.type)
    values, state = careful(as_texts(array.ravel()), Rule(cell, spec.missing))
    return values.reshape(array.shape), state.reshape(array.shape)


def _from_numbers(array: NDArray[Any], spec: MatrixSchema) -> tuple[NDArray[Any], States]:
    numbers = array.astype(np.float64, copy=False) if array.dtype.kind == "f" else array
    state = np.full(array.shape, GOOD, np.uint8)
    state[~_held(numbers, spec)] = WRONG
    if numbers.dtype.kind == "f":
        state[np.isnan(numbers)] = ABSENT
    if spec.type == "float" or spec.missing:
        return numbers.astype(np.float64, copy=False), state
    if numbers.dtype.kind == "f":
        numbers = np.where(state == GOOD, numbers, 0)
    return numbers.astype(np.int64, copy=False), state


def _held(numbers: NDArray[Any], spec: MatrixSchema) -> Mask | np.bool_:
    """Mark the numbers of the right type that the result can hold exactly."""
    if spec.type == "float":
        return np.isfinite(numbers) if numbers.dtype.kind == "f" else np.True_
    if numbers.dtype.kind == "f":
        return np.asarray((numbers == np.rint(numbers)) & (np.abs(numbers) < EXACT))
    if spec.missing and numbers.dtype.itemsize > 4:
        return np.asarray((numbers < EXACT) & (numbers > -EXACT))
    if numbers.dtype.kind == "u" and numbers.dtype.itemsize > 4:
        return np.asarray(numbers <= np.iinfo(np.int64).max)
    return np.True_


@dataclass(frozen=True, slots=True)
class _Entries:
    """Where the entries of a matrix stand, and what they were."""

    file: str
    spec: MatrixSchema
    array: NDArray[Any]
    rows: Axis
    columns: Axis

    def violations(self, values: NDArray[Any], state: States) -> Iterator[Violation]:
        expected = expected_type(self.spec)
        absent, wrong = state == ABSENT, state == WRONG
        if not self.spec.missing and absent.any():
            told = f"{expected}, not missing"
            yield self._blame(absent, self._text(absent), told, "fill it in")
        if wrong.any():
            text = self._text(wrong)
            yield self._blame(wrong, shorten(text), expected, type_remedy(text, self.spec))
        outside, told = out_of_bounds(self.spec, values)
        outside &= state == GOOD
        if outside.any():
            value = plain_number(values[_first(outside)], self.spec)
            yield self._blame(outside, value, told)

    def _text(self, bad: Mask) -> str:
        return str(as_texts(self.array[_first(bad)].reshape(1))[0])

    def _blame(self, bad: Mask, value: Any, expected: str, remedy: str = "") -> Violation:
        row, column = _first(bad)
        where = f"{self.rows.at(row)} by {self.columns.at(column)}, entry {column + 1} of the row"
        count = int(bad.sum()) - 1
        others = f"{count} more {'entry is' if count == 1 else 'entries are'}"
        more = f"{others} wrong in the same way" if count else ""
        advice = "; ".join(
            part for part in (remedy, f"it stands at {where}", more, ENTRIES) if part
        )
        return Violation(self.file, self.spec.name, row + 1, value, expected, advice)


def _first(bad: Mask) -> tuple[int, int]:
    row, column = divmod(int(np.argmax(bad)), bad.shape[1])
    return row, column
