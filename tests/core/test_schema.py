from __future__ import annotations

import pytest
from pydantic import ValidationError

from refsolve.core.schema import ColumnSchema, TableForm, TableSchema

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
