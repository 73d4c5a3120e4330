"""A schema with every kind of column, records that meet it, and the ways a file may be dressed."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from refsolve.core.errors import InputError, Violation
from refsolve.core.schema import ColumnSchema, TableForm, TableSchema
from refsolve.io import read_table

COLUMNS = (
    ColumnSchema(name="line_id", type="int", aliases=("line", "id")),
    ColumnSchema(name="alt", type="int", min=0, at_most="total"),
    ColumnSchema(name="total", type="int", aliases=("depth",), min=0, max=1000),
    ColumnSchema(name="rate", above=-1, below=0.5),
    ColumnSchema(name="effect", aliases=("beta", "b"), missing=True),
    ColumnSchema(name="phase", type="int", missing=True, optional=True),
    ColumnSchema(name="gene", type="str", aliases=("symbol",)),
    ColumnSchema(name="comment", type="str", missing=True),
    ColumnSchema(name="group", type="category", values=("case", "control")),
    ColumnSchema(name="stratum", type="category", values=("1", "2"), missing=True),
    ColumnSchema(name="tested", type="bool"),
    ColumnSchema(name="relapse", type="bool", missing=True),
)
NAMES = [column.name for column in COLUMNS]
BY_NAME = {column.name: column for column in COLUMNS}
MISSING = ["", "NA", "NaN", "."]
DELIMITERS = {"tsv": "\t", "csv": ","}


def schema(kind: str = "tsv", **changes: Any) -> TableSchema:
    form = TableForm(columns=COLUMNS, unique=("line_id",))
    return TableSchema(**{"name": "t", "format": kind, "forms": (form,), **changes})


# "\r" is left out because line ends are made equal inside quotes too.
_characters = st.characters(codec="utf-8", exclude_characters="\0\r")
texts = st.one_of(
    st.sampled_from(["NAN1", "nan", "NULL", "1e5", "a\tb", "a,b", 'say "x"', "two\nlines", " x "]),
    st.text(_characters, min_size=1, max_size=8),
).filter(lambda text: text not in MISSING)
floats = st.floats(allow_nan=False, allow_infinity=False)
maybe = {
    "effect": st.none() | floats,
    "phase": st.none() | st.integers(1 - 2**53, 2**53 - 1),
    "comment": st.none() | texts,
    "stratum": st.sampled_from([None, "1", "2"]),
    "relapse": st.sampled_from([None, True, False]),
}


@st.composite
def records(draw: st.DrawFn, min_size: int = 1, max_size: int = 8) -> list[dict[str, Any]]:
    wide = st.integers(-(2**63), 2**63 - 1)
    ids = draw(st.lists(wide, min_size=min_size, max_size=max_size, unique=True))
    rows = []
    for line_id in ids:
        total = draw(st.integers(0, 1000))
        row = {
            "line_id": line_id,
            "alt": draw(st.integers(0, total)),
            "total": total,
            "rate": draw(st.floats(-1, 0.5, exclude_min=True, exclude_max=True)),
            "gene": draw(texts),
            "group": draw(st.sampled_from(["case", "control"])),
            "tested": draw(st.booleans()),
            **{name: draw(strategy) for name, strategy in maybe.items()},
        }
        rows.append({name: row[name] for name in NAMES})
    return rows


def plain_rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "line_id": 10 + k,
            "alt": k % 3,
            "total": 5 + k,
            "rate": 0.1 + k / 1000,
            "effect": None if k % 2 else -1.5 * k,
            "phase": None if k % 3 else k,
            "gene": f"GENE{k}",
            "comment": None if k % 2 else f"note {k}",
            "group": "case" if k % 2 else "control",
            "stratum": None if k % 4 == 3 else str(1 + k % 2),
            "tested": bool(k % 2),
            "relapse": None if k % 5 == 4 else not k % 2,
        }
        for k in range(count)
    ]


@dataclass(frozen=True)
class Dress:
    """How a table is written without changing what it says."""

    kind: str = "tsv"
    packed: bool = False
    mark: bool = False
    line_end: str = "\n"
    quoting: int = csv.QUOTE_MINIMAL
    missing: str = "NA"
    whole_as_float: bool = False
    truths: tuple[str, str] = ("False", "True")
    order: tuple[str, ...] = tuple(NAMES)
    rename: dict[str, str] = field(default_factory=dict)
    extra: int = 0
    gaps: tuple[int, ...] = ()  # records before which a blank line stands
    last_line_end: bool = True


@st.composite
def dresses(draw: st.DrawFn) -> Dress:
    rename = {
        column.name: draw(
            st.sampled_from([column.name, *column.aliases, column.name.upper(), f" {column.name}"])
        )
        for column in COLUMNS
    }
    return Dress(
        kind=draw(st.sampled_from(["tsv", "csv"])),
        packed=draw(st.booleans()),
        mark=draw(st.booleans()),
        line_end=draw(st.sampled_from(["\n", "\r\n", "\r"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        missing=draw(st.sampled_from(MISSING)),
        whole_as_float=draw(st.booleans()),
        truths=draw(st.sampled_from([("False", "True"), ("0", "1"), ("FALSE", "TRUE")])),
        order=tuple(draw(st.permutations(NAMES))),
        rename=rename,
        extra=draw(st.integers(0, 2)),
        gaps=tuple(draw(st.lists(st.integers(0, 8), max_size=3, unique=True))),
        last_line_end=draw(st.booleans()),
    )


def _field(value: Any, dress: Dress) -> str:
    if value is None:
        return dress.missing
    if isinstance(value, bool):
        return dress.truths[value]
    if isinstance(value, int) and dress.whole_as_float and abs(value) < 2**53:
        return f"{value}.0"
    return value if isinstance(value, str) else repr(value)


def write(path: Path, rows: list[dict[str, Any]], dress: Dress) -> list[int]:
    """Write a file; returns the line in which each record begins, counted while writing."""
    out = io.StringIO(newline="")
    writer = csv.writer(
        out, delimiter=DELIMITERS[dress.kind], quoting=dress.quoting, lineterminator="\n"
    )
    extras = [f"extra{k}" for k in range(dress.extra)]
    writer.writerow([dress.rename.get(name, name) for name in dress.order] + extras)
    starts = []
    for k, row in enumerate(rows):
        if k in dress.gaps:
            out.write("\n")
        starts.append(out.getvalue().count("\n") + 1)
        writer.writerow([_field(row[name], dress) for name in dress.order] + ["?"] * dress.extra)
    text = out.getvalue() if dress.last_line_end else out.getvalue()[:-1]
    data = text.replace("\n", dress.line_end).encode("utf-8-sig" if dress.mark else "utf-8")
    path.write_bytes(gzip.compress(data) if dress.packed else data)
    return starts


def expected_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The frame that the rows should come back as, built without the reader."""
    columns: dict[str, Any] = {}
    for column in COLUMNS:
        values = [row[column.name] for row in rows]
        if column.type == "float" or (column.type == "int" and column.missing):
            columns[column.name] = np.array([np.nan if v is None else v for v in values], float)
        elif column.type == "int":
            columns[column.name] = np.array(values, np.int64)
        elif column.type == "bool":
            columns[column.name] = pd.array(values, dtype="boolean" if column.missing else "bool")
        elif column.type == "category":
            columns[column.name] = pd.Categorical(values, categories=list(column.values or ()))
        else:
            columns[column.name] = pd.Series(values, dtype="str").where(
                [value is not None for value in values]
            )
    return pd.DataFrame(columns)


def violations(path: Path, of: TableSchema) -> tuple[Violation, ...]:
    try:
        read_table(path, of)
    except InputError as failure:
        return failure.violations
    return ()


def single(path: Path, of: TableSchema) -> Violation:
    found = violations(path, of)
    assert len(found) == 1, [str(violation) for violation in found]
    return found[0]


def columns_schema(*columns: ColumnSchema, kind: str = "tsv", **changes: Any) -> TableSchema:
    unique = changes.pop("unique", ())
    form = TableForm(columns=columns, unique=unique)
    return TableSchema(**{"name": "t", "format": kind, "forms": (form,), **changes})
