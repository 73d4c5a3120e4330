"""Every error that reaches a user: one sentence, a remedy, and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class RefsolveError(Exception):
    """Base of all errors that refsolve raises on purpose.

    Parameters
    ----------
    message
        One sentence that says what is wrong and where.
    hint
        What to do about it; shown after the message.

    Attributes
    ----------
    exit_code
        What the command line returns for this kind of error.
    """

    exit_code: int = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling of exceptions.
        return _rebuild, (type(self), self.message, self.hint)


def _rebuild(kind: type[RefsolveError], message: str, hint: str) -> RefsolveError:
    error = kind.__new__(kind)
    RefsolveError.__init__(error, message, hint=hint)
    return error


class UsageError(RefsolveError):
    """A command or function was called with something it does not know."""

    exit_code = 2


class AnalysisError(RefsolveError):
    """The input is valid and the analysis cannot be done: not identified, singular, no optimum."""

    exit_code = 3


class MissingDependencyError(RefsolveError):
    """An optional package is needed and absent."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where an input breaks its contract.

    Attributes
    ----------
    file
        Name of the file as the user knows it.
    column
        Canonical column name; empty when the whole file is meant.
    row
        Line of the file as an editor shows it (1-based, the header is a line too).
    value
        What stands there.
    expected
        What should stand there.
    remedy
        What to do, if anything is known beyond meeting the expectation.
    """

    file: str
    column: str
    row: int | None
    value: object
    expected: str
    remedy: str = ""

    def __str__(self) -> str:
        where = [self.file]
        if self.column:
            where.append(f"column {self.column!r}")
        if self.row is not None:
            where.append(f"row {self.row}")
        found = "" if self.value is None else f"found {self.value!r}, "
        tail = f"; {self.remedy}" if self.remedy else ""
        return f"{', '.join(where)}: {found}expected {self.expected}{tail}."


class InputError(RefsolveError):
    """Files that break the contract of their problem; carries every violation found."""

    exit_code = 2

    def __init__(self, violations: Sequence[Violation]) -> None:
        if not violations:
            raise ValueError("InputError needs at least one violation")
        super().__init__("\n".join(str(v) for v in violations))
        self.violations = tuple(violations)

    def __reduce__(self) -> tuple[object, ...]:
        return InputError, (self.violations,)
