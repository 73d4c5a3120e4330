"""`list` and `describe`: what problems there are and what one asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refsolve.contract.discovery import Problem, discover, find_problem
from refsolve.core.errors import RefsolveError


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the catalogue; `trouble` says why a folder cannot be used."""

    name: str
    title: str
    origin: str
    folder: str
    trouble: str = ""


def list_problems(solvers: Sequence[Path | str] = ()) -> tuple[Listed, ...]:
    """All problems found, usable or not.

    Parameters
    ----------
    solvers
        Folders to look in first.
    """
    return tuple(_listed(problem) for problem in discover(solvers).values())


def _listed(problem: Problem) -> Listed:
    try:
        return Listed(problem.name, problem.spec.title, problem.origin, str(problem.folder))
    except RefsolveError as trouble:
        return Listed(problem.name, "", problem.origin, str(problem.folder), str(trouble))


def describe(problem: str | Problem, solvers: Sequence[Path | str] = ()) -> dict[str, Any]:
    """Question, files, answer, parameters, decisions with all choices, and generator knobs.

    Parameters
    ----------
    problem
        Name or folder.
    solvers
        Folders to look in first.

    Returns
    -------
    Plain data, ready for JSON.
    """
    found = find_problem(problem, solvers)
    spec = found.spec.model_dump(mode="json")
    described = {
        key: spec[key]
        for key in ("name", "title", "question", "eval_id", "method", "file", "answer")
    }
    described["parameters"] = spec["parameter"]
    described["decisions"] = [
        _decision(found, item.key, item.question) for item in found.spec.decision
    ]
    described["knobs"] = _knobs(found)
    return described


def _decision(problem: Problem, key: str, question: str) -> dict[str, Any]:
    choices = problem.lattice.choices[key].values()
    listed = [{"name": c.name, "kind": c.kind, "effect": c.effect} for c in choices]
    return {"key": key, "question": question, "choices": listed}


def _knobs(problem: Problem) -> list[dict[str, Any]]:
    from refsolve.contract.generating import knob_fields

    return [
        {"key": f.key, "default": f.default, "description": f.description}
        for f in knob_fields(problem)
    ]
