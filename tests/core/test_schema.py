from __future__ import annotations

import pytest
from pydantic import ValidationError

from refsolve.core.schema import ColumnSchema, MatrixSchema, TableForm, TableSchema

GOOD = {"columns": [{"name": "n", "type": "int"}]}


def test_a_table_without_stems_has_one_file_of_its_own_name():
    assert TableSchema(name="a", forms=[GOOD]).files == ("a",)
    assert TableSchema(name="a", names=["b", "c"], forms=[GOOD]).files == ("b", "c")


@pytest.mark.parametrize(
    "column, message",
    [
        ({"name": "x", "type": "category"}, "`values` belongs to type category"),
        ({"name": "x", "values": ["a"]}, "`values` belongs to type category"),
        ({"name": "x", "type": "str", "min": 0}, "bounds need type int or float"),
        ({"name": "x", "type": "bool", "below": 1}, "bounds need type int or float"),
        ({"name": "x", "min": float("nan")}, "finite number"),
        ({"name": "x", "optional": "yes"}, "valid boolean"),
        ({"name": "x", "typ": "int"}, "Extra inputs"),
    ],
)
def test_a_column_must_make_sense(column, message):
    with pytest.raises(ValidationError, match=message):
        ColumnSchema.model_validate(column)


@pytest.mark.parametrize(
    "form, message",
    [
        ({"columns": []}, "at least 1 item"),
        ({"columns": [{"name": "n"}, {"name": "n"}]}, "given twice"),
        ({"columns": [{"name": "n"}], "unique": ["m"]}, "'m' is not a column"),
        ({"columns": [{"name": "n", "at_most": "m"}]}, "'m' is not a column"),
    ],
)
def test_a_form_must_make_sense(form, message):
    with pytest.raises(ValidationError, match=message):
        TableForm.model_validate(form)


def test_a_table_needs_a_form():
    with pytest.raises(ValidationError, match="at least 1 item"):
        TableSchema(name="a", forms=())


AXES = [{"name": "line"}, {"name": "marker"}, {"name": "age"}, {"name": "spare", "optional": True}]
CALLS = {"name": "calls", "rows": "line", "columns": "marker"}
PATTERN = {"name": "f", "pattern": "F[0-9]"}


def complaints(model, raw):
    with pytest.raises(ValidationError) as caught:
        model.model_validate(raw)
    return [(error["loc"], error["msg"]) for error in caught.value.errors()]


@pytest.mark.parametrize(
    "column, place, message",
    [
        ({"name": "f", "pattern": "F["}, "pattern", "a regular expression (unterminated"),
        ({**PATTERN, "aliases": ["G"]}, "aliases", "no aliases beside a pattern"),
        ({"name": "f", "min_columns": 2}, "min_columns", "no such field without a pattern"),
        ({**PATTERN, "min_columns": 0}, "min_columns", "greater than or equal to 1"),
    ],
)
def test_a_pattern_must_make_sense(column, place, message):
    ((where, told),) = complaints(ColumnSchema, column)
    assert where == (place,)
    assert message in told


@pytest.mark.parametrize(
    "matrix, place, message",
    [
        ({"rows": "genes"}, "rows", "a column of this form, one of line, marker, age, spare"),
        ({"columns": "genes"}, "columns", "a column of this form"),
        ({"columns": "spare"}, "columns", "neither optional nor missing"),
        ({"missing_code": -1}, "missing_code", "set missing = true"),
        ({"type": "str"}, "type", "'int' or 'float'"),
    ],
)
def test_a_matrix_must_make_sense(matrix, place, message):
    ((where, told),) = complaints(TableForm, {"columns": AXES, "matrices": [CALLS | matrix]})
    assert where == ("matrices", 0, place)
    assert message in told


@pytest.mark.parametrize(
    "form, place, message",
    [
        ({"unique": ["line", "marker"]}, ("unique", 1), "as long as 'line'"),
        (
            {"columns": [*AXES, {"name": "low", "at_most": "marker"}]},
            ("columns", 4, "at_most"),
            "as long as 'low'",
        ),
        (
            {"columns": [*AXES, PATTERN], "unique": ["f"]},
            ("unique", 0),
            "one column, and this is a pattern",
        ),
        (
            {"columns": [*AXES, PATTERN, {"name": "low", "at_most": "f"}]},
            ("columns", 5, "at_most"),
            "this is a pattern",
        ),
        (
            {"columns": [*AXES, PATTERN], "matrices": [CALLS | {"rows": "f"}]},
            ("matrices", 0, "rows"),
            "this is a pattern",
        ),
    ],
)
def test_columns_beside_matrices_and_patterns_must_make_sense(form, place, message):
    ((where, told),) = complaints(TableForm, {"columns": AXES, "matrices": [CALLS], **form})
    assert where == place
    assert message in told


def test_a_matrix_is_no_column():
    with pytest.raises(ValidationError, match="given twice"):
        TableForm(columns=AXES, matrices=[CALLS | {"name": "age"}])
    with pytest.raises(ValidationError, match="'calls' is not a column"):
        TableForm(columns=AXES, matrices=[CALLS], unique=["calls"])


@pytest.mark.parametrize(
    "form, kind, place, message",
    [
        ({"matrices": [CALLS]}, "tsv", ("matrices",), "none in format tsv; use npz"),
        ({"layer": "counts"}, "npz", ("layer",), "none in format npz; use h5ad"),
        ({"unique": ["line"]}, "json", ("unique",), "none in format json"),
        (
            {"columns": [*AXES, {"name": "genes", "type": "list"}]},
            "csv",
            ("columns", 4, "type"),
            "another type in format csv; use json",
        ),
    ],
)
def test_a_form_must_fit_its_format(form, kind, place, message):
    raw = {"name": "t", "format": kind, "forms": [{"columns": AXES}, {"columns": AXES, **form}]}
    ((where, told),) = complaints(TableSchema, raw)
    assert where == ("forms", 1, *place)
    assert message in told


def test_axes_in_the_order_of_the_matrices():
    square = MatrixSchema(name="ld", rows="marker", columns="marker")
    form = TableForm(columns=AXES, matrices=[MatrixSchema(**CALLS), square])
    assert form.axes == ("line", "marker")
    axes = [form.axis(name) for name in ("line", "marker", "age", "spare")]
    assert axes == ["line", "marker", "line", "line"]
    assert TableForm(columns=AXES).axis("age") == ""
