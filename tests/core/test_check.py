from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsolve.core.check import one_of, open_unit, real_vector, refuse, whole_numbers, within


def test_real_vector_is_contiguous_float64():
    got = real_vector(np.arange(6)[::2], "x")
    assert got.dtype == np.float64
    assert got.flags.c_contiguous
    assert got.tolist() == [0.0, 2.0, 4.0]


@pytest.mark.parametrize(
    "values, message",
    [
        ([1.0, np.nan], r"^x\[1\] = nan must not be NaN; remove or impute missing values$"),
        ([1.0, None], r"^x\[1\] = nan must not be NaN"),
        ([[1.0]], "^x has 2 dimensions; expected one; pass a flat sequence$"),
        (1.0, "^x has 0 dimensions; expected one"),
        ([1, "two"], "^x must hold numbers; .*; convert it first$"),
        (["1", "2"], "^x must hold numbers"),
        ([[1], [1, 2]], "^x must hold numbers"),
        ([1j], "^x must hold numbers"),
        ([object()], "^x must hold numbers"),
    ],
)
def test_real_vector_refuses(values, message):
    with pytest.raises(ValueError, match=message):
        real_vector(values, "x")


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_whole_numbers_keeps_every_integer_exactly(values):
    array = np.array(values, dtype=np.int64)
    got = whole_numbers(array, "n")
    assert got.dtype == np.int64
    assert got.tolist() == values


def test_whole_numbers_takes_whole_floats_of_any_shape():
    assert whole_numbers([[1.0, -2.0]], "n").tolist() == [[1, -2]]
    assert whole_numbers(3.0, "n").shape == ()
    assert whole_numbers([], "n").tolist() == []


@pytest.mark.parametrize(
    "values, message",
    [
        ([1, 2.5], r"^n\[1\] = 2.5 must be a whole number; round or recount it$"),
        ([[1, 2], [3, np.inf]], r"^n\[1, 1\] = inf must be a whole number"),
        (np.nan, r"^n = nan must be a whole number"),
        ([True], "^n is boolean"),
        ([0, -1], r"^n\[1\] = -1 must be at least 0; correct the value$"),
        ([1e19], r"^n\[0\] = 1e\+19 must fit into 64 bits"),
        (np.array([2**63], dtype=np.uint64), r"^n\[0\] = 9223372036854775808 must fit"),
    ],
)
def test_whole_numbers_refuses(values, message):
    with pytest.raises(ValueError, match=message):
        whole_numbers(values, "n", minimum=0)


def test_within_includes_its_bounds_unless_told_otherwise():
    assert within([0.0, 1.0], "p", 0, 1).tolist() == [0.0, 1.0]
    assert within(0.5, "p", 0, 1).shape == ()
    with pytest.raises(ValueError, match=r"^p\[1\] = 1.0 must lie in \[0, 1\); correct the value$"):
        within([0.0, 1.0], "p", 0, 1, open_high=True)
    with pytest.raises(ValueError, match=r"^p\[0\] = -0.1 must lie in \[0, 1\]"):
        within([-0.1, 3.0], "p", 0, 1)
    with pytest.raises(ValueError, match=r"^p\[0\] = nan must lie in"):
        within([np.nan], "p", 0, 1)


def test_refuse_lets_the_good_pass():
    assert refuse(np.zeros(2, dtype=bool), "x", np.ones(2), "must", "do") is None


def test_one_of_lists_the_words():
    assert one_of("a", "kind", ("a", "b")) == "a"
    with pytest.raises(ValueError, match=r"^kind = 'c' is not known; choose one of 'a', 'b'$"):
        one_of("c", "kind", ("a", "b"))


@pytest.mark.parametrize("value", [0.0, 1.0, 95.0, np.nan])
def test_open_unit_refuses(value):
    assert open_unit(0.95, "confidence") == 0.95
    with pytest.raises(ValueError, match="^confidence = .* must lie strictly between 0 and 1"):
        open_unit(value, "confidence")
