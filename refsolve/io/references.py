"""Values that must occur in a column of another file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from refsolve.core.errors import Violation
from refsolve.core.schema import TableSchema
from refsolve.io.domains import Place
from refsolve.io.match import near_miss

if TYPE_CHECKING:
    from refsolve.io.table import Table

_SMALL = 2000


def reference_violations(
    tables: Mapping[str, Table], schemas: Mapping[str, TableSchema]
) -> Iterator[Violation]:
    """Check every column that refers to another one.

    Parameters
    ----------
    tables
        Files that were read, by stem.
    schemas
        Schema of each of these files, by stem.
    """
    for stem, table in tables.items():
        for column in schemas[stem].forms[table.form].columns:
            for name in table.groups.get(column.name, (column.name,)):
                if column.references and _holds(table, name):
                    yield from _check(table, name, column.references, tables, schemas)


def _check(
    table: Table,
    column: str,
    reference: str,
    tables: Mapping[str, Table],
    schemas: Mapping[str, TableSchema],
) -> Iterator[Violation]:
    owner, _, target = reference.rpartition(".")
    named = (
        [tables[owner]]
        if owner in tables
        else [other for stem, other in tables.items() if schemas[stem].name == owner]
    )
    pools = [_values(other, target) for other in named if _holds(other, target)]
    if not pools:
        return
    values, known = _comparable(_values(table, column), pools)
    bad = (~values.isin(known) & values.notna()).to_numpy()
    if not bad.any():
        return
    value = values[bad].tolist()[0]
    files = " or ".join(other.path.name for other in named)
    # An axis has positions of its own, a field of an object has none.
    rows = table.rows if column in table.frame else np.arange(1, bad.size + 1)
    place = Place(table.path.name, rows, table.note)
    violation = place.blame(
        column,
        bad,
        value,
        f"a value that stands in column {target!r} of {files}",
        _guess(value, known),
    )
    yield violation if column not in table.fields else dataclasses.replace(violation, row=None)


def _holds(table: Table, column: str) -> bool:
    return column in table.frame or column in table.axes or table.fields.get(column) is not None


def _values(table: Table, column: str) -> pd.Series[Any]:
    if column in table.frame:
        return table.frame[column]
    if column in table.axes:
        return pd.Series(table.axes[column])
    value = table.fields[column]
    return pd.Series(list(value) if isinstance(value, tuple) else [value])


def _comparable(
    values: pd.Series[Any], pools: list[pd.Series[Any]]
) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Numbers against numbers, everything else as text."""
    known = pd.concat(pools, ignore_index=True).dropna().drop_duplicates()
    if all(pd.api.types.is_numeric_dtype(one) for one in (values, known)):
        return values, known
    return values.astype(object).map(str, na_action="ignore"), known.astype(object).map(str)


def _guess(value: Any, known: pd.Series[Any]) -> str:
    if not isinstance(value, str) or len(known) > _SMALL:
        return ""
    near = near_miss(value, known.tolist())
    return f"perhaps {near!r} is meant" if near else ""
