"""Errors as a message, a JSON document, and an exit code."""

from __future__ import annotations

import json
import traceback
from typing import Any

import click

from refsolve.core.errors import InputError, RefsolveError

DEFECT = 70
INTERRUPTED = 130
SHOWN = 20
APOLOGY = "Sorry: a defect in refsolve or in the solver it ran. Please report the lines above."


class Interrupted(RefsolveError):
    """The user, or the system, asked the program to stop."""

    exit_code = INTERRUPTED


class Failure:
    """What is said, and returned, about an exception.

    Parameters
    ----------
    error
        The exception that ended a command.

    Attributes
    ----------
    code
        Exit code.
    """

    def __init__(self, error: BaseException) -> None:
        if isinstance(error, (click.Abort, KeyboardInterrupt)):
            error = Interrupted("Interrupted.")
        elif isinstance(error, OSError) and error.filename is not None:
            error = _Unusable(f"{error.filename}: {error.strerror}.")
        self.error = error
        self.code = _code(error)

    def print(self, as_json: bool) -> None:
        """Say it on standard error and, as JSON, on standard output.

        Parameters
        ----------
        as_json
            Whether a document is wanted.
        """
        error = self.error
        if isinstance(error, click.ClickException):
            error.show()
        elif isinstance(error, RefsolveError):
            click.echo(_message(error), err=True)
        else:
            click.echo("".join(traceback.format_exception(error)), err=True)
            click.echo(APOLOGY, err=True)
        if as_json:
            click.echo(json.dumps(self.document(), indent=2, allow_nan=False))

    def document(self) -> dict[str, Any]:
        """The error as plain data."""
        error = self.error
        violations = error.violations if isinstance(error, InputError) else ()
        return {
            "error": {
                "kind": _kind(error),
                "message": getattr(error, "message", "") or str(error),
                "violations": [_violation(v) for v in violations],
                "hint": getattr(error, "hint", ""),
            },
            "exit_code": self.code,
        }


class _Unusable(RefsolveError):
    """A file or folder that the system does not let us use."""

    exit_code = 2


def _code(error: BaseException) -> int:
    if isinstance(error, RefsolveError):
        return error.exit_code
    return 2 if isinstance(error, click.ClickException) else DEFECT


def _kind(error: BaseException) -> str:
    """Public name of a kind of error; classes of click and of this file have none."""
    usage = isinstance(error, (click.ClickException, _Unusable))
    return "UsageError" if usage else type(error).__name__


def _message(error: RefsolveError) -> str:
    head = click.style("error: ", fg="red", bold=True)
    if isinstance(error, InputError):
        lines = [str(v) for v in error.violations[:SHOWN]]
        more = len(error.violations) - SHOWN
        lines += [f"and {more} more."] if more > 0 else []
        return head + "\n       ".join(lines)
    return head + error.message + (f"\n       {error.hint}" if error.hint else "")


def _violation(violation: Any) -> dict[str, Any]:
    from refsolve.core.result import jsonable

    return jsonable(violation)  # type: ignore[no-any-return]
