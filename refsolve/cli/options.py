"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from refsolve.core.errors import UsageError

C = TypeVar("C", bound=Callable[..., Any])

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)

# `main` looks for the flag itself, because a command line that cannot be parsed wants JSON as well.
json_option = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    help="One JSON document on standard output, everything else on standard error.",
)


def solvers_option(command: C) -> C:
    """Add `--solvers`.

    Parameters
    ----------
    command
        A function that takes `solvers`.
    """
    return click.option(
        "--solvers",
        multiple=True,
        metavar="DIR",
        type=FOLDER,
        help="Folder of solver folders to look in first (repeatable).",
    )(command)


def set_option(what: str) -> Callable[[C], C]:
    """Make the decorator that adds `--set`.

    Parameters
    ----------
    what
        What a key is called.
    """
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar=f"{what.upper()}=VALUE",
        help=f"Change a {what} from its default (repeatable).",
    )


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=cores,
    show_default="local cores",
    help="Workers on this machine; results do not depend on it.",
)


def check_parent(file: Path) -> None:
    """Refuse a file in a folder that is absent, before any work is done.

    Parameters
    ----------
    file
        Where something will be written.
    """
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent} is not a folder.", hint="Make it first.")


def known(name: str, names: Sequence[str], what: str) -> None:
    """Refuse a name that is not listed; the nearest one is suggested.

    Parameters
    ----------
    name
        What the user wrote.
    names
        All that there are.
    what
        What they are names of.
    """
    if name not in names:
        import difflib

        near = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names) or 'none'}."
        raise UsageError(f"No {what} is called {name!r}.", hint=hint)
