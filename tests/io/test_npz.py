"""Archives of arrays are tables too: same types, same checks, entries instead of lines."""

from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refsolve.core.errors import InputError
from refsolve.core.schema import ColumnSchema
from refsolve.io import read_table
from tests.io.samples import (
    columns_schema,
    expected_frame,
    plain_rows,
    schema,
    single,
    violations,
)

N = ColumnSchema(name="n", type="int", min=0)
X = ColumnSchema(name="x", aliases=("effect",))
SHAPE = columns_schema(N, X, kind="npz")


def arrays() -> dict[str, Any]:
    frame = expected_frame(plain_rows(6))
    text = {"gene", "comment", "group", "stratum"}
    columns = {
        name: frame[name].astype(object).where(frame[name].notna(), "NA").to_numpy().astype(str)
        if name in text
        else frame[name].to_numpy()
        for name in frame
        if name != "relapse"
    }
    return {**columns, "relapse": np.array([1, 0, 1, 0, np.nan, 0])}


def test_every_type_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", **arrays(), matrix=np.eye(3))
    table = read_table(tmp_path / "t.npz", schema("npz"))
    pd.testing.assert_frame_equal(table.frame, expected_frame(plain_rows(6)), check_exact=True)
    assert table.rows.tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("kind", ["i1", "u2", "i8", "u8", "f2", "f4", "f8", "U3", "S3", ">i4"])
def test_whole_numbers_of_any_kind(tmp_path: Path, kind: str) -> None:
    np.savez(tmp_path / "t.npz", n=np.array([1, 2]).astype(kind), effect=[0.5, 1])
    frame = read_table(tmp_path / "t.npz", SHAPE).frame
    assert frame["n"].dtype == np.int64
    assert frame.to_dict("list") == {"n": [1, 2], "x": [0.5, 1.0]}


def test_integers_serve_as_ids(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", line=np.array([2**60 + 1, 7]))
    shape = columns_schema(ColumnSchema(name="line", type="str"), kind="npz")
    assert read_table(tmp_path / "t.npz", shape).frame["line"].tolist() == [str(2**60 + 1), "7"]


@pytest.mark.parametrize(
    ("columns", "row", "value", "sentence"),
    [
        ({"n": [1.0, 2.5]}, 2, "2.5", "expected a whole number"),
        ({"n": [True, False]}, 1, "True", "expected a whole number"),
        ({"n": [1.0, np.nan]}, 2, "NaN", "expected a whole number, not missing"),
        ({"n": np.array([1, 2**63], np.uint64)}, 2, str(2**63), "too large to be held exactly"),
        ({"n": [1, -1]}, 2, -1, "expected a whole number at least 0"),
        ({"x": [np.inf, 0]}, 1, "inf", "infinite values are not accepted"),
        ({"x": np.array([b"a", b"1"])}, 1, "a", "expected a number"),
    ],
)
def test_wrong_entries(
    tmp_path: Path, columns: dict[str, Any], row: int, value: object, sentence: str
) -> None:
    np.savez(tmp_path / "t.npz", **{"n": [1, 2], "x": [1, 2], **columns})
    found = single(tmp_path / "t.npz", SHAPE)
    assert (found.file, found.row, found.value) == ("t.npz", row, value)
    assert sentence in str(found)
    assert "rows count the entries of the array from 1" in str(found)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"x": [1, 2, 3]}, "column 'x': found 3 entries, expected 2 as in 'n'"),
        ({"x": np.eye(2)}, "column 'x': found an array of shape (2, 2), expected one dimension"),
        ({"x": np.array([1, {}])}, "damaged or holds Python objects other than"),
        ({"x": np.array([1j, 2])}, "found another kind of data"),
        ({"n": []}, "column 'x': found 2 entries, expected 0 as in 'n'"),
    ],
)
def test_arrays_that_are_no_columns(tmp_path: Path, columns: dict[str, Any], sentence: str) -> None:
    np.savez(tmp_path / "t.npz", **{"n": [1, 2], "x": [1, 2], **columns})
    assert sentence in str(single(tmp_path / "t.npz", SHAPE))


def test_text_and_numbers_as_objects_are_read(tmp_path: Path) -> None:
    n = np.array([1, "2", np.int64(3), True], dtype=object)
    x = np.array([0.1, None, np.nan, np.float64(1 / 3)], dtype=object)
    np.savez(tmp_path / "t.npz", n=n[:3], x=np.array([0.1, "7", np.float64(1 / 3)], dtype=object))
    frame = read_table(tmp_path / "t.npz", SHAPE).frame
    assert frame["n"].tolist() == [1, 2, 3]
    assert frame["x"].tolist() == [0.1, 7.0, 1 / 3]
    np.savez(tmp_path / "t.npz", n=n, x=x)
    assert [(v.column, v.row) for v in violations(tmp_path / "t.npz", SHAPE)] == [
        ("n", 4),
        ("x", 2),
    ]


class _Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("trap"),)


def test_a_pickle_is_not_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("t.npz", n=[1, 2], x=np.array([_Trap(), 1.0], dtype=object))
    Path("trap").unlink(missing_ok=True)
    assert "Python objects other than" in str(single(tmp_path / "t.npz", SHAPE))
    assert not Path("trap").exists()


def test_absent_array_and_a_bad_one_together(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", n=np.eye(2), y=[1])
    assert [v.column for v in violations(tmp_path / "t.npz", SHAPE)] == ["x", "n"]


def test_no_array_at_all(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz")
    found = [(v.column, str(v)) for v in violations(tmp_path / "t.npz", SHAPE)]
    assert [column for column, _ in found] == ["n", "x", ""]
    assert "found no record" in found[2][1]


def test_member_that_is_no_array(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, n=[1, 2])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x", b"text")
    assert "found another kind of data" in str(single(path, SHAPE))


@pytest.mark.parametrize("data", [b"", b"n\tx\n", b"\x93NUMPY"])
def test_no_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "t.npz").write_bytes(data)
    found = single(tmp_path / "t.npz", SHAPE)
    assert "found no zip archive" in str(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("npz")


@given(st.lists(st.tuples(st.integers(0, 800), st.integers(0, 3), st.binary(max_size=3))))
@settings(max_examples=300)
def test_damaged_archives_give_a_table_or_an_input_error(
    folder: Path, edits: list[tuple[int, int, bytes]]
) -> None:
    out = io.BytesIO()
    np.savez_compressed(out, n=np.arange(9), x=np.arange(9.0))
    data = out.getvalue()
    for at, drop, put in edits:
        data = data[:at] + put + data[at + drop :]
    path = folder / "t.npz"
    for attempt in (data, b"PK\x03\x04" + data, data[: len(data) // 2]):
        path.write_bytes(attempt)
        with contextlib.suppress(InputError):
            read_table(path, SHAPE)
    assert path.exists()
