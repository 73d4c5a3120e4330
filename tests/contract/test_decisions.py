from __future__ import annotations

from itertools import combinations
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsolve.contract import Found, Walk, alternative, decision
from refsolve.contract.decisions import Alternative, Choice, Decision, Lattice
from refsolve.core.errors import UsageError


@decision
def start(x):
    """Take it as it is."""
    return Found(x, f"{x} was taken.", seen=np.int64(x))


@decision
def scale(x):
    return Found(2 * x, "Doubled.")


@alternative(start)
def shifted(x):
    """Wrong: one too many, so the answer
    is too high.

    More about it.
    """
    return Found(x + 1, "Shifted.")


@alternative(start)
def same(x):
    """Defensible: adds nothing."""
    return Found(x + 0, "Nothing was added.")


@alternative(scale)
def halved(x):
    """WRONG: too small."""
    return Found(x / 2, "Halved.")


@pytest.fixture
def lattice() -> Lattice:
    names = {"start": "as_is", "scale": "twice"}
    return Lattice([start, scale], names, [shifted, same, halved])


def test_a_decision_is_its_reference_when_called():
    assert start.key == "start"
    assert scale(3).value == 6


def test_the_reference_comes_first_and_kinds_are_read_from_docstrings(lattice):
    kinds = {k: {n: c.kind for n, c in options.items()} for k, options in lattice.choices.items()}
    assert kinds == {
        "start": {"as_is": "reference", "shifted": "wrong", "same": "defensible"},
        "scale": {"twice": "reference", "halved": "wrong"},
    }
    assert [next(iter(options)) for options in lattice.choices.values()] == ["as_is", "twice"]
    assert lattice.reference == {"start": "as_is", "scale": "twice"}


def test_the_effect_is_the_first_paragraph_on_one_line(lattice):
    effect = lattice.choices["start"]["shifted"].effect
    assert effect == "Wrong: one too many, so the answer is too high."
    assert lattice.choices["scale"]["twice"].effect == ""


@pytest.mark.parametrize("doc", [None, "", "Takes the mean.", "Wrongly: x", "Is Wrong: x"])
def test_an_alternative_must_say_what_it_is(doc):
    def run(x):
        return Found(x, "")

    run.__doc__ = doc
    with pytest.raises(UsageError, match="^run: the docstring must begin with 'Wrong:' or 'Def"):
        alternative(start)(run)


def test_alternatives_of_two_decisions_with_one_name_do_not_replace_each_other():
    # The second function of a module would silently take the place of the first.
    code = (
        "@alternative(start)\ndef ignore(x):\n    'Wrong: a.'\n\n"
        "@alternative(scale)\ndef ignore(x):\n    'Wrong: b.'\n"
    )
    with pytest.raises(UsageError, match="ignore: an alternative of 'start' has this name"):
        exec(code, {"alternative": alternative, "start": start, "scale": scale})


def test_kind_of_several_deviations(lattice):
    assert lattice.kind({}) == "reference"
    assert lattice.kind({"start": "as_is", "scale": "twice"}) == "reference"
    assert lattice.kind({"start": "same"}) == "defensible"
    assert lattice.kind({"start": "same", "scale": "twice"}) == "defensible"
    assert lattice.kind({"start": "same", "scale": "halved"}) == "wrong"


def test_a_path_differs_from_the_reference_where_told(lattice):
    assert lattice.path({}) == lattice.reference
    assert lattice.path({"scale": "halved"}) == {"start": "as_is", "scale": "halved"}


@pytest.mark.parametrize(
    "deviations, message",
    [
        ({"end": "x"}, r"^Unknown decision 'end'. Known: start, scale.$"),
        ({"start": "x"}, r"^Decision 'start' has no choice 'x'. Known: as_is, shifted, same.$"),
        ({"scale": "same"}, r"^Decision 'scale' has no choice 'same'. Known: twice, halved.$"),
    ],
)
def test_what_does_not_exist_is_answered_with_what_does(lattice, deviations, message):
    with pytest.raises(UsageError, match=message):
        lattice.path(deviations)


def test_a_choice_cannot_have_two_meanings():
    with pytest.raises(UsageError, match="Decision 'start' has two choices 'shifted'"):
        Lattice([start], {"start": "shifted"}, [shifted])


def test_an_alternative_of_a_decision_that_is_not_taken_is_refused():
    with pytest.raises(UsageError, match="'halved' is an alternative of 'scale', which is not"):
        Lattice([start], {"start": "as_is"}, [halved])


def test_a_walk_follows_its_path_and_keeps_the_evidence(lattice):
    walk = Walk(lattice, lattice.path({"start": "shifted"}))
    assert walk.take(scale, walk.take(start, 3)) == 8
    first, second = walk.evidence
    assert (first.decision, first.choice, first.kind) == ("start", "shifted", "wrong")
    assert (first.because, first.facts) == ("Shifted.", {})
    assert (second.choice, second.kind) == ("twice", "reference")
    straight = Walk(lattice, lattice.reference)
    straight.take(start, x=3)
    assert straight.evidence[0].facts == {"seen": 3}
    assert type(straight.evidence[0].facts["seen"]) is int


def test_a_walk_takes_only_what_is_listed_and_found(lattice):
    walk = Walk(lattice, lattice.reference)
    with pytest.raises(UsageError, match="The decision 'other' is taken and not listed"):
        walk.take(Decision("other", scale.run), 1)
    bare = Alternative("scale", Choice("bare", "wrong", lambda x: x))
    other = Lattice([scale], {"scale": "twice"}, [bare])
    with pytest.raises(UsageError, match="scale=bare does not return Found"):
        Walk(other, other.path({"scale": "bare"})).take(scale, 1)


def build(sizes: list[int]) -> Lattice:
    decisions = [Decision(f"d{k}", scale.run) for k in range(len(sizes))]
    extra = [
        Alternative(f"d{k}", Choice(f"c{j}", "wrong", scale.run))
        for k, size in enumerate(sizes)
        for j in range(size)
    ]
    return Lattice(decisions, {d.key: "ref" for d in decisions}, extra)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.integers(0, 7))
def test_paths_of_each_depth_are_counted_by_the_elementary_symmetric_polynomial(sizes, depth):
    paths = build(sizes).deviations(depth)
    assert len(paths) == sum(prod(some) for some in combinations(sizes, depth))
    assert len({tuple(sorted(path.items())) for path in paths}) == len(paths)
    assert all(len(path) == depth and "ref" not in path.values() for path in paths)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_all_depths_together_are_the_whole_lattice(sizes):
    lattice = build(sizes)
    paths = [lattice.path(d) for level in range(len(sizes) + 1) for d in lattice.deviations(level)]
    assert len(paths) == prod(size + 1 for size in sizes)
    assert len({tuple(path.values()) for path in paths}) == len(paths)
