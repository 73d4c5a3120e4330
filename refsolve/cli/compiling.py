"""A word of patience where kernels are compiled for the first time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from refsolve.contract.discovery import Problem


def announce_compilation(problem: Problem) -> None:
    """Say that kernels will be compiled, where a solver has some and none is kept yet.

    Parameters
    ----------
    problem
        The problem; its solver is loaded.
    """
    problem.module("solve")
    jit = sys.modules.get("refsolve.core.jit")
    if jit is not None and jit.registered_kernels():
        announce_if_cold()


def announce_if_cold() -> None:
    """Say that kernels will be compiled, where none is kept yet."""
    from refsolve.core.jit import cache_folder

    folder = cache_folder()
    if folder is None or not any(folder.rglob("*.nbi")):
        click.echo("compiling kernels (first run only) ...", err=True)
