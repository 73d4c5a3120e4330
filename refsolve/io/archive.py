"""A NumPy archive as a table: columns of arrays, and matrices that they label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refsolve.core.errors import InputError, Violation
from refsolve.core.schema import TableForm, TableSchema
from refsolve.io.arrays import take_column
from refsolve.io.cells import Rule
from refsolve.io.domains import Place, unique_violations
from refsolve.io.find import stem_of
from refsolve.io.match import Match, match_columns
from refsolve.io.matrices import Axis, read_matrix
from refsolve.io.npz import Archive
from refsolve.io.parse import Columns
from refsolve.io.sniff import Found
from refsolve.io.table import ENTRIES, Table, column_rules, too_few, unusable, value_violations

Arrays = dict[str, NDArray[Any]]


def read_archive(path: Path, schema: TableSchema) -> Table:
    """Read an archive against its schema.

    Parameters
    ----------
    path
        The file.
    schema
        What it should hold.

    Raises
    ------
    InputError
        Everything in the file that breaks the schema.
    """
    archive = Archive(path)
    match = match_columns(path.name, archive.names, schema)
    form = schema.forms[match.form]
    rules = {rule.spec.name: rule for rule in column_rules(match, form).values()}
    arrays, broken = _load(archive, match, rules)
    violations = [*match.violations, *broken, *_uneven(path.name, form, arrays)]
    columns = Columns({}, {})
    for name, array in arrays.items():
        take_column(array, rules[name], columns)
    size = _size(form, arrays)
    if len(violations) == len(match.violations) and (size is not None or not archive.names):
        violations += too_few(path.name, size or 0, schema.min_rows)
    violations += _column_violations(path.name, form, rules, arrays, columns)
    axes = _axes(form, columns)
    matrices, wrong = _matrices(archive, match, form, axes)
    violations += wrong
    if violations:
        raise InputError(violations)
    first = {name: values for name, values in columns.values.items() if _is_first(form, name)}
    labels = {name: axis.labels for name, axis in axes.items()}
    rows = np.arange(1, (size or 0) + 1)
    frame = pd.DataFrame(first, copy=False)
    stem = stem_of(path.name)
    return Table(stem, path, match.form, frame, rows, matrices, labels, match.groups)


def _load(
    archive: Archive, match: Match, rules: Mapping[str, Rule]
) -> tuple[Arrays, list[Violation]]:
    arrays: Arrays = {}
    broken = []
    for name in rules:
        found = archive.load(match.positions[name], name, dimensions=1)
        if isinstance(found, Violation):
            broken.append(found)
        else:
            arrays[name] = found
    return arrays, broken


def _uneven(file: str, form: TableForm, arrays: Arrays) -> Iterator[Violation]:
    first: dict[str, str] = {name: name for name in form.axes if name in arrays}
    for name, array in arrays.items():
        like = first.setdefault(form.axis(name), name)
        if array.size != arrays[like].size:
            found = Found(f"{array.size} entries")
            yield Violation(file, name, None, found, f"{arrays[like].size} as in {like!r}")


def _size(form: TableForm, arrays: Arrays) -> int | None:
    return next((array.size for name, array in arrays.items() if _is_first(form, name)), None)


def _is_first(form: TableForm, name: str) -> bool:
    return form.axis(name) == next(iter(form.axes), "")


def _column_violations(
    file: str, form: TableForm, rules: Mapping[str, Rule], arrays: Arrays, columns: Columns
) -> Iterator[Violation]:
    # Columns of another axis or of a wrong length have rows of their own.
    groups: dict[tuple[str, int], list[str]] = {}
    for name, array in arrays.items():
        groups.setdefault((form.axis(name), array.size), []).append(name)
    for (axis, size), names in groups.items():
        place = Place(file, np.arange(1, size + 1), ENTRIES)
        part = Columns(
            {name: columns.values[name] for name in names},
            {name: flaw for name, flaw in columns.flaws.items() if name in names},
        )
        yield from value_violations(place, form, [rules[name] for name in names], part)
        if axis in names and form.unique != (axis,):
            yield from unique_violations(place, (axis,), part.values, unusable(part))


def _axes(form: TableForm, columns: Columns) -> dict[str, Axis]:
    return {
        name: Axis(name, pd.Series(columns.values[name]).to_numpy())
        for name in form.axes
        if name in columns.values
    }


def _matrices(
    archive: Archive, match: Match, form: TableForm, axes: Mapping[str, Axis]
) -> tuple[Arrays, list[Violation]]:
    matrices: Arrays = {}
    violations: list[Violation] = []
    for spec in form.matrices:
        if spec.name not in match.positions:
            continue
        found = archive.load(match.positions[spec.name], spec.name, dimensions=2)
        if isinstance(found, Violation):
            violations.append(found)
        elif spec.rows in axes and spec.columns in axes:
            matrix = read_matrix(
                archive.path.name, spec, found, axes[spec.rows], axes[spec.columns]
            )
            matrices[spec.name] = matrix.values
            violations += matrix.violations
    return matrices, violations
