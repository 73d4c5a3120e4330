"""`refsolve explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from refsolve.cli.options import json_option, set_option, solvers_option, workers_option
from refsolve.cli.reply import Reply, Table

if TYPE_CHECKING:
    from refsolve.contract.explaining import Explanation

SHOWN = 8


@click.command("explain", short_help="Say which wrong turn leads to an answer.")
@click.argument("problem")
@click.argument("case", type=click.Path(path_type=Path))
@click.argument("answer", type=click.Path(path_type=Path))
@click.option(
    "--depth",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="Largest number of wrong turns taken together.",
)
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    default=600,
    show_default=True,
    help="Largest number of paths that are solved.",
)
@workers_option
@set_option("parameter")
@solvers_option
@json_option
def command(
    problem: str,
    case: Path,
    answer: Path,
    depth: int,
    budget: int,
    workers: int,
    settings: tuple[str, ...],
    solvers: tuple[Path, ...],
) -> Reply:
    """Solve CASE along every path of up to --depth wrong turns and rank them by how near they come.

    The truth is never read.
    """
    from refsolve.cli.compiling import announce_compilation
    from refsolve.cli.progress import progress
    from refsolve.contract.discovery import find_problem
    from refsolve.contract.explaining import explain
    from refsolve.contract.values import parse_assignments
    from refsolve.parallel import mapper

    found = find_problem(problem, solvers)
    parameters = parse_assignments(settings, "--set")
    announce_compilation(found)
    with mapper(workers, "threads") as map_, progress("explain", "paths") as report:
        explanation = explain(
            found,
            case,
            answer,
            depth=depth,
            budget=budget,
            parameters=parameters,
            map_=map_,
            progress=report,
        )
    document = {"schema": "refsolve.explain/1", **explanation.to_dict()}
    return Reply(document, explanation_text(explanation))


def explanation_text(explanation: Explanation) -> list[str | Table]:
    """Diagnosis and the nearest paths.

    Parameters
    ----------
    explanation
        What was found.
    """
    rows = [
        (f"{c.distance:.2f}" if c.answer and c.distance < float("inf") else "–", c.kind, c.label)
        for c in explanation.candidates[:SHOWN]
    ]
    return [
        explanation.diagnosis,
        "",
        Table(("tolerances away", "kind", "path"), rows),
        f"{explanation.solved} of {explanation.total} paths of up to {explanation.depth} turns "
        f"solved in {explanation.seconds:.1f} s; – means another exact value, or no answer.",
    ]
