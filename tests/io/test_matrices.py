"""Matrices in archives: turned as their labels say, typed, and wrong entries named by label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from refsolve.core.errors import InputError
from refsolve.core.schema import ColumnSchema, MatrixSchema, TableForm, TableSchema
from refsolve.io import read_table, read_tables, write_table
from tests.io.samples import single, violations

LINE = ColumnSchema(name="line_id", aliases=("lines",), type="str")
MARKER = ColumnSchema(
    name="marker_id", aliases=("markers",), type="str", references="map.marker_id"
)
BATCH = ColumnSchema(name="batch", type="int", optional=True)
CALLS = {"name": "calls", "aliases": ("G",), "rows": "line_id", "columns": "marker_id"}
GENOTYPES = MatrixSchema(**CALLS, type="int", min=0, max=1, missing=True, missing_code=-1)


def shape(*matrices: MatrixSchema, **changes: Any) -> TableSchema:
    form = TableForm(columns=(LINE, MARKER, BATCH), matrices=matrices or (GENOTYPES,))
    return TableSchema(**{"name": "t", "format": "npz", "forms": (form,), **changes})


def content(**changes: Any) -> dict[str, Any]:
    calls = np.array([[0, 1, -1], [1, 1, 0]], np.int8)
    given = {"line_id": ["a", "b"], "marker_id": ["m1", "m2", "m3"], "calls": calls, **changes}
    return {name: np.asarray(values) for name, values in given.items() if values is not None}


def write(folder: Path, **changes: Any) -> Path:
    np.savez(folder / "t.npz", **content(**changes))
    return folder / "t.npz"


def test_frame_axes_and_matrix(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, batch=[7, 8], other=np.eye(5)), shape())
    assert table.frame.to_dict("list") == {"line_id": ["a", "b"], "batch": [7, 8]}
    assert {name: labels.tolist() for name, labels in table.axes.items()} == {
        "line_id": ["a", "b"],
        "marker_id": ["m1", "m2", "m3"],
    }
    np.testing.assert_array_equal(table.matrices["calls"], [[0, 1, np.nan], [1, 1, 0]])
    assert table.rows.tolist() == [1, 2]


@pytest.mark.parametrize("kind", ["i1", "i8", "f2", "f4", "f8", ">f4", "U5", "S5"])
def test_numbers_of_any_kind_either_way_round(tmp_path: Path, kind: str) -> None:
    calls = content()["calls"].astype(kind)
    want = read_table(write(tmp_path), shape()).matrices["calls"]
    for given_calls in (calls, calls.T):
        path = write(tmp_path, calls=None, G=given_calls)
        found = read_table(path, shape()).matrices["calls"]
        np.testing.assert_array_equal(found, want)
        assert found.flags.c_contiguous


def test_whole_numbers_that_may_not_be_missing_stay_integers(tmp_path: Path) -> None:
    counts = np.array([[0, 1, 2**62 + 1], [0, 0, 0]])
    path = write(tmp_path, calls=counts)
    found = read_table(path, shape(MatrixSchema(**CALLS, type="int"))).matrices["calls"]
    assert found.dtype == np.int64
    assert found.tolist() == counts.tolist()


@pytest.mark.parametrize(
    ("value", "kind", "missing"),
    [(2**63, "u8", False), (2**63, ">u8", False), (2**53, "i8", True), (2.0**53, "f8", False)],
)
def test_whole_numbers_that_cannot_be_held_exactly(
    tmp_path: Path, value: float, kind: str, missing: bool
) -> None:
    calls = np.full((2, 3), 1, dtype=kind)
    calls[1, 2] = value
    found = single(
        write(tmp_path, calls=calls), shape(MatrixSchema(**CALLS, type="int", missing=missing))
    )
    assert (found.row, found.value) == (2, str(value))
    assert "it is too large to be held exactly" in str(found)


def test_truth_values_are_zero_and_one(tmp_path: Path) -> None:
    path = write(tmp_path, calls=np.array([[True, False, True], [False, False, True]]))
    assert read_table(path, shape()).matrices["calls"].tolist() == [[1, 0, 1], [0, 0, 1]]


def test_two_axes_of_one_length_are_taken_as_documented(tmp_path: Path) -> None:
    path = write(tmp_path, marker_id=["m1", "m2"], calls=[[0, 1], [0, 0]])
    assert read_table(path, shape()).matrices["calls"].tolist() == [[0, 1], [0, 0]]


def test_one_column_labels_both_axes(tmp_path: Path) -> None:
    snp = ColumnSchema(name="snp", aliases=("snps",), type="str")
    ld = MatrixSchema(name="ld", rows="snp", columns="snp", min=-1, max=1)
    square = TableSchema(name="t", format="npz", forms=(TableForm(columns=(snp,), matrices=(ld,)),))
    np.savez(tmp_path / "t.npz", snps=["rs1", "rs2"], ld=[[1, 0.5], [0.25, 1]])
    table = read_table(tmp_path / "t.npz", square)
    assert table.matrices["ld"].tolist() == [[1, 0.5], [0.25, 1]]
    assert list(table.axes) == ["snp"]
    np.savez(tmp_path / "t.npz", snps=["rs1", "rs2"], ld=np.ones((2, 3)))
    assert "found an array of shape (2, 3), expected 2 'snp' by 2 'snp'" in str(
        single(tmp_path / "t.npz", square)
    )


def test_three_axes_of_two_matrices(tmp_path: Path) -> None:
    founder = ColumnSchema(name="founder", type="str")
    alleles = MatrixSchema(name="alleles", rows="marker_id", columns="founder", type="int")
    form = TableForm(columns=(founder, MARKER, LINE, BATCH), matrices=(GENOTYPES, alleles))
    path = write(tmp_path, founder=list("ABCD"), alleles=np.eye(4, 3), batch=[3, 4])
    table = read_table(path, TableSchema(name="t", format="npz", forms=(form,)))
    assert list(table.axes) == ["line_id", "marker_id", "founder"]
    assert table.frame.columns.tolist() == ["line_id", "batch"]
    assert table.matrices["alleles"].tolist() == np.eye(3, 4).tolist()
    assert table.matrices["alleles"].dtype == np.int64


def test_a_matrix_may_be_absent_where_the_schema_says_so(tmp_path: Path) -> None:
    dosage = MatrixSchema(**CALLS | {"name": "dosage", "aliases": ()}, optional=True)
    table = read_table(write(tmp_path), shape(GENOTYPES, dosage))
    assert list(table.matrices) == ["calls"]


@pytest.mark.parametrize(
    ("changes", "row", "value", "sentences"),
    [
        (
            {"calls": [[0, 1, 1], [0, 2, 5]]},
            2,
            2,
            [
                "expected a whole number at least 0 and at most 1; ",
                "at line_id 'b' by marker_id 'm2', entry 2 of the row; 1 more entry is wrong in",
                "rows count the entries of the array from 1",
            ],
        ),
        ({"calls": [[0, 1], [0, 1], [3, 0]]}, 1, 3, ["line_id 'a' by marker_id 'm3', entry 3"]),
        ({"calls": [[0, 0.5, 0.1], [0.3, 0, 1]]}, 1, "0.5", ["2 more entries are wrong"]),
        ({"calls": [[0, np.inf, 0], [0, 0, 1]]}, 1, "inf", ["infinite values are not accepted"]),
        ({"calls": [["0", "1", "NA"], ["0", "A", "."]]}, 2, "A", ["expected a whole number"]),
        ({"marker_id": ["m1", "m2", "m1"]}, 3, "m1", ["'marker_id'", "row 1 has the same"]),
        ({"line_id": ["a", "NA"]}, 2, "NA", ["'line_id'", "expected text, not missing"]),
        ({"calls": [0, 1]}, None, "an array of shape (2,)", ["expected two dimensions"]),
        (
            {"calls": np.ones((2, 4))},
            None,
            "an array of shape (2, 4)",
            ["'calls'", "expected 2 'line_id' by 3 'marker_id'"],
        ),
        ({"calls": np.array([[{}] * 3] * 2)}, None, None, ["Python objects other than text"]),
        ({"calls": np.ones((2, 3), complex)}, None, "another kind of data", ["'calls'"]),
        (
            {"calls": None, "cals": [[0]]},
            None,
            None,
            ["matrix of this name (or G); perhaps 'cals'"],
        ),
        ({"line_id": None}, None, None, ["'line_id'", "expected a column of this name (or lines)"]),
        ({"batch": [1, 2, 3]}, None, "3 entries", ["expected 2 as in 'line_id'"]),
    ],
)
def test_what_breaks_the_schema(
    tmp_path: Path, changes: dict[str, Any], row: int | None, value: Any, sentences: list[str]
) -> None:
    found = single(write(tmp_path, **changes), shape())
    assert found.row == row
    assert value is None or found.value == value
    assert [sentence for sentence in sentences if sentence not in str(found)] == []


def test_missing_entries_where_there_may_be_none(tmp_path: Path) -> None:
    path = write(tmp_path, calls=[[0, 1, np.nan], [np.nan, 0, 0]])
    found = single(path, shape(MatrixSchema(**CALLS)))
    assert (found.row, found.value) == (1, "NaN")
    assert "expected a number, not missing; fill it in" in str(found)


def test_everything_wrong_in_a_file_is_named_together(tmp_path: Path) -> None:
    second = MatrixSchema(**CALLS | {"name": "dosage", "aliases": ()}, max=2)
    path = write(
        tmp_path,
        line_id=["a", "a"],
        batch=[0.5, 1],
        calls=[[0, 9, 0.5], [0, 0, 0]],
        dosage=np.ones((3, 3)),
    )
    found = violations(path, shape(GENOTYPES, second))
    assert [v.column for v in found] == ["batch", "line_id", "calls", "calls", "dosage"]


def test_labels_refer_to_other_files(tmp_path: Path) -> None:
    marker = ColumnSchema(name="marker_id", type="str", references="t.marker_id")
    other = TableSchema(name="map", forms=(TableForm(columns=(marker,)),))
    write(tmp_path)
    write_table(tmp_path / "map.tsv", pd.DataFrame({"marker_id": ["m1", "m4", "m3"]}))
    with pytest.raises(InputError) as caught:
        read_tables(tmp_path, [shape(), other])
    first, second = caught.value.violations
    assert (first.file, first.column, first.row, first.value) == ("t.npz", "marker_id", 2, "m2")
    assert (second.file, second.row, second.value) == ("map.tsv", 3, "m4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("matrices")


@given(data=st.data(), flipped=st.booleans())
def test_what_is_written_comes_back(folder: Path, data: st.DataObject, flipped: bool) -> None:
    n, m = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    flipped = flipped and n != m
    numbers = st.floats(allow_infinity=False)
    values = data.draw(arrays_of.arrays(np.float64, (n, m), elements=numbers))
    made = {
        "line_id": np.array([f"L{k}" for k in range(n)]),
        "marker_id": np.array([f"m{k}" for k in range(m)]),
        "calls": values.T if flipped else values,
    }
    path = write_table(folder / "t.npz", made)
    first = path.read_bytes()
    table = read_table(path, shape(MatrixSchema(**CALLS, missing=True)))
    np.testing.assert_array_equal(table.matrices["calls"], values)
    assert table.axes["marker_id"].tolist() == made["marker_id"].tolist()
    assert write_table(path, made).read_bytes() == first


@given(data=st.data())
def test_the_first_wrong_entry_is_named_and_the_others_counted(
    folder: Path, data: st.DataObject
) -> None:
    n, m = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    values = data.draw(arrays_of.arrays(np.int8, (n, m), elements=st.integers(-2, 3)))
    lines, markers = np.arange(n).astype(str), np.arange(m).astype(str)
    np.savez(folder / "t.npz", line_id=lines, marker_id=markers, calls=values)
    wrong = np.argwhere((values < -1) | (values > 1))
    found = violations(folder / "t.npz", shape())
    assert len(found) == min(len(wrong), 1)
    if len(wrong):
        row, column = wrong[0]
        assert (found[0].row, found[0].value) == (row + 1, values[row, column])
        assert f"line_id '{row}' by marker_id '{column}', entry {column + 1}" in str(found[0])
        assert (f"{len(wrong) - 1} more" in str(found[0])) == (len(wrong) > 1)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.array([[1.0, np.inf]])}, "'x' holds an infinite value"),
        ({"x": np.array([[1, None]])}, "'x' is no array of numbers or text"),
        ({"x": ["A", "NA"]}, "'x' holds 'NA', which cannot be read back"),
    ],
)
def test_what_would_not_come_back_is_refused(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write_table(tmp_path / "t.npz", arrays)
    assert list(tmp_path.iterdir()) == []


def test_arrays_are_no_text_table(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"t.tsv cannot hold what was given; give a DataFrame"):
        write_table(tmp_path / "t.tsv", {"x": np.ones(2)})


def test_missing_text_in_a_frame_comes_back_as_missing(tmp_path: Path) -> None:
    note = ColumnSchema(name="note", type="str", missing=True)
    seen = ColumnSchema(name="seen", type="bool", missing=True)
    of = TableSchema(name="t", format="npz", forms=(TableForm(columns=(note, seen)),))
    frame = pd.DataFrame({"note": ["a", None], "seen": pd.array([True, None], dtype="boolean")})
    table = read_table(write_table(tmp_path / "t.npz", frame), of)
    assert table.frame["note"].isna().tolist() == [False, True]
    assert table.frame["seen"].isna().tolist() == [False, True]
