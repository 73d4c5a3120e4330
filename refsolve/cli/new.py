"""`refsolve new`."""

from __future__ import annotations

from pathlib import Path

import click

from refsolve.cli.options import FOLDER, json_option
from refsolve.cli.reply import Reply


@click.command("new", short_help="Start a solver folder of your own.")
@click.argument("name")
@click.option(
    "--dir",
    "folder",
    type=FOLDER,
    metavar="DIR",
    help="Folder that the solver folder is made in; ./solvers if there is one, else here.",
)
@json_option
def command(name: str, folder: Path | None) -> Reply:
    """Write a skeleton NAME/ whose values are invalid on purpose: errors name what to fill in."""
    from refsolve.contract.scaffold import new

    place = new(name, folder)
    files = sorted(file.name for file in place.iterdir())
    document = {"schema": "refsolve.new/1", "name": name, "folder": str(place), "files": files}
    shown = place if len(place.parts) > 1 else f"./{place}"
    todo = f"Fill in problem.toml until `refsolve describe {shown}` has no complaint."
    return Reply(document, [f"{', '.join(files)} written to {place}", todo])
