from __future__ import annotations

import pickle

import pytest

from refsolve.core.errors import (
    AnalysisError,
    InputError,
    MissingDependencyError,
    RefsolveError,
    UsageError,
    Violation,
)

CODES = {
    RefsolveError: 1,
    UsageError: 2,
    InputError: 2,
    AnalysisError: 3,
    MissingDependencyError: 4,
}


@pytest.mark.parametrize("kind", [RefsolveError, UsageError, AnalysisError, MissingDependencyError])
@pytest.mark.parametrize("hint", ["", "Do that."])
def test_errors_survive_the_way_from_a_worker(kind, hint):
    error = pickle.loads(pickle.dumps(kind("No.", hint=hint)))
    assert type(error) is kind
    assert (error.message, error.hint, error.exit_code) == ("No.", hint, CODES[kind])
    assert str(error) == ("No. Do that." if hint else "No.")


def test_input_error_keeps_every_violation_on_the_way_from_a_worker():
    violations = (
        Violation("a.tsv", "n", 3, -1, "at least 0"),
        Violation("a.tsv", "", None, None, "a header", "export it again"),
    )
    error = pickle.loads(pickle.dumps(InputError(violations)))
    assert error.violations == violations
    assert error.exit_code == CODES[InputError]
    assert str(error).splitlines() == [
        "a.tsv, column 'n', row 3: found -1, expected at least 0.",
        "a.tsv: expected a header; export it again.",
    ]


def test_input_error_needs_a_violation():
    with pytest.raises(ValueError, match="at least one violation"):
        InputError([])


def test_a_subclass_with_its_own_arguments_survives_too():
    again = pickle.loads(pickle.dumps(NotConverged(7)))
    assert isinstance(again, NotConverged)
    assert str(again) == "No optimum after 7 steps. Start elsewhere."


class NotConverged(AnalysisError):
    def __init__(self, steps: int) -> None:
        super().__init__(f"No optimum after {steps} steps.", hint="Start elsewhere.")
