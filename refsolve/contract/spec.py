"""`problem.toml` as a validated object: the contract as data."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from refsolve.core.errors import InputError, Violation
from refsolve.core.schema import Strict, TableSchema

AnswerType = Literal["number", "integer", "string"]
Scalar = str | int | float | bool


class AnswerKey(Strict):
    """One graded value.

    Attributes
    ----------
    key
        Name in the answer.
    type
        Kind of value; integers and strings are compared exactly.
    estimand
        What the number is an estimate of.
    truth
        `parameter`: the generator's parameter. `latent`: the estimand computed from latent data.
    tolerance
        Largest absolute error that passes (numbers only).
    min, max
        Range outside of which no value is accepted.
    values
        Strings that are accepted as an answer at all.
    """

    key: str
    type: AnswerType = "number"
    unit: str = ""
    estimand: str = Field(min_length=10)
    truth: Literal["parameter", "latent"]
    tolerance: float | None = Field(default=None, gt=0)
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _tolerance_belongs_to_numbers(self) -> AnswerKey:
        if (self.type == "number") != (self.tolerance is not None):
            raise ValueError(
                f"answer {self.key!r}: type number needs a tolerance, other types have none"
            )
        _check_range(f"answer {self.key!r}", self.min, self.max)
        return self


class DecisionSpec(Strict):
    """One judgment that a correct analysis must get right.

    Attributes
    ----------
    key
        Name of the decision and of its function in `solve.py`.
    question
        What is decided.
    reference
        Name of the reference choice.
    harmless
        Wrong alternatives that may pass when taken alone, each with the reason.
    """

    key: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    question: str = Field(min_length=5)
    reference: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    harmless: dict[str, str] = Field(default_factory=dict)


class Parameter(Strict):
    """A value given with the question rather than in a file; `solve --set` changes it."""

    key: str
    value: Scalar
    unit: str = ""
    description: str
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _value_is_in_range(self) -> Parameter:
        _check_range(f"parameter {self.key!r}", self.min, self.max)
        if not self.accepts(self.value):
            raise ValueError(f"parameter {self.key!r}: its value lies outside its own range")
        return self

    def accepts(self, value: Scalar) -> bool:
        """Whether a value is in the range; only numbers have one."""
        if isinstance(value, str):
            return True
        low = -math.inf if self.min is None else self.min
        return low <= value <= (math.inf if self.max is None else self.max)


def _check_range(what: str, low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low > high:
        raise ValueError(f"{what}: min {low:g} is above max {high:g}")


class Seeds(Strict):
    """Seeds of the example case and of certification."""

    example: int = Field(ge=0)
    certify: int = Field(ge=0)
    count: int = Field(default=200, ge=1)


class ProblemSpec(Strict):
    """The whole of `problem.toml`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str = Field(min_length=5)
    question: str = Field(min_length=20)
    eval_id: str = ""
    method: str = ""
    file: tuple[TableSchema, ...] = Field(min_length=1, strict=False)
    answer: tuple[AnswerKey, ...] = Field(min_length=1, strict=False)
    decision: tuple[DecisionSpec, ...] = Field(min_length=1, strict=False)
    parameter: tuple[Parameter, ...] = Field(default=(), strict=False)
    seeds: Seeds

    @model_validator(mode="after")
    def _names_are_unique(self) -> ProblemSpec:
        for kind, names in (
            ("answer", [a.key for a in self.answer]),
            ("decision", [d.key for d in self.decision]),
            ("parameter", [p.key for p in self.parameter]),
            ("file", [stem for table in self.file for stem in table.files]),
        ):
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise ValueError(f"{kind} {twice[0]!r} is listed twice")
        return self

    @property
    def parameters(self) -> dict[str, Scalar]:
        """Default value of every parameter."""
        return {p.key: p.value for p in self.parameter}

    def table(self, name: str) -> TableSchema:
        """Schema of one table by its name."""
        return next(table for table in self.file if table.name == name)


def load_spec(path: Path) -> ProblemSpec:
    """Read and validate `problem.toml`.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        One violation per field that is wrong, with the path of the field.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as absent:
        expected = f"a readable problem.toml in the folder ({absent.strerror})"
        raise InputError([Violation(str(path), "", None, None, expected)]) from absent
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
        raise InputError(
            [Violation(path.name, "", None, str(broken), "valid TOML in UTF-8")]
        ) from broken
    return parse_spec(raw, path.name)


def parse_spec(raw: dict[str, Any], source: str) -> ProblemSpec:
    """Validate a spec that was already parsed.

    Parameters
    ----------
    raw
        Content of the file.
    source
        Name for messages.
    """
    try:
        return ProblemSpec.model_validate(raw)
    except ValidationError as invalid:
        raise InputError(field_violations(source, invalid)) from invalid


_EXPECTED = {
    "missing": "this field to be present",
    "extra_forbidden": "no field of this name",
    "too_short": "at least {min_length}",
    "string_too_short": "at least {min_length} characters",
    "string_pattern_mismatch": "text of the pattern {pattern}",
}


def field_violations(source: str, invalid: ValidationError) -> list[Violation]:
    """One violation per field that is wrong, with the path of the field.

    Parameters
    ----------
    source
        Name of the file for messages.
    invalid
        What the validation found.
    """
    errors = invalid.errors()
    # A list counts as too short when its items are wrong; the items say so themselves.
    inner = {error["loc"][:n] for error in errors for n in range(len(error["loc"]))}
    told = [e for e in errors if e["type"] != "too_short" or e["loc"] not in inner]
    return [_violation(source, error) for error in told]


def _violation(source: str, error: Any) -> Violation:
    field = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error["loc"]).lstrip(".")
    value = None if error["type"] == "missing" else error["input"]
    shown = value if isinstance(value, (str, int, float, bool)) else None
    told = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if error["type"] in _EXPECTED:
        told = _EXPECTED[error["type"]].format(**error.get("ctx", {}))
    return Violation(source, field, None, shown, told)
