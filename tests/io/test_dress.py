"""A valid table reads back the same, however it is dressed."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from refsolve.core.errors import InputError
from refsolve.core.schema import ColumnSchema, TableForm, TableSchema
from refsolve.io import read_table, write_table
from tests.io.samples import (
    BY_NAME,
    DELIMITERS,
    MISSING,
    NAMES,
    Dress,
    columns_schema,
    dresses,
    expected_frame,
    floats,
    plain_rows,
    records,
    schema,
    single,
    write,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dress")


@given(records(), dresses())
@settings(max_examples=200)
def test_dress_changes_nothing(folder: Path, rows: list[dict[str, Any]], dress: Dress) -> None:
    path = folder / "t.tsv.gz"
    starts = write(path, rows, dress)
    table = read_table(path, schema(dress.kind))
    pd.testing.assert_frame_equal(table.frame, expected_frame(rows), check_exact=True)
    assert table.rows.tolist() == starts
    assert (table.name, table.path, table.form) == ("t", path, 0)


@given(records())
@settings(max_examples=25)
def test_written_tables_read_back_exactly(folder: Path, rows: list[dict[str, Any]]) -> None:
    frame = expected_frame(rows)
    for name, kind in (
        ("t.tsv.gz", "tsv"),
        ("t.csv", "csv"),
        ("t.csv.gz", "csv"),
        ("t.txt", "tsv"),
    ):
        table = read_table(write_table(folder / name, frame), schema(kind))
        pd.testing.assert_frame_equal(table.frame, frame, check_exact=True)


@given(st.lists(st.text('a"\n\t ', max_size=12), max_size=6), st.integers(1, 3))
@example(['5" disk\t6"', '"a\tb"'], 2)
@example(['5"\t"a\tb\tc\td"\t3"'], 4)
@example(['"open\tb'], 2)
@settings(max_examples=500)
def test_records_are_those_of_the_csv_module(folder: Path, lines: list[str], width: int) -> None:
    names = [f"c{k}" for k in range(width)]
    text = "\t".join(names) + "\n" + "\n".join(lines) + "\n"
    path = folder / "r.tsv"
    path.write_bytes(text.encode())
    expected, starts, closed = reference_records(text)
    columns = tuple(ColumnSchema(name=name, type="str", missing=True) for name in names)
    form = TableForm(columns=columns)
    shape = TableSchema(name="r", forms=(form,), min_rows=0)
    if not closed or any(len(record) != width for record in expected):
        with pytest.raises(InputError):
            read_table(path, shape)
        return
    table = read_table(path, shape)
    assert table.rows.tolist() == starts
    found = table.frame.astype(object).where(table.frame.notna(), "").to_numpy().tolist()
    assert found == [["" if cell in MISSING else cell for cell in row] for row in expected]


def reference_records(text: str) -> tuple[list[list[str]], list[int], bool]:
    """Records below the header, their first lines, and whether the last quote is closed."""
    marker = "end of the text"
    reader = csv.reader(io.StringIO(f"{text}{marker}\n", newline=""), delimiter="\t")
    found, starts = [], []
    line = 0
    for record in reader:
        if record:
            found.append(record)
            starts.append(line + 1)
        line = reader.line_num
    closed = found[-1] == [marker]
    return found[1:-1], starts[1:-1], closed


@given(st.lists(floats, min_size=1, max_size=50))
def test_floats_are_exact(folder: Path, values: list[float]) -> None:
    path = folder / "f.tsv"
    path.write_text("x\n" + "\n".join(map(repr, values)) + "\n")
    found = read_table(path, columns_schema(ColumnSchema(name="x"))).frame["x"].to_numpy()
    assert found.tobytes() == np.array(values).tobytes()


def test_digits_beyond_double_precision_round_correctly(tmp_path: Path) -> None:
    texts = [f"{k}.{'123456789' * 4}e{k % 7 - 3}" for k in range(5000)]
    path = tmp_path / "t.tsv"
    path.write_text("x\n" + "\n".join(texts) + "\n")
    found = read_table(path, columns_schema(ColumnSchema(name="x"))).frame["x"].to_numpy()
    assert found.tolist() == [float(text) for text in texts]


@pytest.mark.parametrize("text", ["3", "3.0", "3.", "+3", " 3 ", "3e0", "0.3e1", "003", "30e-1"])
@pytest.mark.parametrize("other", ["4", "9007199254740993"])
def test_whole_numbers_in_any_notation(tmp_path: Path, text: str, other: str) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(f"n\n{text}\n{other}\n")
    frame = read_table(path, columns_schema(ColumnSchema(name="n", type="int"))).frame
    assert frame["n"].dtype == np.int64
    assert frame["n"].tolist() == [3, int(other)]


@pytest.mark.parametrize("text", ["T", "true", "TRUE", "1", "1.0"])
def test_truth_values(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(f"x\n{text}\nF\n")
    frame = read_table(path, columns_schema(ColumnSchema(name="x", type="bool"))).frame
    assert frame["x"].tolist() == [True, False]


def test_text_is_never_taken_for_missing(tmp_path: Path) -> None:
    words = ["NAN1", "nan", "null", "None", "N/A", "-", "NaN ", "na", "#N/A", "inf"]
    path = tmp_path / "t.tsv"
    path.write_text("gene\n" + "\n".join(words) + "\n")
    frame = read_table(path, columns_schema(ColumnSchema(name="gene", type="str"))).frame
    assert frame["gene"].tolist() == words


def test_line_ends_inside_quotes_do_not_depend_on_the_system(tmp_path: Path) -> None:
    shape = columns_schema(ColumnSchema(name="x", type="str"), ColumnSchema(name="n", type="int"))
    for end in ("\n", "\r\n", "\r"):
        path = tmp_path / "t.tsv"
        path.write_bytes(f'x\tn{end}"two{end}lines"\t1{end}z\t2{end}'.encode())
        table = read_table(path, shape)
        assert table.frame["x"].tolist() == ["two\nlines", "z"]
        assert table.rows.tolist() == [2, 4]


def test_blank_lines_before_the_header_count(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("\n\nn\n\n1\n\n2\n\n")
    table = read_table(path, columns_schema(ColumnSchema(name="n", type="int")))
    assert table.frame["n"].tolist() == [1, 2]
    assert table.rows.tolist() == [5, 7]


def test_header_may_span_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('"long\nname",n\nx,1\n')
    table = read_table(path, columns_schema(ColumnSchema(name="n", type="int"), kind="csv"))
    assert table.frame["n"].tolist() == [1]
    assert table.rows.tolist() == [3]


def test_byte_order_mark_inside_the_text_survives(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("x\n\ufeffa\nb\n")
    frame = read_table(path, columns_schema(ColumnSchema(name="x", type="str"))).frame
    assert frame["x"].tolist() == ["\ufeffa", "b"]


def test_no_record_where_none_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("\t".join(NAMES) + "\n")
    table = read_table(path, schema(min_rows=0))
    assert table.rows.size == 0
    assert [str(kind) for kind in table.frame.dtypes] == [
        str(kind) for kind in expected_frame(plain_rows(1)).dtypes
    ]


def test_optional_column_may_be_absent(tmp_path: Path) -> None:
    order = tuple(name for name in NAMES if name != "phase")
    write(tmp_path / "t.tsv", plain_rows(3), Dress(order=order))
    frame = read_table(tmp_path / "t.tsv", schema()).frame
    assert frame.columns.tolist() == list(order)


def test_exact_name_wins_over_another_case(tmp_path: Path) -> None:
    shape = columns_schema(
        ColumnSchema(name="n", type="int"), ColumnSchema(name="Ne", aliases=("N",), type="int")
    )
    path = tmp_path / "t.tsv"
    path.write_text("N\tn\n7\t8\n")
    assert read_table(path, shape).frame.to_dict("list") == {"n": [8], "Ne": [7]}


def test_first_form_that_fits_is_used(tmp_path: Path) -> None:
    size = ColumnSchema(name="Ne", type="int")
    steps = TableForm(columns=(ColumnSchema(name="generation", type="int"), size))
    spans = TableForm(
        columns=(ColumnSchema(name="start", type="int"), ColumnSchema(name="end", type="int"), size)
    )
    shape = TableSchema(name="Ne_schedule", forms=(steps, spans))
    path = tmp_path / "Ne_schedule.tsv"
    path.write_text("start\tend\tNe\n0\t9\t100\n")
    table = read_table(path, shape)
    assert table.form == 1
    assert table.frame.columns.tolist() == ["start", "end", "Ne"]
    path.write_text("generation\tend\tNe\n0\t9\t100\n")
    assert read_table(path, shape).form == 0
    path.write_text("begin\tend\tNe\n0\t9\t100\n")
    assert single(path, shape).column == "generation"


def test_samples_cover_every_type() -> None:
    assert {column.type for column in BY_NAME.values()} == {
        "int",
        "float",
        "str",
        "category",
        "bool",
    }
    assert set(DELIMITERS) == {"tsv", "csv"}
