"""Writing tables: the same bytes for the same table, and nothing that would not come back."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from refsolve.core.schema import ColumnSchema
from refsolve.io import read_table, write_table
from tests.io.samples import columns_schema

FRAME = pd.DataFrame({"gene": ["a\tb", "x,y"], "n": [1, 2], "x": [0.1, np.nan]})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.tsv", 'gene\tn\tx\n"a\tb"\t1\t0.1\nx,y\t2\tNA\n'),
        ("t.txt.gz", 'gene\tn\tx\n"a\tb"\t1\t0.1\nx,y\t2\tNA\n'),
        ("t.csv", 'gene,n,x\na\tb,1,0.1\n"x,y",2,NA\n'),
        ("t.csv.gz", 'gene,n,x\na\tb,1,0.1\n"x,y",2,NA\n'),
    ],
)
def test_suffixes_decide(tmp_path: Path, name: str, text: str) -> None:
    path = write_table(tmp_path / name, FRAME)
    data = path.read_bytes()
    assert data.startswith(b"\x1f\x8b") == name.endswith(".gz")
    assert (gzip.decompress(data) if name.endswith(".gz") else data).decode() == text


def test_bytes_depend_on_the_table_alone(tmp_path: Path) -> None:
    first = write_table(tmp_path / "one.tsv.gz", FRAME).read_bytes()
    second = write_table(str(tmp_path / "two.tsv.gz"), FRAME.copy()).read_bytes()
    assert first == second
    assert first[4:8] == bytes(4)  # the time stamp


def test_single_precision_is_written_as_it_is(tmp_path: Path) -> None:
    values = np.array([0.1, 1 / 3], np.float32)
    path = write_table(tmp_path / "t.tsv", pd.DataFrame({"x": values}))
    found = read_table(path, columns_schema(ColumnSchema(name="x"))).frame["x"].to_numpy()
    assert found.tolist() == values.astype(float).tolist()


def test_column_of_missing_values(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": [1, 2], "comment": [None, None]})
    path = write_table(tmp_path / "t.tsv", frame)
    assert path.read_text() == "n\tcomment\n1\tNA\n2\tNA\n"


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"x": [1.0, np.inf]}), "'x' holds an infinite value"),
        (pd.DataFrame({"gene": ["A", "NA"]}), "'gene' holds 'NA', which cannot be read back"),
        (pd.DataFrame({"gene": pd.Categorical(["A", "."])}), "holds '.', which"),
        (pd.DataFrame({"gene": ["A\rB"]}), "which cannot be read back"),
        (pd.DataFrame({"gene": ["A\0B"]}), "which cannot be read back"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "must be distinct and not blank"),
        (pd.DataFrame({"a ": [1]}), "must be distinct and not blank"),
    ],
)
def test_what_would_not_come_back_is_refused(
    tmp_path: Path, frame: pd.DataFrame, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write_table(tmp_path / "t.tsv", frame)
    assert list(tmp_path.iterdir()) == []
