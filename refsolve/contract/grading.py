"""`grade`: an answer against the truth, key by key, in tolerance units.

Tolerances are inclusive *as written*: 1.1 passes against 1.0 ± 0.1 although the binary numbers
differ by more, because the decimal texts are compared.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from refsolve.contract.discovery import Problem, find_problem
from refsolve.contract.published import KeyRule, read_published, spec_rules
from refsolve.core.errors import InputError, Violation
from refsolve.core.result import Result

ENVELOPE = '{"answer": {…}, "reasoning": "…"}'


@dataclass(frozen=True, slots=True)
class KeyVerdict:
    """Judgment of one key.

    Attributes
    ----------
    key
        Name in the answer.
    passed
        Whether it is accepted.
    given, truth
        The two values.
    error
        Signed error of a number.
    tolerance
        Largest error that passes.
    tolerances
        Absolute error in units of the tolerance; None where there is none.
    reason
        One sentence.
    """

    key: str
    passed: bool
    given: Any
    truth: Any
    error: float | None
    tolerance: float | None
    tolerances: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Grade(Result):
    """Verdict on an answer; every key must pass.

    Attributes
    ----------
    problem
        Name of the problem.
    passed
        Whether every key passed and none was added.
    keys
        Verdict per key.
    extra
        Keys of the answer that the problem does not know; they are rejected.
    """

    problem: str
    passed: bool
    keys: tuple[KeyVerdict, ...]
    extra: tuple[str, ...]

    def summary(self) -> str:
        """One line per key."""
        lines = [f"{self.problem}: {'passed' if self.passed else 'FAILED'}"]
        lines += [f"  {'ok  ' if k.passed else 'FAIL'} {k.key}: {k.reason}" for k in self.keys]
        return "\n".join(
            [*lines, *(f"  FAIL {key}: not a key of this problem" for key in self.extra)]
        )


def grade(
    problem: str | Problem,
    answer: Path | str | Mapping[str, Any],
    truth: Path | str | Mapping[str, Any],
    *,
    solvers: Sequence[Path | str] = (),
) -> Grade:
    """Judge an answer.

    Parameters
    ----------
    problem
        Name or folder.
    answer
        Answer file, or the mapping of answer keys to values.
    truth
        `truth.json`, `eval_config.json`, a folder that holds one of them, or a mapping
        `{"answer": …, "tolerance": …}`.
    solvers
        Folders to look in first.

    Raises
    ------
    InputError
        A file cannot be read or has not the required shape.
    """
    found = find_problem(problem, solvers)
    given = _plain(answer) if isinstance(answer, Mapping) else read_answer(Path(answer))
    rules = _rules(found, truth)
    return judge(found.name, given, rules)


def _plain(answer: Mapping[str, Any]) -> dict[str, Any]:
    # NumPy scalars are numbers to everybody but to isinstance and repr.
    return {key: value.item() if hasattr(value, "item") else value for key, value in answer.items()}


def judge(name: str, given: Mapping[str, Any], rules: Sequence[KeyRule]) -> Grade:
    """Judge values against rules.

    Parameters
    ----------
    name
        Name of the problem.
    given
        Value per key.
    rules
        One rule per graded key.
    """
    verdicts = tuple(_verdict(rule, given) for rule in rules)
    extra = tuple(key for key in given if key not in {rule.key for rule in rules})
    return Grade(name, all(v.passed for v in verdicts) and not extra, verdicts, extra)


def read_answer(path: Path) -> dict[str, Any]:
    """Answer values of an answer file.

    Parameters
    ----------
    path
        A JSON file with the envelope `{"answer": …}`.
    """
    raw = _read_json(path)
    if not isinstance(raw, dict) or not isinstance(raw.get("answer"), dict):
        raise InputError([Violation(path.name, "answer", None, None, f"the envelope {ENVELOPE}")])
    return dict(raw["answer"])


def _rules(problem: Problem, truth: Path | str | Mapping[str, Any]) -> tuple[KeyRule, ...]:
    if isinstance(truth, Mapping):
        return _truth_rules(problem, truth, "truth")
    path = _truth_file(Path(truth))
    raw = _read_json(path)
    if isinstance(raw, dict) and "grader" in raw:
        return read_published(path).rules
    return _truth_rules(problem, raw, path.name)


def _truth_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    places = [path / "truth.json", path / "eval_config.json", path.parent / "eval_config.json"]
    present = [place for place in places if place.is_file()]
    if not present:
        raise InputError(
            [Violation(str(path), "", None, None, "truth.json or eval_config.json in the folder")]
        )
    return present[0]


def _truth_rules(problem: Problem, raw: Any, source: str) -> tuple[KeyRule, ...]:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("answer"), Mapping):
        raise InputError(
            [Violation(source, "answer", None, None, '{"answer": {…}, "tolerance": {…}}')]
        )
    values, tolerance = raw["answer"], raw.get("tolerance", {})
    wrong = [
        Violation(source, f"answer.{a.key}", None, values.get(a.key), f"a {a.type}")
        for a in problem.spec.answer
        if _rejected(KeyRule(a.key, a.type, None), values.get(a.key))
    ]
    wrong += [
        Violation(source, f"tolerance.{k}", None, v, "a positive number")
        for k, v in tolerance.items()
        if isinstance(v, bool) or not isinstance(v, (int, float)) or not 0 < v < math.inf
    ]
    if wrong:
        raise InputError(wrong)
    return spec_rules(problem.spec, values, tolerance)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as absent:
        raise InputError(
            [Violation(str(path), "", None, None, f"a readable file ({absent.strerror})")]
        ) from absent
    except (UnicodeDecodeError, json.JSONDecodeError) as broken:
        raise InputError([Violation(path.name, "", None, None, f"JSON ({broken})")]) from broken


def _verdict(rule: KeyRule, given: Mapping[str, Any]) -> KeyVerdict:
    if rule.key not in given:
        reason = "missing" if rule.required else "absent, not required"
        return KeyVerdict(
            rule.key, not rule.required, None, rule.truth, None, rule.tolerance, None, reason
        )
    value = given[rule.key]
    rejected = _rejected(rule, value)
    if rejected:
        return KeyVerdict(rule.key, False, value, rule.truth, None, rule.tolerance, None, rejected)
    if rule.kind == "number":
        return _number_verdict(rule, value)
    same = value == rule.truth
    if rule.kind == "string" and not rule.case_sensitive:
        same = value.strip().lower() == str(rule.truth).strip().lower()
    reason = f"{value!r} is right" if same else f"{value!r}, truth {rule.truth!r}"
    return KeyVerdict(rule.key, same, value, rule.truth, None, None, None, reason)


def _number_verdict(rule: KeyRule, value: float) -> KeyVerdict:
    tolerance = rule.tolerance or 0.0
    error = Decimal(repr(value)) - Decimal(repr(rule.truth))
    inside = abs(error) <= Decimal(repr(tolerance))
    units = float(abs(error)) / tolerance if tolerance else (0.0 if inside else math.inf)
    outcome = "within" if inside else "missed by"
    reason = (
        f"{value:.6g}, truth {rule.truth:.6g} ± {tolerance:g}: {outcome} {units:.2f} tolerances"
    )
    return KeyVerdict(rule.key, inside, value, rule.truth, float(error), tolerance, units, reason)


def _rejected(rule: KeyRule, value: Any) -> str:
    """Why a value is not acceptable whatever the truth; empty when it is acceptable."""
    if rule.kind == "string":
        return "" if isinstance(value, str) else f"{value!r} is not a string"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"{value!r} is not a number"
    if not math.isfinite(value):
        return f"{value!r} is not finite"
    if rule.kind == "integer" and not isinstance(value, int):
        return f"{value!r} is not an integer"
    if rule.min is not None and value < rule.min:
        return f"{value!r} is below the smallest accepted value {rule.min:g}"
    if rule.max is not None and value > rule.max:
        return f"{value!r} is above the largest accepted value {rule.max:g}"
    return ""
