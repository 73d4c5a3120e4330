"""AnnData files: the annotation of the cells is checked as a table, the values must be there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from refsolve.core.errors import InputError, MissingDependencyError
from refsolve.core.schema import ColumnSchema, TableForm, TableSchema
from refsolve.io import read_table, read_tables, write_table
from tests.io.samples import columns_schema, single, violations

DONOR = ColumnSchema(name="donor", aliases=("donor_id",), type="str")
CONDITION = ColumnSchema(name="condition", type="category", values=("ctrl", "stim"))
AGE = ColumnSchema(name="age", optional=True, missing=True, min=0)
DAMAGE = [(7000, 60), (900, 30), (96, 8), (2048, 400), (12_000, 900)]


def shape(layer: str = "", **changes: Any) -> TableSchema:
    form = TableForm(columns=(DONOR, CONDITION, AGE), layer=layer)
    return TableSchema(**{"name": "t", "format": "h5ad", "forms": (form,), **changes})


def annotation(**changes: Any) -> pd.DataFrame:
    columns = {
        "age": [30.0, np.nan, 50.5],
        "donor": ["d1", "d2", "d2"],
        "condition": pd.Categorical(["stim", "ctrl", "ctrl"]),
        **changes,
    }
    given = {name: values for name, values in columns.items() if values is not None}
    return pd.DataFrame(given, index=["c1", "c2", "c3"])


def cells(x: Any = ..., layers: dict[str, Any] | None = None, **changes: Any) -> Any:
    anndata = pytest.importorskip("anndata", reason="the singlecell extra is not installed")
    counts = np.arange(6.0).reshape(3, 2) if x is ... else x
    var = pd.DataFrame(index=["g1", "g2"])
    return anndata.AnnData(counts, obs=annotation(**changes), var=var, layers=layers)


def write(folder: Path, *args: Any, **changes: Any) -> Path:
    return write_table(folder / "t.h5ad", cells(*args, **changes))


def test_annotation_is_a_table_of_cells(tmp_path: Path) -> None:
    table = read_tables(write(tmp_path, extra=[1, 2, 3]).parent, [shape()])["t"]
    want = pd.DataFrame(
        {
            "donor": pd.Series(["d1", "d2", "d2"], dtype="str"),
            "condition": pd.Categorical(["stim", "ctrl", "ctrl"], categories=["ctrl", "stim"]),
            "age": [30.0, np.nan, 50.5],
        }
    )
    pd.testing.assert_frame_equal(table.frame, want)
    assert table.rows.tolist() == [1, 2, 3]
    assert table.path == tmp_path / "t.h5ad"


def test_columns_of_every_kind(tmp_path: Path) -> None:
    kinds = columns_schema(
        ColumnSchema(name="whole", type="int", missing=True),
        ColumnSchema(name="count", type="int"),
        ColumnSchema(name="seen", type="bool", missing=True),
        ColumnSchema(name="batch", type="str"),
        ColumnSchema(name="scores", pattern="score_.*"),
        kind="h5ad",
    )
    path = write(
        tmp_path,
        whole=pd.array([1, None, 3], dtype="Int64"),
        count=np.array([1, 2, 3], np.int32),
        seen=pd.array([True, None, False], dtype="boolean"),
        batch=pd.Categorical([2, 1, 2]),
        score_10=np.array([0, 1, 2], np.float32),
        score_9=[0.5, 1, 2],
    )
    table = read_table(path, kinds)
    assert table.frame.columns.tolist() == [
        "whole",
        "count",
        "seen",
        "batch",
        "score_9",
        "score_10",
    ]
    assert table.frame["batch"].tolist() == ["2", "1", "2"]
    assert table.frame["seen"].isna().tolist() == [False, True, False]
    assert table.frame["whole"].fillna(-1).tolist() == [1, -1, 3]
    assert table.frame["count"].dtype == np.int64


@pytest.mark.parametrize(
    ("changes", "column", "row", "sentence"),
    [
        ({"age": [1, -2, 3]}, "age", 2, "found -2.0, expected a number at least 0"),
        ({"donor": ["d1", None, "d2"]}, "donor", 2, "expected text, not missing"),
        ({"condition": ["stim", "ctrl", "Ctrl"]}, "condition", 3, "perhaps 'ctrl' is meant"),
        ({"donor": None, "donors": ["a"] * 3}, "donor", None, "perhaps 'donors' is meant"),
        ({"x": None}, "X", None, "expected values in X or in a layer"),
    ],
)
def test_what_breaks_the_schema(
    tmp_path: Path, changes: dict[str, Any], column: str, row: int | None, sentence: str
) -> None:
    found = single(write(tmp_path, **changes), shape())
    assert (found.column, found.row) == (column, row)
    assert sentence in str(found)
    assert row is None or "rows count the cells from 1" in str(found)


def test_everything_wrong_is_named_together(tmp_path: Path) -> None:
    path = write(tmp_path, donor=None, condition=["a", "b", "c"], age=[-1, 0, 0])
    found = violations(path, shape("counts", min_rows=4))
    assert [v.column for v in found] == ["donor", "counts", "", "condition", "age"]


def test_a_named_layer_must_be_there(tmp_path: Path) -> None:
    scores = {"scores": np.ones((3, 2))}
    table = read_table(write(tmp_path, None, scores), shape("scores"))
    assert len(table.frame) == 3
    found = single(tmp_path / "t.h5ad", shape("counts"))
    assert "column 'counts': expected a layer of this name; there are scores" in str(found)
    assert len(read_table(tmp_path / "t.h5ad", shape()).frame) == 3


def test_sparse_counts_are_counted_not_read(tmp_path: Path) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    path = write(tmp_path, sparse.csr_matrix(np.eye(3, 2)))
    assert len(read_table(path, shape()).frame) == 3


def test_values_of_other_cells(tmp_path: Path) -> None:
    path = write(tmp_path)
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "r+") as file:
        del file["X"]
        file["X"] = np.ones((4, 2))
    found = single(path, shape())
    assert "'X': found an array of shape (4, 2), expected one row for each of 3 cells" in str(found)


@pytest.mark.parametrize("data", [b"", b"donor\tage\n", b"\x89HDF\r\n\x1a\n", None])
def test_files_that_are_none(tmp_path: Path, data: bytes | None) -> None:
    pytest.importorskip("anndata", reason="the singlecell extra is not installed")
    path = tmp_path / "t.h5ad"
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)
    assert "expected a" in str(single(path, shape()))


@pytest.mark.parametrize(("at", "count"), DAMAGE)
def test_damaged_files_give_a_table_or_an_input_error(tmp_path: Path, at: int, count: int) -> None:
    path = write(tmp_path)
    data = path.read_bytes()
    for damaged in (data[:at], data[:at] + b"\xff" * count + data[at + count :]):
        path.write_bytes(damaged)
        try:
            found = len(read_table(path, shape()).frame)
        except InputError as failure:
            found = len(failure.violations)
        assert found


def test_annotation_of_another_kind(tmp_path: Path) -> None:
    path = write(tmp_path)
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "r+") as file:
        del file["obs"]
        file["obs"] = np.ones(3)
    assert "write it again with a current anndata" in str(single(path, shape()))


def test_bytes_depend_on_the_cells_alone(tmp_path: Path) -> None:
    first = write(tmp_path).read_bytes()
    assert write(tmp_path).read_bytes() == first


def test_a_frame_is_no_cells(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"t\.h5ad cannot hold what was given; give an AnnData"):
        write_table(tmp_path / "t.h5ad", annotation())


def test_without_anndata_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "anndata", None)
    (tmp_path / "t.h5ad").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(MissingDependencyError, match=r"pip install 'refsolve\[singlecell\]'"):
        read_table(tmp_path / "t.h5ad", shape())
