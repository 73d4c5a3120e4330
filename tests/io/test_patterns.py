"""Columns of wide tables: found by a pattern, checked like any other, in natural order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsolve.core.errors import InputError
from refsolve.core.schema import ColumnSchema
from refsolve.io import read_table, read_tables, write_table
from tests.io.samples import columns_schema, single

MARKER = ColumnSchema(name="marker_id", type="str")
FOUNDERS = ColumnSchema(
    name="founders", pattern="F[0-9]+", min_columns=2, type="int", min=0, max=1, missing=True
)
SHAPE = columns_schema(MARKER, FOUNDERS, ColumnSchema(name="cm", optional=True))


def write(folder: Path, text: str) -> Path:
    path = folder / "t.tsv"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("patterns")


@given(
    numbers=st.lists(st.integers(0, 300), min_size=2, max_size=9, unique=True),
    kind=st.sampled_from(["tsv", "npz"]),
    data=st.data(),
)
def test_columns_keep_their_names_in_natural_order(
    folder: Path, numbers: list[int], kind: str, data: st.DataObject
) -> None:
    columns = {f"F{n}": [n % 2, 1] for n in numbers} | {"marker_id": ["a", "b"], "Fx": [3, 4]}
    order = data.draw(st.permutations(list(columns)))
    path = write_table(folder / f"t.{kind}", pd.DataFrame(columns)[order])
    shape = columns_schema(MARKER, FOUNDERS, kind=kind)
    table = read_table(path, shape)
    want = tuple(f"F{n}" for n in sorted(numbers))
    assert table.groups == {"founders": want}
    assert table.frame.columns.tolist() == ["marker_id", *want]
    values = table.frame[list(want)].to_numpy()
    np.testing.assert_array_equal(values[0], [n % 2 for n in sorted(numbers)])


def test_names_go_before_patterns(tmp_path: Path) -> None:
    cm = ColumnSchema(name="cm", aliases=("F3",))
    path = write(tmp_path, "F1\tmarker_id\tF2\tF3\n0\ta\t1\t7.5\n")
    table = read_table(path, columns_schema(FOUNDERS, MARKER, cm))
    assert table.groups["founders"] == ("F1", "F2")
    assert table.frame.columns.tolist() == ["F1", "F2", "marker_id", "cm"]


def test_case_of_letters_counts_only_where_something_matches_it(tmp_path: Path) -> None:
    path = write(tmp_path, "marker_id\tf1\tf2\na\t0\t1\n")
    assert read_table(path, SHAPE).groups["founders"] == ("f1", "f2")
    path = write(tmp_path, "marker_id\tf1\tF1\tF2\na\t9\t0\t1\n")
    assert read_table(path, SHAPE).groups["founders"] == ("F1", "F2")


@pytest.mark.parametrize(
    ("text", "column", "row", "sentence"),
    [
        (
            "marker_id\tF1\tG2\na\t0\t1\n",
            "founders",
            None,
            "found 1 of them, expected at least 2 columns whose name matches F[0-9]+; "
            "the columns are 'marker_id', 'F1', 'G2'",
        ),
        ("marker_id\tA\na\t0\n", "founders", None, "expected at least 2 columns whose name"),
        (
            "marker_id\tF1\tF2\na\t0\t1\nb\tNA\t2\n",
            "F2",
            3,
            "whole number at least 0 and at most",
        ),
        ("marker_id\tF1\tF2\na\tx\t1\n", "F1", 2, "found 'x', expected a whole number"),
    ],
)
def test_what_breaks_the_schema(
    tmp_path: Path, text: str, column: str, row: int | None, sentence: str
) -> None:
    found = single(write(tmp_path, text), SHAPE)
    assert (found.column, found.row) == (column, row)
    assert sentence in str(found)


def test_an_optional_pattern_may_match_nothing_but_not_too_little(tmp_path: Path) -> None:
    shape = columns_schema(MARKER, FOUNDERS.model_copy(update={"optional": True}))
    table = read_table(write(tmp_path, "marker_id\na\n"), shape)
    assert (table.groups, list(table.frame)) == ({"founders": ()}, ["marker_id"])
    assert "found 1 of them" in str(single(write(tmp_path, "marker_id\tF1\na\t1\n"), shape))


def test_patterns_choose_the_form(tmp_path: Path) -> None:
    long = columns_schema(MARKER, ColumnSchema(name="founder")).forms
    shape = columns_schema(MARKER, FOUNDERS).model_copy(update={"forms": SHAPE.forms + long})
    assert read_table(write(tmp_path, "marker_id\tfounder\na\t1\n"), shape).form == 1
    assert read_table(write(tmp_path, "marker_id\tF1\tF2\na\t1\t0\n"), shape).form == 0


def test_columns_of_a_pattern_keep_every_rule(tmp_path: Path) -> None:
    whole: dict[str, Any] = {"type": "int", "pattern": "d[0-9]"}
    dosage = ColumnSchema(name="dosages", at_most="top", references="known.d", **whole)
    wide = columns_schema(ColumnSchema(name="top", type="int"), dosage)
    known = columns_schema(ColumnSchema(name="d", type="int"), name="known")
    write_table(tmp_path / "known.tsv", pd.DataFrame({"d": [0, 1, 2]}))
    write(tmp_path, "top\td1\td2\n2\t2\t3\n1\t0\t1\n")
    assert "expected at most the 'top' of the row, 2" in str(single(tmp_path / "t.tsv", wide))
    write(tmp_path, "top\td1\td2\n9\t2\t3\n")
    with pytest.raises(InputError) as caught:
        read_tables(tmp_path, [wide, known])
    (found,) = caught.value.violations
    assert (found.column, found.row, found.value) == ("d2", 2, 3)


def test_many_columns_are_found_quickly(tmp_path: Path) -> None:
    names = [f"M{k:05d}" for k in range(5_000)]
    write(tmp_path, "\t".join(["id", *names]) + "\n" + "\t".join(["a", *["1"] * 5_000]) + "\n")
    shape = columns_schema(
        ColumnSchema(name="id", type="str"), ColumnSchema(name="markers", pattern="M[0-9]+")
    )
    table = read_table(tmp_path / "t.tsv", shape)
    assert table.groups["markers"] == tuple(names)
    assert table.frame.shape == (1, 5_001)
