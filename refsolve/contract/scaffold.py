"""`new`: the skeleton of a solver, whose values are invalid so that none is forgotten."""

from __future__ import annotations

import re
from pathlib import Path

from refsolve.core.errors import UsageError
from refsolve.core.files import write_atomic

TEMPLATES = Path(__file__).parent / "templates" / "solver"
# A template is not a source of the package: the suffix keeps tools from taking it for one.
SUFFIX = ".txt"
PLACEHOLDER = "@NAME@"


def new(name: str, folder: Path | str | None = None) -> Path:
    """Write the skeleton of a solver.

    Parameters
    ----------
    name
        Name of the problem and of its folder: lower-case letters, digits, and underscores.
    folder
        Folder that the new folder is made in; `solvers` when the current folder has one, else the
        current folder.

    Returns
    -------
    The new folder.

    Raises
    ------
    UsageError
        The name cannot be one, or the folder exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(
            f"{name!r} cannot be the name of a problem.",
            hint="Use lower-case letters, digits and underscores, a letter first.",
        )
    parent = Path(folder) if folder is not None else _default()
    place = parent / name
    if place.exists():
        raise UsageError(f"{place} exists.", hint="Choose another name, or remove it first.")
    place.mkdir(parents=True)
    for template in sorted(TEMPLATES.iterdir()):
        text = template.read_text(encoding="utf-8").replace(PLACEHOLDER, name)
        write_atomic(place / template.name.removesuffix(SUFFIX), text)
    return place


def _default() -> Path:
    return Path("solvers") if Path("solvers").is_dir() else Path()
