from __future__ import annotations

import json
import math
import re
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsolve.contract.distance import distance, numeric_distance
from refsolve.contract.grading import grade, judge, read_answer
from refsolve.contract.published import KeyRule
from refsolve.core.errors import InputError

TRUTH = {"answer": {"bias": 0.33, "miscounted": 18, "favoured": "number"}}
RIGHT = TRUTH["answer"]
SMALL = [KeyRule("x", "number", 1.0, 0.1)]


def verdict(coin, **changes):
    return grade(coin, {**RIGHT, **changes}, TRUTH)


def test_the_truth_passes(coin):
    result = verdict(coin)
    assert result.passed
    assert [k.key for k in result.keys] == ["bias", "miscounted", "favoured"]
    assert str(result).splitlines() == [
        "coin: passed",
        "  ok   bias: 0.33, truth 0.33 ± 0.03: within 0.00 tolerances",
        "  ok   miscounted: 18 is right",
        "  ok   favoured: 'number' is right",
    ]


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"bias": True}, "True is not a number"),
        ({"bias": "0.33"}, "'0.33' is not a number"),
        ({"bias": None}, "None is not a number"),
        ({"bias": [0.33]}, r"\[0.33\] is not a number"),
        ({"bias": math.nan}, "nan is not finite"),
        ({"bias": math.inf}, "inf is not finite"),
        ({"bias": -math.inf}, "-inf is not finite"),
        ({"bias": 10**400}, "is not finite"),
        ({"bias": -0.01}, "-0.01 is below the smallest accepted value 0"),
        ({"bias": 1.01}, "1.01 is above the largest accepted value 1"),
        ({"bias": 0.4}, "missed by 2.33 tolerances"),
        ({"miscounted": True}, "True is not a number"),
        ({"miscounted": 18.0}, "18.0 is not an integer"),
        ({"miscounted": "18"}, "'18' is not a number"),
        ({"miscounted": -1}, "-1 is below the smallest accepted value 0"),
        ({"miscounted": 17}, "17, truth 18"),
        ({"favoured": 1}, "1 is not a string"),
        ({"favoured": True}, "True is not a string"),
        ({"favoured": "Number"}, "'Number', truth 'number'"),
        ({"favoured": "number "}, "'number ', truth 'number'"),
        ({"favoured": ""}, "'', truth 'number'"),
    ],
)
def test_one_wrong_value_fails_with_its_reason(coin, changes, reason):
    result = verdict(coin, **changes)
    assert not result.passed
    (wrong,) = (k for k in result.keys if not k.passed)
    assert [wrong.key] == list(changes)
    assert re.search(reason, wrong.reason), wrong.reason
    assert f"FAIL {wrong.key}: " in str(result)


def test_a_missing_key_and_an_extra_key_fail(coin):
    short = grade(coin, {"bias": 0.33, "miscounted": 18}, TRUTH)
    assert (short.passed, short.keys[2].reason) == (False, "missing")
    long = verdict(coin, note="sure")
    assert (long.passed, long.extra) == (False, ("note",))
    assert str(long).endswith("FAIL note: not a key of this problem")
    assert all(k.passed for k in long.keys)


def test_the_numbers_of_numpy_are_numbers(coin):
    result = verdict(
        coin,
        bias=np.float64(0.33),
        miscounted=np.int64(18),
        favoured=np.str_("number"),
    )
    assert result.passed
    assert verdict(coin, bias=np.array(0.33), miscounted=np.uint8(18)).passed
    assert not verdict(coin, bias=np.bool_(True)).passed
    assert not verdict(coin, miscounted=np.bool_(True)).passed
    assert not verdict(coin, bias=np.float64("nan")).passed
    assert not verdict(coin, bias=np.array([0.33, 0.33])).passed
    numpy_truth = {
        "answer": {"bias": np.float64(0.33), "miscounted": np.int64(18), "favoured": "number"},
        "tolerance": {"bias": np.float64(0.02)},
    }
    result = grade(coin, RIGHT, numpy_truth)
    assert result.passed
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "truth, tolerance, value, passes",
    [
        (1.0, 0.1, 1.1, True),
        (1.0, 0.1, 0.9, True),
        (0.3, 0.1, 0.2, True),
        (0.1, 0.2, 0.3, True),
        (1.0, 0.1, 1.1000000000000003, False),
        (1.0, 0.1, 0.8999999999, False),
        (5, 1, 6, True),
        (5, 1, 4.0, True),
        (1e300, 1e299, 1.1e300, True),
        (0.0, 5e-324, 5e-324, True),
        (2.0, 0.0, 2.0, True),
        (2.0, 0.0, 2.0000001, False),
    ],
)
def test_a_tolerance_includes_its_end_as_it_is_written(truth, tolerance, value, passes):
    assert judge("t", {"x": value}, [KeyRule("x", "number", truth, tolerance)]).passed is passes


@given(
    st.decimals(-1000, 1000, places=3),
    st.decimals("0.001", 10, places=3),
    st.decimals(-3, 3, places=2),
)
def test_verdict_and_units_follow_decimal_arithmetic(truth, tolerance, units):
    value = truth + tolerance * units
    rule = KeyRule("x", "number", float(truth), float(tolerance))
    (key,) = judge("t", {"x": float(value)}, [rule]).keys
    assert key.passed is (abs(units) <= 1)
    assert key.tolerances == pytest.approx(float(abs(units)), abs=1e-9)
    assert Decimal(repr(key.error)) == pytest.approx(value - truth, abs=Decimal("1e-12"))


def test_the_error_keeps_its_sign_and_is_told_in_tolerances():
    (low,) = judge("t", {"x": 0.75}, SMALL).keys
    assert (low.error, low.tolerances, low.passed) == (-0.25, 2.5, False)
    assert low.reason == "0.75, truth 1 ± 0.1: missed by 2.50 tolerances"
    (exact,) = judge("t", {"x": 3.0}, [KeyRule("x", "number", 2.0, 0.0)]).keys
    assert exact.tolerances == math.inf


def test_a_range_judges_before_the_tolerance_and_includes_its_ends():
    rule = KeyRule("x", "number", 1.0, 0.5, min=0.8, max=1.2)
    passed = {v: judge("t", {"x": v}, [rule]).passed for v in (0.79, 0.8, 1.0, 1.2, 1.21)}
    assert passed == {0.79: False, 0.8: True, 1.0: True, 1.2: True, 1.21: False}


def test_strings_may_ignore_case_and_be_absent():
    rule = KeyRule("s", "string", "Eagle", case_sensitive=False, required=False)
    assert judge("t", {"s": " EAGLE "}, [rule]).passed
    assert not judge("t", {"s": "number"}, [rule]).passed
    assert judge("t", {}, [rule]).keys[0].reason == "absent, not required"


@pytest.fixture
def file(tmp_path):
    def write(content: bytes | str | dict):
        path = tmp_path / "answer.json"
        if isinstance(content, dict):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_an_answer_file_with_a_byte_order_mark_and_more_keys_is_read(file):
    text = json.dumps({"answer": RIGHT, "reasoning": "…", "model": "m"}).encode()
    assert read_answer(file(b"\xef\xbb\xbf" + text)) == RIGHT


@pytest.mark.parametrize(
    "content, expected",
    [
        (RIGHT, r"column 'answer': expected the envelope \{\"answer\""),
        ({"answer": [1]}, "expected the envelope"),
        ({"answer": None}, "expected the envelope"),
        ("[1, 2]", "expected the envelope"),
        ("", r"expected JSON \(Expecting value"),
        ('{"answer": {"bias": 0.3', r"expected JSON \("),
        (b'{"answer": "\xff"}', r"expected JSON \(.*utf-8"),
        ('{"answer": {"bias": ' + "9" * 5000 + "}}", r"expected JSON \(Exceeds the limit"),
        ("[" * 100_000, r"expected JSON \(maximum recursion"),
    ],
)
def test_what_is_no_answer_file_is_refused(file, coin, content, expected):
    with pytest.raises(InputError, match=expected) as caught:
        grade(coin, file(content), TRUTH)
    assert caught.value.violations[0].file == "answer.json"


def test_nan_and_huge_numbers_in_a_file_are_values_that_fail(file, coin):
    for value in ("NaN", "Infinity", "1e999", "1" + "0" * 400):
        text = f'{{"answer": {{"bias": {value}, "miscounted": 18, "favoured": "number"}}}}'
        result = grade(coin, file(text), TRUTH)
        assert not result.passed
        assert result.keys[0].reason.endswith("is not finite")
        json.dumps(result.to_dict(), allow_nan=False)


def test_files_that_are_not_there_are_named(tmp_path, coin, case):
    with pytest.raises(InputError, match="none.json: expected a readable file"):
        grade(coin, tmp_path / "none.json", TRUTH)
    with pytest.raises(InputError, match="expected truth.json or eval_config.json in the folder"):
        grade(coin, RIGHT, tmp_path)
    with pytest.raises(InputError, match="expected a readable file"):
        grade(coin, RIGHT, str(tmp_path / "none"))


def test_truth_may_be_a_folder_a_file_or_a_mapping(coin, case):
    truth = json.loads((case / "truth.json").read_text())
    for place in (case, case / "truth.json", str(case), truth):
        assert grade(coin, truth["answer"], place).passed


def test_a_case_may_have_its_own_tolerance(coin):
    loose = {**TRUTH, "tolerance": {"bias": 0.1}}
    assert grade(coin, {**RIGHT, "bias": 0.43}, loose).passed
    assert not grade(coin, {**RIGHT, "bias": 0.43}, TRUTH).passed


@pytest.mark.parametrize(
    "truth, place",
    [
        ({}, "column 'answer'"),
        ({"answer": 3}, "column 'answer'"),
        ([], "column 'answer'"),
        ({"answer": {**RIGHT, "bias": "0.3"}}, "column 'answer.bias'"),
        ({"answer": {**RIGHT, "bias": None}}, "column 'answer.bias'"),
        ({"answer": {**RIGHT, "bias": 2.0}}, "column 'answer.bias'.*above the largest"),
        ({"answer": {**RIGHT, "miscounted": 18.0}}, "column 'answer.miscounted'"),
        ({"answer": {"bias": 0.3}}, "column 'answer.miscounted'"),
        ({"answer": RIGHT, "tolerance": []}, "column 'tolerance'"),
        ({"answer": RIGHT, "tolerance": {"bias": 0}}, "column 'tolerance.bias'"),
        ({"answer": RIGHT, "tolerance": {"bias": -1}}, "column 'tolerance.bias'"),
        ({"answer": RIGHT, "tolerance": {"bias": "1"}}, "column 'tolerance.bias'"),
        ({"answer": RIGHT, "tolerance": {"bias": True}}, "column 'tolerance.bias'"),
        ({"answer": RIGHT, "tolerance": {"bies": 0.1}}, "column 'tolerance.bies'"),
    ],
)
def test_a_truth_that_cannot_be_one_is_refused(coin, file, truth, place):
    with pytest.raises(InputError, match=place):
        grade(coin, RIGHT, truth if isinstance(truth, dict) else file(json.dumps(truth)))


def test_distance_is_the_largest_in_tolerances_and_infinite_for_another_exact_value(coin):
    spec = coin.spec
    near = {**RIGHT, "bias": 0.36000000000001}
    assert distance(spec, RIGHT, near) == pytest.approx(1.0, abs=1e-9)
    other = {**near, "favoured": "eagle"}
    assert distance(spec, RIGHT, other) == math.inf
    assert numeric_distance(spec, RIGHT, other) == pytest.approx(1.0, abs=1e-9)
    for value in (math.nan, "0.3", True, None):
        assert distance(spec, RIGHT, {**RIGHT, "bias": value}) == math.inf
    assert distance(spec, RIGHT, {"bias": 0.33}) == math.inf


@given(st.floats(0.1, 0.9), st.integers(2, 8))
def test_a_rounded_value_is_at_no_distance_and_rounding_excuses_no_more(coin_spec, value, digits):
    answer, given_ = {**RIGHT, "bias": value}, {**RIGHT, "bias": round(value, digits)}
    assert distance(coin_spec, answer, given_) < 1e-6
    coarse = {**RIGHT, "bias": round(value)}
    far = abs(value - round(value)) / 0.03
    assert distance(coin_spec, answer, coarse) == pytest.approx(max(0.0, far - 0.25), abs=1e-9)


def test_rounding_excuses_half_of_the_last_digit(coin):
    away = {
        v: distance(coin.spec, {**RIGHT, "bias": 0.3}, {**RIGHT, "bias": v}) for v in (0.301, 0.31)
    }
    assert away == pytest.approx({0.301: 0.0005 / 0.03, 0.31: 0.005 / 0.03}, abs=1e-9)
