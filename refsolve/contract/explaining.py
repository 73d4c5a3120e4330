"""`explain`: which wrong turn reproduces a submitted answer.

Every path of up to `depth` deviations is solved on the very case and ranked by its distance from
the answer in tolerance units. Where that is more paths than the budget allows, the search goes on
from the paths that came nearest, and the explanation says what was covered.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refsolve.contract.discovery import Problem, find_problem
from refsolve.contract.distance import distance, numeric_distance
from refsolve.contract.grading import plain, read_answer
from refsolve.contract.outcome import Mapper
from refsolve.contract.solving import Loaded, load_case, open_case, solve_case
from refsolve.core.errors import AnalysisError, InputError, UsageError, Violation
from refsolve.core.result import Result, jsonable

REPRODUCES = 0.05
NEAR = 1.0

Deviations = Mapping[str, str]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One path and what it answers on this case.

    Attributes
    ----------
    deviations
        Decisions taken otherwise than by the reference; empty for the reference.
    kind
        `reference`, `wrong`, or `defensible`.
    answer
        Its answer; None where the path cannot be followed on this case.
    distance
        From the submitted answer beyond its rounding, in tolerances; infinite where an exact key
        differs.
    numeric
        The same over the numeric keys alone.
    trouble
        Why the path has no answer.
    """

    deviations: dict[str, str]
    kind: str
    answer: dict[str, Any] | None
    distance: float
    numeric: float
    trouble: str = ""

    @property
    def label(self) -> str:
        """`decision=choice` pairs, or `reference`."""
        return ", ".join(f"{k}={v}" for k, v in self.deviations.items()) or "reference"


@dataclass(frozen=True, slots=True)
class Explanation(Result):
    """Paths ranked by distance from the submitted answer.

    Attributes
    ----------
    problem
        Name of the problem.
    answer
        The submitted answer.
    diagnosis
        The finding in plain language.
    matched
        Whether some path comes within one tolerance on every key.
    candidates
        Best first; of equally near paths the one with fewer deviations.
    solved, total
        Paths solved, and paths there are up to the depth.
    depth
        Largest number of deviations considered.
    seconds
        Wall time.
    """

    problem: str
    answer: dict[str, Any]
    diagnosis: str
    matched: bool
    candidates: tuple[Candidate, ...]
    solved: int
    total: int
    depth: int
    seconds: float

    def summary(self) -> str:
        """Diagnosis and the five nearest paths."""
        lines = [self.diagnosis, f"{self.solved} of {self.total} paths solved."]
        lines += [f"  {_away(c):<22}  {c.label}" for c in self.candidates[:5]]
        return "\n".join(lines)


def explain(
    problem: str | Problem,
    case: Path | str,
    answer: Path | str | Mapping[str, Any],
    *,
    depth: int = 2,
    budget: int = 600,
    parameters: Mapping[str, Any] | None = None,
    map_: Mapper[Any, Any] = map,
    progress: Progress | None = None,
    solvers: Sequence[Path | str] = (),
) -> Explanation:
    """Find the path that leads to a submitted answer. The truth is never read.

    Parameters
    ----------
    problem
        Name or folder.
    case
        Folder of the case.
    answer
        Answer file, or mapping of keys to values.
    depth
        Largest number of deviations taken together.
    budget
        Largest number of paths that are solved.
    parameters
        Values given with the question that differ from the default.
    map_
        How paths are mapped.
    progress
        Called with the number of paths done and planned.
    solvers
        Folders to look in first.
    """
    start = time.perf_counter()
    found = find_problem(problem, solvers)
    given = plain(answer) if isinstance(answer, Mapping) else read_answer(Path(answer))
    _check_given(found, given)
    if depth < 0 or budget < 1:
        raise UsageError(f"depth {depth} and budget {budget} must be at least 0 and 1.")
    loaded = load_case(found, open_case(found, case, parameters or {}))
    search = _Search(_Along(found, loaded, given), map_, budget, progress)
    search.run(depth)
    ranked = tuple(sorted(search.done, key=_rank))
    total = sum(len(found.lattice.deviations(d)) for d in range(depth + 1))
    text, matched = _diagnose(found, ranked)
    seconds = time.perf_counter() - start
    shown = jsonable(given)
    return Explanation(found.name, shown, text, matched, ranked, len(ranked), total, depth, seconds)


@dataclass(frozen=True, slots=True)
class _Along:
    """Solves the case along a path; another process reads the files for itself."""

    problem: Problem
    loaded: Loaded
    given: Mapping[str, Any]

    def __reduce__(self) -> tuple[object, ...]:
        case = self.loaded.case
        return _reopen, (self.problem, case.folder, dict(case.parameters), self.given)

    def __call__(self, deviations: Deviations) -> Candidate:
        kind, spec = self.problem.lattice.kind(deviations), self.problem.spec
        try:
            answer = solve_case(self.problem, self.loaded, deviations).answer
        except (AnalysisError, ValueError, ArithmeticError) as stuck:
            return Candidate(dict(deviations), kind, None, math.inf, math.inf, str(stuck))
        far = distance(spec, answer, self.given)
        return Candidate(
            dict(deviations), kind, answer, far, numeric_distance(spec, answer, self.given)
        )


def _reopen(
    problem: Problem, folder: Path, parameters: Mapping[str, Any], given: Mapping[str, Any]
) -> _Along:
    return _Along(problem, load_case(problem, open_case(problem, folder, parameters)), given)


class _Search:
    """Paths solved level by level; when the budget is short, the most promising first."""

    def __init__(
        self, along: _Along, map_: Mapper[Any, Any], budget: int, progress: Progress | None
    ) -> None:
        self.along, self.map_ = along, map_
        self.budget, self.progress = budget, progress
        self.done: list[Candidate] = []

    def run(self, depth: int) -> None:
        for level in range(depth + 1):
            wanted = self.along.problem.lattice.deviations(level)
            room = self.budget - len(self.done)
            if len(wanted) > room:
                wanted = sorted(wanted, key=self._promise)[:room]
            planned = len(self.done) + len(wanted)
            for candidate in self.map_(self.along, wanted):
                self.done.append(candidate)
                if self.progress:
                    self.progress(len(self.done), planned)

    def _promise(self, deviations: Deviations) -> tuple[float, str]:
        """Nearness of the best path of fewer deviations that this one continues."""
        items = set(deviations.items())
        parts = [c.numeric for c in self.done if c.deviations and set(c.deviations.items()) < items]
        return min(parts, default=math.inf), str(sorted(items))


def _rank(candidate: Candidate) -> tuple[float, float, int, str]:
    # Differences below a thousandth of a tolerance are rounding of the computation.
    near = round(candidate.distance, 3), round(candidate.numeric, 3)
    return *near, len(candidate.deviations), candidate.label


def _diagnose(problem: Problem, ranked: Sequence[Candidate]) -> tuple[str, bool]:
    best = ranked[0]
    reference = next(c for c in ranked if not c.deviations)
    if reference.distance <= REPRODUCES or (best is reference and best.distance <= NEAR):
        return (
            f"The answer agrees with the reference path ({_away(reference)}).",
            True,
        )
    if best.distance > NEAR:
        nearest = f"the nearest, {best.label}, is {_away(best)}"
        return f"No known path comes near this answer: {nearest}.", False
    verb = "reproduces" if best.distance <= REPRODUCES else "comes near"
    turns = "; ".join(_turn(problem, key, name) for key, name in best.deviations.items())
    twins = [c.label for c in ranked[1:] if c.distance <= max(best.distance * 1.2, REPRODUCES)]
    also = f" Not to be told apart from it on this case: {'; '.join(twins[:3])}." if twins else ""
    away = f"The reference is {_away(reference)}."
    return f"One path {verb} this answer ({_away(best)}): {turns} {away}{also}", True


def _turn(problem: Problem, key: str, name: str) -> str:
    effect = problem.lattice.choices[key][name].effect
    return f"{key} taken as {name} ({effect.rstrip('.')})."


def _away(candidate: Candidate) -> str:
    if candidate.answer is None:
        return "without an answer here"
    if math.isinf(candidate.distance):
        return "at another exact value"
    return f"{candidate.distance:.2f} tolerances away"


def _check_given(problem: Problem, given: Mapping[str, Any]) -> None:
    absent = [a.key for a in problem.spec.answer if a.key not in given]
    if absent:
        raise InputError(
            [Violation("answer", key, None, None, "a value to explain") for key in absent]
        )
