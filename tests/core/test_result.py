from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsolve.core.result import Result, jsonable


@dataclass(frozen=True, slots=True)
class Inner(Result):
    low: float


@dataclass(frozen=True, slots=True)
class Fit(Result):
    slope: float
    interval: tuple[float, float]
    weights: np.ndarray
    inner: Inner
    note: str


FIT = Fit(np.float64(0.5), (0.25, float("inf")), np.arange(3.0), Inner(float("nan")), "<b> & more")


def test_to_dict_is_json_with_nulls_for_what_is_not_finite():
    assert json.loads(json.dumps(FIT.to_dict(), allow_nan=False)) == {
        "slope": 0.5,
        "interval": [0.25, None],
        "weights": [0.0, 1.0, 2.0],
        "inner": {"low": None},
        "note": "<b> & more",
    }


def test_to_frame_has_one_row_of_the_single_values():
    frame = FIT.to_frame()
    assert frame.to_dict("records") == [{"slope": 0.5, "note": "<b> & more"}]


def test_summary_names_every_field_and_arrays_by_shape():
    lines = str(FIT).splitlines()
    assert lines[:2] == ["Fit", "---"]
    assert [line.split(maxsplit=1) for line in lines[2:]] == [
        ["slope", "0.5"],
        ["interval", "(0.25, inf)"],
        ["weights", "array of shape (3,)"],
        ["inner", "Inner"],
        ["note", "<b> & more"],
    ]
    long = Fit(1.0, (0.0, 1.0), np.ones(1), Inner(1.0), "x" * 200)
    assert str(long).endswith("x" * 77 + "...")


def test_html_escapes_what_a_field_holds():
    assert "&lt;b&gt; &amp; more" in FIT._repr_html_()


@pytest.mark.parametrize(
    "value, plain",
    [
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.float32(0.5), 0.5),
        (np.array(2.0), 2.0),
        (np.array([[1, 2]]), [[1, 2]]),
        (np.array([np.nan, 1.0]), [None, 1.0]),
        ({"b", "a"}, ["a", "b"]),
        (frozenset({2, 1}), [1, 2]),
        ((1, None, True), [1, None, True]),
        ({1: {"x": np.inf}}, {"1": {"x": None}}),
        (Path("a/b"), "a/b"),
        (Inner, str(Inner)),
    ],
)
def test_jsonable(value, plain):
    got = jsonable(value)
    assert got == plain
    assert type(got) is type(plain)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
TREES = st.recursive(
    LEAVES, lambda t: st.lists(t) | st.dictionaries(st.text(), t) | st.tuples(t, t), max_leaves=12
)


@given(TREES)
def test_whatever_is_jsonable_is_strict_json_and_stays_so(tree):
    plain = jsonable(tree)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert jsonable(plain) == plain
