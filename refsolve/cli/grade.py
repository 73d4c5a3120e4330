"""`refsolve grade`."""

from __future__ import annotations

from pathlib import Path

import click

from refsolve.cli.options import json_option, solvers_option
from refsolve.cli.reply import Reply, Table


@click.command("grade", short_help="Judge an answer against the truth.")
@click.argument("problem")
@click.argument("answer", type=click.Path(path_type=Path))
@click.option(
    "--truth",
    required=True,
    metavar="FILE_OR_CASE",
    type=click.Path(path_type=Path),
    help="truth.json, eval_config.json, or a folder that holds one of them.",
)
@solvers_option
@json_option
def command(problem: str, answer: Path, truth: Path, solvers: tuple[Path, ...]) -> Reply:
    """Judge ANSWER, a JSON file {"answer": {...}}, key by key; every key must pass.

    Exit code 0: passed. 1: failed. 2: the answer or the truth cannot be used.
    """
    from refsolve.contract.grading import grade

    verdict = grade(problem, answer, truth, solvers=solvers)
    rows = [("ok" if k.passed else "FAIL", k.key, k.reason) for k in verdict.keys]
    rows += [("FAIL", key, "not a key of this problem") for key in verdict.extra]
    styles = ["green" if row[0] == "ok" else "red" for row in rows]
    state = (
        click.style("passed", fg="green", bold=True)
        if verdict.passed
        else click.style("FAILED", fg="red", bold=True)
    )
    return Reply(
        {"schema": "refsolve.grade/1", **verdict.to_dict()},
        [f"{verdict.problem}: {state}", Table(("", "key", "verdict"), rows, styles)],
        0 if verdict.passed else 1,
    )
