"""The command `refsolve`: finds a command, runs it, and turns what happens into an exit code.

A command returns a `Reply` and prints nothing itself; here alone it becomes text or, with `--json`,
the one JSON document on standard output. Exit codes: 0 done or passed · 1 graded or certified as
failed, or a finding of `doctor` · 2 usage, or input that breaks the contract · 3 the analysis
cannot be done on valid input · 4 an optional dependency is missing · 70 a defect in refsolve ·
130 interrupted · 141 the reader of standard output went away.
"""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from typing import Any, NoReturn

import click

from refsolve import __version__
from refsolve.cli.failure import Failure
from refsolve.cli.reply import Reply

COMMANDS = (
    "solve",
    "grade",
    "explain",
    "certify",
    "generate",
    "list",
    "describe",
    "new",
    "demo",
    "doctor",
    "warmup",
    "profile",
)
READER_GONE = 141


class Commands(click.Group):
    """A group that imports the file of a command when the command is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """The command of this name; near misses of an unknown one are suggested."""
        if cmd_name not in COMMANDS:
            near = difflib.get_close_matches(cmd_name, COMMANDS, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(COMMANDS)}."
            raise click.UsageError(f"No command is called {cmd_name!r}. {hint}", ctx)
        command: click.Command = importlib.import_module(f"refsolve.cli.{cmd_name}").command
        return command

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> int:
        """Run a command line; ends the program unless `standalone_mode` is off."""
        given = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in given
        # A solver that prints must not spoil the document.
        quiet = redirect_stdout(sys.stderr) if as_json else nullcontext()
        try:
            with quiet:
                reply = super().main(given, prog_name, complete_var, False, obj=as_json, **extra)
        except (Exception, KeyboardInterrupt) as error:
            reply = Failure(error)
        code = _answer(reply, as_json) if isinstance(reply, (Reply, Failure)) else int(reply or 0)
        if standalone_mode:
            sys.exit(code)
        return code


def _answer(reply: Reply | Failure, as_json: bool) -> int:
    try:
        reply.print(as_json)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered would raise once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    return reply.code


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Reference solvers for quantitative biology: solve, grade, certify, and explain.

    Every command takes --json: one JSON document on standard output, everything else on standard
    error. Exit codes: 0 done or passed, 1 failed, 2 bad usage or input, 3 the analysis cannot be
    done, 4 an optional dependency is missing, 70 a defect in refsolve, 130 interrupted.
    """


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the program.

    Parameters
    ----------
    argv
        Arguments after the program's name; those of the process when absent.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    cli.main(argv, prog_name="refsolve")
    raise AssertionError("click ends the program")


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
