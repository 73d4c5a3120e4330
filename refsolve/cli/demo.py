"""`refsolve demo`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from refsolve.cli.options import FOLDER, cores, json_option, solvers_option
from refsolve.cli.reply import Reply, Table, number, show

if TYPE_CHECKING:
    from refsolve.contract.discovery import Problem
    from refsolve.contract.grading import Grade
    from refsolve.contract.outcome import Mapper, Outcome

WRONG = 3


@click.command("demo", short_help="See generate, solve, grade and explain at work.")
@click.argument("problem", default="wf_selection")
@click.option(
    "--dir", "folder", type=FOLDER, metavar="DIR", help="Where to write; a new temporary folder."
)
@solvers_option
@json_option
def command(problem: str, folder: Path | None, solvers: tuple[Path, ...]) -> Reply:
    """Generate a case of PROBLEM, solve and grade it, go wrong on purpose, have that explained."""
    from refsolve.cli.compiling import announce_compilation
    from refsolve.contract.discovery import find_problem
    from refsolve.core.errors import UsageError
    from refsolve.parallel import mapper

    found = find_problem(problem, solvers)
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty.", hint="Name a new folder.")
    place = folder or Path(tempfile.mkdtemp(prefix="refsolve-demo-"))
    place.mkdir(parents=True, exist_ok=True)
    announce_compilation(found)
    start = time.perf_counter()
    with mapper(cores(), "threads") as map_:
        document = _Demo(found, place, map_).run()
    seconds = time.perf_counter() - start
    show(f"\n{click.style(f'Done in {seconds:.1f} s.', bold=True)} All of it is in {place}")
    return Reply({"schema": "refsolve.demo/1", **document, "seconds": seconds})


@dataclass(slots=True)
class _Demo:
    """The steps of the demonstration; `document` grows with them."""

    problem: Problem
    folder: Path
    map_: Mapper[Any, Any]
    document: dict[str, Any] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        self.document |= {"problem": self.problem.name, "folder": str(self.folder)}
        self._generate()
        outcome = self._solve_well()
        wrong = self._solve_badly()
        self._explain(wrong)
        self._write_files(outcome)
        return self.document

    @property
    def _case(self) -> Path:
        return self.folder / "case"

    def _say(self, text: str, command: str) -> None:
        show(f"\n{click.style(text, bold=True)}")
        show(click.style(f"$ refsolve {command}", dim=True))

    def _generate(self) -> None:
        from refsolve.contract.generating import generate

        name = self.problem.name
        self._say(f"A case of {name}, and its truth", f"generate {name} {self._case}")
        generate(self.problem, self._case)
        files = sorted(file.name for file in self._case.iterdir())
        show(", ".join(files))
        self.document["files"] = files

    def _solve(self, deviations: Mapping[str, str], file: str) -> tuple[Outcome, Grade]:
        """Solve along a path, write the answer, and grade it."""
        from refsolve.contract.grading import grade
        from refsolve.contract.solving import solve
        from refsolve.core.files import write_atomic

        outcome = solve(self.problem, self._case, path=deviations, map_=self.map_)
        write_atomic(self.folder / file, outcome.envelope())
        return outcome, grade(self.problem, outcome.answer, self._case)

    def _solve_well(self) -> Outcome:
        answer = self.folder / "answer.json"
        self._say("The reference answer", f"solve {self.problem.name} {self._case} --out {answer}")
        outcome, verdict = self._solve({}, answer.name)
        for item in outcome.decisions:
            show(f"{click.style(item.decision, fg='cyan')} → {item.choice}: {item.because}")
        self._say("Its grade", f"grade {self.problem.name} {answer} --truth {self._case}")
        show(_verdict(verdict))
        self.document |= {"answer": outcome.answer, "passed": verdict.passed}
        return outcome

    def _solve_badly(self) -> list[str]:
        """Take single wrong turns; returns the answer files."""
        turns = wrong_turns(self.problem)[:WRONG]
        path = " ".join(f"--path {key}={name}" for key, name in turns[:1])
        self._say("Plausible, and wrong", f"solve {self.problem.name} {self._case} {path}")
        rows, written, listed = [], [], []
        for number_, (key, name) in enumerate(turns, 1):
            outcome, verdict = self._solve({key: name}, f"wrong_{number_}.json")
            values = ", ".join(f"{k} = {number(v)}" for k, v in outcome.answer.items())
            rows.append((f"{key}={name}", values, "passed" if verdict.passed else "FAILED"))
            written.append(f"wrong_{number_}.json")
            listed.append({"path": {key: name}, "answer": outcome.answer, "passed": verdict.passed})
        show(Table(("wrong turn", "answer", "grade"), rows))
        self.document["wrong"] = listed
        return written

    def _explain(self, answers: list[str]) -> None:
        from refsolve.contract.explaining import explain

        if not answers:
            return
        answer = self.folder / answers[0]
        name = self.problem.name
        self._say(
            "Why is the first of them wrong? The answer alone tells",
            f"explain {name} {self._case} {answer} --depth 1",
        )
        explanation = explain(self.problem, self._case, answer, depth=1, map_=self.map_)
        show(explanation.diagnosis)
        self.document["explanation"] = explanation.to_dict()

    def _write_files(self, outcome: Outcome) -> None:
        from refsolve.contract.report import write_report

        figures = (
            self.problem.module("figures").figures(outcome) if self.problem.has("figures") else {}
        )
        written = {"report": str(write_report(self.problem, outcome, self.folder / "report.html"))}
        for index, figure in enumerate(figures.values(), 1):
            drawn = self.folder / f"figure_{index}.png"
            figure.savefig(drawn, dpi=150)
            written[f"figure_{index}"] = str(drawn)
        show(f"\n{click.style('To look at', bold=True)}")
        for file in written.values():
            show(file)
        self.document["written"] = written


def wrong_turns(problem: Problem) -> list[tuple[str, str]]:
    """Wrong choices that do harm alone: the first of every decision, then the others.

    Parameters
    ----------
    problem
        The problem.
    """
    harmless = {d.key: d.harmless for d in problem.spec.decision}
    ranked = [
        (rank, key, name)
        for key, choices in problem.lattice.choices.items()
        for rank, name in enumerate(
            c.name for c in choices.values() if c.kind == "wrong" and c.name not in harmless[key]
        )
    ]
    return [(key, name) for _, key, name in sorted(ranked, key=lambda item: item[0])]


def _verdict(grade: Grade) -> Table:
    rows = [("ok" if k.passed else "FAIL", k.key, k.reason) for k in grade.keys]
    return Table(("", "key", "verdict"), rows, ["green" if r[0] == "ok" else "red" for r in rows])
