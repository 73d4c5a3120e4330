from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsolve.contract.grading import grade, judge
from refsolve.contract.published import KeyRule, read_published, spec_rules, write_published
from refsolve.core.errors import InputError

NUMERIC = {
    "type": "numeric_tolerance",
    "config": {"answer_field": "answer", "key": "x", "absolute_tolerance": 0.1},
}
MULTI = {
    "type": "multi_numeric_tolerance",
    "config": {
        "keys": {
            "x": {"absolute_tolerance": 0.1, "min_value": 0.95},
            "y": {"absolute_tolerance": 1, "min_value": 0, "max_value": 2},
            "z": {"absolute_tolerance": 0.5},
        }
    },
}
EXACT = {
    "type": "composite",
    "config": {
        "exact_match_keys": {"s": {"case_sensitive": False, "required": True}},
        "numeric_keys": {"x": {"absolute_tolerance": 0.1}},
    },
}
INTEGER = {
    "type": "composite",
    "config": {
        "integer_keys": {"n": {"min_value": 0, "max_value": 9}},
        "numeric_keys": {"x": {"absolute_tolerance": 0.1}},
        "forbid_extra_keys": True,
        "strict_answer_schema": True,
    },
}
TRUTH = {"x": 1.0, "y": 2, "z": -3.5, "s": "Eagle", "n": 4}


@pytest.fixture
def package(tmp_path):
    """Write an `eval_config.json`."""

    def write(grader, truth=TRUTH, **more):
        config = {
            "id": "coin_bias",
            "eval_uuid": "u",
            "task": "Toss.",
            "data_files": ["sessions.tsv.gz"],
            "ground_truth": truth,
            "grader": grader,
        }
        path = tmp_path / "eval_config.json"
        path.write_text(json.dumps(config | more))
        return path

    return write


CASES = [
    (NUMERIC, {"x": 1.1}, True),
    (NUMERIC, {"x": 1.2}, False),
    (NUMERIC, {"x": True}, False),
    (NUMERIC, {"x": "1.0"}, False),
    (NUMERIC, {"x": float("nan")}, False),
    (NUMERIC, {}, False),
    (NUMERIC, {"x": 1.0, "y": 2}, False),
    (MULTI, {"x": 1.0, "y": 1, "z": -3.0}, True),
    (MULTI, {"x": 0.94, "y": 1, "z": -3.0}, False),
    (MULTI, {"x": 1.0, "y": 2.5, "z": -3.0}, False),
    (MULTI, {"x": 1.0, "y": 0.9, "z": -3.0}, False),
    (MULTI, {"x": 1.0, "y": 1}, False),
    (EXACT, {"s": "eagle", "x": 0.9}, True),
    (EXACT, {"s": "number", "x": 0.9}, False),
    (EXACT, {"s": 1, "x": 0.9}, False),
    (EXACT, {"x": 0.9}, False),
    (INTEGER, {"n": 4, "x": 1}, True),
    (INTEGER, {"n": 4.0, "x": 1}, False),
    (INTEGER, {"n": True, "x": 1}, False),
    (INTEGER, {"n": 5, "x": 1}, False),
    (INTEGER, {"n": 4, "x": 1, "y": 2}, False),
]


@pytest.mark.parametrize("grader, answer, passes", CASES)
def test_the_published_graders(coin, package, grader, answer, passes):
    assert grade(coin, answer, package(grader)).passed is passes


def test_what_a_package_says_is_read(package):
    problem = read_published(package(EXACT))
    assert (problem.eval_id, problem.task, problem.grader_type) == (
        "coin_bias",
        "Toss.",
        "composite",
    )
    assert problem.data_files == ("sessions.tsv.gz",)
    assert {r.key: r.kind for r in problem.rules} == {"s": "string", "x": "number"}


def test_keys_may_be_optional_and_extra_keys_allowed(coin, package):
    config = {
        "exact_match_keys": {"s": {"required": False}},
        "numeric_keys": {"x": {"absolute_tolerance": 0.1}},
        "forbid_extra_keys": False,
    }
    path = package({"type": "composite", "config": config})
    assert grade(coin, {"x": 1.0}, path).passed
    assert grade(coin, {"x": 1.0, "note": "sure"}, path).passed
    assert not grade(coin, {"x": 1.0, "s": "eagle"}, path).passed


def test_a_byte_order_mark_is_read_over(coin, package):
    path = package(NUMERIC)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert grade(coin, {"x": 1.0}, path).passed


@pytest.mark.parametrize(
    "grader, truth, place",
    [
        (NUMERIC, {}, "column 'ground_truth.x'"),
        (NUMERIC, {"x": "1.0"}, r"column 'ground_truth.x'.*a right number \('1.0' is not a number"),
        (NUMERIC, {"x": True}, "column 'ground_truth.x'"),
        (MULTI, {**TRUTH, "x": 0.9}, "column 'ground_truth.x'.*below the smallest"),
        (INTEGER, {**TRUTH, "n": 4.5}, r"a right integer \(4.5 is not an integer"),
        (EXACT, {**TRUTH, "s": 4}, r"a right string \(4 is not a string"),
        ({"type": "llm", "config": {}}, TRUTH, "column 'grader.type': found 'llm'"),
        ({**NUMERIC, "config": {"key": "x"}}, TRUTH, "column 'absolute_tolerance'"),
        (
            {**MULTI, "config": {"keys": {"x": {"absolute_tolerance": -1}}}},
            TRUTH,
            r"column 'keys.x.absolute_tolerance': found -1, expected greater than or equal to 0",
        ),
        ({**MULTI, "config": {"keys": {}}}, TRUTH, "column 'keys'"),
        (
            {**INTEGER, "config": {"integer_keys": {"n": {"min_value": 0.5}}}},
            TRUTH,
            "column 'integer_keys.n.min_value'",
        ),
        (
            {**EXACT, "config": {"exact_match_keys": {"s": {"trim": True}}}},
            TRUTH,
            r"column 'exact_match_keys.s.trim': found True, expected no field of this name",
        ),
    ],
)
def test_a_config_that_cannot_be_graded_is_refused(coin, package, grader, truth, place):
    with pytest.raises(InputError, match=place) as caught:
        grade(coin, {"x": 1.0}, package(grader, truth))
    assert caught.value.violations[0].file == "eval_config.json"


@pytest.mark.parametrize("content", ["{", "", "[" * 100_000, "null"])
def test_a_config_that_is_no_json_object_is_refused(tmp_path, content):
    path = tmp_path / "eval_config.json"
    path.write_text(content)
    with pytest.raises(InputError, match="eval_config.json"):
        read_published(path)


FINITE = st.floats(-1e6, 1e6, allow_nan=False)


@st.composite
def key_rules(draw, key):
    kind = draw(st.sampled_from(["number", "integer", "string"]))
    if kind == "string":
        return KeyRule(
            key,
            kind,
            draw(st.text()),
            case_sensitive=draw(st.booleans()),
            required=draw(st.booleans()),
        )
    truth = draw(FINITE if kind == "number" else st.integers(-(10**6), 10**6))
    low = draw(st.none() | st.floats(0, 10).map(lambda d: truth - d))
    high = draw(st.none() | st.floats(0, 10).map(lambda d: truth + d))
    if kind == "integer":
        low, high = low and float(int(low)) - 1, high and float(int(high)) + 1
    tolerance = draw(st.floats(0, 10)) if kind == "number" else None
    return KeyRule(key, kind, truth, tolerance, low, high)


@st.composite
def rule_sets(draw):
    keys = draw(st.lists(st.text(min_size=1), min_size=1, max_size=5, unique=True))
    return tuple(draw(key_rules(key)) for key in keys)


@given(rule_sets())
def test_what_is_written_reads_as_the_same_rules(coin_spec, tmp_file, rules):
    tmp_file.write_text(write_published(coin_spec, rules, ("a.tsv.gz",)))
    again = read_published(tmp_file)
    assert {rule.key: rule for rule in again.rules} == {rule.key: rule for rule in rules}
    assert (again.eval_id, again.task) == (coin_spec.eval_id, coin_spec.question)
    assert again.data_files == ("a.tsv.gz",)
    kinds = {rule.kind for rule in rules}
    numeric = "multi_numeric_tolerance" if kinds == {"number"} else "composite"
    assert again.grader_type == numeric
    assert judge("t", {r.key: r.truth for r in rules}, again.rules).passed


@pytest.fixture(scope="module")
def tmp_file(tmp_path_factory):
    return tmp_path_factory.mktemp("published") / "eval_config.json"


def test_bounds_of_an_integer_are_written_as_integers(coin):
    rules = spec_rules(coin.spec, {"bias": 0.3, "miscounted": 2, "favoured": "eagle"}, {})
    config = json.loads(write_published(coin.spec, rules, ()))["grader"]["config"]
    assert config["integer_keys"] == {"miscounted": {"min_value": 0}}
    assert config["numeric_keys"]["bias"] == {
        "absolute_tolerance": 0.03,
        "min_value": 0.0,
        "max_value": 1.0,
    }
    half = (KeyRule("n", "integer", 2, min=0.5, max=3.5),)
    config = json.loads(write_published(coin.spec, half, ()))["grader"]["config"]
    assert config["integer_keys"] == {"n": {"min_value": 1, "max_value": 3}}
