"""`certify`: generated cases × paths, and a verdict on the problem itself."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refsolve.contract.certificate import Certificate, assemble
from refsolve.contract.discovery import Problem, find_problem
from refsolve.contract.generating import clean_knobs, draw, write_case
from refsolve.contract.grading import Grade, judge
from refsolve.contract.ledger import NULL, Cell, Ledger, path_of, path_text
from refsolve.contract.outcome import GeneratedCase, Mapper, Outcome
from refsolve.contract.published import KeyRule, spec_rules
from refsolve.contract.solving import load_case, open_case, solve_case
from refsolve.core.errors import RefsolveError, UsageError

PATHS_PER_TASK = 8
# What a case or a path may raise without ending the certification.
STUCK = (RefsolveError, ValueError, ArithmeticError)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Task:
    """One seed and some paths; all a worker needs, and picklable."""

    name: str
    folder: str
    sources: str
    seed: int
    knobs: tuple[tuple[str, Any], ...]
    paths: tuple[str, ...]


def certify(
    problem: str | Problem,
    *,
    seeds: int | None = None,
    knobs: Mapping[str, Any] | None = None,
    depth: int = 2,
    map_: Mapper[Any, Any] = map,
    out: Path | str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    solvers: Sequence[Path | str] = (),
) -> Certificate:
    """Solve generated cases along every path and judge the separation.

    Parameters
    ----------
    problem
        Name or folder.
    seeds
        How many cases; the problem's own number when absent.
    knobs
        Settings of the generator that differ from the default.
    depth
        Largest number of deviations taken together.
    map_
        How tasks are mapped; results do not depend on it.
    out
        Folder for the work, the table, the figure and the certificate.
    resume
        Go on with finished work in `out`.
    progress
        Called with the number of cells done and planned.
    solvers
        Folders to look in first.

    Returns
    -------
    The certificate; `passed` is the verdict.
    """
    found = find_problem(problem, solvers)
    count = found.spec.seeds.count if seeds is None else seeds
    if count < 1 or depth < 1:
        raise UsageError(f"certify needs at least one seed and depth 1, got {count} and {depth}.")
    chosen = range(found.spec.seeds.certify, found.spec.seeds.certify + count)
    clean = clean_knobs(found, knobs or {})
    paths = [path_text(d) for level in range(depth + 1) for d in found.lattice.deviations(level)]
    folder = _folder(out)
    identity = {"problem": found.name, "sources": found.fingerprint(), "knobs": clean}
    start = time.perf_counter()
    with Ledger(folder, identity, resume=resume) as ledger:
        _fill(ledger, found, chosen, clean, [*paths, NULL], map_, progress)
        cells = [c for c in ledger.cells(chosen) if c.path in {*paths, NULL}]
    certificate = assemble(
        found, cells, [*paths, NULL], len(chosen), time.perf_counter() - start, clean
    )
    if folder:
        certificate.write(folder)
    return certificate


def _folder(out: Path | str | None) -> Path | None:
    if out is None:
        return None
    Path(out).mkdir(parents=True, exist_ok=True)
    return Path(out)


def _fill(
    ledger: Ledger,
    problem: Problem,
    seeds: range,
    knobs: Mapping[str, Any],
    paths: Sequence[str],
    map_: Mapper[Any, Any],
    progress: Progress | None,
) -> None:
    done = ledger.done()
    finished = sum((seed, path) in done for seed in seeds for path in paths)
    if progress:
        progress(finished, len(seeds) * len(paths))
    for cells in map_(run_task, _tasks(problem, seeds, knobs, paths, done)):
        ledger.add(cells)
        finished += len(cells)
        if progress:
            progress(finished, len(seeds) * len(paths))


def _tasks(
    problem: Problem,
    seeds: range,
    knobs: Mapping[str, Any],
    paths: Sequence[str],
    done: set[tuple[int, str]],
) -> Iterator[Task]:
    folder, sources = str(problem.folder.absolute()), problem.fingerprint()
    for seed in seeds:
        todo = [path for path in paths if (seed, path) not in done]
        for first in range(0, len(todo), PATHS_PER_TASK):
            some = tuple(todo[first : first + PATHS_PER_TASK])
            yield Task(problem.name, folder, sources, seed, tuple(knobs.items()), some)


def run_task(task: Task) -> list[Cell]:
    """Generate a case and solve it along the paths of a task.

    Parameters
    ----------
    task
        What to do. A worker on another machine finds the problem by its name.
    """
    folder = Path(task.folder)
    problem = Problem(folder) if folder.is_dir() else find_problem(task.name)
    if problem.fingerprint() != task.sources:
        raise UsageError(
            f"A worker has other sources of {task.name} or of refsolve.",
            hint="Install the same version everywhere and restart the workers.",
        )
    made = draw(problem, task.seed, dict(task.knobs))
    rules = spec_rules(problem.spec, made.answer, made.tolerance)
    with tempfile.TemporaryDirectory() as place:
        write_case(problem, made, Path(place), seed=task.seed, knobs=dict(task.knobs))
        try:
            loaded = load_case(problem, open_case(problem, place, {}))
        except STUCK as stuck:
            return [_without_answer(task.seed, path, stuck) for path in task.paths]
        solve_along = _Solver(problem, loaded, made, rules, task.seed)
        return [solve_along(path) for path in task.paths]


def _without_answer(seed: int, path: str, stuck: Exception) -> Cell:
    trouble = f"{type(stuck).__name__}: {stuck}"
    return Cell(seed, path, False, {}, {}, None, math.nan, trouble)


@dataclass(frozen=True, slots=True)
class _Solver:
    problem: Problem
    loaded: Any
    made: GeneratedCase
    rules: tuple[KeyRule, ...]
    seed: int

    def __call__(self, path: str) -> Cell:
        if path == NULL:
            return self._cell(
                path, judge(self.problem.name, null_answer(self.problem), self.rules), {}, 0.0
            )
        try:
            outcome = solve_case(self.problem, self.loaded, path_of(path))
        except STUCK as stuck:
            return _without_answer(self.seed, path, stuck)
        grade = judge(self.problem.name, outcome.answer, self.rules)
        return self._cell(path, grade, self._covered(outcome), outcome.seconds)

    def _covered(self, outcome: Outcome) -> dict[str, bool]:
        truth = self.made.answer
        return {k: low <= truth[k] <= high for k, (low, high) in outcome.intervals.items()}

    def _cell(self, path: str, grade: Grade, covered: dict[str, bool], seconds: float) -> Cell:
        errors = {k.key: k.error for k in grade.keys if k.error is not None}
        exact = all(k.passed for k in grade.keys if k.tolerance is None)
        units = [k.tolerances for k in grade.keys if k.tolerances is not None]
        largest = max(units) if units and exact else None
        return Cell(self.seed, path, grade.passed, errors, covered, largest, seconds)


def null_answer(problem: Problem) -> dict[str, Any]:
    """What somebody answers who does nothing: zeros, and the first accepted string.

    Parameters
    ----------
    problem
        The problem.
    """
    zero: dict[str, Any] = {"number": 0.0, "integer": 0}
    return {a.key: zero.get(a.type, a.values[0] if a.values else "") for a in problem.spec.answer}
