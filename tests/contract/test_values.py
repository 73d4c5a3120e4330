from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsolve.contract.values import coerce, parse_assignments
from refsolve.core.errors import UsageError

DEFAULTS = {"n": 3, "rate": 0.5, "flip": False, "name": "a"}


@given(
    st.fixed_dictionaries(
        {
            "n": st.integers(),
            "rate": st.floats(allow_nan=False, allow_infinity=False),
            "flip": st.booleans(),
            "name": st.text(),
        }
    )
)
def test_a_value_and_its_text_are_the_same(values):
    texts = {key: str(value) for key, value in values.items()}
    assert coerce(values, DEFAULTS, "knob") == coerce(texts, DEFAULTS, "knob") == values


@pytest.mark.parametrize(
    "key, given_, value",
    [
        ("n", np.int64(4), 4),
        ("n", "-4", -4),
        ("rate", 2, 2.0),
        ("rate", np.float32(0.25), 0.25),
        ("rate", "1e-3", 0.001),
        ("flip", "Yes", True),
        ("flip", np.bool_(True), True),
        ("flip", 0, False),
        ("name", np.str_("b"), "b"),
        ("name", 17, "17"),
    ],
)
def test_values_become_those_of_python(key, given_, value):
    got = coerce({key: given_}, DEFAULTS, "knob")[key]
    assert got == value
    assert type(got) is type(DEFAULTS[key])


@pytest.mark.parametrize(
    "key, value",
    [
        ("n", "3.0"),
        ("n", 3.0),
        ("n", True),
        ("n", None),
        ("n", "many"),
        ("rate", "nan"),
        ("rate", float("nan")),
        ("rate", float("inf")),
        ("rate", True),
        ("rate", [1.0]),
        ("rate", 10**400),
        ("flip", "maybe"),
        ("flip", 2),
        ("name", 3.5),
        ("name", True),
    ],
)
def test_values_of_another_type_are_refused(key, value):
    with pytest.raises(UsageError) as caught:
        coerce({key: value}, DEFAULTS, "knob")
    kind = type(DEFAULTS[key]).__name__
    assert str(caught.value) == f"knob {key}: {value!r} is not a valid {kind}."


def test_an_unknown_key_is_answered_with_the_nearest_or_all():
    with pytest.raises(UsageError, match=r"^Unknown knob 'rat'. Did you mean 'rate'\?$"):
        coerce({"rat": 1}, DEFAULTS, "knob")
    with pytest.raises(UsageError, match=r"^Unknown knob 'zzz'. Known: n, rate, flip, name.$"):
        coerce({"zzz": 1}, DEFAULTS, "knob")
    with pytest.raises(UsageError, match=r"^Unknown knob 'zzz'. Known: none.$"):
        coerce({"zzz": 1}, {}, "knob")


def test_assignments_are_split_at_the_first_sign():
    pairs = parse_assignments(["a = 1", "b=x=y", "c="], "--set")
    assert pairs == {"a": "1", "b": "x=y", "c": ""}


@pytest.mark.parametrize("text", ["a", "=1", " =1", ""])
def test_what_is_not_an_assignment_is_refused(text):
    with pytest.raises(UsageError, match="is not of the form KEY=VALUE") as caught:
        parse_assignments([text], "--set")
    assert repr(text) in str(caught.value)
