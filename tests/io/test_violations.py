"""Whatever breaks the schema inside a table is reported with its file, column, row and value."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refsolve.core.errors import InputError
from refsolve.core.schema import ColumnSchema, TableForm, TableSchema
from refsolve.io import read_table
from tests.io.samples import (
    BY_NAME,
    NAMES,
    Dress,
    columns_schema,
    dresses,
    plain_rows,
    schema,
    single,
    violations,
    write,
)

NOT_WHOLE = [
    "3.5",
    "1e400",
    "abc",
    "True",
    "1,5",
    "inf",
    "nan",
    "9223372036854775808",
    "0x1F",
    "１",
]
NOT_NUMBERS = ["abc", "0,5", "inf", "-Infinity", "1e400", "nan", "True", "1_0", "0.1.2", "null"]

# column: what is put there, what is reported as found, what the sentence has to say
WRONG: dict[str, list[tuple[str, object, str]]] = {
    "line_id": [(text, text, "a whole number") for text in NOT_WHOLE]
    + [(text, text, "not missing") for text in ("", "NA", "NaN", ".")],
    "alt": [("-1", -1, "at least 0"), ("900", 900, "at most the 'total' of the row, ")],
    "total": [("1001", 1001, "at least 0 and at most 1000"), ("NA", "NA", "not missing")],
    "rate": [
        *((text, text, "a number") for text in NOT_NUMBERS),
        ("-1", -1.0, "more than -1 and less than 0.5"),
        ("0.5", 0.5, "more than -1 and less than 0.5"),
        (".", ".", "not missing"),
    ],
    "effect": [(text, text, "a number") for text in NOT_NUMBERS],
    "phase": [
        *((text, text, "a whole number") for text in NOT_WHOLE),
        ("9007199254740992", "9007199254740992", "too large to be held exactly"),
        ("-9007199254740993", "-9007199254740993", "too large to be held exactly"),
    ],
    "gene": [("", "", "text, not missing"), ("NA", "NA", "text, not missing")],
    "group": [
        ("Case", "Case", "one of case, control; perhaps 'case' is meant"),
        ("other", "other", "one of case, control"),
        ("", "", "one of case, control, not missing"),
    ],
    "stratum": [("3", "3", "one of 1, 2"), ("1.0", "1.0", "one of 1, 2")],
    "tested": [("2", "2", "true, false, 1 or 0"), ("yes", "yes", "true"), ("NA", "NA", "missing")],
    "relapse": [("maybe", "maybe", "true, false, 1 or 0"), ("-1", "-1", "true")],
}
CASES = [(name, *case) for name, cases in WRONG.items() for case in cases]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("violations")


def spoil(rows: list[dict[str, Any]], at: int, column: str, text: str) -> None:
    rows[at] = {**rows[at], column: text}


@pytest.mark.parametrize(("column", "text", "value", "words"), CASES)
def test_each_kind_is_described(
    tmp_path: Path, column: str, text: str, value: object, words: str
) -> None:
    rows = plain_rows(6)
    spoil(rows, 4, column, text)
    starts = write(tmp_path / "t.tsv", rows, Dress(gaps=(2,)))
    found = single(tmp_path / "t.tsv", schema())
    assert (found.file, found.column, found.row, found.value) == ("t.tsv", column, starts[4], value)
    assert type(found.value) is type(value)
    assert words in str(found)


@given(st.sampled_from(CASES), st.integers(0, 6), dresses())
@settings(max_examples=150)
def test_one_violation_is_found_in_any_dress(
    folder: Path, case: tuple[str, str, object, str], at: int, dress: Dress
) -> None:
    column, text, value, _ = case
    rows = plain_rows(7)
    spoil(rows, at, column, text)
    path = folder / "t.tsv.gz"
    starts = write(path, rows, dress)
    found = single(path, schema(dress.kind))
    assert (found.file, found.column, found.row) == (path.name, column, starts[at])
    assert found.value == value


def once_per_column(case: tuple[str, str, object, str]) -> str:
    return "total" if case[0] == "alt" else case[0]  # these two are compared with each other


@given(
    st.lists(st.sampled_from(CASES), min_size=2, max_size=8, unique_by=once_per_column), st.data()
)
@settings(max_examples=100)
def test_all_violations_are_reported(
    folder: Path, cases: list[tuple[str, str, object, str]], data: st.DataObject
) -> None:
    rows = plain_rows(7)
    where = {case[0]: data.draw(st.integers(0, 6), label=case[0]) for case in cases}
    for column, text, _, _ in cases:
        spoil(rows, where[column], column, text)
    path = folder / "several.tsv"
    starts = write(path, rows, Dress())
    found = {(v.column, v.row, v.value) for v in violations(path, schema())}
    expected = {(column, starts[where[column]], value) for column, _, value, _ in cases}
    assert found == expected


def test_many_of_a_kind_are_counted(tmp_path: Path) -> None:
    rows = plain_rows(9)
    for at in (2, 5, 8):
        spoil(rows, at, "rate", "high")
        spoil(rows, at, "total", "2000")
    starts = write(tmp_path / "t.tsv", rows, Dress())
    total, rate = sorted(violations(tmp_path / "t.tsv", schema()), key=lambda v: -len(v.column))
    assert (rate.row, rate.value) == (starts[2], "high")
    tail = f"2 more rows are wrong in the same way, the last is row {starts[8]}"
    assert tail in str(rate)
    assert tail in str(total)
    spoil(rows, 8, "rate", "0.1")
    spoil(rows, 8, "total", "100")
    write(tmp_path / "t.tsv", rows, Dress())
    for violation in violations(tmp_path / "t.tsv", schema()):
        assert f"row {starts[5]} is wrong in the same way" in str(violation)


def test_kinds_of_one_column_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("n\nx\nNA\n-4\n7\n")
    found = violations(path, columns_schema(ColumnSchema(name="n", type="int", min=0)))
    assert [(v.row, v.value) for v in found] == [(3, "NA"), (2, "x"), (4, -4)]


def test_rows_that_share_a_key(tmp_path: Path) -> None:
    rows = plain_rows(5)
    rows[4]["line_id"] = rows[1]["line_id"]
    starts = write(tmp_path / "t.tsv", rows, Dress(gaps=(3,)))
    found = single(tmp_path / "t.tsv", schema())
    assert (found.column, found.row, found.value) == ("line_id", starts[4], rows[1]["line_id"])
    assert f"row {starts[1]} has the same" in str(found)


def test_combined_key_and_a_wrong_value_in_it(tmp_path: Path) -> None:
    shape = columns_schema(
        ColumnSchema(name="chrom", type="str"),
        ColumnSchema(name="pos", type="int", missing=True),
        unique=("chrom", "pos"),
    )
    path = tmp_path / "t.tsv"
    path.write_text("chrom\tpos\n1\t5\n2\t5\n1\t6\n1\t5\n2\t.\n2\t.\n")
    missing, shared = violations(path, shape)
    assert (missing.row, missing.value) == (6, ".")
    assert "it names the row and may not be missing" in str(missing)
    assert (shared.column, shared.row, shared.value) == ("chrom, pos", 5, ("1", 5))
    assert "row 2 has the same" in str(shared)
    path.write_text("chrom\tpos\n1\t5\n1\t6\n")
    assert read_table(path, shape).frame["pos"].dtype == "int64"


def test_at_most_ignores_missing_and_absent_columns(tmp_path: Path) -> None:
    shape = columns_schema(
        ColumnSchema(name="low", missing=True, at_most="high"),
        ColumnSchema(name="high", missing=True, optional=True),
    )
    path = tmp_path / "t.tsv"
    path.write_text("low\thigh\n1\tNA\nNA\t1\n2\t2\n")
    assert read_table(path, shape).frame["low"].count() == 2
    path.write_text("low\n1\n")
    assert read_table(path, shape).frame.columns.tolist() == ["low"]


def test_absent_column_names_what_is_there(tmp_path: Path) -> None:
    write(tmp_path / "t.tsv", plain_rows(2), Dress(rename={"total": "totl", "effect": "efect"}))
    total, effect = violations(tmp_path / "t.tsv", schema())
    assert (total.column, total.row) == ("total", None)
    assert "a column of this name (or depth); perhaps 'totl' is meant" in str(total)
    assert "'line_id', 'alt', 'totl', 'rate'" in str(total)
    assert "(or beta, b); perhaps 'efect' is meant" in str(effect)


def test_absent_column_of_a_wide_file(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("\t".join(f"M{k:03d}" for k in range(40)) + "\n")
    found = single(path, columns_schema(ColumnSchema(name="sample_id"), min_rows=0))
    assert str(found).endswith("'M011' and 28 more.")
    assert "perhaps" not in str(found)


def test_near_miss_of_an_alias(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("outgroup_alele\nA\n")
    column = ColumnSchema(name="ancestral", type="str", aliases=("outgroup_allele",))
    assert "perhaps 'outgroup_alele' is meant" in str(single(path, columns_schema(column)))


def test_absent_column_does_not_hide_other_violations(tmp_path: Path) -> None:
    rows = plain_rows(3)
    spoil(rows, 1, "total", "many")
    order = tuple(name for name in NAMES if name != "gene")
    write(tmp_path / "t.tsv", rows, Dress(order=order))
    assert [v.column for v in violations(tmp_path / "t.tsv", schema())] == ["gene", "total"]


def test_column_given_twice_by_aliases(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("Ne\tN\n1\t1\n")
    column = ColumnSchema(name="Ne", type="int", aliases=("ne", "N"))
    found = single(path, columns_schema(column))
    assert (found.column, found.row) == ("Ne", None)
    assert "expected to be given once; remove or rename all but one of 'Ne' and 'N'" in str(found)


def test_name_that_differs_in_case_must_be_the_only_one(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("RATE\tRate\n1\t1\n")
    found = single(path, columns_schema(ColumnSchema(name="rate")))
    assert "expected a column of this name" in str(found)


def test_name_that_two_columns_could_claim_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("Start\n1\n")
    shape = columns_schema(
        ColumnSchema(name="start", optional=True), ColumnSchema(name="first", aliases=("START",))
    )
    assert single(path, shape).column == "first"


def test_header_with_a_name_twice(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("n\tx\tx\t\t\n1\t2\t3\t\t\n")
    found = single(path, columns_schema(ColumnSchema(name="n")))
    assert (found.column, found.row) == ("x", None)
    assert "every name once in the header" in str(found)


def test_other_form_is_judged_when_nearer(tmp_path: Path) -> None:
    forms = (
        TableForm(columns=(ColumnSchema(name="generation"), ColumnSchema(name="Ne"))),
        TableForm(columns=tuple(ColumnSchema(name=name) for name in ("start", "stop", "N"))),
    )
    path = tmp_path / "t.tsv"
    path.write_text("start\tstop\n0\t1\n")
    assert single(path, TableSchema(name="t", forms=forms)).column == "N"


def test_long_values_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(f"n\n{'7' * 5000}\n")
    found = single(path, columns_schema(ColumnSchema(name="n", type="int")))
    assert found.value == "7" * 59 + "…"
    assert "too large to be held exactly" in str(found)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("0,5", "write the decimal separator as a point"),
        ("-inf", "infinite values are not accepted"),
        ("null", "a missing value is written empty, NA, NaN or ."),
        ("nan", "a missing value is written empty, NA, NaN or ."),
        (" NA", "a missing value is written empty, NA, NaN or ."),
    ],
)
def test_advice(tmp_path: Path, text: str, advice: str) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(f"x\n{text}\n")
    assert advice in str(single(path, columns_schema(ColumnSchema(name="x", missing=True))))


def test_error_survives_pickling(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("n\n")
    with pytest.raises(InputError) as caught:
        read_table(path, columns_schema(ColumnSchema(name="n")))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)
    assert "found no record, expected at least 1 record" in str(copy)


def test_cases_name_every_column() -> None:
    assert set(WRONG) == set(BY_NAME) - {"comment"}  # any text is a valid comment
