"""`refsolve list`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from refsolve.cli.options import json_option, solvers_option
from refsolve.cli.reply import Reply, Table


@click.command("list", short_help="List the problems that can be solved.")
@solvers_option
@json_option
def command(solvers: tuple[Path, ...]) -> Reply:
    """List every problem found, with what is wrong where one cannot be used."""
    from refsolve.contract.catalogue import list_problems

    listed = list_problems(solvers)
    rows = [(p.name, p.title or p.trouble.partition("\n")[0], p.origin) for p in listed]
    styles = ["red" if p.trouble else "" for p in listed]
    return Reply(
        {"schema": "refsolve.list/1", "problems": [asdict(p) for p in listed]},
        [Table(("problem", "title", "origin"), rows, styles)],
    )
