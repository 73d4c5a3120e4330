"""`refsolve generate`."""

from __future__ import annotations

from pathlib import Path

import click

from refsolve.cli.options import json_option, set_option, solvers_option
from refsolve.cli.reply import Reply


@click.command("generate", short_help="Write a case together with its truth.")
@click.argument("problem")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--seed", type=click.IntRange(min=0), help="Seed; the problem's example seed if absent."
)
@set_option("knob")
@solvers_option
@json_option
def command(
    problem: str,
    folder: Path,
    seed: int | None,
    settings: tuple[str, ...],
    solvers: tuple[Path, ...],
) -> Reply:
    """Write the released files of a case into DIR and truth.json beside them.

    DIR is made when absent and refused when it is not empty. The same seed and knobs give the same
    bytes.
    """
    from refsolve.contract.discovery import find_problem
    from refsolve.contract.generating import generate
    from refsolve.contract.values import parse_assignments

    found = find_problem(problem, solvers)
    knobs = parse_assignments(settings, "--set")
    used = found.spec.seeds.example if seed is None else seed
    place = generate(found, folder, seed=used, knobs=knobs)
    files = sorted(file.name for file in place.iterdir())
    document = {
        "schema": "refsolve.generate/1",
        "problem": found.name,
        "folder": str(place),
        "seed": used,
        "knobs": knobs,
        "files": files,
    }
    return Reply(document, [f"{found.name}, seed {used}: {', '.join(files)} written to {place}"])
