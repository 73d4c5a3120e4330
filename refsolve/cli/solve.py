"""`refsolve solve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from refsolve.cli.options import FILE, check_parent, cores, json_option, set_option, solvers_option
from refsolve.cli.reply import Reply, Table, number
from refsolve.core.errors import UsageError

if TYPE_CHECKING:
    from refsolve.contract.discovery import Problem
    from refsolve.contract.outcome import Outcome

DEFAULT = Path("answer.json")


@click.command("solve", short_help="Solve a case and say why.")
@click.argument("problem")
@click.argument("case", type=click.Path(path_type=Path))
@set_option("parameter")
@click.option(
    "--path",
    "turns",
    multiple=True,
    metavar="DECISION=CHOICE",
    help="Take a decision otherwise than the reference does (repeatable).",
)
@click.option(
    "--out", type=FILE, help="Answer file; ./answer.json without --json, none with it, if absent."
)
@click.option("--report", type=FILE, metavar="FILE.html", help="Also write a report.")
@solvers_option
@json_option
@click.pass_obj
def command(
    as_json: bool,
    problem: str,
    case: Path,
    settings: tuple[str, ...],
    turns: tuple[str, ...],
    out: Path | None,
    report: Path | None,
    solvers: tuple[Path, ...],
) -> Reply:
    """Solve CASE, a folder with the released files or a published problem folder.

    The answer file has the form {"answer": {...}, "reasoning": "..."} and replaces an earlier one
    whole. Nothing is written into CASE unless --out names it. With --json the document has the
    answer, the evidence for every decision, diagnostics and timing.
    """
    from refsolve.cli.compiling import announce_compilation
    from refsolve.contract.discovery import find_problem
    from refsolve.contract.solving import open_case, solve_case
    from refsolve.contract.values import parse_assignments
    from refsolve.core.files import write_atomic
    from refsolve.parallel import mapper

    found = find_problem(problem, solvers)
    target = out or (None if as_json else _default(case))
    for file in filter(None, (target, report)):
        check_parent(file)
    deviations = parse_assignments(turns, "--path")
    found.lattice.path(deviations)
    announce_compilation(found)
    with mapper(cores(), "threads") as map_:
        opened = open_case(found, case, parse_assignments(settings, "--set"), map_)
        outcome = solve_case(found, opened, deviations)
    written = {}
    if target:
        written["answer"] = str(write_atomic(target, outcome.envelope()))
    if report:
        from refsolve.contract.report import write_report

        written["report"] = str(write_report(found, outcome, report, parameters=opened.parameters))
    document = {**outcome.to_dict(), "parameters": dict(opened.parameters), "written": written}
    return Reply(document, _text(found, outcome, written))


def _default(case: Path) -> Path:
    here, folder = Path.cwd(), case.resolve()
    if here == folder or folder in here.parents:
        raise UsageError(
            "The current folder belongs to the case, which is left as it is.",
            hint="Name the answer file with --out, or use --json.",
        )
    return DEFAULT


def _text(problem: Problem, outcome: Outcome, written: dict[str, str]) -> list[str | Table]:
    units = {a.key: a.unit for a in problem.spec.answer}
    spans = {k: f"{low:.6g} … {high:.6g}" for k, (low, high) in outcome.intervals.items()}
    rows = [
        (key, number(value), spans.get(key, ""), units[key])
        for key, value in outcome.answer.items()
    ]
    return [
        f"{outcome.problem}: solved in {outcome.seconds:.2f} s",
        Table(("answer", "value", "interval", "unit"), rows),
        *(f"{d.decision} → {d.choice}: {d.because}" for d in outcome.decisions),
        *(f"{what} written to {place}" for what, place in written.items()),
    ]
