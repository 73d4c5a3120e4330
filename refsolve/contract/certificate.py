"""A certificate: one row per path, a two-sided gate, and a recommended tolerance."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refsolve.contract import statistics
from refsolve.contract.charts import pass_rate_chart
from refsolve.contract.discovery import Problem
from refsolve.contract.ledger import NULL, Cell, path_of
from refsolve.core.files import write_atomic
from refsolve.core.result import Result, jsonable

if TYPE_CHECKING:
    import pandas as pd

REFERENCE_AT_LEAST = 0.95
WRONG_AT_MOST = 0.05
DEFENSIBLE_AT_LEAST = 0.90
COVERAGE = 0.95


@dataclass(frozen=True, slots=True)
class KeyStatistics:
    """How one numeric key errs along one path.

    Attributes
    ----------
    key
        Name in the answer.
    bias
        Mean error.
    rmse
        Root mean square error.
    spread
        95 % quantile of the absolute error.
    coverage
        Share of intervals that cover the truth; NaN without intervals.
    """

    key: str
    bias: float
    rmse: float
    spread: float
    coverage: float


@dataclass(frozen=True, slots=True)
class PathRow:
    """One path over all seeds.

    Attributes
    ----------
    path
        `decision=choice` pairs; empty for the reference.
    kind
        `reference`, `wrong`, `defensible`, or `null`.
    n, passed
        Cases, and cases in which every key passed.
    rate, low, high
        Pass rate with Wilson's 95 % interval.
    keys
        Error per numeric key.
    median_units
        Median of the largest error in tolerances, over cases with the exact keys right.
    failures
        Cases without an answer.
    seconds
        Median wall time.
    verdict
        `ok`, `harmless: why`, `cancels`, or what is wrong.
    """

    path: str
    kind: str
    n: int
    passed: int
    rate: float
    low: float
    high: float
    keys: tuple[KeyStatistics, ...]
    median_units: float
    failures: int
    seconds: float
    verdict: str


@dataclass(frozen=True, slots=True)
class Certificate(Result):
    """Verdict on a problem, its reference solver, and its tolerances.

    Attributes
    ----------
    problem
        Name of the problem.
    passed
        Whether every gate holds.
    reasons
        The gates that do not hold.
    notes
        What the verdict does not rest on: cases or pairs that were not run, and intervals of the
        reference that cover too seldom.
    seeds
        Number of generated cases.
    knobs
        Generator settings that differ from the default.
    rows
        One per path, in the order of the lattice.
    tolerances
        Per numeric key: the present, the recommended, and what both rest on.
    seconds
        Wall time of this run.
    """

    problem: str
    passed: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    seeds: int
    knobs: dict[str, Any]
    rows: tuple[PathRow, ...]
    tolerances: dict[str, dict[str, Any]]
    seconds: float

    def to_frame(self) -> pd.DataFrame:
        """One row per path, one block of columns per numeric key."""
        import pandas as pd

        return pd.DataFrame([_flat(row) for row in self.rows])

    def summary(self) -> str:
        """Verdict and the rows of reference, single deviations, and null answer."""
        state = "certified" if self.passed else "NOT certified"
        lines = [f"{self.problem}: {state} over {self.seeds} seeds ({len(self.rows)} paths)"]
        lines += [f"  {reason}" for reason in (*self.reasons, *self.notes)]
        for row in self.rows:
            if "," not in row.path:
                span = f"{row.rate:6.1%} [{row.low:.1%}, {row.high:.1%}]"
                lines.append(f"  {span:<26} {row.path or 'reference':<40} {row.verdict}")
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """Write `certificate.json`, `paths.tsv` and `pass_rates.svg`.

        Parameters
        ----------
        folder
            Where to.
        """
        write_atomic(
            folder / "paths.tsv", self.to_frame().to_csv(sep="\t", index=False, float_format="%.6g")
        )
        write_atomic(folder / "pass_rates.svg", pass_rate_chart(self.problem, self.rows))
        write_atomic(folder / "certificate.json", json.dumps(self.to_dict(), indent=2) + "\n")


def _flat(row: PathRow) -> dict[str, Any]:
    flat = {k: v for k, v in asdict(row).items() if k not in ("keys", "verdict")}
    flat["path"] = row.path or "reference"
    for item in row.keys:
        flat |= {f"{item.key}_{k}": v for k, v in asdict(item).items() if k != "key"}
    return flat | {"verdict": row.verdict}


def assemble(
    problem: Problem,
    cells: Sequence[Cell],
    paths: Sequence[str],
    seeds: int,
    seconds: float,
    knobs: Mapping[str, Any],
) -> Certificate:
    """Judge finished cells.

    Parameters
    ----------
    problem
        The problem.
    cells
        Finished work, ordered by seed and path.
    paths
        In the order of the lattice, the null answer last.
    seeds
        Number of cases.
    seconds
        Wall time of the run.
    knobs
        Generator settings that differ from the default.
    """
    by_path: dict[str, list[Cell]] = {path: [] for path in paths}
    for cell in cells:
        by_path[cell.path].append(cell)
    rows = tuple(_row(problem, path, by_path[path]) for path in paths)
    reasons = tuple(
        f"{r.path or 'reference'}: {r.verdict}" for r in rows if r.verdict.startswith("gate")
    )
    tolerances = {
        a.key: _tolerance(problem, a.key, by_path) for a in problem.spec.answer if a.tolerance
    }
    return Certificate(
        problem=problem.name,
        passed=not reasons,
        reasons=reasons,
        notes=(*_left_out(problem, paths, seeds), *_short_intervals(by_path[""])),
        seeds=seeds,
        knobs=jsonable(dict(knobs)),
        rows=rows,
        tolerances=tolerances,
        seconds=seconds,
    )


def _left_out(problem: Problem, paths: Sequence[str], seeds: int) -> Iterator[str]:
    wanted = problem.spec.seeds.count
    if seeds < wanted:
        yield f"note: {seeds} of the {wanted} cases that the problem asks for"
    if not any("," in path for path in paths) and len(problem.spec.decision) > 1:
        yield "note: pairs of deviations were not run"


def _short_intervals(reference: Sequence[Cell]) -> Iterator[str]:
    """Keys whose intervals cover the truth surely less often than 95 % of the time."""
    for key in sorted({key for cell in reference for key in cell.covered}):
        covered = [cell.covered[key] for cell in reference if key in cell.covered]
        low, high = statistics.wilson(sum(covered), len(covered))
        if high < COVERAGE:
            yield f"note: intervals of {key} cover {low:.0%} to {high:.0%} of the time"


def _row(problem: Problem, path: str, cells: Sequence[Cell]) -> PathRow:
    n, passed = len(cells), sum(c.passed for c in cells)
    low, high = statistics.wilson(passed, n)
    rate = passed / n if n else math.nan
    kind, verdict = _verdict(problem, path, rate)
    units = [c.tolerances for c in cells if c.tolerances is not None]
    keys = tuple(_key(a.key, cells) for a in problem.spec.answer if a.tolerance)
    failures = sum(bool(c.trouble) for c in cells)
    seconds = statistics.median([c.seconds for c in cells if not c.trouble])
    middle = statistics.median(units)
    return PathRow(path, kind, n, passed, rate, low, high, keys, middle, failures, seconds, verdict)


def _key(key: str, cells: Sequence[Cell]) -> KeyStatistics:
    errors = [c.errors[key] for c in cells if key in c.errors]
    covered = [float(c.covered[key]) for c in cells if key in c.covered]
    spread = statistics.quantile([abs(e) for e in errors], 0.95)
    return KeyStatistics(
        key,
        statistics.mean(errors),
        statistics.root_mean_square(errors),
        spread,
        statistics.mean(covered),
    )


def _verdict(problem: Problem, path: str, rate: float) -> tuple[str, str]:
    if path == NULL:
        return "null", "ok" if rate == 0 else f"gate: a null answer passes {rate:.1%}"
    deviations = path_of(path)
    kind = problem.lattice.kind(deviations)
    if kind == "reference":
        good = rate >= REFERENCE_AT_LEAST
        return (
            kind,
            "ok" if good else f"gate: the reference passes {rate:.1%} < {REFERENCE_AT_LEAST:.0%}",
        )
    if kind == "defensible":
        good = rate >= DEFENSIBLE_AT_LEAST or len(deviations) > 1
        return (
            kind,
            "ok" if good else f"gate: defensible, passes {rate:.1%} < {DEFENSIBLE_AT_LEAST:.0%}",
        )
    if rate <= WRONG_AT_MOST:
        return kind, "ok"
    return kind, _why_wrong_passes(problem, deviations, rate)


def _why_wrong_passes(problem: Problem, deviations: Mapping[str, str], rate: float) -> str:
    harmless = {d.key: d.harmless for d in problem.spec.decision}
    wrong = [(k, n) for k, n in deviations.items() if problem.lattice.choices[k][n].kind == "wrong"]
    reasons = [harmless[k].get(n) for k, n in wrong]
    if all(reasons):
        return f"harmless: {'; '.join(map(str, reasons))}"
    if len(deviations) > 1:
        return f"cancels: passes {rate:.1%} although a wrong turn is in it"
    return f"gate: wrong, passes {rate:.1%} > {WRONG_AT_MOST:.0%}"


def _present(problem: Problem, key: str) -> float:
    return next(a.tolerance for a in problem.spec.answer if a.key == key and a.tolerance)


def _harmful(problem: Problem) -> list[str]:
    """Single wrong turns that are not documented as harmless."""
    harmless = {f"{d.key}={name}" for d in problem.spec.decision for name in d.harmless}
    paths = {
        f"{key}={name}": problem.lattice.choices[key][name].kind
        for deviation in problem.lattice.deviations(1)
        for key, name in deviation.items()
    }
    return [path for path, kind in paths.items() if kind == "wrong" and path not in harmless]


def _smallest_errors(problem: Problem, cells: Sequence[Cell]) -> dict[str, float]:
    """Error per numeric key that nearly all cases exceed, over cases with the exact keys right."""
    judged = [c for c in cells if c.tolerances is not None]
    keys = [a.key for a in problem.spec.answer if a.tolerance]
    errors = {key: [abs(c.errors[key]) for c in judged if key in c.errors] for key in keys}
    return {k: statistics.quantile(e, WRONG_AT_MOST) for k, e in errors.items() if e}


def _tolerance(problem: Problem, key: str, by_path: Mapping[str, Sequence[Cell]]) -> dict[str, Any]:
    """Recommended tolerance: above 4 SD of the reference, below half the smallest wrong error."""
    sd = statistics.root_mean_square([c.errors[key] for c in by_path[""] if key in c.errors])
    wrong: dict[str, float] = {}
    for path in _harmful(problem):
        errors = _smallest_errors(problem, by_path.get(path, []))
        # Another key that tells this path apart better leaves this one alone.
        if errors and max(errors, key=lambda k: errors[k] / _present(problem, k)) == key:
            wrong[path] = errors[key]
    floor, nearest = 4 * sd, min(wrong, key=lambda k: wrong[k], default="")
    ceiling = wrong[nearest] if nearest else math.inf
    separated = floor < ceiling
    recommended = (
        math.sqrt(floor * ceiling) if separated and 0 < floor and ceiling < math.inf else floor
    )
    return {
        "present": _present(problem, key),
        "recommended": recommended,
        "four_sd_of_reference": floor,
        "smallest_wrong_error": jsonable(ceiling),
        "nearest_wrong_path": nearest,
        "separated": separated,
    }
