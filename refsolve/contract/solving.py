"""`solve`: run a solver on a case along a path."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refsolve.contract.decisions import Walk
from refsolve.contract.discovery import Problem, find_problem
from refsolve.contract.outcome import Case, Mapper, Outcome
from refsolve.contract.values import coerce
from refsolve.core.blas import one_blas_thread
from refsolve.core.errors import AnalysisError, InputError, UsageError, Violation
from refsolve.core.result import jsonable

PUBLISHED = "eval_config.json"


def solve(
    problem: str | Problem,
    case: Path | str,
    *,
    path: Mapping[str, str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    map_: Mapper[Any, Any] = map,
    solvers: Sequence[Path | str] = (),
) -> Outcome:
    """Solve a case.

    Parameters
    ----------
    problem
        Name or folder.
    case
        Folder with the released files, or a published package's problem folder.
    path
        Decisions taken otherwise than by the reference.
    parameters
        Values given with the question that differ from the default.
    map_
        How independent items are mapped.
    solvers
        Folders to look in first.

    Returns
    -------
    Answer, evidence, diagnostics and timing.

    Raises
    ------
    InputError
        The files break the contract of the problem.
    AnalysisError
        The files are valid and the analysis cannot be done.
    """
    found = find_problem(problem, solvers)
    return solve_case(found, open_case(found, case, parameters or {}, map_), path or {})


def open_case(
    problem: Problem,
    folder: Path | str,
    parameters: Mapping[str, Any],
    map_: Mapper[Any, Any] = map,
) -> Case:
    """The case in a folder.

    Parameters
    ----------
    problem
        The problem.
    folder
        Folder with the released files, or a published package's problem folder.
    parameters
        Values that differ from the default.
    map_
        How independent items are mapped.
    """
    place = Path(folder)
    if not place.is_dir():
        raise InputError(
            [Violation(str(folder), "", None, None, "a folder with the released files")]
        )
    if (place / PUBLISHED).is_file() and (place / "data_files").is_dir():
        place = place / "data_files"
    values = coerce(parameters, problem.spec.parameters, "parameter")
    for item in problem.spec.parameter:
        value = values.get(item.key, item.value)
        if not item.accepts(value):
            raise UsageError(f"parameter {item.key} = {value} is outside [{item.min}, {item.max}].")
    return Case(problem.spec, place, {**problem.spec.parameters, **values}, map_)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A case whose files were read once, to be solved along many paths."""

    case: Case
    tables: Any


def load_case(problem: Problem, case: Case) -> Loaded:
    """Read the files of a case.

    Parameters
    ----------
    problem
        The problem.
    case
        The case.
    """
    return Loaded(case, problem.module("solve").load(case))


def solve_case(problem: Problem, case: Case | Loaded, deviations: Mapping[str, str]) -> Outcome:
    """Solve an opened case.

    Parameters
    ----------
    problem
        The problem.
    case
        The case, or its files already read.
    deviations
        Decisions taken otherwise than by the reference.
    """
    walk = Walk(problem.lattice, problem.lattice.path(deviations))
    start = time.perf_counter()
    loaded = case if isinstance(case, Loaded) else load_case(problem, case)
    try:
        with one_blas_thread():  # an answer must not depend on how many there are
            solution = problem.module("solve").solve(loaded.case, loaded.tables, walk)
    except (ValueError, ArithmeticError) as stuck:
        # What a method says of values that a valid case led to.
        raise AnalysisError(f"{problem.name}: {stuck}.") from stuck
    seconds = time.perf_counter() - start
    _check_answer(problem, solution.answer)
    _check_walk(problem, walk)
    return Outcome(
        problem=problem.name,
        path=dict(walk.path),
        answer={key: jsonable(value) for key, value in solution.answer.items()},
        intervals={
            key: (float(low), float(high)) for key, (low, high) in solution.intervals.items()
        },
        decisions=tuple(walk.evidence),
        diagnostics=jsonable(dict(solution.diagnostics)),
        seconds=seconds,
        artefacts=dict(solution.artefacts),
    )


def _check_walk(problem: Problem, walk: Walk) -> None:
    # A decision that is not taken makes its wrong turns look harmless.
    passed_over = walk.path.keys() - {item.decision for item in walk.evidence}
    if passed_over:
        raise UsageError(f"{problem.name}: solve.py never takes {sorted(passed_over)}.")


def _check_answer(problem: Problem, answer: Mapping[str, Any]) -> None:
    expected = [a.key for a in problem.spec.answer]
    if sorted(answer) != sorted(expected):
        raise UsageError(
            f"{problem.name}: solve.py answers {sorted(answer)}, problem.toml asks {expected}."
        )
