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
from refsolve.contract.published import KeyRule, read_published, spec_rules, truth_violations
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
    given = plain(answer) if isinstance(answer, Mapping) else read_answer(Path(answer))
    rules, extra_keys = _rules(found, truth)
    return judge(found.name, given, rules, extra_keys=extra_keys)


def plain(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Answer with Python's numbers: NumPy's are numbers to all but isinstance and repr.

    Parameters
    ----------
    answer
        Value per key.
    """
    return {k: v.item() if getattr(v, "ndim", None) == 0 else v for k, v in answer.items()}


def judge(
    name: str, given: Mapping[str, Any], rules: Sequence[KeyRule], *, extra_keys: bool = False
) -> Grade:
    """Judge values against rules.

    Parameters
    ----------
    name
        Name of the problem.
    given
        Value per key.
    rules
        One rule per graded key.
    extra_keys
        Whether keys without a rule are accepted.
    """
    verdicts = tuple(_verdict(rule, given) for rule in rules)
    known = {rule.key for rule in rules}
    extra = () if extra_keys else tuple(key for key in given if key not in known)
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


def _rules(
    problem: Problem, truth: Path | str | Mapping[str, Any]
) -> tuple[tuple[KeyRule, ...], bool]:
    if isinstance(truth, Mapping):
        return _truth_rules(problem, truth, "truth"), False
    path = _truth_file(Path(truth))
    raw = _read_json(path)
    if isinstance(raw, dict) and "grader" in raw:
        published = read_published(path)
        return published.rules, published.extra_keys
    return _truth_rules(problem, raw, path.name), False


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
    tolerance = raw.get("tolerance", {})
    if not isinstance(tolerance, Mapping):
        raise InputError([Violation(source, "tolerance", None, tolerance, "one number per key")])
    values, tolerance = plain(raw["answer"]), plain(tolerance)
    rules = spec_rules(problem.spec, values, tolerance)
    numeric = {rule.key for rule in rules if rule.kind == "number"}
    wrong = truth_violations(source, "answer", rules) + [
        Violation(source, f"tolerance.{k}", None, v, "a positive number for a numeric key")
        for k, v in tolerance.items()
        if k not in numeric or KeyRule(k, "number", None, min=0).rejects(v) or not v
    ]
    if wrong:
        raise InputError(wrong)
    return rules


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as absent:
        raise InputError(
            [Violation(str(path), "", None, None, f"a readable file ({absent.strerror})")]
        ) from absent
    except (ValueError, RecursionError) as broken:  # not UTF-8, not JSON, or beyond its limits
        raise InputError([Violation(path.name, "", None, None, f"JSON ({broken})")]) from broken


def _verdict(rule: KeyRule, given: Mapping[str, Any]) -> KeyVerdict:
    if rule.key not in given:
        reason = "missing" if rule.required else "absent, not required"
        return KeyVerdict(
            rule.key, not rule.required, None, rule.truth, None, rule.tolerance, None, reason
        )
    value = given[rule.key]
    rejected = rule.rejects(value)
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
