"""Flat JSON objects: fields of the same types as columns, and the same complaints."""

from __future__ import annotations

import json
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
from tests.io.samples import columns_schema, single, texts, violations

COLUMNS = (
    ColumnSchema(name="test", aliases=("condition_test",), type="str"),
    ColumnSchema(name="kind", type="category", values=("counts", "score")),
    ColumnSchema(name="cutoff", min=0, below=1),
    ColumnSchema(name="top", type="int", min=1, missing=True),
    ColumnSchema(name="paired", type="bool", missing=True),
    ColumnSchema(name="layer", type="str", optional=True, missing=True),
    ColumnSchema(name="genes", type="list", missing=True),
)
SHAPE = columns_schema(*COLUMNS, kind="json")
GOOD = {
    "test": "treated",
    "kind": "counts",
    "cutoff": 0.05,
    "top": 3,
    "paired": True,
    "genes": ["ACTB", "7"],
}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "t.json"
    path.write_text(json.dumps({**GOOD, **changes}))
    return path


def test_fields_are_typed_and_complete(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, note={"by": "nobody"}), SHAPE)
    assert table.fields == {**GOOD, "layer": None, "genes": ("ACTB", "7")}
    assert list(table.fields) == [column.name for column in COLUMNS]
    assert [type(value).__name__ for value in table.fields.values()] == [
        *("str", "str", "float", "int", "bool", "NoneType", "tuple")
    ]
    assert table.frame.empty


@pytest.mark.parametrize("missing", [None, "", "NA", "NaN", ".", float("nan")])
def test_missing_values(tmp_path: Path, missing: Any) -> None:
    names = ("top", "paired", "layer", "genes") if isinstance(missing, str | None) else ("top",)
    table = read_table(write(tmp_path, **dict.fromkeys(names, missing)), SHAPE)
    assert [table.fields[name] for name in names] == [None] * len(names)


@pytest.mark.parametrize(
    ("changes", "column", "value", "sentence"),
    [
        ({"test": None}, "test", "NA", "expected text, not missing; fill it in"),
        ({"kind": "count"}, "kind", "count", "one of counts, score; perhaps 'counts' is meant"),
        ({"cutoff": 1}, "cutoff", 1, "expected a number at least 0 and less than 1"),
        ({"cutoff": "0,05"}, "cutoff", "0,05", "write the decimal separator as a point"),
        ({"cutoff": float("inf")}, "cutoff", "inf", "infinite values are not accepted"),
        ({"top": 2.5}, "top", "2.5", "expected a whole number"),
        ({"top": True}, "top", "True", "expected a whole number"),
        ({"top": [3]}, "top", "a list", "expected one value, no list or object"),
        ({"top": {"n": 3}}, "top", "an object", "expected one value, no list or object"),
        ({"genes": "ACTB"}, "genes", "'ACTB'", 'expected a list of texts; write ["A", "B"]'),
        ({"genes": ["ACTB", None]}, "genes", "None as entry 2", "expected a list of texts"),
        ({"genes": [["ACTB"]]}, "genes", "a list as entry 1", "expected a list of texts"),
        ({"genes": {"a": 1}}, "genes", "an object", "expected a list of texts"),
        ({"genes": [True]}, "genes", "True as entry 1", "expected a list of texts"),
        ({"condition_test": "x"}, "test", None, "remove or rename all but one of"),
    ],
)
def test_what_breaks_the_schema(
    tmp_path: Path, changes: dict[str, Any], column: str, value: Any, sentence: str
) -> None:
    found = single(write(tmp_path, **changes), SHAPE)
    assert (found.file, found.column, found.row) == ("t.json", column, None)
    assert found.value == value
    assert sentence in str(found)


def test_everything_wrong_is_named_together(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('{"kind": "x", "kind": "y", "cutoff": -1, "top": {}, "paired": 2, "genes": 1}')
    found = violations(path, SHAPE)
    columns = ["kind", "test", "top", "genes", "kind", "paired", "cutoff"]
    assert [violation.column for violation in found] == columns
    assert "expected every name once; rename one of them" in str(found[0])
    assert "expected a field of this name (or condition_test); the fields are 'kind'" in str(
        found[1]
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"test": 1,\n"kind" 2}', "row 2: found text that is not JSON (Expecting ':' delimiter)"),
        ("[1, 2]", "found a list, expected a JSON object"),
        ("3", "found 3, expected a JSON object"),
        (f'"{"a" * 99}"', f"found '{'a' * 58}…, expected a JSON object"),
        ("[" * 100_000, "expected a JSON object"),
        ('{"test": 1' + "0" * 5000 + "}", "found JSON that cannot be read"),
        (" ", "found nothing but blank lines"),
    ],
)
def test_what_is_no_object(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "t.json").write_text(text)
    assert sentence in str(single(tmp_path / "t.json", SHAPE))


def test_format_and_suffix_belong_together(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert "found a .json file, expected tab-separated text" in str(
        single(path, columns_schema(*COLUMNS[:1]))
    )
    path = write_table(tmp_path / "t.tsv", pd.DataFrame({"test": ["a"]}))
    assert "found a .tsv file, expected a .json file" in str(single(path, SHAPE))


def test_a_note_beside_a_table_is_left_alone(tmp_path: Path) -> None:
    table = columns_schema(ColumnSchema(name="n", type="int"))
    write(tmp_path)
    write_table(tmp_path / "t.tsv", pd.DataFrame({"n": [1]}))
    assert read_tables(tmp_path, [table])["t"].frame["n"].tolist() == [1]
    assert read_tables(tmp_path, [SHAPE])["t"].fields["top"] == 3


def test_complaint_about_an_absent_file_names_its_format(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text("{}")
    with pytest.raises(InputError, match=r"a file t\.json; the tables there are \[\]"):
        read_tables(tmp_path, [SHAPE])


def test_fields_refer_to_tables_and_lists_do_too(tmp_path: Path) -> None:
    gene = ColumnSchema(name="genes", type="list", references="expressed.gene")
    fields = columns_schema(gene, name="question", kind="json")
    table = columns_schema(ColumnSchema(name="gene", type="str"), name="expressed")
    write_table(tmp_path / "expressed.tsv", pd.DataFrame({"gene": ["ACTB", "GAPDH"]}))
    write_table(tmp_path / "question.json", {"genes": ["GAPDH", "ACTN"]})
    with pytest.raises(InputError) as caught:
        read_tables(tmp_path, [fields, table])
    (found,) = caught.value.violations
    assert (found.column, found.row, found.value) == ("genes", None, "ACTN")
    assert "perhaps 'ACTB' is meant" in found.remedy


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fields")


@given(
    fields=st.fixed_dictionaries(
        {
            "test": texts,
            "kind": st.sampled_from(["counts", "score"]),
            "cutoff": st.floats(0, 1, exclude_max=True),
            "top": st.none() | st.integers(1, 2**53 - 1),
            "paired": st.none() | st.booleans(),
            "layer": st.none() | texts,
            "genes": st.none() | st.lists(texts).map(tuple),
        }
    )
)
def test_what_is_written_comes_back(folder: Path, fields: dict[str, Any]) -> None:
    path = write_table(folder / "t.json", fields)
    assert read_table(path, SHAPE).fields == fields


def test_numpy_values_are_written(tmp_path: Path) -> None:
    content = {**GOOD, "top": np.int64(4), "genes": np.array(["A"]), "cutoff": np.float64(0.25)}
    fields = read_table(write_table(tmp_path / "t.json", content), SHAPE).fields
    assert (fields["top"], fields["genes"], fields["cutoff"]) == (4, ("A",), 0.25)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pd.DataFrame({"a": [1]}), "t.json cannot hold what was given; give values by name"),
        ({"layer": "NA"}, "'layer' holds text that means missing; write None"),
    ],
)
def test_what_would_not_come_back_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_table(tmp_path / "t.json", content)
    assert list(tmp_path.iterdir()) == []
