"""Values that must occur in a column of another file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from refsolve.core.errors import Violation
from refsolve.core.schema import ColumnSchema, TableSchema
from refsolve.io.domains import Place
from refsolve.io.match import near_miss

if TYPE_CHECKING:
    from refsolve.io.tables import Table

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
            if column.references and column.name in table.frame:
                yield from _check(table, column, tables, schemas)


def _check(
    table: Table,
    column: ColumnSchema,
    tables: Mapping[str, Table],
    schemas: Mapping[str, TableSchema],
) -> Iterator[Violation]:
    owner, _, target = (column.references or "").rpartition(".")
    named = (
        [tables[owner]]
        if owner in tables
        else [other for stem, other in tables.items() if schemas[stem].name == owner]
    )
    pools = [other.frame[target] for other in named if target in other.frame]
    if not pools:
        return
    values, known = _comparable(table.frame[column.name], pools)
    bad = (~values.isin(known) & values.notna()).to_numpy()
    if not bad.any():
        return
    value = values[bad].tolist()[0]
    files = " or ".join(other.path.name for other in named)
    place = Place(table.path.name, table.rows, table.note)
    yield place.blame(
        column.name,
        bad,
        value,
        f"a value that stands in column {target!r} of {files}",
        _guess(value, known),
    )


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
