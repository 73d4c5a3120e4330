"""The published `eval_config.json` shape: read into, and written from, one grading model.

Three graders are published: `numeric_tolerance`, `multi_numeric_tolerance` (with optional validity
range) and `composite` (exact strings, exact integers, numbers).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from refsolve.contract.spec import ProblemSpec, field_violations
from refsolve.core.errors import InputError, Violation
from refsolve.core.schema import Strict

KeyKind = Literal["number", "integer", "string"]


@dataclass(frozen=True, slots=True)
class KeyRule:
    """How one key is judged.

    Attributes
    ----------
    key
        Name in the answer.
    kind
        Number within a tolerance, exact integer, or exact string.
    truth
        The right value.
    tolerance
        Largest absolute error that passes (numbers).
    min, max
        Range outside of which nothing is accepted.
    case_sensitive
        Whether the case of letters matters (strings).
    required
        Whether an answer without the key is rejected.
    """

    key: str
    kind: KeyKind
    truth: Any
    tolerance: float | None = None
    min: float | None = None
    max: float | None = None
    case_sensitive: bool = True
    required: bool = True

    def rejects(self, value: Any) -> str:
        """Why a value is not acceptable whatever the truth; empty when it is acceptable.

        Parameters
        ----------
        value
            What was answered.
        """
        if self.kind == "string":
            return "" if isinstance(value, str) else f"{value!r} is not a string"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return f"{value!r} is not a number"
        if not _is_finite(value):
            return f"{value!r} is not finite"
        if self.kind == "integer" and not isinstance(value, int):
            return f"{value!r} is not an integer"
        if self.min is not None and value < self.min:
            return f"{value!r} is below the smallest accepted value {self.min:g}"
        if self.max is not None and value > self.max:
            return f"{value!r} is above the largest accepted value {self.max:g}"
        return ""


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False


class _Numeric(Strict):
    absolute_tolerance: float = Field(ge=0, strict=False)
    min_value: float | None = Field(default=None, strict=False)
    max_value: float | None = Field(default=None, strict=False)


class _Integer(Strict):
    min_value: int | None = None
    max_value: int | None = None


class _Exact(Strict):
    case_sensitive: bool = True
    required: bool = True


class _Single(Strict):
    answer_field: str = "answer"
    key: str
    absolute_tolerance: float = Field(ge=0, strict=False)


class _Multi(Strict):
    keys: dict[str, _Numeric] = Field(min_length=1)


class _Composite(Strict):
    exact_match_keys: dict[str, _Exact] = Field(default_factory=dict)
    integer_keys: dict[str, _Integer] = Field(default_factory=dict)
    numeric_keys: dict[str, _Numeric] = Field(default_factory=dict)
    forbid_extra_keys: bool = True
    strict_answer_schema: bool = True


class _Grader(Strict):
    type: Literal["numeric_tolerance", "multi_numeric_tolerance", "composite"]
    config: dict[str, Any]


class _EvalConfig(Strict):
    id: str
    eval_uuid: str = ""
    task: str = ""
    data_files: tuple[str, ...] = Field(default=(), strict=False)
    ground_truth: dict[str, Any]
    grader: _Grader


@dataclass(frozen=True, slots=True)
class PublishedProblem:
    """A problem as a released package states it.

    Attributes
    ----------
    eval_id
        Published identifier.
    task
        The question.
    data_files
        Names of the released files.
    rules
        One rule per graded key.
    grader_type
        Published name of the grader.
    extra_keys
        Whether an answer may have keys that are not graded.
    """

    eval_id: str
    task: str
    data_files: tuple[str, ...]
    rules: tuple[KeyRule, ...]
    grader_type: str
    extra_keys: bool = False


def read_published(path: Path) -> PublishedProblem:
    """Read an `eval_config.json`.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        Not JSON, or not of the published shape; one violation per field.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as broken:
        raise InputError(
            [Violation(path.name, "", None, str(broken), "a readable JSON file")]
        ) from broken
    try:
        config = _EvalConfig.model_validate(raw)
        rules = _rules(config)
    except ValidationError as invalid:
        raise InputError(field_violations(path.name, invalid)) from invalid
    unfit = truth_violations(path.name, "ground_truth", rules)
    if unfit:
        raise InputError(unfit)
    kind, extra = config.grader.type, config.grader.config.get("forbid_extra_keys") is False
    return PublishedProblem(config.id, config.task, config.data_files, rules, kind, extra)


def truth_violations(source: str, where: str, rules: Sequence[KeyRule]) -> list[Violation]:
    """True values that no answer could agree with.

    Parameters
    ----------
    source
        Name of the file for messages.
    where
        Field that holds the true values.
    rules
        Rules with their true values.
    """
    return [
        Violation(source, f"{where}.{rule.key}", None, None, f"a right {rule.kind} ({trouble})")
        for rule in rules
        if (trouble := rule.rejects(rule.truth))
    ]


def _rules(config: _EvalConfig) -> tuple[KeyRule, ...]:
    truth, kind, raw = config.ground_truth, config.grader.type, config.grader.config
    if kind == "numeric_tolerance":
        single = _Single.model_validate(raw)
        return (KeyRule(single.key, "number", truth.get(single.key), single.absolute_tolerance),)
    if kind == "multi_numeric_tolerance":
        return tuple(_number(k, truth, item) for k, item in _Multi.model_validate(raw).keys.items())
    parts = _Composite.model_validate(raw)
    strings = [
        KeyRule(k, "string", truth.get(k), case_sensitive=e.case_sensitive, required=e.required)
        for k, e in parts.exact_match_keys.items()
    ]
    integers = [
        KeyRule(k, "integer", truth.get(k), min=i.min_value, max=i.max_value)
        for k, i in parts.integer_keys.items()
    ]
    return (
        *strings,
        *integers,
        *(_number(k, truth, item) for k, item in parts.numeric_keys.items()),
    )


def _number(key: str, truth: Mapping[str, Any], item: _Numeric) -> KeyRule:
    return KeyRule(
        key, "number", truth.get(key), item.absolute_tolerance, item.min_value, item.max_value
    )


def spec_rules(
    spec: ProblemSpec, truth: Mapping[str, Any], tolerance: Mapping[str, float]
) -> tuple[KeyRule, ...]:
    """Rules of a problem for one true answer.

    Parameters
    ----------
    spec
        The problem's contract.
    truth
        The true value per key.
    tolerance
        Tolerances of this case; the problem's where absent.
    """
    return tuple(
        KeyRule(a.key, a.type, truth.get(a.key), tolerance.get(a.key, a.tolerance), a.min, a.max)
        for a in spec.answer
    )


def write_published(
    spec: ProblemSpec, rules: tuple[KeyRule, ...], data_files: tuple[str, ...]
) -> str:
    """The `eval_config.json` of a case.

    Parameters
    ----------
    spec
        The problem's contract.
    rules
        Rules with their true values.
    data_files
        Names of the released files.

    Returns
    -------
    JSON text.
    """
    kinds = {rule.kind for rule in rules}
    grader: dict[str, Any]
    if kinds == {"number"}:
        keys = {r.key: _numeric_config(r) for r in rules}
        grader = {"type": "multi_numeric_tolerance", "config": {"keys": keys}}
    else:
        grader = {"type": "composite", "config": _composite_config(rules)}
    config = {
        "id": spec.eval_id or spec.name,
        "task": spec.question,
        "data_files": list(data_files),
        "ground_truth": {r.key: r.truth for r in rules},
        "grader": grader,
    }
    return json.dumps(config, indent=2) + "\n"


def _composite_config(rules: tuple[KeyRule, ...]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for rule in rules:
        if rule.kind == "number":
            config.setdefault("numeric_keys", {})[rule.key] = _numeric_config(rule)
        elif rule.kind == "integer":
            config.setdefault("integer_keys", {})[rule.key] = _range(rule)
        else:
            exact = {"case_sensitive": rule.case_sensitive, "required": rule.required}
            config.setdefault("exact_match_keys", {})[rule.key] = exact
    return config


def _numeric_config(rule: KeyRule) -> dict[str, Any]:
    return {"absolute_tolerance": rule.tolerance, **_range(rule)}


def _range(rule: KeyRule) -> dict[str, Any]:
    bounds = {"min_value": rule.min, "max_value": rule.max}
    given = {name: value for name, value in bounds.items() if value is not None}
    if rule.kind != "integer":
        return given
    inward = {"min_value": math.ceil, "max_value": math.floor}
    return {name: inward[name](value) for name, value in given.items()}
